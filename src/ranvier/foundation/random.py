"""Random numbers that depend on nothing but their place.

Philox 4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3", SC 2011)
is indexed by (seed, step, site, element), so a number is the same on any number of threads and any
vector width. The order of rows in an epoch is a stateless permutation of (seed, epoch, position):
no index array, and a run can be taken up anywhere. The native engine computes the same bits.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
WEYL = (0x9E3779B9, 0xBB67AE85)
PHILOX_ROUNDS = 10
FEISTEL_ROUNDS = 6
#: Elements that share sixteen evaluations of Philox.
BLOCK = 64
#: Multipliers of the 32-bit mixer "lowbias32" by Chris Wellons (public domain).
MIX_MULTIPLIERS = (0x7FEB352D, 0x846CA68B)

_LOW = np.uint64(0xFFFFFFFF)
_32 = np.uint64(32)


def philox(
    counter: tuple[NDArray[np.uint32], int, int, int], key: tuple[int, int]
) -> tuple[NDArray[np.uint32], ...]:
    """Four 32-bit words for each counter.

    Args:
        counter: (low word of the index, high word of the index, step, site).
        key: the two words of the seed.
    """
    c0 = counter[0].astype(np.uint64)
    c1, c2, c3 = (np.full_like(c0, int(c) & 0xFFFFFFFF) for c in counter[1:])
    k0, k1 = key[0] & 0xFFFFFFFF, key[1] & 0xFFFFFFFF
    for _ in range(PHILOX_ROUNDS):
        p0 = c0 * np.uint64(MULTIPLIERS[0])
        p1 = c2 * np.uint64(MULTIPLIERS[1])
        c0, c1, c2, c3 = (
            (p1 >> _32) ^ c1 ^ np.uint64(k0),
            p1 & _LOW,
            (p0 >> _32) ^ c3 ^ np.uint64(k1),
            p0 & _LOW,
        )
        k0, k1 = (k0 + WEYL[0]) & 0xFFFFFFFF, (k1 + WEYL[1]) & 0xFFFFFFFF
    return tuple(c.astype(np.uint32) for c in (c0, c1, c2, c3))


def uniform(shape: tuple[int, ...], seed: int, step: int, site: int) -> NDArray[np.float32]:
    """Uniform numbers in [0, 1) with 24 random bits, by logical element.

    Elements are numbered row after row, each row starting at a multiple of `BLOCK`. Element ``e``
    takes word ``(e // 16) % 4`` of counter ``e // 64 * 16 + e % 16``: four neighbouring vectors of
    sixteen share one evaluation of Philox.
    """
    last = shape[-1] if shape else 1
    rows = int(np.prod(shape[:-1], dtype=np.int64))
    blocks = -(-last // BLOCK)
    counters = np.arange(rows * blocks * 16, dtype=np.uint32)
    words = philox((counters, 0, step, site), (seed & 0xFFFFFFFF, seed >> 32))
    lines = np.stack(words).reshape(4, -1, 16).transpose(1, 0, 2).reshape(rows, blocks * BLOCK)
    numbers = (lines[:, :last] >> np.uint32(8)).astype(np.float32) * np.float32(2.0**-24)
    return numbers.reshape(shape)


def mix(value: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """A 32-bit mixing function (lowbias32)."""
    value = value ^ (value >> np.uint32(16))
    value = value * np.uint32(MIX_MULTIPLIERS[0])
    value = value ^ (value >> np.uint32(15))
    value = value * np.uint32(MIX_MULTIPLIERS[1])
    return value ^ (value >> np.uint32(16))


def mix_int(value: int) -> int:
    """The same mixing function on one Python integer."""
    return int(mix(np.array([value & 0xFFFFFFFF], np.uint32))[0])


def permutation_keys(seed: int, epoch: int) -> list[int]:
    """Round keys of one epoch's permutation; the last one is the rotation."""
    state = mix_int((seed & 0xFFFFFFFF) ^ mix_int((seed >> 32) ^ mix_int(epoch + 0x9E3779B9)))
    keys = []
    for number in range(FEISTEL_ROUNDS + 1):
        state = mix_int(state + WEYL[0] * (number + 1))
        keys.append(state)
    return keys


def half_bits(rows: int) -> tuple[int, int]:
    """Bits of the two halves of the Feistel network for ``rows`` rows (at least one each)."""
    bits = max(2, (max(rows, 1) - 1).bit_length())
    return bits - bits // 2, bits // 2


def permuted_rows(seed: int, epoch: int, rows: int) -> NDArray[np.int64]:
    """The order of all rows in an epoch: the reference of the native, position by position, form.

    An unbalanced Feistel network over the next power of two, walked until it falls inside
    (Black and Rogaway, "Ciphers with arbitrary finite domains", 2002), after a rotation by a key.
    """
    if rows <= 1:
        return np.zeros(rows, np.int64)
    keys = permutation_keys(seed, epoch)
    left_bits, right_bits = half_bits(rows)
    value = (np.arange(rows, dtype=np.int64) + keys[-1] % rows) % rows
    outside = np.ones(rows, bool)
    while outside.any():
        value[outside] = _feistel(value[outside], keys, left_bits, right_bits)
        outside = value >= rows
    return value


def _feistel(
    value: NDArray[np.int64], keys: list[int], left_bits: int, right_bits: int
) -> NDArray[np.int64]:
    left = (value >> right_bits).astype(np.uint32)
    right = (value & ((1 << right_bits) - 1)).astype(np.uint32)
    for number in range(FEISTEL_ROUNDS):
        # Even rounds change the left half, odd ones the right: halves may differ in size.
        if number % 2 == 0:
            left = left ^ (mix(right + np.uint32(keys[number])) & np.uint32((1 << left_bits) - 1))
        else:
            right = right ^ (mix(left + np.uint32(keys[number])) & np.uint32((1 << right_bits) - 1))
    return (left.astype(np.int64) << right_bits) | right.astype(np.int64)


def host_generator(seed: int, path: str) -> np.random.Generator:
    """NumPy's generator for numbers drawn once on the host (initial weights), by seed and name."""
    words = [ord(character) for character in path]
    return np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, *words])))
