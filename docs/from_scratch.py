"""A neural network from scratch: layers, loss, backpropagation, optimizers, training, in NumPy.

Nothing but NumPy is used. Run it: ``python docs/from_scratch.py`` trains a network on handwritten
digits. ``tests/test_from_scratch.py`` trains the same networks with Ranvier and compares all
weights. The pages in ``docs/learn`` explain every part.

Examples are rows: ``x`` has the shape (examples, inputs).
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Integers = NDArray[np.int64]
Loss = Callable[[Array, NDArray], tuple[float, Array]]  # type: ignore[type-arg]

DIGITS = Path(__file__).resolve().parents[1] / "src/ranvier/data/builtin_files/digits.npz"


# Activations: each gives its answer, and its slope written with that answer.


def sigmoid(z: Array) -> Array:
    """1 / (1 + exp(-z)), a soft step from 0 to 1; this way no exp is too large."""
    small = np.exp(-np.abs(z))
    return np.where(z >= 0, 1.0 / (1.0 + small), small / (1.0 + small))


ACTIVATIONS: dict[str, tuple[Callable[[Array], Array], Callable[[Array], Array]]] = {
    "none": (lambda z: z, lambda a: np.ones_like(a)),
    "sigmoid": (sigmoid, lambda a: a * (1.0 - a)),
    "tanh": (np.tanh, lambda a: 1.0 - a * a),
    "relu": (lambda z: np.maximum(z, 0.0), lambda a: (a > 0.0).astype(float)),
}


class Dense:
    """A layer in which every neuron reads every input: activation(x @ weight + bias)."""

    def __init__(self, inputs: int, units: int, activation: str, random: np.random.Generator):
        # Glorot and Bengio (2010): answers and slopes keep their size from layer to layer.
        limit = np.sqrt(6.0 / (inputs + units))
        self.weight: Array = random.uniform(-limit, limit, (inputs, units))
        self.bias: Array = np.zeros(units)
        self.activation, self.slope = ACTIVATIONS[activation]

    def forward(self, x: Array) -> Array:
        """The answers to a batch; what the way back needs is kept."""
        self.x = x
        self.answers = self.activation(x @ self.weight + self.bias)
        return self.answers

    def backward(self, d_answers: Array) -> Array:
        """From the loss's slopes by the answers to those by weight, bias and inputs."""
        delta = d_answers * self.slope(self.answers)
        self.d_weight = self.x.T @ delta
        self.d_bias = delta.sum(axis=0)
        return delta @ self.weight.T


class Network:
    """Layers behind each other.

    Args:
        sizes: inputs, neurons of each hidden layer, outputs.
        activation: of the hidden layers; the last layer has none.
        seed: of the first weights.
    """

    def __init__(self, sizes: Sequence[int], activation: str = "relu", seed: int = 0):
        random = np.random.default_rng(seed)
        names = [activation] * (len(sizes) - 2) + ["none"]
        pairs = zip(sizes[:-1], sizes[1:], names, strict=True)
        self.layers = [Dense(inputs, units, name, random) for inputs, units, name in pairs]

    def forward(self, x: Array) -> Array:
        """Forward propagation: from the first layer to the last."""
        for layer in self.layers:
            x = layer.forward(x)
        return x

    def backward(self, d_outputs: Array) -> None:
        """Backpropagation: from the last layer to the first; each keeps its own slopes."""
        for layer in reversed(self.layers):
            d_outputs = layer.backward(d_outputs)

    def parameters(self) -> list[Array]:
        """All weights and biases; an optimizer changes them in place."""
        return [array for layer in self.layers for array in (layer.weight, layer.bias)]

    def gradients(self) -> list[Array]:
        """Their slopes, in the same order, after `backward`."""
        return [array for layer in self.layers for array in (layer.d_weight, layer.d_bias)]


# Losses: each gives the mean over the batch, and its slope by every output.


def squared_error(outputs: Array, targets: Array) -> tuple[float, Array]:
    """For numbers: the mean of (output - target)^2."""
    error = outputs - targets
    return float(np.mean(error * error)), 2.0 * error / error.size


def cross_entropy(outputs: Array, classes: Integers) -> tuple[float, Array]:
    """For classes: -log of the probability that softmax gives to the right class.

    Softmax and logarithm are taken together: then no exp is too large and no logarithm is that of
    0, and the slope is simply (probability - 1 for the right class, probability for the others).
    """
    rows = np.arange(len(outputs))
    shifted = outputs - outputs.max(axis=1, keepdims=True)
    log_probabilities = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    slopes = np.exp(log_probabilities)
    slopes[rows, classes] -= 1.0
    return float(-log_probabilities[rows, classes].mean()), slopes / len(outputs)


# Optimizers: from slopes to new weights.


class SGD:
    """Gradient descent; with momentum (Polyak, 1964) a ball with a velocity.

    velocity = momentum * velocity + slope;   weight = weight - rate * velocity
    """

    def __init__(self, rate: float = 0.01, momentum: float = 0.0):
        self.rate, self.momentum = rate, momentum
        self.velocities: list[Array] = []

    def step(self, parameters: list[Array], gradients: list[Array]) -> None:
        """Change the parameters in place."""
        if not self.velocities:
            self.velocities = [np.zeros_like(array) for array in parameters]
        for weight, slope, velocity in zip(parameters, gradients, self.velocities, strict=True):
            velocity *= self.momentum
            velocity += slope
            weight -= self.rate * velocity


class Adam:
    """Fading means of slopes and of their squares (Kingma and Ba, 2015).

    mean = beta1 * mean + (1 - beta1) * slope;   square = beta2 * square + (1 - beta2) * slope^2
    weight = weight - rate * corrected mean / (root of corrected square + epsilon)
    """

    def __init__(
        self, rate: float = 0.001, beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-8
    ):
        self.rate, self.beta1, self.beta2, self.epsilon = rate, beta1, beta2, epsilon
        self.means: list[Array] = []
        self.squares: list[Array] = []
        self.steps = 0

    def step(self, parameters: list[Array], gradients: list[Array]) -> None:
        """Change the parameters in place."""
        if not self.means:
            self.means = [np.zeros_like(array) for array in parameters]
            self.squares = [np.zeros_like(array) for array in parameters]
        self.steps += 1
        # Both means start at 0, so the first ones are too small by these factors.
        first, second = 1.0 - self.beta1**self.steps, 1.0 - self.beta2**self.steps
        state = zip(parameters, gradients, self.means, self.squares, strict=True)
        for weight, slope, mean, square in state:
            mean *= self.beta1
            mean += (1.0 - self.beta1) * slope
            square *= self.beta2
            square += (1.0 - self.beta2) * slope * slope
            weight -= self.rate * (mean / first) / (np.sqrt(square / second) + self.epsilon)


# Training.


def shuffled(rows: int, seed: int = 0) -> Iterator[Integers]:
    """An order of the rows for each epoch, for ever."""
    random = np.random.default_rng(seed)
    while True:
        yield random.permutation(rows)


def train(
    network: Network,
    x: Array,
    y: NDArray,  # type: ignore[type-arg]
    loss: Loss,
    optimizer: SGD | Adam,
    epochs: int,
    batch_size: int,
    orders: Iterator[Integers],
) -> list[float]:
    """Train; gives the mean loss of each epoch.

    Every step takes the next rows of the epoch's order (a mini-batch): forward, loss, backward,
    update. The last batch of an epoch may be smaller; a single row left over joins the batch
    before it.

    Args:
        network: whose weights are changed.
        x: examples, (N, inputs).
        y: targets: (N, outputs) numbers or (N,) classes.
        loss: gives the loss of a batch and its slopes.
        optimizer: changes the weights.
        epochs: how often all rows are seen.
        batch_size: rows of a step.
        orders: of the rows, one for each epoch.
    """
    history = []
    for order, _ in zip(orders, range(epochs), strict=False):
        starts = list(range(0, len(x), batch_size))
        if batch_size > 1 and len(starts) > 1 and len(x) - starts[-1] == 1:
            starts.pop()
        losses = []
        for start, end in zip(starts, [*starts[1:], len(x)], strict=True):
            rows = order[start:end]
            value, slopes = loss(network.forward(x[rows]), y[rows])
            network.backward(slopes)
            optimizer.step(network.parameters(), network.gradients())
            losses.append(value)
        history.append(float(np.mean(losses)))
    return history


def accuracy(network: Network, x: Array, classes: Integers) -> float:
    """The share of rows whose largest output belongs to the right class."""
    return float(np.mean(network.forward(x).argmax(axis=1) == classes))


def digits(path: Path = DIGITS) -> tuple[Array, Integers, Array, Integers]:
    """1,797 handwritten digits of 8 x 8 pixels from 0 to 1: four fifths to learn, the rest to test.

    E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI, 1998.
    """
    with np.load(path, allow_pickle=False) as file:
        x, y = file["x"].reshape(-1, 64) / 16.0, file["y"].astype(np.int64)
    order = np.random.default_rng(0).permutation(len(x))
    learn, test = order[: len(x) * 4 // 5], order[len(x) * 4 // 5 :]
    return x[learn], y[learn], x[test], y[test]


def main() -> None:
    """Train a network to read digits."""
    x, y, test_x, test_y = digits()
    epochs = 5 if "--quick" in sys.argv[1:] else 50
    network = Network([64, 64, 32, 10], "relu")
    start = time.perf_counter()
    history = train(network, x, y, cross_entropy, Adam(0.002), epochs, 32, orders=shuffled(len(x)))
    seconds = time.perf_counter() - start
    print(f"loss {history[0]:.3f} after the first epoch, {history[-1]:.5f} after the last")
    print(f"{accuracy(network, x, y):.1%} of the training digits are read rightly")
    print(f"{accuracy(network, test_x, test_y):.1%} of {len(test_x)} others; {seconds:.1f} s")


if __name__ == "__main__":
    main()
