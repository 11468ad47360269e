"""Forms and answers of tasks and who works on them."""

from typing import Annotated
from uuid import UUID

from pydantic import Field

from crowdmask.core.lifecycle import AnnotationState, AssignmentState, TaskState
from crowdmask.projects.schemas import LabelAnswer, Overlap
from crowdmask.web.forms import Answer, Form, LabelIndices, Time

Ids = Annotated[list[UUID], Field(min_length=1, max_length=1000)]


class TasksForm(Form):
    """``overlap``: null for the project's."""

    volume_ids: Ids
    label_indices: LabelIndices
    overlap: Overlap | None = None


class TaskAnswer(Answer):
    """``submitted`` of ``needed`` people are done; ``reserved`` are at work."""

    id: UUID
    volume_id: UUID
    volume_name: str
    label_index: int
    label_name: str
    overlap: int
    priority: int
    state: TaskState
    submitted: int
    needed: int
    reserved: int


class AssignForm(Form):
    task_ids: Ids
    account_ids: Ids
    days: Annotated[int, Field(ge=1, le=365)] = 14


class NotAssigned(Answer):
    task_id: UUID
    account_id: UUID
    reason: str


class AssignAnswer(Answer):
    assigned: int
    not_assigned: list[NotAssigned]


class WorkAnswer(Answer):
    """An annotation as its card shows it. ``share`` of slices decided, 0..1; ``gaps``: runs of slices to do or to check;
    ``return_comment`` and ``return_slice``: why it was sent back last, and where to look."""

    annotation_id: UUID
    revision: int
    state: AnnotationState
    share: float
    gaps: int
    submitted_at: Time | None
    return_comment: str
    return_slice: int | None


class AssignmentAnswer(Answer):
    """One task given to me. ``assigned``: an admin chose me for it. ``work``: null before it is opened first.

    ``megabytes`` and ``minutes``: about what it takes to load and to do.
    """

    id: UUID
    task_id: UUID
    project_id: UUID
    project_name: str
    label_heading: str
    volume_id: UUID
    volume_name: str
    n_slices: int
    label: LabelAnswer
    state: AssignmentState
    lease_until: Time
    assigned: bool
    late: bool
    megabytes: float
    minutes: int
    work: WorkAnswer | None


class MyProgressAnswer(Answer):
    """What I have done in a project. ``available``: tasks that "next task" could give me now."""

    project_id: UUID
    submitted: int
    accepted: int
    slices_decided: int
    boxes_drawn: int
    available: int
