"""Many small networks in one program, beside JAX and PyTorch: `python benchmarks/ensemble.py`.

1,024 networks 4-16-3 with ReLU and cross-entropy, batch 16, Adam, data and order of rows shared; a
step is one of all networks, gather and loss included. Contenders alternate round by round in one
process on one core. JAX's `vmap` runs whole epochs in one `lax.scan` and step by step, with the
networks along the first and along the last axis; PyTorch runs batched products with fused Adam.
Ranvier's time includes taking the weights in and out, which happens once a round.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import ranvier as rv

from machine import describe
from run import environment
from workloads.iris import load

SIZES, BATCH, RATE = (4, 16, 3), 16, 1e-3
#: Trains so many epochs and returns the mean loss of the last.
Train = Callable[[int], float]


def ranvier(members: int) -> dict[str, Train]:
    """One contender: an ensemble of two layers."""
    x, y = load()
    model = rv.Sequential(rv.Dense(SIZES[1], activation="relu"), rv.Dense(SIZES[2]))
    ensemble = rv.Ensemble(model, members=members)

    def train(epochs: int) -> float:
        history = ensemble.fit(
            x, y, optimizer=rv.Adam(RATE), batch_size=BATCH, epochs=epochs, metrics=[], threads=1
        )
        return float(history["loss"][-1].mean())

    return {"Ranvier": train}


def first_weights(members: int) -> list[np.ndarray]:
    """The same first weights for every peer: weight and bias of both layers, networks first."""
    model = rv.Sequential(rv.Dense(SIZES[1], activation="relu"), rv.Dense(SIZES[2]))
    ensemble = rv.Ensemble(model, members=members).build((SIZES[0],))
    own = [one.network.parameters.values() for one in ensemble.members]
    return [np.stack(parts) for parts in zip(*own, strict=True)]


def jax_contenders(members: int) -> dict[str, Train]:
    """`vmap` of a step, in a scan over an epoch and step by step, with either order of axes."""
    import jax
    import jax.numpy as jnp

    x, y = (jnp.asarray(array) for array in load())
    start = first_weights(members)

    def loss(p: Any, x: Any, y: Any) -> Any:
        logits = jax.nn.relu(x @ p[0] + p[1]) @ p[2] + p[3]
        chosen = jnp.take_along_axis(jax.nn.log_softmax(logits), y[:, None], axis=1)
        return -jnp.mean(chosen)

    def step(p: Any, m: Any, v: Any, t: Any, rows: Any) -> Any:
        value, g = jax.value_and_grad(loss)(p, x[rows], y[rows])
        m = [0.9 * a + 0.1 * b for a, b in zip(m, g, strict=True)]
        v = [0.999 * a + 0.001 * b * b for a, b in zip(v, g, strict=True)]
        first, second = 1 - 0.9**t, 1 - 0.999**t
        p = [
            w - RATE * (a / first) / (jnp.sqrt(b / second) + 1e-8)
            for w, a, b in zip(p, m, v, strict=True)
        ]
        return p, m, v, value

    def contender(axis: int, whole: bool) -> Train:
        axes = (axis, axis, axis, None, None)
        many = jax.vmap(step, in_axes=axes, out_axes=(axis, axis, axis, 0))

        def one(state: Any, rows: Any) -> Any:
            p, m, v, t = state
            p, m, v, value = many(p, m, v, t, rows)
            return (p, m, v, t + 1), value.mean()

        run = jax.jit(
            lambda s, i: jax.lax.scan(one, s, i) if whole else one(s, i), donate_argnums=0
        )
        weights = [jnp.asarray(np.moveaxis(a, 0, axis)) for a in start]
        zeros = [[jnp.zeros_like(a) for a in weights] for _ in range(2)]
        state, random = [(weights, *zeros, jnp.float32(1))], np.random.default_rng(0)

        def train(epochs: int) -> float:
            losses: Any = []
            for _ in range(epochs):
                order = random.permutation(len(x)).reshape(-1, BATCH)
                if whole:
                    state[0], losses = run(state[0], order)
                else:
                    found = [run_one(rows) for rows in order]
                    losses = jnp.stack(found)
            jax.block_until_ready(state[0])
            return float(losses.mean())

        def run_one(rows: Any) -> Any:
            state[0], value = run(state[0], rows)
            return value

        return train

    found = {}
    for axis, where in ((0, "first"), (-1, "last")):
        for whole, how in ((True, "scan of an epoch"), (False, "a step a call")):
            found[f"JAX vmap, {how}, networks {where}"] = contender(axis, whole)
    return found


def torch_contender(members: int) -> dict[str, Train]:
    """Batched products over all networks, fused Adam on the stacked weights."""
    import torch

    torch.set_num_threads(1)
    x, y = (torch.from_numpy(array) for array in load())
    parameters = [torch.from_numpy(a.copy()).requires_grad_() for a in first_weights(members)]
    optimizer = torch.optim.Adam(parameters, lr=RATE, fused=True)
    w, b, u, c = parameters

    def train(epochs: int) -> float:
        losses: list[Any] = []
        for _ in range(epochs):
            losses = []
            for rows in torch.randperm(len(x)).split(BATCH):
                hidden = torch.relu(torch.baddbmm(b[:, None], x[rows].expand(members, -1, -1), w))
                logits = torch.baddbmm(c[:, None], hidden, u)
                targets = y[rows].repeat(members)
                loss = torch.nn.functional.cross_entropy(
                    logits.flatten(0, 1), targets, reduction="sum"
                )
                optimizer.zero_grad(set_to_none=True)
                (loss / len(rows)).backward()
                optimizer.step()
                losses.append(loss.detach() / len(rows) / members)
        return float(torch.stack(losses).mean())

    return {"PyTorch, batched products, fused Adam": train}


def measure(members: int, rounds: int, seconds: float) -> None:
    """Let all contenders take turns and print a table."""
    contenders = ranvier(members)
    for make in (jax_contenders, torch_contender):
        try:
            contenders |= make(members)
        except ImportError as error:
            print(f"not installed: {error.name}")
    steps = len(load()[0]) // BATCH
    epochs: dict[str, int] = {}
    for name, train in contenders.items():
        train(2)
        begin = time.perf_counter()
        train(5)
        epochs[name] = max(5, round(seconds / (time.perf_counter() - begin) * 5))
    times: dict[str, list[float]] = {name: [] for name in contenders}
    losses = {}
    for _ in range(rounds):
        for name, train in contenders.items():
            begin = time.perf_counter()
            losses[name] = train(epochs[name])
            times[name].append((time.perf_counter() - begin) / epochs[name] / steps * 1e6)
    print(f"{members} networks {'-'.join(map(str, SIZES))}, batch {BATCH}, Adam, one thread")
    print(describe().processor)
    ours = statistics.median(times["Ranvier"])
    print(
        "| contender | min, us a step of all | median | times Ranvier | last loss (epochs differ) |"
    )
    print("|---|--:|--:|--:|--:|")
    for name, found in times.items():
        middle = statistics.median(found)
        row = f"{min(found):,.0f} | {middle:,.0f} | {middle / ours:.1f} | {losses[name]:.3f}"
        print(f"| {name} | {row} |")


def main() -> None:
    """Bind this process to one core and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--members", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=1.0)
    options = parser.parse_args()
    if os.environ.get("OMP_NUM_THREADS") != "1":
        os.execve(sys.executable, [sys.executable, *sys.argv], environment(1))
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    measure(options.members, options.rounds, options.seconds)


if __name__ == "__main__":
    main()
