"""The doctor: looks at a model, its data and its training, and names what ails them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ranvier.explain.data_checks import label_noise, leakage, shared_rows, unscaled_inputs
from ranvier.explain.findings import Diagnosis, Finding, ordered
from ranvier.explain.fit_checks import (
    constant_loss,
    history_findings,
    overfitting,
    underfitting,
)
from ranvier.explain.passes import recorded_pass
from ranvier.explain.signals import gradient_findings, idle_findings, layer_reports
from ranvier.explain.subject import ModelLike, Subject, subject_of
from ranvier.explain.trial import trial_findings
from ranvier.foundation.errors import ArgumentError
from ranvier.layers.arguments import one_of, whole_number
from ranvier.optimizers import OptimizerLike, resolve

#: Validation rows that are looked at.
HELD_ROWS = 2000


def doctor(
    model: ModelLike,
    x: object,
    y: object,
    *,
    validation: tuple[object, object] | None = None,
    history: Mapping[str, Sequence[float]] | None = None,
    optimizer: OptimizerLike | None = None,
    batch_size: int | None = 32,
    rows: int = 1000,
    seed: int = 0,
    engine: str = "native",
) -> Diagnosis:
    """Look for what ails a model, its data or its training; the model stays as it is.

    Without more it looks at signals and gradients of every layer (dead and saturated neurons,
    vanishing and exploding gradients), at the inputs (scale, columns that give the answer away), at
    the targets (labels that all neighbours contradict) and at how much was learnt. With validation
    rows or a history it looks for overfitting; with an optimizer it trains a copy for some steps,
    to see what its rate and the batch size do.

    **Shapes** ``x: (N, ...), y: (N,)`` or ``(N, outputs)``

    Args:
        model: built; trained or not.
        x, y: rows, as for `fit`.
        validation: ``(x, y)`` of rows that were not trained on.
        history: of the training.
        optimizer: to be tried, a name or an Optimizer; None: no trial.
        batch_size: to be tried with it; None: all rows.
        rows: how many are looked at, chosen by the seed.
        seed: of that choice and of the trial.
        engine: of the trial, "native" or "reference".

    Returns:
        Findings with evidence and remedy; ``print`` them, or ask for ``.names``.

    Raises:
        NotBuiltError: before the first fit or build.
        RanvierError: rows or arguments that cannot be used.

    Example:
        >>> import numpy as np, ranvier as rv
        >>> x = np.random.default_rng(0).standard_normal((200, 3))
        >>> y = (x[:, 0] * x[:, 1] > 0).astype(int)
        >>> model = rv.Sequential(rv.Dense(8, activation="relu"), rv.Dense(2)).build((3,))
        >>> model.layers[0].bias[:] = -20.0
        >>> rv.explain.doctor(model, x, y).findings[0].name
        'dead_neurons'
    """
    whole_number("doctor", "rows", rows, low=2)
    whole_number("doctor", "seed", seed, low=0, high=2**63 - 1)
    one_of("doctor", "engine", engine, ("native", "reference"))
    if batch_size is not None:
        whole_number("doctor", "batch_size", batch_size)
    everything = subject_of("doctor", model, x, y)
    subject = everything.sample(rows, seed)
    held = _held(model, validation, seed)
    broken = _not_finite(subject)
    if broken:
        return Diagnosis(tuple(broken), (), {}, subject.rows, ("all else: weights come first",))
    unit = constant_loss(subject)
    findings, numbers = _of_data(subject, everything, held, seed)
    with np.errstate(all="ignore"):
        found = recorded_pass(subject.network, subject.x, subject.targets, subject.losses)
        numbers = {"loss": float(found.loss)} | numbers
        unlearnt = 1.0 if unit is None else float(found.loss) / unit
        findings += idle_findings(found, unlearnt) + gradient_findings(found)
        layers = layer_reports(subject.network, found)
    if unit is not None:
        numbers["loss of the best constant answer"] = unit
    findings += overfitting(subject, held, history, unit)
    skipped = []
    if optimizer is None:
        findings += history_findings(history, unit)
        skipped.append("learning rate, batch size and updates: give an optimizer to be tried")
    else:
        size = everything.rows if batch_size is None else batch_size
        scale = float(found.loss) if unit is None else unit
        tried, measured = trial_findings(
            everything.sample(max(rows, 2 * size), seed),
            resolve(optimizer),
            size,
            scale,
            seed,
            engine,
        )
        findings, numbers = findings + tried, numbers | measured
    if held is None and history is None:
        skipped.append("overfitting: give validation=(X, y) or history")
    if not subject.single:
        skipped.append("leakage, label noise and underfitting: several inputs or outputs")
    return Diagnosis(ordered(findings), layers, numbers, subject.rows, tuple(skipped))


def _of_data(
    subject: Subject, everything: Subject, held: Subject | None, seed: int
) -> tuple[list[Finding], dict[str, float]]:
    """What the rows say, and how much of them the model has learnt."""
    findings = unscaled_inputs(subject) + leakage(subject, seed)
    if held is not None:
        findings += shared_rows(everything, held)
    noisy, by_neighbours = label_noise(subject)
    under, by_model = underfitting(subject, by_neighbours)
    numbers = {}
    if by_model is not None:
        numbers["explained by the model"] = by_model
    if by_neighbours is not None:
        numbers["explained by nearest neighbours"] = by_neighbours
    return findings + noisy + under, numbers


def _held(model: ModelLike, validation: object, seed: int) -> Subject | None:
    if validation is None:
        return None
    if not isinstance(validation, tuple | list) or len(validation) != 2:
        raise ArgumentError(
            "doctor: the argument validation is not understood.",
            happened=f"it is a {type(validation).__name__}",
            needed="a pair (X, y) of rows that were not trained on",
            fix="write validation=(X_val, y_val)",
        )
    return subject_of("doctor", model, validation[0], validation[1]).sample(HELD_ROWS, seed)


def _not_finite(subject: Subject) -> list[Finding]:
    bad = {n: a for n, a in subject.network.parameters.items() if not np.isfinite(a).all()}
    if not bad:
        return []
    name = next(iter(bad))
    count = int((~np.isfinite(bad[name])).sum())
    return [
        Finding(
            "weights_not_finite",
            "severe",
            name,
            f"{count} of {bad[name].size} numbers of {name} are no finite numbers"
            + (f", and {len(bad) - 1} more parameters have such numbers" if len(bad) > 1 else ""),
            {"parameters": list(bad)},
            "build the model anew (model.build(...)) and train with a smaller learning rate",
        )
    ]
