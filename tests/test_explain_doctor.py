"""The doctor: twelve networks made sick in one way each, twelve healthy ones, and its errors."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import ranvier as rv
from ranvier.explain import Diagnosis, doctor
from ranvier.explain.findings import NAMES, SEVERITIES
from ranvier.foundation.errors import ArgumentError, DataError, NotBuiltError


def blobs(rows: int, seed: int = 0, columns: int = 6) -> tuple[np.ndarray, np.ndarray]:
    """Three classes around three centres, some overlap, columns of size 1."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 3, rows)
    centres = np.random.default_rng(99).standard_normal((3, columns)) * 1.5
    x = centres[labels] + generator.standard_normal((rows, columns))
    return (x / 1.8).astype(np.float32), labels


def moons(rows: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Points on a plane whose class is the sign of a wave: not linear, no single column tells."""
    generator = np.random.default_rng(seed)
    x = generator.uniform(-1.5, 1.5, (rows, 2)).astype(np.float32)
    return x, (x[:, 1] > np.sin(4.0 * x[:, 0])).astype(np.int64)


def curve(rows: int, seed: int = 0, noise: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """A smooth function of two numbers."""
    generator = np.random.default_rng(seed)
    x = generator.uniform(-2.0, 2.0, (rows, 2)).astype(np.float32)
    y = np.sin(x[:, :1]) * np.cos(x[:, 1:]) + noise * generator.standard_normal((rows, 1))
    return x, y.astype(np.float32)


def learnt_moons(x: np.ndarray, y: np.ndarray) -> rv.Sequential:
    model = classifier(32, 32, classes=2)
    model.fit(x, y, epochs=60, optimizer=rv.Adam(0.01), verbose=False)
    return model


def classifier(*hidden: int, activation: str = "relu", classes: int = 3) -> rv.Sequential:
    layers = [rv.Dense(units, activation=activation) for units in hidden]
    return rv.Sequential(*layers, rv.Dense(classes))


# --- twelve that are sick


def dead() -> Diagnosis:
    x, y = blobs(300)
    model = classifier(16, 16).build((6,))
    model.layers[1].bias[:12] = -30.0
    return doctor(model, x, y)


def saturated() -> Diagnosis:
    x, y = blobs(300)
    model = classifier(16, activation="tanh").build((6,))
    model.layers[0].weight[:] *= 60.0
    return doctor(model, x, y)


def vanishing() -> Diagnosis:
    x, y = blobs(300)
    return doctor(classifier(*[16] * 8, activation="sigmoid").build((6,)), x, y)


def exploding() -> Diagnosis:
    x, y = blobs(300)
    model = classifier(*[16] * 8).build((6,))
    for layer in model.layers:
        layer.weight[:] *= 5.0
    return doctor(model, x, y)


def small_updates() -> Diagnosis:
    x, y = blobs(300)
    return doctor(classifier(16).build((6,)), x, y, optimizer=rv.SGD(1e-8))


def unscaled() -> Diagnosis:
    x, y = blobs(300)
    model = classifier(16)
    model.fit(x * 400.0, y, epochs=1, verbose=False)
    return doctor(model, x * 400.0, y)


def leak() -> Diagnosis:
    y = moons(400)[1]
    told = y + 0.01 * np.random.default_rng(1).standard_normal(400)
    noise = np.random.default_rng(2).standard_normal((400, 3))
    both = np.column_stack([noise, told])
    model = classifier(16, classes=2)
    model.fit(both, y, epochs=20, verbose=False)
    return doctor(model, both, y)


def noisy_labels() -> Diagnosis:
    x, y = blobs(500, columns=4)
    x = x * 2.0
    generator = np.random.default_rng(3)
    wrong = generator.random(500) < 0.12
    y = np.where(wrong, (y + generator.integers(1, 3, 500)) % 3, y)
    model = classifier(16)
    model.fit(x, y, epochs=10, verbose=False)
    return doctor(model, x, y)


def underfitted() -> Diagnosis:
    x, y = rv.open_dataset("spirals").x, rv.open_dataset("spirals").y
    model = rv.Sequential(rv.Dense(2))
    model.fit(x, y, epochs=20, verbose=False)
    return doctor(model, x, y)


def overfitted() -> Diagnosis:
    x, y = moons(40)
    x = np.column_stack([x, np.random.default_rng(5).standard_normal((40, 10))])
    held_x, held_y = moons(300, seed=1)
    held_x = np.column_stack([held_x, np.random.default_rng(6).standard_normal((300, 10))])
    model = classifier(128, 128, classes=2)
    model.fit(x, y, epochs=200, optimizer=rv.Adam(0.005), verbose=False)
    return doctor(model, x, y, validation=(held_x, held_y))


def large_batch() -> Diagnosis:
    x, y = blobs(2000)
    return doctor(classifier(16).build((6,)), x, y, optimizer=rv.SGD(0.05), batch_size=2000)


def large_rate() -> Diagnosis:
    x, y = curve(300)
    model = rv.Sequential(rv.Dense(32, activation="relu"), rv.Dense(1)).build((2,))
    return doctor(model, x, y, optimizer=rv.SGD(5.0))


SICK: dict[str, Callable[[], Diagnosis]] = {
    "dead_neurons": dead,
    "saturated_neurons": saturated,
    "vanishing_gradients": vanishing,
    "exploding_gradients": exploding,
    "updates_too_small": small_updates,
    "unscaled_inputs": unscaled,
    "leakage": leak,
    "label_noise": noisy_labels,
    "underfitting": underfitted,
    "overfitting": overfitted,
    "batch_too_large": large_batch,
    "rate_too_large": large_rate,
}


@pytest.mark.parametrize("name", SICK)
def test_a_sick_network_is_named_rightly(name: str) -> None:
    found = SICK[name]()
    # The cause comes first; not having learnt (yet) is the only thing that may follow from it.
    assert found.names[0] == name, str(found)
    assert set(found.names[1:]) <= {"underfitting", "vanishing_gradients"}, str(found)
    finding = found.findings[0]
    assert finding.severity in SEVERITIES
    assert finding.evidence
    assert finding.where
    assert finding.remedy in str(found)


# --- twelve that are healthy

Healthy = tuple[rv.Model, Any, Any, dict[str, Any]]


def trained(model: rv.Model, x: Any, y: Any, optimizer: Any, epochs: int, **more: Any) -> Healthy:
    history = model.fit(x, y, optimizer=optimizer, epochs=epochs, verbose=False, **more)
    return model, x, y, {"optimizer": optimizer, "history": history}


def healthy_iris() -> Healthy:
    data = rv.open_dataset("iris")
    model, x, y, more = trained(classifier(8), data.x, data.y, rv.Adam(0.01), 60)
    return model, x, y, more | {"validation": (data.test_x, data.test_y)}


def healthy_digits() -> Healthy:
    data = rv.open_dataset("digits")
    model = rv.Sequential(rv.Flatten(), rv.Dense(64, activation="relu"), rv.Dense(10))
    x, held = data.inputs, data.test_inputs
    model, x, y, more = trained(model, x, data.y, rv.Adam(), 15)
    return model, x, y, more | {"validation": (held, data.test_y)}


def healthy_breast_cancer() -> Healthy:
    data = rv.open_dataset("breast_cancer")
    model = rv.Sequential(rv.Dense(16, activation="tanh"), rv.Dense(1))
    model, x, y, more = trained(model, data.x, data.y, rv.Adam(), 20)
    return model, x, y, more | {"validation": (data.test_x, data.test_y)}


def healthy_xor() -> Healthy:
    x, y = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32), np.array([0, 1, 1, 0])
    model = classifier(8, activation="tanh", classes=2)
    return trained(model, x, y, rv.Adam(0.05), 300, batch_size=4)


def healthy_spirals() -> Healthy:
    data = rv.open_dataset("spirals")
    model = classifier(64, 64, classes=2)
    return trained(model, data.x, data.y, rv.Adam(0.005), 120)


def healthy_curve() -> Healthy:
    x, y = curve(500, noise=0.05)
    model = rv.Sequential(rv.Dense(32, activation="tanh"), rv.Dense(1))
    model, x, y, more = trained(model, x, y, rv.Adam(0.01), 100)
    return model, x, y, more | {"validation": curve(200, seed=1, noise=0.05)}


def healthy_line() -> Healthy:
    x = np.random.default_rng(0).standard_normal((300, 5)).astype(np.float32)
    y = x @ np.array([[1.0], [-0.5], [0.3], [0.8], [-1.0]], np.float32)
    y += 0.1 * np.random.default_rng(1).standard_normal(y.shape)
    return trained(rv.Sequential(rv.Dense(1)), x, y.astype(np.float32), rv.SGD(0.05), 30)


def healthy_deep() -> Healthy:
    x, y = blobs(600)
    layers = [rv.Dense(32, activation="relu", kernel_initializer="he_normal") for _ in range(8)]
    return trained(rv.Sequential(*layers, rv.Dense(3)), x, y, rv.Adam(), 10)


def healthy_dropout() -> Healthy:
    x, y = blobs(600)
    model = rv.Sequential(
        rv.Dense(64, activation="gelu"), rv.BatchNorm(), rv.Dropout(0.3), rv.Dense(3)
    )
    model, x, y, more = trained(model, x, y, rv.AdamW(), 20)
    return model, x, y, more | {"validation": blobs(300, seed=7)}


def healthy_autoencoder() -> Healthy:
    x, _ = blobs(400)
    model = rv.Sequential(rv.Dense(4, activation="tanh"), rv.Dense(6))
    return trained(model, x, x, rv.Adam(0.01), 60)


def healthy_overlap() -> Healthy:
    """Classes that nobody can tell apart for certain: no noise, and nothing to blame."""
    generator = np.random.default_rng(0)
    y = generator.integers(0, 2, 600)
    x = generator.standard_normal((600, 3)) + 0.9 * y[:, None]
    return trained(classifier(8, classes=2), x, y, rv.Adam(0.01), 20)


def healthy_untrained() -> Healthy:
    """Just built, to be trained with usual settings; so little is learnt, and nothing is wrong."""
    generator = np.random.default_rng(0)
    x = generator.standard_normal((300, 12)).astype(np.float32)
    y = (generator.random(300) < 0.3).astype(np.int64)
    return classifier(16, classes=2).build((12,)), x, y, {"optimizer": rv.Adam()}


HEALTHY: dict[str, Callable[[], Healthy]] = {
    name.removeprefix("healthy_"): made
    for name, made in list(globals().items())
    if name.startswith("healthy_")
}


@pytest.mark.parametrize("name", HEALTHY)
def test_a_healthy_network_is_not_accused(name: str) -> None:
    model, x, y, more = HEALTHY[name]()
    before = {n: a.copy() for n, a in model.network.parameters.items()}
    found = doctor(model, x, y, **more)
    assert found.healthy, str(found)
    assert "Nothing was found" in str(found)
    # It only looks.
    assert all((before[n] == a).all() for n, a in model.network.parameters.items())


def test_there_are_twelve_of_each() -> None:
    assert len(SICK) == len(HEALTHY) == 12
    assert set(SICK) <= set(NAMES)


# --- more ways of being sick


def test_updates_that_are_too_large() -> None:
    """Weights that are held at one size by a constraint are turned over in every step."""
    x, y = blobs(300)
    first = rv.Dense(16, activation="relu", kernel_constraint=rv.UnitNorm())
    model = rv.Sequential(first, rv.Dense(3)).build((6,))
    rates = {"layers.0": rv.Lion(2.0), "*": rv.Adam(0.01)}
    found = doctor(model, x, y, optimizer=rates)
    finding = next(one for one in found.findings if one.name == "updates_too_large")
    assert finding.where == "layers.0.weight"
    assert finding.evidence["ratios"]["layers.0.weight"] > 0.3
    assert finding.evidence["ratios"]["layers.1.weight"] < 0.3


def test_weights_that_are_no_numbers() -> None:
    x, y = blobs(50)
    model = classifier(4).build((6,))
    model.layers[0].weight[1, 2] = np.nan
    model.layers[1].bias[0] = np.inf
    found = doctor(model, x, y)
    assert found.names == ("weights_not_finite",)
    assert found.findings[0].evidence["parameters"] == ["layers.0.weight", "layers.1.bias"]
    assert "1 more" in str(found)


def test_validation_rows_that_were_trained_on() -> None:
    x, y = moons(300)
    model = learnt_moons(x, y)
    found = doctor(model, x, y, validation=(x[:60], y[:60]))
    assert found.names[0] == "shared_rows"
    assert found.findings[0].evidence["share"] == 1.0
    assert doctor(model, x[60:], y[60:], validation=(x[:60], y[:60])).names == ()


def test_overfitting_seen_in_a_history() -> None:
    x, y = moons(300)
    model = learnt_moons(x, y)
    losses = np.linspace(0.7, 0.01, 20)
    rising = np.concatenate([np.linspace(0.7, 0.3, 8), np.linspace(0.32, 0.9, 12)])
    found = doctor(model, x, y, history={"loss": losses, "val_loss": rising})
    assert found.names == ("overfitting",)
    assert found.findings[0].evidence["best_epoch"] == 7
    falling = doctor(model, x, y, history={"loss": losses, "val_loss": losses + 0.05})
    assert falling.healthy


def test_a_rate_seen_in_a_history() -> None:
    x, y = moons(300)
    model = learnt_moons(x, y)
    found = doctor(model, x, y, history={"loss": [0.7, 0.5, 2.0, 9.0]})
    assert found.names == ("rate_too_large",)
    assert doctor(model, x, y, history={"loss": [0.7, 0.5, 0.4, 0.42]}).healthy


def test_columns_have_their_names_where_a_table_was_read() -> None:
    data = rv.open_dataset("iris")
    model = rv.Sequential(rv.Dense(3)).build((4,))
    model.preparations = (data.preparation,)
    x = data.x.copy()
    x[:, 2] *= 1000.0
    found = doctor(model, x, np.array(data.class_names)[data.y])
    assert found.findings[0].where == "X, column 2, 'petal length (cm)'"


def test_noisy_numbers() -> None:
    x, y = curve(400)
    y = y.copy()
    y[:30] += 8.0
    model = rv.Sequential(rv.Dense(32, activation="tanh"), rv.Dense(1))
    model.fit(x, y, epochs=30, optimizer=rv.Adam(0.01), verbose=False)
    found = doctor(model, x, y)
    assert "label_noise" in found.names
    finding = next(one for one in found.findings if one.name == "label_noise")
    assert set(finding.evidence["rows"]) <= set(range(30))


def test_inputs_of_very_different_sizes_and_tiny_ones() -> None:
    x, y = blobs(200)
    uneven = x * np.array([1, 1, 1, 1, 1e-6, 20.0], np.float32)
    assert doctor(classifier(8).build((6,)), uneven, y).names[0] != "unscaled_inputs"
    assert doctor(classifier(8).build((6,)), x * 1e-5, y).names[0] == "unscaled_inputs"
    first = rv.Sequential(rv.Dropout(0.1), rv.BatchNorm(), rv.Dense(4))
    for layers in (
        [rv.BatchNorm()],
        [rv.Reshape((2, 3)), rv.Flatten(), rv.Rescaling(1e-3)],
        [first.as_layer()],
    ):
        scaled = rv.Sequential(*layers, rv.Dense(3)).build((6,))
        assert "unscaled_inputs" not in doctor(scaled, x * 1000.0, y).names
    late = rv.Sequential(rv.Flatten(), rv.Dense(3), rv.BatchNorm()).build((6,))
    assert doctor(late, x * 1000.0, y).names[0] == "unscaled_inputs"


# --- the rest


def test_several_inputs_and_outputs_are_looked_at_as_far_as_possible() -> None:
    a, b = rv.Input((6,)), rv.Input((2,))
    h = rv.Concatenate()([rv.Dense(8, activation="relu")(a), b])
    model = rv.Model((a, b), (rv.Dense(3)(h), rv.Dense(1)(h))).build()
    x, y = blobs(100)
    other, numbers = curve(100)
    found = doctor(model, (x, other), (y, numbers), optimizer="adam", engine="reference")
    assert found.healthy, str(found)
    assert any("several inputs" in text for text in found.not_looked_at)
    model.layers[0].bias[:] = -50.0
    assert doctor(model, (x, other), (y, numbers)).names[0] == "dead_neurons"


def test_schedules_groups_and_lbfgs_are_tried_as_far_as_possible() -> None:
    x, y = blobs(100)
    model = classifier(8).build((6,))
    assert doctor(model, x, y, optimizer=rv.SGD(rv.CosineDecay(0.05))).names == ("underfitting",)
    groups = {"layers.0": rv.SGD(0.01), "*": rv.Adam(0.001)}
    assert "rate_too_large" not in doctor(model, x, y, optimizer=groups).names
    assert "rate_too_large" not in doctor(model, x, y, optimizer=rv.LBFGS()).names


def test_the_document_is_json() -> None:
    found = dead()
    document = json.loads(json.dumps(found.document()))
    assert document["findings"][0]["name"] == "dead_neurons"
    assert document["layers"][1]["idle"] == 0.75
    assert [row["number"] for row in document["layers"]] == [0, 1, 2]


def test_a_sample_of_rows_is_enough_and_the_same_each_time() -> None:
    x, y = blobs(2000)
    model = classifier(8).build((6,))
    first, second = (doctor(model, x, y, rows=200) for _ in range(2))
    assert first.rows == 200
    assert first.numbers == second.numbers


def test_errors() -> None:
    x, y = blobs(50)
    with pytest.raises(NotBuiltError, match="doctor needs a model with parameters"):
        doctor(classifier(4), x, y)
    model = classifier(4).build((6,))
    with pytest.raises(ArgumentError, match="doctor needs a model"):
        doctor(x, y, model)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="validation is not understood"):
        doctor(model, x, y, validation=0.2)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="engine"):
        doctor(model, x, y, engine="fast")
    with pytest.raises(ArgumentError, match="rows"):
        doctor(model, x, y, rows=1)
    with pytest.raises(DataError, match="rows"):
        doctor(model, x, y[:10])
