"""`model.training_plan`: the loop as it will run, and that it says what really runs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import ranvier as rv
from ranvier.foundation.errors import ArgumentError

X = np.random.default_rng(0).normal(size=(150, 4))
Y = (X[:, 0] > 0).astype(int)


def model() -> rv.Sequential:
    return rv.Sequential(
        rv.Dense(8, activation="relu", kernel_regularizer=rv.L2(0.01)), rv.Dropout(0.2), rv.Dense(1)
    )


class Listener(rv.Callback):
    every = ("10 steps", "0.5 seconds")

    def on_start(self, event: rv.TrainingStarted) -> None:
        """Hear it."""

    def on_step(self, event: rv.StepEnded) -> None:
        """Hear it."""

    def on_time(self, event: rv.TimePassed) -> None:
        """Hear it."""

    def on_end(self, event: rv.TrainingEnded) -> None:
        """Hear it."""


def heard(event: rv.EpochEnded) -> None:
    """A plain function."""


def test_the_plan_of_everything() -> None:
    text = model().training_plan(
        X, Y, epochs=20, validation=0.2, metrics=["accuracy", "roc_auc"], clip_norm=1.0,
        clip_value=0.5, accumulate=2, average=0.99, class_weight="balanced", time_limit=100,
        callbacks=[rv.EarlyStopping(patience=4, tolerance=0.01), Listener(), heard],
    )  # fmt: skip
    body, memory = text.split("\nmemory          ")
    assert body == EVERYTHING
    assert memory.endswith("\ntime limit      1 min 40 s: then it ends after a step")
    size = model().training_program(
        X, Y, validation=0.2, metrics=["accuracy", "roc_auc"], clip_norm=1.0, clip_value=0.5,
        accumulate=2, average=0.99, class_weight="balanced",
    ).memory().bytes  # fmt: skip
    assert memory.startswith(f"{size:,} bytes")


EVERYTHING = """\
rows            120 to learn from, 30 to validate on
X               (4,) float64 a row, converted to float32 as batches are loaded
y               one of 2 classes
weights         of rows, from 0.9375 to 1.071, 1 in the mean
batches         32 rows a step, 24 in the last
steps           4 an epoch

before the first step: Python hears it: Listener
repeat 20 epochs, each with an order of rows of its own (from seed 0)
    repeat 4 steps
        load            the rows of the batch
        forward         3 layers, 49 parameters, 97 operations a row
        loss            binary_cross_entropy, the mean over the rows
                        and the penalties on weights
        metrics         accuracy: counted in passing, natively
        backward        gradients of 49 trained numbers
        accumulate      the mean of 2 steps' gradients is one update
        clip            each number of a gradient to ±0.5
        clip            the norm of all gradients together to 1
        update          Adam(), learning rate 0.001
        average         a = 0.99 a + 0.01 w: what is validated and kept
        every 10 steps: Python hears it: Listener.on_step
    validate        30 rows, 30 at a time: loss, accuracy; layers not in training
                    roc_auc: of all rows at once, in Python (NumPy)
    history         one line: loss, accuracy, val_loss, val_accuracy, val_roc_auc
    monitor         val_loss, smaller is better, ends the run after 4 epochs without an \
improvement of more than 0.01; the best epoch's weights are put back
    every epoch: Python hears it: FunctionCallback(heard).on_epoch
    every 0.5 seconds: Python hears it: Listener.on_time
at the end: Python hears it: Listener

engine          native: from one step that somebody hears to the next is one call"""


def has(text: str, *lines: str) -> bool:
    found = [line.strip() for line in text.splitlines()]
    return all(line in found for line in lines)


def test_the_plan_of_little() -> None:
    text = rv.Sequential(rv.Dense(2), dtype="float64").training_plan(
        X, X[:, :2], shuffle=False, batch_size=None, epochs=1
    )
    assert has(
        text,
        "X               (4,) float64 a row",
        "y               numbers, (2,) a row",
        "batches         150 rows a step",
        "steps           1 an epoch",
        "repeat 1 epoch, the rows always in the order given",
        "repeat 1 step",
        "history         one line: loss",
        "engine          native: all epochs are one call; Python only looks on",
    )
    assert "validate" not in text
    assert "Python hears" not in text


def test_the_plan_of_lbfgs() -> None:
    text = model().training_plan(X, Y, optimizer=rv.LBFGS(history=5, max_evaluations=7))
    assert has(
        text,
        "steps           1 an epoch",
        "one iteration of L-BFGS:",
        "direction       from the last 5 steps and gradients, in float64",
        "repeat up to 7 times, until the step is right:",
        "ends            when no entry of the gradient is above 1e-05",
        "engine          native: loss and gradient are one call; Python chooses the steps",
    )


def test_schedules_and_groups() -> None:
    text = model().training_plan(
        X, Y, optimizer={"layers.0": rv.SGD(rv.OneCycle(0.1)), "*": "adam"}
    )
    assert has(
        text,
        "update          layers.0: SGD(learning_rate=OneCycle(0.1)), "
        "the rate of each step by its schedule",
        "update          *: Adam(), learning rate 0.001",
    )


def test_larger_is_better_is_known() -> None:
    text = model().training_plan(
        X, Y, callbacks=[rv.EarlyStopping("accuracy", keep_best=False)], engine="reference"
    )
    assert has(
        text,
        "monitor         accuracy, larger is better, "
        "ends the run after 3 epochs without an improvement",
        "engine          reference: NumPy, operation by operation",
    )
    assert "memory" not in text


@pytest.mark.parametrize("batch_size", [1, 32, 149, 150, 1000, None])
def test_steps_are_those_that_run(batch_size: int | None) -> None:
    """149: a last batch of one row joins the one before."""
    steps: list[int] = []
    listener = rv.FunctionCallback(lambda event: steps.append(event.step), "step")
    plain = rv.Sequential(rv.Dense(1))
    text = plain.training_plan(X, Y, batch_size=batch_size)
    plain.fit(X, Y, batch_size=batch_size, epochs=1, callbacks=[listener], engine="reference")
    assert has(text, f"steps           {len(steps)} an epoch")


def test_several_inputs_and_outputs() -> None:
    a, b = rv.Input((2,), name="a"), rv.Input((2,), name="b")
    both = rv.Add()([rv.Dense(3)(a), rv.Dense(3)(b)])
    several = rv.Model((a, b), {"kind": rv.Dense(2)(both), "size": rv.Dense(1)(both)})
    text = several.training_plan(
        (X[:, :2], X[:, 2:]), {"kind": Y, "size": X[:, :1]}, loss_weights={"size": 0.5}
    )
    assert "X 'a'" in text
    assert "y 'size'" in text
    assert "mean_squared_error of 'size', the mean over the rows times 0.5" in text


def test_nothing_is_changed() -> None:
    """An unbuilt model stays so, and a fit after the plan is a fit without it."""
    first, second = model(), model()
    first.training_plan(X, Y, seed=3)
    assert not first.built
    assert first.preparation is None
    first.fit(X, Y, epochs=2, seed=1)
    second.fit(X, Y, epochs=2, seed=1)
    assert (first.layers[0].weight == second.layers[0].weight).all()
    before = first.layers[0].weight.copy()
    first.training_plan(X, Y)
    assert (first.layers[0].weight == before).all()


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ({"epochs": 0}, "epochs"),
        ({"time_limit": -1.0}, "time_limit"),
        ({"optimizer": "admam"}, "adam"),
        ({"callbacks": [3]}, "callback"),
    ],
)
def test_errors_say_what_is_wrong(arguments: Any, word: str) -> None:
    with pytest.raises((ArgumentError, rv.errors.UnknownNameError)) as caught:
        model().training_plan(X, Y, **arguments)
    assert word in str(caught.value)
