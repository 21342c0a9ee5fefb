"""The facade: what fit, predict, evaluate, summary, trace, save and load promise."""

from __future__ import annotations

import copy
import json
import pickle
from pathlib import Path

import numpy as np
import pytest

import ranvier as rv
from ranvier.data import Dataset
from ranvier.data.arrays import understand_targets
from ranvier.formats.model_file import save_model
from ranvier.foundation.errors import (
    ArgumentError,
    DataError,
    FileError,
    ModelFileError,
    NotBuiltError,
    ShapeError,
    UnknownNameError,
)
from ranvier.models.answers import class_indices, logits_of_probabilities, probabilities
from ranvier.models.progress_line import show_count, show_seconds
from ranvier.models.row_weights import row_weights
from ranvier.models.summary import show_bytes

X_XOR = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
Y_XOR = np.array([0, 1, 1, 0])


@pytest.fixture(scope="module")
def iris() -> Dataset:
    return rv.open_dataset("iris")


@pytest.fixture(scope="module")
def trained(iris: Dataset) -> rv.Sequential:
    names = np.array(iris.class_names)
    model = rv.Sequential(rv.Dense(16, activation="tanh"), rv.Dense(3))
    model.fit(iris.x, names[iris.y], epochs=60, optimizer=rv.Adam(0.01))
    return model


def small(*, units: int = 3, dtype: str = "float32") -> rv.Sequential:
    return rv.Sequential(rv.Dense(8, activation="tanh"), rv.Dense(units), dtype=dtype)


# --- fit


def test_fit_learns_and_says_what_it_did(iris: Dataset) -> None:
    model = small()
    history = model.fit(
        iris.x, iris.y, epochs=40, optimizer=rv.Adam(0.02), validation=(iris.test_x, iris.test_y)
    )
    assert set(history) == {"loss", "accuracy", "val_loss", "val_accuracy"}
    assert all(len(values) == 40 for values in history.values())
    assert history["loss"][-1] < 0.5 * history["loss"][0]
    assert history["accuracy"][-1] > 0.9
    assert any("categorical_cross_entropy" in note for note in history.notes)
    scores = model.evaluate(iris.test_x, iris.test_y)
    assert scores["loss"] == pytest.approx(history["val_loss"][-1], rel=1e-4)
    assert scores["accuracy"] == pytest.approx(history["val_accuracy"][-1])


def test_one_output_and_two_classes_is_binary() -> None:
    model = rv.Sequential(rv.Dense(8, activation="tanh"), rv.Dense(1))
    history = model.fit(X_XOR, Y_XOR, epochs=300, batch_size=None, optimizer=rv.Adam(0.05))
    assert any("binary_cross_entropy" in note for note in history.notes)
    assert model.predict_classes(X_XOR).tolist() == Y_XOR.tolist()
    shares = model.predict_proba(X_XOR)
    assert shares.shape == (4, 2)
    np.testing.assert_allclose(shares.sum(axis=1), 1.0, rtol=1e-6)


def test_floats_are_numbers_and_not_rescaled() -> None:
    x = np.linspace(-1, 1, 64)[:, None]
    model = rv.Sequential(rv.Dense(1))
    history = model.fit(x, 3.0 * x[:, 0] + 100.0, epochs=300, optimizer=rv.Adam(0.5))
    assert "accuracy" not in history
    assert model.predict(np.zeros((1, 1)))[0, 0] == pytest.approx(100.0, abs=0.5)
    assert model.evaluate(x, 3.0 * x + 100.0)["loss"] < 0.5


def test_labels_come_back_in_the_users_words(trained: rv.Sequential, iris: Dataset) -> None:
    found = trained.predict_classes(iris.test_x)
    assert set(found) <= {"setosa", "versicolor", "virginica"}
    right = np.array(iris.class_names)[iris.test_y]
    assert np.mean(found == right) > 0.85
    assert trained.evaluate(iris.test_x, right)["accuracy"] == np.mean(found == right)


def test_a_last_softmax_is_trained_on_its_input(iris: Dataset) -> None:
    plain = rv.Sequential(rv.Dense(3), dtype="float64")
    ended = rv.Sequential(rv.Dense(3, activation="softmax"), dtype="float64")
    first = plain.fit(iris.x, iris.y, epochs=3)
    second = ended.fit(iris.x, iris.y, epochs=3)
    assert first["loss"] == pytest.approx(second["loss"], rel=1e-12)
    np.testing.assert_allclose(plain.predict_proba(iris.x), ended.predict(iris.x), rtol=1e-9)
    assert ended.evaluate(iris.x, iris.y)["loss"] == pytest.approx(
        plain.evaluate(iris.x, iris.y)["loss"], rel=1e-9
    )


def test_weight_two_is_the_row_twice_on_a_full_batch() -> None:
    x, y = np.vstack([X_XOR, X_XOR[:1]]), np.append(Y_XOR, Y_XOR[:1])
    twice, weighted = small(units=2, dtype="float64"), small(units=2, dtype="float64")
    one = twice.fit(x, y, epochs=5, batch_size=None, shuffle=False, optimizer=rv.SGD(0.1))
    two = weighted.fit(
        X_XOR,
        Y_XOR,
        epochs=5,
        batch_size=None,
        shuffle=False,
        optimizer=rv.SGD(0.1),
        sample_weight=[2.0, 1.0, 1.0, 1.0],
    )
    assert one["loss"] == pytest.approx(two["loss"], rel=1e-12)


def test_the_scale_of_weights_does_not_matter() -> None:
    one, two = small(units=2), small(units=2)
    first = one.fit(X_XOR, Y_XOR, epochs=3, sample_weight=[1.0, 2.0, 3.0, 4.0])
    second = two.fit(X_XOR, Y_XOR, epochs=3, sample_weight=[4.0, 8.0, 12.0, 16.0])
    assert first["loss"] == second["loss"]


def test_a_second_fit_goes_on_and_keeps_the_classes(iris: Dataset) -> None:
    model = small()
    first = model.fit(iris.x, iris.y, epochs=5)
    second = model.fit(iris.x[iris.y < 2], iris.y[iris.y < 2], epochs=1)
    assert second["loss"][0] < first["loss"][0]
    assert model.preparation is not None
    assert model.preparation.class_values == (0, 1, 2)
    with pytest.raises(DataError, match="does not know"):
        model.fit(iris.x, iris.y + 1, epochs=1)


def test_a_fraction_is_split_by_class(iris: Dataset) -> None:
    history = small().fit(iris.x, iris.y, epochs=2, validation=0.25)
    assert "val_accuracy" in history
    assert "30 of 120 rows are kept for validation." in history.notes


def test_validation_of_another_dtype_is_not_cut_off() -> None:
    x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.uint8)
    model = rv.Sequential(rv.Dense(2))
    history = model.fit(x, Y_XOR, epochs=1, validation=(X_XOR + 0.5, Y_XOR))
    assert history["val_loss"][0] == pytest.approx(
        model.evaluate(X_XOR + 0.5, Y_XOR)["loss"], rel=1e-5
    )


def test_the_reference_engine_trains_the_same(iris: Dataset) -> None:
    native, reference = small(dtype="float64"), small(dtype="float64")
    first = native.fit(iris.x, iris.y, epochs=3, validation=0.2)
    second = reference.fit(iris.x, iris.y, epochs=3, validation=0.2, engine="reference")
    for name, values in first.items():
        assert values == pytest.approx(second[name], rel=1e-9)
    assert reference.memory is None


def test_the_same_seed_gives_the_same_bits(iris: Dataset) -> None:
    runs = [small() for _ in range(2)]
    histories = [run.fit(iris.x, iris.y, epochs=3, seed=5) for run in runs]
    assert histories[0] == histories[1]
    assert np.array_equal(runs[0].predict(iris.x), runs[1].predict(iris.x))


def test_early_stopping_keeps_the_best_weights(iris: Dataset) -> None:
    model = small()
    history = model.fit(
        iris.x,
        iris.y,
        epochs=200,
        validation=(iris.test_x, iris.test_y),
        optimizer=rv.Adam(0.2),
        callbacks=[rv.EarlyStopping(patience=2)],
    )
    assert history.stopped_early
    assert history.epochs == len(history["loss"]) < 200
    best = min(history["val_loss"])
    found = model.evaluate(iris.test_x, iris.test_y)["loss"]
    assert found == pytest.approx(best, rel=1e-4)


def test_early_stopping_without_validation_watches_the_loss() -> None:
    history = small(units=2).fit(X_XOR, Y_XOR, epochs=2, callbacks=[rv.EarlyStopping()])
    assert any("watches 'loss'" in note for note in history.notes)


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"loss": "mse"}, ShapeError, "outputs"),
        ({"loss": "crossentropy"}, UnknownNameError, "cross_entropy"),
        ({"optimizer": "adan"}, UnknownNameError, "adam"),
        ({"epochs": 0}, ArgumentError, "epochs"),
        ({"batch_size": 0}, ArgumentError, "batch_size"),
        ({"seed": -1}, ArgumentError, "seed"),
        ({"shuffle": "yes"}, ArgumentError, "shuffle"),
        ({"engine": "gpu"}, ArgumentError, "engine"),
        ({"verbose": "loud"}, ArgumentError, "verbose"),
        ({"validation": 1.5}, ArgumentError, "fraction"),
        ({"validation": "0.2"}, ArgumentError, "validation"),
        ({"validation": (X_XOR,)}, ArgumentError, "pair"),
        ({"validation": (X_XOR[:, :1], Y_XOR)}, ShapeError, "1 features"),
        ({"validation": (X_XOR, Y_XOR + 7)}, DataError, "y of validation"),
        ({"callbacks": [rv.EarlyStopping(), rv.EarlyStopping()]}, ArgumentError, "several"),
        ({"callbacks": ["early"]}, ArgumentError, "EarlyStopping"),
        ({"callbacks": 3}, ArgumentError, "callbacks"),
        ({"callbacks": [rv.EarlyStopping(metric="val_los")]}, UnknownNameError, "loss"),
        ({"metrics": ["accuracy", "accuracy"]}, ArgumentError, "one name"),
        ({"metrics": ["acuracy"]}, UnknownNameError, "accuracy"),
        ({"sample_weight": [1.0]}, DataError, "4 rows"),
        ({"sample_weight": [1.0, -1.0, 1.0, 1.0]}, DataError, "row 1"),
        ({"sample_weight": ["a", "b", "c", "d"]}, DataError, "numbers"),
        ({"sample_weight": [0.0] * 4}, DataError, "weigh nothing"),
        ({"class_weight": {2: 1.0}}, ArgumentError, "does not exist"),
        ({"class_weight": {0: -1.0}}, ArgumentError, "0 or more"),
        ({"class_weight": "equal"}, ArgumentError, "balanced"),
    ],
)
def test_arguments_of_fit_are_checked(
    arguments: dict[str, object], error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        small(units=2).fit(X_XOR, Y_XOR, **arguments)


def test_a_refused_fit_leaves_the_model_as_it_was(iris: Dataset) -> None:
    model = rv.Sequential(rv.Dense(3))
    with pytest.raises(ShapeError):
        model.fit(X_XOR, [0, 1, 2, 3])
    assert not model.built
    assert model.fit(iris.x, iris.y, epochs=1).epochs == 1


def test_inputs_need_two_axes() -> None:
    with pytest.raises(ShapeError, match="Reshape your data"):
        small().fit([1.0, 2.0, 3.0], [0, 1, 2])


def test_class_weights_need_classes() -> None:
    with pytest.raises(ArgumentError, match="needs classes"):
        rv.Sequential(rv.Dense(1)).fit(X_XOR, [0.1, 0.2, 0.3, 0.4], class_weight="balanced")


def test_targets_must_be_as_many_as_examples() -> None:
    with pytest.raises(DataError, match="4 rows, y has 3"):
        small().fit(X_XOR, Y_XOR[:3])
    with pytest.raises(DataError, match="4 rows, y has 3"):
        small().fit(X_XOR, understand_targets(Y_XOR[:3], 3))


@pytest.mark.parametrize(
    "arguments",
    [
        {"patience": 0},
        {"patience": 2.5},
        {"metric": 3},
        {"keep_best": 1},
        {"tolerance": -1.0},
        {"tolerance": float("nan")},
        {"mode": "up"},
    ],
)
def test_early_stopping_checks_its_arguments(arguments: dict[str, object]) -> None:
    with pytest.raises(ArgumentError, match=next(iter(arguments))):
        rv.EarlyStopping(**arguments)


def test_row_weights_have_mean_one() -> None:
    targets = understand_targets(["a", "a", "a", "b"], 4)
    weights = row_weights(targets, np.array([1.0, 1.0, 2.0, 0.5]), {"b": 4.0})
    assert weights is not None
    np.testing.assert_allclose(weights, np.array([1.0, 1.0, 2.0, 2.0]) / 1.5)
    assert row_weights(targets, None, None) is None


# --- predict and evaluate


def test_predict_needs_a_built_model() -> None:
    model = small()
    for call in (
        lambda: model.predict(X_XOR),
        lambda: model.predict_proba(X_XOR),
        lambda: model.predict_classes(X_XOR),
        lambda: model.evaluate(X_XOR, Y_XOR),
        model.summary,
        model.trace,
        lambda: model.save("never.safetensors"),
    ):
        with pytest.raises(NotBuiltError, match="neither fit nor build"):
            call()


def test_predict_names_both_feature_counts() -> None:
    model = small().build((5,))
    with pytest.raises(ShapeError) as caught:
        model.predict(X_XOR)
    assert "2 features" in str(caught.value)
    assert "5 features" in str(caught.value)
    pictures = rv.Sequential(rv.Flatten(), rv.Dense(2)).build((4, 4))
    with pytest.raises(ShapeError, match=r"\(N, 4, 4\)"):
        pictures.predict(np.zeros((1, 16)))


def test_native_and_reference_agree(trained: rv.Sequential, iris: Dataset) -> None:
    native = trained.predict(iris.test_x)
    reference = trained.predict(iris.test_x, engine="reference")
    np.testing.assert_allclose(native, reference, rtol=1e-4, atol=1e-5)


def test_a_model_without_fit_still_evaluates() -> None:
    model = rv.Sequential(rv.Dense(2)).build((2,))
    assert set(model.evaluate(X_XOR, Y_XOR)) == {"loss", "accuracy"}
    with pytest.raises(DataError, match="does not know"):
        model.evaluate(X_XOR, Y_XOR + 1)
    assert model.predict_classes(X_XOR).shape == (4,)


def test_classes_are_not_asked_of_numbers() -> None:
    model = rv.Sequential(rv.Dense(1))
    model.fit(X_XOR, [0.0, 1.5, 1.0, 0.0], epochs=1)
    for call in (model.predict_proba, model.predict_classes):
        with pytest.raises(ArgumentError, match="trained on numbers"):
            call(X_XOR)


def test_classes_are_not_read_from_pictures() -> None:
    with pytest.raises(ArgumentError, match=r"\(N, 2, 2\)"):
        probabilities(np.zeros((3, 2, 2)), None)


def test_probabilities_and_logits() -> None:
    logits = np.array([[0.5, -1.0, 2.0]])
    shares = probabilities(logits, None)
    np.testing.assert_allclose(probabilities(shares, "softmax"), shares)
    back = logits_of_probabilities(shares, "softmax")
    np.testing.assert_allclose(back - back.max(), logits - logits.max(), rtol=1e-12)
    half = np.array([[0.25], [0.75]])
    np.testing.assert_allclose(probabilities(half, "sigmoid"), [[0.75, 0.25], [0.25, 0.75]])
    np.testing.assert_allclose(
        logits_of_probabilities(half, "sigmoid"), [[-np.log(3)], [np.log(3)]]
    )
    assert class_indices(half, "sigmoid").tolist() == [0, 1]


# --- files, copies, text


def test_a_saved_model_answers_the_same(
    trained: rv.Sequential, iris: Dataset, tmp_path: Path
) -> None:
    path = tmp_path / "iris.safetensors"
    trained.save(path)
    loaded = rv.load(path)
    assert np.array_equal(loaded.predict(iris.test_x), trained.predict(iris.test_x))
    assert loaded.predict_classes(iris.test_x).tolist() == (
        trained.predict_classes(iris.test_x).tolist()
    )
    assert repr(loaded) == repr(trained)
    assert repr(loaded.loss) == repr(trained.loss)


def test_copies_and_pickles_leave_programs_behind(trained: rv.Sequential, iris: Dataset) -> None:
    expected = trained.predict(iris.test_x)
    for other in (copy.deepcopy(trained), pickle.loads(pickle.dumps(trained))):
        assert np.array_equal(other.predict(iris.test_x), expected)
        other.layers[0].weight[...] = 0.0
        assert not np.array_equal(other.predict(iris.test_x), expected)
    assert np.array_equal(trained.predict(iris.test_x), expected)


def test_a_file_that_contradicts_itself_is_refused(trained: rv.Sequential, tmp_path: Path) -> None:
    assert trained.preparation is not None
    path = tmp_path / "wrong.safetensors"
    other = rv.Sequential(rv.Dense(2)).build((4,))
    save_model(path, other.network, preparation=json.loads(trained.preparation.to_json()))
    with pytest.raises(ModelFileError, match="3 classes"):
        rv.load(path)
    other = rv.Sequential(rv.Dense(3)).build((5,))
    save_model(path, other.network, preparation=json.loads(trained.preparation.to_json()))
    with pytest.raises(ModelFileError, match=r"\(N, 5\)"):
        rv.load(path)


def test_a_file_with_an_impossible_loss_is_refused(tmp_path: Path) -> None:
    model = rv.Sequential(rv.Dense(2)).build((4,))
    path = tmp_path / "wrong.safetensors"
    loss = {"name": "mse", "config": {"reduction": "sum"}}
    save_model(path, model.network, settings={"loss": loss})
    with pytest.raises(ModelFileError, match="loss"):
        rv.load(path)
    save_model(path, model.network, settings={"loss": {"name": "my_own", "config": {}}})
    assert rv.load(path).loss is None


def test_loading_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileError):
        rv.load(tmp_path / "missing.safetensors")


def test_summary_and_trace(trained: rv.Sequential) -> None:
    text = trained.summary()
    assert "Dense(16, activation='tanh')" in text
    assert "131 parameters, 131 of them trained" in text
    assert trained.memory is not None
    assert f"{trained.memory.bytes:,} byte" in text
    assert "layers.0.weight: float32(4, 16)" in trained.trace()
    loaded = copy.deepcopy(trained)
    assert "planned memory of the prediction program" in loaded.summary()


def test_summary_works_without_a_native_form() -> None:
    class RunningSum(rv.Layer):
        def forward(self, x: rv.ops.Tensor, parameters: object, context: object) -> rv.ops.Tensor:
            start = rv.ops.sum(x, axis=1) * 0.0
            sums = rv.ops.scan(lambda s, t: ((s + t,), (s,)), [start], [rv.ops.transpose(x)])[1]
            return rv.ops.transpose(sums[0])

    text = rv.Sequential(RunningSum(), rv.Dense(2)).build((4,)).summary()
    assert "10 parameters" in text


def test_a_frozen_layer_stays(iris: Dataset) -> None:
    model = small().build((4,))
    model.layers[0].trainable = False
    before = model.layers[0].weight.copy()
    model.fit(iris.x, iris.y, epochs=2)
    assert np.array_equal(model.layers[0].weight, before)
    assert "(frozen)" in model.summary()


def test_verbose_prints_a_handful_of_lines(
    iris: Dataset, capsys: pytest.CaptureFixture[str]
) -> None:
    small().fit(iris.x, iris.y, epochs=100, verbose=True)
    lines = capsys.readouterr().out.strip().splitlines()
    assert len(lines) < 30
    assert lines[0].startswith("The loss is")
    assert lines[-1].startswith("100 epochs in")
    small().fit(iris.x, iris.y, epochs=2)
    assert capsys.readouterr().out == ""


def test_a_training_program_can_be_looked_at(iris: Dataset) -> None:
    program = small().training_program(iris.x, iris.y)
    assert program.memory().bytes > 0
    assert program.run(2).epochs == 2


def test_words_for_numbers() -> None:
    assert [show_seconds(s) for s in (0.5, 4.2, 59.0, 125.0, 3700.0, None)] == [
        "500 ms",
        "4.2 s",
        "59 s",
        "2 min 05 s",
        "1 h 01 min",
        "?",
    ]
    assert [show_count(c) for c in (3, 1500, 2e6)] == ["3", "1.5 k", "2 M"]
    assert show_bytes(1) == "1 byte"
