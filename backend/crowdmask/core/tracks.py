"""What an annotator made of one label in one volume: tracks of boxes through slices, and slices marked absent.

Everything is a value: operations (``core.operations``) make new documents from old ones. Slices are numbered from
0; ranges of slices are inclusive on both ends; boxes are half-open (``core.geometry``).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import groupby
from typing import Any

from crowdmask.core.errors import ErrorCode, InvalidInput
from crowdmask.core.geometry import Box
from crowdmask.core.intervals import NO_SLICES, Intervals
from crowdmask.core.keyframes import BoxSource, Keyframe, Track
from crowdmask.core.linking import chains
from crowdmask.core.strict_json import Json, shown

__all__ = [
    "AnnotationDocument",
    "BoxOnSlice",
    "BoxSource",
    "Gap",
    "GapKind",
    "Keyframe",
    "SliceState",
    "Track",
    "boxes_by_slice",
    "document_from_boxes",
    "document_from_tracks",
    "empty_document",
    "gaps",
    "link",
    "runs",
    "slice_states",
]

MAX_KEYFRAMES = 10_000
"""Of one document: ten pieces on each of a thousand slices."""
MAX_TRACKS = 2_000
MAX_AXIS = 100_000


class SliceState(StrEnum):
    """What is known of the label on one slice."""

    UNKNOWN = "unknown"
    SUGGESTED = "suggested"
    DONE = "done"
    ABSENT = "absent"


class GapKind(StrEnum):
    TODO = "todo"
    SUGGESTED = "suggested"


@dataclass(frozen=True, slots=True)
class Gap:
    """A run of slices, inclusive, that keeps an annotation from being submitted."""

    kind: GapKind
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class BoxOnSlice:
    """One box where it lies, with where it came from."""

    track_id: str
    slice: int
    box: Box
    source: BoxSource
    confirmed: bool


@dataclass(frozen=True)
class AnnotationDocument:
    """The state of one annotation. A slice is never both covered by a track and absent.

    Attributes:
        shape: (nz, ny, nx) of the volume.
        tracks: in the order they were added; the second part of a cut one stands behind the first.
        absent: every slice marked as without the label.
        beyond: the part of ``absent`` that only ``set_label_range`` marked, and its next call replaces.
        label_range: first and last slice of the label as last said, widened by tracks that left it since; None when
            nobody said. Holds every track.
        not_in_volume: the one answer that the label is nowhere was given; every slice is absent. Slices that were all
            marked one by one make no such answer: see ``absent_everywhere``.
    """

    shape: tuple[int, int, int]
    tracks: tuple[Track, ...] = ()
    absent: Intervals = NO_SLICES
    beyond: Intervals = NO_SLICES
    label_range: tuple[int, int] | None = None
    not_in_volume: bool = False

    def __post_init__(self) -> None:
        if len(self.shape) != 3 or not all(1 <= n <= MAX_AXIS for n in self.shape):
            raise InvalidInput(
                ErrorCode.OPERATION_INVALID, f"{shown(self.shape)} is not the shape of a volume."
            )
        ids = {track.id for track in self.tracks}
        if len(ids) < len(self.tracks):
            raise InvalidInput(ErrorCode.OPERATION_INVALID, "Two tracks have the same id.")
        if len(self.tracks) > MAX_TRACKS:
            raise InvalidInput(
                ErrorCode.OPERATION_INVALID,
                f"{len(self.tracks)} tracks are more than the {MAX_TRACKS} that one annotation may hold.",
            )
        n_keyframes = sum(len(track.keyframes) for track in self.tracks)
        if n_keyframes > MAX_KEYFRAMES:
            raise InvalidInput(
                ErrorCode.OPERATION_INVALID,
                f"{n_keyframes} boxes are more than the {MAX_KEYFRAMES} that one annotation may hold.",
            )
        for track in self.tracks:
            self.check_slices(track.first, track.last)
            track.check_boxes(self.shape[1:])
            if self.absent.overlaps(track.first, track.last):
                both = self.absent.within(track.first, track.last).ranges[0]
                raise InvalidInput(
                    ErrorCode.OPERATION_INVALID,
                    f"The slices {both[0]} to {both[1]} are marked absent but covered by track {track.id}.",
                )
        for first, last in self.absent.ranges:
            self.check_slices(first, last)
        if self.beyond.without(self.absent):
            raise InvalidInput(
                ErrorCode.OPERATION_INVALID, "Slices beyond the label's range are not marked absent."
            )
        if self.label_range is not None:
            self.check_slices(*self.label_range)
            for track in self.tracks:
                if track.first < self.label_range[0] or track.last > self.label_range[1]:
                    raise InvalidInput(
                        ErrorCode.OPERATION_INVALID,
                        f"Track {track.id} leaves the label's range, {self.label_range[0]} to {self.label_range[1]}.",
                    )
        if self.not_in_volume and not self.absent_everywhere:
            raise InvalidInput(
                ErrorCode.OPERATION_INVALID,
                f"The label is not in this volume, but only {len(self.absent)} of {self.shape[0]} slices are absent.",
            )

    @property
    def absent_everywhere(self) -> bool:
        """Whether every slice is absent, however that was said."""
        return len(self.absent) == self.shape[0]

    def check_slices(self, first: int, last: int) -> None:
        """Refuse a range of slices that is empty or leaves the volume.

        Raises:
            InvalidInput: ``slice_out_of_range``.
        """
        n = self.shape[0]
        if not 0 <= first <= last < n:
            raise InvalidInput(
                ErrorCode.SLICE_OUT_OF_RANGE,
                f"There is no slice {first} in this volume."
                if first == last
                else f"{first} to {last} is not a range of slices of this volume.",
                hint=f"Its slices are numbered from 0 to {n - 1}.",
            )

    def track(self, track_id: str) -> Track:
        """Raises InvalidInput ``track_unknown``."""
        for track in self.tracks:
            if track.id == track_id:
                return track
        raise InvalidInput(ErrorCode.TRACK_UNKNOWN, f"There is no track {shown(track_id)}.")

    def to_json(self) -> dict[str, Any]:
        """The one form of this state: equal documents have equal JSON, byte for byte."""
        return {
            "shape": list(self.shape),
            "tracks": [track.to_json() for track in self.tracks],
            "absent": self.absent.to_json(),
            "beyond": self.beyond.to_json(),
            "label_range": None if self.label_range is None else list(self.label_range),
            "not_in_volume": self.not_in_volume,
        }

    @classmethod
    def from_json(cls, value: object) -> "AnnotationDocument":
        """Read what ``to_json`` wrote.

        Raises:
            InvalidInput: ``operation_invalid``, ``box_invalid`` or ``slice_out_of_range``, naming the place.
        """
        given = value if isinstance(value, Json) else Json(value, "document", ErrorCode.OPERATION_INVALID)
        fields = given.fields("shape", "tracks", "absent", "beyond", "label_range", "not_in_volume")
        nz, ny, nx = (element.integer() for element in fields["shape"].elements(3))
        tracks = tuple(Track.from_json(element) for element in fields["tracks"].elements())
        absent, beyond = Intervals.from_json(fields["absent"]), Intervals.from_json(fields["beyond"])
        label_range = None if fields["label_range"].value is None else fields["label_range"].range()
        not_in_volume = fields["not_in_volume"].boolean()
        with given.located():
            return cls((nz, ny, nx), tracks, absent, beyond, label_range, not_in_volume)


def empty_document(shape: tuple[int, int, int]) -> AnnotationDocument:
    """Nothing decided yet on any slice of a volume of ``shape`` (nz, ny, nx)."""
    nz, ny, nx = shape
    return AnnotationDocument((int(nz), int(ny), int(nx)))


def document_from_tracks(
    shape: tuple[int, int, int], tracks: Iterable[Track], absent: Intervals = NO_SLICES
) -> AnnotationDocument:
    """Tracks and marks as they are, for example from a file; what is in neither is unknown."""
    return replace(empty_document(shape), tracks=tuple(tracks), absent=absent)


def document_from_boxes(
    shape: tuple[int, int, int], boxes: Mapping[int, Sequence[Box]], *, source: BoxSource
) -> AnnotationDocument:
    """Boxes per slice, joined to tracks by ``link``; slices without a box are unknown."""
    return document_from_tracks(shape, link(boxes, source=source))


def link(boxes: Mapping[int, Sequence[Box]], *, source: BoxSource) -> tuple[Track, ...]:
    """Join boxes of consecutive slices to tracks (``core.linking.chains``); each box is a keyframe of ``source``.

    The tracks are named ``t1``, ``t2``, ... in the order of their first slices.
    """
    return tuple(
        Track(f"t{n}", min(chain), max(chain), {z: Keyframe(box, source) for z, box in chain.items()})
        for n, chain in enumerate(chains(boxes), start=1)
    )


def slice_states(document: AnnotationDocument) -> tuple[SliceState, ...]:
    """The state of every slice, length nz: done where every track on the slice is."""
    states = [SliceState.UNKNOWN] * document.shape[0]
    for z in document.absent:
        states[z] = SliceState.ABSENT
    for track in document.tracks:
        for z in range(track.first, track.last + 1):
            if not track.is_done_at(z):
                states[z] = SliceState.SUGGESTED
            elif states[z] is SliceState.UNKNOWN:
                states[z] = SliceState.DONE
    return tuple(states)


def boxes_by_slice(document: AnnotationDocument) -> dict[int, list[BoxOnSlice]]:
    """Every box of every covered slice; slices ascending, boxes of a slice in the order of the tracks."""
    found: dict[int, list[BoxOnSlice]] = {}
    for track in document.tracks:
        for z in range(track.first, track.last + 1):
            box = BoxOnSlice(track.id, z, track.box_at(z), track.source_at(z), z in track.confirmed)
            found.setdefault(z, []).append(box)
    return dict(sorted(found.items()))


def runs(states: Sequence[SliceState]) -> list[tuple[SliceState, int, int]]:
    """Runs of equal state: (state, first, last), inclusive, ascending."""
    return [
        (state, slices[0], slices[-1])
        for state, group in groupby(range(len(states)), key=lambda z: states[z])
        if (slices := list(group))
    ]


def gaps(document: AnnotationDocument) -> list[Gap]:
    """What keeps the annotation from being submitted, ascending."""
    kinds = {SliceState.UNKNOWN: GapKind.TODO, SliceState.SUGGESTED: GapKind.SUGGESTED}
    return [
        Gap(kinds[state], first, last)
        for state, first, last in runs(slice_states(document))
        if state in kinds
    ]
