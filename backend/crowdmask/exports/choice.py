"""A researcher's choice applied to what a project has now: the cases, and what stays out and why."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from crowdmask.annotations.agreement import agreements
from crowdmask.core.dataset_choice import DatasetChoice, LabelSource, PartialRule
from crowdmask.core.errors import ErrorCode, InvalidInput
from crowdmask.core.labels import Label as LabelName
from crowdmask.core.labels import LabelSet
from crowdmask.core.lifecycle import VolumeState
from crowdmask.core.nnunet_layout import Split, case_name
from crowdmask.core.splits import SplitCase, split
from crowdmask.core.windowing import is_ct
from crowdmask.exports.answers import read_answers
from crowdmask.exports.decision import Decider, Decision
from crowdmask.exports.selection import Answer, LeftOut, Reference, SelectedCase, SelectedMask
from crowdmask.models import Membership, Project, ReferenceMask, Volume
from crowdmask.segmentations.derived import Wish

_NOT_READY = {
    VolumeState.QUARANTINED: "its file was refused",
    VolumeState.INGESTING: "it is still being read",
    VolumeState.FAILED: "it could not be read",
}


@dataclass(frozen=True)
class Applied:
    """What a choice gives now.

    Attributes:
        choice: with the completion and the model that hold.
        labels: of the dataset, with the project's integers.
        cases: by the volumes' names.
        left_out, dropped_labels: each with its reason.
        folds: for nnU-Net's ``splits_final.json``.
        people: by pseudonym, the qualification that each states.
        wishes: masks that have to be made for it, by key, each with its volume.
        problem: why the cases cannot be split as asked; None when they are.
        channel_name: nnU-Net's.
    """

    choice: DatasetChoice
    labels: tuple[LabelName, ...]
    cases: tuple[SelectedCase, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    dropped_labels: Mapping[str, str] = field(default_factory=dict)
    folds: tuple[Mapping[str, list[str]], ...] = ()
    people: Mapping[str, str] = field(default_factory=dict)
    wishes: Mapping[str, tuple[Volume, Wish]] = field(default_factory=dict)
    problem: InvalidInput | None = None
    channel_name: str = "image"

    @property
    def training(self) -> tuple[SelectedCase, ...]:
        return tuple(case for case in self.cases if case.split is Split.TRAINING)

    @property
    def test(self) -> tuple[SelectedCase, ...]:
        return tuple(case for case in self.cases if case.split is Split.TEST)


@dataclass(frozen=True, eq=False)
class _Candidate:
    """A volume with what each label of the project would give it, by the label's integer."""

    volume: Volume
    decisions: Mapping[int, Decision]

    def undecided(self, label: LabelName) -> str:
        """Why the label is not decided on every slice; empty when it is."""
        return self.decisions[label.index].incomplete


def apply_choice(
    session: Session,
    *,
    project: Project,
    labels: Sequence[LabelName],
    choice: DatasetChoice,
    default_model: str,
) -> Applied:
    """The cases that a choice gives, and the volumes and labels that it leaves out, each with its reason.

    Args:
        labels: the project's that are not deleted, with its integers.
        default_model: what makes masks that are not there, unless the choice names a model.

    Raises:
        InvalidInput: ``label_unknown``, ``option_invalid`` for a test volume that is not there.
    """
    choice = replace(choice, completion=choice.completion_or(project.completion))
    chosen = _chosen_labels(labels, choice)
    volumes = session.scalars(
        sa.select(Volume).where(Volume.project_id == project.id).order_by(Volume.name, Volume.id)
    ).all()
    references = _references(session, project.id)
    test_ids = {UUID(volume_id) for volume_id in choice.test}
    _check_test(volumes, references, test_ids)
    decider = Decider(
        session,
        project=project,
        choice=choice,
        model=choice.model or default_model,
        asked=read_answers(session, project.id, unfinished=choice.unfinished),
        agreements=agreements(session, project_id=project.id, accepted_only=choice.accepted_only),
    )
    left_out: list[LeftOut] = []
    candidates: list[_Candidate] = []
    test_volumes: list[Volume] = []
    for volume in volumes:
        if volume.state is not VolumeState.READY:
            left_out.append(LeftOut(volume.name, _NOT_READY[volume.state]))
        elif choice.modalities and volume.modality not in choice.modalities:
            left_out.append(LeftOut(volume.name, f"its modality is {volume.modality or 'not stated'}"))
        elif volume.id in test_ids:
            test_volumes.append(volume)
        else:
            decisions = {
                label.index: decider.decide(volume, label, references.get(volume.id)) for label in chosen
            }
            reason = _reason_to_leave_out(decisions.values(), choice.partial)
            if reason:
                left_out.append(LeftOut(volume.name, reason))
            else:
                candidates.append(_Candidate(volume, decisions))
    chosen, dropped = _dropped(chosen, candidates, choice.partial)
    if not chosen:
        left_out += [
            LeftOut(one.volume.name, "no label is left that is decided everywhere") for one in candidates
        ]
        candidates = []
    cases = _cases(candidates, test_volumes, chosen, references)
    cases, folds, problem = _split(cases, choice)
    cases, people = _under_pseudonyms(_tested_by_reference(cases, chosen))
    used = {mask.derived_key for case in cases for mask in case.masks} - {None}
    pictured = {case.volume_id for case in cases}
    return Applied(
        choice=choice,
        labels=chosen,
        cases=cases,
        left_out=tuple(sorted(left_out, key=lambda volume: volume.volume_name)),
        dropped_labels=dropped,
        folds=folds,
        people=_qualifications(session, project.id, people),
        wishes={key: wish for key, wish in decider.wishes.items() if key in used},
        problem=problem,
        channel_name=_channel_name([volume for volume in volumes if str(volume.id) in pictured]),
    )


def _chosen_labels(labels: Sequence[LabelName], choice: DatasetChoice) -> tuple[LabelName, ...]:
    if not choice.labels:
        return tuple(labels)
    by_name = {label.name: label for label in labels}
    unknown = [name for name in choice.labels if name not in by_name]
    if unknown:
        raise InvalidInput(
            ErrorCode.LABEL_UNKNOWN,
            f"The project has no label {unknown[0]!r}.",
            hint=f"It has: {', '.join(by_name) or 'none'}.",
        )
    return tuple(by_name[name] for name in dict.fromkeys(choice.labels))


def _references(session: Session, project_id: UUID) -> Mapping[UUID, ReferenceMask]:
    found = session.scalars(
        sa.select(ReferenceMask)
        .join(Volume, Volume.id == ReferenceMask.volume_id)
        .where(Volume.project_id == project_id)
    )
    return {reference.volume_id: reference for reference in found}


def _check_test(
    volumes: Sequence[Volume], references: Mapping[UUID, ReferenceMask], test_ids: set[UUID]
) -> None:
    """Refuse a test volume without a reference: labels of people are never what a test measures by."""
    ready = {volume.id: volume.name for volume in volumes if volume.state is VolumeState.READY}
    unknown = test_ids - ready.keys()
    if unknown:
        raise InvalidInput(
            ErrorCode.OPTION_INVALID,
            f"{min(unknown)}, asked for as a test volume, is no ready volume of the project.",
        )
    bare = sorted(ready[volume_id] for volume_id in test_ids - references.keys())
    if bare:
        raise InvalidInput(
            ErrorCode.OPTION_INVALID,
            f"These test volumes have no reference mask: {', '.join(bare[:5])}.",
            hint="Add a reference, or take them out of the test set.",
        )


def _reason_to_leave_out(decisions: Collection[Decision], partial: PartialRule) -> str:
    """Why a volume stays out whole; empty when it goes in."""
    waiting = [decision.reason for decision in decisions if decision.must_wait]
    if partial is PartialRule.DROP_VOLUME:
        waiting = [decision.incomplete for decision in decisions if decision.incomplete]
    elif all(decision.mask is None for decision in decisions):
        waiting = [decision.reason for decision in decisions]
    return "; ".join(waiting)


def _dropped(
    labels: tuple[LabelName, ...], candidates: Sequence[_Candidate], partial: PartialRule
) -> tuple[tuple[LabelName, ...], dict[str, str]]:
    """The labels that stay, and those that leave the dataset because a volume has them undecided."""
    if partial is not PartialRule.DROP_LABEL:
        return labels, {}
    dropped = {}
    for label in labels:
        reasons = [f"{one.volume.name}: {why}" for one in candidates if (why := one.undecided(label))]
        if reasons:
            more = f" and {len(reasons) - 1} more" if len(reasons) > 1 else ""
            dropped[label.name] = f"{reasons[0]}{more}"
    return tuple(label for label in labels if label.name not in dropped), dropped


def _cases(
    candidates: Sequence[_Candidate],
    test_volumes: Sequence[Volume],
    labels: Sequence[LabelName],
    references: Mapping[UUID, ReferenceMask],
) -> tuple[SelectedCase, ...]:
    """By the volumes' names, each under a name of its own."""
    masks: dict[UUID, tuple[SelectedMask, ...]] = {volume.id: () for volume in test_volumes}
    for one in candidates:
        masks[one.volume.id] = tuple(
            one.decisions[label.index].selected(number, one.volume)
            for number, label in enumerate(labels, start=1)
        )
    volumes = [*test_volumes, *(one.volume for one in candidates)]
    cases: list[SelectedCase] = []
    for volume in sorted(volumes, key=lambda volume: (volume.name, volume.id)):
        reference = references.get(volume.id)
        cases.append(
            SelectedCase(
                case=case_name(volume.name, taken=[case.case for case in cases]),
                split=Split.TRAINING if masks[volume.id] else Split.TEST,
                volume_id=str(volume.id),
                volume_name=volume.name,
                source_sha256=volume.source_sha256,
                affine_assumed=volume.affine_assumed,
                volume_index=volume.volume_index,
                patient=volume.patient,
                modality=volume.modality,
                licence=volume.licence,
                reference=None
                if reference is None
                else Reference(reference.source_sha256, reference.affine_assumed, reference.origin.value),
                masks=masks[volume.id],
            )
        )
    return tuple(cases)


def _split(
    cases: tuple[SelectedCase, ...], choice: DatasetChoice
) -> tuple[tuple[SelectedCase, ...], tuple[Mapping[str, list[str]], ...], InvalidInput | None]:
    if not cases:
        return cases, (), None
    try:
        made = split(
            [SplitCase(case.case, case.patient, case.reference is not None) for case in cases],
            test=[case.case for case in cases if case.split is Split.TEST],
            test_share=choice.test_share,
            folds=choice.folds,
            seed=choice.seed,
        )
    except InvalidInput as problem:
        return cases, (), problem
    sides = {case.case: Split.TEST if case.case in made.test else Split.TRAINING for case in cases}
    return tuple(replace(case, split=sides[case.case]) for case in cases), tuple(made.to_splits_final()), None


def _tested_by_reference(
    cases: Sequence[SelectedCase], labels: Sequence[LabelName]
) -> tuple[SelectedCase, ...]:
    """Cases of the test set hold the reference's labels, whoever has worked on them."""
    return tuple(
        replace(case, masks=reference_masks(case, [label.index for label in labels]))
        if case.split is Split.TEST
        else case
        for case in cases
    )


def reference_masks(case: SelectedCase, values: Sequence[int]) -> tuple[SelectedMask, ...]:
    """One mask per label out of the case's reference.

    Args:
        values: the labels' integers in the project, in the dataset's order.

    Raises:
        InvalidInput: ``option_invalid`` when the case has no reference.
    """
    if case.reference is None:
        raise InvalidInput(
            ErrorCode.OPTION_INVALID,
            f"The volume {case.volume_name} has no reference mask.",
            hint="Add one, or leave the volume out.",
        )
    return tuple(
        SelectedMask(number, value, LabelSource.REFERENCE, mask_sha256=case.reference.mask_sha256)
        for number, value in enumerate(values, start=1)
    )


def _under_pseudonyms(cases: Sequence[SelectedCase]) -> tuple[tuple[SelectedCase, ...], Mapping[UUID, str]]:
    """The cases with people numbered in the order in which their work stands in them, so that other work changes nothing."""
    people: dict[str, str] = {}

    def renamed(answers: Sequence[Answer]) -> tuple[Answer, ...]:
        return tuple(
            replace(answer, annotator=people.setdefault(answer.annotator, f"annotator-{len(people) + 1}"))
            for answer in answers
        )

    made = tuple(
        replace(
            case,
            masks=tuple(
                replace(mask, inputs=renamed(mask.inputs), others=renamed(mask.others)) for mask in case.masks
            ),
        )
        for case in cases
    )
    return made, {UUID(account_id): name for account_id, name in people.items()}


def _qualifications(session: Session, project_id: UUID, people: Mapping[UUID, str]) -> Mapping[str, str]:
    """What each person states, by pseudonym."""
    rows = session.execute(
        sa.select(Membership.account_id, Membership.qualification).where(Membership.project_id == project_id)
    )
    stated = dict(rows.all())
    return {name: stated.get(account_id, "") for account_id, name in people.items()}


def _channel_name(volumes: Sequence[Volume]) -> str:
    """``CT`` when every volume holds Hounsfield units, else ``image``."""
    minima = [volume.finite_minimum for volume in volumes]
    return "CT" if all(minimum is not None and is_ct(minimum) for minimum in minima) else "image"


def label_set(labels: Sequence[LabelName]) -> LabelSet:
    """The dataset's labels, numbered from 1 without gaps."""
    return LabelSet.from_names(label.name for label in labels)
