"""MNIST with 784-256-128-10: ten epochs, three seeds, beside the same network in PyTorch.

Needs the original IDX files (train-images-idx3-ubyte.gz and so on) in a folder: the argument, or
$RANVIER_DATA/handwriting/mnist. PyTorch is trained in the same run if it is installed, one thread
each, the same size of batches, optimizer and number of epochs; initial weights are each tool's own.

Run it with: python examples/mnist.py FOLDER
"""

from __future__ import annotations

import argparse
import importlib.util
import itertools
import os
import statistics
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import ranvier as rv

UNITS = (784, 256, 128, 10)
BATCH = 128


def folder_of(argument: str | None) -> Path:
    """Where the files are."""
    if argument:
        return Path(argument)
    data = os.environ.get("RANVIER_DATA")
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    return (Path(data) if data else beside) / "handwriting" / "mnist"


@dataclass(frozen=True)
class Pictures:
    """What both tools read: `x` and `test_x` are (N, 784) floats from 0 to 1."""

    x: NDArray[np.float32]
    y: NDArray[np.int32]
    test_x: NDArray[np.float32]
    test_y: NDArray[np.int32]


def read(folder: Path) -> Pictures:
    """Open the files and say what was understood."""
    data = rv.open_dataset(folder)
    print("\n".join(data.notes))
    if data.y is None or data.test_inputs is None or data.test_y is None:
        sys.exit(f"{folder} has no labels or no test files.")
    x, test_x = (part.reshape(len(part), -1) for part in (data.inputs, data.test_inputs))
    return Pictures(x, data.y, test_x, data.test_y)


def train_ranvier(data: Pictures, epochs: int, seed: int) -> tuple[float, float]:
    """Test accuracy and seconds, compiling included."""
    begin = time.perf_counter()
    hidden = [rv.Dense(units, activation="relu") for units in UNITS[1:-1]]
    model = rv.Sequential(*hidden, rv.Dense(UNITS[-1]))
    model.fit(data.x, data.y, epochs=epochs, batch_size=BATCH, seed=seed, verbose=False)
    seconds = time.perf_counter() - begin
    return model.evaluate(data.test_x, data.test_y)["accuracy"], seconds


def train_torch(data: Pictures, epochs: int, seed: int) -> tuple[float, float]:
    """The same in PyTorch, with its fused Adam."""
    import torch

    torch.manual_seed(seed)
    torch.set_num_threads(1)
    begin = time.perf_counter()
    x, y = torch.from_numpy(data.x), torch.from_numpy(data.y.astype(np.int64))
    layers: list[torch.nn.Module] = []
    for inputs, units in itertools.pairwise(UNITS):
        layers += [torch.nn.Linear(inputs, units), torch.nn.ReLU()]
    model = torch.nn.Sequential(*layers[:-1])
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
    for _ in range(epochs):
        for rows in torch.randperm(len(x)).split(BATCH):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(model(x[rows]), y[rows]).backward()
            optimizer.step()
    seconds = time.perf_counter() - begin
    with torch.no_grad():
        found = model(torch.from_numpy(data.test_x)).argmax(1).numpy()
    return float(np.mean(found == data.test_y)), seconds


def main() -> None:
    """Train with each seed and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", help="folder with the IDX files")
    parser.add_argument("--quick", action="store_true", help="one epoch, one seed, no PyTorch")
    options = parser.parse_args()
    folder = folder_of(options.folder)
    if not folder.is_dir():
        sys.exit(f"There is no folder {folder}. Give the folder with MNIST's IDX files.")
    data = read(folder)
    epochs, seeds = (1, 1) if options.quick else (10, 3)
    tools = {"ranvier": train_ranvier}
    if not options.quick and importlib.util.find_spec("torch"):
        tools["torch"] = train_torch
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in tools}
    for seed in range(seeds):
        for name, train in tools.items():
            accuracy, seconds = train(data, epochs, seed)
            found[name].append((accuracy, seconds))
            print(f"{name:8} seed {seed}: test accuracy {accuracy:.4f} in {seconds:.2f} s")
    for name, runs in found.items():
        accuracy, seconds = (statistics.median(column) for column in zip(*runs, strict=True))
        print(f"{name:8} median: test accuracy {accuracy:.4f} in {seconds:.2f} s, {epochs} epochs")


if __name__ == "__main__":
    main()
