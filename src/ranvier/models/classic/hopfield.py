"""Hopfield's network: patterns stored as valleys of an energy, recalled by rolling down."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

import ranvier.ops as ops
from ranvier.backends.compile import Compiled
from ranvier.backends.compile import compile as compile_native
from ranvier.data.inputs import check_inputs, place
from ranvier.foundation.errors import DataError, NotBuiltError, ShapeError
from ranvier.foundation.random import permuted_rows
from ranvier.layers.arguments import one_of, whole_number

RULES = ("hebb", "storkey", "pseudo_inverse")
MODES = ("asynchronous", "synchronous")
#: Patterns that Hebb's rule keeps, for each unit (Amit, Gutfreund and Sompolinsky, 1985).
CAPACITY = 0.138


class Hopfield:
    """An associative memory of units that are 1 or -1, each connected with all others.

    Formula: a unit becomes ``sign(h_i)``, ``h_i = sum_j w_ij s_j``, and stays where ``h_i`` is 0.
    The energy ``-1/2 sum_ij w_ij s_i s_j`` never rises when units change one at a time, so recall
    ends in a valley: a stored pattern, if the start was near it.

    Rules (n units, patterns p):

    * ``"hebb"``: ``w_ij = 1/n sum_p p_i p_j`` (Hopfield, "Neural networks and physical systems with
      emergent collective computational abilities", PNAS 79, 1982). It keeps about ``0.138 n``
      patterns that are random and unlike each other.
    * ``"storkey"``: adds ``1/n (p_i p_j - p_i h_ji - h_ij p_j)`` with ``h_ij`` the field at i
      without i and j (Storkey, "Increasing the capacity of a Hopfield network without sacrificing
      functionality", ICANN 1997). It keeps more, also of patterns that are alike.
    * ``"pseudo_inverse"``: the projection onto the patterns (Personnaz, Guyon and Dreyfus, 1985).
      Every stored pattern is at rest if there are fewer than n, but the valleys get narrow.

    The diagonal is 0 in all of them.

    Args:
        size: the number of units n.
        rule: ``"hebb"``, ``"storkey"`` or ``"pseudo_inverse"``.

    Attributes:
        patterns: ``(P, n)`` what was stored, 1 and -1.
        weights: ``(n, n)`` float64, symmetric.

    Raises:
        ArgumentError: for a size below 2 or another rule.

    Example:
        >>> import ranvier as rv
        >>> memory = rv.Hopfield(6).store([[1, 1, 1, -1, -1, -1], [1, -1, 1, -1, 1, -1]])
        >>> memory.recall([1, 1, 1, -1, -1, 1]).tolist()
        [1, 1, 1, -1, -1, -1]
    """

    def __init__(self, size: int, rule: str = "hebb") -> None:
        self.size = whole_number("Hopfield", "size", size, low=2)
        self.rule = one_of("Hopfield", "rule", rule, RULES)
        self.patterns: NDArray[np.int64] = np.zeros((0, self.size), np.int64)
        self.weights: NDArray[np.float64] = np.zeros((self.size, self.size))
        self._native = _programs()

    @property
    def capacity(self) -> float:
        """``0.138 n``: about how many random patterns Hebb's rule keeps."""
        return CAPACITY * self.size

    @property
    def notes(self) -> tuple[str, ...]:
        """Plain sentences about what cannot go well."""
        count = len(self.patterns)
        if self.rule != "hebb" or count <= self.capacity:
            return ()
        return (
            f"{count} patterns are stored; Hebb's rule keeps about {self.capacity:.1f} of "
            f"{self.size} units (0.138 n), so some will be recalled with faults.",
        )

    def store(self, patterns: object) -> Self:
        """Add patterns to those that are stored already.

        **Shapes**: ``patterns: (n,)`` or ``(P, n)`` of 1 and -1

        Returns:
            The network itself.

        Raises:
            ShapeError: for patterns of another length.
            DataError: for other numbers than 1 and -1.
        """
        new = np.atleast_2d(self._states(patterns, "patterns"))
        self.patterns = np.concatenate([self.patterns, new])
        if self.rule == "hebb":
            # All at once: sums of 1 and -1 are exact, so the order of storing does not matter.
            self.weights = (self.patterns.T @ self.patterns) / self.size
            np.fill_diagonal(self.weights, 0.0)
        elif self.rule == "storkey":
            for pattern in new.astype(np.float64):
                self._add_storkey(pattern)
        else:
            known = self.patterns.astype(np.float64)
            projection = np.linalg.pinv(known) @ known
            np.fill_diagonal(projection, 0.0)
            # The pseudo-inverse is exactly symmetric, but its computation is not.
            self.weights = 0.5 * (projection + projection.T)
        return self

    def _add_storkey(self, pattern: NDArray[np.float64]) -> None:
        field = self.weights @ pattern
        # fields[i, j]: at i, without what comes from i itself (the diagonal is 0) and from j.
        fields = field[:, None] - self.weights * pattern
        taught = fields * pattern
        # Symmetric to the bit: both orders of i and j add the same two numbers.
        change = np.outer(pattern, pattern) - (taught + taught.T)
        self.weights = self.weights + change / self.size
        np.fill_diagonal(self.weights, 0.0)

    def recall(
        self,
        state: object,
        *,
        mode: str = "asynchronous",
        max_steps: int = 100,
        seed: int = 0,
    ) -> NDArray[np.int64]:
        """Let states change until they rest.

        **Shapes**: ``state: (n,) -> (n,)`` or ``(N, n) -> (N, n)``, of 1 and -1

        Args:
            state: where to start.
            mode: ``"asynchronous"``: one unit after the other, in a new order in each step, the
                same for all states; it always comes to rest. ``"synchronous"``: all units at once;
                it may swing between two states for ever.
            max_steps: in each, every unit may change once.
            seed: of the orders.

        Raises:
            NotBuiltError: before anything is stored.
            ShapeError: for states of another length.
            DataError: for other numbers than 1 and -1.
            ArgumentError: for another mode, max_steps or seed.

        Example:
            >>> memory = Hopfield(4).store([1, -1, 1, -1])
            >>> memory.recall([[1, 1, 1, -1], [-1, -1, 1, -1]], mode="synchronous").tolist()
            [[1, -1, 1, -1], [1, -1, 1, -1]]
        """
        one_of("Hopfield.recall", "mode", mode, MODES)
        whole_number("Hopfield.recall", "max_steps", max_steps)
        whole_number("Hopfield.recall", "seed", seed, 0, 2**63 - 1)
        self._check_stored("recall")
        found = self._states(state, "state")
        now = np.atleast_2d(found).astype(np.float64)
        for step in range(max_steps):
            if mode == "synchronous":
                new = self._moved(now, np.asarray(self._native["field"](now, self.weights)))
            else:
                new = self._one_by_one(now, permuted_rows(seed, step, self.size))
            if np.array_equal(new, now):
                break
            now = new
        return now.astype(np.int64).reshape(found.shape)

    def energy(self, state: object) -> Any:
        """``-1/2 sum_ij w_ij s_i s_j``.

        **Shapes**: ``state: (n,) -> ()`` or ``(N, n) -> (N,)``, of 1 and -1

        Raises:
            NotBuiltError: before anything is stored.
            ShapeError: for states of another length.
            DataError: for other numbers than 1 and -1.

        Example:
            >>> float(Hopfield(4).store([1, -1, 1, -1]).energy([1, -1, 1, -1]))
            -1.5
        """
        self._check_stored("energy")
        states = self._states(state, "state")
        rows = np.atleast_2d(states).astype(np.float64)
        found = np.asarray(self._native["energy"](rows, self.weights))
        return found.reshape(states.shape[:-1])

    def is_stable(self, state: object) -> Any:
        """Whether no unit would change.

        **Shapes**: ``state: (n,) -> ()`` or ``(N, n) -> (N,)``, of 1 and -1; booleans

        Raises:
            NotBuiltError: before anything is stored.
            ShapeError: for states of another length.
            DataError: for other numbers than 1 and -1.
        """
        self._check_stored("is_stable")
        states = self._states(state, "state")
        rows = np.atleast_2d(states).astype(np.float64)
        moved = self._moved(rows, np.asarray(self._native["field"](rows, self.weights)))
        return (moved == rows).all(axis=1).reshape(states.shape[:-1])

    def _one_by_one(
        self, states: NDArray[np.float64], order: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        states, noise = states.copy(), self._noise()
        for unit in order:
            field = states @ self.weights[unit]
            states[:, unit] = _sign(field, states[:, unit], noise[unit])
        return states

    def _moved(
        self, states: NDArray[np.float64], fields: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        return _sign(fields, states, self._noise())

    def _noise(self) -> NDArray[np.float64]:
        """What rounding can make of a field that is 0: below it, a unit stays as it is."""
        rounding = self.size * np.finfo(np.float64).eps
        return np.asarray(rounding * (1.0 + np.abs(self.weights).sum(axis=1)))

    def _states(self, states: object, name: str) -> NDArray[np.int64]:
        array = check_inputs(states, name)
        if array.ndim not in (1, 2) or array.shape[-1] != self.size:
            raise ShapeError(
                f"Hopfield({self.size}): the {name} do not fit the network.",
                happened=f"the shape is {array.shape}",
                needed=f"({self.size},) for one, or (N, {self.size}) for several",
                fix="give one number for each unit",
            )
        wrong = np.abs(array.astype(np.float64)) != 1.0
        if wrong.any():
            first = tuple(int(i) for i in np.argwhere(wrong)[0])
            raise DataError(
                f"Hopfield({self.size}): the {name} hold another number than 1 and -1.",
                happened=f"at {place(first) if array.ndim == 2 else f'unit {first[0]}'} "
                f"it is {array[first].item()!r}",
                needed="1 and -1 only",
                fix="for 0 and 1 write 2 * x - 1; for grey values numpy.where(x > 0.5, 1, -1)",
            )
        return array.astype(np.int64)

    def _check_stored(self, what: str) -> None:
        if not len(self.patterns):
            raise NotBuiltError(
                f"Hopfield.{what} needs stored patterns.",
                happened="nothing is stored yet, so all weights are 0",
                needed="at least one pattern",
                fix="call store(patterns) first",
            )

    def __getstate__(self) -> dict[str, Any]:
        # Native programs hold addresses of this process; they are made again when needed.
        return {name: value for name, value in self.__dict__.items() if name != "_native"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._native = _programs()

    def __repr__(self) -> str:
        rule = "" if self.rule == "hebb" else f", rule={self.rule!r}"
        return f"Hopfield({self.size}{rule})"


def _programs() -> dict[str, Compiled]:
    return {"field": compile_native(_field), "energy": compile_native(_energy)}


def _field(states: Any, weights: Any) -> Any:
    """The weights are symmetric, so rows serve as columns. **Shapes**: ``(N, n) -> (N, n)``"""
    return ops.matmul(states, weights)


def _energy(states: Any, weights: Any) -> Any:
    return -0.5 * ops.sum(_field(states, weights) * states, axis=1)


def _sign(
    fields: NDArray[np.float64], states: NDArray[np.float64], noise: NDArray[np.float64]
) -> NDArray[np.float64]:
    return np.where(np.abs(fields) <= noise, states, np.sign(fields))
