"""Every error a user can cause: what happened, what was needed, how to fix it.

Raise one of the classes below with a headline that names the layer, column, file or row, and the
three answers. Nothing else in Ranvier is raised on purpose.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class RanvierError(Exception):
    """Base of all errors that Ranvier raises on purpose.

    Args:
        headline: one sentence naming the place (layer, column, file, row, operation).
        happened: what was found.
        needed: what was expected instead.
        fix: what the user can do about it.
    """

    def __init__(self, headline: str, *, happened: str, needed: str, fix: str) -> None:
        super().__init__(headline)
        self.headline = headline
        self.happened = happened
        self.needed = needed
        self.fix = fix

    def __str__(self) -> str:
        return "\n".join(
            [
                self.headline,
                f"  what happened   {_indented(self.happened)}",
                f"  what it needs   {_indented(self.needed)}",
                f"  how to fix      {_indented(self.fix)}",
            ]
        )

    def __reduce__(self) -> tuple[object, ...]:
        # Keyword-only arguments: without this an error cannot cross a process boundary.
        return (_rebuild, (type(self), self.headline, self.happened, self.needed, self.fix))


def _rebuild(
    kind: type[RanvierError], headline: str, happened: str, needed: str, fix: str
) -> RanvierError:
    return kind(headline, happened=happened, needed=needed, fix=fix)


def _indented(text: str) -> str:
    return text.replace("\n", "\n" + " " * 18)


class ShapeError(RanvierError, ValueError):
    """Shapes that do not fit together."""


class DTypeError(RanvierError, TypeError):
    """A dtype that an operation or a program cannot take."""


class DataError(RanvierError, ValueError):
    """Data that cannot be trained on: not finite, ragged, empty, wrong labels."""


class FileError(RanvierError, OSError):
    """A file that cannot be read or written."""


class ModelFileError(RanvierError, ValueError):
    """A model file that is damaged, not ours, or newer than this version."""


class ArgumentError(RanvierError, ValueError):
    """An argument outside its domain."""


class PositionError(RanvierError, IndexError):
    """A position that a sequence does not have."""


class UnknownNameError(RanvierError, ValueError):
    """A name that no registry knows."""


class MissingExtraError(RanvierError, ImportError):
    """An optional package that is not installed."""


class TraceError(RanvierError, TypeError):
    """Python asked a traced value for a number that does not exist yet."""


class UnsupportedOperationError(RanvierError, NotImplementedError):
    """An operation that the chosen engine cannot run."""


class TrainingError(RanvierError, ArithmeticError):
    """A loss or a gradient that is no longer a finite number."""


class NotBuiltError(RanvierError, RuntimeError):
    """A model that is asked for numbers before its input shape is known."""


class ContractError(RanvierError, AssertionError):
    """Something of one's own that breaks the contract of its kind; see ``ranvier.testing``."""


class InternalError(RanvierError, RuntimeError):
    """A broken law inside Ranvier: our fault, not the user's."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A sentence that offers the nearest known names, and lists all of them."""
    names = sorted(known)
    close = difflib.get_close_matches(name.lower(), [n.lower() for n in names], n=1, cutoff=0.5)
    listed = ", ".join(names)
    if close:
        match = next(n for n in names if n.lower() == close[0])
        return f"did you mean {match!r}? Known: {listed}"
    return f"known: {listed}"


def missing_extra(package: str, extra: str, purpose: str) -> MissingExtraError:
    """The error for an optional package that is not installed."""
    return MissingExtraError(
        f"{purpose} needs the package {package!r}.",
        happened=f"{package!r} is not installed",
        needed=f"the extra {extra!r} of Ranvier",
        fix=f'pip install "ranvier[{extra}]"',
    )
