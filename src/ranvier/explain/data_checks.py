"""What the data does to a training: inputs without scale, columns that tell too much, labels."""

from __future__ import annotations

import numpy as np

from ranvier.explain.findings import Finding
from ranvier.explain.neighbours import (
    Matrix,
    explained,
    feature_matrix,
    nearest,
    target_matrix,
    told_by_order,
)
from ranvier.explain.subject import Array, Subject
from ranvier.foundation.random import host_generator
from ranvier.layers import (
    BatchNorm,
    Dropout,
    Flatten,
    GaussianNoise,
    LayerNorm,
    Rescaling,
    Reshape,
    RMSNorm,
)
from ranvier.networks.network import Network

#: Root mean square of an input above which it counts as unscaled, ...
LARGE = 30.0
#: ... below which (of all inputs together), ...
SMALL = 1e-3
#: ... and how many times larger one column may be than the middle one.
UNEVEN = 1000.0
#: What one column must tell alone to be a suspect, and how much less all others may tell.
GIVES_AWAY, OTHERS_LESS = 0.995, 0.1
#: Neighbours of a row that are asked for its label, and how many must say another one. With these
#: numbers 12 % of wrong labels among three blobs made 2.6 to 11 % of all rows suspects (7 to 22 %
#: of those whose neighbours agree), right labels of overlapping classes at most 2.7 % (9 %). So
#: what is said is rather too little than too much: 10 of 12 such sets with wrong labels are found.
NEIGHBOURS, CONTRADICT = 20, 18
#: The share of suspects from which on it is said, or from which it is said if the share among
#: rows with sure neighbours is also large.
NOISY_SHARE, FEWER, OF_SURE = 0.035, 0.025, 0.1
#: Neighbours whose mean is an answer to compare the model's with.
ANSWERING = 10
#: Columns beyond which no search for leaks is made, and rows below which nothing can be told.
MOST_COLUMNS, FEWEST_ROWS = 2000, 40


def unscaled_inputs(subject: Subject) -> list[Finding]:
    """Inputs far from the size that first weights and learning rates are made for."""
    findings = []
    wiring = subject.network.wiring
    for place, x in enumerate(subject.x):
        if _made_equal(subject.network, place):
            continue
        rows = x.reshape(len(x), -1).astype(np.float64)
        sizes = np.sqrt((rows**2).mean(axis=0))
        worst, middle = int(sizes.argmax()), float(np.median(sizes))
        largest = float(sizes[worst])
        uneven = largest / middle if middle > 0.0 else 0.0
        if not (largest > LARGE or 0.0 < largest < SMALL or (uneven > UNEVEN and largest > 3.0)):
            continue
        name = "X" if len(subject.x) == 1 else f"X of the input {wiring.inputs[place]!r}"
        findings.append(
            Finding(
                "unscaled_inputs",
                "warning",
                f"{name}, {subject.column(worst) if place == 0 else f'column {worst}'}",
                f"the root mean square of column {worst} is {largest:.4g} (of the middle column "
                f"{middle:.4g}); weights and rates are made for inputs of about 1",
                {"column": worst, "largest": largest, "middle": middle},
                "scale each column to mean 0 and deviation 1: (X - X.mean(0)) / X.std(0), pictures "
                "by rv.Rescaling(1 / 255); ranvier train does it by itself",
            )
        )
    return findings


def _made_equal(network: Network, value: int) -> bool:
    """Whether all that read a value first bring it to a size, or look it up in a table."""
    equal = []
    for call in network.wiring.calls:
        layer = network.layers[call.layer]
        inner = layer.__dict__.get("network")
        if value not in call.reads:
            continue
        if isinstance(inner, Network):
            equal += [_made_equal(inner, k) for k, v in enumerate(call.reads) if v == value]
        elif isinstance(layer, Dropout | Flatten | GaussianNoise | Reshape):
            equal.append(_made_equal(network, call.gives[0]))
        else:
            scaling = isinstance(layer, BatchNorm | LayerNorm | RMSNorm | Rescaling)
            equal.append(scaling or layer.reads_integers)
    return bool(equal) and all(equal)


def leakage(subject: Subject, seed: int) -> list[Finding]:
    """A column that gives the answer away while all others together do not."""
    if not subject.single or subject.rows < FEWEST_ROWS:
        return []
    rows = feature_matrix(subject.x[0])
    wanted = target_matrix(subject.targets[0], len(subject.class_names))
    if not 2 <= rows.shape[1] <= MOST_COLUMNS or wanted.shape[1] == rows.shape[1]:
        return []
    ties = host_generator(seed, "explain.leakage").permutation(len(rows))
    told = np.array([told_by_order(rows[:, k], wanted, ties) for k in range(rows.shape[1])])
    if subject.for_classes:
        # Even a perfect column changes its class between the classes.
        told = told + _changes_needed(wanted)
    best = int(told.argmax())
    if told[best] < GIVES_AWAY:
        return []
    others = np.delete(rows, best, axis=1)
    by_others = explained(wanted[nearest(others, 1)[:, 0]], wanted)
    if by_others > told[best] - OTHERS_LESS:
        return []
    alone = min(1.0, float(told[best]))
    return [
        Finding(
            "leakage",
            "suspicion",
            f"X, {subject.column(best)}",
            f"column {best} alone tells {alone:.2%} of the targets' variance, the nearest row by "
            f"all other columns {max(0.0, by_others):.2%}",
            {"column": best, "alone": alone, "others": by_others},
            "find out whether this column is known when the model will be used, or was written "
            "down after the answer was; if so, leave it out",
        )
    ]


def _changes_needed(wanted: Matrix) -> float:
    """What the fewest possible changes between classes take off `told_by_order`."""
    variance = float(((wanted - wanted.mean(axis=0)) ** 2).sum())
    changes = int((wanted.sum(axis=0) > 0).sum()) - 1
    return 2.0 * changes * len(wanted) / (len(wanted) - 1) / (2.0 * variance) if variance else 0.0


def shared_rows(subject: Subject, held: Subject) -> list[Finding]:
    """Validation rows that are among the training rows."""
    if not subject.single or held.rows < 10:
        return []
    train = [row.tobytes() for row in np.ascontiguousarray(subject.x[0])]
    held_x = np.ascontiguousarray(held.x[0].astype(subject.x[0].dtype))
    known = set(train)
    both = np.flatnonzero([row.tobytes() in known for row in held_x])
    share, usual = len(both) / held.rows, 1.0 - len(known) / len(train)
    # Tables of few different values repeat rows by their nature.
    if share < 0.1 or share < 3.0 * usual:
        return []
    return [
        Finding(
            "shared_rows",
            "warning",
            "validation rows",
            f"{len(both)} of {held.rows} validation rows are training rows too; among the training "
            f"rows {usual:.1%} are repetitions",
            {"share": share, "rows": [int(row) for row in both[:50]], "repetitions": usual},
            "take the validation rows out of the training rows: what is known by heart says "
            "nothing about new rows",
        )
    ]


def label_noise(subject: Subject) -> tuple[list[Finding], float | None]:
    """Rows whose nearest neighbours agree on another answer; and what neighbours explain.

    Returns:
        Findings, and the share of the targets' variance that the mean of the nearest neighbours
        explains (None where that cannot be told).
    """
    if not subject.single or subject.rows < FEWEST_ROWS:
        return [], None
    rows = feature_matrix(subject.x[0])
    targets = subject.targets[0]
    wanted = target_matrix(targets, len(subject.class_names))
    around = nearest(rows, NEIGHBOURS)
    means = wanted[around[:, :ANSWERING]].mean(axis=1)
    share = explained(means, wanted)
    if subject.for_classes:
        suspects, sure = _contradicted(targets, wanted[around].sum(axis=1))
    else:
        suspects, sure = _far_off(means - wanted, wanted), subject.rows
    few = FEWER if len(suspects) >= OF_SURE * sure else NOISY_SHARE
    if len(suspects) < max(3.0, few * subject.rows):
        return [], share
    return [
        Finding(
            "label_noise",
            "suspicion",
            f"y, {len(suspects)} rows such as " + ", ".join(str(k) for k in suspects[:5]),
            f"the neighbours of {len(suspects)} of {subject.rows} rows "
            f"({len(suspects) / subject.rows:.1%}) agree on another answer than theirs",
            {"share": len(suspects) / subject.rows, "rows": [int(k) for k in suspects[:50]]},
            "look at these rows and correct their targets; else use label smoothing "
            "(rv.CategoricalCrossEntropy(0.1)), rv.Huber for numbers, or stop early",
        )
    ], share


def _contradicted(targets: Array, votes: Matrix) -> tuple[Array, int]:
    """Rows whose neighbours say another class, if neighbours can tell the classes at all.

    Returns:
        The rows, and how many rows have neighbours that agree.
    """
    labels = targets.astype(np.int64)
    said = votes.argmax(axis=1)
    present = np.unique(labels)
    balanced = np.mean([(said[labels == c] == c).mean() for c in present])
    if len(present) < 2 or balanced < 0.75:
        return np.zeros(0, np.int64), 0
    sure = votes.max(axis=1) >= votes.sum(axis=1) * CONTRADICT / NEIGHBOURS
    return np.flatnonzero(sure & (said != labels)), int(sure.sum())


def _far_off(errors: Matrix, wanted: Matrix) -> Array:
    """Rows whose target lies far from its neighbours', measured by how far targets mostly lie."""
    sizes = np.abs(errors)
    usual = 1.4826 * np.median(sizes, axis=0)
    deviation = wanted.std(axis=0)
    far = (sizes > 6.0 * usual) & (sizes > deviation)
    return np.flatnonzero(far.any(axis=1))
