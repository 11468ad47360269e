"""Answers about progress."""

from typing import Literal
from uuid import UUID

from crowdmask.core.errors import ErrorCode
from crowdmask.core.lifecycle import AnnotationState, AssignmentState, JobState, TaskState
from crowdmask.models import JobKind, Queue, Role
from crowdmask.web.forms import Answer, Time

Run = tuple[int, int]
"""First and last slice, inclusive."""


class PersonOnTask(Answer):
    """One person's part of a task. Runs of slices as in ``core.completeness``; ``share`` of slices decided, 0..1."""

    assignment_id: UUID
    account_id: UUID
    name: str
    state: AssignmentState
    lease_until: Time
    assigned: bool
    late: bool
    annotation_id: UUID | None
    annotation_state: AnnotationState | None
    share: float
    holes: list[Run]
    unverified_ends: list[Run]
    suggested: list[Run]
    not_in_volume: bool
    submitted_at: Time | None
    mask_state: Literal["none", "queued", "running", "done", "failed"]
    segmentation_id: UUID | None


class AgreementOfTask(Answer):
    """How alike the boxes are of the two people who agree least, 0..1, of all ``pairs`` of people who submitted the task.

    The mean over the slices on which both have boxes of what these share; 0 without such a slice, 1 where both have no box.
    """

    lowest: float
    pairs: int


class ProgressRow(Answer):
    """One task. ``share``: mean over the people it needs, a missing one counting 0. ``agreement``: null until two people have
    submitted."""

    task_id: UUID
    volume_id: UUID
    volume_name: str
    n_slices: int
    label_index: int
    label_name: str
    state: TaskState
    submitted: int
    needed: int
    share: float
    agreement: AgreementOfTask | None
    people: list[PersonOnTask]


class ProgressSummary(Answer):
    """Of a whole project. ``share``: mean over all tasks."""

    volumes: int
    tasks: int
    tasks_complete: int
    share: float
    reserved: int
    masks: int


class PersonProgress(Answer):
    account_id: UUID
    name: str
    role: Role
    reserved: int
    submitted: int
    late: int
    slices_decided: int
    boxes_drawn: int
    active_minutes: float
    seen_at: Time | None


class JobAnswer(Answer):
    """``subject``: what it is for, in words. ``waiting_for``: why a queued job does not start, where that is known."""

    id: UUID
    kind: JobKind
    queue: Queue
    state: JobState
    subject: str
    progress: float
    attempt: int
    error_code: ErrorCode | None
    error_text: str | None
    created_at: Time
    started_at: Time | None
    finished_at: Time | None
