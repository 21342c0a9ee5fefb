"""PyTorch's side of `vocabulary.py`: eager steps on plain tensors, made from `torch_twins.py`.

The loop is that of `torch_peer.py`: shuffled order, gathered rows, forward pass, loss, gradients,
update. Where an optimizer has several forms, a short trial takes the quickest.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from peers import torch_twins as twins
from vocabulary_things import (
    CLASSES,
    DEPTH,
    FEATURES,
    FIRST,
    MERGES,
    RATE,
    SCORED,
    SCORED_LOSS,
    TARGETS,
    TOKENS,
    WORDS,
    Data,
    Run,
    first_weights,
    points,
)

TRIAL_EPOCHS = 5

Function = Callable[..., Tensor]


@dataclass(frozen=True)
class Theirs:
    """PyTorch's side of a row.

    Attributes:
        written: how the thing is written in PyTorch.
        own: whether PyTorch has it as it is.
        run: steps of it.
    """

    written: str
    own: bool
    run: Run


def tensor(data: Data, name: str) -> Tensor:
    """An array of the data, without a copy; classes as PyTorch wants them."""
    found = torch.from_numpy(data[name])
    return found.long() if found.dtype == torch.int32 else found


def weights(*shapes: tuple[int, ...]) -> list[Tensor]:
    """Parameters: matrices random, vectors 0."""
    found = [
        torch.randn(shape) / shape[0] ** 0.5 if len(shape) > 1 else torch.zeros(shape)
        for shape in shapes
    ]
    return [one.requires_grad_() for one in found]


def training(
    data: Data,
    x: str,
    y: str,
    parameters: list[Tensor],
    loss: Function,
    optimizers: twins.Optimizers,
    after: Callable[[], object] = lambda: None,
) -> Run:
    """The loop over shuffled batches.

    Args:
        data: of all rows.
        x: name of the examples.
        y: name of the targets.
        parameters: what is trained.
        loss: of a batch's examples and targets.
        optimizers: makes what updates the parameters.
        after: called after each update.
    """
    inputs, targets, batch = tensor(data, x), tensor(data, y), data.size.batch
    working = optimizers(parameters)

    def step(index: Tensor) -> Tensor:
        error = loss(inputs.index_select(0, index), targets.index_select(0, index))
        for optimizer in working:
            optimizer.zero_grad()
        torch.autograd.backward(error)
        for optimizer in working:
            optimizer.step()
        after()
        return error.detach()

    def run(steps: int) -> float:
        begin = time.perf_counter()
        for _ in range(steps // data.size.steps):
            total = torch.zeros(())
            for index in torch.split(torch.randperm(len(inputs)), batch):
                total += step(index)
            float(total)
        return time.perf_counter() - begin

    return run


def quickest(size_steps: int, runs: Sequence[tuple[str, Run]]) -> tuple[str, Run]:
    """The form that a short trial finds quickest, with its name."""
    times = []
    for _, run in runs:
        run(size_steps)
        times.append(run(TRIAL_EPOCHS * size_steps))
    return runs[times.index(min(times))]


def with_sgd(
    data: Data, x: str, y: str, parameters: list[Tensor], loss: Function,
    after: Callable[[], object] = lambda: None,
) -> Run:  # fmt: skip
    """Training with SGD in its quicker form."""
    forms = twins.OPTIMIZERS["sgd"][2]
    runs = [(name, training(data, x, y, parameters, loss, form, after)) for name, form in forms]
    return quickest(data.size.steps, runs)[1]


def classify(network: Function) -> Function:
    """The cross-entropy of what a network gives."""
    return lambda x, y: F.cross_entropy(network(x), y)


def layer(name: str, data: Data) -> Theirs:
    """A step of a network with the layer in it."""
    twin, units = twins.LAYERS[name], data.size.units
    if name == "Embedding":
        return _embedding(data)
    if name in MERGES:
        return _merge(name, data)
    w1, b1, w2, b2, *own = parameters = weights(
        (units, units), (units,), (units, CLASSES), (CLASSES,), *twin.shapes(units)
    )
    with torch.no_grad():
        for parameter in own[: twin.ones]:
            parameter.fill_(1.0)

    def between(x: Tensor) -> Tensor:
        return torch.addmm(b2, twin.form(torch.addmm(b1, x, w1), *own), w2)

    def first(x: Tensor) -> Tensor:
        return torch.addmm(b2, torch.addmm(b1, twin.form(x), w1), w2)

    x = FIRST[name][0] if name in FIRST else "numbers"
    loss = classify(first if name in FIRST else between)
    return Theirs(twin.written, twin.own, with_sgd(data, x, "classes", parameters, loss))


def _embedding(data: Data) -> Theirs:
    runs = []
    for sparse in (False, True):
        table, w, b = parameters = weights((WORDS, DEPTH), (TOKENS * DEPTH, CLASSES), (CLASSES,))

        def network(x: Tensor, table: Tensor = table, w: Tensor = w, b: Tensor = b,
                    sparse: bool = sparse) -> Tensor:  # fmt: skip
            return torch.addmm(b, F.embedding(x, table, sparse=sparse).flatten(1), w)

        # Sparse gradients go with neither the fused nor the foreach form.
        form = partial(_sgd, fused=not sparse)
        run = training(data, "words", "classes", parameters, classify(network), form)
        runs.append((f"F.embedding(sparse={sparse})", run))
    written, run = quickest(data.size.steps, runs)
    return Theirs(written, True, run)


def _sgd(parameters: list[Tensor], fused: bool) -> list[torch.optim.Optimizer]:
    return [torch.optim.SGD(parameters, lr=RATE, fused=fused)]


def _merge(name: str, data: Data) -> Theirs:
    twin, units = twins.LAYERS[name], data.size.units
    joined = 2 * units if name in ("Concatenate", "Stack") else units
    w1, b1, w2, b2, w3, b3 = parameters = weights(
        (units, units), (units,), (units, units), (units,), (joined, CLASSES), (CLASSES,)
    )

    def network(x: Tensor) -> Tensor:
        both = torch.addmm(b1, x, w1), torch.addmm(b2, x, w2)
        return torch.addmm(b3, twin.form(*both), w3)

    run = with_sgd(data, "numbers", "classes", parameters, classify(network))
    return Theirs(twin.written, twin.own, run)


def two_layers(units: int) -> tuple[list[Tensor], Callable[[Function], Function]]:
    """The parameters of `Dense(units), Dense(10)`, and its loss with a function in between."""
    w1, b1, w2, b2 = parameters = weights((units, units), (units,), (units, CLASSES), (CLASSES,))

    def loss_with(function: Function) -> Function:
        return classify(lambda x: torch.addmm(b2, function(torch.addmm(b1, x, w1)), w2))

    return parameters, loss_with


def activation(name: str, data: Data) -> Theirs:
    """A step of `Dense(units), activation, Dense(10)`."""
    twin = twins.ACTIVATIONS[name]
    parameters, loss_with = two_layers(data.size.units)
    run = with_sgd(data, "numbers", "classes", parameters, loss_with(twin.form))
    return Theirs(twin.written, twin.own, run)


def loss(name: str, data: Data) -> Theirs:
    """A step of one `Dense(units)` with the loss on its outputs."""
    twin, units, shape = twins.LOSSES[name], data.size.units, points(name, data.size)
    outputs = shape[0] * shape[1] if shape else units
    w, b = parameters = weights((units, outputs), (outputs,))

    def whole(x: Tensor, y: Tensor) -> Tensor:
        out = torch.addmm(b, x, w)
        error: Tensor = twin.form(out.unflatten(1, shape) if shape else out, y)
        return error

    run = with_sgd(data, "numbers", TARGETS[name], parameters, whole)
    return Theirs(twin.written, twin.own, run)


def perceptron(units: int) -> tuple[list[Tensor], Function]:
    """The network of optimizers and schedules: its parameters and its loss."""
    w1, b1, w2, b2, w3, b3 = parameters = weights(
        (units, units), (units,), (units, units), (units,), (units, CLASSES), (CLASSES,)
    )

    def network(x: Tensor) -> Tensor:
        hidden = torch.relu(torch.addmm(b1, x, w1))
        return torch.addmm(b3, torch.relu(torch.addmm(b2, hidden, w2)), w3)

    return parameters, classify(network)


def optimizer(name: str, data: Data) -> Theirs:
    """A step of a perceptron with two hidden layers; of L-BFGS an iteration over all rows."""
    if name == twins.LBFGS:
        return Theirs("optim.LBFGS, strong_wolfe", True, _lbfgs(data))
    written, own, forms = twins.OPTIMIZERS[name]
    runs = []
    for form_name, form in forms:
        parameters, error = perceptron(data.size.units)
        runs.append((form_name, training(data, "numbers", "classes", parameters, error, form)))
    form_name, run = quickest(data.size.steps, runs)
    return Theirs(f"{written}, {form_name}", own, run)


def _lbfgs(data: Data) -> Run:
    x, y = tensor(data, "numbers"), tensor(data, "classes")

    def run(steps: int) -> float:
        parameters, error = perceptron(data.size.units)
        with torch.no_grad():
            for parameter, first in zip(parameters, first_weights(data.size), strict=True):
                parameter.copy_(torch.from_numpy(first))
        driver = torch.optim.LBFGS(
            parameters, max_iter=steps, history_size=10, tolerance_grad=0.0,
            tolerance_change=0.0, max_eval=25 * steps, line_search_fn="strong_wolfe",
        )  # fmt: skip

        def closure() -> Tensor:
            driver.zero_grad()
            found = error(x, y)
            torch.autograd.backward(found)
            return found

        begin = time.perf_counter()
        driver.step(closure)
        return time.perf_counter() - begin

    return run


def schedule(name: str, data: Data) -> Theirs:
    """A step of the perceptron with SGD and a rate that moves after each step."""
    twin = twins.SCHEDULES[name]
    runs = []
    for form_name, form in twins.OPTIMIZERS["sgd"][2]:
        parameters, error = perceptron(data.size.units)
        moving: list[object] = []

        def make(
            p: list[Tensor], form: twins.Optimizers = form, moving: list[object] = moving
        ) -> list[torch.optim.Optimizer]:
            found = form(p)
            moving.append(twin.form(found[0]))
            return found

        def after(moving: list[object] = moving) -> None:
            if moving[0] is not None:
                moving[0].step()

        run = training(data, "numbers", "classes", parameters, error, make, after)
        runs.append((form_name, run))
    return Theirs(twin.written, twin.own, quickest(data.size.steps, runs)[1])


def regularizer(name: str, data: Data) -> Theirs:
    """A step of `Dense(units), Dense(10)` with a penalty on the first weights."""
    twin = twins.REGULARIZERS[name]
    parameters, loss_with = two_layers(data.size.units)
    plain = loss_with(lambda x: x)
    run = with_sgd(
        data, "numbers", "classes", parameters,
        lambda x, y: plain(x, y) + twin.form(parameters[0]),
    )  # fmt: skip
    return Theirs(twin.written, twin.own, run)


def constraint(name: str, data: Data) -> Theirs:
    """A step of `Dense(units), Dense(10)` with the first weights put back after the update."""
    twin = twins.CONSTRAINTS[name]
    parameters, loss_with = two_layers(data.size.units)

    def after() -> None:
        with torch.no_grad():
            twin.form(parameters[0])

    run = with_sgd(data, "numbers", "classes", parameters, loss_with(lambda x: x), after)
    return Theirs(twin.written, twin.own, run)


def metric(name: str, data: Data) -> Theirs:
    """An epoch of `Dense(10)` on 16 features: one step, then loss and metric on 8,192 rows."""
    twin, (target, outputs) = twins.METRICS[name], SCORED[name]
    x, y = tensor(data, "scored"), tensor(data, target)
    error = twins.LOSSES[SCORED_LOSS[target]].form
    loss = (lambda o, t: error(o[:, 0], t.float())) if target == "scored_labels" else error
    streams = target != "scored_labels"  # the others are not computed on training rows
    w, b = parameters = weights((FEATURES, outputs), (outputs,))
    optimizer = torch.optim.SGD(parameters, lr=RATE, fused=True)

    def epoch() -> None:
        index = torch.randperm(data.size.batch)
        found, targets = torch.addmm(b, x.index_select(0, index), w), y.index_select(0, index)
        batch_loss = loss(found, targets)
        optimizer.zero_grad()
        torch.autograd.backward(batch_loss)
        optimizer.step()
        with torch.no_grad():
            float(batch_loss)
            if streams:
                float(twin.form(found, targets))
            found = torch.addmm(b, x, w)
            float(loss(found, y))
            float(twin.form(found, y))

    def run(steps: int) -> float:
        begin = time.perf_counter()
        for _ in range(steps):
            epoch()
        return time.perf_counter() - begin

    return Theirs(twin.written, twin.own, run)


#: For each kind of thing, what makes PyTorch's side, and the names that it can make.
KINDS: dict[str, tuple[Callable[[str, Data], Theirs], frozenset[str]]] = {
    "layer": (layer, frozenset(twins.LAYERS)),
    "activation": (activation, frozenset(twins.ACTIVATIONS)),
    "loss": (loss, frozenset(twins.LOSSES)),
    "optimizer": (optimizer, frozenset([*twins.OPTIMIZERS, twins.LBFGS])),
    "schedule": (schedule, frozenset(twins.SCHEDULES)),
    "regularizer": (regularizer, frozenset(twins.REGULARIZERS)),
    "constraint": (constraint, frozenset(twins.CONSTRAINTS)),
    "metric": (metric, frozenset(twins.METRICS)),
}
