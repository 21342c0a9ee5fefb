"""Landscapes, regions, pictures, diagrams and the page: what they hold and what they refuse."""

from __future__ import annotations

import re
import struct
import zlib
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from typer.testing import CliRunner, Result

import ranvier as rv
from ranvier.cli.commands import app
from ranvier.explain import (
    WeightPath,
    activations,
    decision_regions,
    error_surface,
    mistakes,
    network_diagram,
    report,
    weight_picture,
)
from ranvier.explain.colours import (
    DIVERGING,
    coloured,
    data_uri,
    mosaic,
    picture_of_data,
    png_bytes,
)
from ranvier.foundation.errors import (
    ArgumentError,
    FileError,
    NotBuiltError,
    PositionError,
    ShapeError,
    UnknownNameError,
)

X = np.random.default_rng(0).standard_normal((60, 2))
LABELS = (X[:, 0] * X[:, 1] > 0).astype(np.int64)
SVG = "{http://www.w3.org/2000/svg}"


def model_of_two(**fit: Any) -> rv.Sequential:
    model = rv.Sequential(rv.Dense(6, activation="tanh"), rv.Dense(2), dtype="float64")
    model.fit(X, LABELS, verbose=False, **{"epochs": 3, "engine": "reference", **fit})
    return model


# --- error surfaces


def test_the_bowl_of_a_line_is_the_formula() -> None:
    x = np.linspace(-1.0, 1.0, 21)[:, None]
    y = 3.0 * x - 1.0
    model = rv.Sequential(rv.Dense(1), dtype="float64").build((1,))
    path = WeightPath()
    model.fit(x, y, epochs=20, batch_size=None, optimizer=rv.SGD(0.1), callbacks=[path],
              verbose=False, engine="reference")  # fmt: skip
    pair = (("layers.0.weight", (0, 0)), ("layers.0.bias", (0,)))
    before = model.layers[0].weight.copy()
    found = error_surface(model, x, y, axes=pair, path=path, points=9)
    assert (model.layers[0].weight == before).all()
    for row, b in enumerate(found.second):
        for column, w in enumerate(found.first):
            expected = np.mean((w * x + b - y) ** 2)
            assert np.isclose(found.losses[row, column], expected, rtol=1e-10)
    assert found.path is not None
    assert found.path_losses is not None
    assert found.path.shape == (21, 2)
    weights = [snapshot["layers.0.weight"][0, 0] for snapshot in path.snapshots]
    np.testing.assert_allclose(found.path[:, 0], weights, atol=1e-12)
    assert (np.diff(found.path_losses) < 0.0).all()
    assert np.isclose(found.told, 1.0)
    assert found.labels == ("layers.0.weight[0, 0]", "layers.0.bias[0]")
    # All of the path is on the picture.
    assert found.first[0] < found.path[:, 0].min()
    assert found.second[-1] > found.path[:, 1].max()


def test_directions_of_a_path_and_random_ones() -> None:
    path = WeightPath(every="2 epochs")
    model = model_of_two(epochs=12, callbacks=[path])
    assert len(path.snapshots) == 7
    found = error_surface(model, X, LABELS, path=path, points=5)
    assert found.told is not None
    assert 0.5 < found.told <= 1.0 + 1e-9
    assert found.path is not None
    np.testing.assert_allclose(found.path[-1], 0.0, atol=1e-9)
    plain = error_surface(model, X, LABELS, points=5, span=0.5)
    now = model.evaluate(X, LABELS)["loss"]
    assert np.isclose(plain.losses[2, 2], now, rtol=1e-9)
    assert plain.path is None
    again = error_surface(model, X, LABELS, points=5, span=0.5)
    assert (plain.losses == again.losses).all()
    slow = error_surface(model, X, LABELS, points=5, span=0.5, engine="reference")
    np.testing.assert_allclose(plain.losses, slow.losses, rtol=1e-12)
    other = error_surface(model, X, LABELS, points=5, span=0.5, seed=1)
    assert (plain.losses != other.losses).any()


def test_places_without_a_finite_loss_are_left_out(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="pictures need the extra 'plots'")
    model = rv.Sequential(rv.Dense(3, activation="exponential"), rv.Dense(1)).build((2,))
    found = error_surface(model, X, X[:, :1], points=7, span=400.0)
    assert not np.isfinite(found.losses).all()
    assert np.isfinite(found.losses[3, 3])
    assert np.isnan(found.levels()).any()
    found.plot(tmp_path / "surface.png")
    model.layers[0].weight[:] = np.nan
    lost = error_surface(model, X, X[:, :1], points=3)
    assert (lost.levels() == 0.0).all()


@pytest.mark.parametrize("dtype", ["uint8", "int64", "float16", "float64"])
def test_surfaces_of_data_of_any_dtype(dtype: str) -> None:
    x = np.random.default_rng(0).integers(0, 9, (30, 4)).astype(dtype)
    y = np.arange(30) % 2
    models = [rv.Sequential(rv.Dense(2))]
    if x.dtype.kind != "f":
        models.append(rv.Sequential(rv.Embedding(9, 2), rv.Flatten(), rv.Dense(2)))
    for model in models:
        model.build((4,))
        fast, slow = (
            error_surface(model, x, y, points=3, engine=engine).losses
            for engine in ("native", "reference")
        )
        np.testing.assert_allclose(fast, slow, rtol=1e-4)


def test_a_new_run_starts_a_new_path() -> None:
    path = WeightPath()
    model = model_of_two(epochs=1, batch_size=20, callbacks=[path])
    assert len(path.snapshots) == 4
    model.fit(X, LABELS, epochs=1, batch_size=30, callbacks=[path], verbose=False)
    assert len(path.snapshots) == 3
    assert repr(path) == "WeightPath(every='step')"


def test_pictures_are_written(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="pictures need the extra 'plots'")
    path = WeightPath()
    model = model_of_two(callbacks=[path])
    error_surface(model, X, LABELS, path=path, points=4).plot(tmp_path / "surface.png")
    error_surface(model, X, LABELS, points=4).plot(tmp_path / "random.svg")
    decision_regions(model, X, LABELS, points=9).plot(tmp_path / "regions.png")
    weight_picture(model).plot(tmp_path / "weights.png")
    activations(model, X, 0).plot(tmp_path / "activations.png")
    for name in ("surface.png", "regions.png", "weights.png", "activations.png"):
        assert (tmp_path / name).read_bytes()[:4] == b"\x89PNG"
    assert "<svg" in (tmp_path / "random.svg").read_text()
    for drawn in (
        error_surface(model, X, LABELS, points=2),
        decision_regions(model, X, LABELS, points=2),
        weight_picture(model),
    ):
        with pytest.raises(FileError, match="cannot be written"):
            drawn.plot(tmp_path / "picture.txt")


def test_errors_of_surfaces() -> None:
    model = model_of_two()
    one = ("layers.0.weight", (0, 0))
    for axes, kind, words in (
        ((one, one), ArgumentError, "axes is not understood"),
        ((one, ("layers.0.wight", (0, 0))), UnknownNameError, "no trained parameter"),
        ((one, ("layers.0.weight", (2, 0))), PositionError, r"has no place \(2, 0\)"),
        ((one, ("layers.0.bias", (0, 0))), PositionError, "has no place"),
    ):
        with pytest.raises(kind, match=words):
            error_surface(model, X, LABELS, axes=axes)  # type: ignore[arg-type]
    with pytest.raises(ShapeError, match="snapshot 0 of the path is not of this model"):
        error_surface(model, X, LABELS, path=[{"layers.0.weight": np.zeros((2, 6))}])
    with pytest.raises(ArgumentError, match="points"):
        error_surface(model, X, LABELS, points=1)
    with pytest.raises(ArgumentError, match="engine"):
        error_surface(model, X, LABELS, engine="fast")
    with pytest.raises(ArgumentError, match="span"):
        error_surface(model, X, LABELS, span=0.0)
    with pytest.raises(NotBuiltError, match="error_surface needs"):
        error_surface(rv.Sequential(rv.Dense(1)), X, LABELS)
    with pytest.raises(ArgumentError, match="listens"):
        WeightPath(every="often")


# --- decision regions


def test_regions_are_what_predict_says() -> None:
    model = model_of_two(epochs=30)
    found = decision_regions(model, X, LABELS, points=7)
    plane = np.array([[a, b] for b in found.second for a in found.first])
    np.testing.assert_array_equal(found.classes.reshape(-1), model.predict_classes(plane))
    assert found.class_names == ("0", "1")
    assert found.pixels().shape == (7, 7, 3)
    assert found.first[0] < X[:, 0].min()
    numbers = rv.Sequential(rv.Dense(1)).build((2,))
    plain = decision_regions(numbers, X, X[:, :1].astype(np.float32), points=3)
    assert plain.class_names == ()
    assert plain.pixels().shape == (3, 3, 3)


def test_regions_need_a_plane() -> None:
    model = rv.Sequential(rv.Dense(2)).build((3,))
    with pytest.raises(ArgumentError, match=r"reads \(N, 3\)"):
        decision_regions(model, np.zeros((4, 3)), [0, 1, 0, 1])
    model = rv.Sequential(rv.Dense(2)).build((2,))
    with pytest.raises(ArgumentError, match="plane of two inputs"):
        decision_regions(model, X, X)


# --- colours and pictures


def unpacked(png: bytes) -> np.ndarray:
    """The pixels of a PNG of ours."""
    width, height, depth, colour = struct.unpack(">IIBB", png[16:26])
    assert (depth, colour) == (8, 2)
    body = b"".join(re.findall(rb"IDAT(.*)....\x00\x00\x00\x00IEND", png, re.S))
    lines = np.frombuffer(zlib.decompress(body), np.uint8).reshape(height, 1 + 3 * width)
    assert (lines[:, 0] == 0).all()
    return lines[:, 1:].reshape(height, width, 3)


def test_a_png_holds_its_pixels() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3)).astype(np.uint8)
    png = png_bytes(pixels)
    np.testing.assert_array_equal(unpacked(png), pixels)
    checks = struct.unpack(">I", png[29:33])[0]
    assert checks == zlib.crc32(png[12:29])
    assert data_uri(pixels).startswith("data:image/png;base64,")


def test_colours() -> None:
    found = coloured(np.array([-2.0, -1.0, 0.0, 1.0, np.nan]), -1.0, 1.0, DIVERGING)
    assert (found[0] == found[1]).all()
    assert found[0, 2] > found[0, 0]
    assert found[3, 0] > found[3, 2]
    assert (found[4] == 128).all()
    assert coloured(np.ones(3), 1.0, 1.0, DIVERGING).shape == (3, 3)
    assert (mosaic(np.zeros((2, 1, 1, 3), np.uint8), 2)[0, 1] == 255).all()


def test_pictures_of_data() -> None:
    assert picture_of_data(np.arange(6.0).reshape(2, 3)).shape == (2, 3, 3)  # type: ignore[union-attr]
    assert picture_of_data(np.zeros((2, 3, 1))).shape == (2, 3, 3)  # type: ignore[union-attr]
    assert picture_of_data(np.random.default_rng(0).random((2, 3, 3))).max() == 255  # type: ignore[union-attr]
    assert picture_of_data(np.zeros(4)) is None
    assert picture_of_data(np.zeros((2, 2, 5))) is None


def test_weights_as_pictures() -> None:
    layers = (rv.Rescaling(0.1), rv.Flatten(), rv.Dense(12), rv.Dense(12), rv.Dense(3))
    model = rv.Sequential(*layers).build((4, 3))
    first = weight_picture(model, 2)
    assert first.tiles.shape == (12, 4, 3)
    np.testing.assert_allclose(first.tiles[5].reshape(-1), model.layers[2].weight[:, 5])
    assert first.labels[5] == "neuron 5"
    # Numbers of neurons are no picture, also where there are as many.
    assert weight_picture(model, 3).tiles.shape == (1, 12, 12)
    assert weight_picture(model, -1).tiles.shape == (1, 12, 3)
    assert weight_picture(model, 3, shape=(2, 6)).tiles.shape == (12, 2, 6)
    assert weight_picture(model, 2, "bias").tiles.shape == (1, 1, 12)
    assert weight_picture(model, 2, most=5).tiles.shape == (5, 4, 3)
    assert first.pixels().shape == (14, 15, 3)
    assert unpacked(first.png()).shape == (14, 15, 3)
    coloured_pictures = rv.Sequential(rv.Flatten(), rv.Dense(2)).build((4, 5, 3))
    assert weight_picture(coloured_pictures, 1).tiles.shape == (2, 12, 5)


def test_activations_are_what_layers_give() -> None:
    model = model_of_two()
    found = activations(model, X, 0)
    expected = np.tanh(X @ model.layers[0].weight + model.layers[0].bias)
    np.testing.assert_allclose(found.values, expected, rtol=1e-10)
    np.testing.assert_allclose(np.tanh(found.net_inputs), found.values, rtol=1e-10)
    np.testing.assert_allclose(activations(model, X).values, model.predict(X), rtol=1e-9)
    assert found.picture().tiles.shape == (1, 60, 6)
    assert found.picture().signed
    shaped = rv.Sequential(rv.Reshape((2, 3)), rv.Reshape((2, 3, 1))).build((6,))
    rows = np.arange(24.0).reshape(4, 6)
    assert activations(shaped, rows, 0).picture().tiles.shape == (4, 2, 3)
    assert activations(shaped, rows, 1).picture().tiles.shape == (1, 2, 3)


def test_errors_of_pictures() -> None:
    model = rv.Sequential(rv.Dense(3), rv.Dropout(0.1)).build((2,))
    with pytest.raises(PositionError, match="no layer 2"):
        weight_picture(model, 2)
    with pytest.raises(PositionError, match="no layer"):
        activations(model, X, True)
    with pytest.raises(UnknownNameError, match="no parameter 'wight'"):
        weight_picture(model, 0, "wight")
    with pytest.raises(UnknownNameError, match="no parameter"):
        weight_picture(model, 1)
    with pytest.raises(ShapeError, match="do not fit into tiles"):
        weight_picture(model, shape=(3, 3))
    flat = rv.Sequential(rv.Reshape(())).build((1,))
    with pytest.raises(ArgumentError, match="one number a row"):
        activations(flat, np.zeros((3, 1)))


# --- diagrams


def test_a_diagram_has_a_circle_for_each_neuron_and_a_line_for_each_weight() -> None:
    model = rv.Sequential(rv.Dense(4, activation="relu"), rv.Dropout(0.5), rv.Dense(2))
    model.build((3,))
    tree = ElementTree.fromstring(network_diagram(model))
    assert len(tree.findall(f"{SVG}circle")) == 3 + 4 + 4 + 2
    lines = tree.findall(f"{SVG}line")
    assert len(lines) == 12 + 4 + 8
    widths = [
        float(line.attrib["stroke-width"]) for line in lines if line.attrib["stroke"] != "#999999"
    ]
    # The widest line of each layer is its largest weight.
    assert sum(width == 5.0 for width in widths) == 2
    positive = sum(line.attrib["stroke"] == "#b2182b" for line in lines)
    expected = sum(int((model.layers[k].weight > 0).sum()) for k in (0, 2))
    assert positive == expected


def test_diagrams_of_an_example_and_of_large_layers() -> None:
    model = rv.Sequential(rv.Flatten(), rv.Dense(100, activation="tanh"), rv.Dense(3))
    model.build((8, 8))
    text = network_diagram(model, np.random.default_rng(0).random((1, 8, 8)), most=6)
    tree = ElementTree.fromstring(text)
    assert len(tree.findall(f"{SVG}circle")) == 6 + 6 + 3
    assert len(tree.findall(f"{SVG}image")) == 1
    words = [one.text for one in tree.findall(f"{SVG}text")]
    assert "94 more" in words
    assert "(N, 100)" in words
    titles = [one.text for one in tree.iter(f"{SVG}title")]
    assert "neuron 99" in titles[11]
    assert ":" in titles[11]
    assert network_diagram(model).count("<image") == 0
    alone = network_diagram(model, np.ones((8, 8)), most=6)
    assert alone == network_diagram(model, np.ones((1, 8, 8)), most=6)


def test_diagrams_of_graphs() -> None:
    a, b = rv.Input((3,), name="a<b"), rv.Input((4, 4))
    h = rv.Add()([rv.Dense(5)(a), rv.Dense(5)(rv.Flatten()(b))])
    model = rv.Model((a, b), (rv.Dense(2)(h), rv.Dense(1)(h))).build()
    text = network_diagram(model)
    tree = ElementTree.fromstring(text)
    assert "input 'a<b'" in [one.text for one in tree.findall(f"{SVG}text")]
    assert "a<b" not in text
    with pytest.raises(ArgumentError, match="most"):
        network_diagram(model, most=1)
    with pytest.raises(NotBuiltError):
        network_diagram(rv.Sequential(rv.Dense(1)))


# --- mistakes


def test_mistakes_are_counted() -> None:
    names = np.array(["no", "yes"])
    model = rv.Sequential(rv.Dense(1), dtype="float64")
    model.fit(X, names[LABELS], epochs=1, verbose=False, engine="reference")
    found = mistakes(model, X, names[LABELS], most=4)
    said = model.predict_classes(X)
    assert found.confusion is not None
    assert found.confusion.sum() == 60
    assert found.confusion[0, 1] == ((names[LABELS] == "no") & (said == "yes")).sum()
    assert np.isclose(found.right, (said == names[LABELS]).mean())
    losses = [one.loss for one in found.worst]
    assert losses == sorted(losses, reverse=True)
    assert found.worst[0].target == names[LABELS[found.worst[0].row]]
    assert "in place of" in str(found)
    numbers = rv.Sequential(rv.Dense(1)).build((2,))
    plain = mistakes(numbers, X, X[:, :1], most=3)
    assert plain.confusion is None
    assert len(plain.worst) == 3
    a = rv.Input((2,))
    both = rv.Model(a, (rv.Dense(2)(a), rv.Dense(2)(a))).build()
    with pytest.raises(ArgumentError, match="one input and one output"):
        mistakes(both, X, (LABELS, LABELS))


# --- the page


class Page(HTMLParser):
    """Checks that tags are closed in order, and gathers what a page loads."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.loaded: list[str] = []
        self.headings: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.loaded += [v or "" for k, v in attrs if k in ("src", "href", "srcset", "action")]
        assert tag not in ("script", "iframe", "link", "object")
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.loaded += [v or "" for k, v in attrs if k in ("src", "href")]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "h2":
            self.headings.append(data)


def read(text: str) -> Page:
    page = Page()
    page.feed(text)
    page.close()
    assert page.open == []
    assert all(one.startswith("data:image/png;base64,") for one in page.loaded)
    assert "url(" not in text
    assert "@import" not in text
    return page


def test_a_page_is_whole_and_loads_nothing() -> None:
    names = np.array(["<no>", "y&s"])
    model = rv.Sequential(rv.Dense(6, activation="tanh"), rv.Dense(2))
    model.fit(X, names[LABELS], epochs=5, verbose=False)
    text = report(model, X, names[LABELS], title="A <b>title</b>", optimizer="adam", example=3,
                  summary=model.summary(), notes=["a & b"])  # fmt: skip
    page = read(text)
    assert page.headings == [
        "Summary", "The network", "What the doctor says", "Where it is wrong",
        "One example, step by step (row 3)", "Weights and activations",
        "The error around these weights",
    ]  # fmt: skip
    assert "<b>title" not in text
    assert "&lt;no&gt;" in text
    assert text.count("<svg") == 2
    # Two layers with weights and activations each, and the plane of the two inputs.
    assert text.count("<img") == 5


def test_a_page_of_numbers() -> None:
    model = rv.Sequential(rv.Dense(3, activation="relu"), rv.Dense(1)).build((2,))
    page = read(report(model, X, X[:, :1], engine="reference"))
    assert "Where it is wrong" in page.headings


def test_a_page_about_weights_that_are_no_numbers() -> None:
    model = rv.Sequential(rv.Dense(3, activation="relu"), rv.Dense(2)).build((2,))
    model.layers[0].weight[0, 1] = np.nan
    text = report(model, X, LABELS, engine="reference")
    assert "weights_not_finite" in text
    assert read(text).headings[-1].startswith("One example")


# --- the command line


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def ranvier(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def test_explain_and_doctor_on_iris() -> None:
    assert ranvier("train", "iris", "--epochs", "20").exit_code == 0
    result = ranvier("explain", "iris.safetensors", "iris", "--out", "page", "--example", "2")
    assert result.exit_code == 0, result.output
    text = Path("page/report.html").read_text(encoding="utf-8")
    assert "step by step (row 2)" in " ".join(read(text).headings)
    assert "petal width (cm)" in text
    assert "setosa" in text
    result = ranvier("doctor", "iris.safetensors", "iris", "--optimizer", "sgd",
                     "--learning-rate", "50")  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "rate_too_large" in result.stdout
    result = ranvier("doctor", "iris.safetensors", "iris", "--json")
    assert '"findings": []' in result.stdout
    assert "Versions" in ranvier("doctor").stdout


def test_explain_a_table_of_numbers() -> None:
    pytest.importorskip("polars", reason="tables need the extra 'tables'")
    rows = np.random.default_rng(0).uniform(50.0, 90.0, (80, 2)).round(3)
    lines = [f"{a},{b},{1000.0 * a - 50.0 * b:.2f}" for a, b in rows]
    Path("houses.csv").write_text("\n".join(["a,b,price", *lines]))
    assert ranvier("train", "houses.csv", "--target", "price", "--epochs", "60").exit_code == 0
    result = ranvier("explain", "houses.safetensors", "houses.csv", "--out", "page")
    assert result.exit_code == 0, result.output
    assert "<title>houses.safetensors on houses.csv</title>" in Path("page/report.html").read_text()


def test_what_the_commands_refuse() -> None:
    assert ranvier("train", "xor", "--epochs", "2").exit_code == 0
    result = ranvier("doctor", "xor.safetensors")
    assert result.exit_code == 2
    assert "needs data too" in result.stderr
    Path("taken").write_text("mine")
    for place in ("taken", "no/such/folder"):
        result = ranvier("explain", "xor.safetensors", "xor", "--out", place)
        assert result.exit_code == 2
        assert "cannot be written" in result.stderr
    assert Path("taken").read_text() == "mine"
    result = ranvier("doctor", "xor.safetensors", "xor", "--optimizer", "magic")
    assert result.exit_code == 2
    assert "magic" in result.stderr
