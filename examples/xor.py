"""XOR: a network of 2-4-1 learns it exactly; a single neuron cannot, and this shows why.

A single neuron answers "yes" on one side of a straight line. The best line is found here by trying
all of them: it gets three of the four points right, never four. Four hidden neurons bend the plane
so that one line is enough. Run it with: python examples/xor.py
"""

from __future__ import annotations

import argparse
import itertools

import numpy as np

import ranvier as rv

X = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
Y = np.array([0, 1, 1, 0])


def best_line() -> tuple[int, tuple[float, float, float]]:
    """The most points that any line w1 x1 + w2 x2 + b > 0 gets right, and such a line.

    Every way in which a line can divide the corners of a square occurs for weights of -1, 0 or 1
    and thresholds half-way between whole numbers, so trying these tries all lines.
    """
    best = (-1, (0.0, 0.0, 0.0))
    thresholds = (-2.5, -1.5, -0.5, 0.5, 1.5, 2.5)
    for w1, w2, b in itertools.product((-1.0, 0.0, 1.0), (-1.0, 0.0, 1.0), thresholds):
        right = int(np.sum((X @ np.array([w1, w2]) + b > 0) == Y))
        best = max(best, (right, (w1, w2, b)))
    return best


def train(hidden: int, epochs: int, seed: int) -> tuple[float, list[int]]:
    """Train with or without a hidden layer; give the last loss and the four answers."""
    layers = [rv.Dense(hidden, activation="tanh")] if hidden else []
    model = rv.Sequential(*layers, rv.Dense(1))
    history = model.fit(
        X, Y, epochs=epochs, batch_size=None, optimizer=rv.Adam(0.05), seed=seed, verbose=False
    )
    return history["loss"][-1], model.predict_classes(X).tolist()


def main() -> None:
    """Train both, and say why one of them fails."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer epochs")
    epochs = 600 if parser.parse_args().quick else 3_000

    print("wanted               ", Y.tolist())
    loss, answers = train(4, epochs, seed=0)
    print(f"2-4-1 network         {answers}, loss {loss:.6f}")
    loss, answers = train(0, epochs, seed=0)
    print(f"single neuron         {answers}, loss {loss:.6f} (log 2 = {np.log(2):.6f})")
    right, (w1, w2, b) = best_line()
    print(f"best line there is    {right} of 4 right: {w1:+g} x1 {w2:+g} x2 {b:+g} > 0")
    print("so a single neuron cannot answer all four: its loss stays at log 2, that of a coin.")


if __name__ == "__main__":
    main()
