"""Signals and gradients, layer by layer: dead and saturated neurons, what vanishes or explodes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ranvier.explain.findings import Finding, LayerReport
from ranvier.explain.passes import CallRecord, RecordedPass, is_staged, own_parameters, pulled_back
from ranvier.explain.subject import Array
from ranvier.layers.activations import activate, activation_name
from ranvier.layers.neuron import reads_whole_rows
from ranvier.networks.network import Network

#: A neuron is idle if its activation's slope is below this share of the steepest slope ...
FLAT = 0.05
#: ... for this share of the rows (a dead one: for all rows).
NEARLY_ALL = 0.9
#: More than this share of a layer's neurons must be idle.
IDLE_SHARE = 0.5
#: How far the gradients' norms of two layers may lie apart.
FAR_APART = 1e3
#: Where an activation counts as flat, for finding out which kind it is.
FAR_OUT = 30.0


@dataclass(frozen=True)
class Idle:
    """The neurons of a layer that hardly let anything through.

    Attributes:
        kind: "dead" (the activation is flat on one side) or "saturated" (on both).
        neurons: their numbers.
        share: of the layer's neurons.
        activation: its name.
    """

    kind: str
    neurons: tuple[int, ...]
    share: float
    activation: str


def idle_neurons(record: CallRecord) -> Idle | None:
    """Which neurons of a layer are idle; None for a layer whose activation cannot be."""
    activation = getattr(record.layer, "activation", None)
    if activation is None or record.net_inputs is None or not is_staged(record.layer):
        return None
    if not record.outputs or reads_whole_rows(activation):
        return None
    dtype = record.net_inputs.dtype
    probe = np.array([-FAR_OUT, FAR_OUT, *np.linspace(-4.0, 4.0, 33)], dtype)
    slopes = np.abs(_slopes(activation, probe))
    steepest = float(slopes[2:].max())
    flat_ends = [bool(slope <= 1e-3 * steepest) for slope in slopes[:2]]
    if steepest == 0.0 or not any(flat_ends):
        return None
    kind = "saturated" if all(flat_ends) else "dead"
    flat = (
        np.abs(_slopes(activation, record.net_inputs))
        <= (FLAT if kind == "saturated" else 1e-3) * steepest
    )
    # A neuron is the last axis; positions of a picture or of time are rows of it.
    by_neuron = flat.reshape(-1, flat.shape[-1]).mean(axis=0)
    idle = np.flatnonzero(by_neuron >= (NEARLY_ALL if kind == "saturated" else 1.0))
    share = len(idle) / flat.shape[-1]
    return Idle(kind, tuple(int(k) for k in idle), share, activation_name(activation) or "")


def _slopes(activation: Any, net_inputs: Array) -> Array:
    ones = np.ones_like(net_inputs)
    found = pulled_back(lambda z: activate(activation, z), [net_inputs], [ones])[0]
    return ones if found is None else found


def idle_findings(found: RecordedPass, unlearnt: float) -> list[Finding]:
    """Layers most of whose neurons are dead or saturated.

    Args:
        found: a pass of many rows.
        unlearnt: the loss over that of the best constant answer. A network that has learnt its
            task may be saturated: its neurons are sure.
    """
    findings = []
    for record in found.calls:
        idle = idle_neurons(record)
        if idle is None or idle.share <= IDLE_SHARE:
            continue
        if idle.kind == "saturated" and unlearnt < 0.25:
            continue
        count = len(idle.neurons)
        units = round(count / idle.share)
        evidence = {"share": idle.share, "neurons": list(idle.neurons[:50]), "units": units}
        if idle.kind == "dead":
            findings.append(
                Finding(
                    "dead_neurons",
                    "severe" if count == units else "warning",
                    record.title,
                    f"{count} of {units} neurons have an activation ({idle.activation}) without "
                    "slope for every row: no gradient reaches their weights, they cannot learn",
                    evidence,
                    "use a smaller learning rate, start biases at 0 and weights with he_normal, "
                    "or take leaky_relu; train from new weights, dead neurons stay dead",
                )
            )
        else:
            findings.append(
                Finding(
                    "saturated_neurons",
                    "warning",
                    record.title,
                    f"{count} of {units} neurons lie where {idle.activation} is flat for at least "
                    f"{NEARLY_ALL:.0%} of the rows: hardly any gradient passes",
                    evidence,
                    "scale the inputs, start from smaller weights (glorot_uniform), use a smaller "
                    "learning rate or put a LayerNorm or BatchNorm in front; or take relu",
                )
            )
    return findings


def row_norms(gradient: Array) -> float:
    """The mean over the rows of the norm of a row's gradient, as of its own loss."""
    flat = gradient.reshape(len(gradient), -1).astype(np.float64)
    return float(np.linalg.norm(flat, axis=1).mean()) * len(gradient)


def gradient_findings(found: RecordedPass) -> list[Finding]:
    """Gradients that get lost, or grow without bound, between the last and another layer."""
    learning = [r for r in found.calls if r.gradients and r.arriving is not None]
    norms = [row_norms(r.arriving) for r in learning if r.arriving is not None]
    if len(norms) < 2 or norms[-1] == 0.0:
        return []
    findings = []
    low, high = int(np.argmin(norms)), int(np.argmax(norms))
    by_layer = {r.title: norm for r, norm in zip(learning, norms, strict=True)}
    last = learning[-1].title
    if norms[high] > FAR_APART * norms[-1]:
        factor = norms[high] / norms[-1]
        findings.append(
            Finding(
                "exploding_gradients",
                "severe",
                learning[high].title,
                f"a row's gradient is {factor:.3g} times as large here ({norms[high]:.3g}) as at "
                f"{last} ({norms[-1]:.3g}): it grows from layer to layer on its way back",
                {"factor": factor, "norms": by_layer},
                "start from smaller weights (glorot_uniform, he_normal for relu), put LayerNorm or "
                "BatchNorm between the layers, or clip: fit(..., clip_norm=1.0)",
            )
        )
    if norms[low] * FAR_APART < norms[-1]:
        factor = norms[low] / norms[-1]
        findings.append(
            Finding(
                "vanishing_gradients",
                "severe",
                learning[low].title,
                f"a row's gradient is {factor:.3g} times that at {last} here ({norms[low]:.3g} of "
                f"{norms[-1]:.3g}): the first layers hardly learn",
                {"factor": factor, "norms": by_layer},
                "use relu with he_normal in place of sigmoid or tanh, fewer layers, LayerNorm or "
                "BatchNorm, or connections around layers (rv.Add)",
            )
        )
    return findings


def layer_reports(network: Network, found: RecordedPass) -> tuple[LayerReport, ...]:
    """One line a layer."""
    reports = []
    for record in found.calls:
        given = record.outputs[0] if record.outputs else record.net_inputs
        values = np.asarray(given, np.float64)
        own = own_parameters(network.parameters, record.number)
        idle = idle_neurons(record)
        arriving = record.arriving
        reports.append(
            LayerReport(
                record.number,
                record.layer.describe(),
                float(values.mean()),
                float(values.std()),
                None if idle is None else idle.share,
                0.0 if arriving is None else row_norms(arriving),
                float(np.sqrt(np.mean(own["weight"].astype(np.float64) ** 2)))
                if "weight" in own
                else None,
            )
        )
    return tuple(reports)
