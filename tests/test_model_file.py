"""Model files: what comes back, what a damaged or hostile file does, what a failed save leaves."""

from __future__ import annotations

import json
import os
import stat
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy

from ranvier.formats import FORMAT_VERSION, atomic, container, load_model, model_file, save_model
from ranvier.foundation import errors
from ranvier.layers import L2, LAYERS, Context, Dense, Dropout, Flatten, Layer, Rescaling
from ranvier.networks import Network

PREPARATION = {"scaling": {"mean": [0.1, -0.0, 1e-300], "names": ["größe", "\U0001f600", ""]}}


def small(dtype: str = "float32") -> Network:
    network = Network(
        [
            Rescaling(0.5),
            Flatten(),
            Dense(5, "relu", kernel_regularizer=L2(1e-3)),
            Dropout(0.1),
            Dense(2),
        ],
        dtype,
    )
    network.build((3, 3), seed=1)
    return network


def saved(folder: Path, **extras: Any) -> Path:
    return save_model(folder / "model.safetensors", small(), **extras)


# --- what comes back


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_everything_comes_back(tmp_path: Path, dtype: str) -> None:
    network = small(dtype)
    network.layers[2].trainable = False
    network.parameters["layers.4.bias"][0] = np.nan
    path = save_model(
        str(tmp_path / "model.safetensors"),
        network,
        preparation=PREPARATION,
        classes=["no", "yes"],
        settings={"loss": "cross_entropy", "rate": 0.1, "deep": [[1, None], True]},
        notes=["One note."],
    )
    assert path == tmp_path / "model.safetensors"
    loaded = load_model(path)
    assert loaded.network.architecture() == network.architecture()
    assert loaded.network.built
    for name, array in network.parameters.items():
        found = loaded.network.parameters[name]
        assert found.tobytes() == array.tobytes()
        assert (found.shape, found.dtype) == (array.shape, array.dtype)
        assert found.flags.writeable
        assert found.flags.c_contiguous
    assert loaded.network.layers[2].weight is loaded.network.parameters["layers.2.weight"]
    assert loaded.preparation == PREPARATION
    assert loaded.classes == ["no", "yes"]
    assert loaded.settings == {"loss": "cross_entropy", "rate": 0.1, "deep": [[1, None], True]}
    assert loaded.notes == ("One note.",)
    assert loaded.versions["numpy"] == np.__version__
    assert set(loaded.versions) == {"ranvier", "numpy", "llvmlite"}


def test_what_is_left_out_is_none(tmp_path: Path) -> None:
    loaded = load_model(saved(tmp_path))
    assert (loaded.preparation, loaded.classes, loaded.settings) == (None, None, None)
    assert loaded.notes == ()


def test_a_loaded_network_computes_the_same(tmp_path: Path) -> None:
    network = small()
    loaded = load_model(save_model(tmp_path / "m", network)).network
    x = np.random.default_rng(0).normal(size=(4, 3, 3)).astype("f4")
    outputs = [n.forward(x, n.parameters, Context()) for n in (network, loaded)]
    assert (outputs[0] == outputs[1]).all()
    loaded.parameters["layers.4.bias"] += 1.0
    again = load_model(tmp_path / "m").network
    assert (again.parameters["layers.4.bias"] == network.parameters["layers.4.bias"]).all()


@pytest.mark.parametrize(
    "classes",
    [
        np.array([3, 1, 2]),
        np.array(["a", "b"]),
        np.array([True, False]),
        np.array(["a", "b"], object),
        [0.5, 1.5],
        (1, "b"),
    ],
    ids=str,
)
def test_classes_keep_their_types(tmp_path: Path, classes: Any) -> None:
    found = load_model(saved(tmp_path, classes=classes)).classes
    assert found is not None
    expected = [c.item() if isinstance(c, np.generic) else c for c in classes]
    assert found == expected
    assert [type(c) for c in found] == [type(c) for c in expected]


def test_the_same_model_gives_the_same_bytes(tmp_path: Path) -> None:
    files = [save_model(tmp_path / str(i), small(), settings={"b": 1, "a": 2}) for i in range(3)]
    assert len({file.read_bytes() for file in files}) == 1


def test_other_tools_can_read_the_tensors(tmp_path: Path) -> None:
    tensors = safetensors.numpy.load_file(saved(tmp_path))
    assert set(tensors) == {
        "layers.2.weight", "layers.2.bias", "layers.4.weight", "layers.4.bias",
        "reference.input.0", "reference.output.0",
    }  # fmt: skip
    assert tensors["layers.2.weight"].shape == (9, 5)


@LAYERS.register("SavedDouble")
class SavedDouble(Layer):
    """A registered layer of a user's own."""

    def forward(self, x: Any, parameters: Any, context: Context) -> Any:
        return x + x


SavedDouble.__name__ = "SavedDouble"


def test_a_registered_layer_of_ones_own(tmp_path: Path) -> None:
    network = Network([SavedDouble(), Dense(1)])
    network.build((2,))
    loaded = load_model(save_model(tmp_path / "m", network))
    assert isinstance(loaded.network.layers[0], SavedDouble)


# --- saving goes wrong


def test_saving_replaces_and_leaves_nothing_beside(tmp_path: Path) -> None:
    path = saved(tmp_path, notes=["old"])
    path.chmod(0o600)
    saved(tmp_path, notes=["new"])
    assert load_model(path).notes == ("new",)
    assert os.listdir(tmp_path) == ["model.safetensors"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    target = saved(tmp_path)
    link = tmp_path / "latest"
    link.symlink_to(target.name)
    save_model(link, small(), notes=["through the link"])
    assert link.is_symlink()
    assert load_model(target).notes == ("through the link",)


@pytest.mark.parametrize("function", ["replace", "fsync", "open"])
def test_a_failing_disk_keeps_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, function: str
) -> None:
    path = saved(tmp_path, notes=["old"])
    before = path.read_bytes()

    def full(*arguments: Any) -> Any:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(atomic.os, function, full)
        with pytest.raises(errors.FileError) as caught:
            saved(tmp_path, notes=["new"])
    text = str(caught.value)
    assert str(path) in text
    assert "No space left on device" in text
    assert "unchanged" in text
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["model.safetensors"]


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, MemoryError])
def test_an_interrupt_keeps_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, interruption: type[BaseException]
) -> None:
    path = saved(tmp_path)
    before = path.read_bytes()

    def interrupted(*arguments: Any) -> Any:
        raise interruption

    monkeypatch.setattr(atomic.os, "fsync", interrupted)
    with pytest.raises(interruption):
        saved(tmp_path, notes=["new"])
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["model.safetensors"]


def test_places_that_cannot_be_written(tmp_path: Path) -> None:
    network = small()
    for path, part in (
        (tmp_path / "missing" / "m", "mkdir -p"),
        (tmp_path, "inside that folder"),
        (tmp_path / ("long" * 100), "File name too long"),
        (tmp_path / "nul\0", "null"),
    ):
        with pytest.raises(errors.FileError) as caught:
            save_model(path, network)
        assert part in str(caught.value)
        assert "cannot be written" in str(caught.value)
    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may do anything")
def test_what_is_protected_stays(tmp_path: Path) -> None:
    path = saved(tmp_path)
    path.chmod(0o444)
    with pytest.raises(errors.FileError, match="cannot be written"):
        saved(tmp_path)
    path.chmod(0o644)
    tmp_path.chmod(0o555)
    try:
        with pytest.raises(errors.FileError, match="cannot be written"):
            saved(tmp_path)
    finally:
        tmp_path.chmod(0o755)
    assert load_model(path).network.built


def test_a_file_marked_read_only_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(tmp_path, notes=["old"])
    monkeypatch.setattr(atomic.os, "access", lambda *arguments: False)
    with pytest.raises(errors.FileError) as caught:
        saved(tmp_path)
    assert "read-only" in str(caught.value)
    assert load_model(path).notes == ("old",)


class NotRegistered(Layer):
    """A layer that no file can name."""

    def forward(self, x: Any, parameters: Any, context: Context) -> Any:
        return x


def unregistered() -> Network:
    network = Network([NotRegistered()])
    network.build((2,))
    return network


def nested(depth: int) -> dict[str, Any]:
    inner: Any = 1
    for _ in range(depth):
        inner = [inner]
    return {"inner": inner}


class Many(list[Any]):
    """A list that says it is long."""

    def __len__(self) -> int:
        return 10**9


SAVE_ERRORS: tuple[tuple[str, type[errors.RanvierError], Any, dict[str, Any], str], ...] = (
    ("not built", errors.NotBuiltError, lambda: Network([Dense(2)]), {}, "build"),
    ("not registered", errors.ArgumentError, unregistered, {}, '@LAYERS.register("NotRegistered")'),
    ("NaN", errors.ArgumentError, small, {"preparation": {"mean": float("nan")}}, "not JSON"),
    ("infinity", errors.ArgumentError, small, {"settings": {"x": [float("inf")]}}, "not JSON"),
    ("an array", errors.ArgumentError, small, {"preparation": {"m": np.ones(2)}}, "tolist"),
    ("a key of 1", errors.ArgumentError, small, {"settings": {"a": {1: 2}}}, "the key 1"),
    ("deep", errors.ArgumentError, small, {"settings": nested(200)}, "inside each other"),
    ("long", errors.ArgumentError, small, {"settings": {"x": "y" * 13_000_000}}, "characters"),
    ("classes", errors.ArgumentError, small, {"classes": [None, 1]}, "NoneType"),
    ("a NaN class", errors.ArgumentError, small, {"classes": [float("nan")]}, "not JSON"),
    ("long notes", errors.ArgumentError, small, {"notes": ["y" * 20_000]}, "notes"),
    ("many notes", errors.ArgumentError, small, {"notes": Many()}, "notes"),
)


@pytest.mark.parametrize("case", SAVE_ERRORS, ids=lambda case: case[0])
def test_what_cannot_be_saved(tmp_path: Path, case: Any) -> None:
    _, kind, make, extras, part = case
    with pytest.raises(kind) as caught:
        save_model(tmp_path / "m", make(), **extras)
    assert part in str(caught.value)
    assert os.listdir(tmp_path) == []


# --- loading what is damaged or hostile


def parts_of(path: Path) -> tuple[dict[str, Any], bytes]:
    """The header of a safetensors file as JSON, and its data."""
    content = path.read_bytes()
    length = struct.unpack("<Q", content[:8])[0]
    return json.loads(content[8 : 8 + length]), content[8 + length :]


def write_parts(path: Path, header: Any, data: bytes) -> None:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def description(change: Callable[[dict[str, Any]], Any], checksum: bool = True) -> Any:
    """A change of the description; with a checksum that fits, as an attacker would write it."""

    def apply(path: Path) -> None:
        header, data = parts_of(path)
        content = json.loads(header["__metadata__"]["ranvier"])
        content = change(content) or content
        if checksum and isinstance(content, dict) and "sha256" in content:
            content.pop("sha256")
            digests = content.pop("tensors")
            tensors = safetensors.numpy.load(path.read_bytes())
            content = json.loads(model_file.sealed(content, tensors, path))
            assert content["tensors"] == digests
        header["__metadata__"]["ranvier"] = (
            content if isinstance(content, str) else json.dumps(content)
        )
        write_parts(path, header, data)

    return apply


def architecture(change: Callable[[dict[str, Any]], Any]) -> Any:
    return description(lambda content: change(content["architecture"]))


def header(change: Callable[[dict[str, Any]], Any]) -> Any:
    def apply(path: Path) -> None:
        found, data = parts_of(path)
        change(found)
        write_parts(path, found, data)

    return apply


def tensors(change: Callable[[dict[str, Any]], Any]) -> Any:
    """Other tensors under the same description."""

    def apply(path: Path) -> None:
        found, _ = parts_of(path)
        arrays = safetensors.numpy.load(path.read_bytes())
        change(arrays)
        path.write_bytes(safetensors.numpy.save(arrays, found["__metadata__"]))

    return apply


def flipped(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def text_instead(old: str, new: str) -> Any:
    def apply(path: Path) -> None:
        found, data = parts_of(path)
        text = found["__metadata__"]["ranvier"]
        assert old in text
        found["__metadata__"]["ranvier"] = text.replace(old, new, 1)
        write_parts(path, found, data)

    return apply


def units(count: int) -> Any:
    def change(content: dict[str, Any]) -> None:
        content["layers"][2]["config"]["units"] = count

    return architecture(change)


CASES: tuple[tuple[str, Any, tuple[str, ...]], ...] = (
    ("empty", lambda p: p.write_bytes(b""), ("0 bytes",)),
    ("seven bytes", lambda p: p.write_bytes(b"1234567"), ("7 bytes",)),
    ("half a header", lambda p: p.write_bytes(p.read_bytes()[:100]), ("cut off",)),
    ("half the data", lambda p: p.write_bytes(p.read_bytes()[:-8]), ("header",)),
    ("more data", lambda p: p.write_bytes(p.read_bytes() + b"\0"), ("header",)),
    ("text", lambda p: p.write_text("this is not a model file at all"), ("not a model file",)),
    ("pickle", lambda p: p.write_bytes(b"\x80\x04\x95" + b"x" * 90), ("not a model file",)),
    ("header of 2**63 bytes", lambda p: p.write_bytes(b"\xff" * 64), ("not a model file",)),
    ("header of 90 MB", lambda p: p.write_bytes(struct.pack("<Q", 90_000_000) + b"{"),
     ("cut off",)),
    ("header not JSON", lambda p: write_parts(p, b"{" * 50, b""), ("header",)),
    ("header a list", lambda p: write_parts(p, [], b""), ("header",)),
    ("another's safetensors", lambda p: safetensors.numpy.save_file({"a": np.ones(2)}, p),
     ("carries no description",)),
    ("another's metadata", lambda p: safetensors.numpy.save_file({"a": np.ones(2)}, p, {"f": "pt"}),
     ("carries no description",)),
    ("flipped bit", flipped, ("altered",)),
    ("altered number", text_instead('"factor":0.001', '"factor":0.002'), ("altered",)),
    ("altered class", text_instead('"yes"', '"yep"'), ("altered",)),
    ("no checksum", description(lambda c: c.update(sha256=None), False), ("sha256",)),
    ("description not JSON", description(lambda c: "{"), ("description", "JSON")),
    ("description a list", description(lambda c: "[]"), ("no format version",)),
    ("NaN", text_instead('"factor":0.001', '"factor":NaN'), ("NaN",)),
    ("infinity", text_instead('"factor":0.001', '"factor":1e999'), ("config",)),
    ("altered settings", description(lambda c: c.update(settings={"x": 7}), False), ("altered",)),
    ("1e999 in settings", text_instead('"settings":null', '"settings":{"x":1e999}'), ("JSON",)),
    ("a key twice", text_instead('"notes":[]', '"notes":[],"notes":[]'), ("twice",)),
    ("key missing", description(lambda c: c.pop("notes") and None), ("keys",)),
    ("key left over", description(lambda c: c.update(more=1)), ("more",)),
    ("no version", description(lambda c: c.update(ranvier="1")), ("no format version",)),
    ("newer", description(lambda c: c.update(ranvier=FORMAT_VERSION + 1)),
     ("newer", "pip install --upgrade ranvier")),
    ("version 0", description(lambda c: c.update(ranvier=0)), ("never was",)),
    ("version true", description(lambda c: c.update(ranvier=True)), ("never was",)),
    ("deep", text_instead('"notes":[]', '"notes":' + "[" * 100_000 + "]" * 100_000), ("JSON",)),
    ("deep enough to parse", text_instead('"settings":null', '"settings":{"x":'
     + "[" * 200 + "]" * 200 + "}"), ("inside each other",)),
    ("preparation a list", description(lambda c: c.update(preparation=[])), ("preparation",)),
    ("classes a text", description(lambda c: c.update(classes="ab")), ("classes",)),
    ("classes of lists", description(lambda c: c.update(classes=[[1]])), ("classes",)),
    ("settings a number", description(lambda c: c.update(settings=1)), ("settings",)),
    ("notes of numbers", description(lambda c: c.update(notes=[1])), ("notes",)),
    ("versions", description(lambda c: c.update(versions={})), ("versions",)),
    ("architecture a text", description(lambda c: c.update(architecture="x")), ("architecture",)),
    ("no input shape", architecture(lambda a: a.update(input_shape=None)), ("input shape",)),
    ("another input shape", architecture(lambda a: a.update(input_shape=[3, 4])),
     ("layers.2.weight", "(12, 5)")),
    ("layers that do not fit", architecture(lambda a: a["layers"].pop(1) and None),
     ("do not fit together", "layer 1")),
    ("unknown layer", architecture(lambda a: a["layers"][0].update(layer="os.system")),
     ("os.system", "layer 0")),
    ("a dunder", architecture(lambda a: a["layers"][0].update(layer="__init__")), ("__init__",)),
    ("argument left over", architecture(lambda a: a["layers"][1].update(config={"x": 1})),
     ("layers[1].config",)),
    ("more units", units(6), ("layers.2.weight", "(9, 6)")),
    ("absurdly many units", units(2**31 - 1), ("layers.2.weight", "2147483647")),
    ("more units than an index holds", units(10**30), ("units",)),
    ("negative units", units(-1), ("units",)),
    ("dtype", architecture(lambda a: a.update(dtype="float64")), ("float32", "float64")),
    ("tensor missing", tensors(lambda t: t.pop("layers.4.bias")), ("layers.4.bias", "missing")),
    ("tensor left over", tensors(lambda t: t.update(extra=np.ones(1))), ("extra",)),
    ("shape", tensors(lambda t: t.update({"layers.4.bias": np.ones(3, "f4")})),
     ("layers.4.bias", "(3,)", "(2,)")),
    ("shape of the same size",
     tensors(lambda t: t.update({"layers.2.weight": t["layers.2.weight"].T.copy()})), ("(5, 9)",)),
    ("float64 tensor", tensors(lambda t: t.update({"layers.4.bias": np.ones(2)})),
     ("float64(2,)",)),
    ("integer tensor", tensors(lambda t: t.update({"layers.4.bias": np.ones(2, "i4")})), ("I32",)),
    ("overlap", header(lambda h: h["layers.4.bias"].update(data_offsets=[0, 8])), ("header",)),
    ("offsets beyond", header(lambda h: h["layers.4.bias"].update(data_offsets=[0, 2**60])),
     ("header",)),
    ("negative offsets", header(lambda h: h["layers.4.bias"].update(data_offsets=[-8, 0])),
     ("header",)),
    ("bfloat16", header(lambda h: h["layers.4.bias"].update(dtype="BF16", shape=[4])), ("BF16",)),
    ("a dtype of nobody", header(lambda h: h["layers.4.bias"].update(dtype="Q9")), ("header",)),
    ("absurd shape", header(lambda h: h["layers.4.bias"].update(shape=[2**62, 2**62])),
     ("header",)),
)  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case[0])
def test_a_damaged_file_says_so(tmp_path: Path, case: Any) -> None:
    _, damage, parts = case
    path = saved(tmp_path, classes=["no", "yes"])
    damage(path)
    with pytest.raises(errors.ModelFileError) as caught:
        load_model(path)
    assert str(path) in caught.value.headline
    assert caught.value.fix
    for part in parts:
        assert part in str(caught.value)


def test_the_damage_of_these_tests_is_seen_by_nothing_but_itself(tmp_path: Path) -> None:
    # The helper that rewrites a description changes nothing by itself.
    path = saved(tmp_path, classes=["no", "yes"])
    description(lambda content: None)(path)
    assert load_model(path).classes == ["no", "yes"]
    architecture(lambda a: a["layers"][2].update(trainable=False))(path)
    assert not load_model(path).network.layers[2].trainable


@pytest.mark.parametrize("cut", [9, 50, 500, 1000])
def test_every_byte_counts(tmp_path: Path, cut: int) -> None:
    path = saved(tmp_path)
    content = path.read_bytes()
    for damaged in (content[:cut], content[:cut] + b"\0" + content[cut + 1 :]):
        path.write_bytes(damaged)
        with pytest.raises(errors.ModelFileError):
            load_model(path)


def test_nothing_is_allocated_for_absurd_sizes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = saved(tmp_path)
    units(2**31 - 1)(path)
    monkeypatch.setattr(container.Container, "read", lambda self, name: pytest.fail("it was read"))
    with pytest.raises(errors.ModelFileError):
        load_model(path)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    for path, part in ((tmp_path / "none", "No such file"), (tmp_path, "directory")):
        with pytest.raises(errors.FileError) as caught:
            load_model(path)
        assert str(path) in str(caught.value)
        assert part in str(caught.value)
    with pytest.raises(errors.FileError):
        load_model(tmp_path / "nul\0")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes by name")
def test_a_pipe_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(errors.ModelFileError, match="not a model file"):
        load_model(tmp_path / "pipe")


def test_a_tensor_that_vanishes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = container.Container(saved(tmp_path))
    with pytest.raises(errors.ModelFileError, match="damaged"):
        opened.read("no such tensor")
