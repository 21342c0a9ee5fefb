"""PyTorch's contenders: eager with its quickest optimizer form, and the whole step compiled.

Eager: `torch.addmm` on plain parameters (a Module's calls would only add), inputs scaled once
beforehand, optimizer "fused" or "foreach", whichever a short trial finds quicker.
Compiled: one graph for gather, forward, loss, gradients and update (`torch.func.grad_and_value`).
"""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
import torch.nn.functional as functional
from torch import Tensor

from contender import Contender, Trained, Workload

TRIAL_SECONDS = 0.2
BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8


def contenders(workload: Workload, threads: int) -> list[Contender]:
    """Return the forms of PyTorch worth measuring, on `threads` threads."""
    torch.set_num_threads(threads)
    return [TorchEager(workload), TorchCompiled(workload)]


class _Torch:
    """What both forms share: data, first weights, and the loop over shuffled batches."""

    tool = "torch"

    def __init__(self, workload: Workload) -> None:
        self.workload = workload

    def _load(self) -> None:
        x, y = self.workload.load()
        self.x = torch.from_numpy(x).to(torch.float32) * self.workload.scale
        self.y = torch.from_numpy(y)
        self.start = [torch.from_numpy(array) for array in self.workload.start()]
        self.parameters = [tensor.clone() for tensor in self.start]

    def _train(self, step: Callable[[Tensor], Tensor], steps: int) -> Trained:
        rows, batch = len(self.x), self.workload.batch
        epochs = steps * batch // rows
        begin = time.perf_counter()
        for _ in range(epochs):
            total = torch.zeros(())
            for index in torch.split(torch.randperm(rows), batch):
                total += step(index)
        loss = float(total) / (rows // batch)
        return Trained(time.perf_counter() - begin, loss)


class TorchEager(_Torch):
    """Operation by operation, gradients by autograd, the quickest of torch.optim's forms."""

    def __init__(self, workload: Workload) -> None:
        super().__init__(workload)
        self.name = "torch eager"

    def first_step(self) -> None:
        """Load the data and take one step with the fused optimizer."""
        self._load()
        self.form = "fused"
        self.reset()
        self._step(torch.arange(self.workload.batch))

    def prepare(self) -> None:
        """Load the data and choose between the optimizer's two forms."""
        self._load()
        times = {form: self._trial(form) for form in ("fused", "foreach")}
        self.form = min(times, key=lambda form: times[form])
        self.name = f"torch eager, {self.form} {self.workload.optimizer}"
        self.reset()

    def reset(self) -> None:
        """Go back to the first weights and a new optimizer."""
        with torch.no_grad():
            for parameter, first in zip(self.parameters, self.start, strict=True):
                parameter.copy_(first)
                parameter.requires_grad_()
        self.optimizer = self._optimizer(self.form)

    def run(self, steps: int) -> Trained:
        """Train `steps` steps."""
        return self._train(self._step, steps)

    def _step(self, index: Tensor) -> Tensor:
        x, y = self.x.index_select(0, index), self.y.index_select(0, index)
        loss = _loss(self.workload, self.parameters, x, y)
        self.optimizer.zero_grad()
        torch.autograd.backward(loss)
        self.optimizer.step()
        return loss.detach()

    def _optimizer(self, form: str) -> torch.optim.Optimizer:
        rate, fused = self.workload.learning_rate, form == "fused"
        if self.workload.optimizer == "sgd":
            return torch.optim.SGD(self.parameters, lr=rate, fused=fused, foreach=not fused)
        return torch.optim.Adam(
            self.parameters,
            lr=rate,
            betas=(BETA1, BETA2),
            eps=EPSILON,
            fused=fused,
            foreach=not fused,
        )

    def _trial(self, form: str) -> float:
        self.form = form
        self.reset()
        index = torch.arange(self.workload.batch)
        times: list[float] = []
        deadline = time.perf_counter() + TRIAL_SECONDS
        while len(times) < 5 or time.perf_counter() < deadline:
            begin = time.perf_counter()
            self._step(index)
            times.append(time.perf_counter() - begin)
        return min(times)


class TorchCompiled(_Torch):
    """`torch.compile` of the whole step; the weights and moments are updated in place."""

    def __init__(self, workload: Workload) -> None:
        super().__init__(workload)
        self.name = "torch.compile"

    def prepare(self) -> None:
        """Load the data and compile the step."""
        self._load()
        self.moments = [torch.zeros_like(p) for p in self.parameters * 2]
        self.powers = torch.ones(2)
        self.compiled = torch.compile(self._whole_step, fullgraph=True, dynamic=False)
        index = torch.arange(self.workload.batch)
        for _ in range(3):
            self._step(index)
        self.reset()

    def reset(self) -> None:
        """Go back to the first weights and zero moments, in place."""
        for parameter, first in zip(self.parameters, self.start, strict=True):
            parameter.copy_(first)
        for moment in self.moments:
            moment.zero_()
        self.powers.fill_(1)

    def run(self, steps: int) -> Trained:
        """Train `steps` steps."""
        return self._train(self._step, steps)

    def _step(self, index: Tensor) -> Tensor:
        loss: Tensor = self.compiled(
            self.parameters, self.moments, self.powers, self.x, self.y, index
        )
        return loss

    def _whole_step(
        self,
        parameters: list[Tensor],
        moments: list[Tensor],
        powers: Tensor,
        x: Tensor,
        y: Tensor,
        index: Tensor,
    ) -> Tensor:
        rows, targets = x.index_select(0, index), y.index_select(0, index)
        gradients_and_loss = torch.func.grad_and_value(
            lambda values: _loss(self.workload, values, rows, targets)
        )
        gradients: list[Tensor]
        loss: Tensor
        gradients, loss = gradients_and_loss(parameters)
        rate = self.workload.learning_rate
        if self.workload.optimizer == "sgd":
            for parameter, gradient in zip(parameters, gradients, strict=True):
                parameter.sub_(rate * gradient)
            return loss
        powers.mul_(torch.tensor([BETA1, BETA2]))
        scale1, scale2 = 1 / (1 - powers[0]), 1 / (1 - powers[1])
        firsts, seconds = moments[: len(parameters)], moments[len(parameters) :]
        for parameter, gradient, first, second in zip(
            parameters, gradients, firsts, seconds, strict=True
        ):
            first.lerp_(gradient, 1 - BETA1)
            second.lerp_(gradient * gradient, 1 - BETA2)
            parameter.sub_(rate * scale1 * first / ((second * scale2).sqrt() + EPSILON))
        return loss


def _loss(workload: Workload, parameters: list[Tensor], x: Tensor, y: Tensor) -> Tensor:
    activation = torch.relu if workload.activation == "relu" else torch.tanh
    for weight, bias in zip(parameters[:-2:2], parameters[1:-2:2], strict=True):
        x = activation(torch.addmm(bias, x, weight))
    outputs = torch.addmm(parameters[-1], x, parameters[-2])
    if workload.output_activation == "tanh":
        outputs = torch.tanh(outputs)
    if workload.loss == "mse":
        error: Tensor = functional.mse_loss(outputs, y)
        return error
    entropy: Tensor = functional.cross_entropy(outputs, y)
    return entropy


def first_step(workload: Workload) -> None:
    """Do what a new process does until its first step is over, in the form that starts soonest."""
    TorchEager(workload).first_step()


def versions() -> dict[str, str]:
    """Return what was measured: the version and the vector instructions that torch says it uses."""
    return {
        "torch": torch.__version__,
        "instruction set": torch.backends.cpu.get_cpu_capability(),
    }
