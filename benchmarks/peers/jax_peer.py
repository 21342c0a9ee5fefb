"""JAX's contenders: one jitted step a call, and whole epochs in one `lax.scan`.

Both donate their state, take the data as arguments (captured, it would become a constant of the
program) and the order of the rows from NumPy, which shuffles quicker than `jax.random` on a CPU.
"""

from __future__ import annotations

import time
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from numpy.typing import NDArray

from contender import Contender, Trained, Workload

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8
STEPS_A_SCAN = 100_000  # at most; short epochs are put together
ALL_ORDERS_UP_TO = 4  # rows: then an order is one draw out of all of them

State = tuple[list[Array], list[Array], list[Array], Array]


def contenders(workload: Workload, threads: int) -> list[Contender]:
    """Return the forms of JAX worth measuring; the threads are set by XLA_FLAGS before import."""
    return [JaxStep(workload), JaxScan(workload)]


class _Jax:
    """What both forms share: data, first weights, the order of the rows."""

    tool = "jax"

    def __init__(self, workload: Workload) -> None:
        self.workload = workload
        self.random = np.random.default_rng(0)

    def _load(self) -> None:
        x, y = self.workload.load()
        self.x = jnp.asarray(x.astype(np.float32) * np.float32(self.workload.scale))
        self.y = jnp.asarray(y.astype(np.float32 if self.workload.loss == "mse" else np.int32))
        self.steps_an_epoch = len(x) // self.workload.batch
        self.all_orders = _all_orders(len(x)) if len(x) <= ALL_ORDERS_UP_TO else None

    def reset(self) -> None:
        """Go back to the first weights and zero moments."""
        parameters = [jnp.array(array) for array in self.workload.start()]
        self.state: State = (
            parameters,
            [jnp.zeros_like(p) for p in parameters],
            [jnp.zeros_like(p) for p in parameters],
            jnp.ones(2),
        )
        _wait(self.state)

    def _orders(self, epochs: int) -> NDArray[np.int32]:
        """Return `(epochs * steps, batch)`: the rows of each step."""
        rows = self.steps_an_epoch * self.workload.batch
        if self.all_orders is not None:
            order = self.all_orders[self.random.integers(len(self.all_orders), size=epochs)]
        else:
            order = np.tile(np.arange(rows, dtype=np.int32), (epochs, 1))
            for epoch in order:
                self.random.shuffle(epoch)
        return order.reshape(-1, self.workload.batch)


class JaxStep(_Jax):
    """One call of a jitted step for every batch."""

    name = "jax jit, a step"

    def prepare(self) -> None:
        """Load the data and compile the step."""
        self._load()
        self.step = jax.jit(partial(_step, self.workload), donate_argnums=0)
        self.reset()
        self.run(self.steps_an_epoch)

    def run(self, steps: int) -> Trained:
        """Train `steps` steps."""
        begin = time.perf_counter()
        for _ in range(steps // self.steps_an_epoch):
            losses = []
            for index in self._orders(1):
                self.state, loss = self.step(self.state, self.x, self.y, index)
                losses.append(loss)
        _wait(self.state)
        seconds = time.perf_counter() - begin
        return Trained(seconds, float(np.mean([float(loss) for loss in losses])))


class JaxScan(_Jax):
    """Many steps in one program: `lax.scan` over the order of the rows."""

    name = "jax scan"

    def prepare(self) -> None:
        """Load the data and choose between a rolled scan and one unrolled four times."""
        self._load()
        times = {unroll: self._trial(unroll) for unroll in (1, 4)}
        self._compile(min(times, key=lambda unroll: times[unroll]))
        self.reset()

    def run(self, steps: int) -> Trained:
        """Train `steps` steps. The first call with a new number of steps compiles."""
        epochs_left = steps // self.steps_an_epoch
        most = max(1, STEPS_A_SCAN // self.steps_an_epoch)
        begin = time.perf_counter()
        while epochs_left > 0:
            epochs = min(most, epochs_left)
            self.state, losses = self.scan(self.state, self.x, self.y, self._orders(epochs))
            epochs_left -= epochs
        _wait(self.state)
        seconds = time.perf_counter() - begin
        return Trained(seconds, float(np.asarray(losses)[-self.steps_an_epoch :].mean()))

    def _compile(self, unroll: int) -> None:
        self.name = f"jax scan, unroll {unroll}"
        self.scan = jax.jit(partial(_scan, self.workload, unroll), donate_argnums=0)

    def _trial(self, unroll: int) -> float:
        self._compile(unroll)
        self.reset()
        steps = self.workload.warm_epochs * self.steps_an_epoch
        return min(self.run(steps).seconds for _ in range(3))


def _wait(state: State) -> None:
    jax.block_until_ready(state)  # type: ignore[no-untyped-call]


def _scan(
    workload: Workload, unroll: int, state: State, x: Array, y: Array, order: Array
) -> tuple[State, Array]:
    def step(state: State, index: Array) -> tuple[State, Array]:
        return _step(workload, state, x, y, index)

    return lax.scan(step, state, order, unroll=unroll)


def _step(
    workload: Workload, state: State, x: Array, y: Array, index: Array
) -> tuple[State, Array]:
    parameters, firsts, seconds, powers = state
    rows, targets = (array.at[index].get(mode="promise_in_bounds") for array in (x, y))
    loss, gradients = jax.value_and_grad(partial(_loss, workload))(parameters, rows, targets)
    rate = workload.learning_rate
    if workload.optimizer == "sgd":
        parameters = [p - rate * g for p, g in zip(parameters, gradients, strict=True)]
        return (parameters, firsts, seconds, powers), loss
    powers = powers * jnp.array([BETA1, BETA2])
    firsts = [BETA1 * m + (1 - BETA1) * g for m, g in zip(firsts, gradients, strict=True)]
    seconds = [BETA2 * v + (1 - BETA2) * g * g for v, g in zip(seconds, gradients, strict=True)]
    scale1, scale2 = 1 / (1 - powers[0]), 1 / (1 - powers[1])
    parameters = [
        p - rate * scale1 * m / (jnp.sqrt(v * scale2) + EPSILON)
        for p, m, v in zip(parameters, firsts, seconds, strict=True)
    ]
    return (parameters, firsts, seconds, powers), loss


def _loss(workload: Workload, parameters: list[Array], x: Array, y: Array) -> Array:
    activation = jax.nn.relu if workload.activation == "relu" else jnp.tanh
    for weight, bias in zip(parameters[:-2:2], parameters[1:-2:2], strict=True):
        x = activation(x @ weight + bias)
    outputs = x @ parameters[-2] + parameters[-1]
    if workload.output_activation == "tanh":
        outputs = jnp.tanh(outputs)
    if workload.loss == "mse":
        return jnp.mean((outputs - y) ** 2)
    log_probabilities = jax.nn.log_softmax(outputs)
    return -jnp.mean(jnp.take_along_axis(log_probabilities, y[:, None], axis=1))


def _all_orders(rows: int) -> NDArray[np.int32]:
    orders = [[]]  # type: list[list[int]]
    for _ in range(rows):
        orders = [[*order, row] for order in orders for row in range(rows) if row not in order]
    return np.array(orders, np.int32)


def first_step(workload: Workload) -> None:
    """Do what a new process does until its first step is over, in the form that starts soonest."""
    contender = JaxStep(workload)
    contender.prepare()


def versions() -> dict[str, str]:
    """Return what was measured: versions and the target that JAX compiles for."""
    return {"jax": jax.__version__, "platform": jax.default_backend()}
