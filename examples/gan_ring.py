"""A generative adversarial network on a ring of eight Gaussians, with two optimizers.

A step is one function: it draws noise and real points, lets the discriminator tell them apart and
the generator fool it, and gives both networks' next weights. It is written with
``rv.value_and_gradient`` and the optimizers' ``update``, and ``rv.compile`` makes it native. The
penalty of the discriminator contains a gradient itself (R1; Mescheder, Geiger and Nowozin, "Which
training methods for GANs do actually converge?", ICML 2018), so it is differentiated twice.

How well the ring is covered is judged as by Srivastava et al. ("VEEGAN", NeurIPS 2017): of 2,500
samples, those within three standard deviations of a Gaussian's centre count for it. A Gaussian is
covered here if at least one percent of all samples do; VEEGAN asks for one sample.

    python examples/gan_ring.py [--seed 0] [--picture ring.png] [--quick]
"""

from __future__ import annotations

import argparse
import math
import time
from typing import Any

import numpy as np

import ranvier as rv
from ranvier import ops

GAUSSIANS, RADIUS, DEVIATION = 8, 2.0, 0.05
NOISE, BATCH, SAMPLES = 8, 256, 2_500
PENALTY = 0.1

Weights = dict[str, Any]


def networks(seed: int) -> tuple[rv.Sequential, rv.Sequential]:
    """The generator, from noise to points, and the discriminator, from points to a logit."""
    generator = rv.Sequential(
        rv.Dense(128, activation="relu"), rv.Dense(128, activation="relu"), rv.Dense(2)
    )
    discriminator = rv.Sequential(
        rv.Dense(128, activation="leaky_relu"), rv.Dense(128, activation="leaky_relu"), rv.Dense(1)
    )
    return generator.build((NOISE,), seed), discriminator.build((2,), seed + 1)


def normal(count: int, width: int, seed: Any, step: Any, site: int) -> Any:
    """Standard normal numbers by Box and Muller's formula. Shapes: -> (count, width)."""
    size = ops.sqrt(-2.0 * ops.log(1.0 - ops.random_uniform((count, width), seed, step, site)))
    turn = ops.random_uniform((count, width), seed, step, site + 1)
    return size * ops.cos(2.0 * math.pi * turn)


def real_points(count: int, seed: Any, step: Any) -> Any:
    """Points of the ring, every Gaussian as likely as the others. Shapes: -> (count, 2)."""
    which = ops.floor(GAUSSIANS * ops.random_uniform((count, 1), seed, step, 10))
    angle = which * (2.0 * math.pi / GAUSSIANS)
    sideways = np.array([[0.0, -math.pi / 2]], "float32")
    centre = RADIUS * ops.cos(angle + sideways)
    return centre + DEVIATION * normal(count, 2, seed, step, 11)


def apply(model: rv.Sequential, weights: Weights, x: Any) -> Any:
    """A network's outputs for weights of one's own."""
    return model.network.forward(x, weights, rv.Context())


def updated(
    optimizer: rv.Optimizer, weights: Weights, slopes: Weights, state: Weights, step: Any
) -> tuple[Weights, Weights]:
    """Every weight and its state after a step."""
    rate = np.float64(optimizer.learning_rate)
    new = {
        name: optimizer.update(weights[name], slopes[name], state[name], step, rate)
        for name in weights
    }
    return {name: both[0] for name, both in new.items()}, {
        name: both[1] for name, both in new.items()
    }


def first_state(optimizer: rv.Optimizer, weights: Weights) -> Weights:
    """What the optimizer keeps of every weight, before the first step."""
    return {
        name: {
            key: np.full_like(w, number)
            for key, number in optimizer.state(w.shape, w.dtype.name).items()
        }
        for name, w in weights.items()
    }


def make_step(generator: rv.Sequential, discriminator: rv.Sequential) -> Any:
    """The step of both networks as one native function."""
    of_generator, of_discriminator = (rv.Adam(1e-3, betas=(0.5, 0.9)) for _ in range(2))

    def judged(weights: Weights, real: Any, fake: Any) -> Any:
        yes = apply(discriminator, weights, real)
        no = apply(discriminator, weights, fake)
        slope = rv.gradient(lambda x: ops.sum(apply(discriminator, weights, x)))(real)
        penalty = PENALTY * ops.mean(ops.sum(slope * slope, axis=1))
        return ops.mean(ops.softplus(-yes)) + ops.mean(ops.softplus(no)) + penalty

    def fooled(weights: Weights, judge: Weights, noise: Any) -> Any:
        return ops.mean(
            ops.softplus(-apply(discriminator, judge, apply(generator, weights, noise)))
        )

    @rv.compile
    def step(g: Weights, d: Weights, kept: Weights, seed: Any, number: Any) -> Any:
        count = ops.cast(number, "float64")
        noise = normal(BATCH, NOISE, seed, number, 0)
        fake = apply(generator, g, noise)
        real = real_points(BATCH, seed, number)
        d_loss, slopes = rv.value_and_gradient(judged)(d, real, fake)
        d, d_state = updated(of_discriminator, d, slopes, kept["d"], count)
        noise = normal(BATCH, NOISE, seed, number, 2)
        g_loss, slopes = rv.value_and_gradient(fooled)(g, d, noise)
        g, g_state = updated(of_generator, g, slopes, kept["g"], count)
        return g, d, {"g": g_state, "d": d_state}, (g_loss, d_loss)

    def begin(g: Weights, d: Weights) -> Weights:
        return {"g": first_state(of_generator, g), "d": first_state(of_discriminator, d)}

    return step, begin


def covered(points: np.ndarray) -> np.ndarray:
    """The share of the samples within three deviations of each Gaussian's centre."""
    angles = 2.0 * np.pi * np.arange(GAUSSIANS) / GAUSSIANS
    centres = RADIUS * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    apart = np.linalg.norm(points[:, None] - centres, axis=2)
    return (apart < 3.0 * DEVIATION).mean(axis=0)


def draw(points: np.ndarray, path: str) -> None:
    """The samples as a picture; needs matplotlib."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 5))
    axes = figure.add_subplot()
    axes.scatter(*points.T, s=2)
    axes.set(xlim=(-2.6, 2.6), ylim=(-2.6, 2.6), aspect="equal")
    figure.savefig(path)


def main() -> None:
    """Train, sample, count."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=6_000)
    parser.add_argument("--picture", help="where to draw the samples")
    parser.add_argument("--quick", action="store_true", help="fewer steps")
    arguments = parser.parse_args()
    steps = 1_500 if arguments.quick else arguments.steps

    generator, discriminator = networks(arguments.seed)
    step, begin = make_step(generator, discriminator)
    g, d = generator.network.parameters, discriminator.network.parameters
    kept, seed = begin(g, d), np.int64(arguments.seed)
    start = time.perf_counter()
    for number in range(1, steps + 1):
        g, d, kept, (g_loss, d_loss) = step(g, d, kept, seed, np.int64(number))
        if number % max(steps // 8, 1) == 0:
            print(f"step {number:6,}: generator {g_loss:.3f}, discriminator {d_loss:.3f}")
    print(f"{steps / (time.perf_counter() - start):,.0f} steps a second, compiling included")

    noise = np.random.default_rng(arguments.seed).normal(size=(SAMPLES, NOISE)).astype("float32")
    points = rv.compile(lambda g, z: apply(generator, g, z))(g, noise)
    shares = covered(points)
    print("share of the samples at each Gaussian:", *(f"{share:.1%}" for share in shares))
    print(f"{int((shares >= 0.01).sum())} of {GAUSSIANS} Gaussians covered")
    if arguments.picture:
        draw(points, arguments.picture)


if __name__ == "__main__":
    main()
