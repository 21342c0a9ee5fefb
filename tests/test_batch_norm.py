"""Batch normalization: statistics, gradient, running statistics, freezing, files, errors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

import ranvier as rv
import ranvier.ops as ops
from ranvier.foundation import errors
from ranvier.graph.transforms import gradient
from ranvier.layers import BatchNorm, Context, Dense
from ranvier.layers.batch_norm import batch_normalization

SHAPES = ((3,), (2, 3), (4, 5, 3))


def values_of(layer: BatchNorm, shape: tuple[int, ...], dtype: str = "float64") -> dict[str, Any]:
    rng = np.random.default_rng(1)
    return {
        name: (0.5 + rng.random(p.shape)).astype(dtype) for name, p in layer.declare(shape).items()
    }


def textbook(
    x: np.ndarray, values: Mapping[str, np.ndarray], epsilon: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    flat = x.reshape(-1, x.shape[-1])
    mean, variance = flat.mean(0), flat.var(0)
    normal = (x - mean) / np.sqrt(variance + epsilon)
    return normal * values.get("weight", 1.0) + values.get("bias", 0.0), mean, variance


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("layer", [BatchNorm(), BatchNorm(0.3, 0.01), BatchNorm(center=False),
                                   BatchNorm(scale=False)], ids=repr)  # fmt: skip
def test_training_is_the_formula(layer: BatchNorm, shape: tuple[int, ...]) -> None:
    values = values_of(layer, shape)
    x = np.random.default_rng(0).normal(2.0, 3.0, (6, *shape))
    context = Context(training=True, dtype="float64")
    y = layer.forward(x, values, context)
    expected, mean, variance = textbook(x, values, layer.epsilon)
    np.testing.assert_allclose(y, expected, rtol=1e-12, atol=1e-12)
    rows, m = x.size // 3, layer.momentum
    assert set(context.assigned) == {"running_mean", "running_var"}
    np.testing.assert_allclose(
        context.assigned["running_mean"], (1 - m) * values["running_mean"] + m * mean, rtol=1e-12
    )
    np.testing.assert_allclose(
        context.assigned["running_var"],
        (1 - m) * values["running_var"] + m * variance * rows / (rows - 1),
        rtol=1e-12,
    )


def test_what_it_declares() -> None:
    found = BatchNorm().declare((4, 5, 3))
    assert {name: (p.shape, p.trainable) for name, p in found.items()} == {
        "weight": ((3,), True),
        "bias": ((3,), True),
        "running_mean": ((3,), False),
        "running_var": ((3,), False),
    }
    assert set(BatchNorm(center=False).declare((3,))) == {"weight", "running_mean", "running_var"}
    assert set(BatchNorm(scale=False).declare((3,))) == {"bias", "running_mean", "running_var"}


@pytest.mark.parametrize("axis", [1, 2, 3, -2, -3])
def test_another_axis_is_the_last_one_of_turned_examples(axis: int) -> None:
    shape = (4, 5, 3)
    x = np.random.default_rng(0).normal(size=(6, *shape))
    layer = BatchNorm(axis=axis)
    turned = np.moveaxis(x, axis, -1)
    values = values_of(layer, shape)
    assert values["weight"].shape == (turned.shape[-1],)
    for training in (True, False):
        context = Context(training=training, dtype="float64")
        y = layer.forward(x, values, context)
        expected = BatchNorm().forward(turned, values, Context(training=training, dtype="float64"))
        np.testing.assert_allclose(np.moveaxis(y, axis, -1), expected, rtol=1e-12)
        compiled = rv.compile(
            lambda x, c=training: layer.forward(x, values, Context(c, dtype="float64"))
        )
        np.testing.assert_allclose(compiled(x), y, rtol=1e-12, atol=1e-12)


def test_evaluation_uses_the_running_statistics_and_keeps_them() -> None:
    layer = BatchNorm(epsilon=0.5)
    values = values_of(layer, (3,))
    x = np.random.default_rng(0).normal(size=(4, 3))
    expected = (x - values["running_mean"]) / np.sqrt(values["running_var"] + 0.5)
    expected = expected * values["weight"] + values["bias"]
    frozen = BatchNorm(epsilon=0.5)
    frozen.trainable = False
    for each, training in ((layer, False), (frozen, True)):
        context = Context(training=training, dtype="float64")
        np.testing.assert_allclose(each.forward(x, values, context), expected, rtol=1e-13)
        assert not context.assigned


def test_one_row_has_variance_0() -> None:
    layer, x = BatchNorm(), np.array([[5.0, -7.0]])
    values = values_of(layer, (2,))
    context = Context(training=True, dtype="float64")
    assert layer.forward(x, values, context).tolist() == [values["bias"].tolist()]
    found = context.assigned["running_var"]
    np.testing.assert_allclose(found, 0.9 * values["running_var"], rtol=1e-14)
    slope = gradient(
        lambda x: ops.sum(layer.forward(x, values, Context(True, dtype="float64")) * 3.0)
    )(x)
    assert slope.tolist() == [[0.0, 0.0]]


def test_a_feature_far_from_0_keeps_its_digits() -> None:
    x = (1e4 + np.random.default_rng(0).normal(size=(200, 8))).astype("f4")
    ones, zeros, epsilon = np.ones(8, "f4"), np.zeros(8, "f4"), np.float32(1e-5)
    exact = x.astype("f8")
    expected = (exact - exact.mean(0)) / np.sqrt(exact.var(0) + 1e-5)
    for engine in ("native", "reference"):
        y = rv.compile(batch_normalization, engine=engine)(x, ones, zeros, epsilon)
        # The mean itself is known to half a unit in the last place of 1e4, which is 5e-4.
        np.testing.assert_allclose(y, expected, atol=3e-3)
        np.testing.assert_allclose(y.std(0), expected.std(0), rtol=1e-4)


@pytest.mark.parametrize("shape", SHAPES)
def test_its_own_gradient_is_that_of_its_definition(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    x, seed = rng.normal(size=(6, *shape)), rng.normal(size=(6, *shape))
    weight, bias, epsilon = rng.normal(size=3), rng.normal(size=3), np.float64(1e-5)
    definition = batch_normalization.__wrapped__

    def slopes(function: Any) -> Any:
        def total(x: Any, weight: Any, bias: Any) -> Any:
            return ops.sum(function(x, weight, bias, epsilon) * seed)

        return gradient(total, (0, 1, 2))(x, weight, bias)

    for found, expected in zip(slopes(batch_normalization), slopes(definition), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-11)


def test_a_step_walks_the_batch_twice_each_way() -> None:
    model = rv.Sequential(rv.BatchNorm(), rv.Dense(1))
    x, y = np.zeros((8, 3)), np.zeros((8, 1))
    text = model.training_program(x, y, batch_size=4, metrics=[]).passes()
    fused = text[text.index("=== fuse") : text.index("=== order")]
    # Mean and variance; the sums of d and of d times x, of which weight and bias are made too.
    assert sum(" columns i<3 over" in line for line in fused.splitlines()) == 4


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(5,), (3, 4, 2)])
def test_training_natively_is_the_reference(shape: tuple[int, ...], dtype: str) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(1.0, 2.0, (23, *shape)).astype(dtype)
    y = np.sin(x.reshape(23, -1)[:, :1])
    models = []
    for engine in ("native", "reference"):
        model = rv.Sequential(
            rv.BatchNorm(), rv.Flatten(), rv.Dense(6), rv.BatchNorm(0.3, scale=False),
            rv.Activation("tanh"), rv.Dense(1), dtype=dtype,
        )  # fmt: skip
        model.fit(x, y, optimizer=rv.SGD(0.1), epochs=3, batch_size=8, engine=engine, verbose=False)
        models.append(model)
    near = {"rtol": 1e-10, "atol": 1e-11} if dtype == "float64" else {"rtol": 2e-4, "atol": 2e-5}
    for name, array in models[0].network.parameters.items():
        np.testing.assert_allclose(array, models[1].network.parameters[name], **near)
    assert (models[0].layers[0].running_mean != 0.0).all()


def test_running_statistics_are_in_the_file(tmp_path: Any) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(3.0, 2.0, (64, 4))
    model = rv.Sequential(rv.BatchNorm(), rv.Dense(2))
    model.fit(x, (x[:, 0] > 3).astype(int), epochs=30, verbose=False)
    np.testing.assert_allclose(model.layers[0].running_mean, x.mean(0), rtol=0.1)
    np.testing.assert_allclose(model.layers[0].running_var, x.var(0), rtol=0.2)
    names = set(model.network.parameters)
    assert {"layers.0.running_mean", "layers.0.running_var"} <= names
    model.save(tmp_path / "model.safetensors")
    again = rv.load(tmp_path / "model.safetensors")
    assert (again.layers[0].running_mean == model.layers[0].running_mean).all()
    assert (again.layers[0].running_var == model.layers[0].running_var).all()
    assert (again.predict(x) == model.predict(x)).all()


def test_a_prediction_does_not_depend_on_the_other_rows() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 4)).astype("f4")
    model = rv.Sequential(rv.BatchNorm(), rv.Dense(8, "relu"), rv.BatchNorm(), rv.Dense(1))
    model.fit(x, x[:, :1], epochs=2, verbose=False)
    whole = model.predict(x)
    assert (model.predict(x[7:8]) == whole[7:8]).all()
    np.testing.assert_allclose(model.predict(x, engine="reference"), whole, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("engine", ["native", "reference"])
def test_best_weights_bring_their_running_statistics(engine: str) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 4))
    y = rng.normal(size=(40, 1))  # nothing can be learnt: it gets worse soon
    arguments = {"batch_size": 10, "engine": engine, "verbose": False, "shuffle": False}
    first = rv.Sequential(Dense(16, "tanh"), rv.BatchNorm(), rv.Dense(1), dtype="float64")
    stop = rv.EarlyStopping(patience=4)
    history = first.fit(x[:20], y[:20], optimizer=rv.SGD(0.05), epochs=30, callbacks=[stop],
                        validation=(x[20:], y[20:]), **arguments)  # fmt: skip
    best = int(np.argmin(history["val_loss"]))
    assert best + 1 < len(history["loss"])
    again = rv.Sequential(Dense(16, "tanh"), rv.BatchNorm(), rv.Dense(1), dtype="float64")
    again.fit(x[:20], y[:20], optimizer=rv.SGD(0.05), epochs=best + 1, **arguments)
    assert (first.layers[1].running_mean == again.layers[1].running_mean).all()
    assert (first.layers[1].running_var == again.layers[1].running_var).all()
    assert first.evaluate(x[20:], y[20:])["loss"] == pytest.approx(min(history["val_loss"]))


def test_a_frozen_layer_is_left_to_the_bit() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(40, 4)), rng.normal(size=(40, 1))
    model = rv.Sequential(rv.BatchNorm(), rv.Dense(3), rv.BatchNorm(), rv.Dense(1))
    model.fit(x, y, epochs=2, verbose=False)
    before = {name: array.copy() for name, array in model.network.parameters.items()}
    model.layers[2].trainable = False
    model.fit(x, y, epochs=2, verbose=False)
    for name, array in model.network.parameters.items():
        same = (array == before[name]).all()
        assert same if name.startswith("layers.2.") else not same, name


@pytest.mark.parametrize("engine", ["native", "reference"])
def test_a_shared_layer_takes_both_batches_into_its_statistics(engine: str) -> None:
    rng = np.random.default_rng(0)
    first, second = rng.normal(2.0, 1.0, (20, 3)), rng.normal(-1.0, 3.0, (20, 3))
    norm = BatchNorm(0.2)
    a, b = rv.Input((3,), name="a"), rv.Input((3,), name="b")
    model = rv.Model([a, b], rv.Subtract()([norm(a), norm(b)]), dtype="float64")
    model.fit({"a": first, "b": second}, np.zeros((20, 3)), optimizer=rv.SGD(0.1), epochs=1,
              batch_size=None, shuffle=False, engine=engine, verbose=False)  # fmt: skip
    expected = 0.8 * (0.2 * first.mean(0)) + 0.2 * second.mean(0)
    np.testing.assert_allclose(norm.running_mean, expected, rtol=1e-12, atol=1e-14)
    variances = first.var(0, ddof=1), second.var(0, ddof=1)
    expected = 0.8 * (0.8 + 0.2 * variances[0]) + 0.2 * variances[1]
    np.testing.assert_allclose(norm.running_var, expected, rtol=1e-12)


def test_statistics_run_inside_a_network_that_is_a_layer() -> None:
    x = np.random.default_rng(0).normal(2.0, 1.0, (32, 4))
    inner = rv.Sequential(rv.Dense(3), rv.BatchNorm())
    model = rv.Sequential(inner, rv.Dense(1), dtype="float64")
    flat = rv.Sequential(rv.Dense(3), rv.BatchNorm(), rv.Dense(1), dtype="float64").build((4,))
    model.build((4,))
    for name, other in (("layers.0.layers.0", 0), ("layers.1", 2)):
        for part in ("weight", "bias"):
            flat.layers[other].values[part][...] = model.network.parameters[f"{name}.{part}"]
    for each in (model, flat):
        each.fit(x, x[:, :1], optimizer=rv.SGD(0.05), epochs=2, batch_size=8, verbose=False)
    found = model.network.parameters["layers.0.layers.1.running_mean"]
    assert (found == flat.layers[1].running_mean).all()
    assert (model.predict(x) == flat.predict(x)).all()


ERRORS: tuple[tuple[str, type[errors.RanvierError], Any, tuple[str, ...]], ...] = (
    ("momentum", errors.ArgumentError, lambda: BatchNorm(1.5), ("BatchNorm", "momentum", "1.5")),
    ("epsilon", errors.ArgumentError, lambda: BatchNorm(0.1, 0.0), ("epsilon", "above 0")),
    ("axis 0", errors.ArgumentError, lambda: BatchNorm(axis=0), ("rows of a batch", "axis=-1")),
    ("axis of text", errors.ArgumentError, lambda: BatchNorm(axis="last"), ("axis", "'last'")),
    ("center", errors.ArgumentError, lambda: BatchNorm(center=1), ("center", "True or False")),
    ("scale", errors.ArgumentError, lambda: BatchNorm(scale=None), ("scale", "None")),
    ("scalars", errors.ShapeError, lambda: BatchNorm().declare(()), ("(N,)", "Flatten()")),
    ("too few axes", errors.ShapeError, lambda: BatchNorm(axis=2).declare((5,)),
     ("BatchNorm(axis=2)", "(N, 5)", "axis 2", "axis=-1")),
    ("the batch from behind", errors.ShapeError, lambda: BatchNorm(axis=-2).declare((5,)),
     ("(N, 5)", "axis -2")),
)  # fmt: skip


@pytest.mark.parametrize("case", ERRORS, ids=lambda case: case[0])
def test_errors_say_what_is_wrong(case: Any) -> None:
    _, kind, action, parts = case
    with pytest.raises(kind) as caught:
        action()
    assert caught.value.fix
    for part in parts:
        assert part in str(caught.value)
