"""Rows for tests, made through the models. Each function flushes and returns the row; ids and times are real.

They put a test where it starts; what the test is about goes through the services.
"""

import hashlib
from collections.abc import Sequence
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from crowdmask.core.dataset_choice import DatasetChoice, LabelSource
from crowdmask.core.ids import new_id
from crowdmask.core.labels import LabelSet
from crowdmask.core.lifecycle import AnnotationState, AssignmentState, JobState, VolumeState
from crowdmask.core.nnunet_layout import Split
from crowdmask.core.tracks import empty_document
from crowdmask.exports.selection import SelectedCase, Selection
from crowdmask.infra.db import now
from crowdmask.models import (
    Account,
    Annotation,
    Assignment,
    Base,
    Export,
    Job,
    JobKind,
    Label,
    Membership,
    Project,
    Queue,
    Role,
    Task,
    Volume,
)

Row = TypeVar("Row", bound=Base)

SHAPE = (4, 32, 48)  # (nz, ny, nx) of a volume made here
SPACING = (2.0, 2.0, 5.0)  # mm along x, y, z


def add_account(session: Session, *, name: str = "Ada") -> Account:
    return _added(session, Account(name=name))


def add_project(
    session: Session,
    admin: Account,
    *,
    name: str = "Abdomen",
    labels: Sequence[str] = ("spleen", "right kidney", "left kidney", "liver", "aorta"),
    overlap: int = 1,
) -> Project:
    """A project with its labels, numbered from 1, and ``admin`` as its admin."""
    project = _added(session, Project(name=name, overlap=overlap, created_by=admin.id))
    for index, label in enumerate(labels, start=1):
        session.add(Label(project_id=project.id, index=index, name=label))
    add_member(session, project, admin, role=Role.ADMIN)
    return project


def add_member(
    session: Session, project: Project, account: Account, *, role: Role = Role.ANNOTATOR
) -> Membership:
    return _added(session, Membership(project_id=project.id, account_id=account.id, role=role))


def label_of(session: Session, project: Project, index: int) -> Label:
    """The project's label with this integer."""
    return session.scalars(select(Label).filter_by(project_id=project.id, index=index)).one()


def add_volume(
    session: Session,
    project: Project,
    *,
    name: str | None = None,
    state: VolumeState = VolumeState.READY,
    shape: tuple[int, int, int] = SHAPE,
    source_sha256: str | None = None,
    pack_sha256: str | None = None,
) -> Volume:
    """A volume, ready unless told otherwise; without hashes given, its blobs do not exist."""
    depth, height, width = shape
    unique = new_id().hex
    ready = state is VolumeState.READY
    return _added(
        session,
        Volume(
            project_id=project.id,
            name=name or f"volume-{unique}",
            state=state,
            source_sha256=source_sha256 or _sha256(f"source {unique}"),
            voxels_sha256=_sha256(f"voxels {unique}"),
            pack_sha256=(pack_sha256 or _sha256(f"pack {unique}")) if ready else None,
            depth=depth,
            height=height,
            width=width,
            affine=[
                [-SPACING[0], 0.0, 0.0, 0.0],
                [0.0, -SPACING[1], 0.0, 0.0],
                [0.0, 0.0, SPACING[2], 0.0],
                [0.0, 0.0, 0.0, 1.0],
            ],
            finite_minimum=-1000.0 if ready else None,
            finite_maximum=1500.0 if ready else None,
            percentile_low=-990.0 if ready else None,
            percentile_high=300.0 if ready else None,
            created_by=project.created_by,
        ),
    )


def add_task(
    session: Session, volume: Volume, *, label_index: int = 1, overlap: int = 1, priority: int = 0
) -> Task:
    label = session.scalars(select(Label).filter_by(project_id=volume.project_id, index=label_index)).one()
    return _added(session, Task(volume_id=volume.id, label_id=label.id, overlap=overlap, priority=priority))


def add_assignment(
    session: Session,
    task: Task,
    account: Account,
    *,
    slot: int = 0,
    state: AssignmentState = AssignmentState.RESERVED,
    lease_s: float = 3600.0,
    ends_in_s: float | None = None,
) -> Assignment:
    """A slot of ``task``; its lease ends in ``ends_in_s`` seconds (negative: has ended), else in ``lease_s``."""
    assignment = Assignment(task_id=task.id, account_id=account.id, slot=slot, state=state, lease_s=lease_s)
    assignment.lease_until = now(lease_s if ends_in_s is None else ends_in_s)
    _added(session, assignment)
    session.refresh(assignment)
    return assignment


def add_annotation(
    session: Session,
    assignment: Assignment,
    *,
    state: AnnotationState = AnnotationState.OPEN,
    shape: tuple[int, int, int] = SHAPE,
) -> Annotation:
    """An empty annotation, at revision 0."""
    submitted = state is not AnnotationState.OPEN
    annotation = Annotation(
        assignment_id=assignment.id,
        state=state,
        document=empty_document(shape).to_json(),
        submitted_revision=0 if submitted else None,
    )
    if submitted:
        annotation.submitted_at = now()
    _added(session, annotation)
    session.refresh(annotation)
    return annotation


def add_job(
    session: Session,
    *,
    kind: JobKind = JobKind.INGEST,
    queue: Queue = Queue.CPU,
    payload: dict[str, Any] | None = None,
    priority: int = 0,
    max_attempts: int = 5,
) -> Job:
    """A queued job that nobody has tried yet."""
    return _added(
        session,
        Job(
            kind=kind,
            idem_key=f"test:{new_id()}",
            queue=queue,
            payload=payload or {},
            priority=priority,
            state=JobState.QUEUED,
            max_attempts=max_attempts,
        ),
    )


def add_export(
    session: Session,
    project: Project,
    *,
    version: int = 1,
    training: int = 5,
    folds: int = 2,
    test: Sequence[Volume] = (),
    labels: Sequence[str] = ("anterior", "posterior"),
    pair_id: UUID | None = None,
    source: LabelSource = LabelSource.FIRST,
    written: bool = True,
) -> Export:
    """A frozen dataset by its row alone, with what a training asks of it: no mask, and no folder. Two of as many training
    scans have the same ones."""
    names = [f"case_{number}" for number in range(training)]
    cases = [_case(name, Split.TRAINING, UUID(int=number)) for number, name in enumerate(names)]
    cases += [_case(f"test_{number}", Split.TEST, volume.id) for number, volume in enumerate(test)]
    label_set = LabelSet.from_names(labels)
    selection = Selection(
        crowdmask="0",
        dataset_name="Dataset501_Test",
        project_name=project.name,
        citation="",
        channel_name="CT",
        choice=DatasetChoice(source=source),
        labels=label_set,
        project_labels={label.name: label.index for label in label_set.labels},
        ignores=False,
        cases=tuple(cases),
        left_out=(),
        dropped_labels={},
        folds=({"train": names[1:], "val": names[:1]},) * folds,
        people={},
    )
    return _added(
        session,
        Export(
            project_id=project.id,
            version=version,
            name="Test",
            selection=selection.to_json(),
            manifest_sha256=_sha256("a manifest") if written else None,
            created_by=project.created_by,
            pair_id=pair_id,
        ),
    )


def _case(name: str, split: Split, volume_id: UUID | None = None) -> SelectedCase:
    return SelectedCase(
        case=name,
        split=split,
        volume_id=str(volume_id or new_id()),
        volume_name=name,
        source_sha256=_sha256(name),
        affine_assumed=False,
        volume_index=None,
        patient="",
        modality="",
        licence="",
        reference=None,
        masks=(),
    )


def _added(session: Session, row: Row) -> Row:
    session.add(row)
    session.flush()
    return row


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
