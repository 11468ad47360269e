"""The masks of a project in pages, by volume name and label.

What is said of a mask's slices follows from its whole provenance, which is long: it is read for the masks of one page, never
to sort or to search.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from crowdmask.accounts.actor import Actor
from crowdmask.core.lifecycle import AssignmentState
from crowdmask.models import Account, Annotation, Assignment, DerivedMask, Label, Segmentation, Task, Volume
from crowdmask.projects.policy import require_role
from crowdmask.projects.queries import takes_part
from crowdmask.segmentations.derived_queries import VisibleDerived, visible_derived_masks
from crowdmask.segmentations.queries import (
    VisibleMask,
    of_submitted_work,
    segmentation_answer,
    told_of_slices,
    visible_masks,
)
from crowdmask.segmentations.schemas import DerivedMaskAnswer, MaskSubject, ProjectMaskAnswer
from crowdmask.volumes.queries import SEES_ALL
from crowdmask.web.pages import By, Order, Page, PageRequest


@dataclass(frozen=True)
class MaskFilter:
    """Which masks of a project are asked for.

    Attributes:
        volume_id: of this volume; None: of all.
        label_indices: of one of these labels; none: of all.
        search: part of "volume label annotators", upper or lower case.
    """

    volume_id: UUID | None = None
    label_indices: Collection[int] = ()
    search: str = ""

    def conditions(self) -> Iterator[sa.ColumnElement[bool]]:
        """Of volume and label: ``search`` means other columns in each list."""
        if self.volume_id is not None:
            yield Volume.id == self.volume_id
        if self.label_indices:
            yield Label.index.in_(self.label_indices)


_EVERY_MASK = MaskFilter()
_MASKS = Order(By(Volume.name, str), By(Label.index, int), By(Segmentation.id, UUID))
_DERIVED = Order(By(Volume.name, str), By(Label.index, int), By(DerivedMask.id, UUID))
_SUBJECTS = Order(By(Volume.name, str), By(Label.index, int))


def mask_page(
    session: Session,
    actor: Actor,
    *,
    project_id: UUID,
    paging: PageRequest,
    wanted: MaskFilter = _EVERY_MASK,
) -> Page[ProjectMaskAnswer]:
    """One page of the masks of a project's submitted work, by volume name, label and the time they were first made.

    Raises:
        NotFound, NotAllowed: the actor is no admin, reviewer or researcher of the project.
        InvalidInput: ``request_invalid`` for a cursor that is not of this list.
    """
    require_role(session, actor, project_id, *SEES_ALL)
    conditions = [*of_submitted_work(actor, project_id), *wanted.conditions()]
    if wanted.search.strip():
        words = Volume.name + " " + Label.name + " " + Account.name
        conditions.append(words.icontains(wanted.search.strip(), autoescape=True))
    found = visible_masks(actor).where(*conditions)
    keys = session.execute(
        found.with_only_columns(Segmentation.id, Volume.name, Label.index, maintain_column_froms=True)
        .where(_MASKS.behind(paging.after))
        .order_by(*_MASKS.columns)
        .limit(paging.limit + 1)
    ).all()
    page = paging.page(keys, key=lambda row: _MASKS.key(row[1], row[2], row[0]), shown=lambda row: row[0])
    rows = session.execute(visible_masks(actor).where(Segmentation.id.in_(page.items)))
    masks = {row[0].id: VisibleMask(*row) for row in rows}
    return Page(items=[_mask_answer(masks[id_]) for id_ in page.items], next_cursor=page.next_cursor)


def derived_mask_page(
    session: Session,
    actor: Actor,
    *,
    project_id: UUID,
    paging: PageRequest,
    wanted: MaskFilter = _EVERY_MASK,
) -> Page[DerivedMaskAnswer]:
    """One page of the finished masks that a project's datasets asked for, by volume name, label and the time they were asked
    for; the rest as of ``mask_page``, ``search`` in the names of all annotators.
    """
    require_role(session, actor, project_id, *SEES_ALL)
    keys = (
        visible_derived_masks(actor)
        .with_only_columns(
            DerivedMask.id,
            Volume.name,
            Label.index,
            Label.name,
            DerivedMask.inputs,
            maintain_column_froms=True,
        )
        .where(Volume.project_id == project_id, *wanted.conditions(), _DERIVED.behind(paging.after))
        .order_by(*_DERIVED.columns)
    )
    sought = wanted.search.strip().lower()
    found = []
    if sought:
        names = _annotators(session, Volume.project_id == project_id)
        for row in session.execute(keys):
            _, volume, _, label, inputs = row
            if sought in " ".join((volume, label, *_names_of(inputs, names))).lower():
                found.append(row)
            if len(found) > paging.limit:
                break
    else:
        found = list(session.execute(keys.limit(paging.limit + 1)))
    page = paging.page(found, key=lambda row: _DERIVED.key(row[1], row[2], row[0]), shown=lambda row: row[0])
    rows = session.execute(visible_derived_masks(actor).where(DerivedMask.id.in_(page.items)))
    masks = {row[0].id: VisibleDerived(*row) for row in rows}
    used = {input_ for one in masks.values() for input_ in _inputs(one.derived.inputs)}
    names = _annotators(session, Annotation.id.in_(used))
    return Page(
        items=[_derived_answer(masks[id_], names) for id_ in page.items], next_cursor=page.next_cursor
    )


def subject_page(
    session: Session, actor: Actor, *, project_id: UUID, paging: PageRequest
) -> Page[MaskSubject]:
    """One page of the labels in volumes of which there are masks of boxes, by volume name and label.

    Raises:
        NotFound, NotAllowed: the actor is no admin, reviewer or researcher of the project.
        InvalidInput: ``request_invalid`` for a cursor that is not of this list.
    """
    require_role(session, actor, project_id, *SEES_ALL)
    submitted = sa.exists().where(
        Task.volume_id == Volume.id,
        Task.label_id == Label.id,
        Assignment.task_id == Task.id,
        Assignment.state == AssignmentState.SUBMITTED,
        Annotation.assignment_id == Assignment.id,
        Segmentation.annotation_id == Annotation.id,
        Segmentation.revision == Annotation.submitted_revision,
    )
    derived = sa.exists().where(
        DerivedMask.volume_id == Volume.id,
        DerivedMask.label_index == Label.index,
        DerivedMask.mask_sha256.is_not(None),
    )
    rows = session.execute(
        sa.select(Volume.id, Volume.name, Label.index, Label.name)
        .join(Label, Label.project_id == Volume.project_id)
        .where(
            Volume.project_id == project_id,
            takes_part(actor, Volume.project_id, *SEES_ALL),
            sa.or_(submitted, derived),
            _SUBJECTS.behind(paging.after),
        )
        .order_by(*_SUBJECTS.columns)
        .limit(paging.limit + 1)
    ).all()
    return paging.page(
        rows,
        key=lambda row: _SUBJECTS.key(row[1], row[2]),
        shown=lambda row: MaskSubject(
            volume_id=row[0], volume_name=row[1], label_index=row[2], label_name=row[3]
        ),
    )


def _mask_answer(mask: VisibleMask) -> ProjectMaskAnswer:
    return ProjectMaskAnswer(
        volume_id=mask.volume.id,
        volume_name=mask.volume.name,
        label_index=mask.label.index,
        label_name=mask.label.name,
        annotator=mask.annotator.name,
        annotation_state=mask.state,
        segmentation=segmentation_answer(mask.segmentation),
    )


def _derived_answer(one: VisibleDerived, names: Mapping[UUID, str]) -> DerivedMaskAnswer:
    derived = one.derived
    return DerivedMaskAnswer(
        id=derived.id,
        volume_id=one.volume.id,
        volume_name=one.volume.name,
        label_index=one.label.index,
        label_name=one.label.name,
        rule=derived.rule,
        completion=derived.completion,
        annotators=_names_of(derived.inputs, names),
        model=derived.model,
        job_id=derived.job_id,
        mask_sha256=one.mask_sha256,
        seconds=derived.seconds or 0.0,
        has_uncertainty=derived.uncertainty_sha256 is not None,
        created_at=derived.created_at,
        **told_of_slices(derived.provenance or {}),
    )


def _annotators(session: Session, condition: sa.ColumnElement[bool]) -> Mapping[UUID, str]:
    """Whose work each of these annotations is."""
    rows = session.execute(
        sa.select(Annotation.id, Account.name)
        .join(Assignment, Assignment.id == Annotation.assignment_id)
        .join(Account, Account.id == Assignment.account_id)
        .join(Task, Task.id == Assignment.task_id)
        .join(Volume, Volume.id == Task.volume_id)
        .where(condition)
    )
    return dict(iter(rows))


def _inputs(inputs: list[list[str | int]]) -> list[UUID]:
    return [UUID(str(annotation_id)) for annotation_id, _ in inputs]


def _names_of(inputs: list[list[str | int]], names: Mapping[UUID, str]) -> list[str]:
    return list(dict.fromkeys(names[input_] for input_ in _inputs(inputs) if input_ in names))
