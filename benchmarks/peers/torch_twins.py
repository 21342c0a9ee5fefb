"""For every registered thing what a user of PyTorch would write, as tables from names to forms.

PyTorch's own function where there is one, else the operations that make it.
`torch_vocabulary.py` puts them into steps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from vocabulary_things import CLASSES, LENGTH, RATE

Optimizers = Callable[[list[Tensor]], list[torch.optim.Optimizer]]


@dataclass(frozen=True)
class Twin:
    """One form of a thing in PyTorch.

    Attributes:
        written: how it is written, for the table.
        form: what is called, with what the kind of thing reads.
        own: whether PyTorch has it as it is; else it is put together from operations.
        shapes: of the parameters of a layer, for `units` units.
        ones: how many of the parameters begin as ones.
    """

    written: str
    form: Callable[..., Any]
    own: bool = True
    shapes: Callable[[int], list[tuple[int, ...]]] = lambda units: []
    ones: int = 0


def made(written: str, form: Callable[..., Any]) -> Twin:
    """A form that is put together from operations."""
    return Twin(written, form, own=False)


def _vectors(count: int) -> Callable[[int], list[tuple[int, ...]]]:
    return lambda units: [(units,)] * count


class BatchNorm:
    """`F.batch_norm` with running statistics."""

    def __call__(self, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """Normalize a batch, and move the statistics."""
        if not hasattr(self, "mean"):
            self.mean, self.variance = torch.zeros(len(weight)), torch.ones(len(weight))
        return F.batch_norm(x, self.mean, self.variance, weight, bias, training=True)


LAYERS: Mapping[str, Twin] = {
    "Activation": Twin("F.relu", F.relu),
    "AlphaDropout": Twin("F.alpha_dropout", lambda x: F.alpha_dropout(x, 0.2, True)),
    "BatchNorm": Twin("F.batch_norm", BatchNorm(), shapes=_vectors(2), ones=1),
    "Dense": Twin("addmm", lambda x, w, b: torch.addmm(b, x, w), shapes=lambda u: [(u, u), (u,)]),
    "Dropout": Twin("F.dropout", lambda x: F.dropout(x, 0.2, True)),
    "Embedding": Twin("F.embedding", F.embedding),
    "Flatten": Twin("flatten", lambda x: x.flatten(1)),
    "GaussianNoise": made("x + 0.1 randn_like(x)", lambda x: x + 0.1 * torch.randn_like(x)),
    "Lambda": made("x sigmoid(x)", lambda x: x * torch.sigmoid(x)),
    "LayerNorm": Twin(
        "F.layer_norm",
        lambda x, w, b: F.layer_norm(x, w.shape, w, b),
        shapes=_vectors(2),
        ones=1,
    ),
    "LeakyReLU": Twin("F.leaky_relu", F.leaky_relu),
    "PReLU": Twin("F.prelu", F.prelu, shapes=_vectors(1)),
    "Reshape": Twin("reshape, flatten", lambda x: x.reshape(len(x), 16, -1).flatten(1)),
    "Rescaling": made("x / 255", lambda x: x / 255),
    "RMSNorm": Twin(
        "F.rms_norm", lambda x, w: F.rms_norm(x, w.shape, w), shapes=_vectors(1), ones=1
    ),
    "Add": Twin("add", torch.add),
    "Subtract": Twin("sub", torch.sub),
    "Multiply": Twin("mul", torch.mul),
    "Average": made("(a + b) / 2", lambda a, b: (a + b) * 0.5),
    "Maximum": Twin("maximum", torch.maximum),
    "Minimum": Twin("minimum", torch.minimum),
    "Concatenate": Twin("cat", lambda a, b: torch.cat([a, b], 1)),
    "Stack": Twin("stack, flatten", lambda a, b: torch.stack([a, b], 1).flatten(1)),
}

ACTIVATIONS: Mapping[str, Twin] = {
    "linear": Twin("addmm alone", lambda x: x),
    "step": made("(x > 0).float()", lambda x: (x > 0).float()),
    "relu": Twin("F.relu", F.relu),
    "sigmoid": Twin("sigmoid", torch.sigmoid),
    "tanh": Twin("tanh", torch.tanh),
    "gelu": Twin("F.gelu", F.gelu),
    "softmax": Twin("softmax", partial(torch.softmax, dim=1)),
    "log_softmax": Twin("log_softmax", partial(torch.log_softmax, dim=1)),
    "leaky_relu": Twin("F.leaky_relu", F.leaky_relu),
    "elu": Twin("F.elu", F.elu),
    "selu": Twin("F.selu", F.selu),
    "silu": Twin("F.silu", F.silu),
    "mish": Twin("F.mish", F.mish),
    "softplus": Twin("F.softplus", F.softplus),
    "softsign": Twin("F.softsign", F.softsign),
    "hard_sigmoid": Twin("F.hardsigmoid", F.hardsigmoid),
    "exponential": Twin("exp", torch.exp),
    "logarithm": made("sign(x) log1p(abs(x))", lambda x: torch.sign(x) * torch.log1p(x.abs())),
    "sine": Twin("sin", torch.sin),
}


def _binary_focal(o: Tensor, t: Tensor) -> Tensor:
    entropy = F.binary_cross_entropy_with_logits(o, t, reduction="none")
    return ((1 - torch.exp(-entropy)) ** 2 * entropy).mean()


def _categorical_focal(o: Tensor, t: Tensor) -> Tensor:
    entropy = F.cross_entropy(o, t, reduction="none")
    return ((1 - torch.exp(-entropy)) ** 2 * entropy).mean()


def _contrastive(o: Tensor, t: Tensor) -> Tensor:
    distance = (o[:, 0] - o[:, 1]).square().sum(1).sqrt()
    t = t[:, 0]
    return (t * distance.square() + (1 - t) * F.relu(1 - distance).square()).mean() / 2


def _log_cosh(o: Tensor, t: Tensor) -> Tensor:
    off = (o - t).abs()
    return (off + F.softplus(-2 * off) - 0.6931471805599453).mean()


def _quantile(o: Tensor, t: Tensor) -> Tensor:
    off = t - o
    return torch.maximum(0.5 * off, -0.5 * off).mean()


LOSSES: Mapping[str, Twin] = {
    "binary_cross_entropy": Twin(
        "F.binary_cross_entropy_with_logits", F.binary_cross_entropy_with_logits
    ),
    "binary_focal": made("from the entropies", _binary_focal),
    "categorical_cross_entropy": Twin("F.cross_entropy", F.cross_entropy),
    "categorical_focal": made("from the entropies", _categorical_focal),
    "contrastive": made("from the formula", _contrastive),
    "cosine_similarity": Twin(
        "F.cosine_similarity", lambda o, t: 1 - F.cosine_similarity(o, t).mean()
    ),
    "half_squared_error": made("F.mse_loss / 2", lambda o, t: F.mse_loss(o, t) * 0.5),
    "hinge": made("relu(1 - s o)", lambda o, t: F.relu(1 - (2 * t - 1) * o).mean()),
    "huber": Twin("F.huber_loss", F.huber_loss),
    "kl_divergence": Twin(
        "F.kl_div", lambda o, t: F.kl_div(F.log_softmax(o, 1), t, reduction="batchmean")
    ),
    "log_cosh": made("from the formula", _log_cosh),
    "mean_absolute_error": Twin("F.l1_loss", F.l1_loss),
    "mean_squared_error": Twin("F.mse_loss", F.mse_loss),
    "perceptron": made("relu(-s o)", lambda o, t: F.relu((1 - 2 * t) * o).sum(1).mean()),
    "poisson": Twin("F.poisson_nll_loss", F.poisson_nll_loss),
    "quantile": made("max(q d, (q - 1) d)", _quantile),
    "triplet": Twin(
        "F.triplet_margin_loss", lambda o, t: F.triplet_margin_loss(o[:, 0], o[:, 1], o[:, 2])
    ),
}


class Lion(torch.optim.Optimizer):
    """Chen et al., 2023, in the operations that work on many tensors at once."""

    def __init__(self, parameters: Iterable[Tensor], lr: float) -> None:
        super().__init__(parameters, {"lr": lr})
        self.weights = list(self.param_groups[0]["params"])
        self.means = [torch.zeros_like(weight) for weight in self.weights]

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        """One update."""
        gradients = [weight.grad for weight in self.weights]
        directions = torch._foreach_lerp(self.means, gradients, 0.1)
        torch._foreach_sign_(directions)
        torch._foreach_add_(self.weights, directions, alpha=-self.param_groups[0]["lr"])
        torch._foreach_lerp_(self.means, gradients, 0.01)


def _muon(parameters: list[Tensor]) -> list[torch.optim.Optimizer]:
    matrices = [one for one in parameters if one.ndim == 2]
    others = [one for one in parameters if one.ndim != 2]
    return [
        torch.optim.Muon(matrices, lr=RATE),
        torch.optim.AdamW(others, lr=RATE, weight_decay=0.1, fused=True),
    ]


def _forms(kind: Any, *options: str, **arguments: Any) -> list[tuple[str, Optimizers]]:
    """The forms that an optimizer of PyTorch has, each with its name."""
    return [
        (option, lambda p, option=option: [kind(p, **{option: True}, **arguments)])
        for option in options
    ]


_BOTH = ("fused", "foreach")
#: Of each optimizer its forms, of which a trial takes the quickest.
OPTIMIZERS: Mapping[str, tuple[str, bool, list[tuple[str, Optimizers]]]] = {
    "adadelta": ("optim.Adadelta", True, _forms(torch.optim.Adadelta, "foreach")),
    "adagrad": ("optim.Adagrad", True, _forms(torch.optim.Adagrad, *_BOTH, lr=RATE)),
    "adam": ("optim.Adam", True, _forms(torch.optim.Adam, *_BOTH, lr=RATE)),
    "adamax": ("optim.Adamax", True, _forms(torch.optim.Adamax, "foreach", lr=RATE)),
    "adamw": ("optim.AdamW", True, _forms(torch.optim.AdamW, *_BOTH, lr=RATE)),
    "lion": ("foreach operations", False, [("foreach", lambda p: [Lion(p, lr=RATE)])]),
    "muon": ("optim.Muon", True, [("iterates in bfloat16", _muon)]),
    "nadam": ("optim.NAdam", True, _forms(torch.optim.NAdam, "foreach", lr=RATE)),
    "rmsprop": ("optim.RMSprop", True, _forms(torch.optim.RMSprop, "foreach", lr=RATE)),
    "sgd": ("optim.SGD", True, _forms(torch.optim.SGD, *_BOTH, lr=RATE)),
}
LBFGS = "lbfgs"

_rates = torch.optim.lr_scheduler
SCHEDULES: Mapping[str, Twin] = {
    "ConstantSchedule": Twin("a number", lambda optimizer: None),
    "CosineDecay": Twin("CosineAnnealingLR", lambda o: _rates.CosineAnnealingLR(o, LENGTH)),
    "CosineRestarts": Twin(
        "CosineAnnealingWarmRestarts", lambda o: _rates.CosineAnnealingWarmRestarts(o, LENGTH)
    ),
    "ExponentialDecay": Twin("ExponentialLR", lambda o: _rates.ExponentialLR(o, 0.9999)),
    "OneCycle": Twin(
        "OneCycleLR",
        lambda o: _rates.OneCycleLR(o, RATE, total_steps=10 * LENGTH, cycle_momentum=False),
    ),
    "PolynomialDecay": Twin("PolynomialLR", lambda o: _rates.PolynomialLR(o, LENGTH)),
    "StepDecay": Twin("StepLR", lambda o: _rates.StepLR(o, LENGTH, 0.9)),
}

REGULARIZERS: Mapping[str, Twin] = {
    "L1": made("w.abs().sum()", lambda w: 1e-4 * w.abs().sum()),
    "L2": made("w.square().sum()", lambda w: 1e-4 * w.square().sum()),
    "L1L2": made("both sums", lambda w: 1e-4 * (w.abs().sum() + w.square().sum())),
}

CONSTRAINTS: Mapping[str, Twin] = {
    "MaxNorm": Twin("renorm_", lambda w: w.renorm_(2, 1, 2.0)),
    "NonNegative": Twin("clamp_", lambda w: w.clamp_(min=0)),
    "UnitNorm": made("w.div_(norm)", lambda w: w.div_(torch.linalg.vector_norm(w, dim=0))),
}


def _counts(o: Tensor, t: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    found = o.argmax(1)
    both = torch.bincount(t[found == t], minlength=CLASSES)
    return (
        both,
        torch.bincount(found, minlength=CLASSES),
        torch.bincount(t, minlength=CLASSES),
    )


def _precision(o: Tensor, t: Tensor) -> Tensor:
    both, found, _ = _counts(o, t)
    return (both / found.clamp(min=1)).mean()


def _recall(o: Tensor, t: Tensor) -> Tensor:
    both, _, right = _counts(o, t)
    return (both / right.clamp(min=1)).mean()


def _f1(o: Tensor, t: Tensor) -> Tensor:
    both, found, right = _counts(o, t)
    return (2 * both / (found + right).clamp(min=1)).mean()


def _top_k(o: Tensor, t: Tensor) -> Tensor:
    return (o.topk(5, 1).indices == t[:, None]).any(1).float().mean()


def _brier(o: Tensor, t: Tensor) -> Tensor:
    return (torch.softmax(o, 1) - F.one_hot(t, CLASSES)).square().sum(1).mean()


def _r2(o: Tensor, t: Tensor) -> Tensor:
    return (1 - (o - t).square().sum(0) / (t - t.mean(0)).square().sum(0)).mean()


def _ranked(o: Tensor, t: Tensor) -> Tensor:
    return t[o[:, 0].argsort(descending=True)].double()


def _roc_auc(o: Tensor, t: Tensor) -> Tensor:
    wanted = _ranked(o, t)
    total = wanted.sum()
    return (wanted.cumsum(0) * (1 - wanted)).sum() / (total * (len(wanted) - total))


def _average_precision(o: Tensor, t: Tensor) -> Tensor:
    wanted = _ranked(o, t)
    places = torch.arange(1, len(wanted) + 1)
    return (wanted.cumsum(0) / places * wanted).sum() / wanted.sum()


METRICS: Mapping[str, Twin] = {
    "accuracy": made("argmax, ==, mean", lambda o, t: (o.argmax(1) == t).float().mean()),
    "average_precision": made("argsort, cumsum", _average_precision),
    "balanced_accuracy": made("bincount", _recall),
    "brier": made("softmax, one_hot", _brier),
    "f1": made("bincount", _f1),
    "log_loss": Twin("F.cross_entropy", F.cross_entropy),
    "mean_absolute_error": Twin("F.l1_loss", F.l1_loss),
    "mean_absolute_percentage_error": made(
        "from the formula", lambda o, t: ((o - t).abs() / t.abs().clamp(min=1e-7)).mean()
    ),
    "mean_squared_error": Twin("F.mse_loss", F.mse_loss),
    "precision": made("bincount", _precision),
    "r2": made("sums of squares", _r2),
    "recall": made("bincount", _recall),
    "roc_auc": made("argsort, cumsum", _roc_auc),
    "root_mean_squared_error": made("F.mse_loss, sqrt", lambda o, t: F.mse_loss(o, t).sqrt()),
    "top_k_accuracy": made("topk", _top_k),
}
