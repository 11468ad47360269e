"""Who gets which task: slots, what a task still needs, and which task comes next. Pure rules, no database.

A task offers numbered slots 0, 1, 2, ...; an assignment that is reserved or submitted holds one, an expired or
taken back one holds none. ``assignments.slots`` says the same in SQL; a test compares the two.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from crowdmask.core.errors import ErrorCode, InvalidInput
from crowdmask.core.lifecycle import TaskState


def slots_needed(overlap: int, absence_answers: int) -> int:
    """How many people a task needs.

    The overlap, and one more as soon as any submitted annotation says that the label is not in this volume: one
    person's "nowhere" is easily an oversight. It stays one more however many say so and whatever the overlap.

    Raises:
        InvalidInput: ``option_invalid`` for an overlap below 1 or a negative count.
    """
    if overlap < 1 or absence_answers < 0:
        raise InvalidInput(
            ErrorCode.OPTION_INVALID,
            f"An overlap of {overlap} with {absence_answers} answers of absence is not possible.",
            hint="At least one person has to work on a task.",
        )
    return overlap + (1 if absence_answers else 0)


def free_slot(needed: int, taken: Collection[int]) -> int | None:
    """The slot the next person gets: the lowest number below ``needed`` that nobody holds; None: no work left."""
    return next((slot for slot in range(needed) if slot not in taken), None)


@dataclass(frozen=True, slots=True)
class TaskProgress:
    """A task's state with "k of n": how many of the needed annotations are submitted (may be more than needed)."""

    state: TaskState
    submitted: int
    needed: int

    @property
    def missing(self) -> int:
        return max(self.needed - self.submitted, 0)


def task_progress(*, overlap: int, submitted: int, absence_answers: int, archived: bool) -> TaskProgress:
    """Derive the state of a task from its assignments.

    Args:
        submitted: assignments in state submitted.
        absence_answers: how many of those say that the label is not in this volume.
        archived: an archived task stays archived, whatever was submitted.
    """
    needed = slots_needed(overlap, absence_answers)
    state = TaskState.COMPLETE if submitted >= needed else TaskState.OPEN
    return TaskProgress(TaskState.ARCHIVED if archived else state, submitted, needed)


def next_task_key(
    *, priority: int, missing: int, created_at: datetime, task_id: UUID
) -> tuple[int, int, datetime, UUID]:
    """Sort tasks by this, ascending, and the first with a free slot is the next one.

    Lower priority numbers first, as for jobs; then the fewest missing annotations, so that begun tasks become usable before new ones
    are opened; then the oldest; the id makes the order total, so that all processes agree.
    """
    return (priority, missing, created_at, task_id)
