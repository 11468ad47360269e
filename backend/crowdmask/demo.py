"""The main job from end to end: a volume goes in, simulated annotators box it, masks and a dataset come out.

Everybody works through the HTTP API: the admin uploads, the simulated annotators join, take tasks, save and submit as
people do by their browsers. The masks are made by a real worker in a process of its own.
"""

import math
import shutil
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from crowdmask.accounts.service import create_account, create_token, local_operator
from crowdmask.client import AnnotationView, Client, ProjectView
from crowdmask.core import metrics, nifti
from crowdmask.core.errors import ErrorCode, InvalidInput
from crowdmask.core.labels import LabelSet
from crowdmask.core.nnunet import case_name
from crowdmask.core.operations import AddTrack, MarkAbsent, MarkNotInVolume, Operation, SetLabelRange
from crowdmask.core.phantom import abdominal_phantom
from crowdmask.core.simulate import Annotator, simulate
from crowdmask.core.slicepack import SlicePack
from crowdmask.core.tracks import AnnotationDocument, SliceState, slice_states
from crowdmask.core.volume import Grid, check_same_grid
from crowdmask.core.windowing import Window
from crowdmask.embedded import Platform, sign_in_link
from crowdmask.exports.selection import Selection
from crowdmask.local_projects import (
    VolumeFiles,
    progress_bar,
    wait_for_jobs,
    wait_until_ready,
    wait_until_written,
)
from crowdmask.models import Export, Project, ReferenceMask, ReferenceOrigin, Role, TokenScope, Volume
from crowdmask.projects import service as projects
from crowdmask.segmentations.queries import VisibleMask, masks_of_project
from crowdmask.volumes.queries import window_of

LABELS = LabelSet.from_names(["spleen", "right kidney", "left kidney", "liver", "aorta"])
LABEL_NAMES = tuple(label.name for label in LABELS.labels)
GUIDES = {
    "spleen": "A smooth, bean-shaped organ on the patient's left, which is on the right of the screen, behind the stomach. "
    "Begin where it first shows under the lung and follow it down. Do not take in the left kidney beside it.",
    "right kidney": "On the left of the screen, beside the spine, below the liver. Box the whole kidney with its darker "
    "middle. The adrenal gland, a thin Y above it, is not part of it.",
    "left kidney": "On the right of the screen, beside the spine, below the spleen. Box the whole kidney with its darker "
    "middle. Bowel often lies in front of it and is not part of it.",
    "liver": "The largest organ, on the left of the screen under the lung. It can reach far to the right: box all of it on a "
    "slice, and a separate piece with a box of its own. The gall bladder, a dark oval below it, is not part of it.",
    "aorta": "A round tube just in front of the spine, about as wide as a thumb. Follow it down until it splits in two.",
}
"""How to box each organ, for people without medical training."""
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

    project: ProjectView
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


def check_files(files: VolumeFiles) -> None:
    """Refuse files before anything is made of them.

    Raises:
        CrowdmaskError: what is wrong with the volume or its reference.
    """
    image = nifti.read_volume(
        files.volume, assume_affine=files.assume_affine, volume_index=files.volume_index
    )
    if files.reference is None:
        return
    reference = nifti.read_label_map(files.reference, assume_affine=files.assume_affine)
    check_same_grid(image.grid, reference.grid, image_name=str(files.volume), label_name=str(files.reference))
    known = {label.index for label in LABELS.labels}
    foreign = sorted(metrics.labels_present(reference.voxels) - known)
    if foreign:
        names = ", ".join(f"{label.index} {label.name}" for label in LABELS.labels)
        raise InvalidInput(
            ErrorCode.LABEL_VALUES_INVALID,
            f"{files.reference} holds the values {foreign[:20]}; the demo's labels are {names}.",
            hint="Renumber it, or make a project of your own: crowdmask import, or crowdmask up.",
        )


def run_demo(platform: Platform, files: VolumeFiles | None, console: Console) -> DemoResult:
    """Run the main job on a serving platform; without ``files`` on the generated phantom. Speaks on ``console`` only.

    Raises:
        CrowdmaskError: what is wrong with the files, or why a job failed.
    """
    files = files or phantom_files(platform.settings.work_dir)
    with _admin(platform) as admin:
        case = _set_up(platform, admin, files, console)
        submitted = _annotate(admin, case, console)
        wait_for_jobs(platform, submitted, "Masks from boxes", console)
        ideal_dice = _ideal_dice(platform, case, console)
        export = admin.create_export(case.project.id)
    folder = wait_until_written(platform, export.id, console)
    masks = _exported_masks(platform, case, export.id)
    return DemoResult(
        rows=tuple(_row(platform, case, mask) for mask in masks),
        ideal_dice=ideal_dice,
        masks=_copy_masks(platform, case, masks),
        export=folder,
        reference_origin=case.reference_origin,
    )


@dataclass(frozen=True)
class SignInLinks:
    """Where somebody who looks at the demo begins: each address works once."""

    admin: str
    annotator: str


def your_turn(platform: Platform, files: VolumeFiles | None, console: Console) -> SignInLinks:
    """A project on the same volume in which nothing is done yet, and links for an admin and an annotator of it."""
    files = files or phantom_files(platform.settings.work_dir)
    with _admin(platform) as admin:
        project = admin.create_project(f"Your turn: {files.name}", labels=LABEL_NAMES, guides=GUIDES)
        volume = _upload(platform, admin, project, files, console)
        admin.create_tasks(
            project.id, volume_ids=[volume.id], label_indices=[label.index for label in project.labels]
        )
    with platform.database.write() as session:
        operator = local_operator(session)
        person = create_account(session, name="You, as an annotator")
        projects.add_member(
            session, operator, project_id=project.id, account_id=person.id, role=Role.ANNOTATOR
        )
        return SignInLinks(
            admin=sign_in_link(platform, session, operator.account_id),
            annotator=sign_in_link(platform, session, person.id),
        )


def _admin(platform: Platform) -> Client:
    with platform.database.write() as session:
        operator = local_operator(session)
        made = create_token(session, operator, name="Demo", scope=TokenScope.WRITE, days=1)
    return Client(platform.settings.base_url, made.token)


def _set_up(platform: Platform, admin: Client, files: VolumeFiles, console: Console) -> _Case:
    """A project with its labels, its tasks and one ready volume."""
    with platform.database.read() as session:
        number = session.scalar(sa.select(sa.func.count()).where(Project.name.like("Demo %"))) or 0
    project = admin.create_project(f"Demo {number + 1}", labels=LABEL_NAMES, guides=GUIDES)
    console.print(f"Project: {project.name}, {len(project.labels)} labels, {PEOPLE} simulated annotators")
    volume = _upload(platform, admin, project, files, console)
    admin.create_tasks(
        project.id, volume_ids=[volume.id], label_indices=[label.index for label in project.labels]
    )
    with platform.database.read() as session:
        stored = session.scalars(sa.select(ReferenceMask).where(ReferenceMask.volume_id == volume.id)).one()
    reference = nifti.read_label_map(
        platform.storage.path(stored.source_sha256), assume_affine=stored.affine_assumed
    )
    return _Case(project, volume, reference.voxels, reference.grid, ORIGINS[files.origin])


def _upload(
    platform: Platform, admin: Client, project: ProjectView, files: VolumeFiles, console: Console
) -> Volume:
    with progress_bar(console) as progress:
        bar = progress.add_task(f"Uploading {files.name}", total=None)
        volume = admin.upload_volume(
            project.id,
            files.volume,
            name=files.name,
            assume_affine=files.assume_affine,
            volume_index=files.volume_index,
            progress=lambda sent, total: progress.update(bar, completed=sent, total=total),
        )
        if files.reference is not None:
            reference = admin.upload_reference(
                volume.id, files.reference, origin=files.origin.value, assume_affine=files.assume_affine
            )
            for notice in reference.notices:
                console.print(f"{files.reference}: {notice}", soft_wrap=True)
    return wait_until_ready(platform, volume.id, files.name, console)


def _annotate(admin: Client, case: _Case, console: Console) -> list[str]:
    """The annotators take turns at "next task" until nothing is left; returns the keys of the jobs of their work."""
    submitted = []
    with ExitStack() as stack, progress_bar(console) as progress:
        people = [
            stack.enter_context(
                Client.join(admin.create_invite(case.project.id), name=f"Simulated annotator {n + 1}")
            )
            for n in range(PEOPLE)
        ]
        bar = progress.add_task("Boxing", total=len(case.project.labels))
        while True:
            claimed = [(person, work) for person in people if (work := person.next_task(case.project.id))]
            for person, work in claimed:
                annotation = person.open_annotation(work.id)
                revision = _box(person, case, annotation, work.label.index)
                submitted.append(f"segment:{annotation.id}:{revision}")
                progress.advance(bar)
            if not claimed:
                return submitted


def _box(person: Client, case: _Case, annotation: AnnotationView, label_index: int) -> int:
    """Box one label as the imperfect annotator does, in small saves as a browser makes them, and submit; returns the revision."""
    drawn = simulate(
        case.reference == label_index,
        annotator=Annotator.CROWD,
        grid=case.grid,
        rng=np.random.default_rng([SEED, label_index]),
    )
    operations = decided(drawn)
    revision = annotation.revision
    for first in range(0, len(operations), _BATCH):
        revision = person.save(annotation, operations[first : first + _BATCH], revision=revision).revision
    person.submit(annotation.id, revision=revision)
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


def _exported_masks(platform: Platform, case: _Case, export_id: UUID) -> list[VisibleMask]:
    """One mask per label: a label that is not in the volume was looked for by two people."""
    with platform.database.write() as session:
        selection = Selection.from_json(session.get_one(Export, export_id).selection)
        exported = {answer.annotation_id for mask in selection.masks() for answer in mask.inputs}
        made = masks_of_project(
            session, local_operator(session), project_id=case.project.id, with_provenance=True
        )
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
    from crowdmask_ml.cache import SliceCache
    from crowdmask_ml.loading import load_segmenter
    from crowdmask_ml.segment import segment_volume

    reference = case.reference == IDEAL_INDEX
    drawn = simulate(reference, annotator=Annotator.IDEAL, grid=case.grid, rng=np.random.default_rng(SEED))
    assert case.volume.pack_sha256 is not None  # the volume is ready
    with (
        SlicePack.open(platform.storage.path(case.volume.pack_sha256)) as pack,
        progress_bar(console) as progress,
    ):
        bar = progress.add_task(f"Ideal boxes, {IDEAL_LABEL}", total=None)
        result = segment_volume(
            pack,
            {IDEAL_INDEX: drawn},
            load_segmenter(platform.settings.model, runtime=platform.settings.runtime),
            window=_window(platform, case),
            cache=SliceCache(platform.settings.embeddings_dir),
            progress=lambda done, total: progress.update(bar, completed=done, total=total),
        )
    return metrics.volume_dice(result.mask == IDEAL_INDEX, reference)


def _window(platform: Platform, case: _Case) -> Window:
    with platform.database.read() as session:
        return window_of(session.get_one(Project, case.project.id), case.volume)


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
