"""NetworkClassifier and NetworkRegressor beside MLPClassifier and MLPRegressor, in one run.

Scores are means over 5 folds and the seeds; both tools get the same folds, hidden sizes and
parameters, fold by fold in turn, on as many threads. Times are those of fit alone, after one fit
of each kind (compiled code is then in memory, as in a cross-validation); what a first fit costs is
the column "first".

    python benchmarks/estimators.py peers grid beyond [--seeds 3] [--data FOLDER]
"""

from __future__ import annotations

import argparse
import os
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import ranvier as rv
from ranvier.estimators import NetworkClassifier, NetworkRegressor
from sklearn.compose import ColumnTransformer
from sklearn.datasets import (
    load_breast_cancer,
    load_diabetes,
    load_digits,
    load_wine,
    make_classification,
    make_friedman1,
)
from sklearn.metrics import balanced_accuracy_score, roc_auc_score
from sklearn.model_selection import GridSearchCV, KFold, StratifiedKFold, train_test_split
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, SplineTransformer, StandardScaler
from threadpoolctl import threadpool_limits

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
#: Places of the numbers among the 14 columns of Adult.
ADULT_NUMBERS = (0, 2, 4, 10, 11, 12)


def _text_table(path: Path, header: bool) -> np.ndarray:
    """A CSV file as texts, without the blanks around them."""
    table = np.loadtxt(path, dtype=str, delimiter=",", skiprows=int(header), comments="|")
    return np.char.strip(table)


def _columns(table: np.ndarray, numbers: tuple[int, ...]) -> np.ndarray:
    found = table.astype(object)
    for place in numbers:
        column = np.where(table[:, place] == "", "nan", table[:, place]).astype(float)
        found[:, place] = np.where(np.isnan(column), np.nanmedian(column), column)
    return found


def adult(data: Path) -> tuple[Any, Any, Any, Any]:
    """Adult: training and test file as they are given out."""
    parts = []
    for name in ("train", "test"):
        table = _text_table(data / "tables" / f"adult-{name}.csv.gz", header=False)
        y = np.char.rstrip(table[:, -1], ".") == ">50K"
        parts += [_columns(table[:, :-1], ADULT_NUMBERS), y.astype(int)]
    return tuple(parts)


def california(data: Path) -> tuple[Any, Any]:
    """California housing: blocks and the median value in dollars."""
    table = _text_table(data / "tables" / "california_housing.csv.gz", header=True)
    x = _columns(np.delete(table, 8, axis=1), tuple(range(8)))
    return x, table[:, 8].astype(float)


def _plain(numbers: tuple[int, ...], texts: tuple[int, ...]) -> ColumnTransformer:
    return ColumnTransformer(
        [
            ("numbers", StandardScaler(), list(numbers)),
            ("texts", OneHotEncoder(handle_unknown="ignore", sparse_output=False), list(texts)),
        ]
    )


def _piecewise(numbers: tuple[int, ...], texts: tuple[int, ...], knots: int) -> ColumnTransformer:
    """Numbers as piecewise-linear functions between quantiles (Gorishniy and others, 2022)."""
    lines = SplineTransformer(n_knots=knots, degree=1, knots="quantile", extrapolation="linear")
    return ColumnTransformer(
        [
            ("lines", lines, list(numbers)),
            ("numbers", StandardScaler(), list(numbers)),
            ("texts", OneHotEncoder(handle_unknown="ignore", sparse_output=False), list(texts)),
        ]
    )


def workloads(data: Path, quick: bool) -> list[tuple[str, Any, Any, Any, dict[str, Any]]]:
    """Name, rows, targets, what comes before the network, and its parameters."""
    scale = StandardScaler()
    digits, wine, diabetes = (
        load(return_X_y=True) for load in (load_digits, load_wine, load_diabetes)
    )
    friedman = make_friedman1(1000, noise=1.0, random_state=0)
    noisy = make_classification(
        2000, 20, n_informative=8, n_redundant=4, flip_y=0.1, class_sep=0.8, random_state=0
    )
    found = [
        ("digits", *digits, scale, {"hidden_layer_sizes": (64,)}),
        ("wine", *wine, scale, {"hidden_layer_sizes": (32,)}),
        ("diabetes", *diabetes, scale, {"hidden_layer_sizes": (32,), "learning_rate_init": 0.005}),
        ("friedman 1", *friedman, scale, {"hidden_layer_sizes": (64,), "max_iter": 300}),
        ("noisy classes", *noisy, scale, {"hidden_layer_sizes": (64,), "max_iter": 50}),
    ]
    if not quick:
        x, y, _, _ = adult(data)
        texts = tuple(k for k in range(14) if k not in ADULT_NUMBERS)
        sizes = {"hidden_layer_sizes": (64,), "max_iter": 10}
        found.append(("adult", x, y, _plain(ADULT_NUMBERS, texts), sizes))
        x, y = california(data)
        sizes = {"hidden_layer_sizes": (64, 64), "max_iter": 30}
        found.append(("california", x, y / 1e5, _plain(tuple(range(8)), (8,)), sizes))
    return found


def peers(data: Path, seeds: int, quick: bool) -> None:
    """Scores and times beside scikit-learn's own."""
    head = f"{'data':14} {'MLP':>16} {'ranvier':>16} {'difference':>11} {'of fold dev.':>12}"
    print(f"{head} {'MLP s':>8} {'ours s':>8} {'faster':>7} {'first s':>8}")
    total = np.zeros(2)
    for name, x, y, before, parameters in workloads(data, quick):
        numbers = y.dtype.kind == "f"
        kinds = (MLPRegressor, NetworkRegressor) if numbers else (MLPClassifier, NetworkClassifier)
        scores: tuple[list[list[float]], list[list[float]]] = ([], [])
        seconds, first = np.zeros(2), None
        for seed in range(seeds):
            split = (KFold if numbers else StratifiedKFold)(5, shuffle=True, random_state=seed)
            for row in scores:
                row.append([])
            for fold, (train, test) in enumerate(split.split(x, y)):
                before.fit(x[train])
                rows, held = before.transform(x[train]), before.transform(x[test])
                if first is None:
                    begin = time.perf_counter()
                    kinds[1](**{**parameters, "max_iter": 1}).fit(rows, y[train])
                    first = time.perf_counter() - begin
                for place, kind in enumerate(kinds):
                    # Other first weights in each fold: one unlucky draw must not count five times.
                    model = kind(**parameters, random_state=100 * seed + fold)
                    begin = time.perf_counter()
                    model.fit(rows, y[train])
                    seconds[place] += time.perf_counter() - begin
                    scores[place][-1].append(model.score(held, y[test]))
        theirs, ours = (np.array(one) for one in scores)
        deviation = float(theirs.std(axis=1).mean())
        off = float(ours.mean() - theirs.mean())
        total += seconds
        print(
            f"{name:14} {theirs.mean():8.4f} ±{deviation:6.4f} {ours.mean():8.4f} "
            f"±{ours.std(axis=1).mean():6.4f} {off:+11.4f} {off / deviation:+12.2f} "
            f"{seconds[0]:8.2f} {seconds[1]:8.2f} {seconds[0] / seconds[1]:7.1f} {first:8.3f}",
            flush=True,
        )
    print(f"{'all':14} {total[0]:70.2f} {total[1]:8.2f} {total[0] / total[1]:7.1f}")


def grid(seeds: int) -> None:
    """GridSearchCV over 12 candidates on digits, in turn."""
    x, y = load_digits(return_X_y=True)
    x = x / 16.0
    wide = {
        "alpha": [1e-4, 1e-2, 1.0],
        "learning_rate_init": [1e-3, 5e-3],
        "hidden_layer_sizes": [(32,), (64,)],
    }
    for seed in range(seeds):
        taken = []
        for kind in (MLPClassifier, NetworkClassifier):
            search = GridSearchCV(kind(random_state=seed, max_iter=100), wide, cv=3)
            begin = np.array([time.perf_counter(), time.process_time()])
            search.fit(x, y)
            taken.append(np.array([time.perf_counter(), time.process_time()]) - begin)
            print(
                f"{kind.__name__:18} {taken[-1][0]:7.2f} s ({taken[-1][1]:.2f} s of the "
                f"processor), best {search.best_score_:.4f} {search.best_params_}"
            )
        wall, processor = taken[0] / taken[1]
        print(f"{wall:.1f} times faster ({processor:.1f} of the processor)", flush=True)


def beyond(data: Path, seeds: int) -> None:
    """What scikit-learn's own cannot. The choices were made on parts of the training rows."""
    x, y, test_x, test_y = adult(data)
    texts = tuple(k for k in range(14) if k not in ADULT_NUMBERS)
    before = _piecewise(ADULT_NUMBERS, texts, 16)
    rows, test = before.fit_transform(x), before.transform(test_x)
    for seed in range(seeds):
        begin = time.perf_counter()
        model = NetworkClassifier(
            (64,), dropout=0.3, early_stopping=True, n_members=4, max_iter=40,
            learning_rate_init=2e-3, random_state=seed,
        ).fit(rows.astype("float32"), y)  # fmt: skip
        score = model.score(test.astype("float32"), test_y)
        print(f"adult, test file: {score:.4f}, {time.perf_counter() - begin:.1f} s", flush=True)
    x, y = california(data)
    for seed in range(seeds):
        train, held = train_test_split(np.arange(len(y)), test_size=0.2, random_state=seed)
        before = _piecewise(tuple(range(8)), (8,), 24)
        rows, test = before.fit_transform(x[train]), before.transform(x[held])
        begin = time.perf_counter()
        model = NetworkRegressor(
            (256, 128), dropout=0.1, optimizer=rv.AdamW(rv.OneCycle(4e-3), weight_decay=1e-2),
            max_iter=40, batch_size=128, n_members=4, tol=0.0, random_state=seed,
        ).fit(rows.astype("float32"), y[train] / 1e5)  # fmt: skip
        off = 1e5 * model.predict(test.astype("float32")) - y[held]
        print(
            f"california, a fifth held out: RMSE {np.sqrt(np.mean(off**2)):.0f}, "
            f"{time.perf_counter() - begin:.1f} s",
            flush=True,
        )
    x, y = load_breast_cancer(return_X_y=True)
    for seed in range(seeds):
        areas = []
        split = StratifiedKFold(5, shuffle=True, random_state=seed)
        for train, held in split.split(x, y):
            model = make_pipeline(
                StandardScaler(),
                NetworkClassifier((32,), alpha=1.0, n_members=8, max_iter=300, random_state=seed),
            ).fit(x[train], y[train])
            areas.append(roc_auc_score(y[held], model.predict_proba(x[held])[:, 1]))
        print(f"breast cancer, 5 folds: AUC {np.mean(areas):.4f}", flush=True)
    x, y = make_classification(
        4000, 20, weights=[0.97], n_informative=6, flip_y=0.02, class_sep=0.8, random_state=0
    )
    x, test_x, y, test_y = train_test_split(x, y, stratify=y, random_state=0)
    for weights in (None, "balanced"):
        model = NetworkClassifier(
            (32,), class_weight=weights, early_stopping=True, alpha=0.1, random_state=0
        ).fit(x, y)
        score = balanced_accuracy_score(test_y, model.predict(test_x))
        print(f"3 % of one class, class_weight={weights}: balanced accuracy {score:.3f}")


def main() -> None:
    """Run the parts that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", default=["peers", "grid", "beyond"])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="without the two large tables")
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--threads", type=int, default=1, help="of both tools")
    given = parser.parse_args()
    os.environ["RANVIER_THREADS"] = str(given.threads)
    warnings.simplefilter("ignore")
    with threadpool_limits(given.threads):
        if "peers" in given.parts:
            peers(given.data, given.seeds, given.quick)
        if "grid" in given.parts:
            grid(given.seeds)
        if "beyond" in given.parts:
            beyond(given.data, given.seeds)


if __name__ == "__main__":
    main()
