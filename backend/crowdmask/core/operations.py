"""The small steps an annotation is made of, as they are sent and logged.

An annotation's document is ``apply`` folded over its log of operations, here and in the browser, which is held to
the same vectors (``tests/vectors/operations.json``). What each step does stands in ``core.edits``.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar

from crowdmask.core import edits
from crowdmask.core.errors import ErrorCode, InvalidInput
from crowdmask.core.geometry import Box
from crowdmask.core.keyframes import BoxSource, Keyframe, Track, box_json
from crowdmask.core.strict_json import Json, shown
from crowdmask.core.tracks import AnnotationDocument

MAX_OPERATIONS = 1_000
"""In one batch."""


class _Step:
    """What all operations share."""

    op: ClassVar[str]

    def to_json(self) -> dict[str, Any]:
        """The form in which the operation is sent and logged; ``op`` names it."""
        own = {field.name: _as_json(getattr(self, field.name)) for field in fields(self)}  # type: ignore[arg-type]
        return {"op": self.op, **own}


@dataclass(frozen=True)
class AddTrack(_Step):
    """A new track, not confirmed anywhere. A box drawn on one slice is a track of that slice.

    Beyond the label's range it widens the range; the slices between, absent only because of its old end, are unknown again.
    """

    op: ClassVar[str] = "add_track"
    track: str
    first: int
    last: int
    keyframes: Mapping[int, Keyframe]

    def __post_init__(self) -> None:
        object.__setattr__(self, "keyframes", self.made().keyframes)

    @classmethod
    def of(cls, track: Track) -> "AddTrack":
        """The operation that adds this track (without its confirmations)."""
        return cls(track.id, track.first, track.last, track.keyframes)

    def made(self) -> Track:
        return Track(self.track, self.first, self.last, self.keyframes)


@dataclass(frozen=True)
class SetKeyframe(_Step):
    """Draw or correct the box of a track on a slice; outside its range the track is extended to that slice."""

    op: ClassVar[str] = "set_keyframe"
    track: str
    slice: int
    box: Box
    source: BoxSource


@dataclass(frozen=True)
class DeleteKeyframe(_Step):
    """Let the box of a slice follow from its neighbours again. The only keyframe of a track cannot go."""

    op: ClassVar[str] = "delete_keyframe"
    track: str
    slice: int


@dataclass(frozen=True)
class DeleteTrack(_Step):
    """Remove a piece; slices that no other covers are unknown again."""

    op: ClassVar[str] = "delete_track"
    track: str


@dataclass(frozen=True)
class SetTrackRange(_Step):
    """Let a track end earlier (its other boxes stay as they were) or later (the nearest keyframe holds)."""

    op: ClassVar[str] = "set_track_range"
    track: str
    first: int
    last: int


@dataclass(frozen=True)
class SetLabelRange(_Step):
    """Say the label's first and last slice: all beyond is absent. Replaces the marks of the earlier call."""

    op: ClassVar[str] = "set_label_range"
    first: int
    last: int


@dataclass(frozen=True)
class MarkAbsent(_Step):
    """Say that the label is not on these slices."""

    op: ClassVar[str] = "mark_absent"
    first: int
    last: int


@dataclass(frozen=True)
class ClearAbsent(_Step):
    """Take absent marks back, whoever made them; the slices are unknown again."""

    op: ClassVar[str] = "clear_absent"
    first: int
    last: int


@dataclass(frozen=True)
class MarkNotInVolume(_Step):
    """Say that the label is nowhere in the volume: removes all tracks and marks every slice absent.

    The first track or range after it takes the whole answer back: every slice is unknown again.
    """

    op: ClassVar[str] = "mark_not_in_volume"


@dataclass(frozen=True)
class Confirm(_Step):
    """The boxes of a track on these slices have been looked at and are right."""

    op: ClassVar[str] = "confirm"
    track: str
    first: int
    last: int


@dataclass(frozen=True)
class ReplaceDocument(_Step):
    """Go to a whole other state: how undo and restore are appended to the log."""

    op: ClassVar[str] = "replace_document"
    document: AnnotationDocument


Operation = (
    AddTrack
    | SetKeyframe
    | DeleteKeyframe
    | DeleteTrack
    | SetTrackRange
    | SetLabelRange
    | MarkAbsent
    | ClearAbsent
    | MarkNotInVolume
    | Confirm
    | ReplaceDocument
)


_OPERATIONS: Mapping[str, type[Operation]] = {
    kind.op: kind
    for kind in (
        AddTrack,
        SetKeyframe,
        DeleteKeyframe,
        DeleteTrack,
        SetTrackRange,
        SetLabelRange,
        MarkAbsent,
        ClearAbsent,
        MarkNotInVolume,
        Confirm,
        ReplaceDocument,
    )
}

_READERS: Mapping[str, Callable[[Json], Any]] = {
    "track": Json.text,
    "slice": Json.integer,
    "first": Json.integer,
    "last": Json.integer,
    "box": Json.box,
    "source": lambda value: value.member(BoxSource),
    "keyframes": lambda value: {z: Keyframe.from_json(entry) for z, entry in value.indexed()},
    "document": AnnotationDocument.from_json,
}


def operation_from_json(value: object, place: str = "operation") -> Operation:
    """Read one operation; what is not exactly of its form is refused, naming the place.

    Raises:
        InvalidInput: ``operation_invalid``, ``box_invalid`` or ``slice_out_of_range``.
    """
    given = Json(value, place, ErrorCode.OPERATION_INVALID)
    entries = dict(given.entries())
    if "op" not in entries:
        raise given.refusal("lacks op")
    kind = _OPERATIONS.get(entries["op"].text())
    if kind is None:
        raise entries["op"].refusal(
            f"is {shown(entries['op'].value)}", hint=f"Known operations: {', '.join(_OPERATIONS)}."
        )
    names = [field.name for field in fields(kind)]
    found = given.fields("op", *names)
    values = {name: _READERS[name](found[name]) for name in names}
    with given.located():
        return kind(**values)


def operations_from_json(value: object) -> tuple[Operation, ...]:
    """Read a batch of 1 to ``MAX_OPERATIONS`` operations.

    Raises:
        InvalidInput: as ``operation_from_json``.
    """
    elements = Json(value, "operations", ErrorCode.OPERATION_INVALID).elements()
    if not 1 <= len(elements) <= MAX_OPERATIONS:
        raise InvalidInput(
            ErrorCode.OPERATION_INVALID,
            f"A batch has 1 to {MAX_OPERATIONS} operations, not {len(elements)}.",
            hint="Send the rest in a further batch.",
        )
    return tuple(operation_from_json(element.value, element.place) for element in elements)


def apply(document: AnnotationDocument, operation: Operation) -> AnnotationDocument:
    """The document after the operation; the given one stays as it is.

    Raises:
        InvalidInput: ``box_invalid``, ``slice_out_of_range``, ``track_unknown`` or ``operation_invalid``.
    """
    match operation:
        case AddTrack():
            return edits.add_track(document, operation.made())
        case SetKeyframe(track, z, box, source):
            return edits.set_keyframe(document, track, z, Keyframe(box, source))
        case DeleteKeyframe(track, z):
            return edits.delete_keyframe(document, track, z)
        case DeleteTrack(track):
            return edits.delete_track(document, track)
        case SetTrackRange(track, first, last):
            return edits.set_track_range(document, track, first, last)
        case SetLabelRange(first, last):
            return edits.set_label_range(document, first, last)
        case MarkAbsent(first, last):
            return edits.mark_absent(document, first, last)
        case ClearAbsent(first, last):
            return edits.clear_absent(document, first, last)
        case MarkNotInVolume():
            return edits.mark_not_in_volume(document)
        case Confirm(track, first, last):
            return edits.confirm(document, track, first, last)
        case ReplaceDocument(other):
            return edits.replace_document(document, other)


def apply_all(document: AnnotationDocument, operations: Iterable[Operation]) -> AnnotationDocument:
    """Fold ``apply`` over operations; a refusal names the position of its operation."""
    for position, operation in enumerate(operations):
        with Json(None, f"operations[{position}]", ErrorCode.OPERATION_INVALID).located():
            document = apply(document, operation)
    return document


def _as_json(value: object) -> object:
    match value:
        case AnnotationDocument():
            return value.to_json()
        case Box():
            return box_json(value)
        case BoxSource():
            return value.value
        case Mapping():
            return {str(z): keyframe.to_json() for z, keyframe in value.items()}
        case _:
            return value
