"""Projects of the embedded platform, as the commands use them: files go in, jobs are waited for, a dataset comes out."""

import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import sqlalchemy as sa
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from sqlalchemy.orm import Session

from crowdmask.accounts.actor import Actor
from crowdmask.accounts.service import local_operator
from crowdmask.assignments import service as assignments
from crowdmask.core.dataset_choice import DatasetChoice
from crowdmask.core.errors import Conflict, Corrupt, ErrorCode, InvalidInput, NotFound, Unavailable
from crowdmask.core.labels import LabelSet
from crowdmask.core.lifecycle import JobState, VolumeState
from crowdmask.embedded import Platform, log_path
from crowdmask.exports import service as exports
from crowdmask.exports.queries import export_key
from crowdmask.exports.selection import Selection
from crowdmask.models import Export, Job, ReferenceOrigin, Volume
from crowdmask.projects import service as projects
from crowdmask.projects.queries import live_labels, project_named
from crowdmask.segmentations.derived import derived_job_key
from crowdmask.volumes import service as volumes
from crowdmask.volumes.intake import receive, receive_reference

_LOOK_EVERY_S = 0.2
# What keeps a job queued and does not go away while somebody at the keyboard waits.
_HOPELESS = frozenset({ErrorCode.CHECKPOINT_MISSING, ErrorCode.CHECKPOINT_MISMATCH, ErrorCode.STORAGE_FULL})


def wait_for_jobs(platform: Platform, idem_keys: Sequence[str], title: str, console: Console) -> None:
    """Wait until the jobs with these keys are done, with a progress bar on ``console``.

    Raises:
        Unavailable: ``job_failed`` when one ends without being done, with the job's own reason, or when there is no worker
            that could do it.
    """
    with progress_bar(console) as progress:
        bar = progress.add_task(title, total=float(len(idem_keys)))
        while True:
            with platform.database.read() as session:
                found = session.scalars(sa.select(Job).where(Job.idem_key.in_(idem_keys))).all()
            for job in found:
                ended = job.state in (JobState.DEAD, JobState.CANCELLED)
                if ended or (job.state is JobState.QUEUED and job.error_code in _HOPELESS):
                    raise Unavailable(
                        ErrorCode.JOB_FAILED,
                        f"The job {job.kind.value} is {job.state.value}: {job.error_text or 'no reason was kept'}",
                        hint=f"{log_path(platform.settings)} says more.",
                    )
            if platform.workers is not None:
                platform.workers.check()
            done = [job for job in found if job.state is JobState.DONE]
            progress.update(bar, completed=sum(1.0 if job in done else job.progress for job in found))
            if len(done) == len(idem_keys):
                return
            time.sleep(_LOOK_EVERY_S)


@contextmanager
def progress_bar(console: Console) -> Iterator[Progress]:
    with Progress(
        TextColumn("{task.description:<30}", markup=False),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
        console=console,
    ) as progress:
        yield progress


@dataclass(frozen=True)
class VolumeFiles:
    """A volume on disk and, maybe, the label map that came with it.

    ``origin`` says where the reference comes from, for everybody who reads a figure made with it.
    """

    name: str
    volume: Path
    reference: Path | None = None
    origin: ReferenceOrigin = ReferenceOrigin.UNKNOWN
    assume_affine: bool = False
    volume_index: int | None = None


def import_volume(
    platform: Platform,
    session: Session,
    actor: Actor,
    *,
    project_id: UUID,
    files: VolumeFiles,
    console: Console,
) -> Volume:
    """Add a volume and its reference to a project, in the caller's transaction: of what is refused nothing is kept.

    Raises:
        CrowdmaskError: why the gate or the project refused a file.
    """
    received = receive(
        files.volume,
        platform.storage,
        assume_affine=files.assume_affine,
        volume_index=files.volume_index,
    )
    if received.refusal is not None:
        raise received.refusal
    volume = volumes.add_volume(session, actor, project_id=project_id, name=files.name, received=received)
    if files.reference is not None:
        received_reference = receive_reference(
            files.reference, platform.storage, volume=volume, assume_affine=files.assume_affine
        )
        reference = volumes.add_reference(
            session, actor, volume_id=volume.id, received=received_reference, origin=files.origin
        )
        for notice in reference.notices:
            console.print(f"{files.reference}: {notice['text']}", soft_wrap=True)
    return volume


def wait_until_ready(platform: Platform, volume_id: UUID, name: str, console: Console) -> Volume:
    """Wait until the volume has its slice pack.

    Raises:
        Unavailable, Corrupt: ``job_failed``, with the reason.
    """
    wait_for_jobs(platform, [f"ingest:{volume_id}"], f"Ingesting {name}", console)
    with platform.database.read() as session:
        volume = session.get_one(Volume, volume_id)
    if volume.state is not VolumeState.READY:
        raise Corrupt(
            ErrorCode.JOB_FAILED,
            f"The volume {volume.name!r} could not be ingested: {volume.refusal_text}",
        )
    return volume


def import_into_project(
    platform: Platform,
    *,
    project_name: str,
    label_names: Sequence[str],
    files: VolumeFiles,
    console: Console,
) -> tuple[Volume, int]:
    """Import a volume into the operator's project of that name, made with ``label_names`` when there is none.

    Returns:
        The ready volume and how many tasks it has: one per label.

    Raises:
        InvalidInput: ``labels_invalid`` when a new project has no labels, or an existing one has others.
        CrowdmaskError: see ``import_volume``.
    """
    with platform.database.write() as session:
        actor = local_operator(session)
        project = project_named(session, actor, project_name)
        if project is None:
            project = projects.create_project(
                session, actor, name=project_name, labels=LabelSet.from_names(label_names)
            )
        labels = live_labels(session, project.id)
        names = [label.name for label in labels]
        if label_names and names != [label.name for label in LabelSet.from_names(label_names).labels]:
            raise InvalidInput(
                ErrorCode.LABELS_INVALID,
                f"The project {project_name!r} has the labels {', '.join(names)}.",
                hint="Leave the labels out, or name another project.",
            )
        added = import_volume(platform, session, actor, project_id=project.id, files=files, console=console)
        tasks = assignments.create_tasks(
            session,
            actor,
            project_id=project.id,
            volume_ids=[added.id],
            label_indices=[label.index for label in labels],
        )
    return wait_until_ready(platform, added.id, files.name, console), len(tasks)


def export_project(
    platform: Platform,
    *,
    project_name: str,
    dataset_name: str = "",
    choice: DatasetChoice | None = None,
    console: Console,
) -> Path:
    """Export the operator's project of that name; returns the dataset's folder.

    Raises:
        NotFound: there is no such project.
        InvalidInput: ``export_empty``.
    """
    with platform.database.write() as session:
        actor = local_operator(session)
        project = project_named(session, actor, project_name)
        if project is None:
            raise NotFound(
                ErrorCode.NOT_FOUND,
                f"There is no project {project_name!r} in {platform.settings.data_dir}.",
                hint="Import a volume into it first, or name another data folder.",
            )
        export = exports.create_export(
            session,
            actor,
            project_id=project.id,
            name=dataset_name or project.name,
            choice=choice,
            default_model=platform.settings.model,
        )
    return wait_until_written(platform, export.id, console)


def wait_until_written(platform: Platform, export_id: UUID, console: Console) -> Path:
    """Wait until the dataset's folder stands; returns it.

    Raises:
        Unavailable: ``job_failed``, with the reason.
    """
    with platform.database.read() as session:
        selection = Selection.from_json(session.get_one(Export, export_id).selection)
    if masks := selection.derived_keys():
        keys = [derived_job_key(key) for key in sorted(masks)]
        wait_for_jobs(platform, keys, "Masks that the dataset needs", console)
    wait_for_jobs(platform, [export_key(export_id)], "Writing the nnU-Net dataset", console)
    return platform.settings.exports_dir / str(export_id) / selection.dataset_name


def copy_dataset(folder: Path, parent: Path) -> Path:
    """Copy a dataset folder into ``parent``; one of the same name that is there already is left as it is.

    Raises:
        Conflict: ``name_taken``.
        OSError: ``parent`` cannot be written.
    """
    target = parent / folder.name
    if target.exists():
        raise Conflict(
            ErrorCode.NAME_TAKEN,
            f"{target} exists already.",
            hint="Name another folder, or remove that one.",
        )
    parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=parent, prefix=".partial-") as partial:
        copied = Path(partial) / folder.name
        try:
            shutil.copytree(folder, copied)
        except shutil.Error as errors:  # one (source, target, reason) per file that could not be copied
            raise OSError(errors.args[0][0][2]) from errors
        copied.rename(target)
    return target
