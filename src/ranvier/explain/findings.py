"""What the doctor says: findings with their evidence and remedy, and the numbers behind them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

SEVERITIES = ("severe", "warning", "suspicion")

#: All names of findings, causes before what they lead to: this is the order in which they are told.
NAMES = (
    "weights_not_finite",
    "leakage",
    "shared_rows",
    "unscaled_inputs",
    "rate_too_large",
    "batch_too_large",
    "dead_neurons",
    "saturated_neurons",
    "exploding_gradients",
    "vanishing_gradients",
    "updates_too_large",
    "updates_too_small",
    "label_noise",
    "overfitting",
    "underfitting",
)


@dataclass(frozen=True)
class Finding:
    """One thing that ails a model, its data or its training.

    Attributes:
        name: what it is called; one of `NAMES`.
        severity: "severe" (training cannot work like this), "warning", or "suspicion" (only a
            person who knows the data can tell).
        where: layer, column, rows or argument.
        sentence: what was found, with its numbers.
        evidence: the numbers by name.
        remedy: what to do about it.
    """

    name: str
    severity: str
    where: str
    sentence: str
    evidence: Mapping[str, Any]
    remedy: str

    def __str__(self) -> str:
        return "\n".join(
            [
                f"{self.name} ({self.severity}): {self.where}",
                f"  what was found   {self.sentence}",
                f"  what to do       {self.remedy}",
            ]
        )

    def document(self) -> dict[str, Any]:
        """The finding for a JSON document."""
        return {
            "name": self.name, "severity": self.severity, "where": self.where,
            "sentence": self.sentence, "evidence": dict(self.evidence), "remedy": self.remedy,
        }  # fmt: skip


@dataclass(frozen=True)
class LayerReport:
    """What a layer did with the rows that were looked at.

    Attributes:
        number: of the layer.
        description: the layer as it is written.
        mean, deviation: of what it gives.
        idle: the share of its neurons that are dead or saturated; None without an activation that
            can be.
        gradient: the mean norm of a row's gradient, where it enters the layer from behind.
        weight: the root mean square of its weights; None without.
    """

    number: int
    description: str
    mean: float
    deviation: float
    idle: float | None
    gradient: float
    weight: float | None


@dataclass(frozen=True)
class Diagnosis:
    """What the doctor found; printed, it is a page.

    Attributes:
        findings: causes first.
        layers: what every layer did.
        numbers: what was measured of the whole: losses, shares that are explained, and so on.
        rows: how many rows were looked at.
        not_looked_at: what could not be checked, and why.
    """

    findings: tuple[Finding, ...]
    layers: tuple[LayerReport, ...]
    numbers: Mapping[str, float]
    rows: int
    not_looked_at: tuple[str, ...] = field(default=())

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the findings."""
        return tuple(one.name for one in self.findings)

    @property
    def healthy(self) -> bool:
        """Whether nothing was found."""
        return not self.findings

    def __str__(self) -> str:
        lines = ["Nothing was found that ails this model."] if self.healthy else []
        for finding in self.findings:
            lines += [str(finding), ""]
        lines += ["", f"Layers, over {self.rows} rows:"]
        lines += [f"  {line}" for line in _table(self.layers)]
        lines += ["", "Measured:"]
        lines += [f"  {name}: {value:.4g}" for name, value in self.numbers.items()]
        lines += [f"Not looked at: {text}" for text in self.not_looked_at]
        return "\n".join(lines).strip()

    def document(self) -> dict[str, Any]:
        """The diagnosis for a JSON document."""
        return {
            "findings": [one.document() for one in self.findings],
            "layers": [vars(one) for one in self.layers],
            "numbers": dict(self.numbers),
            "rows": self.rows,
            "not_looked_at": list(self.not_looked_at),
        }


def ordered(findings: list[Finding]) -> tuple[Finding, ...]:
    """Findings with causes before what they lead to."""
    return tuple(sorted(findings, key=lambda one: NAMES.index(one.name)))


def _table(layers: tuple[LayerReport, ...]) -> list[str]:
    head = ("layer", "mean", "deviation", "idle", "gradient", "weights")
    rows = [head]
    for one in layers:
        idle = "" if one.idle is None else f"{one.idle:.0%}"
        weight = "" if one.weight is None else f"{one.weight:.3g}"
        title = f"{one.number} {one.description}"[:40]
        numbers = (f"{one.mean:.3g}", f"{one.deviation:.3g}", idle, f"{one.gradient:.3g}", weight)
        rows.append((title, *numbers))
    widths = [max(len(row[k]) for row in rows) for k in range(len(head))]
    return [
        row[0].ljust(widths[0])
        + "".join(f"  {cell:>{width}}" for cell, width in zip(row[1:], widths[1:], strict=True))
        for row in rows
    ]
