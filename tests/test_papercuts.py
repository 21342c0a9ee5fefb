"""What a new user stumbled over: messages say what to write, nothing is understood silently."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result

import ranvier as rv
from ranvier import errors, losses
from ranvier.cli.commands import app
from ranvier.cli.network_text import layer_words, parse_network
from ranvier.cli.units import in_units_of
from ranvier.data import open_dataset, understand_targets
from ranvier.data.arrays import with_classes
from ranvier.layers import LAYERS
from ranvier.layers.arguments import needs_call
from ranvier.layers.words import layer_of_word, word_of
from ranvier.losses import LOSSES, gives_output_per_class, means_own_units
from ranvier.metrics import Accuracy
from ranvier.optimizers import OPTIMIZERS, resolve

Array = np.ndarray[Any, Any]


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def ranvier(*arguments: str) -> Result:
    return CliRunner(env={"COLUMNS": "200"}).invoke(app, list(arguments))


def numbers(rows: int = 60, columns: int = 4) -> Array:
    return np.random.default_rng(0).normal(size=(rows, columns)).astype("float32")


def write_counts(path: str, least: int = 0) -> Array:
    """A table of an area, a town and counts that grow with the area."""
    generator = np.random.default_rng(0)
    area = generator.uniform(20, 200, 200).round(2)
    town = generator.choice(["Oslo", "Rome", "Lima"], 200)
    counts = generator.poisson(np.exp(area / 60)) + least
    with Path(path).open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["area", "town", "visits"])
        writer.writerows(zip(area, town, counts, strict=True))
    return counts


# --- the summary counts parameters, not layers


def summary_counts(*layers: rv.Layer | rv.Model, shape: tuple[int, ...] = (3,)) -> str:
    lines = rv.Sequential(*layers).build(shape).summary().splitlines()
    return next(line for line in lines if "of them trained" in line).split(":")[0]


def test_running_statistics_are_no_trained_parameters() -> None:
    found = summary_counts(rv.Dense(4), rv.BatchNorm(), rv.Dense(1))
    assert found == "37 parameters, 29 of them trained"
    assert summary_counts(rv.BatchNorm(center=False, scale=False), rv.Dense(1)) == (
        "10 parameters, 4 of them trained"
    )


def test_frozen_layers_are_no_trained_parameters() -> None:
    frozen = rv.Dense(4)
    frozen.trainable = False
    inner = rv.Sequential(frozen, rv.BatchNorm())
    assert summary_counts(inner, rv.Dense(1)) == "37 parameters, 13 of them trained"
    model = rv.Sequential(inner, rv.Dense(1)).build((3,))
    assert "(frozen)" not in model.summary()
    model.layers[0].trainable = False
    assert "37 parameters, 5 of them trained" in model.summary()
    assert "(frozen)" in model.summary()


def test_a_network_whose_layers_are_all_frozen_is_shown_as_frozen() -> None:
    frozen = rv.Dense(4)
    frozen.trainable = False
    assert "(frozen)" in rv.Sequential(rv.Sequential(frozen), rv.Dense(1)).build((3,)).summary()


# --- losses look at the values of targets


LOOKED_AT: tuple[tuple[str, rv.Loss, Array, str], ...] = (
    ("poisson", rv.Poisson(), np.array([[1.0], [-2.0]]), "-2 in row 1,"),
    ("kl", rv.KLDivergence(), np.array([[0.5, 0.5], [1.5, -0.5]]), "-0.5 in row 1, column 1"),
    ("binary", rv.BinaryCrossEntropy(), np.array([[0.5], [1.5]]), "1.5 in row 1"),
    ("binary focal", rv.BinaryFocal(), np.array([[-1.0], [1.0]]), "-1 in row 0"),
    ("hinge", rv.Hinge(), np.array([[0.0], [0.5]]), "0.5 in row 1"),
    ("perceptron", rv.PerceptronLoss(), np.array([[-1.0], [1.0]]), "-1 in row 0"),
    (
        "probabilities",
        rv.CategoricalCrossEntropy(probabilities=True),
        np.array([[0.0, 1.0], [3.0, 1.0]]),
        "3 in row 1, column 0",
    ),
)


@pytest.mark.parametrize("case", LOOKED_AT, ids=lambda case: case[0])
def test_losses_refuse_values_that_they_cannot_mean(case: tuple[str, rv.Loss, Array, str]) -> None:
    _, loss, y, said = case
    with pytest.raises(errors.DataError) as caught:
        loss.check_values(y)
    assert said in str(caught.value)
    assert loss.name in caught.value.headline
    model = rv.Sequential(rv.Dense(y.shape[1]))
    with pytest.raises(errors.DataError, match="y has"):
        model.fit(np.ones((2, 3)), y, loss=loss, epochs=1, engine="reference")
    loss.check_values(np.array([[0.0, 1.0], [1.0, 0.0]]))


def test_other_losses_read_any_number() -> None:
    for name in ("mse", "mae", "huber", "log_cosh", "quantile", "cosine_similarity"):
        LOSSES[name]().check_values(np.array([[-3.0, 4.0]]))
    rv.CategoricalCrossEntropy().check_values(np.array([0, 5, 2], "int32"))


def test_the_row_at_fault_is_the_users_although_rows_are_kept_for_validation() -> None:
    x, y = numbers(), np.ones((60, 1))
    for row in (0, 17, 59):
        wrong = y.copy()
        wrong[row] = -1.0
        with pytest.raises(errors.DataError, match=rf"y has -1 in row {row},"):
            rv.Sequential(rv.Dense(1)).fit(x, wrong, loss="poisson", validation=0.5, epochs=1)


def test_validation_and_evaluation_targets_are_looked_at_too() -> None:
    x, y = numbers(), np.ones((60, 1))
    model = rv.Sequential(rv.Dense(1))
    with pytest.raises(errors.DataError, match="y of validation has -1 in row 0"):
        model.fit(x, y, loss="poisson", validation=(x, -y), epochs=1)
    model.fit(x, y, loss="poisson", epochs=1, engine="reference")
    with pytest.raises(errors.DataError, match="y has -1 in row 0"):
        model.evaluate(x, -y, engine="reference")


def test_a_loss_of_ones_own_looks_at_values() -> None:
    class Logarithmic(rv.Loss):
        def __call__(self, outputs: Any, targets: Any) -> Any:
            return rv.ops.mean(rv.ops.absolute(outputs - rv.ops.log(targets)), axis=1)

        def check_values(self, targets: Array, name: str = "y") -> None:
            losses.base.check_range(self.name, name, targets, targets <= 0, "above 0", "add 1")

    with pytest.raises(errors.DataError, match="y has 0 in row 0, which the loss logarithmic"):
        rv.Sequential(rv.Dense(1)).fit(numbers(), np.zeros(60), loss=Logarithmic(), epochs=1)


def test_estimates_are_in_the_units_of_targets() -> None:
    outputs = np.array([[0.0, 1.0]])
    assert np.allclose(rv.Poisson().estimates(outputs), np.exp(outputs))
    assert np.allclose(rv.KLDivergence().estimates(outputs), np.exp(outputs))
    assert np.allclose(rv.BinaryCrossEntropy().estimates(outputs), 1 / (1 + np.exp(-outputs)))
    both = rv.CategoricalCrossEntropy(probabilities=True).estimates(outputs)
    assert np.allclose(both, np.exp(outputs) / np.exp(outputs).sum())
    assert (rv.MeanSquaredError().estimates(outputs) == outputs).all()


def test_which_losses_mean_targets_as_they_are() -> None:
    own = {name for name, kind in LOSSES.items() if kind.own_units and kind.reads == "numbers"}
    assert own == {"poisson", "kl_divergence", "cosine_similarity"}
    assert means_own_units("cross_entropy")
    assert not means_own_units("no such loss")
    assert means_own_units(rv.Poisson())


# --- counts and units on the command line


def test_counts_are_trained_and_told_in_their_own_units() -> None:
    pytest.importorskip("polars", reason="tables need the extra 'tables'")
    counts = write_counts("counts.csv")
    train = ("train", "counts.csv", "--kind", "numbers", "--epochs", "60", "--json")
    result = ranvier(*train, "--loss", "poisson")
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert any("not standardised" in note for note in document["data"]["notes"])
    scores = document["scores"]
    assert scores["model"]["rmse"] < 0.7 * scores["trivial"]["rmse"]
    told = ranvier("predict", "counts.safetensors", "counts.csv", "--json")
    found = np.array(json.loads(told.stdout)["predictions"])[:, 0]
    assert (found > 0).all()
    assert abs(np.log(found.mean() / counts.mean())) < 0.2
    again = ranvier("evaluate", "counts.safetensors", "counts.csv", "--json")
    assert json.loads(again.stdout)["model"]["rmse"] < 0.7 * scores["trivial"]["rmse"]


def test_other_losses_still_see_standardised_numbers() -> None:
    pytest.importorskip("polars", reason="tables need the extra 'tables'")
    write_counts("counts.csv")
    dataset = open_dataset("counts.csv", kind="numbers", test_fraction=0.2)
    assert in_units_of(dataset, "huber") is dataset
    assert in_units_of(dataset, None) is dataset
    assert in_units_of(dataset, "poisson").preparation.target_mean == (0.0,)


def test_negative_counts_are_refused_with_their_part() -> None:
    pytest.importorskip("polars", reason="tables need the extra 'tables'")
    write_counts("low.csv", least=-5)
    result = ranvier("train", "low.csv", "--kind", "numbers", "--loss", "poisson")
    assert result.exit_code == 2
    assert "y of the training part has -" in result.stderr
    assert "which the loss poisson cannot read" in result.stderr


def test_a_loss_for_another_kind_of_targets_names_the_option() -> None:
    pytest.importorskip("polars", reason="tables need the extra 'tables'")
    write_counts("counts.csv")
    for arguments, said in (
        (("counts.csv", "--loss", "mse"), "add --kind numbers"),
        (("counts.csv", "--kind", "numbers", "--loss", "categorical_focal"), "add --kind classes"),
        (("iris", "--loss", "mse"), "leave --loss out: cross_entropy"),
        (("counts.csv", "--target", "town", "--loss", "mse"), "leave --loss out: cross_entropy"),
    ):
        result = ranvier("train", *arguments)
        assert result.exit_code == 2
        assert said in result.stderr
        assert "astype" not in result.stderr
    assert "--kind numbers" not in ranvier("train", "iris", "--loss", "mse").stderr


# --- the command line


def test_python_m_ranvier_is_the_command_line() -> None:
    source = str(Path(rv.__file__).parents[1])
    found = subprocess.run(
        [sys.executable, "-m", "ranvier", "--version"],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": source, "PATH": "", "RANVIER_CACHE": "off"},
        check=False,
    )
    assert (found.returncode, found.stdout.strip()) == (0, f"ranvier {rv.__version__}")


def test_the_help_names_everything_that_is_registered() -> None:
    text = ranvier("train", "--help").stdout
    words = set(text.replace(",", " ").replace(".", " ").split())
    assert set(OPTIMIZERS) <= words
    assert set(LOSSES) | {"cross_entropy", "focal"} <= words
    assert set(layer_words()) <= words


def test_layers_have_words() -> None:
    for name in LAYERS:
        assert layer_of_word(word_of(name)) is LAYERS[name]
        assert layer_of_word(name) is LAYERS[name]
    assert layer_of_word("no_such_layer") is None
    assert {"batch_norm", "layer_norm", "rms_norm", "prelu", "leaky_relu"} <= set(layer_words())
    # What a line of text cannot say: functions, several inputs, integers.
    assert not {"lambda", "add", "nested", "embedding"} & set(layer_words())


def test_a_network_text_of_every_kind_of_layer() -> None:
    text = (
        "dense 8, batch_norm, batch_norm 0.2 1e-3 -1 true false, BatchNorm, layer_norm 1e-4, "
        "rms_norm, prelu, prelu 0.1, leaky_relu, leaky_relu 0.2, alpha_dropout 0.1, "
        "gaussian_noise 0.5, reshape 2 4, flatten"
    )
    assert [layer.describe() for layer in parse_network(text)] == [
        "Dense(8)",
        "BatchNorm()",
        "BatchNorm(momentum=0.2, epsilon=0.001, scale=False)",
        "BatchNorm()",
        "LayerNorm(epsilon=0.0001)",
        "RMSNorm()",
        "PReLU()",
        "PReLU(initial=0.1)",
        "Activation('leaky_relu')",
        "LeakyReLU(slope=0.2)",
        "AlphaDropout(0.1)",
        "GaussianNoise(0.5)",
        "Reshape((2, 4))",
        "Flatten()",
    ]
    result = ranvier("train", "iris", "--epochs", "2", "--network", "batch_norm, dense 3, prelu")
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize(
    ("text", "kind", "said"),
    [
        ("alpha_dropout", errors.ArgumentError, "write alpha_dropout rate"),
        ("prelu 1 2", errors.ArgumentError, "prelu, or prelu initial"),
        ("gaussian_noise much", errors.ArgumentError, "That is no number"),
        ("reshape 2 half", errors.ArgumentError, "That is no whole number"),
        ("batch_norm 0.1 1e-3 -1 maybe", errors.ArgumentError, "neither true nor false"),
        ("batch_norm 7", errors.ArgumentError, "momentum"),
        ("batch_nrm", errors.UnknownNameError, "did you mean 'batch_norm'"),
        ("lambda exp", errors.UnknownNameError, "'lambda' is no layer"),
    ],
)
def test_a_network_text_that_is_not_understood(
    text: str, kind: type[errors.RanvierError], said: str
) -> None:
    with pytest.raises(kind) as caught:
        parse_network(text)
    assert said in str(caught.value)


def test_a_registered_layer_of_ones_own_has_a_word() -> None:
    @LAYERS.register("TestOnlyShift")
    class TestOnlyShift(rv.Layer):
        def __init__(self, by: float, unused: object = None) -> None:
            self.by, self.unused = by, unused

        def forward(self, x: Any, parameters: Any, context: Any) -> Any:
            return x + self.by

    try:
        assert parse_network("test_only_shift 2.5")[0].describe() == "TestOnlyShift(2.5)"
    finally:
        del LAYERS._things["TestOnlyShift"]


def test_predict_says_which_categories_the_training_did_not_have() -> None:
    pytest.importorskip("polars", reason="tables need the extra 'tables'")
    write_counts("counts.csv")
    train = ("train", "counts.csv", "--kind", "numbers", "--epochs", "2")
    assert ranvier(*train).exit_code == 0
    Path("new.csv").write_text("area,town\n100,Paris\n50,Oslo\n60,Bonn\n70,Paris\n80,\n")
    result = ranvier("predict", "counts.safetensors", "new.csv")
    said = "Column 'town': 3 of 5 rows have a category that the training did not have"
    assert f"{said}: 'Paris', 'Bonn'." in result.stderr
    notes = json.loads(ranvier("predict", "counts.safetensors", "new.csv", "--json").stdout)
    assert any(said in note for note in notes["notes"])
    known = ranvier("predict", "counts.safetensors", "counts.csv")
    assert "category that the training" not in known.stderr


def test_a_test_part_with_another_category_is_said() -> None:
    pytest.importorskip("polars", reason="tables need the extra 'tables'")
    rows = [f"{i},common,{i % 2}" for i in range(50)]
    rows[int(np.flatnonzero(_test_rows(50))[0])] = "7,rare,0"
    Path("rare.csv").write_text("\n".join(["a,b,label", *rows]))
    notes = open_dataset("rare.csv", test_fraction=0.2).notes
    said = "Column 'b': 1 of 10 rows of the test part has a category that the training did not have"
    assert any(note == f"{said}: 'rare'." for note in notes)


def _test_rows(count: int) -> Array:
    """Which rows of two classes in turn `open_dataset` sets aside."""
    Path("plain.csv").write_text("\n".join(["a,label", *(f"{i},{i % 2}" for i in range(count))]))
    dataset = open_dataset("plain.csv", test_fraction=0.2)
    assert dataset.test_x is not None
    column = dataset.preparation.columns[0]
    found = dataset.test_x[:, 0] * column.scale + column.mean
    return np.isin(np.arange(count), np.rint(found))


# --- an archive with a validation part


def write_medical(path: str, leave_out: str = "") -> dict[str, Array]:
    """An archive as MedMNIST writes them."""
    generator, arrays = np.random.default_rng(0), {}
    for part, rows in (("train", 90), ("val", 30), ("test", 24)):
        y = generator.integers(0, 3, (rows, 1)).astype("uint8")
        noise = generator.integers(0, 60, (rows, 6, 6))
        arrays[f"{part}_images"] = (noise + 60 * y[:, :, None]).astype("uint8")
        arrays[f"{part}_labels"] = y
    arrays.pop(leave_out, None)
    np.savez(path, **arrays)
    return arrays


def test_an_archives_validation_part_validates() -> None:
    arrays = write_medical("medical.npz")
    result = ranvier("train", "medical.npz", "--epochs", "3", "--json")
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert document["data"]["rows"] == 90
    assert (document["data"]["validation_rows"], document["data"]["test_rows"]) == (30, 24)
    assert "val_accuracy" in document["training"]["history"]
    assert "validated on the 30 rows" in result.stderr
    assert "without a better validation loss" in result.stderr
    assert "not used" not in result.stderr
    assert "kept for validation" not in result.stderr
    dataset = open_dataset("medical.npz")
    assert dataset.val_inputs is not None
    assert np.allclose(dataset.val_inputs, arrays["val_images"] / 255, atol=1e-6)
    assert dataset.val_y is not None
    assert (dataset.val_y == arrays["val_labels"][:, 0]).all()


def test_a_validation_part_of_numbers_is_prepared_as_the_training_part() -> None:
    x, y = numbers(80, 3), numbers(80, 1)[:, 0]
    np.savez("numbers.npz", x_train=x[:60], y_train=y[:60], x_val=x[60:], y_val=y[60:])
    dataset = open_dataset("numbers.npz", test_fraction=0.2)
    assert (len(dataset.x), dataset.val_inputs.shape) == (48, (20, 3))  # type: ignore[union-attr]
    assert np.allclose(dataset.val_inputs, dataset.preparation.apply_array(x[60:]))  # type: ignore[arg-type]
    result = ranvier("train", "numbers.npz", "--epochs", "2", "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["data"]["validation_rows"] == 20


def test_a_validation_part_that_cannot_be_used() -> None:
    write_medical("half.npz", leave_out="val_labels")
    assert any("validation part is not used" in note for note in open_dataset("half.npz").notes)
    assert open_dataset("half.npz").val_x is None
    arrays = write_medical("medical.npz")
    np.savez("odd.npz", **{**arrays, "val_images": arrays["val_images"][:, :5]})
    with pytest.raises(errors.DataError, match=r"validation part of odd\.npz has examples of"):
        open_dataset("odd.npz")
    np.savez("odd.npz", **{**arrays, "val_labels": arrays["val_labels"] + 1})
    with pytest.raises(errors.DataError, match="y of the validation part has a label"):
        open_dataset("odd.npz")


# --- classes that are numbers, and classes that no row has


def test_nearly_a_class_for_each_row_is_said() -> None:
    def notes(y: Array) -> str:
        return " ".join(understand_targets(y, len(y), kind="classes").notes)

    assert "hardly two of each" in notes(np.arange(30) * 10)
    assert "--kind numbers" in notes(np.arange(30) * 10.0)
    names = np.array([f"name {i}" for i in range(30)])
    assert "30 different labels in 30 rows" in notes(names)
    assert "--kind numbers" not in notes(names)
    assert "51 different integers; they are read as 51 classes" in notes(np.arange(51).repeat(9))
    assert notes(np.arange(50).repeat(9)) == ""
    assert notes(np.arange(4)) == ""


def test_a_price_for_a_class_names_the_way_out() -> None:
    pytest.importorskip("polars", reason="tables need the extra 'tables'")
    lines = [f"{i},{1000 + i}" for i in range(40)]
    Path("prices.csv").write_text("\n".join(["area,price", *lines]))
    result = ranvier("train", "prices.csv", "--kind", "classes")
    assert result.exit_code == 2
    assert "--kind numbers" in result.stderr


def test_fewer_classes_than_outputs_are_a_part_of_the_classes() -> None:
    x, y = numbers(), np.arange(60) % 3 * 4
    model = rv.Sequential(rv.Dense(8, "relu"), rv.Dense(10))
    history = model.fit(x, y, epochs=40, optimizer=rv.Adam(0.02), class_weight="balanced")
    said = "y holds 3 of the 10 classes that the network tells apart: class k is the integer k. "
    assert history.notes[0] == f"{said}No row has 1, 2, 3, 5, 6, 7, 9."
    assert history["accuracy"][-1] > history["accuracy"][0]
    assert set(model.predict_classes(x)) <= set(range(10))
    assert model.predict_proba(x).shape == (60, 10)
    # A class that the training did not have, but the network has.
    assert model.evaluate(x, np.full(60, 9))["accuracy"] == 0.0
    model.save("part.safetensors")
    again = rv.load("part.safetensors")
    assert (again.predict_classes(x) == model.predict_classes(x)).all()


def test_validation_rows_may_have_the_missing_classes() -> None:
    x, y = numbers(), np.arange(60) % 3
    model = rv.Sequential(rv.Dense(5))
    history = model.fit(x, y, validation=(x[:5], np.arange(5)), epochs=1)
    assert 0.0 <= history["val_accuracy"][0] <= 1.0
    with pytest.raises(errors.DataError, match="y of validation has a label"):
        rv.Sequential(rv.Dense(5)).fit(x, y, validation=(x[:1], [5]), epochs=1)


def test_class_k_is_output_k() -> None:
    x, y = numbers(), np.arange(60) % 2 * 3
    part, every = rv.Sequential(rv.Dense(4)), rv.Sequential(rv.Dense(4))
    part.fit(x, y, epochs=3, batch_size=None)
    # The same rows, and one of each class that weighs nothing.
    weights = np.concatenate([np.ones(60), np.zeros(4)])
    more = np.concatenate([x, x[:4]]), np.concatenate([y, np.arange(4)])
    every.fit(*more, sample_weight=weights, epochs=3, batch_size=None)
    assert np.allclose(part.layers[0].weight, every.layers[0].weight, atol=1e-6)


def test_what_is_no_part_of_the_classes_is_refused() -> None:
    x = numbers()
    for y in (np.arange(60) % 3 + 8, np.arange(60) % 3 - 1, np.arange(60) % 2 == 0):
        with pytest.raises(errors.ShapeError, match="does not fit the network's outputs"):
            rv.Sequential(rv.Dense(10)).fit(x, y, epochs=1)
    with pytest.raises(errors.ShapeError, match="does not fit"):
        rv.Sequential(rv.Dense(10)).fit(x, [f"class {i % 3}" for i in range(60)], epochs=1)
    with pytest.raises(errors.ShapeError, match=r"y has 4 classes"):
        rv.Sequential(rv.Dense(3)).fit(x, np.arange(60) % 4, epochs=1)


def test_which_targets_take_further_classes() -> None:
    def classes(y: object, count: int) -> tuple[str, ...]:
        return with_classes(understand_targets(y, None), count).class_names

    assert classes([0, 2], 4) == ("0", "1", "2", "3")
    assert classes([0, 4], 4) == ("0", "4")
    assert classes([-1, 1], 4) == ("-1", "1")
    assert classes(["a", "b"], 4) == ("a", "b")
    assert classes([3, 7], 2) == ("3", "7")
    assert classes([0.5, 1.5], 4) == ()
    assert gives_output_per_class(rv.CategoricalCrossEntropy(), (4,))
    assert not gives_output_per_class("binary_cross_entropy", (4,))
    assert not gives_output_per_class("triplet", (4,))
    assert not gives_output_per_class(None, (2, 4))


# --- messages of the Python interface


def test_a_layer_without_neurons_says_so() -> None:
    model = rv.Sequential(rv.Flatten(), rv.Dense(1)).build((2, 3))
    for layer in (model.layers[0], rv.Flatten()):
        with pytest.raises(AttributeError, match="Flatten has no neurons"):
            _ = layer.neurons
    with pytest.raises(AttributeError, match=r"Flatten has no 'weight'$"):
        _ = model.layers[0].weight
    with pytest.raises(AttributeError, match="once its network is built"):
        _ = rv.Flatten().weight
    assert len(model.layers[1].neurons) == 1


def test_a_stack_takes_one_list_of_layers() -> None:
    given = [rv.Dense(2), rv.Sequential(rv.Dense(1))]
    assert [layer.describe() for layer in rv.Sequential(given, dtype="float64").layers] == [
        "Dense(2)",
        "Nested(Dense(1))",
    ]
    assert len(rv.Sequential((rv.Dense(2), rv.Dense(1))).layers) == 2


def fit(**arguments: Any) -> Callable[[], object]:
    model = rv.Sequential(rv.Dense(3))
    return lambda: model.fit(numbers(), np.arange(60) % 3, epochs=1, **arguments)


MESSAGES: tuple[tuple[str, Callable[[], object], tuple[str, ...]], ...] = (
    ("lists", lambda: rv.Sequential([rv.Dense(2)], rv.Dense(1)), ("layer 0", "(*layers)")),
    ("an empty list", lambda: rv.Sequential([]), ("at least one layer",)),
    ("a layer class", lambda: rv.Sequential(rv.Dense), ("layer 0", "write Dense(units)")),
    ("an optimizer class", fit(optimizer=rv.Adam), ("the class Adam", "write Adam()")),
    ("a class in a group", fit(optimizer={"*": rv.SGD}), ("the class SGD", "write SGD()")),
    ("a loss class", fit(loss=rv.MeanSquaredError), ("loss", "write MeanSquaredError()")),
    ("a callback class", fit(callbacks=[rv.EarlyStopping]), ("write EarlyStopping()",)),
    ("metrics classes", fit(metrics=[Accuracy]), ("the class Accuracy", "write Accuracy()")),
    ("a metric class", fit(metrics=Accuracy), ("the class Accuracy", "write Accuracy()")),
    ("a schedule class", lambda: rv.Adam(rv.OneCycle), ("Adam", "OneCycle(learning_rate)")),
    ("a penalty class", lambda: rv.Dense(2, kernel_regularizer=rv.L2), ("write L2()",)),
    ("a constraint class", lambda: rv.Dense(2, kernel_constraint=rv.MaxNorm), ("MaxNorm(",)),
    ("a schedule", lambda: resolve(rv.OneCycle(0.1)), ("rv.Adam(rv.OneCycle(0.1))",)),  # type: ignore[arg-type]
    ("a layer's name", lambda: rv.Dense(64, "prelu"), ("PReLU is a layer", "put PReLU() behind")),
    ("a layer", lambda: rv.Dense(64, rv.PReLU()), ("PReLU is a layer", "put PReLU() behind")),  # type: ignore[arg-type]
    ("its class", lambda: rv.Dense(64, rv.PReLU), ("PReLU is a layer", "put PReLU() behind")),
)  # fmt: skip


@pytest.mark.parametrize("case", MESSAGES, ids=lambda case: case[0])
def test_messages_say_what_to_write(
    case: tuple[str, Callable[[], object], tuple[str, ...]],
) -> None:
    _, action, parts = case
    with pytest.raises(errors.ArgumentError) as caught:
        action()
    for part in parts:
        assert part in str(caught.value)


def test_a_schedule_of_ones_own_in_the_place_of_an_optimizer() -> None:
    class Slow(rv.Schedule):
        def __init__(self, learning_rate: float) -> None:
            self.learning_rate = learning_rate

        def rate(self, clock: Any) -> Any:
            return self.learning_rate

    with pytest.raises(errors.ArgumentError, match=r"optimizer=rv\.Adam\(Slow\(0\.1\)\)"):
        resolve(Slow(0.1))  # type: ignore[arg-type]


def test_a_class_that_tells_nothing_of_its_arguments() -> None:
    assert "write type() and not type" in needs_call("loss", type).fix


def test_activations_that_share_a_layers_name_stay_activations() -> None:
    assert rv.Dense(2, "leaky_relu").activation == "leaky_relu"


def test_one_example_needs_an_axis_of_rows() -> None:
    flat = rv.Sequential(rv.Dense(2)).build((4,))
    pictures = rv.Sequential(rv.Flatten(), rv.Dense(2)).build((2, 3))
    for model, x in ((flat, np.zeros(4)), (pictures, np.zeros((2, 3))), (flat, [0.0] * 4)):
        with pytest.raises(errors.ShapeError) as caught:
            model.predict(x)
        assert "single example" in caught.value.headline
        assert "x[None]" in caught.value.fix
        assert model.predict(np.asarray(x)[None]).shape == (1, 2)
    with pytest.raises(errors.ShapeError, match="reshape"):
        flat.predict(np.zeros(7))
    with pytest.raises(errors.ShapeError, match="does not fit the network"):
        pictures.predict(np.zeros((2, 4)))
