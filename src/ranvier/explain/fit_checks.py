"""How well the model has learnt: too little, or by heart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ranvier.explain.findings import Finding
from ranvier.explain.neighbours import Matrix, explained, target_matrix
from ranvier.explain.passes import row_loss_function, row_losses
from ranvier.explain.subject import Array, Subject

#: How much more of the targets neighbours must explain than the model.
LESS_THAN_NEIGHBOURS = 0.3
#: How far the validation loss must lie above the training loss, in losses of the constant answer.
GAP = 0.25


def constant_loss(subject: Subject) -> float | None:
    """The mean loss of the best constant answer; None for several outputs.

    For classes the answer is their shares, for numbers their mean.
    """
    if not subject.single:
        return None
    target, network, loss = subject.targets[0], subject.network, subject.losses[0]
    shape, last = network.output_shape, network.last_activation
    logits = loss.takes_logits(last) or last not in ("softmax", "sigmoid")
    if subject.for_classes:
        classes = len(subject.class_names)
        counts = np.bincount(target.astype(np.int64), minlength=classes) + 1e-3
        shares = counts / counts.sum()
        if shape == (1,):
            answer = np.array([np.log(shares[1] / shares[0]) if logits else shares[1]])
        else:
            answer = np.log(shares) if logits else shares
    else:
        mean = np.asarray(target, np.float64).mean(axis=0)
        inside = np.clip(mean, 1e-6, 1.0 - 1e-6)
        # Cross-entropy of numbers from 0 to 1 reads logits.
        answer = np.log(inside / (1.0 - inside)) if loss.logits_of == "sigmoid" else mean
    function, goals = row_loss_function(network, subject.targets, subject.losses)
    outputs = np.broadcast_to(answer, (subject.rows, *shape)).astype(network.dtype)
    with np.errstate(all="ignore"):
        rows = np.asarray(function(outputs, *goals))
    found = float(np.mean(rows, dtype=np.float64))
    return found if np.isfinite(found) and found > 0.0 else None


def answers(subject: Subject) -> Matrix:
    """What the model answers, beside `target_matrix`: probabilities of classes, or numbers."""
    x = subject.x[0]
    if subject.for_classes:
        return np.asarray(subject.model.predict_proba(x, engine="reference"), np.float64)
    found = np.asarray(subject.model.predict(x, engine="reference"), np.float64)
    return found.reshape(len(found), -1)


def underfitting(
    subject: Subject, by_neighbours: float | None
) -> tuple[list[Finding], float | None]:
    """Whether the model explains far less than the nearest neighbours of each row do.

    Args:
        subject: the model and rows.
        by_neighbours: what they explain; None if that is not known.

    Returns:
        Findings, and what the model explains.
    """
    if not subject.single:
        return [], None
    wanted = target_matrix(subject.targets[0], len(subject.class_names))
    found = answers(subject)
    if found.shape != wanted.shape:
        return [], None
    by_model = explained(found, wanted)
    # Where neighbours tell nothing there may be nothing to learn.
    if by_neighbours is None or by_neighbours - max(0.0, by_model) < LESS_THAN_NEIGHBOURS:
        return [], by_model
    return [
        Finding(
            "underfitting",
            "warning",
            "the model",
            f"it explains {max(0.0, by_model):.1%} of the targets' variance, the nearest "
            f"neighbours of each row {by_neighbours:.1%}",
            {"model": by_model, "neighbours": by_neighbours},
            "train longer, with a better rate, take more neurons or layers, or less dropout and "
            "smaller penalties",
        )
    ], by_model


def overfitting(
    subject: Subject,
    held: Subject | None,
    history: Mapping[str, Sequence[float]] | None,
    unit: float | None,
) -> list[Finding]:
    """Whether the model knows the training rows by heart.

    Args:
        subject: the model and training rows.
        held: the model and validation rows, or None.
        history: of the training, or None.
        unit: the loss of the best constant answer.
    """
    if unit is None:
        return []
    if held is not None:
        return _on_rows(_losses(subject), _losses(held), unit)
    if history is not None and len(history.get("val_loss", ())) >= 5:
        return _in_history(history, unit)
    return []


def _losses(subject: Subject) -> Array:
    network = subject.network
    found = row_losses(network, subject.x, subject.targets, subject.losses)
    return found.astype(np.float64)


def _on_rows(own: Array, other: Array, unit: float) -> list[Finding]:
    train, held = float(own.mean()), float(other.mean())
    error = float(np.hypot(own.std() / len(own) ** 0.5, other.std() / len(other) ** 0.5))
    gap = held - train
    if gap < GAP * unit or gap < 3.0 * error or train > 0.5 * held:
        return []
    return [
        _by_heart(
            f"the loss of the validation rows is {held:.4g}, of the training rows {train:.4g} "
            f"(the best constant answer has {unit:.4g})",
            {"training": train, "validation": held, "error": error},
        )
    ]


def _in_history(history: Mapping[str, Sequence[float]], unit: float) -> list[Finding]:
    held, own = np.asarray(history["val_loss"]), np.asarray(history["loss"])
    tail = max(1, len(held) // 10)
    last, best = float(held[-tail:].mean()), int(np.nanargmin(held))
    train = float(own[-tail:].mean())
    risen = last - float(held[best])
    if risen < 0.5 * GAP * unit or last - train < GAP * unit or own[best] <= train:
        return []
    return [
        _by_heart(
            f"the validation loss was lowest in epoch {best + 1} ({held[best]:.4g}) and rose to "
            f"{last:.4g}, while the training loss fell to {train:.4g}",
            {"best_epoch": best, "best": float(held[best]), "last": last, "training": train},
        )
    ]


def _by_heart(sentence: str, evidence: Mapping[str, float]) -> Finding:
    return Finding(
        "overfitting",
        "warning",
        "the model",
        sentence,
        evidence,
        "stop earlier (rv.EarlyStopping), take more rows, fewer neurons, rv.Dropout, or a penalty "
        "(kernel_regularizer=rv.L2(1e-4))",
    )


def history_findings(
    history: Mapping[str, Sequence[float]] | None, unit: float | None
) -> list[Finding]:
    """What the losses of a training say of its rate, where no trial was made."""
    losses = np.asarray([] if history is None else history.get("loss", []), np.float64)
    if len(losses) < 3 or unit is None:
        return []
    lowest, last = float(np.nanmin(losses)), float(losses[-1])
    if np.isfinite(last) and last <= lowest + 0.5 * unit:
        return []
    return [
        Finding(
            "rate_too_large",
            "severe",
            "history",
            f"the loss was {lowest:.4g} in epoch {int(np.nanargmin(losses)) + 1} and is {last:.4g} "
            f"at the end (the best constant answer has {unit:.4g})",
            {"lowest": lowest, "last": last},
            "use a smaller learning rate; give doctor(..., optimizer=...) to have it tried",
        )
    ]
