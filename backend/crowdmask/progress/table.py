"""The table volumes x labels: which task is how far, and who is on it."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from crowdmask.accounts.actor import Actor
from crowdmask.annotations.agreement import TaskAgreement, agrees_at_most, task_agreements
from crowdmask.assignments import slots
from crowdmask.assignments.overview import completeness_by_id
from crowdmask.assignments.policy import require_sees_all
from crowdmask.core.completeness import Completeness
from crowdmask.core.csv_text import csv_text
from crowdmask.core.distribution import TaskProgress, task_progress
from crowdmask.core.lifecycle import AssignmentState, JobState
from crowdmask.models import Account, Annotation, Assignment, Job, Label, Project, Segmentation, Task, Volume
from crowdmask.progress.schemas import AgreementOfTask, PersonOnTask, ProgressRow
from crowdmask.web.pages import LARGEST_PAGE, By, Order, Page, PageRequest

MaskState = Literal["none", "queued", "running", "done", "failed"]

_HOLDS_SLOT = (AssignmentState.RESERVED, AssignmentState.SUBMITTED)
_MASK_OF_JOB: dict[JobState, MaskState] = {
    JobState.QUEUED: "queued",
    JobState.RUNNING: "running",
    JobState.DEAD: "failed",
    JobState.CANCELLED: "failed",
}
_ORDER = Order(By(Volume.name, str), By(Label.index, int), By(Task.id, UUID))
_COLUMNS = (
    "volume",
    "slices",
    "label_index",
    "label",
    "task_state",
    "submitted",
    "needed",
    "boxes_alike_lowest",
    "person",
    "person_state",
    "late",
    "share_decided",
    "holes",
    "ends_not_looked_at",
    "suggested",
    "not_in_volume",
    "submitted_at",
    "mask",
)


@dataclass(frozen=True)
class _Task:
    id: UUID
    volume_id: UUID
    volume_name: str
    n_slices: int
    label_index: int
    label_name: str
    progress: TaskProgress

    @property
    def key(self) -> str:
        return _ORDER.key(self.volume_name, self.label_index, self.id)


def progress_page(
    session: Session,
    actor: Actor,
    *,
    project_id: UUID,
    paging: PageRequest,
    show: Collection[str] = (),
    label_indices: Collection[int] = (),
    account_id: UUID | None = None,
    search: str = "",
    agreement_at_most: float | None = None,
) -> Page[ProgressRow]:
    """One page of the tasks of a project, by volume name, label and id.

    A page may hold fewer rows than asked for though there is a next one: whether there are holes or ends, and how far people
    agree, is not stored for work that an earlier version saved, so the database passes those and they are sorted out here.

    Args:
        show: values of ``router.TaskFilter``; all of them hold. Holes and ends are those of people who have a place in the task.
        label_indices: one of these; none: all.
        account_id: tasks that this person has or had.
        search: part of the volume's name, upper or lower case.
        agreement_at_most: tasks of which two people who submitted them agree no better about the boxes, 0..1.

    Raises:
        NotFound: the actor is no member. NotAllowed: an annotator.
        InvalidInput: ``request_invalid`` for a cursor that is not of this table.
    """
    require_sees_all(session, actor, project_id)
    conditions = [_CONDITIONS[filter_] for filter_ in sorted(show)]
    if label_indices:
        conditions.append(Label.index.in_(label_indices))
    if account_id is not None:
        conditions.append(
            sa.exists().where(Assignment.task_id == Task.id, Assignment.account_id == account_id)
        )
    if search.strip():
        conditions.append(Volume.name.icontains(search.strip(), autoescape=True))
    if agreement_at_most is not None:
        conditions.append(agrees_at_most(agreement_at_most))
    tasks = _tasks(session, project_id, conditions, after=paging.after, limit=paging.limit + 1)
    page = paging.page(tasks, key=lambda task: task.key, shown=lambda task: task)
    rows = _rows(session, page.items)
    shown = [row for row in rows if _really(row, show) and _agrees_at_most(row, agreement_at_most)]
    return Page(items=shown, next_cursor=page.next_cursor)


def progress_csv(session: Session, actor: Actor, *, project_id: UUID) -> str:
    """The whole table, a line per person and task; a task that nobody has is one line without a person.

    Raises:
        NotFound: the actor is no member. NotAllowed: an annotator.
    """
    require_sees_all(session, actor, project_id)
    lines: list[Sequence[Any]] = [_COLUMNS]
    for row in _all_rows(session, project_id):
        task: list[Any] = [
            row.volume_name,
            row.n_slices,
            row.label_index,
            row.label_name,
            row.state.value,
            row.submitted,
            row.needed,
            "" if row.agreement is None else f"{row.agreement.lowest:.3f}",
        ]
        lines += [[*task, *_of_person(person)] for person in row.people] or [[*task, *[""] * 10]]
    return csv_text(lines)


def _of_person(person: PersonOnTask) -> list[Any]:
    return [
        person.name,
        person.state.value,
        "yes" if person.late else "no",
        f"{person.share:.3f}",
        _runs(person.holes),
        _runs(person.unverified_ends),
        _runs(person.suggested),
        "yes" if person.not_in_volume else "no",
        "" if person.submitted_at is None else person.submitted_at.isoformat(),
        person.mask_state,
    ]


def _runs(runs: Iterable[tuple[int, int]]) -> str:
    return "; ".join(str(first) if first == last else f"{first} to {last}" for first, last in runs)


def _has(runs: str) -> sa.ColumnElement[bool]:
    """Whether somebody who has a place in the task left such runs of slices, or it is not stored whether they did."""
    return sa.exists().where(
        Assignment.task_id == Task.id,
        Assignment.state.in_(_HOLDS_SLOT),
        Annotation.assignment_id == Assignment.id,
        sa.or_(
            Annotation.completeness.is_(None),
            sa.func.json_array_length(Annotation.completeness[runs]) > 0,
        ),
    )


_CONDITIONS: dict[str, sa.ColumnElement[bool]] = {
    "open": sa.and_(slots.not_archived, slots.submitted < slots.slots_needed),
    "complete": sa.and_(slots.not_archived, slots.submitted >= slots.slots_needed),
    "untouched": ~sa.exists().where(
        Assignment.task_id == Task.id, Annotation.assignment_id == Assignment.id, Annotation.revision > 0
    ),
    "holes": _has("holes"),
    "ends": _has("unverified_ends"),
}


def _really(row: ProgressRow, show: Collection[str]) -> bool:
    placed = [person for person in row.people if not person.late]
    return ("holes" not in show or any(person.holes for person in placed)) and (
        "ends" not in show or any(person.unverified_ends for person in placed)
    )


def _agrees_at_most(row: ProgressRow, score: float | None) -> bool:
    return score is None or (row.agreement is not None and row.agreement.lowest <= score)


def _all_rows(session: Session, project_id: UUID) -> Iterator[ProgressRow]:
    after: str | None = None
    while tasks := _tasks(session, project_id, [], after=after, limit=LARGEST_PAGE):
        yield from _rows(session, tasks)
        after = tasks[-1].key


def _tasks(
    session: Session,
    project_id: UUID,
    conditions: Sequence[sa.ColumnElement[bool]],
    *,
    after: str | None,
    limit: int,
) -> list[_Task]:
    rows = session.execute(
        sa.select(
            Task.id,
            Task.volume_id,
            Volume.name.label("volume_name"),
            Volume.depth,
            Label.index.label("label_index"),
            Label.name.label("label_name"),
            Task.overlap,
            (~slots.not_archived).label("archived"),
            slots.submitted.label("submitted"),
            slots.absence_answers.label("absence_answers"),
        )
        .join(Volume, Volume.id == Task.volume_id)
        .join(Label, Label.id == Task.label_id)
        .join(Project, Project.id == Volume.project_id)
        .where(Project.id == project_id, *conditions, _ORDER.behind(after))
        .order_by(*_ORDER.columns)
        .limit(limit)
    )
    return [
        _Task(
            id=row.id,
            volume_id=row.volume_id,
            volume_name=row.volume_name,
            n_slices=row.depth or 0,
            label_index=row.label_index,
            label_name=row.label_name,
            progress=task_progress(
                overlap=row.overlap,
                submitted=row.submitted,
                absence_answers=row.absence_answers,
                archived=row.archived,
            ),
        )
        for row in rows
    ]


def _rows(session: Session, tasks: Sequence[_Task]) -> list[ProgressRow]:
    people = _people(session, [task.id for task in tasks])
    agreed = task_agreements(session, task_ids=[task.id for task in tasks])
    return [
        ProgressRow(
            task_id=task.id,
            volume_id=task.volume_id,
            volume_name=task.volume_name,
            n_slices=task.n_slices,
            label_index=task.label_index,
            label_name=task.label_name,
            state=task.progress.state,
            submitted=task.progress.submitted,
            needed=task.progress.needed,
            share=task_share(
                [person.share for person in people[task.id] if not person.late], task.progress.needed
            ),
            agreement=_agreement(agreed.get(task.id)),
            people=people[task.id],
        )
        for task in tasks
    ]


def _agreement(found: TaskAgreement | None) -> AgreementOfTask | None:
    return None if found is None else AgreementOfTask(lowest=found.lowest, pairs=found.pairs)


def task_share(shares: Iterable[float], needed: int) -> float:
    """How much of a task is decided, 0..1: the mean over the people it needs, the best of those it has; a missing one counts 0."""
    return sum(sorted(shares, reverse=True)[:needed]) / needed


def _people(session: Session, task_ids: Collection[UUID]) -> defaultdict[UUID, list[PersonOnTask]]:
    """By task: everybody who has or had it, by their names; in a fixed number of statements."""
    rows = session.execute(
        sa.select(
            Assignment,
            Account.name,
            Annotation.id,
            Annotation.state,
            Annotation.completeness,
            Annotation.not_in_volume,
            Annotation.submitted_revision,
            Annotation.submitted_at,
            Segmentation.id,
        )
        .join(Account, Account.id == Assignment.account_id)
        .outerjoin(Annotation, Annotation.assignment_id == Assignment.id)
        .outerjoin(
            Segmentation,
            (Segmentation.annotation_id == Annotation.id)
            & (Segmentation.revision == Annotation.submitted_revision),
        )
        .where(Assignment.task_id.in_(task_ids))
        .order_by(Account.name, Assignment.id)
    ).all()
    counted = completeness_by_id(session, {row[2]: row[4] for row in rows if row[2] is not None})
    masks = _job_states(session, {row[2]: row[6] for row in rows if row[6] is not None and row[8] is None})
    found: defaultdict[UUID, list[PersonOnTask]] = defaultdict(list)
    for assignment, name, annotation_id, state, _, not_in_volume, _, submitted_at, segmentation_id in rows:
        made: Completeness | None = counted.get(annotation_id)
        mask: MaskState = "done" if segmentation_id is not None else masks.get(annotation_id, "none")
        found[assignment.task_id].append(
            _person(
                assignment,
                name,
                annotation_id,
                state,
                made,
                not_in_volume,
                submitted_at,
                mask,
                segmentation_id,
            )
        )
    return found


def _person(
    assignment: Assignment,
    name: str,
    annotation_id: UUID | None,
    annotation_state: Any,
    made: Completeness | None,
    not_in_volume: bool | None,
    submitted_at: datetime | None,
    mask_state: MaskState,
    segmentation_id: UUID | None,
) -> PersonOnTask:
    return PersonOnTask(
        assignment_id=assignment.id,
        account_id=assignment.account_id,
        name=name,
        state=assignment.state,
        lease_until=assignment.lease_until,
        assigned=assignment.assigned_by is not None,
        late=assignment.state not in _HOLDS_SLOT,
        annotation_id=annotation_id,
        annotation_state=annotation_state,
        share=0.0 if made is None else made.share,
        holes=[] if made is None else list(made.holes),
        unverified_ends=[] if made is None else list(made.unverified_ends),
        suggested=[] if made is None else list(made.suggested_runs),
        not_in_volume=bool(not_in_volume),
        submitted_at=submitted_at,
        mask_state=mask_state,
        segmentation_id=segmentation_id,
    )


def _job_states(session: Session, revisions: dict[UUID, int | None]) -> dict[UUID, MaskState]:
    """By annotation: how far the job is that makes the mask of this revision."""
    keys = {
        f"segment:{annotation_id}:{revision}": annotation_id for annotation_id, revision in revisions.items()
    }
    if not keys:
        return {}
    rows = session.execute(sa.select(Job.idem_key, Job.state).where(Job.idem_key.in_(keys)))
    return {keys[idem_key]: _MASK_OF_JOB.get(state, "none") for idem_key, state in rows}
