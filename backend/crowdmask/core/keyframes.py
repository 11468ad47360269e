"""One track: a connected piece of a label followed through slices by a few boxes."""

import re
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property
from types import MappingProxyType
from typing import Any

from crowdmask.core.errors import ErrorCode, InvalidInput
from crowdmask.core.geometry import Box, interpolate
from crowdmask.core.intervals import NO_SLICES, Intervals
from crowdmask.core.strict_json import Json, number_json, shown

SMALLEST_EDGE = 0.5
"""Voxels. People draw whole voxels; thinner boxes come from broken files and could vanish by interpolation."""
SAME_BOX = 1e-6
"""Voxels by which every edge may differ in two boxes that count as the same: far above rounding, far below sight."""

# The name given by the client, then what cutting adds: "/first slice" and, if that is taken, a number.
_TRACK_ID = re.compile(r"[A-Za-z0-9_-]{1,48}(/[0-9]{1,6}){0,2}")


class BoxSource(StrEnum):
    DRAWN = "drawn"
    EDITED = "edited"
    COPIED = "copied"
    TIGHTENED = "tightened"
    INTERPOLATED = "interpolated"
    PROPAGATED = "propagated"
    IMPORTED = "imported"
    SIMULATED = "simulated"
    CONSENSUS = "consensus"

    @property
    def is_person_made(self) -> bool:
        """Whether a slice with such a keyframe counts as drawn, so that it needs no confirmation."""
        return self not in (BoxSource.INTERPOLATED, BoxSource.PROPAGATED)


@dataclass(frozen=True, slots=True)
class Keyframe:
    """A box put on a slice, in contrast to one that follows from its neighbours."""

    box: Box
    source: BoxSource

    def to_json(self) -> dict[str, Any]:
        return {"box": box_json(self.box), "source": self.source.value}

    @classmethod
    def from_json(cls, value: Json) -> "Keyframe":
        fields = value.fields("box", "source")
        return cls(fields["box"].box(), fields["source"].member(BoxSource))


@dataclass(frozen=True)
class Track:
    """One connected piece of the label on every slice of ``first..last``.

    Attributes:
        id: named by the client; unique in its document.
        first, last: inclusive.
        keyframes: slice -> keyframe, at least one, all inside ``first..last``; ascending.
        confirmed: slices, inside ``first..last``, whose box somebody has looked at and left.
    """

    id: str
    first: int
    last: int
    keyframes: Mapping[int, Keyframe]
    confirmed: Intervals = NO_SLICES

    def __post_init__(self) -> None:
        if not _TRACK_ID.fullmatch(self.id):
            raise InvalidInput(
                ErrorCode.OPERATION_INVALID,
                f"{shown(self.id)} cannot name a track.",
                hint="Use 1 to 48 letters, digits, _ or -.",
            )
        if not 0 <= self.first <= self.last:
            raise InvalidInput(
                ErrorCode.SLICE_OUT_OF_RANGE,
                f"Track {self.id} cannot run from slice {self.first} to {self.last}.",
            )
        if not self.keyframes:
            raise InvalidInput(ErrorCode.OPERATION_INVALID, f"Track {self.id} has no box.")
        # A read-only copy in one order: equal tracks have equal JSON.
        object.__setattr__(self, "keyframes", MappingProxyType(dict(sorted(self.keyframes.items()))))
        marked = [*self.keyframes]
        if self.confirmed:
            marked += [self.confirmed.ranges[0][0], self.confirmed.ranges[-1][1]]
        for z in (min(marked), max(marked)):
            if not self.covers(z):
                raise InvalidInput(
                    ErrorCode.SLICE_OUT_OF_RANGE,
                    f"Slice {z} lies outside track {self.id}, which runs from {self.first} to {self.last}.",
                )

    def covers(self, z: int) -> bool:
        return self.first <= z <= self.last

    def box_at(self, z: int) -> Box:
        """The box on slice ``z``: linear between keyframes and not rounded, the nearest one outside them.

        Raises:
            InvalidInput: ``slice_out_of_range`` when the track is not on that slice.
        """
        if not self.covers(z):
            raise InvalidInput(
                ErrorCode.SLICE_OUT_OF_RANGE,
                f"Slice {z} lies outside track {self.id}, which runs from {self.first} to {self.last}.",
            )
        at = bisect_left(self._slices, z)
        after = self._slices[min(at, len(self._slices) - 1)]
        before = self._slices[max(at - 1, 0)]
        if after == z or before >= z or after <= z:
            return self.keyframes[before if after < z else after].box
        share = (z - before) / (after - before)
        return interpolate(self.keyframes[before].box, self.keyframes[after].box, share)

    def source_at(self, z: int) -> BoxSource:
        keyframe = self.keyframes.get(z)
        return BoxSource.INTERPOLATED if keyframe is None else keyframe.source

    def is_done_at(self, z: int) -> bool:
        """Whether a person made or confirmed the box on slice ``z``."""
        return self.source_at(z).is_person_made or z in self.confirmed

    def cut(self, first: int, last: int) -> "Track":
        """The part on ``first..last``, which must lie inside; its boxes and confirmations stay as they were.

        A keyframe of source interpolated stands in at a cut for the keyframes behind it.
        """
        kept = {z: keyframe for z, keyframe in self.keyframes.items() if first <= z <= last}
        if self._slices[0] < first:
            kept.setdefault(first, Keyframe(self.box_at(first), BoxSource.INTERPOLATED))
        if self._slices[-1] > last:
            kept.setdefault(last, Keyframe(self.box_at(last), BoxSource.INTERPOLATED))
        return Track(self.id, first, last, kept, self.confirmed.within(first, last))

    def changed(self, first: int, last: int, keyframes: Mapping[int, Keyframe]) -> "Track":
        """The track with another range or other keyframes; a confirmation stays only where the box stayed."""
        track = Track(self.id, first, last, keyframes)
        differing = [
            z
            for z in self.keyframes.keys() | track.keyframes.keys()
            if self.keyframes.get(z) != track.keyframes.get(z)
        ]
        kept = self.confirmed.within(first, last)
        if differing:
            # Boxes change only up to the next keyframes that both have.
            low = max((z for z in self._slices if z < min(differing)), default=first)
            high = min((z for z in self._slices if z > max(differing)), default=last)
            changed = [z for z in kept.within(low, high) if not same_box(self.box_at(z), track.box_at(z))]
            kept = kept.without(Intervals.from_slices(changed))
        return replace(track, confirmed=kept)

    def to_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "first": self.first,
            "last": self.last,
            "keyframes": {str(z): keyframe.to_json() for z, keyframe in self.keyframes.items()},
            "confirmed": self.confirmed.to_json(),
        }

    @classmethod
    def from_json(cls, value: Json) -> "Track":
        fields = value.fields("id", "first", "last", "keyframes", "confirmed")
        keyframes = {z: Keyframe.from_json(entry) for z, entry in fields["keyframes"].indexed()}
        first, last = fields["first"].integer(), fields["last"].integer()
        with value.located():
            return cls(fields["id"].text(), first, last, keyframes, Intervals.from_json(fields["confirmed"]))

    @cached_property
    def _slices(self) -> tuple[int, ...]:
        return tuple(self.keyframes)

    def check_boxes(self, size: tuple[int, int]) -> None:
        """Refuse a keyframe that leaves a slice of ``size`` = (rows, columns) or is too thin.

        Raises:
            InvalidInput: ``box_invalid``, naming track and slice.
        """
        x0, y0, x1, y1, thinnest = self._extent
        if x0 >= 0 and y0 >= 0 and x1 <= size[1] and y1 <= size[0] and thinnest >= SMALLEST_EDGE - SAME_BOX:
            return
        for z, keyframe in self.keyframes.items():
            box = keyframe.box
            with Json(None, f"Track {self.id}, slice {z}", ErrorCode.BOX_INVALID).located():
                box.check_inside(size)
                if min(box.width, box.height) < SMALLEST_EDGE - SAME_BOX:
                    raise InvalidInput(
                        ErrorCode.BOX_INVALID,
                        f"The box {box.values} is thinner than {SMALLEST_EDGE} voxels.",
                        hint="Draw a box of at least one voxel.",
                    )

    @cached_property
    def _extent(self) -> tuple[float, float, float, float, float]:
        """Hull of all keyframes and the thinnest edge: kept, since a document checks its tracks at every change."""
        boxes = [keyframe.box for keyframe in self.keyframes.values()]
        return (
            min(box.x0 for box in boxes),
            min(box.y0 for box in boxes),
            max(box.x1 for box in boxes),
            max(box.y1 for box in boxes),
            min(min(box.width, box.height) for box in boxes),
        )


def same_box(one: Box, other: Box) -> bool:
    """Whether two boxes differ by no more than rounding."""
    return all(abs(a - b) <= SAME_BOX for a, b in zip(one.values, other.values, strict=True))


def box_json(box: Box) -> list[int | float]:
    return [number_json(value) for value in box.values]
