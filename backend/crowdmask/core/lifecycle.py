"""The states that things go through, and the only steps between them. See docs/architecture.md, "Saving" and "Jobs"."""

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar

from crowdmask.core.errors import Conflict, ErrorCode


class VolumeState(StrEnum):
    QUARANTINED = "quarantined"
    INGESTING = "ingesting"
    READY = "ready"
    FAILED = "failed"


class AssignmentState(StrEnum):
    RESERVED = "reserved"
    SUBMITTED = "submitted"
    EXPIRED = "expired"
    TAKEN_BACK = "taken_back"


class AnnotationState(StrEnum):
    OPEN = "open"
    SUBMITTED = "submitted"
    ACCEPTED = "accepted"
    RETURNED = "returned"


class TaskState(StrEnum):
    """Derived from a task's assignments, never stored."""

    OPEN = "open"
    COMPLETE = "complete"
    ARCHIVED = "archived"


class JobState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    DEAD = "dead"
    CANCELLED = "cancelled"


State = TypeVar("State", VolumeState, AssignmentState, AnnotationState, JobState)

VOLUME_STEPS: Mapping[VolumeState, frozenset[VolumeState]] = {
    VolumeState.QUARANTINED: frozenset({VolumeState.INGESTING}),
    VolumeState.INGESTING: frozenset({VolumeState.READY, VolumeState.FAILED}),
    VolumeState.FAILED: frozenset({VolumeState.INGESTING, VolumeState.READY}),
    VolumeState.READY: frozenset({VolumeState.INGESTING}),
}

ASSIGNMENT_STEPS: Mapping[AssignmentState, frozenset[AssignmentState]] = {
    AssignmentState.RESERVED: frozenset(
        {AssignmentState.SUBMITTED, AssignmentState.EXPIRED, AssignmentState.TAKEN_BACK}
    ),
    AssignmentState.SUBMITTED: frozenset({AssignmentState.RESERVED, AssignmentState.TAKEN_BACK}),
    AssignmentState.EXPIRED: frozenset({AssignmentState.RESERVED, AssignmentState.TAKEN_BACK}),
    AssignmentState.TAKEN_BACK: frozenset({AssignmentState.RESERVED}),
}

ANNOTATION_STEPS: Mapping[AnnotationState, frozenset[AnnotationState]] = {
    AnnotationState.OPEN: frozenset({AnnotationState.SUBMITTED}),
    AnnotationState.SUBMITTED: frozenset(
        {AnnotationState.OPEN, AnnotationState.ACCEPTED, AnnotationState.RETURNED}
    ),
    AnnotationState.RETURNED: frozenset({AnnotationState.SUBMITTED}),
    # A reviewer who has second thoughts; its annotator cannot take it back.
    AnnotationState.ACCEPTED: frozenset({AnnotationState.RETURNED}),
}

JOB_STEPS: Mapping[JobState, frozenset[JobState]] = {
    JobState.QUEUED: frozenset({JobState.RUNNING, JobState.CANCELLED}),
    JobState.RUNNING: frozenset({JobState.DONE, JobState.QUEUED, JobState.DEAD, JobState.CANCELLED}),
    # Retry by a person, or a lost result, queues a finished job again.
    JobState.DONE: frozenset({JobState.QUEUED}),
    JobState.DEAD: frozenset({JobState.QUEUED}),
    JobState.CANCELLED: frozenset({JobState.QUEUED}),
}


def step(steps: Mapping[State, frozenset[State]], current: State, target: State) -> State:
    """Return ``target`` if the step from ``current`` is allowed.

    Raises:
        Conflict: ``transition_invalid``.
    """
    if target not in steps[current]:
        allowed = ", ".join(sorted(state.value for state in steps[current])) or "nothing"
        raise Conflict(
            ErrorCode.TRANSITION_INVALID,
            f"{type(current).__name__} cannot go from {current.value} to {target.value}.",
            hint=f"From {current.value} it can become: {allowed}.",
        )
    return target
