"""How far people agree who have submitted the same task: their boxes, compared here, and their masks, compared by jobs."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import fmean
from typing import Literal
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from crowdmask.accounts.actor import Actor
from crowdmask.annotations.agreement import AnsweredTask, SubmittedWork, answered_tasks
from crowdmask.core.agreement import Agreement, range_difference
from crowdmask.core.statistics import defined
from crowdmask.models import MaskAgreement, Segmentation
from crowdmask.projects.policy import require_role
from crowdmask.segmentations.schemas import AgreementAnswer, AgreementMeans, AgreementRow, MeanAnswer
from crowdmask.volumes.queries import SEES_ALL

MaskPair = tuple[str, str]
"""The hashes of two masks, the lower first."""


@dataclass(frozen=True, eq=False)
class ComparedWork:
    """Two people's work on a task. ``masks``: of both, None while one is missing."""

    task: AnsweredTask
    one: SubmittedWork
    other: SubmittedWork
    agreement: Agreement
    masks: MaskPair | None


def agreement_answer(session: Session, actor: Actor, *, project_id: UUID) -> AgreementAnswer:
    """The agreement of every two people about every task of a project, with means per label and per person.

    Raises:
        NotFound, NotAllowed: the actor is no admin, reviewer or researcher of the project.
    """
    require_role(session, actor, project_id, *SEES_ALL)
    tasks = answered_tasks(session, project_id=project_id)
    compared = _compared(session, tasks)
    dice = _known(session, {work.masks for work in compared if work.masks is not None})
    rows = [_row(work, dice) for work in compared]
    people: dict[UUID, str] = {}
    rows_of: defaultdict[UUID, list[AgreementRow]] = defaultdict(list)
    for work, row in zip(compared, rows, strict=True):
        for person in (work.one.annotator, work.other.annotator):
            people[person.id] = person.name
            rows_of[person.id].append(row)
    labels = {row.label_index: row.label_name for row in rows}
    return AgreementAnswer(
        rows=rows,
        labels=[
            _means(str(index), name, [row for row in rows if row.label_index == index])
            for index, name in sorted(labels.items())
        ],
        people=[
            _means(str(person), name, rows_of[person])
            for person, name in sorted(people.items(), key=lambda one: (one[1], one[0]))
        ],
        tasks_alone=sum(len(task.works) == 1 for task in tasks),
        pending=sum(row.masks == "not compared" for row in rows),
    )


def uncompared_masks(session: Session, *, project_id: UUID) -> list[tuple[MaskPair, bool]]:
    """The pairs of masks of people who submitted the same task that nobody has compared, each once; whether their volume's
    orientation was assumed."""
    compared = _compared(session, answered_tasks(session, project_id=project_id))
    pairs = {work.masks: work.task.volume.affine_assumed for work in compared if work.masks is not None}
    known = _known(session, set(pairs))
    return [(pair, assumed) for pair, assumed in pairs.items() if pair not in known]


def mask_pair(one: str, other: str) -> MaskPair:
    return min(one, other), max(one, other)


def _compared(session: Session, tasks: Iterable[AnsweredTask]) -> list[ComparedWork]:
    pairs = [(task, *pair) for task in tasks for pair in task.pairs]
    made: dict[tuple[UUID, int], str] = {}
    if pairs:
        found = session.execute(
            sa.select(Segmentation.annotation_id, Segmentation.revision, Segmentation.mask_sha256).where(
                Segmentation.annotation_id.in_(
                    {work.annotation_id for _, one, other, _ in pairs for work in (one, other)}
                )
            )
        )
        made = {(annotation_id, revision): sha256 for annotation_id, revision, sha256 in found}
    compared = []
    for task, one, other, agreement in pairs:
        masks = [made.get((work.annotation_id, work.revision)) for work in (one, other)]
        pair = None if masks[0] is None or masks[1] is None else mask_pair(masks[0], masks[1])
        compared.append(ComparedWork(task, one, other, agreement, pair))
    return compared


def _known(session: Session, pairs: set[MaskPair]) -> dict[MaskPair, float | None]:
    rows = session.scalars(
        sa.select(MaskAgreement).where(MaskAgreement.one_sha256.in_({one for one, _ in pairs}))
    )
    return {(row.one_sha256, row.other_sha256): row.volume_dice for row in rows}


def _row(work: ComparedWork, dice: dict[MaskPair, float | None]) -> AgreementRow:
    found = work.agreement
    state: Literal["missing", "not compared", "compared"] = (
        "missing" if work.masks is None else "compared" if work.masks in dice else "not compared"
    )
    return AgreementRow(
        volume_id=work.task.volume.id,
        volume_name=work.task.volume.name,
        label_index=work.task.label.index,
        label_name=work.task.label.name,
        one=work.one.annotator.name,
        other=work.other.annotator.name,
        one_annotation_id=work.one.annotation_id,
        other_annotation_id=work.other.annotation_id,
        box_iou=defined(found.box_iou),
        presence=defined(found.presence),
        first_difference=found.first_difference,
        last_difference=found.last_difference,
        slices_both=found.slices_both,
        slices_decided=found.slices_decided,
        masks=state,
        mask_dice=None if work.masks is None else dice.get(work.masks),
    )


def _means(key: str, name: str, rows: list[AgreementRow]) -> AgreementMeans:
    return AgreementMeans(
        key=key,
        name=name,
        pairs=len(rows),
        box_iou=_mean(row.box_iou for row in rows),
        presence=_mean(row.presence for row in rows),
        range_difference=_mean(range_difference(row.first_difference, row.last_difference) for row in rows),
        mask_dice=_mean(row.mask_dice for row in rows),
    )


def _mean(values: Iterable[float | None]) -> MeanAnswer:
    defined = [value for value in values if value is not None]
    return MeanAnswer(mean=fmean(defined) if defined else None, n=len(defined))
