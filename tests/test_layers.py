"""Layers: formulas, shapes, configuration, and every error; test_contracts.py holds the rest."""

from __future__ import annotations

import copy
import json
import pickle
from typing import Any

import numpy as np
import pytest

import ranvier as rv
import ranvier.ops as ops
from ranvier.foundation import errors
from ranvier.graph.transforms import gradient
from ranvier.layers import (
    ACTIVATIONS,
    DISTRIBUTIONS,
    INITIALIZERS,
    L1,
    L1L2,
    L2,
    LAYERS,
    REGULARIZERS,
    Activation,
    AlphaDropout,
    BatchNorm,
    Constant,
    Context,
    Dense,
    Distribution,
    Dropout,
    Embedding,
    Flatten,
    GaussianNoise,
    Lambda,
    Layer,
    LayerNorm,
    LeakyReLU,
    Normal,
    Orthogonal,
    Parameter,
    PReLU,
    Regularizer,
    Rescaling,
    Reshape,
    RMSNorm,
    TruncatedNormal,
    Uniform,
)
from ranvier.layers.base import initial_values
from ranvier.layers.initializers import fans
from ranvier.networks import Network

#: One or more of every registered layer, with an input shape each.
CASES: tuple[tuple[Layer, tuple[int, ...], str], ...] = (
    (Dense(3), (5,), "Dense(3)"),
    (Dense(1, use_bias=False), (1,), "Dense(1, use_bias=False)"),
    (Dense(4, "tanh", kernel_initializer="he_normal"), (7,),
     "Dense(4, activation='tanh', kernel_initializer='he_normal')"),
    (Dense(2, "softmax", kernel_regularizer=L2(0.1)), (3,),
     "Dense(2, activation='softmax', kernel_regularizer=L2(factor=0.1))"),
    (Activation("gelu"), (3, 5), "Activation('gelu')"),
    (Activation("softmax"), (4,), "Activation('softmax')"),
    (Flatten(), (3, 1, 5), "Flatten()"),
    (Flatten(), (), "Flatten()"),
    (Dropout(0.25), (9,), "Dropout(0.25)"),
    (Dropout(0.0), (9,), "Dropout(0.0)"),
    (Rescaling(0.5), (3, 3), "Rescaling(0.5)"),
    (Rescaling(2, offset=-1), (3,), "Rescaling(2.0, offset=-1.0)"),
    (Dense(2, kernel_regularizer=L1L2(0.1)), (3,),
     "Dense(2, kernel_regularizer=L1L2(l1=0.1))"),
    (Dense(2, "selu", kernel_initializer=Orthogonal(2), bias_initializer=Constant(0.5)), (3,),
     "Dense(2, activation='selu', kernel_initializer=Orthogonal(gain=2.0), "
     "bias_initializer=Constant(0.5))"),
    (Dense(2, kernel_regularizer=L2(0.1), bias_regularizer=L1(0.2)), (3,),
     "Dense(2, kernel_regularizer=L2(factor=0.1), bias_regularizer=L1(factor=0.2))"),
    (LeakyReLU(), (7,), "LeakyReLU()"),
    (LeakyReLU(0.3), (2, 3), "LeakyReLU(slope=0.3)"),
    (PReLU(), (7,), "PReLU()"),
    (PReLU(-0.5), (3, 5), "PReLU(initial=-0.5)"),
    (Reshape((2, -1)), (4, 3), "Reshape((2, -1))"),
    (Reshape([]), (1,), "Reshape(())"),
    (AlphaDropout(0.25), (9,), "AlphaDropout(0.25)"),
    (AlphaDropout(0), (9,), "AlphaDropout(0.0)"),
    (GaussianNoise(0.5), (9,), "GaussianNoise(0.5)"),
    (GaussianNoise(0), (2, 3), "GaussianNoise(0.0)"),
    (Embedding(5, 3), (4,), "Embedding(5, 3)"),
    (Embedding(9, 17, "normal"), (2, 3), "Embedding(9, 17, embeddings_initializer='normal')"),
    (LayerNorm(), (6,), "LayerNorm()"),
    (LayerNorm(1e-3), (3, 5), "LayerNorm(epsilon=0.001)"),
    (BatchNorm(), (6,), "BatchNorm()"),
    (BatchNorm(0.3, 1e-3, center=False), (2, 3, 5),
     "BatchNorm(momentum=0.3, epsilon=0.001, center=False)"),
    (BatchNorm(axis=1, scale=False), (3, 4), "BatchNorm(axis=1, scale=False)"),
    (Lambda("tanh"), (3, 2), "Lambda('tanh')"),
    (RMSNorm(), (6,), "RMSNorm()"),
    (RMSNorm(1e-3), (3, 5), "RMSNorm(epsilon=0.001)"),
)  # fmt: skip


def training(seed: int = 0, step: int = 1, dtype: str = "float64") -> Context:
    return Context(training=True, seed=np.int64(seed), step=np.int64(step), dtype=dtype)


def values_of(layer: Layer, shape: tuple[int, ...], dtype: str = "float64") -> dict[str, Any]:
    generator = np.random.default_rng(3)
    return {
        name: initial_values(p, fans(p.shape), generator, dtype)
        for name, p in layer.declare(shape).items()
    }


def test_every_layer_has_a_case() -> None:
    # Those of several inputs have theirs in test_merge.py.
    ours = {
        name
        for name, layer in LAYERS.items()
        if layer.__module__.startswith("ranvier.") and not layer.several_inputs
    }
    assert ours == {type(layer).__name__ for layer, _, _ in CASES}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case[2])
def test_configuration_goes_through_json(case: tuple[Layer, tuple[int, ...], str]) -> None:
    layer, _, text = case
    again = type(layer).from_config(json.loads(json.dumps(layer.config())))
    assert again.config() == layer.config()
    assert again.describe() == repr(layer) == text


@pytest.mark.parametrize("rows", [1, 4])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case[2])
def test_shapes_and_dtypes(case: tuple[Layer, tuple[int, ...], str], dtype: str, rows: int) -> None:
    layer, shape, _ = copy.deepcopy(case)
    network = Network([layer], dtype)
    network.build(shape)
    x = np.random.default_rng(0).normal(size=(rows, *shape)).astype(dtype)
    for context in (Context(dtype=dtype), training(dtype=dtype)):
        y = layer.forward(x, layer.values, context)
        assert y.shape == (rows, *network.output_shape)
        assert y.dtype == np.dtype(dtype)


def test_dense_is_its_formula() -> None:
    x, values = np.array([[1.0, 2.0]]), {"weight": np.eye(2) * 3, "bias": np.array([-4.0, 0.5])}
    assert Dense(2).forward(x, values, Context()).tolist() == [[-1.0, 6.5]]
    assert Dense(2, "relu").forward(x, values, Context()).tolist() == [[0.0, 6.5]]
    assert Dense(2, "relu").before_activation(x, values, Context()).tolist() == [[-1.0, 6.5]]
    assert Dense(2, use_bias=False).forward(x, values, Context()).tolist() == [[3.0, 6.0]]
    declared = Dense(10).declare((784,))
    assert {name: p.shape for name, p in declared.items()} == {"weight": (784, 10), "bias": (10,)}


@pytest.mark.parametrize("name", list(ACTIVATIONS))
def test_every_activation_is_a_layer(name: str) -> None:
    x = np.random.default_rng(0).normal(size=(2, 3))
    layer = Activation(name)
    assert (layer.forward(x, {}, Context()) == ACTIVATIONS[name](x)).all()
    assert (layer.before_activation(x, {}, Context()) == x).all()
    assert layer.last_activation == name


def test_flatten_keeps_the_order() -> None:
    x = np.arange(24.0).reshape(2, 3, 4)
    assert Flatten().forward(x, {}, Context())[1].tolist() == list(range(12, 24))


def test_rescaling_takes_bytes() -> None:
    x = np.array([[0, 255]], np.uint8)
    assert Rescaling(1 / 255).forward(x, {}, Context()).dtype == np.float32
    y = Rescaling(1 / 255, -0.5).forward(x, {}, Context(dtype="float64"))
    assert y.tolist() == [[-0.5, 0.5]]


def test_dropout_is_the_identity_outside_training() -> None:
    x = np.ones((3, 4))
    assert Dropout(0.9).forward(x, {}, Context()) is x


def test_dropout_keeps_the_mean_and_changes_with_step_and_place() -> None:
    x, layer = np.ones((400, 500)), Dropout(0.2)
    y = layer.forward(x, {}, training())
    assert sorted(set(y.ravel().tolist())) == [0.0, 1.25]
    assert (y == 0).mean() == pytest.approx(0.2, abs=0.005)
    assert (y == layer.forward(x, {}, training())).all()
    assert (y != layer.forward(x, {}, training(step=2))).any()
    context = training()
    assert (layer.forward(x, {}, context) != layer.forward(x, {}, context)).any()
    single = layer.forward(x.astype("f4"), {}, training(dtype="float32"))
    assert ((single == 0) == (y == 0)).all()


def test_dropout_does_not_swallow_a_nan() -> None:
    assert np.isnan(Dropout(0.99).forward(np.full((4, 4), np.nan), {}, training())).all()


def test_sites_are_counted_in_each_context() -> None:
    assert [Context().random_site(), Context().random_site()] == [0, 0]
    context = Context()
    assert [context.random_site(), context.random_site()] == [0, 1]


@pytest.mark.parametrize("engine", ["native", "reference"])
@pytest.mark.parametrize(
    "case", [case for case in CASES if not case[0].reads_integers], ids=lambda case: case[2]
)
def test_a_nan_stays_a_nan(case: tuple[Layer, tuple[int, ...], str], engine: str) -> None:
    layer, shape, _ = case
    values = values_of(layer, shape, "float32")
    x = np.ones((2, *shape), "float32")
    x[0] = np.nan
    for context in (Context(), training(dtype="float32")):

        def forward(x: Any, context: Context = context) -> Any:
            return ops.add(layer.forward(x, values, context), 0.0)

        y = rv.compile(forward, engine=engine)(x)
        assert np.isnan(y[0]).all()
        # Only in training, and only here, a row depends on the others of its batch.
        mixed = isinstance(layer, BatchNorm) and context.training
        assert np.isnan(y[1]).all() if mixed else np.isfinite(y[1]).all()


def test_slopes() -> None:
    x = np.array([[-2.0, 0.0, 4.0]])
    assert LeakyReLU(0.5).forward(x, {}, Context()).tolist() == [[-1.0, 0.0, 4.0]]
    network = Network([PReLU()])
    network.build((3,))
    assert network.layers[0].slope.tolist() == [0.25, 0.25, 0.25]
    values = {"slope": np.array([1.0, 3.0, 5.0])}
    assert PReLU().forward(x, values, Context()).tolist() == [[-2.0, 0.0, 4.0]]

    def total(x: Any, slope: Any) -> Any:
        return ops.sum(PReLU().forward(x, {"slope": slope}, Context()))

    of_x, of_slope = gradient(total, (0, 1))(x, values["slope"])
    assert of_x.tolist() == [[1.0, 3.0, 1.0]]
    assert of_slope.tolist() == [-2.0, 0.0, 0.0]


def test_reshape_keeps_the_order() -> None:
    x = np.arange(24.0).reshape(2, 12)
    assert Reshape((3, 4)).forward(x, {}, Context())[1].tolist() == x[1].reshape(3, 4).tolist()
    assert Reshape((-1,)).forward(x.reshape(2, 3, 4), {}, Context()).shape == (2, 12)


def test_alpha_dropout_keeps_mean_and_variance() -> None:
    x, layer = np.random.default_rng(0).normal(size=(400, 500)), AlphaDropout(0.2)
    assert layer.forward(x, {}, Context()) is x
    y = layer.forward(x, {}, training())
    assert y.mean() == pytest.approx(0.0, abs=0.01)
    assert y.std() == pytest.approx(1.0, abs=0.01)
    values, counts = np.unique(y, return_counts=True)
    assert counts.max() / y.size == pytest.approx(0.2, abs=0.005)
    low, scale = -1.7580993408473766, (0.8 + 1.7580993408473766**2 * 0.16) ** -0.5
    assert values[counts.argmax()] == pytest.approx(scale * low * 0.8)
    single = layer.forward(x.astype("f4"), {}, training(dtype="float32"))
    np.testing.assert_allclose(single, y, rtol=1e-5, atol=1e-5)


def normal_numbers(engine: str, shape: tuple[int, ...], seed: int, dtype: str) -> Any:
    def draw(seed: Any, step: Any) -> Any:
        context = Context(training=True, seed=seed, step=step, dtype=dtype)
        return context.random_normal(shape), context.random_normal(shape)

    return rv.compile(draw, engine=engine)(np.int64(seed), np.int64(3))


@pytest.mark.parametrize("engine", ["native", "reference"])
def test_random_normal_numbers_are_normal(engine: str) -> None:
    first, second = normal_numbers(engine, (500, 400), 1, "float64")
    for z in (first, second):
        # Moments of a normal number: 0, 1, 0, 3; the bounds are five standard errors.
        bounds = 5.0 * np.sqrt(np.array([1.0, 2.0, 15.0, 96.0]) / z.size)
        moments = np.array([(z**power).mean() for power in (1, 2, 3, 4)])
        assert (np.abs(moments - [0.0, 1.0, 0.0, 3.0]) < bounds).all()
        assert 4.0 < np.abs(z).max() < 5.77
        assert (np.abs(z) < 1.0).mean() == pytest.approx(0.682689, abs=0.006)
        assert np.corrcoef(z[:, :-1].ravel(), z[:, 1:].ravel())[0, 1] == pytest.approx(0, abs=0.012)
    assert np.corrcoef(first.ravel(), second.ravel())[0, 1] == pytest.approx(0.0, abs=0.012)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_random_normal_numbers_are_the_same_natively(dtype: str) -> None:
    for shape in ((), (1,), (7, 33), (2, 3, 65)):
        native, reference = (normal_numbers(e, shape, 9, dtype) for e in ("native", "reference"))
        for a, b in zip(native, reference, strict=True):
            assert (a.shape, a.dtype) == (shape, np.dtype(dtype))
            tolerance = 1e-5 if dtype == "float32" else 1e-13
            np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)
    other = normal_numbers("native", (7, 33), 10, dtype)[0]
    assert (other != normal_numbers("native", (7, 33), 9, dtype)[0]).mean() > 0.99


def test_gaussian_noise_is_added_in_training_only() -> None:
    x, layer = np.full((400, 500), 3.0), GaussianNoise(0.25)
    assert layer.forward(x, {}, Context()) is x
    assert GaussianNoise(0.0).forward(x, {}, training()) is x
    y = layer.forward(x, {}, training())
    assert y.mean() == pytest.approx(3.0, abs=0.003)
    assert y.std() == pytest.approx(0.25, abs=0.003)
    assert (y != layer.forward(x, {}, training(step=2))).mean() > 0.99
    single = layer.forward(x.astype("f4"), {}, training(dtype="float32"))
    np.testing.assert_allclose(single, y, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_gaussian_noise_trains_natively(dtype: str) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(50, 7)).astype(dtype), rng.integers(0, 3, 50)
    losses = []
    for engine in ("native", "reference"):
        model = rv.Sequential(GaussianNoise(0.3), Dense(5, "sine"), GaussianNoise(0.1), Dense(3),
                              dtype=dtype)  # fmt: skip
        history = model.fit(x, y, epochs=3, batch_size=16, engine=engine, verbose=False)
        losses.append(history["loss"])
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-5 if dtype == "float32" else 1e-11)


def test_layer_norm_is_its_formula() -> None:
    x = np.array([[1.0, 2.0, 6.0], [5.0, 5.0, 5.0]])
    values = {"weight": np.array([1.0, 2.0, 3.0]), "bias": np.array([0.0, 0.0, 1.0])}
    deviation = (14 / 3 + 0.5) ** 0.5
    expected = [[-2 / deviation, -2 / deviation, 9 / deviation + 1], [0.0, 0.0, 1.0]]
    np.testing.assert_allclose(LayerNorm(0.5).forward(x, values, Context()), expected)
    declared = LayerNorm().declare((4, 3))
    assert {name: p.shape for name, p in declared.items()} == {"weight": (3,), "bias": (3,)}


def test_rms_norm_is_its_formula() -> None:
    x = np.array([[3.0, 4.0]])
    values = {"weight": np.array([1.0, 2.0])}
    root = (12.5 + 0.5) ** 0.5
    np.testing.assert_allclose(
        RMSNorm(0.5).forward(x, values, Context()), [[3.0 / root, 8.0 / root]]
    )
    for dtype in ("float32", "float64"):
        y = RMSNorm().forward(
            np.full((1, 2), 1e-5, dtype), {"weight": np.ones(2, dtype)}, Context()
        )
        expected = 1e-5 / (1e-10 + np.finfo(dtype).eps) ** 0.5
        np.testing.assert_allclose(y, expected, rtol=1e-6)


# --- initializers, regularizers

DEVIATIONS = {
    "zeros": 0.0,
    "ones": 0.0,
    "glorot_uniform": (2 / 700) ** 0.5,
    "glorot_normal": (2 / 700) ** 0.5,
    "he_uniform": (2 / 400) ** 0.5,
    "he_normal": (2 / 400) ** 0.5,
    "lecun_uniform": (1 / 400) ** 0.5,
    "lecun_normal": (1 / 400) ** 0.5,
    "uniform": 0.05 / 3**0.5,
    "normal": 0.05,
    "truncated_normal": 0.05 * 0.8796256610342398,
    "orthogonal": (1 / 400) ** 0.5,
}


@pytest.mark.parametrize("name", list(INITIALIZERS))
def test_initial_weights_have_their_variance(name: str) -> None:
    weights = INITIALIZERS[name]((400, 300), 400, 300, np.random.default_rng(0))
    assert weights.shape == (400, 300)
    assert weights.dtype == np.float64
    assert weights.std() == pytest.approx(DEVIATIONS[name], rel=0.01)
    assert weights.mean() == pytest.approx(1.0 if name == "ones" else 0.0, abs=1e-3)
    if name.endswith("uniform"):
        assert np.abs(weights).max() <= DEVIATIONS[name] * 3**0.5


DISTRIBUTED: dict[str, tuple[Distribution, ...]] = {
    "Constant": (Constant(-2),),
    "Uniform": (Uniform(), Uniform(1, 3)),
    "Normal": (Normal(), Normal(1.0, 0.0)),
    "TruncatedNormal": (TruncatedNormal(), TruncatedNormal(3.0, 0.5)),
    "Orthogonal": (Orthogonal(), Orthogonal(1.5)),
}
PENALTIES: dict[str, tuple[Regularizer, ...]] = {
    "L1": (L1(), L1(0.5)),
    "L2": (L2(), L2(0.5)),
    "L1L2": (L1L2(), L1L2(0.1, 0.2)),
}


def test_every_initializer_with_arguments_and_every_regularizer_has_a_case() -> None:
    assert set(DISTRIBUTIONS) == set(DISTRIBUTED)
    assert set(REGULARIZERS) == set(PENALTIES)


@pytest.mark.parametrize("thing", [x for xs in DISTRIBUTED.values() for x in xs], ids=repr)
def test_initializers_with_arguments(thing: Distribution) -> None:
    layer = Dense(3, kernel_initializer=thing, bias_initializer=thing)
    again = Dense.from_config(json.loads(json.dumps(layer.config())))
    assert again.describe() == layer.describe()
    for shape in ((40, 30), (30, 40), (2, 3, 5), (7,), ()):
        drawn = [
            each(shape, *fans(shape), np.random.default_rng(4))
            for each in (thing, again.kernel_initializer, pickle.loads(pickle.dumps(thing)))
        ]
        assert drawn[0].shape == shape
        assert drawn[0].dtype == np.float64
        assert (drawn[0] == drawn[1]).all()
        assert (drawn[0] == drawn[2]).all()


def test_what_initializers_draw() -> None:
    rng = np.random.default_rng(0)
    assert Constant(0.25)((2, 2), 2, 2, rng).tolist() == [[0.25, 0.25]] * 2
    uniform = Uniform(1.0, 3.0)((5000,), 1, 1, rng)
    assert (uniform >= 1.0).all()
    assert (uniform < 3.0).all()
    assert uniform.mean() == pytest.approx(2.0, abs=0.05)
    normal = Normal(3.0, 0.5)((5000,), 1, 1, rng)
    assert normal.mean() == pytest.approx(3.0, abs=0.05)
    assert normal.std() == pytest.approx(0.5, rel=0.05)
    assert np.abs(normal - 3.0).max() > 1.0
    assert np.abs(TruncatedNormal(3.0, 0.5)((5000,), 1, 1, rng) - 3.0).max() <= 1.0


@pytest.mark.parametrize("shape", [(5, 3), (3, 5), (4, 4), (2, 3, 4)])
def test_orthogonal_weights_are(shape: tuple[int, ...]) -> None:
    weights = Orthogonal(2.0)(shape, 1, 1, np.random.default_rng(0)).reshape(-1, shape[-1])
    tall = weights if weights.shape[0] >= weights.shape[1] else weights.T
    np.testing.assert_allclose(tall.T @ tall, 4.0 * np.eye(tall.shape[1]), atol=1e-12)


@pytest.mark.parametrize("penalty", [x for xs in PENALTIES.values() for x in xs], ids=repr)
def test_penalties_go_through_a_configuration_and_native_code(penalty: Regularizer) -> None:
    layer = Dense(3, kernel_regularizer=penalty)
    assert Dense.from_config(json.loads(json.dumps(layer.config()))).config() == layer.config()
    w = np.random.default_rng(0).normal(size=(5, 3))
    slope = gradient(penalty)(w)
    np.testing.assert_allclose(rv.compile(gradient(penalty))(w), slope, rtol=1e-13)
    direction = np.random.default_rng(1).normal(size=w.shape)
    ends = [float(penalty(w + move * direction)) for move in (1e-6, -1e-6)]
    assert float((slope * direction).sum()) == pytest.approx((ends[0] - ends[1]) / 2e-6, rel=1e-6)
    assert np.isnan(penalty(np.array([1.0, np.nan])))


def test_l1_and_its_gradient() -> None:
    w = np.array([[1.0, -2.0, 0.0]])
    assert float(L1(0.5)(w)) == 1.5
    assert gradient(L1(0.5))(w).tolist() == [[0.5, -0.5, 0.0]]
    assert float(L1L2(0.5, 2.0)(w)) == 11.5
    assert gradient(L1L2(0.5, 2.0))(w).tolist() == [[4.5, -8.5, 0.0]]


def test_fans() -> None:
    assert fans((784, 10)) == (784, 10)
    assert fans((3, 5, 16, 32)) == (240, 480)
    assert fans((10,)) == (10, 10)
    assert fans(()) == (1, 1)


@pytest.mark.parametrize("engine", ["native", "reference"])
def test_a_penalty_on_a_bias(engine: str) -> None:
    x, y = np.zeros((4, 2)), np.zeros((4, 3))
    layer = Dense(3, bias_initializer=Constant(2.0), bias_regularizer=L2(0.5))
    model = rv.Sequential(layer, dtype="float64")
    history = model.fit(x, y, optimizer=rv.SGD(0.1), epochs=1, engine=engine, verbose=False)
    # Mean squared error 4 with slope 2 * 2 / 3, and 0.5 * 3 * 4 with slope 2.
    assert history["loss"][0] == pytest.approx(10.0)
    np.testing.assert_allclose(layer.bias, 2.0 - 0.1 * (4.0 / 3.0 + 2.0), rtol=1e-14)


def test_l2_and_its_gradient() -> None:
    w = np.array([[1.0, -2.0]])
    assert float(L2(0.5)(w)) == 2.5
    assert gradient(L2(0.5))(w).tolist() == [[1.0, -2.0]]
    assert L2().factor == 0.01


# --- layers of one's own


class Shift(Layer):
    """A layer that a user might write; not registered."""

    def __init__(self, start: float = 0.0) -> None:
        self.start = start

    def declare(self, input_shape: tuple[int, ...]) -> dict[str, Parameter]:
        return {"offset": Parameter(input_shape, INITIALIZERS["ones"])}

    def forward(self, x: Any, parameters: Any, context: Context) -> Any:
        return x + parameters["offset"] + self.start


def test_a_layer_of_ones_own() -> None:
    layer = Shift(2.0)
    network = Network([layer])
    network.build((3,))
    assert layer.offset.tolist() == [1.0, 1.0, 1.0]
    assert layer.offset is network.parameters["layers.0.offset"]
    assert layer.describe() == "Shift(start=2.0)"


def test_parameters_before_and_after_building() -> None:
    layer = Dense(2)
    assert not hasattr(layer, "weight")
    with pytest.raises(AttributeError, match="once its network is built"):
        _ = layer.weight
    Network([layer]).build((3,))
    assert layer.weight.shape == (3, 2)
    with pytest.raises(AttributeError, match="has no 'kernel'"):
        _ = layer.kernel
    for again in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert (again.weight == layer.weight).all()
        assert again.weight is not layer.weight


class Forgetful(Layer):
    """Does not keep its argument."""

    def __init__(self, size: int) -> None:
        pass

    def forward(self, x: Any, parameters: Any, context: Context) -> Any:
        return x


ERRORS: tuple[tuple[str, type[errors.RanvierError], Any, tuple[str, ...]], ...] = (
    ("units of 0", errors.ArgumentError, lambda: Dense(0), ("Dense", "units", "0")),
    ("units of -3", errors.ArgumentError, lambda: Dense(-3), ("-3",)),
    ("units of text", errors.ArgumentError, lambda: Dense("64"), ("'64'", "integer")),
    ("units of 2.0", errors.ArgumentError, lambda: Dense(2.0), ("2.0",)),
    ("units of True", errors.ArgumentError, lambda: Dense(True), ("True",)),
    ("too many units", errors.ArgumentError, lambda: Dense(2**31), ("2147483647",)),
    ("an activation", errors.ArgumentError, lambda: Dense(2, "relo"), ("relo", "did you mean")),
    ("no name", errors.ArgumentError, lambda: Dense(2, np.tanh), ("activation", "names")),
    ("bias", errors.ArgumentError, lambda: Dense(2, use_bias=1), ("use_bias", "True or False")),
    ("initializer", errors.ArgumentError,
     lambda: Dense(2, kernel_initializer="glorot"), ("kernel_initializer", "glorot_uniform")),
    ("bias initializer", errors.ArgumentError,
     lambda: Dense(2, bias_initializer="zero"), ("bias_initializer", "zeros")),
    ("regularizer", errors.ArgumentError,
     lambda: Dense(2, kernel_regularizer=0.1), ("kernel_regularizer", "L2(1e-4)")),
    ("bias regularizer", errors.ArgumentError,
     lambda: Dense(2, bias_regularizer="l2"), ("bias_regularizer", "'l2'")),
    ("regularizer's name", errors.UnknownNameError,
     lambda: Dense(2, kernel_regularizer={"name": "L3", "config": {}}), ("L3", "L2")),
    ("L2", errors.ArgumentError, lambda: L2(-1.0), ("factor", "-1.0", "at least 0")),
    ("L2 of NaN", errors.ArgumentError, lambda: L2(float("nan")), ("nan",)),
    ("activation layer", errors.ArgumentError, lambda: Activation("rleu"), ("rleu",)),
    ("no activation", errors.ArgumentError, lambda: Activation(None), ("None",)),
    ("rate of 1", errors.ArgumentError, lambda: Dropout(1.0), ("rate", "below 1")),
    ("rate of -0.1", errors.ArgumentError, lambda: Dropout(-0.1), ("-0.1",)),
    ("rate of text", errors.ArgumentError, lambda: Dropout("0.5"), ("'0.5'",)),
    ("scale", errors.ArgumentError, lambda: Rescaling(float("inf")), ("scale", "inf")),
    ("offset", errors.ArgumentError, lambda: Rescaling(1, None), ("offset", "None")),
    ("L1", errors.ArgumentError, lambda: L1(-1.0), ("L1", "factor", "at least 0")),
    ("L1L2", errors.ArgumentError, lambda: L1L2(0.1, -1.0), ("L1L2", "l2", "at least 0")),
    ("l1 of L1L2", errors.ArgumentError, lambda: L1L2(-0.1), ("L1L2", "l1", "-0.1")),
    ("slope", errors.ArgumentError, lambda: LeakyReLU(-0.1), ("LeakyReLU", "slope", "-0.1")),
    ("initial slope", errors.ArgumentError, lambda: PReLU(None), ("PReLU", "initial", "None")),
    ("PReLU of scalars", errors.ShapeError, lambda: PReLU().declare(()), ("(N,)", "features")),
    ("LayerNorm of scalars", errors.ShapeError, lambda: LayerNorm().declare(()),
     ("LayerNorm()", "(N,)", "Flatten()")),
    ("RMSNorm of scalars", errors.ShapeError, lambda: RMSNorm().declare(()), ("(N,)", "features")),
    ("epsilon", errors.ArgumentError, lambda: LayerNorm(0.0), ("epsilon", "above 0")),
    ("epsilon of RMSNorm", errors.ArgumentError, lambda: RMSNorm(-1.0), ("epsilon", "-1.0")),
    ("deviation", errors.ArgumentError, lambda: GaussianNoise(-0.1),
     ("GaussianNoise", "stddev", "-0.1")),
    ("alpha rate", errors.ArgumentError, lambda: AlphaDropout(1.0), ("AlphaDropout", "below 1")),
    ("shape of text", errors.ArgumentError, lambda: Reshape("28"), ("Reshape", "'28'", "tuple")),
    ("shape of a number", errors.ArgumentError, lambda: Reshape(28), ("28", "Reshape((28, 28))")),
    ("shape with two -1", errors.ArgumentError, lambda: Reshape((-1, -1)), ("at most one",)),
    ("shape with a 0", errors.ArgumentError, lambda: Reshape((2, 0)), ("shape is 0",)),
    ("shape with -2", errors.ArgumentError, lambda: Reshape((2, -2)), ("shape is -2",)),
    ("shape with True", errors.ArgumentError, lambda: Reshape((True,)), ("shape is True",)),
    ("too many axes", errors.ArgumentError, lambda: Reshape([1] * 17), ("16",)),
    ("elements", errors.ShapeError, lambda: Reshape((28, 28)).declare((783,)),
     ("Reshape((28, 28))", "(N, 783)", "784", "783 elements")),
    ("no multiple", errors.ShapeError, lambda: Reshape((4, -1)).declare((6,)),
     ("a multiple of 4", "6 elements")),
    ("Constant", errors.ArgumentError, lambda: Constant("a"), ("Constant", "value", "'a'")),
    ("Uniform", errors.ArgumentError, lambda: Uniform(1.0, 1.0), ("high", "above 1")),
    ("Uniform of NaN", errors.ArgumentError, lambda: Uniform(float("nan")), ("low", "nan")),
    ("Normal", errors.ArgumentError, lambda: Normal(0.0, -1.0), ("Normal", "deviation")),
    ("TruncatedNormal", errors.ArgumentError,
     lambda: TruncatedNormal("0"), ("TruncatedNormal", "mean")),
    ("gain", errors.ArgumentError, lambda: Orthogonal(None), ("Orthogonal", "gain")),
    ("initializer's mapping", errors.ArgumentError,
     lambda: Dense(2, kernel_initializer={"name": "Constant"}), ("kernel_initializer", "Constant")),
    ("initializer's class", errors.UnknownNameError,
     lambda: Dense(2, bias_initializer={"name": "Konstant", "config": {}}), ("Konstant",)),
    ("initializer's function", errors.ArgumentError,
     lambda: Dense(2, kernel_initializer=np.zeros), ("kernel_initializer", "names")),
    ("no seed", errors.ArgumentError,
     lambda: Dropout(0.5).forward(np.ones(2), {}, Context(training=True)), ("seed", "step")),
    ("pictures", errors.ShapeError, lambda: Dense(64).declare((26, 26, 8)),
     ("Dense(64)", "(N, 26, 26, 8)", "(N, features)", "Flatten()")),
    ("scalars", errors.ShapeError, lambda: Dense(64).declare(()), ("(N,)", "(N, 1)")),
    ("config left over", errors.ArgumentError,
     lambda: Flatten.from_config({"units": 3}), ("Flatten", "units")),
    ("config missing", errors.ArgumentError,
     lambda: Dense.from_config({"use_bias": True}), ("Dense",)),
    ("no config", errors.ArgumentError, lambda: Dense.from_config([]), ("list",)),
    ("not kept", errors.ArgumentError, lambda: Forgetful(3).describe(),
     ("Forgetful", "size", "self.size = size")),
    ("initial shape", errors.ShapeError,
     lambda: initial_values(
         Parameter((3,), lambda *a: np.zeros(2)), (3, 3), np.random.default_rng(0), "float32"
     ), ("(2,)", "(3,)")),
    ("registered twice", errors.ArgumentError,
     lambda: LAYERS.register("Dense")(Flatten), ("Dense",)),
)  # fmt: skip


@pytest.mark.parametrize("case", ERRORS, ids=lambda case: case[0])
def test_errors_say_what_is_wrong(case: Any) -> None:
    _, kind, action, parts = case
    with pytest.raises(kind) as caught:
        action()
    assert caught.value.fix
    for part in parts:
        assert part in str(caught.value)
