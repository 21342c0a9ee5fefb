"""L-BFGS: the optimum of other programs, the line search, and the run around it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import ranvier as rv
from ranvier import losses, ops
from ranvier.foundation.errors import ArgumentError, TrainingError
from ranvier.layers import Dense
from ranvier.networks.network import Network
from ranvier.optimizers import LBFGS, SGD, ParameterGroups
from ranvier.training.lbfgs import Memory
from ranvier.training.line_search import Point, search
from ranvier.training.program import TrainingProgram
from ranvier.training.records import Monitor
from ranvier.training.rules import UpdateRules

ENGINES = ("native", "reference")
RNG = np.random.default_rng(0)
X = RNG.normal(size=(200, 5))
NOISY = X @ RNG.normal(size=5) + 0.7 * RNG.normal(size=200)
CLASSES = (NOISY > 0).astype("int32")


def logistic(
    engine: str = "native",
    dtype: str = "float64",
    optimizer: Any = None,
    penalty: float = 0.01,
    **arguments: Any,
) -> tuple[Network, TrainingProgram]:
    network = Network([Dense(1, kernel_regularizer=rv.L2(penalty))], dtype)
    network.build((5,), seed=1)
    loss = losses.resolve("binary_cross_entropy", (1,), "classes", 2)
    chosen = optimizer or LBFGS(tolerance_gradient=1e-9)
    program = TrainingProgram(
        network, loss, chosen, [], X.astype(dtype), CLASSES, engine=engine, **arguments
    )
    return network, program


def height(flat: np.ndarray) -> tuple[float, np.ndarray]:
    """Logistic regression with a penalty on the weights alone, by hand."""
    w, b = flat[:5], flat[5]
    z = X @ w + b
    loss = np.mean(np.logaddexp(0, z) - CLASSES * z) + 0.01 * w @ w
    off = (1 / (1 + np.exp(-z)) - CLASSES) / len(X)
    return float(loss), np.concatenate([X.T @ off + 0.02 * w, [off.sum()]])


def flat_of(network: Network) -> np.ndarray:
    p = network.parameters
    return np.concatenate([p["layers.0.weight"].ravel(), p["layers.0.bias"]])


# --- the optimum


@pytest.mark.parametrize("engine", ENGINES)
def test_the_optimum_is_scipys(engine: str) -> None:
    optimize = pytest.importorskip("scipy.optimize")
    network, program = logistic(engine)
    history = program.run(100)
    result = optimize.minimize(
        height, np.zeros(6), jac=True, method="L-BFGS-B", options={"ftol": 1e-15, "gtol": 1e-10}
    )
    np.testing.assert_allclose(flat_of(network), result.x, atol=1e-6)
    np.testing.assert_allclose(history["loss"][-1], result.fun, rtol=1e-12)
    assert "converged" in history.notes[0]
    assert history.epochs < 30


def test_the_optimum_is_pytorchs() -> None:
    torch = pytest.importorskip("torch")
    w = torch.zeros(6, dtype=torch.float64, requires_grad=True)
    x, y = torch.tensor(X), torch.tensor(CLASSES, dtype=torch.float64)
    peer = torch.optim.LBFGS(
        [w], max_iter=200, line_search_fn="strong_wolfe", tolerance_grad=1e-10, tolerance_change=0.0
    )

    def closure() -> Any:
        peer.zero_grad()
        logits = x @ w[:5] + w[5]
        loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, y)
        loss = loss + 0.01 * (w[:5] ** 2).sum()
        loss.backward()
        return loss

    peer.step(closure)
    network, program = logistic()
    program.run(100)
    np.testing.assert_allclose(flat_of(network), w.detach().numpy(), atol=1e-6)


def test_float32_comes_near() -> None:
    exact, program = logistic()
    program.run(100)
    near, program = logistic(dtype="float32", optimizer=LBFGS())
    program.run(100)
    np.testing.assert_allclose(flat_of(near), flat_of(exact), atol=2e-3)


class Valley(rv.Loss):
    """Rosenbrock's function of the two outputs, whatever the targets are."""

    name = "valley"
    reads = "numbers"

    def __call__(self, outputs: Any, targets: Any) -> Any:
        x, y = ops.slice_axis(outputs, 1, 0, 1), ops.slice_axis(outputs, 1, 1, 2)
        return ops.sum((1 - x) * (1 - x) + 100 * (y - x * x) * (y - x * x), axis=1)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("history", [1, 10])
def test_rosenbrocks_valley(engine: str, history: int) -> None:
    """The two numbers are the weights of a layer that reads a 1."""
    network = Network([Dense(2, use_bias=False)], "float64")
    network.build((1,), seed=0)
    network.parameters["layers.0.weight"][...] = [[-1.2, 1.0]]
    one = np.ones((1, 1))
    optimizer = LBFGS(history=history, tolerance_gradient=1e-10)
    program = TrainingProgram(network, Valley(), optimizer, [], one, np.ones((1, 2)), engine=engine)
    found = program.run(200)
    np.testing.assert_allclose(network.parameters["layers.0.weight"], 1.0, atol=1e-9)
    assert found.epochs < (60 if history == 10 else 200)
    assert all(b <= a for a, b in zip(found["loss"][:-1], found["loss"][1:], strict=True))


# --- the line search


def along(function: Any, tried: list[float]) -> Any:
    """Points of a function of one number, its slope by differences of complex steps."""

    def evaluate(length: float) -> Point:
        tried.append(length)
        value = function(length + 1e-30j)
        finite = bool(np.isfinite(value))
        loss, slope = (value.real, value.imag / 1e-30) if finite else (np.inf, np.nan)
        return Point(length, loss, slope, np.zeros(1), np.zeros(1))

    return evaluate


@pytest.mark.parametrize("first", [1e-6, 0.1, 1.0, 50.0, 1e6])
@pytest.mark.parametrize(
    "function",
    [
        lambda t: (t - 2.0) ** 2,
        lambda t: -t / (t * t + 2.0),
        lambda t: (t + 0.004) ** 5 - 2 * (t + 0.004) ** 4,
        lambda t: np.exp(t) - 8 * t,
        lambda t: np.sqrt(1 + (t - 3) ** 2) + 0.05 * np.sin(8 * t),
    ],
)
def test_the_conditions_of_wolfe_hold(function: Any, first: float) -> None:
    tried: list[float] = []
    evaluate = along(function, tried)
    start = evaluate(0.0)
    with np.errstate(over="ignore", invalid="ignore"):
        found = search(evaluate, start, first, 60)
    assert found is not None
    assert found.loss <= start.loss + 1e-4 * found.length * start.slope
    assert abs(found.slope) <= 0.9 * abs(start.slope)
    assert len(tried) <= 40


def test_the_search_backs_off_where_nothing_is_finite() -> None:
    def wall(t: complex) -> complex:
        return (t - 0.5) ** 2 if t.real < 0.9 else complex(np.nan)

    tried: list[float] = []
    evaluate = along(wall, tried)
    found = search(evaluate, evaluate(0.0), 1e5, 60)
    assert found is not None
    assert 0.0 < found.length < 0.9


def test_the_search_gives_up() -> None:
    def wrong(length: float) -> Point:
        return Point(length, length, -1.0, np.zeros(1), np.zeros(1))

    assert search(wrong, wrong(0.0), 1.0, 25) is None


def test_the_direction_is_newtons_on_a_bowl() -> None:
    """With as many pairs as there are dimensions, H is the inverse of the second derivatives."""
    rng = np.random.default_rng(1)
    half = rng.normal(size=(4, 4))
    second = half @ half.T + np.eye(4)
    memory = Memory(10)
    # Conjugate steps give the inverse exactly.
    for axis in np.linalg.eigh(second)[1].T:
        memory.add(axis, second @ axis)
    g = rng.normal(size=4)
    np.testing.assert_allclose(memory.direction(g), -np.linalg.solve(second, g), rtol=1e-10)


def test_pairs_without_curvature_are_left_out() -> None:
    memory = Memory(2)
    memory.add(np.ones(2), -np.ones(2))
    assert memory.pairs == []
    for k in range(5):
        memory.add(np.full(2, k + 1.0), np.ones(2))
    assert [pair[0][0] for pair in memory.pairs] == [4.0, 5.0]


def test_a_loss_that_overflows_beyond_is_no_harm() -> None:
    """Poisson's loss is exp of the output: the first step of a large rate leads to infinity."""
    x = np.linspace(0.0, 5.0, 30)[:, None]
    counts = np.exp(0.5 * x)
    network = Network([Dense(1)], "float64")
    network.build((1,), seed=0)
    loss = losses.resolve("poisson", (1,), "numbers", None)
    optimizer = LBFGS(1e4, tolerance_gradient=1e-8)
    history = TrainingProgram(network, loss, optimizer, [], x, counts).run(200)
    np.testing.assert_allclose(network.parameters["layers.0.weight"], 0.5, atol=1e-6)
    assert np.isfinite(history["loss"]).all()


# --- the run around it


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-3), ("float64", 1e-7)])
def test_native_is_the_reference(dtype: str, tolerance: float) -> None:
    lines = []
    for engine in ENGINES:
        _, program = logistic(
            engine, dtype, validation=(X[:40].astype(dtype), CLASSES[:40]), weights=abs(X[:, 0])
        )
        history = program.run(6)
        lines.append([history["loss"], history["val_loss"]])
    np.testing.assert_allclose(lines[0], lines[1], tolerance)


def test_the_history_is_of_where_it_went() -> None:
    network, program = logistic(validation=(X[:40], CLASSES[:40]))
    history = program.run(3)
    loss, _ = height(flat_of(network))
    np.testing.assert_allclose(history["loss"][-1], loss, rtol=1e-12)
    z = X[:40] @ flat_of(network)[:5] + flat_of(network)[5]
    checked = np.mean(np.logaddexp(0, z) - CLASSES[:40] * z)
    np.testing.assert_allclose(history["val_loss"][-1], checked, rtol=1e-12)


def test_two_runs_are_one() -> None:
    whole, program = logistic()
    program.run(7)
    parted, program = logistic()
    program.run(3)
    program.run(4)
    assert (flat_of(whole) == flat_of(parted)).all()


@pytest.mark.parametrize("engine", ENGINES)
def test_the_monitor_keeps_the_best(engine: str) -> None:
    """Validation rows with turned labels: the first epoch is the best."""
    network, program = logistic(
        engine,
        validation=(X[:60], 1 - CLASSES[:60]),
        monitor=Monitor("val_loss", patience=3),
    )
    history = program.run(50)
    assert history.stopped_early
    assert history.epochs == history.best_epoch + 4  # type: ignore[operator]
    best = flat_of(network)
    again, program = logistic(engine, validation=(X[:60], 1 - CLASSES[:60]))
    program.run(history.best_epoch + 1)  # type: ignore[operator]
    assert (flat_of(again) == best).all()


@pytest.mark.parametrize("engine", ENGINES)
def test_callbacks_hear_iterations(engine: str) -> None:
    heard: list[Any] = []
    listener = rv.FunctionCallback(heard.append, ("epoch", "step"))
    ends: list[Any] = []
    listener.on_end = ends.append  # type: ignore[method-assign]
    alone, program = logistic(engine)
    plain = program.run(100)
    network, program = logistic(engine, callbacks=[listener])
    history = program.run(100)
    assert dict(history) == dict(plain)
    assert (flat_of(alone) == flat_of(network)).all()
    steps = [event for event in heard if isinstance(event, rv.StepEnded)]
    epochs = [event for event in heard if isinstance(event, rv.EpochEnded)]
    assert [event.loss for event in steps] == history["loss"]
    assert [event["loss"] for event in epochs] == history["loss"]
    assert ends[0].reason == "converged"


def test_a_callback_stops_it() -> None:
    _, program = logistic(callbacks=[rv.FunctionCallback(lambda e: e.epoch == 2 and e.stop())])
    assert program.run(100).epochs == 2


def test_interrupted_within_an_iteration() -> None:
    """What Ctrl-C does: the word of the control block is set at any time."""
    network, program = logistic()
    program.run(1)
    engine: Any = program._engine
    run = engine.inner.run

    def slow() -> None:
        engine.control["stop"] = 1
        run()

    engine.inner.run = slow
    history = program.run(5)
    assert history.epochs <= 1
    assert np.isfinite(flat_of(network)).all()
    assert height(flat_of(network))[0] < np.log(2)


def test_layers_that_keep_numbers_and_draw_them() -> None:
    """BatchNorm's running statistics move once an iteration; dropout is one function throughout."""
    model = rv.Sequential(
        rv.Dense(8, activation="tanh"), rv.BatchNorm(), rv.Dropout(0.2), rv.Dense(1),
        dtype="float64",
    )  # fmt: skip
    y = X[:, :1] * 2 - X[:, 1:2]
    history = model.fit(X, y, optimizer="lbfgs", epochs=15)
    assert all(b <= a for a, b in zip(history["loss"][:-1], history["loss"][1:], strict=True))
    assert history["loss"][-1] < 0.5 * history["loss"][0]
    again = rv.Sequential(
        rv.Dense(8, activation="tanh"), rv.BatchNorm(), rv.Dropout(0.2), rv.Dense(1),
        dtype="float64",
    )  # fmt: skip
    again.fit(X, y, optimizer="lbfgs", epochs=15, engine="reference")
    for name, array in model.network.parameters.items():
        np.testing.assert_allclose(again.network.parameters[name], array, 1e-5, 1e-7)


def test_frozen_layers_stay() -> None:
    first = rv.Dense(4, activation="tanh")
    model = rv.Sequential(first, rv.Dense(1), dtype="float64").build((5,))
    first.trainable = False
    before = first.weight.copy()
    history = model.fit(X, NOISY[:, None], optimizer=LBFGS(), epochs=20)
    assert (first.weight == before).all()
    assert history["loss"][-1] < history["loss"][0]


def test_by_name_with_everything_around() -> None:
    model = rv.Sequential(rv.Dense(1), dtype="float64")
    history = model.fit(
        X, CLASSES, optimizer="lbfgs", epochs=40, validation=0.2, metrics=["accuracy"],
        class_weight="balanced", callbacks=[rv.EarlyStopping("val_loss", patience=3)],
        time_limit=60.0, verbose=False,
    )  # fmt: skip
    assert history["val_accuracy"][-1] > 0.7
    assert any("L-BFGS uses all rows" in note for note in history.notes)


def test_the_configuration_comes_back() -> None:
    optimizer = LBFGS(0.5, history=3, tolerance_gradient=1e-3, max_evaluations=7)
    assert LBFGS.from_config(optimizer.config()).config() == optimizer.config()


def test_the_loss_at_the_start_must_be_finite() -> None:
    _, program = logistic()
    program._engine.load({"layers.0.weight": np.full((5, 1), 1e308)})
    with pytest.raises(TrainingError):
        program.run(3)


def constrained() -> rv.Sequential:
    return rv.Sequential(rv.Dense(1, kernel_constraint=rv.MaxNorm(1.0)))


@pytest.mark.parametrize(
    ("action", "word"),
    [
        (lambda: LBFGS(learning_rate=0.0), "learning_rate"),
        (lambda: LBFGS(history=0), "history"),
        (lambda: LBFGS(tolerance_gradient=-1.0), "tolerance_gradient"),
        (lambda: LBFGS(max_evaluations=0), "max_evaluations"),
        (lambda: logistic(rules=UpdateRules(clip_norm=1.0)), "clipping"),
        (lambda: constrained().fit(X, CLASSES, optimizer="lbfgs"), "constrains its weights"),
        (
            lambda: logistic(optimizer=ParameterGroups({"layers.0": LBFGS(), "*": SGD()})),
            "group of layers",
        ),
    ],
)
def test_errors_say_what_is_wrong(action: Any, word: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        action()
    assert word in str(caught.value)
