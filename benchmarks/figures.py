"""How well networks learn what is known of them: `python benchmarks/figures.py sine cancer`.

`sine`, `product`, `friedman`: R2 on unseen points of known functions. `cancer`: area under the ROC
curve, 5 folds. `mnist`: test accuracy with dropout and one-cycle, beside the same in PyTorch.
Networks and rates were chosen on parts of the training rows or on draws of other seeds.
"""

from __future__ import annotations

import argparse
import itertools
import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import ranvier as rv
from numpy.typing import NDArray

Array = NDArray[Any]
SEEDS = range(3)
SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"

#: Of the MNIST network: units, what is dropped of inputs and of hidden units, largest rate.
HIDDEN, DROP_INPUT, DROP, RATE = (512, 512), 0.1, 0.2, 3e-3
EPOCHS, BATCH = 10, 128


def fit_function(
    x: Array, y: Array, hidden: Sequence[int], epochs: int, rate: float, decay: float, seed: int
) -> rv.Model:
    """A tanh network, AdamW with a one-cycle rate, batches of 32."""
    layers = [rv.Dense(units, activation="tanh") for units in hidden]
    model = rv.Sequential(*layers, rv.Dense(1))
    optimizer = rv.AdamW(rv.OneCycle(rate), weight_decay=decay)
    model.fit(x, y, epochs=epochs, seed=seed, optimizer=optimizer, verbose=False)
    return model


def r2(model: rv.Model, x: Array, y: Array) -> float:
    """The share of the variance that the model explains."""
    return float(model.evaluate(x, y, metrics=["r2"])["r2"])


def sine() -> None:
    """sin(x) for x from -2 pi to 2 pi: 1,000 points, 1-32-32-1, and 1,000 unseen points."""

    def draw(rows: int, random: np.random.Generator) -> tuple[Array, Array]:
        x = random.uniform(-2 * np.pi, 2 * np.pi, (rows, 1))
        return x, np.sin(x)

    _function("sin(x)", draw)


def product() -> None:
    """x times y, both from -1 to 1: 1,000 points, 2-32-32-1, and 1,000 unseen points."""

    def draw(rows: int, random: np.random.Generator) -> tuple[Array, Array]:
        x = random.uniform(-1.0, 1.0, (rows, 2))
        return x, x[:, :1] * x[:, 1:]

    _function("x y", draw)


def _function(name: str, draw: Callable[[int, np.random.Generator], tuple[Array, Array]]) -> None:
    found = []
    for seed in SEEDS:
        random = np.random.default_rng(seed)
        x, y = draw(1000, random)
        model = fit_function(x, y, (32, 32), 200, 5e-3, 0.0, seed)
        found.append(r2(model, *draw(1000, random)))
    _say(f"{name}: R2", found, 0.999)


def friedman_rows(rows: int, noise: float, random: np.random.Generator) -> tuple[Array, Array]:
    """Friedman's first function of ten features, five of which mean nothing (1991).

    ``10 sin(pi a b) + 20 (c - 0.5)^2 + 10 d + 5 e + noise``, features uniform from 0 to 1.
    """
    x = random.uniform(size=(rows, 10))
    a, b, c, d, e = x.T[:5]
    y = 10 * np.sin(np.pi * a * b) + 20 * (c - 0.5) ** 2 + 10 * d + 5 * e
    return x, (y + noise * random.normal(size=rows))[:, None]


def friedman() -> None:
    """Friedman's first function without noise and with noise of deviation 1, 2,000 unseen rows.

    What is asked for is the function; what noisy rows leave of it is shown too. Inputs and targets
    are brought to mean 0 and deviation 1 by what the training rows say.
    """
    _friedman(2000, 0.0, (64, 64), 200, 5e-3, 0.0)
    _friedman(2000, 1.0, (16, 16), 60, 1e-2, 0.1)
    _friedman(10_000, 1.0, (64, 64), 20, 5e-3, 0.1)


def _friedman(
    rows: int, noise: float, hidden: Sequence[int], epochs: int, rate: float, decay: float
) -> None:
    found, clean, ceiling = [], [], []
    for seed in SEEDS:
        random = np.random.default_rng(seed)
        x, y = friedman_rows(rows, noise, random)
        test_x, test_y = friedman_rows(2000, 0.0, random)
        noisy = test_y + noise * random.normal(size=test_y.shape)
        centre, scale, mean, deviation = x.mean(0), x.std(0), y.mean(), y.std()
        scaled = (x - centre) / scale, (y - mean) / deviation
        model = fit_function(*scaled, hidden, epochs, rate, decay, seed)
        inputs = (test_x - centre) / scale
        found.append(r2(model, inputs, (noisy - mean) / deviation))
        clean.append(r2(model, inputs, (test_y - mean) / deviation))
        ceiling.append(1 - float(((noisy - test_y) ** 2).mean() / noisy.var()))
    units = "-".join(map(str, (10, *hidden, 1)))
    _say(f"Friedman 1, {rows:,} rows, noise {noise:g}, {units}: R2", clean, 0.95)
    if noise:
        _say("  against unseen rows with noise: R2", found, None)
        print(f"  of which the function itself would have {statistics.mean(ceiling):.4f}")


def folds(y: Array, count: int, seed: int) -> list[Array]:
    """Rows of each fold, class by class."""
    random = np.random.default_rng(seed)
    fold = np.empty(len(y), np.int64)
    for one in np.unique(y):
        rows = random.permutation(np.flatnonzero(y == one))
        fold[rows] = np.arange(len(rows)) % count
    return [np.flatnonzero(fold == number) for number in range(count)]


def cancer() -> None:
    """Breast Cancer Wisconsin (Diagnostic), 569 rows: 30-32-1, dropout 0.3, weight decay."""
    data = rv.open_dataset("breast_cancer")
    # The data set is prepared with its own training part; each fold's own numbers undo that.
    x = np.concatenate([data.x, data.test_x])
    y = np.concatenate([data.y, data.test_y])
    means = []
    for seed in SEEDS:
        areas = []
        for test in folds(y, 5, seed):
            train = np.setdiff1d(np.arange(len(y)), test)
            centre, scale = x[train].mean(0), x[train].std(0)
            model = rv.Sequential(rv.Dense(32, activation="relu"), rv.Dropout(0.3), rv.Dense(1))
            model.fit(
                (x[train] - centre) / scale, y[train], epochs=60, seed=seed, verbose=False,
                optimizer=rv.AdamW(rv.OneCycle(3e-3), weight_decay=0.1),
            )  # fmt: skip
            found = model.evaluate((x[test] - centre) / scale, y[test], metrics=["roc_auc"])
            areas.append(found["roc_auc"])
        print(f"  seed {seed}: folds {', '.join(f'{area:.4f}' for area in areas)}")
        means.append(statistics.mean(areas))
    _say("breast cancer, mean of 5 folds: AUC", means, 0.993)


def mnist() -> None:
    """MNIST with dropout and one-cycle, ten epochs of all 60,000 digits, and the 10,000 others."""
    folder = Path(os.environ.get("RANVIER_DATA", SHARED)) / "handwriting" / "mnist"
    if not folder.is_dir():
        sys.exit(f"MNIST is not in {folder}: set RANVIER_DATA.")
    data = rv.open_dataset(folder)
    x, test_x = (part.reshape(len(part), -1) for part in (data.inputs, data.test_inputs))
    tools = {"Ranvier": mnist_ranvier, "PyTorch": mnist_torch}
    runs: dict[str, list[tuple[float, float]]] = {name: [] for name in tools}
    for seed in SEEDS:
        for name, train in tools.items():
            runs[name].append(train(x, data.y, test_x, data.test_y, seed))
            accuracy, seconds = runs[name][-1]
            print(f"  {name}, seed {seed}: {accuracy:.4f} in {seconds:.1f} s", flush=True)
    units = "-".join(map(str, (784, *HIDDEN, 10)))
    for name, some in runs.items():
        accuracies, times = zip(*some, strict=True)
        _say(f"MNIST, {units}, {name}", accuracies, 0.984)
        print(f"  {name}: {statistics.median(times):.1f} s")


def mnist_ranvier(
    x: Array, y: Array, test_x: Array, test_y: Array, seed: int
) -> tuple[float, float]:
    """Test accuracy, and seconds with compiling."""
    layers: list[rv.Layer] = [rv.Dropout(DROP_INPUT)]
    for units in HIDDEN:
        layers += [rv.Dense(units, activation="relu"), rv.Dropout(DROP)]
    model = rv.Sequential(*layers, rv.Dense(10))
    begin = time.perf_counter()
    model.fit(
        x, y, epochs=EPOCHS, batch_size=BATCH, seed=seed, verbose=False,
        optimizer=rv.Adam(rv.OneCycle(RATE)),
    )  # fmt: skip
    seconds = time.perf_counter() - begin
    return model.evaluate(test_x, test_y)["accuracy"], seconds


def mnist_torch(x: Array, y: Array, test_x: Array, test_y: Array, seed: int) -> tuple[float, float]:
    """The same in PyTorch, on one thread, with its fused Adam."""
    import torch

    torch.manual_seed(seed)
    torch.set_num_threads(1)
    begin = time.perf_counter()
    layers: list[torch.nn.Module] = [torch.nn.Dropout(DROP_INPUT)]
    for inputs, units in itertools.pairwise((784, *HIDDEN)):
        layers += [torch.nn.Linear(inputs, units), torch.nn.ReLU(), torch.nn.Dropout(DROP)]
    model = torch.nn.Sequential(*layers, torch.nn.Linear(HIDDEN[-1], 10))
    inputs, targets = torch.from_numpy(x), torch.from_numpy(y.astype(np.int64))
    optimizer = torch.optim.Adam(model.parameters(), lr=RATE, fused=True)
    steps = EPOCHS * -(-len(x) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, RATE, total_steps=steps, cycle_momentum=False
    )
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(x)).split(BATCH):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(model(inputs[rows]), targets[rows]).backward()
            optimizer.step()
            schedule.step()
    seconds = time.perf_counter() - begin
    model.eval()
    with torch.no_grad():
        found = model(torch.from_numpy(test_x)).argmax(1).numpy()
    return float(np.mean(found == test_y)), seconds


def _say(what: str, found: Sequence[float], wanted: float | None) -> None:
    """A line with every seed's figure, their mean, and what was wanted."""
    mean, each = statistics.mean(found), ", ".join(f"{one:.4f}" for one in found)
    line = f"{what} {each}: mean {mean:.4f}"
    if wanted is not None:
        line += f", wanted {wanted:g}: {'reached' if mean >= wanted else 'NOT REACHED'}"
    print(line, flush=True)


FIGURES = {"sine": sine, "product": product, "friedman": friedman, "cancer": cancer, "mnist": mnist}


def main() -> None:
    """Compute the figures that are named, all if none is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("figures", nargs="*", metavar="figure", help=", ".join(FIGURES))
    names = parser.parse_args().figures or list(FIGURES)
    unknown = [name for name in names if name not in FIGURES]
    if unknown:
        parser.error(f"there is no figure {unknown[0]!r}; there are {', '.join(FIGURES)}")
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-1:])
    for name in names:
        FIGURES[name]()


if __name__ == "__main__":
    main()
