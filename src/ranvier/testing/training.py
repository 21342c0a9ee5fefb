"""What all checks know of training: small models that train on both engines, frozen and saved."""

from __future__ import annotations

import copy
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranvier.models import load
from ranvier.testing.contracts import broken, check_equal, difference

THREADS = 4
#: Optimizers divide by small gradients: what rounds differently grows.
NEAR_AFTER_TRAINING = 1e-8

Array = NDArray[Any]
#: A batch of inputs: an array, or a tuple of them for a model with several inputs.
Inputs = Any
#: Gives a built model of dtype float64, with the same first weights each time.
Make = Callable[[], Any]


def part_of(x: Inputs, rows: slice) -> Inputs:
    """Some rows of a batch."""
    return tuple(one[rows] for one in x) if isinstance(x, tuple) else x[rows]


def count_of(x: Inputs) -> int:
    """How many rows a batch has."""
    return len(x[0] if isinstance(x, tuple) else x)


def trained(make: Make, x: Inputs, y: Array, engine: str) -> Any:
    """A new model after two epochs in batches, the last one short."""
    model = make()
    model.fit(x, y, epochs=2, batch_size=8, engine=engine, verbose=False)
    return model


def check_training(thing: str, make: Make, x: Inputs, y: Array) -> Any:
    """Train natively twice and once by the reference.

    Args:
        thing: what is checked, for the error.
        make: gives the model.
        x: examples.
        y: targets.

    Returns:
        A model that was trained natively.

    Raises:
        ContractError: if one seed gives two results, or the engines differ.
    """
    first, second = (trained(make, x, y, "native") for _ in range(2))
    pairs = {
        name: (array, second.network.parameters[name])
        for name, array in first.network.parameters.items()
    }
    check_equal(
        thing, "two trainings with the same seed give other numbers.", pairs,
        "take random numbers from context.random_uniform, and keep nothing between calls",
    )  # fmt: skip
    reference = trained(make, x, y, "reference")
    for name, array in first.network.parameters.items():
        apart = difference(array, reference.network.parameters[name], NEAR_AFTER_TRAINING)
        if apart is not None:
            raise broken(
                thing, "native training does not give what the reference gives.",
                f"after 2 epochs, {name}: {apart}",
                f"numbers that differ by less than {NEAR_AFTER_TRAINING:g} of the largest",
                "look for sums that cancel, and for jumps where rounding decides; if there are "
                "none, report it: it is Ranvier's fault",
            )  # fmt: skip
    return first


def check_predictions(thing: str, model: Any, x: Inputs) -> None:
    """A row's answer depends neither on its batch nor on other threads.

    Raises:
        ContractError: if it does.
    """
    whole = model.predict(x)
    alone = [model.predict(part_of(x, slice(i, i + 1))) for i in range(count_of(x))]
    check_equal(
        thing, "a row's result depends on the other rows of its batch.",
        {"predict": (np.concatenate(alone), whole)},
        "reduce over other axes than axis 0 when context.training is False",
    )  # fmt: skip
    found: list[Array] = []
    barrier = threading.Barrier(THREADS)

    def work() -> None:
        barrier.wait()
        found.append(model.predict(x))

    threads = [threading.Thread(target=work) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    pairs = {f"thread {i}": (array, whole) for i, array in enumerate(found)}
    check_equal(
        thing, "predictions of several threads differ.", pairs,
        "keep nothing in attributes while predicting",
    )  # fmt: skip


def check_file(thing: str, model: Any, x: Inputs) -> None:
    """A saved model answers as before.

    Raises:
        ContractError: if not.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.safetensors"
        model.save(path)
        again = load(path)
    check_equal(
        thing, "a saved model answers differently once it is loaded.",
        {"predict": (again.predict(x), model.predict(x))},
        "keep everything that forward reads in constructor arguments and parameters",
    )  # fmt: skip


def check_frozen(thing: str, make: Make, x: Inputs, y: Array) -> None:
    """A frozen layer, the first of its model, keeps the numbers that training would change.

    Raises:
        ContractError: if it does not.
    """
    model = make()
    model.layers[0].trainable = False
    # Those that the layer itself assigns, such as running statistics, go on.
    declared = model.network.declared
    before = {
        name: array.copy()
        for name, array in model.network.parameters.items()
        if name.startswith("layers.0.") and declared[name].trainable
    }
    model.fit(x, y, epochs=1, batch_size=8, verbose=False)
    pairs = {name: (model.network.parameters[name], array) for name, array in before.items()}
    check_equal(
        thing, "a frozen layer changes.", pairs, "change nothing outside the optimizer's update"
    )


def copied(thing: Any) -> Any:
    """A copy of one's own for each model."""
    return copy.deepcopy(thing)
