"""Ranvier's contender: a training program, compiled once, that runs its epochs without Python.

This is the only file of the benchmarks that imports ranvier.
"""

from __future__ import annotations

import time

import ranvier as rv

from contender import Contender, Trained, Workload


def contenders(workload: Workload, threads: int) -> list[Contender]:
    """Return the one form there is; it uses the cores that the process may use."""
    return [RanvierProgram(workload)]


class RanvierProgram:
    """`Sequential(...).training_program(...)`: data as it is, uint8 included, shuffled inside."""

    name = "ranvier"
    tool = "ranvier"

    def __init__(self, workload: Workload) -> None:
        self.workload = workload

    def prepare(self) -> None:
        """Load the data and compile."""
        self.x, self.y = self.workload.load()
        self.steps_an_epoch = len(self.x) // self.workload.batch
        self.reset()

    def reset(self) -> None:
        """Make a new program with the first weights; its code is already compiled."""
        workload = self.workload
        optimizers = {"sgd": rv.SGD, "adam": rv.Adam}
        layers = _layers(workload)
        model = rv.Sequential(*layers)
        model.build((workload.sizes[0],), seed=0)
        first = iter(workload.start())
        for layer in layers:
            for name in ("weight", "bias"):
                if name in layer.values:
                    layer.values[name][...] = next(first)
        self.program = model.training_program(
            self.x,
            self.y,
            loss=workload.loss,
            optimizer=optimizers[workload.optimizer](workload.learning_rate),
            batch_size=workload.batch,
            shuffle=True,
            seed=0,
        )

    def run(self, steps: int) -> Trained:
        """Train `steps` steps."""
        epochs = steps // self.steps_an_epoch
        begin = time.perf_counter()
        history = self.program.run(epochs=epochs)
        seconds = time.perf_counter() - begin
        return Trained(seconds, float(history["loss"][-1]))


def _layers(workload: Workload) -> list[rv.Layer]:
    layers: list[rv.Layer] = [rv.Rescaling(workload.scale)] if workload.scale != 1 else []
    layers += [rv.Dense(units, activation=workload.activation) for units in workload.sizes[1:-1]]
    last = None if workload.output_activation == "linear" else workload.output_activation
    return [*layers, rv.Dense(workload.sizes[-1], activation=last)]


def first_step(workload: Workload) -> None:
    """Do what a new process does until its first step is over."""
    contender = RanvierProgram(workload)
    contender.prepare()
    contender.run(1)


def versions() -> dict[str, str]:
    """Return what was measured."""
    return {"ranvier": str(getattr(rv, "__version__", "from the sources"))}
