"""How much of an annotation is decided, slice by slice, and where it is not.

Presence per volume says nothing about missing ends and holes, and by our estimate slices that nobody decided were most
of what volumes lost in the study this follows; so a slice counts only when it is done or marked absent.
"""

from dataclasses import dataclass

from crowdmask.core.tracks import AnnotationDocument, SliceState, runs, slice_states


@dataclass(frozen=True, slots=True)
class Completeness:
    """Counts of slices and the runs (first, last; inclusive, ascending) that are not decided.

    Attributes:
        holes: unknown runs between the first and the last covered slice.
        unverified_ends: unknown runs before the first or after the last covered slice. Where no slice is covered
            there are neither ends nor holes: all that is unknown is simply to do.
        suggested_runs: covered, but neither drawn nor confirmed.
    """

    n_slices: int
    done: int
    suggested: int
    absent: int
    unknown: int
    holes: tuple[tuple[int, int], ...]
    unverified_ends: tuple[tuple[int, int], ...]
    suggested_runs: tuple[tuple[int, int], ...]

    @property
    def share(self) -> float:
        """Decided slices of all slices, 0..1."""
        return (self.done + self.absent) / self.n_slices

    @property
    def is_complete(self) -> bool:
        """Whether the annotation may be submitted: every slice is decided."""
        return self.done + self.absent == self.n_slices


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
    )
