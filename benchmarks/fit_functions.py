"""Reproduces the coefficients of ``functions.py`` and ``trigonometry.py`` in ``backends/native``.

Every table is a weighted least-squares fit at Chebyshev nodes in 50 digits, reweighted towards the
largest error (Lawson), so nearly minimax. Run: ``pip install mpmath``, ``python fit_functions.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mpmath import mp, mpf

mp.dps = 50

Function = Callable[[mpf], mpf]


@dataclass(frozen=True)
class Fit:
    """One polynomial, lowest power first, and its largest ``weight * |error|`` at the nodes."""

    coefficients: list[mpf]
    error: mpf


def fit(
    target: Function,
    weight: Function,
    interval: tuple[mpf, mpf],
    degree: int,
    count: int = 160,
    rounds: int = 10,
) -> Fit:
    """Fit a polynomial: the best of ``rounds`` reweighted least-squares solutions."""
    low, high = (mpf(end) for end in interval)
    scale = max(abs(low), abs(high))
    angles = [mp.pi * (2 * k + 1) / (2 * count) for k in range(count)]
    points = [(low + high) / 2 + (high - low) / 2 * mp.cos(angle) for angle in angles]
    values = [target(x) for x in points]
    weights = [weight(x) for x in points]
    lawson = [mpf(1)] * count
    candidates = []
    for _ in range(rounds):
        left, right = mp.matrix(count, degree + 1), mp.matrix(count, 1)
        for row, (x, y) in enumerate(zip(points, values, strict=True)):
            share = weights[row] * lawson[row]
            for power in range(degree + 1):
                left[row, power] = share * (x / scale) ** power
            right[row] = share * y
        solution = mp.lu_solve(left, right)
        coefficients = [solution[power] / scale**power for power in range(degree + 1)]
        errors = [
            abs(mp.polyval(coefficients[::-1], x) - y) * w
            for x, y, w in zip(points, values, weights, strict=True)
        ]
        largest = max(errors)
        candidates.append(Fit(coefficients, largest))
        lawson = [
            old * mp.sqrt(error / largest + mpf("0.001"))
            for old, error in zip(lawson, errors, strict=True)
        ]
    return min(candidates, key=lambda candidate: candidate.error)


def expm1_slope(r: mpf) -> mpf:
    """((exp(r) - 1) / r - 1) / r."""
    return (mp.expm1(r) / r - 1) / r


def log_cubic(f: mpf) -> mpf:
    """(log(1 + f) - f + f^2 / 2) / f^3."""
    return (mp.log1p(f) - f + f * f / 2) / f**3


def log_ratio(z: mpf) -> mpf:
    """(log((1 + s) / (1 - s)) - 2 s) / s^3 with z = s^2."""
    s = mp.sqrt(z)
    return (2 * mp.atanh(s) - 2 * s) / s**3


def erf_slope(x: mpf) -> mpf:
    """-log(1 - erf(x)) / x - 1."""
    return -mp.log(mp.erfc(x)) / x - 1


def erf_error(x: mpf) -> mpf:
    """Relative change of erf(x) for a change of ``erf_slope``."""
    return x * mp.erfc(x) / mp.erf(x)


def sine_slope(z: mpf) -> mpf:
    """(sin(r) / r - 1) / z with z = r^2."""
    r = mp.sqrt(z)
    return (mp.sin(r) / r - 1) / z


def sine_error(z: mpf) -> mpf:
    """Relative change of sin(r) for a change of ``sine_slope``."""
    r = mp.sqrt(z)
    return z * r / mp.sin(r)


def cosine_slope(z: mpf) -> mpf:
    """(cos(r) - 1 + z / 2) / z^2 with z = r^2."""
    return (mp.cos(mp.sqrt(z)) - 1 + z / 2) / z**2


def cosine_error(z: mpf) -> mpf:
    """Relative change of cos(r) for a change of ``cosine_slope``."""
    return z * z / mp.cos(mp.sqrt(z))


def fits() -> dict[str, Fit]:
    """Every table by its name in those files, without the leading terms that are exact."""
    tiny, half_ln2 = mpf("1e-8"), mp.log(2) / 2 * mpf("1.0001")
    halves, ratio = (-half_ln2, half_ln2), (mp.sqrt(2) - 1) / (mp.sqrt(2) + 1)
    eighth = (tiny, (mp.pi / 4 * mpf("1.0001")) ** 2)
    roots = (mp.sqrt(mpf(1) / 2) - 1, mp.sqrt(2) - 1)

    def expm1_error(r: mpf) -> mpf:
        return r * r / abs(mp.expm1(r))

    def log_error(g: mpf) -> mpf:
        return abs(g**3 / mp.log1p(g))

    def half(z: mpf) -> mpf:
        return z / 2

    return {
        "EXPM1 float32": fit(expm1_slope, expm1_error, halves, 4),
        "EXPM1 float64": fit(expm1_slope, expm1_error, halves, 9),
        "LOG32": fit(log_cubic, log_error, roots, 7),
        "LOG64": fit(log_ratio, half, (tiny, ratio**2), 6),
        "ERF float32": fit(erf_slope, erf_error, (tiny, mpf(4)), 8),
        "ERF float64": fit(erf_slope, erf_error, (tiny, mpf(6)), 24),
        "SINE float32": fit(sine_slope, sine_error, eighth, 2),
        "SINE float64": fit(sine_slope, sine_error, eighth, 5),
        "COSINE float32": fit(cosine_slope, cosine_error, eighth, 2),
        "COSINE float64": fit(cosine_slope, cosine_error, eighth, 5),
    }


def main() -> None:
    """Print every table, lowest power first."""
    for name, found in fits().items():
        print(f"{name}: error {mp.nstr(found.error, 3)}")
        for coefficient in found.coefficients:
            print(f"    {float(coefficient)!r},")


if __name__ == "__main__":
    main()
