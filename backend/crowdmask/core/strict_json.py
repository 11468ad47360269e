"""Reading JSON that others wrote: every value is checked, and every refusal names the place it stands at."""

import json
import math
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from typing import NoReturn, TypeVar

from crowdmask.core.errors import ErrorCode, InvalidInput
from crowdmask.core.geometry import Box

# A whole number written the one canonical way, so that "40" and "040" cannot both name slice 40.
_INDEX = re.compile(r"0|[1-9][0-9]{0,5}")
_LARGEST = 2**31 - 1

Member = TypeVar("Member", bound=StrEnum)


class Json:
    """One JSON value, where it stands, and the code that a refusal of its form carries."""

    def __init__(self, value: object, place: str, code: ErrorCode) -> None:
        self.value = value
        self.place = place
        self.code = code

    @classmethod
    def parse(cls, text: str, place: str, code: ErrorCode) -> "Json":
        """Parse a document. Refuses NaN, infinities and keys given twice, which Python's parser lets pass.

        Raises:
            InvalidInput: ``code``.
        """
        try:
            value = json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=_unique)
        except RecursionError:
            raise InvalidInput(code, f"{place} is nested too deeply.") from None
        except ValueError as error:
            raise InvalidInput(code, f"{place} is not valid JSON: {error}.") from None
        return cls(value, place, code)

    def refusal(self, what: str, *, hint: str = "") -> InvalidInput:
        """The error that says ``what`` is wrong at this place; the caller raises it."""
        return InvalidInput(self.code, f"{self.place} {what}.", hint=hint)

    @contextmanager
    def located(self) -> Iterator[None]:
        """Put this place in front of what the domain refuses inside the block; its code stays."""
        try:
            yield
        except InvalidInput as error:
            raise InvalidInput(error.code, f"{self.place}: {error.message}", hint=error.hint) from None

    def fields(self, *required: str, optional: tuple[str, ...] = ()) -> dict[str, "Json"]:
        """An object with these fields and no others."""
        entries = dict(self.entries())
        missing = [name for name in required if name not in entries]
        if missing:
            raise self.refusal(f"lacks {', '.join(missing)}")
        unknown = [name for name in entries if name not in required and name not in optional]
        if unknown:
            known = ", ".join((*required, *optional))
            raise self.refusal(f"has an unknown field {shown(unknown[0])}", hint=f"Known fields: {known}.")
        return entries

    def entries(self) -> list[tuple[str, "Json"]]:
        """The fields of an object, in their order."""
        if not isinstance(self.value, Mapping):
            raise self.refusal(f"must be an object, not {shown(self.value)}")
        found: list[tuple[str, Json]] = []
        for key, value in self.value.items():
            if not isinstance(key, str):
                raise self.refusal(f"has a key that is not text: {shown(key)}")
            found.append((key, Json(value, f"{self.place}.{key[:64]}", self.code)))
        return found

    def indexed(self) -> list[tuple[int, "Json"]]:
        """The fields of an object whose keys are whole numbers such as slices, in their order."""
        found: list[tuple[int, Json]] = []
        for key, value in self.entries():
            if not _INDEX.fullmatch(key):
                raise self.refusal(f"has the key {shown(key)}, which is not a whole number from 0")
            found.append((int(key), value))
        return found

    def elements(self, length: int | None = None) -> list["Json"]:
        """The elements of a list, of ``length`` when given."""
        if not isinstance(self.value, list | tuple):
            raise self.refusal(f"must be a list, not {shown(self.value)}")
        if length is not None and len(self.value) != length:
            raise self.refusal(f"must have {length} elements, not {len(self.value)}")
        return [Json(value, f"{self.place}[{i}]", self.code) for i, value in enumerate(self.value)]

    def integer(self) -> int:
        """A whole number from 0; not true or false, not 40.0."""
        if isinstance(self.value, bool) or not isinstance(self.value, int):
            raise self.refusal(f"must be a whole number, not {shown(self.value)}")
        if not 0 <= self.value <= _LARGEST:
            raise self.refusal(f"must be from 0 to {_LARGEST}, not {shown(self.value)}")
        return self.value

    def number(self) -> float:
        """A finite number."""
        if isinstance(self.value, bool) or not isinstance(self.value, int | float):
            raise self.refusal(f"must be a number, not {shown(self.value)}")
        try:
            number = float(self.value)
        except OverflowError:
            number = math.inf
        if not math.isfinite(number):
            raise self.refusal(f"must be a finite number, not {shown(self.value)}")
        return number

    def text(self) -> str:
        if not isinstance(self.value, str):
            raise self.refusal(f"must be text, not {shown(self.value)}")
        return self.value

    def boolean(self) -> bool:
        if not isinstance(self.value, bool):
            raise self.refusal(f"must be true or false, not {shown(self.value)}")
        return self.value

    def member(self, members: type[Member]) -> Member:
        """One of the values of an enum."""
        try:
            return members(self.text())
        except ValueError:
            known = ", ".join(member.value for member in members)
            raise self.refusal(f"is {shown(self.value)}", hint=f"It can be: {known}.") from None

    def range(self) -> tuple[int, int]:
        """``[first, last]``, both inclusive."""
        first, last = (element.integer() for element in self.elements(2))
        if first > last:
            raise self.refusal(f"runs backwards: {first} to {last}")
        return first, last

    def box(self) -> Box:
        """Four numbers x0, y0, x1, y1.

        Raises:
            InvalidInput: ``box_invalid``, also for what is not four finite numbers.
        """
        values = Json(self.value, self.place, ErrorCode.BOX_INVALID)
        numbers = [element.number() for element in values.elements(4)]
        with self.located():
            return Box.from_values(numbers)


def number_json(number: float) -> int | float:
    """A number as every language writes it: 40.0 as 40, so that equal documents have equal bytes."""
    return int(number) if float(number).is_integer() else float(number)


def shown(value: object) -> str:
    """A value for a message: short, whatever was sent."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):
        return f"a {type(value).__name__} too large to show"
    return text if len(text) <= 60 else f"{text[:57]}..."


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key {shown(twice)} is given twice")
    return found
