"""Threshold units, perceptron, ADALINE and Hopfield's network, against loops written by hand."""

from __future__ import annotations

import itertools
import pickle
from typing import Any

import numpy as np
import pytest

import ranvier as rv
from ranvier.foundation import errors
from ranvier.foundation.random import permuted_rows
from ranvier.models.classic.perceptron import STRETCHES

Array = np.ndarray
CORNERS = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
XOR = np.array([0, 1, 1, 0])


# --- threshold units


@pytest.mark.parametrize("name", rv.LOGIC_FUNCTIONS)
def test_every_logical_function_is_exact(name: str) -> None:
    answers = rv.LOGIC_FUNCTIONS[name]
    for unit in (rv.logic_function(name), rv.logic_function(answers)):
        assert unit(CORNERS).tolist() == list(answers)
        assert unit(CORNERS).dtype == np.int32
        assert [int(unit(corner)) for corner in CORNERS.tolist()] == list(answers)
        assert rv.compile(unit)(CORNERS).tolist() == list(answers)
        if name in ("xor", "xnor"):
            assert isinstance(unit, rv.ThresholdNetwork)
            assert len(unit.units) == 3
        else:
            assert isinstance(unit, rv.ThresholdUnit)


def test_the_logical_functions_are_all_sixteen() -> None:
    assert set(rv.LOGIC_FUNCTIONS.values()) == set(itertools.product((0, 1), repeat=4))


def test_names_mean_what_they_say() -> None:
    meanings = {
        "and": lambda a, b: a and b, "or": lambda a, b: a or b, "xor": lambda a, b: a != b,
        "nand": lambda a, b: not (a and b), "nor": lambda a, b: not (a or b),
        "xnor": lambda a, b: a == b, "a": lambda a, b: a, "not_b": lambda a, b: not b,
        "a_implies_b": lambda a, b: (not a) or b, "b_implies_a": lambda a, b: (not b) or a,
        "a_and_not_b": lambda a, b: a and not b, "b_and_not_a": lambda a, b: b and not a,
    }  # fmt: skip
    for name, meaning in meanings.items():
        wanted = [int(meaning(a, b)) for a, b in CORNERS.tolist()]
        assert list(rv.LOGIC_FUNCTIONS[name]) == wanted


def test_the_threshold_itself_is_reached() -> None:
    unit = rv.ThresholdUnit([0.5, 0.25], threshold=0.75)
    assert unit([[1, 1], [1, 0.999]]).tolist() == [1, 0]
    assert unit.weights.tolist() == [0.5, 0.25]
    assert repr(unit) == "ThresholdUnit([0.5, 0.25], threshold=0.75)"


@pytest.mark.parametrize(
    ("excitatory", "inhibitory", "threshold"),
    [(2, 1, 1), (3, 2, 2), (1, 1, 0), (2, 2, 5), (0, 2, 0)],
)
def test_one_inhibiting_input_silences_the_unit(
    excitatory: int, inhibitory: int, threshold: int
) -> None:
    unit = rv.ThresholdUnit.with_inhibition(excitatory, inhibitory, threshold)
    for inputs in itertools.product((0, 1), repeat=excitatory + inhibitory):
        vetoed = any(inputs[excitatory:])
        wanted = int(not vetoed and sum(inputs[:excitatory]) >= threshold)
        assert int(unit(inputs)) == wanted


def test_a_network_of_threshold_units_with_several_outputs() -> None:
    """A half adder: the sum of two bits and what is carried."""
    first = [rv.logic_function(name) for name in ("or", "nand", "and")]
    adder = rv.ThresholdNetwork(
        first, [rv.ThresholdUnit([1, 1, 0], 2), rv.ThresholdUnit([0, 0, 1], 1)]
    )
    wanted = [[0, 0], [1, 0], [1, 0], [0, 1]]
    assert adder(CORNERS).tolist() == wanted
    assert rv.compile(adder)(CORNERS).tolist() == wanted
    assert [adder(corner).tolist() for corner in CORNERS] == wanted
    assert len(adder.units) == 5
    assert repr(adder).startswith("ThresholdNetwork([ThresholdUnit([1.0, 1.0], threshold=1), ")


# --- the perceptron


def rosenblatt(
    x: Array, y: Array, epochs: int, rate: float, seed: int | None
) -> tuple[Array, float, list[int]]:
    """The rule, row by row, in plain NumPy; y is 0 or 1."""
    w, bias, history = np.zeros(x.shape[1]), 0.0, []
    for epoch in range(epochs):
        order = np.arange(len(x)) if seed is None else permuted_rows(seed, epoch, len(x))
        mistakes = 0
        for row in order:
            z = x[row] @ w + bias
            wrong = z >= 0 if y[row] == 0 else z <= 0
            if wrong:
                error = 1 if y[row] else -1
                w, bias = w + rate * (error * x[row]), bias + rate * error
                mistakes += 1
        history.append(mistakes)
        if mistakes == 0:
            break
    return w, bias, history


def separable(rows: int = 200, features: int = 4) -> tuple[Array, Array]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(rows, features))
    score = x @ rng.normal(size=features) + 0.3
    keep = np.abs(score) > 0.1
    return x[keep], (score[keep] > 0).astype(int)


@pytest.mark.parametrize("engine", ["native", "reference"])
@pytest.mark.parametrize("seed", [None, 3])
@pytest.mark.parametrize("rate", [1.0, 0.7])
def test_perceptron_weights_are_those_of_the_rule(
    rate: float, seed: int | None, engine: str
) -> None:
    x, y = separable(60)
    unit = rv.Perceptron("float64")
    history = unit.fit(
        x, y, epochs=300, learning_rate=rate, shuffle=seed is not None, seed=seed or 0,
        engine=engine,
    )  # fmt: skip
    w, bias, mistakes = rosenblatt(x, y, 300, rate, seed)
    assert unit.weights[:, 0].tolist() == w.tolist()
    assert unit.bias.tolist() == [bias]
    assert history["mistakes"] == mistakes
    assert history.epochs == len(mistakes) == len(history["loss"])
    assert history.stopped_early
    assert history["mistakes"][-1] == 0
    assert history.notes == []


@pytest.mark.parametrize("epochs", [1, 2, 5, 12])
def test_a_perceptron_that_is_cut_short(epochs: int) -> None:
    x, y = separable(60)
    y[:5] = 1 - y[:5]  # nothing divides them now
    unit = rv.Perceptron("float64")
    history = unit.fit(x, y, epochs=epochs, shuffle=False)
    w, bias, mistakes = rosenblatt(x, y, epochs, 1.0, None)
    assert history["mistakes"] == mistakes
    assert len(mistakes) == epochs
    assert unit.weights[:, 0].tolist() == w.tolist()
    assert unit.bias.tolist() == [bias]
    assert not history.stopped_early
    assert f"{mistakes[-1]} mistakes in {len(x)} rows" in history.notes[0]


@pytest.mark.parametrize("name", [n for n in rv.LOGIC_FUNCTIONS if n not in ("xor", "xnor")])
def test_a_perceptron_learns_what_a_line_divides(name: str) -> None:
    answers = np.array(rv.LOGIC_FUNCTIONS[name])
    if name in ("true", "false"):
        with pytest.raises(errors.DataError, match="one class"):
            rv.Perceptron().fit(CORNERS, answers)
        return
    unit = rv.Perceptron()
    history = unit.fit(CORNERS, answers, epochs=50)
    assert history["mistakes"][-1] == 0
    assert unit.predict(CORNERS).tolist() == answers.tolist()
    assert unit.evaluate(CORNERS, answers) == {"loss": 0.0, "accuracy": 1.0}


def test_a_perceptron_never_learns_xor() -> None:
    unit = rv.Perceptron()
    history = unit.fit(CORNERS, XOR, epochs=1000, shuffle=False)
    assert min(history["mistakes"]) > 0
    assert history.epochs == 1000
    assert unit.evaluate(CORNERS, XOR)["accuracy"] < 1.0
    assert any("as for XOR" in note for note in history.notes)
    assert any("round in a circle" in note for note in history.notes)
    shuffled = rv.Perceptron()
    history = shuffled.fit(CORNERS, XOR, epochs=1000)
    assert min(history["mistakes"]) > 0
    # The order changes from epoch to epoch: equal weights would prove nothing.
    assert not any("circle" in note for note in history.notes)


def test_a_circle_of_several_epochs_is_seen() -> None:
    """One feature, three rows that cannot be divided: the weights come back after some epochs."""
    x = np.array([[3.0, 1.0], [1.0, 2.0], [2.0, 1.5], [-1.0, 0.5]])
    y = np.array([0, 0, 1, 1])
    seen, weights = {}, []
    unit = rv.Perceptron("float64")
    for epoch in range(400):
        unit.fit(x, y, epochs=1, shuffle=False)
        key = (unit.weights.tobytes(), unit.bias.tobytes())
        weights.append(key)
        if key in seen:
            break
        seen[key] = epoch
    period = epoch - seen[key]
    assert key in seen
    assert period > 1
    history = rv.Perceptron("float64").fit(x, y, epochs=5000, shuffle=False)
    assert any(length % period == 0 for length in STRETCHES)
    assert any("round in a circle" in note for note in history.notes)


def test_many_classes_have_a_unit_each() -> None:
    rng = np.random.default_rng(2)
    centers = np.array([[0.0, 6.0], [6.0, 0.0], [-6.0, -6.0]])
    x = np.concatenate([center + rng.normal(size=(30, 2)) for center in centers])
    labels = np.repeat(np.array(["red", "green", "blue"]), 30)
    unit = rv.Perceptron("float64")
    history = unit.fit(x, labels, epochs=200)
    assert unit.classes is not None
    assert unit.classes.tolist() == ["blue", "green", "red"]
    assert unit.weights.shape == (2, 3)
    assert unit.net_input(x).shape == (90, 3)
    assert history["mistakes"][-1] == 0
    assert unit.evaluate(x, labels)["accuracy"] == 1.0
    # Each unit is what a perceptron of its own learns, in the same orders of rows.
    for place, name in enumerate(unit.classes):
        w, bias, _ = rosenblatt(x, (labels == name).astype(int), history.epochs, 1.0, 0)
        assert unit.weights[:, place].tolist() == w.tolist()
        assert unit.bias[place] == bias


def test_a_second_fit_goes_on() -> None:
    x, y = separable(60)
    whole, parts = rv.Perceptron("float64"), rv.Perceptron("float64")
    first = whole.fit(x, y, epochs=4, shuffle=False)
    second = [parts.fit(x, y, epochs=2, shuffle=False) for _ in range(2)]
    assert first["mistakes"] == second[0]["mistakes"] + second[1]["mistakes"]
    assert whole.weights.tolist() == parts.weights.tolist()


def test_the_same_accuracy_as_scikit_learn() -> None:
    linear_model = pytest.importorskip("sklearn.linear_model")
    x, y = separable(300)
    peer = linear_model.Perceptron(tol=None, max_iter=500).fit(x, y)
    unit = rv.Perceptron()
    unit.fit(x, y, epochs=500)
    assert unit.evaluate(x, y)["accuracy"] == peer.score(x, y) == 1.0
    assert (unit.predict(x) == peer.predict(x)).all()


def test_labels_are_the_users_own_words() -> None:
    x, y = separable(60)
    unit = rv.Perceptron()
    unit.fit(x, np.where(y, "yes", "no"), epochs=300)
    assert unit.predict(x[:5]).tolist() == np.where(y, "yes", "no")[:5].tolist()
    signs = rv.Perceptron()
    notes = signs.fit(x, 2.0 * y - 1.0, epochs=300).notes
    assert signs.predict(x).tolist() == (2 * y - 1).tolist()
    assert any("whole numbers" in note for note in notes)


def test_native_and_reference_in_float32() -> None:
    x, y = separable(60)
    found = {}
    for engine in ("native", "reference"):
        unit = rv.Perceptron()
        history = unit.fit(x, y, epochs=50, engine=engine)
        found[engine] = (history["mistakes"], unit.weights.tolist())
        assert (unit.predict(x, engine="reference") == unit.predict(x)).all()
    assert found["native"] == found["reference"]


def test_the_unit_inside_is_a_model() -> None:
    unit = rv.Perceptron()
    unit.fit(CORNERS, [0, 0, 0, 1], epochs=50)
    assert unit.model is not None
    neuron = unit.model.layers[0].neurons[0]
    assert neuron.explain([1, 1]).output == unit.net_input([[1, 1]])[0, 0]
    again = pickle.loads(pickle.dumps(unit))
    assert again.predict(CORNERS).tolist() == [0, 0, 0, 1]
    assert repr(unit) == "Perceptron()"
    assert repr(rv.Adaline("float64")) == "Adaline(dtype='float64')"


# --- ADALINE


def widrow_hoff(x: Array, t: Array, epochs: int, rate: float, seed: int | None) -> Any:
    """The delta rule, row by row, in plain NumPy; t is (N, U)."""
    w, bias, history = np.zeros((x.shape[1], t.shape[1])), np.zeros(t.shape[1]), []
    for epoch in range(epochs):
        order = np.arange(len(x)) if seed is None else permuted_rows(seed, epoch, len(x))
        losses = []
        for row in order:
            error = t[row] - (x[row] @ w + bias)
            losses.append(np.mean(error**2) / 2)
            w, bias = w + rate * np.outer(x[row], error), bias + rate * error
        history.append(np.mean(losses))
    return w, bias, history


@pytest.mark.parametrize("engine", ["native", "reference"])
@pytest.mark.parametrize("seed", [None, 3])
@pytest.mark.parametrize("targets", ["two classes", "three classes", "numbers", "two numbers"])
def test_adaline_is_the_delta_rule(targets: str, seed: int | None, engine: str) -> None:
    x, y = separable(60)
    rng = np.random.default_rng(4)
    three = rng.integers(0, 3, len(x))
    numbers = {"numbers": x @ np.ones((4, 1)) + 2.0, "two numbers": x @ np.ones((4, 2)) - 1.0}
    given, wanted = {
        "two classes": (y, 2.0 * y[:, None] - 1.0),
        "three classes": (three, 2.0 * np.eye(3)[three] - 1.0),
        "numbers": (numbers["numbers"][:, 0], numbers["numbers"]),
        "two numbers": (numbers["two numbers"], numbers["two numbers"]),
    }[targets]
    unit = rv.Adaline("float64")
    history = unit.fit(
        x, given, epochs=7, learning_rate=0.02, shuffle=seed is not None, seed=seed or 0,
        engine=engine,
    )  # fmt: skip
    w, bias, losses = widrow_hoff(x, wanted, 7, 0.02, seed)
    np.testing.assert_allclose(unit.weights, w, 1e-12, 1e-13)
    np.testing.assert_allclose(unit.bias, bias, 1e-12, 1e-13)
    np.testing.assert_allclose(history["loss"], losses, 1e-12)
    outputs = x @ w + bias
    np.testing.assert_allclose(unit.net_input(x), outputs, 1e-11, 1e-12)
    scores = unit.evaluate(x, given)
    assert scores["loss"] == pytest.approx(np.mean((wanted - outputs) ** 2) / 2)
    if "numbers" in targets:
        np.testing.assert_allclose(unit.predict(x), outputs, 1e-11, 1e-12)
        assert set(scores) == {"loss"}
    else:
        answers = outputs[:, 0] > 0 if outputs.shape[1] == 1 else outputs.argmax(axis=1)
        assert unit.predict(x).tolist() == answers.astype(int).tolist()
        assert scores["accuracy"] == np.mean(answers == given)


def test_adaline_finds_least_squares_also_where_no_line_divides() -> None:
    unit = rv.Adaline("float64")
    history = unit.fit(CORNERS, XOR, epochs=3000, learning_rate=0.001)
    # The best squared error of XOR is to answer 0 everywhere.
    assert np.abs(unit.net_input(CORNERS)).max() < 0.02
    assert history["loss"][-1] == pytest.approx(0.5, abs=0.01)
    x, _ = separable(200)
    target = x @ np.array([1.0, -2.0, 0.5, 3.0]) + 0.7
    line = rv.Adaline("float64")
    line.fit(x, target, epochs=200, learning_rate=0.02)
    np.testing.assert_allclose(line.weights[:, 0], [1.0, -2.0, 0.5, 3.0], 1e-9)
    assert line.bias[0] == pytest.approx(0.7)


def test_adaline_of_too_large_a_rate_says_so() -> None:
    with pytest.raises(errors.TrainingError):
        rv.Adaline().fit(*separable(60), epochs=200, learning_rate=5.0)


def test_a_second_fit_keeps_the_kind_of_targets() -> None:
    x, y = separable(60)
    unit = rv.Adaline()
    unit.fit(x, x[:, 0], epochs=1)
    with pytest.raises(errors.DataError):
        unit.fit(x, np.where(y, "yes", "no"))
    unit.fit(x, y, epochs=1)  # whole numbers are numbers, too
    assert unit.classes is None


# --- Hopfield's network


def patterns_of(count: int, size: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).choice([-1, 1], (count, size))


def corrupted(patterns: Array, share: float, seed: int = 1) -> Array:
    """Patterns with a share of their units turned over."""
    rng = np.random.default_rng(seed)
    found = patterns.copy()
    for row in found:
        row[rng.choice(len(row), int(share * len(row)), replace=False)] *= -1
    return found


@pytest.mark.parametrize("mode", ["asynchronous", "synchronous"])
@pytest.mark.parametrize("rule", ["hebb", "storkey", "pseudo_inverse"])
def test_hopfield_recalls_corrupted_patterns(rule: str, mode: str) -> None:
    patterns = patterns_of(8, 200)
    memory = rv.Hopfield(200, rule).store(patterns)
    assert memory.is_stable(patterns).all()
    found = memory.recall(corrupted(patterns, 0.1), mode=mode)
    assert (found == patterns).all()
    assert found.dtype == np.int64
    one = memory.recall(corrupted(patterns, 0.1)[3], mode=mode)
    assert (one == patterns[3]).all()


def test_the_weights_of_the_rules() -> None:
    patterns = patterns_of(5, 12).astype(float)
    off = 1.0 - np.eye(12)
    hebb = sum(np.outer(p, p) for p in patterns) / 12 * off
    np.testing.assert_allclose(rv.Hopfield(12).store(patterns).weights, hebb, 1e-14)
    storkey = np.zeros((12, 12))
    for p in patterns:
        old = storkey.copy()
        for i, j in itertools.permutations(range(12), 2):
            at_i = sum(old[i, k] * p[k] for k in range(12) if k not in (i, j))
            at_j = sum(old[j, k] * p[k] for k in range(12) if k not in (i, j))
            storkey[i, j] = old[i, j] + (p[i] * p[j] - p[i] * at_j - at_i * p[j]) / 12
    found = rv.Hopfield(12, "storkey").store(patterns).weights
    np.testing.assert_allclose(found, storkey, 1e-12, 1e-13)
    gram = patterns @ patterns.T
    projection = patterns.T @ np.linalg.solve(gram, patterns) * off
    found = rv.Hopfield(12, "pseudo_inverse").store(patterns).weights
    np.testing.assert_allclose(found, projection, 1e-11, 1e-12)


@pytest.mark.parametrize("rule", ["hebb", "storkey", "pseudo_inverse"])
def test_patterns_may_be_stored_one_by_one(rule: str) -> None:
    patterns = patterns_of(4, 30)
    whole, parts = rv.Hopfield(30, rule).store(patterns), rv.Hopfield(30, rule)
    for pattern in patterns:
        parts.store(pattern)
    np.testing.assert_allclose(whole.weights, parts.weights, 1e-12, 1e-14)
    assert (parts.weights == parts.weights.T).all()
    assert (np.diag(parts.weights) == 0.0).all()
    assert (parts.patterns == patterns).all()


def test_the_energy_is_its_formula() -> None:
    memory = rv.Hopfield(20).store(patterns_of(3, 20))
    states = patterns_of(7, 20, seed=5)
    wanted = [-0.5 * state @ memory.weights @ state for state in states]
    np.testing.assert_allclose(memory.energy(states), wanted, 1e-12)
    assert np.shape(memory.energy(states[0])) == ()
    assert float(memory.energy(states[0])) == pytest.approx(wanted[0])
    np.testing.assert_allclose(memory.energy(-states), wanted, 1e-12)


@pytest.mark.parametrize("rule", ["hebb", "storkey", "pseudo_inverse"])
def test_the_energy_never_rises_one_unit_at_a_time(rule: str) -> None:
    memory = rv.Hopfield(40, rule).store(patterns_of(9, 40))
    states = patterns_of(25, 40, seed=6)
    energies, moved = [memory.energy(states)], 0
    for steps in range(1, 12):
        now = memory.recall(states, max_steps=steps)
        moved += int((now != states).any())
        energies.append(memory.energy(now))
    falls = np.diff(np.array(energies), axis=0)
    assert falls.max() <= 1e-12
    assert falls.min() < 0.0
    assert moved
    assert memory.is_stable(memory.recall(states)).all()


def test_a_state_is_recalled_alone_as_in_a_batch() -> None:
    memory = rv.Hopfield(40).store(patterns_of(9, 40))
    states = patterns_of(10, 40, seed=6)
    together = memory.recall(states, seed=3)
    assert [memory.recall(state, seed=3).tolist() for state in states] == together.tolist()
    assert (memory.recall(states, seed=3) == together).all()
    assert any((memory.recall(states, seed=seed) != together).any() for seed in range(4, 9))


def test_all_at_once_may_swing_for_ever() -> None:
    memory = rv.Hopfield(2).store([1, 1])
    assert memory.recall([1, -1], mode="synchronous", max_steps=1).tolist() == [-1, 1]
    assert memory.recall([1, -1], mode="synchronous", max_steps=2).tolist() == [1, -1]
    assert not memory.is_stable([1, -1])
    assert memory.is_stable(memory.recall([1, -1]))


def test_a_field_of_zero_changes_nothing() -> None:
    """As many patterns as units: beside the diagonal the projection is nothing but rounding."""
    patterns = np.array([[1, 1, 1], [1, -1, 1], [1, 1, -1]])
    memory = rv.Hopfield(3, "pseudo_inverse").store(patterns)
    states = np.array(list(itertools.product((-1, 1), repeat=3)))
    assert (memory.recall(states) == states).all()


def test_too_many_patterns_are_said() -> None:
    memory = rv.Hopfield(100)
    assert memory.capacity == pytest.approx(13.8)
    assert memory.store(patterns_of(13, 100)).notes == ()
    notes = memory.store(patterns_of(1, 100, seed=9)).notes
    assert "14 patterns" in notes[0]
    assert "13.8" in notes[0]
    assert rv.Hopfield(100, "storkey").store(patterns_of(14, 100)).notes == ()


def test_hopfield_travels() -> None:
    memory = rv.Hopfield(20, "storkey").store(patterns_of(2, 20))
    again = pickle.loads(pickle.dumps(memory))
    state = patterns_of(1, 20, seed=8)
    assert (
        again.recall(state, mode="synchronous") == memory.recall(state, mode="synchronous")
    ).all()
    assert repr(again) == "Hopfield(20, rule='storkey')"
    assert repr(rv.Hopfield(3)) == "Hopfield(3)"


# --- errors


def fitted(kind: Any) -> Any:
    unit = kind()
    unit.fit(*separable(60), epochs=1)
    return unit


ERRORS: tuple[tuple[str, type[errors.RanvierError], Any, tuple[str, ...]], ...] = (
    ("an unknown function", errors.ArgumentError, lambda: rv.logic_function("xorr"),
     ("xorr", "'xor'")),
    ("three answers", errors.ArgumentError, lambda: rv.logic_function([0, 1, 1]),
     ("[0, 1, 1]", "four answers")),
    ("other answers", errors.ArgumentError, lambda: rv.logic_function([0, 1, 1, 2]), ("2",)),
    ("ragged answers", errors.ArgumentError, lambda: rv.logic_function([[0], [0, 1]]), ("four",)),
    ("a threshold that is no number", errors.ArgumentError,
     lambda: rv.ThresholdUnit([1, 1], "two"), ("ThresholdUnit", "threshold")),
    ("weights that are a matrix", errors.ShapeError, lambda: rv.ThresholdUnit([[1, 1]], 1),
     ("(1, 2)",)),
    ("inputs of a unit", errors.ShapeError, lambda: rv.ThresholdUnit([1, 1], 1)([1, 1, 1]),
     ("(3,)", "(2,)")),
    ("no inputs at all", errors.ArgumentError,
     lambda: rv.ThresholdUnit.with_inhibition(0, 0, 1), ("at least one input",)),
    ("half an input", errors.ArgumentError,
     lambda: rv.ThresholdUnit.with_inhibition(1.5, 0, 1), ("excitatory",)),
    ("no layers", errors.ArgumentError, lambda: rv.ThresholdNetwork(), ("[]",)),
    ("an empty layer", errors.ArgumentError,
     lambda: rv.ThresholdNetwork([rv.ThresholdUnit([1], 1)], []), ("[1, 0]",)),
    ("no unit", errors.ArgumentError, lambda: rv.ThresholdNetwork(["and"]), ("layer 0", "and")),
    ("a unit that does not fit", errors.ShapeError,
     lambda: rv.ThresholdNetwork([rv.ThresholdUnit([1, 1], 1)], [rv.ThresholdUnit([1, 1], 1)]),
     ("layer 1", "2 inputs", "1 inputs")),
    ("units that read other inputs", errors.ShapeError,
     lambda: rv.ThresholdNetwork([rv.ThresholdUnit([1, 1], 1), rv.ThresholdUnit([1], 1)]),
     ("layer 0",)),
    ("dtype", errors.ArgumentError, lambda: rv.Perceptron("float16"), ("Perceptron", "float16")),
    ("epochs", errors.ArgumentError, lambda: rv.Perceptron().fit(CORNERS, XOR, epochs=0),
     ("epochs",)),
    ("epochs of Adaline", errors.ArgumentError, lambda: rv.Adaline().fit(CORNERS, XOR, epochs=0),
     ("Adaline", "epochs")),
    ("learning rate", errors.ArgumentError,
     lambda: rv.Perceptron().fit(CORNERS, XOR, learning_rate=0.0), ("learning_rate", "above 0")),
    ("shuffle", errors.ArgumentError, lambda: rv.Adaline().fit(CORNERS, XOR, shuffle=1),
     ("shuffle",)),
    ("seed", errors.ArgumentError, lambda: rv.Adaline().fit(CORNERS, XOR, seed=-1), ("seed",)),
    ("engine", errors.ArgumentError, lambda: rv.Adaline().fit(CORNERS, XOR, engine="xla"),
     ("engine", "xla")),
    ("fractions as classes", errors.DataError,
     lambda: rv.Perceptron().fit(CORNERS, [0.5, 1.0, 0.0, 1.0]), ("0.5", "classes")),
    ("rows", errors.DataError, lambda: rv.Perceptron().fit(CORNERS, [0, 1]), ("2", "4")),
    ("a single axis", errors.ShapeError, lambda: rv.Perceptron().fit([0, 1], [0, 1]), ("X",)),
    ("pictures", errors.ShapeError, lambda: rv.Perceptron().fit(np.ones((2, 3, 3)), [0, 1]),
     ("Perceptron", "(2, 3, 3)", "reshape")),
    ("predict before fit", errors.NotBuiltError, lambda: rv.Perceptron().predict(CORNERS),
     ("Perceptron.predict", "fit")),
    ("weights before fit", errors.NotBuiltError, lambda: rv.Adaline().weights,
     ("Adaline.weights",)),
    ("evaluate before fit", errors.NotBuiltError, lambda: rv.Adaline().evaluate(CORNERS, XOR),
     ("Adaline.evaluate",)),
    ("features", errors.ShapeError, lambda: fitted(rv.Perceptron).predict(CORNERS),
     ("2 features", "4 features")),
    ("features of a second fit", errors.ShapeError,
     lambda: fitted(rv.Adaline).fit(CORNERS, XOR), ("2 features", "4 features")),
    ("an unknown label", errors.DataError,
     lambda: fitted(rv.Perceptron).evaluate(np.ones((1, 4)), [2]), ("2",)),
    ("size", errors.ArgumentError, lambda: rv.Hopfield(1), ("Hopfield", "size")),
    ("rule", errors.ArgumentError, lambda: rv.Hopfield(3, "heb"), ("rule", "'hebb'")),
    ("patterns of another length", errors.ShapeError, lambda: rv.Hopfield(3).store([1, -1]),
     ("Hopfield(3)", "(2,)", "(3,)")),
    ("patterns of three axes", errors.ShapeError,
     lambda: rv.Hopfield(3).store(np.ones((1, 1, 3))), ("(1, 1, 3)",)),
    ("0 and 1", errors.DataError, lambda: rv.Hopfield(3).store([[1, 1, 1], [1, 0, 1]]),
     ("row 1, column 1", "2 * x - 1")),
    ("a state of 0 and 1", errors.DataError,
     lambda: rv.Hopfield(2).store([1, -1]).recall([0, 1]), ("unit 0",)),
    ("recall before store", errors.NotBuiltError, lambda: rv.Hopfield(3).recall([1, 1, 1]),
     ("Hopfield.recall", "store")),
    ("energy before store", errors.NotBuiltError, lambda: rv.Hopfield(3).energy([1, 1, 1]),
     ("Hopfield.energy",)),
    ("mode", errors.ArgumentError,
     lambda: rv.Hopfield(2).store([1, -1]).recall([1, 1], mode="serial"), ("mode", "serial")),
    ("steps", errors.ArgumentError,
     lambda: rv.Hopfield(2).store([1, -1]).recall([1, 1], max_steps=0), ("max_steps",)),
)  # fmt: skip


@pytest.mark.parametrize("case", ERRORS, ids=lambda case: case[0])
def test_errors_say_what_is_wrong(case: Any) -> None:
    _, kind, action, parts = case
    with pytest.raises(kind) as caught:
        action()
    assert caught.value.fix
    for part in parts:
        assert part in str(caught.value)


def test_a_fit_that_is_refused_leaves_no_traces() -> None:
    unit = rv.Perceptron()
    with pytest.raises(errors.ArgumentError):
        unit.fit(np.ones((2, 3)), [0, 1], engine="xla")
    assert unit.model is None
    assert unit.classes is None
    unit.fit(CORNERS, [0, 0, 0, 1])
    assert unit.predict(CORNERS).tolist() == [0, 0, 0, 1]
