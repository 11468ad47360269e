"""The main job from end to end: a volume goes in, simulated annotators box it, masks and a dataset come out.

The simulated annotators claim, save and submit through the same services that people use; the masks are made by a
real worker in a process of its own.
"""

import math
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from sqlalchemy.orm import Session

from crowdmask.accounts.actor import Actor
from crowdmask.accounts.service import create_account, local_operator
from crowdmask.annotations import service as annotations
from crowdmask.assignments import service as assignments
from crowdmask.core import metrics, nifti
from crowdmask.core.ids import new_id
from crowdmask.core.labels import LabelSet
from crowdmask.core.nnunet import case_name
from crowdmask.core.operations import AddTrack, MarkAbsent, MarkNotInVolume, Operation, SetLabelRange
from crowdmask.core.phantom import abdominal_phantom
from crowdmask.core.simulate import Annotator, simulate
from crowdmask.core.slicepack import SlicePack
from crowdmask.core.tracks import AnnotationDocument, SliceState, boxes_by_slice, slice_states
from crowdmask.core.volume import Grid
from crowdmask.embedded import (
    Platform,
    VolumeFiles,
    export_dataset,
    import_volume,
    progress_bar,
    running,
    wait_for_jobs,
)
from crowdmask.exports.selection import Selection
from crowdmask.infra.settings import Settings
from crowdmask.models import (
    Annotation,
    Assignment,
    Label,
    Project,
    ReferenceMask,
    ReferenceOrigin,
    Role,
    Task,
    Volume,
)
from crowdmask.projects import service as projects
from crowdmask.segmentations.queries import VisibleMask, masks_of_project
from crowdmask.volumes.queries import window_of

LABELS = LabelSet.from_names(["spleen", "right kidney", "left kidney", "liver", "aorta"])
IDEAL_LABEL = "liver"
IDEAL_INDEX = LABELS.index(IDEAL_LABEL)
PEOPLE = 3
ORIGINS = {
    ReferenceOrigin.EXPERT: "drawn by an expert",
    ReferenceOrigin.MODEL: "made by a model",
    ReferenceOrigin.GENERATED: "generated together with the volume",
    ReferenceOrigin.UNKNOWN: "of unknown origin",
}
SEED = 0
_BATCH = 100  # operations per save: a person's client saves far fewer at a time


@dataclass(frozen=True)
class DemoRow:
    """One label, boxed by the imperfect annotator: how much was boxed, how good the mask is, how long it took."""

    label: str
    index: int
    slices: int
    boxes: int
    volume_dice: float
    seconds: float


@dataclass(frozen=True)
class DemoResult:
    rows: tuple[DemoRow, ...]
    ideal_dice: float
    masks: tuple[Path, ...]
    export: Path
    reference_origin: str

    @property
    def caption(self) -> str:
        return (
            "Boxes derived from the reference itself: a check of the pipeline, not an accuracy. "
            f"Reference: {self.reference_origin}."
        )

    def to_json(self) -> dict[str, Any]:
        """An undefined Dice (a label that the reference does not hold) is null."""
        return {
            "rows": [
                {
                    "label": row.label,
                    "index": row.index,
                    "slices": row.slices,
                    "boxes": row.boxes,
                    "volume_dice": _rounded(row.volume_dice),
                    "seconds": round(row.seconds, 2),
                }
                for row in self.rows
            ],
            "ideal": {"label": IDEAL_LABEL, "volume_dice": _rounded(self.ideal_dice)},
            "masks": [str(path) for path in self.masks],
            "export": str(self.export),
        }


def _rounded(dice: float) -> float | None:
    return None if math.isnan(dice) else round(dice, 4)


@dataclass(frozen=True)
class _Case:
    """The demo's project with its one ready volume."""

    project: Project
    volume: Volume
    reference: NDArray[np.integer[Any]]  # label map (z, y, x)
    grid: Grid
    reference_origin: str


def phantom_files(folder: Path) -> VolumeFiles:
    """Write the generated phantom and its labels into ``folder``."""
    phantom = abdominal_phantom(np.random.default_rng(SEED))
    volume, reference = folder / "phantom.nii.gz", folder / "phantom-labels.nii.gz"
    nifti.write_volume(volume, phantom.voxels, phantom.grid)
    nifti.write_mask(reference, phantom.labels, nifti.read_source_grid(volume))
    return VolumeFiles("phantom", volume, reference, ReferenceOrigin.GENERATED)


def run_demo(settings: Settings, files: VolumeFiles | None, console: Console) -> DemoResult:
    """Run the main job; without ``files`` on the generated phantom. Speaks on ``console`` only.

    Raises:
        CrowdmaskError: what is wrong with the files, or why a job failed.
    """
    console.print(f"Data folder: {settings.data_dir}")
    with running(settings) as platform:
        admin, annotators, case = _set_up(platform, files or phantom_files(settings.work_dir), console)
        submitted = _annotate(platform, annotators, case, console)
        wait_for_jobs(platform, submitted, "Masks from boxes", console)
        ideal_dice = _ideal_dice(platform, case, console)
        dataset = export_dataset(
            platform, admin, project_id=case.project.id, name=case.project.name, console=console
        )
        masks = _exported_masks(platform, admin, case, dataset.selection)
        return DemoResult(
            rows=tuple(_row(platform, case, mask) for mask in masks),
            ideal_dice=ideal_dice,
            masks=_copy_masks(platform, case, masks),
            export=dataset.folder,
            reference_origin=case.reference_origin,
        )


def _set_up(platform: Platform, files: VolumeFiles, console: Console) -> tuple[Actor, list[Actor], _Case]:
    """An admin, the annotators, and a project with its labels, its tasks and one ready volume."""
    with platform.database.write() as session:
        admin = local_operator(session)
        number = session.scalar(sa.select(sa.func.count()).select_from(Project)) or 0
        project = projects.create_project(session, admin, name=f"Demo {number + 1}", labels=LABELS, overlap=1)
        annotators = [
            Actor(create_account(session, name=f"Simulated annotator {n + 1}").id) for n in range(PEOPLE)
        ]
        for person in annotators:
            projects.add_member(
                session, admin, project_id=project.id, account_id=person.account_id, role=Role.ANNOTATOR
            )
    console.print(f"Project: {project.name}, {len(LABELS.labels)} labels, {PEOPLE} simulated annotators")
    volume = import_volume(platform, admin, project_id=project.id, files=files, console=console)
    with platform.database.write() as session:
        assignments.create_tasks(
            session,
            admin,
            project_id=project.id,
            volume_ids=[volume.id],
            label_indices=[label.index for label in LABELS.labels],
        )
        stored = session.scalars(sa.select(ReferenceMask).where(ReferenceMask.volume_id == volume.id)).one()
    reference = nifti.read_label_map(
        platform.storage.path(stored.source_sha256), assume_affine=stored.affine_assumed
    )
    return admin, annotators, _Case(project, volume, reference.voxels, reference.grid, ORIGINS[files.origin])


def _annotate(platform: Platform, people: list[Actor], case: _Case, console: Console) -> list[str]:
    """The annotators take turns at "next task" until nothing is left; returns the keys of the jobs of their work."""
    submitted = []
    with progress_bar(console) as progress:
        bar = progress.add_task("Boxing", total=len(LABELS.labels))
        while True:
            claimed = 0
            for person in people:
                with platform.database.write() as session:
                    assignment = assignments.claim_next(
                        session, person, project_id=case.project.id, lease_s=platform.settings.task_lease_s
                    )
                    if assignment is None:
                        continue
                    claimed += 1
                    label_index = _label_index(session, assignment)
                    annotation = annotations.open_annotation(session, person, assignment_id=assignment.id)
                revision = _box(platform, person, case, annotation, label_index)
                submitted.append(f"segment:{annotation.id}:{revision}")
                progress.advance(bar)
            if not claimed:
                return submitted


def _label_index(session: Session, assignment: Assignment) -> int:
    return session.scalars(sa.select(Label.index).join(Task).where(Task.id == assignment.task_id)).one()


def _box(platform: Platform, person: Actor, case: _Case, annotation: Annotation, label_index: int) -> int:
    """Box one label as the imperfect annotator does, in small saves as a client makes them, and submit; returns the revision."""
    drawn = simulate(
        case.reference == label_index,
        annotator=Annotator.CROWD,
        grid=case.grid,
        rng=np.random.default_rng([SEED, label_index]),
    )
    operations = decided(drawn)
    revision = annotation.revision
    assert case.volume.pack_sha256 is not None  # the volume is ready
    for first in range(0, len(operations), _BATCH):
        with platform.database.write() as session:
            answer = annotations.save(
                session,
                person,
                annotation_id=annotation.id,
                revision=revision,
                idempotency_key=str(new_id()),
                volume_sha256=case.volume.pack_sha256,
                operations=operations[first : first + _BATCH],
            )
        revision = answer.revision
    with platform.database.write() as session:
        annotations.submit(session, person, annotation_id=annotation.id, revision=revision)
    return revision


def decided(document: AnnotationDocument) -> list[Operation]:
    """The operations that draw ``document`` and say "not here" of every slice it leaves unknown."""
    if not document.tracks:
        return [MarkNotInVolume()]
    operations: list[Operation] = [AddTrack.of(track) for track in document.tracks]
    first = min(track.first for track in document.tracks)
    last = max(track.last for track in document.tracks)
    operations.append(SetLabelRange(first, last))
    states = slice_states(document)
    operations.extend(MarkAbsent(z, z) for z in range(first, last + 1) if states[z] is SliceState.UNKNOWN)
    return operations


def _exported_masks(platform: Platform, admin: Actor, case: _Case, selection: Selection) -> list[VisibleMask]:
    """One mask per label: a label that is not in the volume was looked for by two people."""
    exported = {mask.annotation_id for mask in selection.cases[0].masks}
    with platform.database.read() as session:
        made = masks_of_project(session, admin, project_id=case.project.id)
    return [mask for mask in made if str(mask.segmentation.annotation_id) in exported]


def _row(platform: Platform, case: _Case, mask: VisibleMask) -> DemoRow:
    made = nifti.read_label_map(platform.storage.path(mask.segmentation.mask_sha256)).voxels
    on_slices = mask.segmentation.provenance["slices"]
    return DemoRow(
        label=mask.label.name,
        index=mask.label.index,
        slices=len(on_slices),
        boxes=sum(len(on_slice["sources"]) for on_slice in on_slices),
        volume_dice=metrics.volume_dice(made == mask.label.index, case.reference == mask.label.index),
        seconds=mask.segmentation.seconds,
    )


def _ideal_dice(platform: Platform, case: _Case, console: Console) -> float:
    """The same model on ideal boxes, by the library directly; shares the worker's embeddings."""
    from crowdmask_ml.embeddings import EmbeddingCache
    from crowdmask_ml.registry import load_segmenter
    from crowdmask_ml.segment import segment_volume

    reference = case.reference == IDEAL_INDEX
    drawn = simulate(reference, annotator=Annotator.IDEAL, grid=case.grid, rng=np.random.default_rng(SEED))
    boxes = {z: [on_slice.box for on_slice in found] for z, found in boxes_by_slice(drawn).items()}
    assert case.volume.pack_sha256 is not None  # the volume is ready
    with (
        SlicePack.open(platform.storage.path(case.volume.pack_sha256)) as pack,
        progress_bar(console) as progress,
    ):
        bar = progress.add_task(f"Ideal boxes, {IDEAL_LABEL}", total=None)
        result = segment_volume(
            pack,
            {IDEAL_INDEX: boxes},
            load_segmenter(platform.settings.model),
            window=window_of(case.project, case.volume),
            cache=EmbeddingCache(platform.settings.embeddings_dir),
            progress=lambda done, total: progress.update(bar, completed=done, total=total),
        )
    return metrics.volume_dice(result.mask == IDEAL_INDEX, reference)


def _copy_masks(platform: Platform, case: _Case, masks: list[VisibleMask]) -> tuple[Path, ...]:
    """Copies with names that people can read, beside the store that knows only hashes."""
    folder = platform.settings.data_dir / "results" / case_name(case.project.name)
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for mask in masks:
        path = folder / f"{case_name(mask.volume.name)}_{case_name(mask.label.name)}.nii.gz"
        shutil.copyfile(platform.storage.path(mask.segmentation.mask_sha256), path)
        paths.append(path)
    return tuple(paths)


def print_result(result: DemoResult) -> None:
    """The table and where the files lie, on standard output."""
    table = Table(caption=result.caption, caption_justify="left")
    for heading in ("label", "slices boxed", "boxes", "Dice", "seconds"):
        table.add_column(heading, justify="left" if heading == "label" else "right")
    for row in result.rows:
        table.add_row(
            row.label, str(row.slices), str(row.boxes), _shown(row.volume_dice), f"{row.seconds:.1f}"
        )
    table.add_section()
    table.add_row(f"{IDEAL_LABEL}, ideal boxes", "", "", _shown(result.ideal_dice), "")
    console = Console(markup=False)
    console.print(table)
    console.print("Masks:", *result.masks, sep="\n  ", soft_wrap=True)
    console.print("nnU-Net dataset:", result.export, sep="\n  ", soft_wrap=True)


def _shown(dice: float) -> str:
    return "-" if math.isnan(dice) else f"{dice:.3f}"
