"""Freezing a dataset, having its masks made, and recording that its folder stands."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

import crowdmask
from crowdmask import jobs
from crowdmask.accounts.actor import Actor
from crowdmask.assignments.queries import active_seconds
from crowdmask.core.dataset_choice import DatasetChoice, LabelSource, PartialRule, Twin
from crowdmask.core.errors import Conflict, ErrorCode, InvalidInput
from crowdmask.core.ids import new_id
from crowdmask.core.nnunet_layout import DatasetFolder, Split
from crowdmask.exports.choice import Applied, apply_choice, label_set, reference_masks
from crowdmask.exports.frozen_references import References
from crowdmask.exports.queries import EXPORTS, export_key, visible_export
from crowdmask.exports.selection import FIRST_DATASET_ID, Answer, SelectedCase, Selection
from crowdmask.infra.settings import DEFAULT_MODEL
from crowdmask.models import Annotation, DerivedMask, Export, JobKind, Project, Queue, Volume
from crowdmask.projects.policy import require_role
from crowdmask.projects.queries import live_labels
from crowdmask.segmentations.derived import made_masks, request_mask


def create_export(
    session: Session,
    actor: Actor,
    *,
    project_id: UUID,
    name: str | None = None,
    dataset_id: int = FIRST_DATASET_ID,
    choice: DatasetChoice | None = None,
    default_model: str = DEFAULT_MODEL,
) -> Export:
    """Freeze what the choice gives now as the next version of the project's dataset. Masks that are not there are made
    first, then a job writes the folder.

    Args:
        name: the part after ``DatasetNNN_`` of nnU-Net's folder name; None: the project's name.
        choice: None: the first answer to every task, of volumes that are complete.
        default_model: what makes masks that are not there, unless the choice names a model.

    Raises:
        InvalidInput: ``export_empty`` when no volume goes in; ``labels_invalid`` when all labels were deleted;
            ``label_unknown``, ``option_invalid`` when the choice cannot be met.
        NotFound, NotAllowed: the actor is neither admin nor researcher of the project.
    """
    require_role(session, actor, project_id, *EXPORTS)
    project = session.get_one(Project, project_id, with_for_update=True)  # one version number at a time
    applied = apply_choice(
        session,
        project=project,
        labels=live_labels(session, project_id),
        choice=choice or DatasetChoice(),
        default_model=default_model,
    )
    _check(applied)
    name = project.name if name is None else name
    selection = Selection(
        crowdmask=crowdmask.__version__,
        dataset_name=DatasetFolder.named(Path(), number=dataset_id, name=name).path.name,
        project_name=project.name,
        citation=project.citation,
        channel_name=applied.channel_name,
        choice=applied.choice,
        labels=label_set(applied.labels),
        project_labels={label.name: label.index for label in applied.labels},
        ignores=applied.choice.partial is PartialRule.IGNORE,
        cases=_timed(session, applied.cases),
        left_out=applied.left_out,
        dropped_labels=applied.dropped_labels,
        folds=applied.folds,
        people=applied.people,
    )
    for volume, wish in applied.wishes.values():
        request_mask(session, wish, project=project, volume=volume)
    return _freeze(session, actor, project_id, name, selection)


def create_twin(
    session: Session, actor: Actor, *, export_id: UUID, twin: Twin, default_model: str = DEFAULT_MODEL
) -> Export:
    """Freeze the other arm of a comparison with a dataset; both then share ``pair_id``.

    Both arms are to be measured with the same references: once one of them was replaced or deleted there is no twin any more.

    Raises:
        Conflict: ``reference_changed``.
        InvalidInput: ``option_invalid`` when a volume has no reference; ``export_empty`` when nothing is complete.
        NotFound, NotAllowed: the actor is neither admin nor researcher of the project.
    """
    export = visible_export(session, actor, export_id)
    selection = Selection.from_json(export.selection)
    _check_references(session, export, selection, twin)
    number = min(int(selection.dataset_name[7:10]) + 1, 999)
    name = f"{export.name}_{twin.value}"
    if twin is Twin.REFERENCE:
        made = _freeze(session, actor, export.project_id, name, _with_references(selection, number, name))
    else:
        test = tuple(case.volume_id for case in selection.of(Split.TEST))
        choice = replace(
            selection.choice, unfinished=False, partial=PartialRule.DROP_VOLUME, test=test, test_share=0.0
        )
        made = create_export(
            session,
            actor,
            project_id=export.project_id,
            name=name,
            dataset_id=number,
            choice=choice,
            default_model=default_model,
        )
    export.pair_id = export.pair_id or new_id()
    made.pair_id = export.pair_id
    return made


def _check_references(session: Session, export: Export, selection: Selection, twin: Twin) -> None:
    """The other arm takes labels of references for training as well, or for the test set alone."""
    used = selection.cases if twin is Twin.REFERENCE else selection.of(Split.TEST)
    outdated = References(session, [export.project_id]).outdated(used)
    if outdated:
        raise Conflict(
            ErrorCode.REFERENCE_CHANGED,
            f"Since version {export.version} was frozen the reference of {len(outdated)} of its volumes was replaced or deleted: "
            f"{', '.join(outdated[:5])}{' and others' if len(outdated) > 5 else ''}.",
            hint="Make a new version of the dataset, and the one to compare it with from that.",
        )


def write_when_masks_are_made(session: Session, mask: DerivedMask) -> None:
    """A derived mask was made: ask for the folders of the datasets that waited for it and for no other one."""
    waiting = session.scalars(
        sa.select(Export)
        .join(Volume, Volume.project_id == Export.project_id)
        .where(Volume.id == mask.volume_id, Export.manifest_sha256.is_(None))
        .order_by(Export.id)
        .with_for_update(of=Export)  # of two masks that end at once, the second one sees the first
    )
    for export in waiting:
        keys = Selection.from_json(export.selection).derived_keys()
        if mask.key in keys:
            _write_if_ready(session, export, keys)


def selection_with_masks(session: Session, export_id: UUID) -> Selection:
    """What an export is made of, with the masks that were made for it; once its folder stood, with those that are in it."""
    selection = Selection.from_json(session.get_one(Export, export_id).selection)
    made = made_masks(
        session, {mask.derived_key for mask in selection.masks() if mask.derived_key and not mask.mask_sha256}
    )
    cases = []
    for case in selection.cases:
        masks = [
            replace(
                mask,
                mask_sha256=made[mask.derived_key].mask_sha256,
                provenance=made[mask.derived_key].provenance,
            )
            if mask.derived_key is not None and mask.mask_sha256 is None
            else mask
            for mask in case.masks
        ]
        cases.append(replace(case, masks=tuple(masks)))
    return replace(selection, cases=tuple(cases))


def record_folder(session: Session, *, export_id: UUID, selection: Selection, manifest_sha256: str) -> None:
    """The worker wrote the folder. A frozen export never changes: running twice gives the same manifest, also when a mask
    that was made for it has been made anew and differently in between.

    Args:
        selection: with the masks that the folder holds.
    """
    export = session.get_one(Export, export_id)
    export.selection, export.manifest_sha256 = selection.to_json(), manifest_sha256


def _timed(session: Session, cases: Sequence[SelectedCase]) -> tuple[SelectedCase, ...]:
    """The cases with how long people have worked on them until now."""
    ids = {UUID(answer.annotation_id) for case in cases for mask in case.masks for answer in mask.answers}
    active = active_seconds(Annotation.id.in_(ids))
    rows = session.execute(sa.select(active.c.annotation_id, active.c.seconds))
    seconds = {str(annotation_id): round(float(found), 1) for annotation_id, found in rows}

    def timed(answers: Sequence[Answer]) -> tuple[Answer, ...]:
        return tuple(replace(answer, active_s=seconds.get(answer.annotation_id, 0.0)) for answer in answers)

    return tuple(
        replace(
            case,
            masks=tuple(
                replace(mask, inputs=timed(mask.inputs), others=timed(mask.others)) for mask in case.masks
            ),
        )
        for case in cases
    )


def _check(applied: Applied) -> None:
    if not applied.cases:
        reasons = "; ".join(f"{volume.volume_name}: {volume.reason}" for volume in applied.left_out[:5])
        raise InvalidInput(
            ErrorCode.EXPORT_EMPTY,
            f"No volume of the project goes into the dataset ({reasons or 'it has no volumes'}).",
            hint="Finish the tasks of at least one volume first, or choose otherwise.",
        )
    if applied.problem is not None:
        raise applied.problem


def _with_references(selection: Selection, number: int, name: str) -> Selection:
    """The same volumes and splits with the labels of the references."""
    values = [selection.project_labels[label.name] for label in selection.labels.labels]
    cases = tuple(replace(case, masks=reference_masks(case, values)) for case in selection.cases)
    choice = DatasetChoice(
        labels=selection.choice.labels,
        source=LabelSource.REFERENCE,
        overlap_rule=selection.choice.overlap_rule,
        test=tuple(case.volume_id for case in selection.of(Split.TEST)),
        folds=selection.choice.folds,
        seed=selection.choice.seed,
    )
    return replace(
        selection,
        crowdmask=crowdmask.__version__,
        dataset_name=DatasetFolder.named(Path(), number=number, name=name).path.name,
        choice=choice,
        ignores=False,
        cases=cases,
        people={},
    )


def _freeze(session: Session, actor: Actor, project_id: UUID, name: str, selection: Selection) -> Export:
    session.get_one(Project, project_id, with_for_update=True)
    newest = session.scalar(sa.select(sa.func.max(Export.version)).where(Export.project_id == project_id))
    export = Export(
        project_id=project_id,
        version=(newest or 0) + 1,
        name=name,
        selection=selection.to_json(),
        choice=selection.choice.to_json(),
        created_by=actor.account_id,
    )
    session.add(export)
    session.flush()
    _write_if_ready(session, export, selection.derived_keys())
    return export


def _write_if_ready(session: Session, export: Export, keys: set[str]) -> None:
    if len(made_masks(session, keys)) < len(keys):
        return
    jobs.enqueue(
        session,
        JobKind.EXPORT,
        {"export_id": str(export.id)},
        idem_key=export_key(export.id),
        queue=Queue.CPU,
        project_id=export.project_id,
    )
