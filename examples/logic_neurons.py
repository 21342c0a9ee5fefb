"""Neurons that compute logic: all sixteen functions of two inputs, and one neuron's arithmetic.

One threshold unit is enough for fourteen of them; XOR and XNOR take three. A perceptron learns AND
by its mistakes and goes round in circles on XOR. Run it with: python examples/logic_neurons.py
"""

from __future__ import annotations

import argparse

import numpy as np

import ranvier as rv

X = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])


def main() -> None:
    """Print the functions, what a perceptron makes of two of them, and one neuron's numbers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="accepted; it is quick anyway")
    parser.parse_args()

    print("(a, b) =      (0,0) (0,1) (1,0) (1,1)")
    for name in rv.LOGIC_FUNCTIONS:
        unit = rv.logic_function(name)
        answers = "     ".join(str(answer) for answer in unit(X))
        print(f"{name:12}    {answers}     {unit}")

    for name in ("and", "xor"):
        perceptron = rv.Perceptron()
        history = perceptron.fit(X, np.array(rv.LOGIC_FUNCTIONS[name]), epochs=20, shuffle=False)
        print(f"\na perceptron learns {name}: mistakes in each epoch {history['mistakes']}")
        print(f"it answers {perceptron.predict(X).tolist()}")
        print("\n".join(history.notes))

    model = rv.Sequential(rv.Dense(4, activation="tanh"), rv.Dense(1))
    model.fit(X, rv.logic_function("xor")(X), epochs=300, optimizer=rv.Adam(0.05), verbose=False)
    print(f"\na 2-4-1 network learns xor: {model.predict_classes(X).tolist()}")
    print("what its first neuron computes for (1, 0):\n")
    print(model.layers[0].neurons[0].explain([1, 0]))


if __name__ == "__main__":
    main()
