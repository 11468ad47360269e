"""The snapshot of what a project could export now, read in one transaction."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from crowdmask.assignments.slots import ANSWERED
from crowdmask.core.distribution import slots_needed
from crowdmask.core.labels import Label as LabelName
from crowdmask.core.lifecycle import AssignmentState, VolumeState
from crowdmask.core.nnunet_layout import case_name
from crowdmask.core.windowing import is_ct
from crowdmask.exports.selection import LeftOut, SelectedCase, SelectedMask
from crowdmask.models import Annotation, Assignment, Label, Segmentation, Task, Volume

CHOICE_RULE = (
    "first submitted: a volume goes in when the task of every label has all the answers it needs (one more as soon as "
    "somebody says that the label is not in the volume) and the answers agree whether the label is there; of several "
    "masks, that of the answer submitted first is taken"
)

_NOT_READY = {
    VolumeState.QUARANTINED: "its file was refused",
    VolumeState.INGESTING: "it is still being read",
    VolumeState.FAILED: "it could not be read",
}


@dataclass(frozen=True, eq=False)
class _Answer:
    """One submitted annotation of a task; ``absent``: it says that the label is not in the volume."""

    annotation_id: UUID
    account_id: UUID
    absent: bool
    mask: Segmentation | None


@dataclass(frozen=True, eq=False)
class _Choice:
    """The answer and the mask that were chosen for one label of a volume, out of how many answers."""

    answer: _Answer
    mask: Segmentation
    answers: int


def select_cases(
    session: Session, *, project_id: UUID, labels: Sequence[LabelName]
) -> tuple[tuple[SelectedCase, ...], tuple[LeftOut, ...]]:
    """Cases whose every label is decided (see ``CHOICE_RULE``), and the volumes that are left out, each with its reason.

    A label nobody decided is never background, nor is one that a single person did not find: a volume that misses a
    mask stays out whole.

    Args:
        labels: the project's, with its integers; in the dataset they are numbered from 1 in this order.
    """
    volumes = session.scalars(
        sa.select(Volume).where(Volume.project_id == project_id).order_by(Volume.name, Volume.id)
    ).all()
    overlaps = _overlaps(session, project_id)
    answers = _answers(session, project_id)
    people: dict[UUID, str] = {}
    cases: list[SelectedCase] = []
    left_out: list[LeftOut] = []
    for volume in volumes:
        if volume.state is not VolumeState.READY:
            left_out.append(LeftOut(volume.name, _NOT_READY[volume.state]))
            continue
        keys = [(volume.id, label.index) for label in labels]
        chosen = [
            _choose(label.name, overlaps.get(key), answers[key])
            for label, key in zip(labels, keys, strict=True)
        ]
        reasons = [reason for reason in chosen if isinstance(reason, str)]
        if reasons:
            left_out.append(LeftOut(volume.name, "; ".join(reasons)))
            continue
        cases.append(
            SelectedCase(
                case=case_name(volume.name, taken=[case.case for case in cases]),
                volume_name=volume.name,
                source_sha256=volume.source_sha256,
                affine_assumed=volume.affine_assumed,
                volume_index=volume.volume_index,
                masks=tuple(
                    _selected(number, choice, people)
                    for number, choice in enumerate(chosen, start=1)
                    if not isinstance(choice, str)
                ),
            )
        )
    return tuple(cases), tuple(left_out)


def _choose(label: str, overlap: int | None, answers: Sequence[_Answer]) -> _Choice | str:
    """The answer to take, or why there is none.

    Args:
        overlap: of the label's task; None when there is no task.
        answers: in the order of their submission.
    """
    if overlap is None:
        return f"no task for {label}"
    absent = sum(answer.absent for answer in answers)
    needed = slots_needed(overlap, absent)
    if len(answers) < needed:
        return f"{label} has {len(answers)} of {needed} answers"
    if 0 < absent < len(answers):
        return f"annotators disagree whether {label} is in the volume"
    if answers[0].mask is None:
        return f"no mask yet for {label}"
    return _Choice(answers[0], answers[0].mask, len(answers))


def _selected(label_index: int, choice: _Choice, people: dict[UUID, str]) -> SelectedMask:
    """``people``: the pseudonyms given so far; numbered by the choice alone, so that other work does not change them."""
    account_id = choice.answer.account_id
    return SelectedMask(
        label_index=label_index,
        annotation_id=str(choice.answer.annotation_id),
        revision=choice.mask.revision,
        annotator=people.setdefault(account_id, f"annotator-{len(people) + 1}"),
        answers=choice.answers,
        mask_sha256=choice.mask.mask_sha256,
        provenance=choice.mask.provenance,
    )


def _overlaps(session: Session, project_id: UUID) -> dict[tuple[UUID, int], int]:
    """By (volume, label index): how many people the task asks for."""
    rows = session.execute(
        sa.select(Task.volume_id, Label.index, Task.overlap)
        .join(Label, Label.id == Task.label_id)
        .where(Label.project_id == project_id)
    )
    return {(volume_id, label_index): overlap for volume_id, label_index, overlap in rows}


def _answers(session: Session, project_id: UUID) -> defaultdict[tuple[UUID, int], list[_Answer]]:
    """By (volume, label index): the submitted annotations, the first submitted one first."""
    rows = session.execute(
        sa.select(
            Task.volume_id,
            Label.index,
            Annotation.id,
            Assignment.account_id,
            Annotation.not_in_volume,
            Segmentation,
        )
        .join(Assignment, Assignment.id == Annotation.assignment_id)
        .join(Task, Task.id == Assignment.task_id)
        .join(Label, Label.id == Task.label_id)
        .outerjoin(
            Segmentation,
            (Segmentation.annotation_id == Annotation.id)
            & (Segmentation.revision == Annotation.submitted_revision),
        )
        .where(
            Label.project_id == project_id,
            Annotation.state.in_(ANSWERED),
            Assignment.state == AssignmentState.SUBMITTED,  # late work fills no slot and counts nowhere
        )
        .order_by(Annotation.submitted_at, Annotation.id)
    )
    found: defaultdict[tuple[UUID, int], list[_Answer]] = defaultdict(list)
    for volume_id, label_index, annotation_id, account_id, absent, mask in rows:
        found[volume_id, label_index].append(_Answer(annotation_id, account_id, absent, mask))
    return found


def channel_name(session: Session, cases: tuple[SelectedCase, ...], *, project_id: UUID) -> str:
    """``CT`` when every exported volume holds Hounsfield units, else ``image``."""
    minima = session.scalars(
        sa.select(Volume.finite_minimum).where(
            Volume.project_id == project_id, Volume.source_sha256.in_([case.source_sha256 for case in cases])
        )
    )
    return "CT" if all(minimum is not None and is_ct(minimum) for minimum in minima) else "image"
