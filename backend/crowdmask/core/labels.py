"""The label set of a project: which integer stands for what, and which names can be shown and stored."""

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from crowdmask.core.errors import ErrorCode, InvalidInput
from crowdmask.core.strict_json import Json, shown

MAX_LABELS = 255
"""Masks are stored as uint8, 0 is background."""
MAX_NAME = 200
MAX_LABEL_NAME = 100


def checked_name(
    name: str, *, longest: int = MAX_NAME, code: ErrorCode = ErrorCode.OPTION_INVALID, what: str = "A name"
) -> str:
    """A name that people can read: in Unicode form C, without space at its ends.

    Raises:
        InvalidInput: ``code`` when it is empty, longer than ``longest`` characters, or holds control, invisible
            or unassigned characters (which could hide or reorder the text around it).
    """
    if not isinstance(name, str):
        raise InvalidInput(code, f"{what} must be text, not {shown(name)}.")
    clean = unicodedata.normalize("NFC", name).strip()
    if not clean:
        raise InvalidInput(code, f"{what} is empty.", hint="Give at least one visible character.")
    if len(clean) > longest:
        raise InvalidInput(code, f"{what} has {len(clean)} characters; {longest} are allowed.")
    hidden = next((c for c in clean if unicodedata.category(c) in _HIDDEN and c not in _JOINERS), None)
    if hidden is not None:
        raise InvalidInput(
            code, f"{what} holds the character U+{ord(hidden):04X}, which cannot be seen.", hint="Remove it."
        )
    return clean


# Control, format, surrogate, private use, unassigned, line and paragraph separators; but names in Persian or Hindi
# need the two joiners.
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_JOINERS = "\u200c\u200d"


@dataclass(frozen=True, slots=True)
class Label:
    """A structure to annotate.

    Attributes:
        index: its integer in every mask, 1..255.
        name: as shown, already in the form of ``checked_name``.
    """

    index: int
    name: str

    def __post_init__(self) -> None:
        if (
            isinstance(self.index, bool)
            or not isinstance(self.index, int)
            or not 1 <= self.index <= MAX_LABELS
        ):
            raise InvalidInput(
                ErrorCode.LABELS_INVALID,
                f"A label's number must be 1 to {MAX_LABELS}, not {shown(self.index)}.",
            )
        name = checked_name(
            self.name,
            longest=MAX_LABEL_NAME,
            code=ErrorCode.LABELS_INVALID,
            what=f"The name of label {self.index}",
        )
        if name.casefold() == "background":
            raise InvalidInput(
                ErrorCode.LABELS_INVALID,
                "Background is always 0 and cannot be a label.",
                hint="Leave it out.",
            )
        object.__setattr__(self, "name", name)


@dataclass(frozen=True, slots=True)
class LabelSet:
    """At least one label, numbered consecutively from 1, with names that differ in more than case."""

    labels: tuple[Label, ...]

    def __post_init__(self) -> None:
        if not self.labels:
            raise InvalidInput(ErrorCode.LABELS_INVALID, "There is no label.", hint="Name at least one.")
        found = [label.index for label in self.labels]
        if found != list(range(1, len(found) + 1)):
            raise InvalidInput(
                ErrorCode.LABELS_INVALID,
                f"Labels must be numbered 1, 2, 3, ... in this order; got {shown(found)}.",
            )
        seen: dict[str, str] = {}
        for label in self.labels:
            folded = label.name.casefold()
            if folded in seen:
                raise InvalidInput(
                    ErrorCode.LABELS_INVALID,
                    f"Two labels are named {shown(seen[folded])} and {shown(label.name)}.",
                    hint="Names must differ in more than upper and lower case.",
                )
            seen[folded] = label.name

    @classmethod
    def from_names(cls, names: Iterable[str]) -> "LabelSet":
        """Number the names from 1 in their order."""
        listed = tuple(names)
        if len(listed) > MAX_LABELS:
            raise InvalidInput(
                ErrorCode.LABELS_INVALID, f"{len(listed)} labels are more than the {MAX_LABELS} of a mask."
            )
        return cls(tuple(Label(index, name) for index, name in enumerate(listed, start=1)))

    def name(self, index: int) -> str:
        """Raises InvalidInput ``label_unknown``."""
        for label in self.labels:
            if label.index == index:
                return label.name
        raise self._unknown(index)

    def index(self, name: str) -> int:
        """The number of the label with exactly this name.

        Raises:
            InvalidInput: ``label_unknown``.
        """
        for label in self.labels:
            if label.name == name:
                return label.index
        raise self._unknown(name)

    def _unknown(self, asked: object) -> InvalidInput:
        known = ", ".join(f"{label.index} {label.name}" for label in self.labels[:20])
        return InvalidInput(
            ErrorCode.LABEL_UNKNOWN, f"There is no label {shown(asked)}.", hint=f"There are: {known}."
        )

    def to_json(self) -> list[dict[str, Any]]:
        return [{"index": label.index, "name": label.name} for label in self.labels]

    @classmethod
    def from_json(cls, value: object) -> "LabelSet":
        """Read what ``to_json`` wrote.

        Raises:
            InvalidInput: ``labels_invalid``.
        """
        found = []
        for element in Json(value, "labels", ErrorCode.LABELS_INVALID).elements():
            fields = element.fields("index", "name")
            found.append(Label(fields["index"].integer(), fields["name"].text()))
        return cls(tuple(found))
