"""Models of any acyclic graph: several inputs and outputs, sharing, nesting, files, errors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import ranvier as rv
from ranvier.foundation.errors import ArgumentError, DataError, ModelFileError, ShapeError
from ranvier.networks import Network

RNG = np.random.default_rng(0)
A = RNG.normal(size=(120, 6)).astype(np.float32)
B = RNG.normal(size=(120, 3)).astype(np.float32)
KIND = np.where(A[:, 0] + B[:, 1] > 0, "yes", "no")
SIZE = (A[:, :2] * 2).astype(np.float32)


def two_ends(dtype: str = "float32") -> rv.Model:
    """Two inputs, two outputs, a shared layer, a sum, a product and a concatenation."""
    a, b = rv.Input((6,), name="a"), rv.Input((3,), name="b")
    h, g = rv.Dense(8, activation="tanh")(a), rv.Dense(8, activation="tanh")(b)
    both = rv.Add()([h, g])
    shared = rv.Dense(8, activation="tanh")
    product = rv.Multiply()([shared(both), shared(h)])
    kind = rv.Dense(2, activation="softmax")(rv.Concatenate()([both, a]))
    return rv.Model((a, b), {"kind": kind, "size": rv.Dense(2)(product)}, dtype=dtype)


# --- training and predicting


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_native_equals_reference_with_two_inputs_and_outputs(dtype: str) -> None:
    models = {engine: two_ends(dtype) for engine in ("native", "reference")}
    histories = {
        engine: model.fit(
            (A, B), (KIND, SIZE), epochs=4, batch_size=16, validation=0.25, engine=engine,
            metrics={"size": ["mae"]}, verbose=False,
        )
        for engine, model in models.items()
    }  # fmt: skip
    tolerance = 2e-4 if dtype == "float32" else 1e-10
    for name, numbers in histories["native"].items():
        np.testing.assert_allclose(numbers, histories["reference"][name], rtol=tolerance)
    found = models["native"].predict((A, B))
    expected = models["native"].predict((A, B), engine="reference")
    for name in ("kind", "size"):
        np.testing.assert_allclose(found[name], expected[name], atol=tolerance)


def test_the_history_names_each_output() -> None:
    history = two_ends().fit(
        (A, B), (KIND, SIZE), epochs=1, batch_size=30, validation=0.25, verbose=False
    )
    first = ["loss", "kind_loss", "kind_accuracy", "size_loss"]
    assert list(history) == [*first, *(f"val_{name}" for name in first)]
    total = history["kind_loss"][0] + history["size_loss"][0]
    assert history["val_loss"][0] == pytest.approx(
        history["val_kind_loss"][0] + history["val_size_loss"][0]
    )
    assert history["loss"][0] == pytest.approx(total)  # whole batches: both are means of rows


def test_arrays_by_name_and_in_order_are_the_same() -> None:
    by_name, in_order = two_ends(), two_ends()
    by_name.fit({"b": B, "a": A}, {"size": SIZE, "kind": KIND}, epochs=2, verbose=False)
    in_order.fit((A, B), (KIND, SIZE), epochs=2, verbose=False)
    for name, array in by_name.network.parameters.items():
        assert np.array_equal(array, in_order.network.parameters[name])


def test_answers_have_the_outputs_names_and_the_users_words() -> None:
    model = two_ends()
    model.fit((A, B), (KIND, SIZE), epochs=1, verbose=False)
    outputs = model.predict((A, B))
    assert {name: found.shape for name, found in outputs.items()} == {
        "kind": (120, 2),
        "size": (120, 2),
    }
    with pytest.raises(ArgumentError, match="needs a model for classes"):
        model.predict_classes((A, B))
    scores = model.evaluate((A, B), (KIND, SIZE))
    assert scores["loss"] == pytest.approx(scores["kind_loss"] + scores["size_loss"])


def test_several_classifying_outputs_give_probabilities_and_classes() -> None:
    x = rv.Input((6,))
    h = rv.Dense(4, activation="relu")(x)
    model = rv.Model(x, (rv.Dense(2)(h), rv.Dense(1)(h)))
    model.fit(A, (KIND, (B[:, 0] > 0)), epochs=2, verbose=False)
    first, second = model.predict_classes(A)
    assert set(first) <= {"yes", "no"}
    assert second.dtype == bool
    for probabilities in model.predict_proba(A):
        np.testing.assert_allclose(probabilities.sum(axis=1), 1.0, rtol=1e-5)


def test_loss_weights_scale_each_outputs_loss() -> None:
    def train(weights: object) -> dict[str, np.ndarray]:
        model = two_ends("float64")
        model.fit((A, B), (KIND, SIZE), epochs=3, loss_weights=weights, verbose=False)
        return model.network.parameters

    assert all(
        np.array_equal(one, other)
        for one, other in zip(train(None).values(), train((1.0, 1.0)).values(), strict=True)
    )
    start = two_ends("float64").build()
    frozen = train({"kind": 1.0, "size": 0.0})
    last = f"layers.{len(start.layers) - 1}.weight"
    assert np.array_equal(frozen[last], start.network.parameters[last])  # nothing pulls on it


def test_a_weighted_fit_with_several_outputs() -> None:
    weights = np.linspace(0.1, 2.0, 120)
    native, reference = two_ends("float64"), two_ends("float64")
    for model, engine in ((native, "native"), (reference, "reference")):
        model.fit(
            (A, B), (KIND, SIZE), epochs=2, sample_weight=weights, engine=engine, verbose=False
        )
    np.testing.assert_allclose(
        native.network.parameters["layers.0.weight"],
        reference.network.parameters["layers.0.weight"],
        rtol=1e-10,
    )


def test_an_output_that_is_read_inside_is_given_with_its_activation() -> None:
    x = rv.Input((6,))
    first = rv.Dense(2, activation="softmax")(x)
    model = rv.Model(x, (first, rv.Dense(1)(first)))
    model.fit(A, (KIND, SIZE[:, :1]), epochs=2, verbose=False)
    probabilities, second = model.predict(A)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0, rtol=1e-5)
    layer = model.layers[1]
    np.testing.assert_allclose(second, probabilities @ layer.weight + layer.bias, atol=1e-5)


def test_an_input_may_be_an_output() -> None:
    x = rv.Input((6,))
    model = rv.Model(x, (rv.Dense(2)(x), x)).build()
    np.testing.assert_array_equal(model.predict(A)[1], A)


# --- sharing


def test_a_shared_layer_has_one_set_of_parameters() -> None:
    a, b = rv.Input((4,)), rv.Input((4,))
    shared = rv.Dense(3)
    model = rv.Model((a, b), rv.Subtract()([shared(a), shared(b)])).build()
    assert list(model.network.parameters) == ["layers.0.weight", "layers.0.bias"]
    same = A[:, :4]
    np.testing.assert_allclose(model.predict((same, same)), 0.0, atol=1e-7)


def test_models_that_share_layers_share_what_they_learn() -> None:
    x = rv.Input((6,))
    code = rv.Dense(2, activation="tanh")(x)
    encoder, whole = rv.Model(x, code), rv.Model(x, rv.Dense(6)(code))
    before = whole.build().layers[0].weight.copy()
    whole.fit(A, A, epochs=3, verbose=False)
    assert not np.array_equal(before, whole.layers[0].weight)
    assert encoder.built
    np.testing.assert_allclose(
        encoder.predict(A), np.tanh(A @ whole.layers[0].weight + whole.layers[0].bias), atol=1e-5
    )


def test_building_again_draws_anew_for_all_who_share() -> None:
    x = rv.Input((6,))
    code = rv.Dense(2)(x)
    encoder, whole = rv.Model(x, code), rv.Model(x, rv.Dense(6)(code))
    whole.build(seed=0)
    first = encoder.predict(A)
    whole.build(seed=1)
    assert not np.array_equal(first, encoder.predict(A))


# --- a network as a layer


def test_a_model_inside_a_stack_learns_with_it() -> None:
    encoder = rv.Sequential(rv.Dense(4, activation="tanh"), rv.Dense(2))
    whole = rv.Sequential(encoder, rv.Dense(6))
    history = whole.fit(A, A, epochs=5, verbose=False)
    assert history["loss"][-1] < history["loss"][0]
    assert whole.network.trainable[0] == "layers.0.layers.0.weight"
    code = encoder.predict(A)
    np.testing.assert_allclose(
        whole.predict(A), code @ whole.layers[1].weight + whole.layers[1].bias, atol=1e-5
    )


def test_a_trained_model_keeps_its_numbers_inside_another() -> None:
    base = rv.Sequential(rv.Dense(4, activation="tanh"))
    base.fit(A, B[:, :1].repeat(4, axis=1), epochs=2, verbose=False)
    before = base.layers[0].weight.copy()
    x = rv.Input((6,))
    top = rv.Model(x, rv.Dense(1)(base(x)))
    base.as_layer().trainable = False
    top.fit(A, SIZE[:, :1], epochs=2, verbose=False)
    np.testing.assert_array_equal(base.layers[0].weight, before)
    assert top.network.trainable == ["layers.1.weight", "layers.1.bias"]


def test_freezing_a_layer_inside_freezes_it_outside() -> None:
    encoder = rv.Sequential(rv.Dense(4), rv.Dense(2))
    whole = rv.Sequential(encoder, rv.Dense(3)).build((6,))
    encoder.layers[0].trainable = False
    assert "layers.0.layers.0.weight" not in whole.network.trainable
    assert "layers.0.layers.1.weight" in whole.network.trainable


def test_a_float32_model_inside_a_float64_one() -> None:
    encoder = rv.Sequential(rv.Dense(2)).build((6,))
    whole = rv.Sequential(encoder, rv.Dense(1), dtype="float64").build((6,))
    assert encoder.network.parameters["layers.0.weight"].dtype == np.float64
    assert whole.predict(A.astype(np.float64)).dtype == np.float64
    assert encoder.predict(A).dtype == np.float64


def test_a_model_with_two_inputs_as_a_layer() -> None:
    inner = two_ends()
    a, b = rv.Input((6,)), rv.Input((3,))
    kind, size = inner(a, b)
    outer = rv.Model((a, b), rv.Concatenate()([kind, size])).build()
    expected = inner.predict((A, B))
    np.testing.assert_allclose(
        outer.predict((A, B)), np.concatenate([expected["kind"], expected["size"]], 1), atol=1e-6
    )


# --- files and text


def test_a_graph_is_saved_and_loaded(tmp_path: Path) -> None:
    model = two_ends()
    model.fit((A, B), (KIND, SIZE), epochs=2, verbose=False)
    model.save(tmp_path / "graph.safetensors")
    loaded = rv.load(tmp_path / "graph.safetensors")
    assert type(loaded) is rv.Model
    before, after = model.predict((A, B)), loaded.predict((A, B))
    assert all(np.array_equal(before[name], after[name]) for name in before)
    assert loaded.evaluate((A, B), (KIND, SIZE)) == model.evaluate((A, B), (KIND, SIZE))
    assert loaded.network.architecture() == model.network.architecture()


def test_a_nested_network_is_saved_and_loaded(tmp_path: Path) -> None:
    inner = rv.Sequential(rv.Dense(4, activation="tanh"), rv.Dense(2))
    model = rv.Sequential(inner, rv.Dense(1)).build((6,))
    model.save(tmp_path / "nested.safetensors")
    loaded = rv.load(tmp_path / "nested.safetensors")
    assert isinstance(loaded, rv.Sequential)
    np.testing.assert_array_equal(loaded.predict(A), model.predict(A))


def test_the_summary_says_who_reads_whom() -> None:
    text = two_ends().build().summary()
    assert "reads (N, 6) and (N, 3) in float32" in text
    assert "input 'a'" in text
    assert "2; 0" in text  # the shared layer, in both places


@pytest.mark.parametrize(
    ("change", "needed"),
    [
        (lambda d: d["calls"][0].update(reads=[5]), "integers from 0"),
        (lambda d: d["calls"][0].update(reads=[]), "the inputs"),
        (lambda d: d["calls"][0].update(layer=99), "an integer from 0"),
        (lambda d: d["calls"][0].update(gives=3), "gives another number"),
        (lambda d: d["outputs"].clear(), "distinct names"),
        (lambda d: d["outputs"][0].update(value=-1), "an integer from 0"),
        (lambda d: d["inputs"][0].update(name="b"), "distinct names"),
        (lambda d: d["calls"].pop(0), "integers? from 0|a layer is never"),
        (lambda d: d.update(more=1), "exactly the keys"),
    ],
)
def test_an_altered_graph_is_refused(change: object, needed: str) -> None:
    description = two_ends().network.architecture()
    change(description)  # type: ignore[operator]
    with pytest.raises((ModelFileError, ShapeError), match=needed):
        Network.from_architecture(description)


def test_networks_too_deep_inside_each_other_are_refused() -> None:
    description = Network([rv.Dense(1)]).architecture()
    for _ in range(200):
        layer = {"layer": "Nested", "config": {"network": description}, "trainable": True}
        description = {"dtype": "float32", "input_shape": None, "layers": [layer]}
    with pytest.raises(ModelFileError, match="nested"):
        Network.from_architecture(description)


# --- what is refused


def test_wrong_wiring_is_refused() -> None:
    x, other = rv.Input((4,), name="x"), rv.Input((4,), name="other")
    y = rv.Dense(2)(x)
    cases = [
        (lambda: rv.Model(x, 3), "outputs is not understood"),
        (lambda: rv.Model((), y), "inputs is not understood"),
        (lambda: rv.Model(other, y), "an input that is not among its inputs"),
        (lambda: rv.Model((x, other), y), "does not depend on its input 'other'"),
        (lambda: rv.Model(y, rv.Dense(1)(y)), "can only start at an Input"),
        (lambda: rv.Model((x, x), y), "given to the model twice"),
        (lambda: rv.Model((x, rv.Input((4,), name="x")), y), "have one name"),
        (lambda: rv.Dense(2)(3), "no part of a graph"),
        (lambda: rv.Dense(2)(x, other), "called with 2 inputs"),
        (lambda: rv.Input(4), "shape is not understood"),
        (lambda: rv.Input((4,), name=3), "name is not understood"),
    ]
    for make, said in cases:
        with pytest.raises(ArgumentError, match=said):
            make()
    for make in (lambda: rv.Input((0,)), lambda: rv.Input((2.5,))):
        with pytest.raises(ArgumentError, match="shape"):
            make()


def test_shapes_that_do_not_fit_name_their_sources() -> None:
    x = rv.Input((4,), name="x")
    with pytest.raises(ShapeError, match="cannot read its input") as found:
        rv.Add()([rv.Dense(3)(x), x])
    assert "Dense(3)" in str(found.value)
    assert "Input 'x'" in str(found.value)
    shared = rv.Dense(3)
    with pytest.raises(ShapeError, match="is shared by inputs of different shapes"):
        rv.Model(x, rv.Concatenate()([shared(x), shared(rv.Dense(5)(x))]))


def test_arrays_that_do_not_fit_are_refused() -> None:
    model = two_ends()
    cases = [
        (A, (KIND, SIZE), "it is one ndarray"),
        ((A,), (KIND, SIZE), "it has 1 parts"),
        ({"a": A, "c": B}, (KIND, SIZE), "keys a, c"),
        ((A, B), KIND, "it is one ndarray"),
        ((A, B), {"kind": KIND}, "keys kind"),
    ]
    for x, y, said in cases:
        with pytest.raises(ArgumentError, match=said):
            model.fit(x, y, verbose=False)
    with pytest.raises(DataError, match="another number of rows"):
        model.fit((A, B[:10]), (KIND, SIZE), verbose=False)
    with pytest.raises(ShapeError, match="the input 'a'"):
        model.fit((B, A), (KIND, SIZE), verbose=False)
    with pytest.raises(ArgumentError, match="names 'knd'"):
        model.fit((A, B), (KIND, SIZE), loss={"knd": "mse"}, verbose=False)
    with pytest.raises(ArgumentError, match="class_weight is not defined"):
        model.fit((A, B), (KIND, SIZE), class_weight="balanced", verbose=False)
    with pytest.raises(ArgumentError, match="loss_weights"):
        model.fit((A, B), (KIND, SIZE), loss_weights=(1.0, -1.0), verbose=False)
    assert not model.built  # nothing was changed by refused calls


def test_a_graph_reads_only_the_shape_of_its_input() -> None:
    x = rv.Input((6,))
    model = rv.Model(x, rv.Dense(2)(x))
    with pytest.raises(ArgumentError, match="built for inputs of another shape"):
        model.build((5,))
