"""The command line: the whole job, its errors, and what Ctrl-C leaves."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

import ranvier as rv
from ranvier.cli import defaults, doctor, plots
from ranvier.cli.commands import app
from ranvier.cli.network_text import parse_network
from ranvier.cli.output_files import check_model_place
from ranvier.foundation.errors import (
    ArgumentError,
    FileError,
    MissingExtraError,
    UnknownNameError,
)

SOURCE = Path(__file__).resolve().parents[1] / "src"


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def ranvier(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def train_iris(*more: str) -> Result:
    return ranvier("train", "iris", "--epochs", "40", "--learning-rate", "0.01", *more)


def write_houses(path: Path, rows: int = 120) -> None:
    generator = np.random.default_rng(0)
    area = generator.uniform(20, 200, rows)
    town = generator.choice(["Oslo", "Rome", "Lima"], rows)
    price = 1000.0 * area + 20_000.5 * (town == "Oslo")
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["area", "town", "price"])
        writer.writerows(zip(area.round(2), town, price.round(2), strict=True))


# --- train


def test_train_digits_is_right_and_saved() -> None:
    result = ranvier("train", "digits", "--json")
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert document["scores"]["model"]["accuracy"] >= 0.97
    assert document["scores"]["trivial"]["accuracy"] < 0.2
    assert document["network"]["planned_bytes"] > 0
    assert document["training"]["epochs"] == len(document["training"]["history"]["loss"])
    assert rv.load("digits.safetensors").preparation is not None


def test_train_says_what_it_understood() -> None:
    result = train_iris()
    assert result.exit_code == 0, result.output
    for text in (
        "iris: 120 rows of 4 columns.",
        "3 classes: setosa, versicolor, virginica.",
        "planned memory of the training program",
        "10% of the training rows are kept for validation",
        "Test: 30 rows",
        "always 'setosa'",
        "The model is saved in iris.safetensors.",
    ):
        assert text in result.stdout
    assert "examples/s" in result.stdout


def test_a_network_in_one_line() -> None:
    result = train_iris("--network", "dense 8 tanh, dropout 0.1, dense 3", "--out", "small.st")
    assert result.exit_code == 0, result.output
    layers = rv.load("small.st").layers
    assert [layer.describe() for layer in layers] == [
        "Dense(8, activation='tanh')",
        "Dropout(0.1)",
        "Dense(3)",
    ]


def test_pictures_are_flattened_and_it_is_two_classes_with_one_output() -> None:
    assert ranvier("train", "digits", "--epochs", "1", "--network", "dense 10").exit_code == 0
    assert rv.load("digits.safetensors").layers[0].describe() == "Flatten()"
    assert ranvier("train", "breast_cancer", "--epochs", "1").exit_code == 0
    assert rv.load("breast_cancer.safetensors").network.output_shape == (1,)


def test_xor_uses_all_four_rows() -> None:
    result = ranvier("train", "xor", "--json")
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert document["data"]["test_rows"] == 0
    assert document["scores"]["model"]["accuracy"] == 1.0
    assert "val_loss" not in document["training"]["history"]


def test_patience_without_validation_watches_the_loss() -> None:
    result = ranvier("train", "xor", "--patience", "3", "--epochs", "5", "--json")
    assert result.exit_code == 0, result.output
    assert "without a better loss" in result.stderr


def test_numbers_are_scored_in_their_own_units() -> None:
    pytest.importorskip("polars", reason="tables need the extra 'tables'")
    write_houses(Path("houses.csv"))
    result = ranvier("train", "houses.csv", "--target", "price", "--json")
    assert result.exit_code == 0, result.output
    scores = json.loads(result.stdout)["scores"]
    assert scores["trivial"]["rmse"] > 10_000
    assert scores["model"]["rmse"] < 0.3 * scores["trivial"]["rmse"]
    result = ranvier("predict", "houses.safetensors", "houses.csv")
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0] == "price"
    assert len(lines) == 121
    assert float(lines[1]) > 1000.0
    result = ranvier("evaluate", "houses.safetensors", "houses.csv", "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["model"]["rmse"] < 20_000


def test_an_older_model_is_replaced_and_nothing_else() -> None:
    assert train_iris().exit_code == 0
    assert train_iris().exit_code == 0
    Path("iris.safetensors").write_text("my diary")
    result = train_iris()
    assert result.exit_code == 2
    assert "not a Ranvier model" in result.stderr
    assert Path("iris.safetensors").read_text() == "my diary"


def test_a_model_needs_a_place() -> None:
    with pytest.raises(FileError, match="no folder"):
        check_model_place(Path("missing/model.safetensors"))
    with pytest.raises(FileError, match="it is a folder"):
        check_model_place(Path.cwd())


def test_learning_curves_are_drawn() -> None:
    pytest.importorskip("matplotlib", reason="pictures need the extra 'plots'")
    result = train_iris("--plot", "curves.png")
    assert result.exit_code == 0, result.output
    assert Path("curves.png").read_bytes().startswith(b"\x89PNG")
    assert train_iris("--plot", "curves.txt").exit_code == 2
    assert train_iris("--plot", "missing/curves.png").exit_code == 2


def test_a_picture_that_cannot_be_written_is_an_error() -> None:
    pytest.importorskip("matplotlib", reason="pictures need the extra 'plots'")
    with pytest.raises(FileError, match="cannot be written"):
        plots.plot_history({"loss": [1.0]}, "x", Path("missing/curves.png"))


def test_without_matplotlib_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtraError, match="matplotlib"):
        plots.check_plot(Path("curves.png"))


# --- predict, evaluate, inspect, doctor


def test_predict_answers_with_class_names() -> None:
    assert train_iris().exit_code == 0
    result = ranvier("predict", "iris.safetensors", "iris")
    assert result.exit_code == 0, result.output
    rows = list(csv.DictReader(result.stdout.splitlines()))
    assert len(rows) == 30
    assert set(rows[0]) == {"prediction", "p(setosa)", "p(versicolor)", "p(virginica)"}
    for row in rows:
        shares = {name: float(value) for name, value in row.items() if name != "prediction"}
        assert sum(shares.values()) == pytest.approx(1.0, abs=1e-4)
        assert max(shares, key=lambda name: shares[name]) == f"p({row['prediction']})"
    result = ranvier("predict", "iris.safetensors", "iris", "--out", "answers.csv")
    assert result.exit_code == 0
    assert len(Path("answers.csv").read_text().splitlines()) == 31
    document = json.loads(ranvier("predict", "iris.safetensors", "iris", "--json").stdout)
    assert [row[0] for row in document["predictions"]] == [row["prediction"] for row in rows]


def test_evaluate_gives_the_scores_of_train() -> None:
    trained = json.loads(train_iris("--json").stdout)
    result = ranvier("evaluate", "iris.safetensors", "iris", "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["model"] == pytest.approx(trained["scores"]["model"])


def test_evaluate_needs_targets() -> None:
    pytest.importorskip("polars", reason="tables need the extra 'tables'")
    write_houses(Path("houses.csv"))
    assert ranvier("train", "houses.csv", "--epochs", "1").exit_code == 0
    lines = Path("houses.csv").read_text().splitlines()
    Path("new.csv").write_text("\n".join(line.rsplit(",", 1)[0] for line in lines))
    result = ranvier("evaluate", "houses.safetensors", "new.csv")
    assert result.exit_code == 2
    assert "has no targets" in result.stderr
    assert ranvier("predict", "houses.safetensors", "new.csv").exit_code == 0


def test_inspect_shows_what_is_inside() -> None:
    assert train_iris().exit_code == 0
    result = ranvier("inspect", "iris.safetensors")
    assert result.exit_code == 0, result.output
    for text in ("Dense(", "3 classes", "layers.0.weight", "CategoricalCrossEntropy", "llvmlite"):
        assert text in result.stdout
    document = json.loads(ranvier("inspect", "iris.safetensors", "--json").stdout)
    assert document["classes"] == ["setosa", "versicolor", "virginica"]
    assert document["parameters"][0]["name"] == "layers.0.bias"


def test_a_model_without_preparation_is_inspected_but_not_used() -> None:
    rv.Sequential(rv.Dense(3)).build((4,)).save("raw.safetensors")
    assert ranvier("inspect", "raw.safetensors").exit_code == 0
    result = ranvier("predict", "raw.safetensors", "iris")
    assert result.exit_code == 2
    assert "how to read data" in result.stderr


def test_a_model_saved_in_python_reads_raw_rows() -> None:
    data = rv.open_dataset("digits")
    model = rv.Sequential(rv.Flatten(), rv.Dense(10))
    model.fit(data.x, data.y, epochs=1)
    model.save("raw.safetensors")
    result = ranvier("evaluate", "raw.safetensors", "digits", "--json")
    assert result.exit_code == 0, result.output
    expected = model.evaluate(data.test_x, data.test_y)
    assert json.loads(result.stdout)["model"] == pytest.approx(expected)


def test_doctor_looks_at_the_machine(tmp_path: Path) -> None:
    document = json.loads(ranvier("doctor", "--json").stdout)
    assert document["versions"]["ranvier"] == rv.__version__
    assert document["versions"]["LLVM"].count(".") == 2
    assert document["processor"]["processors"] >= 1
    assert set(document["extras"]) == set(doctor.EXTRAS)
    assert ranvier("doctor").exit_code == 0
    assert doctor._extra({"nobody": "no_such_module_anywhere"}) == "missing: nobody"
    quota = tmp_path / "cpu.max"
    quota.write_text("150000 100000\n")
    assert doctor._quota(quota) == "1.5 processors"
    quota.write_text("max 100000\n")
    assert doctor._quota(quota) == "none"


# --- errors


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("train", "irs"), "did you mean 'iris'"),
        (("train", "missing.csv"), "no file"),
        (("train", "iris", "--target", "x"), "target"),
        (("train", "iris", "--kind", "colours"), "kind"),
        (("train", "iris", "--network", "dens 3"), "did you mean 'dense'"),
        (("train", "iris", "--network", "dense 4"), "3 classes"),
        (("train", "iris", "--optimizer", "adan"), "did you mean 'adam'"),
        (("train", "iris", "--optimizer", "adan", "--learning-rate", "1"), "did you mean 'adam'"),
        (("train", "iris", "--learning-rate", "-1"), "learning_rate"),
        (("train", "iris", "--loss", "crossentropy"), "did you mean"),
        (("train", "iris", "--dtype", "int8"), "int8"),
        (("train", "iris", "--out", "missing/model.st"), "no folder"),
        (("predict", "missing.safetensors", "iris"), "missing.safetensors"),
        (("evaluate", "missing.safetensors", "iris"), "missing.safetensors"),
        (("inspect", "missing.safetensors"), "missing.safetensors"),
    ],
)
def test_errors_are_text_and_exit_code_two(arguments: tuple[str, ...], text: str) -> None:
    result = ranvier(*arguments)
    assert result.exit_code == 2
    assert text in result.stderr
    assert "how to fix" in result.stderr
    assert "Traceback" not in result.output
    assert list(Path.cwd().iterdir()) == []


def test_data_without_targets_cannot_be_trained_on() -> None:
    np.savez("only.npz", x=np.zeros((10, 3), np.float32))
    result = ranvier("train", "only.npz")
    assert result.exit_code == 2
    assert "targets" in result.stderr


def test_training_that_fails_ends_with_one() -> None:
    result = train_iris("--optimizer", "sgd", "--learning-rate", "1e30")
    assert result.exit_code == 1, result.output
    assert "TrainingError" in result.stderr
    assert "smaller learning rate" in result.stderr
    assert not Path("iris.safetensors").exists()


def test_usage_and_version() -> None:
    assert ranvier("train").exit_code == 2
    assert ranvier("--version").stdout.strip() == f"ranvier {rv.__version__}"
    assert "doctor" in ranvier("--help").stdout


# --- the network's text


def test_the_grammar() -> None:
    layers = parse_network("Flatten, rescaling 0.5 1, dense 64 RELU,dropout .2, tanh, dense 10")
    assert [layer.describe() for layer in layers] == [
        "Flatten()",
        "Rescaling(0.5, offset=1.0)",
        "Dense(64, activation='relu')",
        "Dropout(0.2)",
        "Activation('tanh')",
        "Dense(10)",
    ]
    assert parse_network("activation gelu")[0].describe() == "Activation('gelu')"


@pytest.mark.parametrize(
    ("text", "error", "says"),
    [
        ("", ArgumentError, "part 1, '', is empty"),
        ("dense 3,, dense 4", ArgumentError, "part 2, '', is empty"),
        ("dense", ArgumentError, "dense 64"),
        ("dense relu", ArgumentError, "whole number"),
        ("dense 3.5", ArgumentError, "whole number"),
        ("dense 0", ArgumentError, "units"),
        ("dense 3 rely", ArgumentError, "relu"),
        ("dense 3 relu 4", ArgumentError, "says too much"),
        ("dropout", ArgumentError, "dropout 0.2"),
        ("dropout a", ArgumentError, "no number"),
        ("dropout 1.5", ArgumentError, "rate"),
        ("flatten 3", ArgumentError, "says too much"),
        ("drop 0.2", UnknownNameError, "did you mean 'dropout'"),
        ("activation soft", ArgumentError, "softmax"),
    ],
)
def test_the_grammar_explains_itself(text: str, error: type[Exception], says: str) -> None:
    with pytest.raises(error) as caught:
        parse_network(text)
    assert "--network: part" in str(caught.value)
    assert says in str(caught.value)


def test_small_data_is_trained_longer() -> None:
    assert defaults.schedule(4, 32, None, None) == defaults.Schedule(2000, None, None)
    long = defaults.schedule(1_000_000, 32, None, None)
    assert (long.epochs, long.validation) == (defaults.FEWEST_EPOCHS, 0.1)
    assert defaults.schedule(100, 10, 7, 2) == defaults.Schedule(7, 2, 0.1)


# --- Ctrl-C


def start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "ranvier.cli.main", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(SOURCE), "PYTHONUNBUFFERED": "1"},
    )


def test_ctrl_c_while_training_saves_the_best_weights() -> None:
    process = start("train", "digits", "--epochs", "1000000", "--patience", "1000000")
    assert process.stdout is not None
    for line in process.stdout:
        if "kept for validation" in line:
            break
    time.sleep(1.0)
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "Training was stopped by you; the best weights so far are saved" in output
    assert "Traceback" not in errors
    data = rv.open_dataset("digits")
    model = rv.load("digits.safetensors")
    assert model.evaluate(data.test_inputs, data.test_y)["accuracy"] > 0.8


@pytest.mark.parametrize("seconds", [0.1, 0.2, 0.3, 0.4])
def test_ctrl_c_before_training_leaves_nothing_half_written(seconds: float) -> None:
    process = start("train", "digits", "--epochs", "1000000", "--patience", "1000000")
    time.sleep(seconds)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode in (130, -signal.SIGINT), errors
    files = [path.name for path in Path.cwd().iterdir()]
    assert files in ([], ["digits.safetensors"])
    if files:
        assert rv.load("digits.safetensors").built
    elif process.returncode == 130:
        assert "Interrupted. Nothing was written." in errors
        assert "Traceback" not in errors
