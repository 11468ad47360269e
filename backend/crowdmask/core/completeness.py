"""How much of an annotation is decided, slice by slice, and where it is not.

Presence per volume says nothing about missing ends and holes, and by our estimate slices that nobody decided were most
of what volumes lost in the study this follows; so a slice counts only when it is done or marked absent.
"""

from dataclasses import dataclass
from typing import Any

from crowdmask.core.tracks import AnnotationDocument, SliceState, runs, slice_states


@dataclass(frozen=True, slots=True)
class Completeness:
    """Counts of slices and the runs (first, last; inclusive, ascending) that are not decided.

    Attributes:
        holes: unknown runs between the first and the last covered slice.
        unverified_ends: unknown runs before the first or after the last covered slice. Where no slice is covered
            there are neither ends nor holes: all that is unknown is simply to do.
        suggested_runs: covered, but neither drawn nor confirmed.
        boxes: keyframes that a person made.
    """

    n_slices: int
    done: int
    suggested: int
    absent: int
    unknown: int
    holes: tuple[tuple[int, int], ...]
    unverified_ends: tuple[tuple[int, int], ...]
    suggested_runs: tuple[tuple[int, int], ...]
    boxes: int

    @property
    def share(self) -> float:
        """Decided slices of all slices, 0..1."""
        return (self.done + self.absent) / self.n_slices

    @property
    def is_complete(self) -> bool:
        """Whether the annotation may be submitted: every slice is decided."""
        return self.done + self.absent == self.n_slices

    @property
    def decided(self) -> int:
        """Slices that are done or absent."""
        return self.done + self.absent

    @property
    def n_gaps(self) -> int:
        """Runs of slices that are to do or to check; where no slice is covered, all that is to do counts as one."""
        nothing_covered = self.unknown > 0 and not self.holes and not self.unverified_ends
        return len(self.holes) + len(self.unverified_ends) + len(self.suggested_runs) + nothing_covered

    def to_json(self) -> dict[str, Any]:
        return {
            "n_slices": self.n_slices,
            "done": self.done,
            "suggested": self.suggested,
            "absent": self.absent,
            "unknown": self.unknown,
            "holes": [list(run) for run in self.holes],
            "unverified_ends": [list(run) for run in self.unverified_ends],
            "suggested_runs": [list(run) for run in self.suggested_runs],
            "boxes": self.boxes,
        }

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> "Completeness":
        """Read what ``to_json`` wrote."""
        return cls(
            n_slices=document["n_slices"],
            done=document["done"],
            suggested=document["suggested"],
            absent=document["absent"],
            unknown=document["unknown"],
            holes=_runs(document["holes"]),
            unverified_ends=_runs(document["unverified_ends"]),
            suggested_runs=_runs(document["suggested_runs"]),
            boxes=document["boxes"],
        )


def _runs(ranges: list[list[int]]) -> tuple[tuple[int, int], ...]:
    return tuple((first, last) for first, last in ranges)


def completeness(document: AnnotationDocument) -> Completeness:
    states = slice_states(document)
    found = runs(states)
    covered = [z for z, state in enumerate(states) if state in (SliceState.DONE, SliceState.SUGGESTED)]
    unknown = [(first, last) for state, first, last in found if state is SliceState.UNKNOWN]
    return Completeness(
        n_slices=len(states),
        done=states.count(SliceState.DONE),
        suggested=states.count(SliceState.SUGGESTED),
        absent=states.count(SliceState.ABSENT),
        unknown=states.count(SliceState.UNKNOWN),
        holes=tuple(run for run in unknown if covered and covered[0] < run[0] < covered[-1]),
        unverified_ends=tuple(run for run in unknown if covered and not covered[0] < run[0] < covered[-1]),
        suggested_runs=tuple((first, last) for state, first, last in found if state is SliceState.SUGGESTED),
        boxes=sum(
            keyframe.source.is_person_made
            for track in document.tracks
            for keyframe in track.keyframes.values()
        ),
    )
