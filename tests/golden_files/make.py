"""Writes the golden files: small models of this release, which later releases must load for ever.

    python tests/golden_files/make.py

Files that are there are kept: a golden file is never written again. With a new format, add new
ones under new names.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

import ranvier as rv

FOLDER = Path(__file__).resolve().parent
RELEASE = "0_1"


def rows(shape: tuple[int, ...], integers: int = 0) -> np.ndarray[Any, Any]:
    """Rows that no random generator makes: the same for ever."""
    count = int(np.prod(shape))
    if integers:
        return (np.arange(count) % integers).reshape(shape)
    return (np.sin(np.arange(count) * 0.7).reshape(shape) * 2).astype("f4")


def models() -> dict[str, tuple[Any, tuple[Any, ...]]]:
    """Each model with the rows that it is asked about."""
    x, y = rows((40, 4)), np.array(["no", "yes"])[(np.arange(40) % 3 == 0).astype(int)]
    stack = rv.Sequential(
        rv.Dense(5, activation="relu"), rv.Dense(3, activation="tanh"), rv.Dense(2)
    )
    stack.fit(x, y, epochs=3, verbose=False)
    numbers = rv.Sequential(
        rv.Dense(4, activation="gelu", kernel_regularizer=rv.L2(0.01)), rv.Dense(1), dtype="float64"
    )
    numbers.fit(x, x[:, :1] * 2, epochs=3, verbose=False)
    normed = rv.Sequential(
        rv.Dense(4), rv.BatchNorm(), rv.Activation("relu"), rv.LayerNorm(), rv.PReLU(), rv.Dense(2)
    )
    normed.fit(x, y, epochs=3, verbose=False)
    first, second = rv.Input((4,)), rv.Input((3,))
    shared = rv.Dense(3, activation="sigmoid")
    joined = rv.Concatenate()([shared(first), rv.Flatten()(rv.Embedding(6, 2)(second))])
    outputs = {
        "sum": rv.Dense(1)(joined),
        "kind": rv.Dense(2)(rv.Add()([shared(first), shared(first)])),
    }
    graph = rv.Model((first, second), outputs).build()
    inner = rv.Sequential(rv.Dense(3, activation="relu"), rv.Dense(2))
    nested = rv.Sequential(rv.Sequential(inner, rv.Dense(3)), rv.Dense(1)).build((4,))
    embedding = rv.Sequential(rv.Embedding(6, 3), rv.Flatten(), rv.Dense(2)).build((3,))
    words = rows((5, 3), 6)
    return {
        "stack": (stack, (x[:5],)),
        "float64": (numbers, (x[:5],)),
        "norms": (normed, (x[:5],)),
        "graph": (graph, (x[:5], words)),
        "nested": (nested, (x[:5],)),
        "embedding": (embedding, (words,)),
    }


def checkpoint(path: Path) -> Any:
    """A checkpoint in the middle of an epoch; returns what its file says as a model."""
    iris = rv.open_dataset("iris")
    model = rv.Sequential(rv.Dense(4, activation="relu"), rv.Dropout(0.1), rv.Dense(3))
    stop = rv.FunctionCallback(lambda event: event.step >= 9 and event.stop(), every="step")
    model.fit(
        iris.x, iris.y, epochs=5, average=0.9, optimizer=rv.SGD(0.01, momentum=0.9), verbose=False,
        callbacks=[rv.Checkpoint(path), rv.ReduceLearningRateOnPlateau("loss"), stop],
    )  # fmt: skip
    return rv.load(path)


def main() -> None:
    """Write what is missing."""
    expected_file = FOLDER / "expected.json"
    expected = json.loads(expected_file.read_text("utf-8")) if expected_file.exists() else {}

    def add(name: str, given: tuple[Any, ...]) -> None:
        loaded = rv.load(FOLDER / f"{name}.safetensors")
        found = loaded.predict(given if len(given) > 1 else given[0])
        named = found if isinstance(found, dict) else {"output": found}
        expected[name] = {
            "inputs": [one.tolist() for one in given],
            "outputs": {key: one.tolist() for key, one in named.items()},
            "layers": [layer.describe() for layer in loaded.layers],
        }

    for kind, (model, given) in models().items():
        name = f"{kind}_{RELEASE}"
        if not (FOLDER / f"{name}.safetensors").exists():
            model.save(FOLDER / f"{name}.safetensors")
            add(name, given)
    name = f"checkpoint_{RELEASE}"
    if hasattr(rv, "Checkpoint") and not (FOLDER / f"{name}.safetensors").exists():
        checkpoint(FOLDER / f"{name}.safetensors")
        add(name, (rows((5, 4)),))
    expected_file.write_text(json.dumps(expected, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
