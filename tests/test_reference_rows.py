"""Reference rows in model files: loading must compute what saving computed."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy

import ranvier as rv
from ranvier.formats import load_model, model_file, reference_rows, save_model
from ranvier.foundation import errors
from ranvier.layers import LAYERS
from ranvier.networks import Network


def made(*layers: Any, shape: tuple[int, ...] = (4,), dtype: str = "float32") -> rv.Sequential:
    return rv.Sequential(*layers, dtype=dtype).build(shape)


def rewritten(
    path: Path, change: Callable[[dict[str, Any], dict[str, Any]], object]
) -> dict[str, Any]:
    """Change description and tensors, and make all checksums fit again."""
    content = path.read_bytes()
    length = struct.unpack("<Q", content[:8])[0]
    header = json.loads(content[8 : 8 + length])
    description = json.loads(header["__metadata__"]["ranvier"])
    tensors = safetensors.numpy.load(content)
    del description["tensors"], description["sha256"]
    change(description, tensors)
    text = model_file.sealed(description, tensors, path)
    path.write_bytes(safetensors.numpy.save(tensors, {"ranvier": text}))
    return description


def nothing(description: dict[str, Any], tensors: dict[str, Any]) -> None:
    pass


def one_bit(description: dict[str, Any], tensors: dict[str, Any]) -> None:
    outputs = tensors["reference.output.0"]
    outputs.view("u1" if outputs.dtype == "u1" else "i4").reshape(-1)[0] ^= 1


def off(share: float) -> Callable[[dict[str, Any], dict[str, Any]], None]:
    def change(description: dict[str, Any], tensors: dict[str, Any]) -> None:
        outputs = tensors["reference.output.0"]
        outputs += share * max(1.0, abs(outputs).max())

    return change


def other_code(description: dict[str, Any], tensors: dict[str, Any]) -> None:
    description["reference"]["code"] = "another machine"


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_bit_counts_where_the_code_is_the_same(tmp_path: Path, dtype: str) -> None:
    path = tmp_path / "m"
    made(rv.Dense(5, activation="tanh"), rv.Dense(2), dtype=dtype).save(path)
    rewritten(path, nothing)
    assert load_model(path).reference_rows == 3
    rewritten(path, one_bit)
    with pytest.raises(errors.ModelFileError) as caught:
        load_model(path)
    assert "reference row 0, output 0, at (0,)" in caught.value.happened


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_elsewhere_there_is_a_tolerance(tmp_path: Path, dtype: str) -> None:
    path = tmp_path / "m"
    allowed = reference_rows.TOLERANCES[dtype]
    made(rv.Dense(5, activation="tanh"), rv.Dense(2), dtype=dtype).save(path)
    rewritten(path, other_code)
    rewritten(path, off(0.5 * allowed))
    assert load_model(path).reference_rows == 3
    rewritten(path, off(allowed))
    with pytest.raises(errors.ModelFileError, match="damaged"):
        load_model(path)


def test_other_weights_with_fitting_checksums_are_found(tmp_path: Path) -> None:
    path = tmp_path / "m"
    made(rv.Dense(4, activation="relu"), rv.Dense(4)).save(path)

    def swap(description: dict[str, Any], tensors: dict[str, Any]) -> None:
        a, b = "layers.0.weight", "layers.1.weight"
        tensors[a], tensors[b] = tensors[b], tensors[a]

    rewritten(path, swap)
    with pytest.raises(errors.ModelFileError, match="damaged"):
        rv.load(path)


def test_what_a_network_says_on_steps_is_compared_by_bits_only(tmp_path: Path) -> None:
    # The two engines differ here by design of the test, as two machines may at a step.
    path, network = tmp_path / "m", made(rv.Dense(2)).network
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(reference_rows, "_evaluated", lambda n, rows: np.full((3, 2), 9, "f4"))
        save_model(path, network)
    assert rewritten(path, nothing)["reference"]["comparable"] is False
    rewritten(path, off(1.0))
    with pytest.raises(errors.ModelFileError):
        load_model(path)
    rewritten(path, other_code)
    load_model(path)


def graph() -> rv.Model:
    numbers, words = rv.Input((3,)), rv.Input((2,))
    text = rv.Flatten()(rv.Embedding(5, 2)(words))
    return rv.Model(
        (numbers, words), {"a": rv.Dense(2)(text), "b": rv.Add()([numbers, numbers])}
    ).build()


KINDS: tuple[tuple[str, Callable[[], Any], list[bool]], ...] = (
    ("stack", lambda: made(rv.Dense(3), rv.BatchNorm(), rv.Dropout(0.5)), [False]),
    ("embedding", lambda: made(rv.Embedding(2, 3), rv.Flatten(), shape=(4,)), [True]),
    ("graph", graph, [False, True]),
    ("nested", lambda: made(rv.Sequential(rv.Dense(2)), rv.Dense(1)), [False]),
)


@pytest.mark.parametrize("case", KINDS, ids=lambda case: case[0])
def test_rows_fit_every_kind_of_network(tmp_path: Path, case: Any) -> None:
    _, make, integers = case
    path = tmp_path / "m"
    make().save(path)
    assert load_model(path).reference_rows == 3
    assert rewritten(path, nothing)["reference"]["integers"] == integers


def test_a_network_that_is_too_large_has_no_rows(tmp_path: Path) -> None:
    # Nothing but activations: a small file must not make the loader work for long.
    grown = rv.Input((40_000,))
    model = rv.Model(grown, rv.Concatenate()([grown] * 3)).build()
    model.save(tmp_path / "wide")
    assert load_model(tmp_path / "wide").reference_rows == 0
    deep = made(*(rv.Activation("tanh") for _ in range(reference_rows.MOST_CALLS + 1)))
    deep.save(tmp_path / "deep")
    assert load_model(tmp_path / "deep").reference_rows == 0


def test_rows_that_a_small_file_cannot_ask_for(tmp_path: Path) -> None:
    # A hostile file: reference rows for a network of which checking would cost too much.
    path = tmp_path / "m"
    grown = rv.Input((40,))
    rv.Model(grown, rv.Concatenate()([grown] * 3)).build().save(path)

    def grow(description: dict[str, Any], tensors: dict[str, Any]) -> None:
        layers, wiring = description["architecture"], description["architecture"]["calls"]
        one = layers["layers"][0]
        for number in range(1, 25):
            layers["layers"].append(one)
            wiring.append({"layer": number, "reads": [number, number], "gives": 1})
        layers["outputs"][0]["value"] = 0
        tensors["reference.output.0"] = tensors["reference.input.0"].copy()

    rewritten(path, grow)
    load_model(path)


@LAYERS.register("Moody")
class Moody(rv.Layer):
    """A layer that refuses all rows."""

    def check_rows(self, x: np.ndarray[Any, Any]) -> None:
        raise errors.DataError("No.", happened="no", needed="no", fix="no")

    def forward(self, x: Any, parameters: Any, context: Any) -> Any:
        return x * 2.0


def test_a_layer_that_refuses_all_rows_is_saved_without(tmp_path: Path) -> None:
    made(Moody(), rv.Dense(1)).save(tmp_path / "m")
    assert load_model(tmp_path / "m").reference_rows == 0


ODD: tuple[tuple[str, Callable[[dict[str, Any], dict[str, Any]], object], str], ...] = (
    ("no object", lambda d, t: d.update(reference=3), "int"),
    ("other keys", lambda d, t: d["reference"].update(more=1), "keys"),
    ("code", lambda d, t: d["reference"].update(code=1), "code"),
    ("integers", lambda d, t: d["reference"].update(integers=[1]), "true or false"),
    ("all integers", lambda d, t: d["reference"].update(integers=[]), "true or false"),
    ("a missing tensor", lambda d, t: t.pop("reference.output.0"), "missing"),
    ("another shape", lambda d, t: t.update({"reference.output.0": np.zeros((3, 9), "f4")}),
     "(3, 9)"),
    ("tensors without description", lambda d, t: d.update(reference=None), "no layer has"),
)  # fmt: skip


@pytest.mark.parametrize("case", ODD, ids=lambda case: case[0])
def test_odd_reference_rows_are_refused(tmp_path: Path, case: Any) -> None:
    _, change, part = case
    path = tmp_path / "m"
    made(rv.Dense(2)).save(path)
    rewritten(path, change)
    with pytest.raises(errors.ModelFileError) as caught:
        load_model(path)
    assert part in str(caught.value)


def test_rows_out_of_an_embeddings_range(tmp_path: Path) -> None:
    path = tmp_path / "m"
    made(rv.Embedding(2, 3), rv.Flatten()).save(path)

    def beyond(description: dict[str, Any], tensors: dict[str, Any]) -> None:
        tensors["reference.input.0"][1, 0] = np.inf

    rewritten(path, beyond)
    with pytest.raises(errors.ModelFileError, match="damaged") as caught:
        load_model(path)
    assert "refuses the rows" in caught.value.happened


def test_numbers_that_are_not_finite_come_back(tmp_path: Path) -> None:
    network = Network([rv.Dense(2)])
    network.build((3,))
    network.parameters["layers.0.bias"][0] = np.nan
    assert load_model(save_model(tmp_path / "m", network)).reference_rows == 3
