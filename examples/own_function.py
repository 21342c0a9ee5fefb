"""A function of one's own: a law of cooling, fitted by its gradient, as native code.

A cup cools as T(t) = room + (start - room) exp(-rate t). The three numbers are found from noisy
measurements: the loss is written in `rv.ops`, `rv.value_and_gradient` differentiates it,
`rv.compile` turns both into machine code. Run it with: python examples/own_function.py
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

import ranvier as rv
from ranvier import ops

TRUTH = {"room": 21.0, "start": 90.0, "rate": 0.12}


def temperature(cup: dict[str, Any], minutes: Any) -> Any:
    """The law. Shapes: minutes: (T,) -> (T,)."""
    return cup["room"] + (cup["start"] - cup["room"]) * ops.exp(-cup["rate"] * minutes)


def loss(cup: dict[str, Any], minutes: Any, measured: Any) -> Any:
    """Mean squared difference. Shapes: minutes, measured: (T,) -> ()."""
    difference = temperature(cup, minutes) - measured
    return ops.mean(difference * difference)


def main() -> None:
    """Measure, fit, compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer steps")
    steps = 3_000 if parser.parse_args().quick else 30_000

    generator = np.random.default_rng(0)
    minutes = np.linspace(0.0, 45.0, 91)
    measured = np.asarray(temperature(TRUTH, minutes)) + generator.normal(0.0, 0.5, minutes.shape)

    by_definition = rv.value_and_gradient(loss)
    native = rv.compile(by_definition)
    cup = {
        name: np.array(value) for name, value in {"room": 0.0, "start": 50.0, "rate": 0.3}.items()
    }
    first, second = by_definition(cup, minutes, measured), native(cup, minutes, measured)
    largest = max(abs(float(first[1][name] - second[1][name])) for name in cup)
    print(f"loss at the start {float(first[0]):.4f}, native {float(second[0]):.4f}")
    print(f"largest difference of the two gradients {largest:.1e}")

    # The rate is a thousand times smaller than a temperature, so it takes smaller steps.
    step_sizes = {"room": 0.2, "start": 0.2, "rate": 2e-6}
    for _ in range(steps):
        value, slope = native(cup, minutes, measured)
        cup = {name: cup[name] - step_sizes[name] * slope[name] for name in cup}
    print(f"after {steps:,} steps the loss is {float(value):.4f}")
    for name, found in cup.items():
        print(f"{name:6} {float(found):8.4f}   truth {TRUTH[name]:8.4f}")


if __name__ == "__main__":
    main()
