"""Reading JSON that may come from anywhere: every type, length and number is checked.

`Fields` gives typed access to one object; whatever is odd is a ModelFileError that names the place.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence

from ranvier.foundation.errors import ModelFileError

#: Characters of one text: labels and names of columns are shorter.
LONGEST_TEXT = 1 << 20


def odd(place: str, happened: str, needed: str) -> ModelFileError:
    """The error for a value in a model file that is not what Ranvier writes."""
    return ModelFileError(
        f"The model file is damaged: {place} is not as it should be.",
        happened=happened,
        needed=needed,
        fix="copy the model file again from where it was made, or train and save it again",
    )


def read_object(text: object, place: str, limit: int) -> object:
    """Parse JSON text of at most ``limit`` characters; NaN and double keys are refused."""
    if not isinstance(text, str) or len(text) > limit:
        raise odd(place, "it is no text, or too long", f"JSON text of at most {limit} characters")

    def constant(name: str) -> object:
        raise odd(place, f"it holds {name}", "finite numbers")

    def pairs(items: list[tuple[str, object]]) -> dict[str, object]:
        result = dict(items)
        if len(result) != len(items):
            raise odd(place, "it holds a key twice", "each key once")
        return result

    try:
        parsed: object = json.loads(text, parse_constant=constant, object_pairs_hook=pairs)
    except ModelFileError:
        raise
    except (ValueError, RecursionError) as error:
        raise odd(place, f"it is not JSON: {type(error).__name__}", "JSON text") from error
    return parsed


class Fields:
    """Typed access to one JSON object with exactly the given keys.

    Args:
        value: what was parsed.
        place: what it is, for error messages ("preparation.columns[3]").
        keys: the keys it must have, no more and no fewer.
    """

    def __init__(self, value: object, place: str, keys: Sequence[str]) -> None:
        """Check that the value is an object with these keys."""
        self.place = place
        if not isinstance(value, dict):
            raise odd(place, f"it is a {type(value).__name__}", "a JSON object")
        if set(value) != set(keys):
            found = ", ".join(sorted(str(key)[:40] for key in list(value)[:20]))
            raise odd(place, f"its keys are: {found}", "exactly the keys " + ", ".join(keys))
        self._values: dict[str, object] = value

    def _odd(self, key: str, needed: str) -> ModelFileError:
        return odd(f"{self.place}.{key}", f"it is {self._values[key]!r:.60}", needed)

    def text(self, key: str, limit: int = LONGEST_TEXT) -> str:
        """A text of at most ``limit`` characters."""
        value = self._values[key]
        if not isinstance(value, str) or len(value) > limit:
            raise self._odd(key, f"a text of at most {limit} characters")
        return value

    def one_of(self, key: str, choices: Sequence[str]) -> str:
        """One of a few words."""
        value = self._values[key]
        if not isinstance(value, str) or value not in choices:
            raise self._odd(key, "one of " + ", ".join(choices))
        return value

    def flag(self, key: str) -> bool:
        """True or false."""
        value = self._values[key]
        if not isinstance(value, bool):
            raise self._odd(key, "true or false")
        return value

    def number(self, key: str) -> float:
        """A finite number."""
        return _finite(self._values[key], f"{self.place}.{key}")

    def integer(self, key: str, low: int, high: int) -> int:
        """An integer from ``low`` to ``high``."""
        value = self._values[key]
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise self._odd(key, f"an integer from {low} to {high}")
        return value

    def items(self, key: str, limit: int) -> list[object]:
        """A list of at most ``limit`` values."""
        value = self._values[key]
        if not isinstance(value, list) or len(value) > limit:
            raise odd(
                f"{self.place}.{key}", "it is no list, or too long", f"at most {limit} entries"
            )
        return value

    def texts(self, key: str, limit: int, length: int = LONGEST_TEXT) -> tuple[str, ...]:
        """A list of at most ``limit`` texts."""
        values = self.items(key, limit)
        texts = tuple(v for v in values if isinstance(v, str) and len(v) <= length)
        if len(texts) != len(values):
            raise odd(
                f"{self.place}.{key}",
                "it holds something else than short texts",
                f"texts of at most {length} characters",
            )
        return texts

    def numbers(self, key: str, limit: int) -> tuple[float, ...]:
        """A list of at most ``limit`` finite numbers."""
        place = f"{self.place}.{key}"
        return tuple(_finite(value, place) for value in self.items(key, limit))

    def integers(self, key: str, limit: int, low: int, high: int) -> tuple[int, ...]:
        """A list of at most ``limit`` integers from ``low`` to ``high``."""
        values = self.items(key, limit)
        good = tuple(
            v for v in values if isinstance(v, int) and not isinstance(v, bool) and low <= v <= high
        )
        if len(good) != len(values):
            raise odd(
                f"{self.place}.{key}",
                "it holds something else",
                f"integers from {low} to {high}",
            )
        return good


def _finite(value: object, place: str) -> float:
    if not isinstance(value, bool) and isinstance(value, (int, float)):
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if math.isfinite(number):
            return number
    raise odd(place, f"it is {value!r:.60}", "a finite number")
