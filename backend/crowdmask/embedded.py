"""The embedded platform: one data folder with SQLite, a file broker, supervised workers, and the server.

What the commands on a data folder share stands here too: import files, wait for jobs, write a dataset.
"""

import importlib.util
import shutil
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import UUID

import sqlalchemy as sa
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from sqlalchemy.orm import Session

from crowdmask import jobs
from crowdmask.accounts.actor import Actor
from crowdmask.accounts.service import local_operator, make_sign_in_link
from crowdmask.assignments import service as assignments
from crowdmask.core.dataset_choice import DatasetChoice
from crowdmask.core.errors import Conflict, Corrupt, ErrorCode, InvalidInput, NotFound, Unavailable
from crowdmask.core.labels import LabelSet
from crowdmask.core.lifecycle import JobState, VolumeState
from crowdmask.exports import service as exports
from crowdmask.exports.queries import export_key
from crowdmask.exports.selection import Selection
from crowdmask.infra import broker, migrate
from crowdmask.infra.db import Database
from crowdmask.infra.folder_lock import folder_lock
from crowdmask.infra.security import load_or_create_secret
from crowdmask.infra.settings import PREVIEW_AUTO, Settings
from crowdmask.infra.storage import LocalStorage
from crowdmask.models import Export, Job, ReferenceOrigin, Volume
from crowdmask.projects import service as projects
from crowdmask.projects.queries import live_labels, project_named
from crowdmask.segmentations.derived import derived_job_key
from crowdmask.supervise import Command, Supervisor
from crowdmask.volumes import service as volumes
from crowdmask.volumes.intake import receive, receive_reference

_LOOK_EVERY_S = 0.2
# What keeps a job queued and does not go away while somebody at the keyboard waits.
_HOPELESS = frozenset({ErrorCode.CHECKPOINT_MISSING, ErrorCode.CHECKPOINT_MISMATCH, ErrorCode.STORAGE_FULL})


@dataclass(frozen=True)
class Platform:
    """What services need; open while the context of ``prepared`` or ``running`` lasts."""

    settings: Settings
    database: Database
    storage: LocalStorage
    workers: Supervisor | None = None


@contextmanager
def prepared(settings: Settings) -> Iterator[Platform]:
    """Create the data folder, its secret and its migrated database where they are missing, and open them.

    Raises:
        Conflict: ``database_newer``.
        Unavailable: the database cannot be reached or is busy.
    """
    settings.make_folders()
    load_or_create_secret(settings.secret_path)
    migrate.upgrade_in_child(settings)
    database = Database(settings.database_url)
    try:
        yield Platform(settings, database, LocalStorage(settings.blobs_dir))
    finally:
        database.close()


@contextmanager
def serving(settings: Settings, *, exactly: bool = False) -> Iterator[Platform]:
    """The prepared platform with its worker process and its preview service, and the server answering at
    ``settings.base_url`` of the platform.

    Args:
        exactly: that port or none, instead of one of the next.

    Raises:
        InvalidInput: see ``serve.listen``.
        Unavailable: ``data_folder_in_use`` when another process runs it on the same folder.
    """
    # Imported here: a command that does not serve starts without FastAPI.
    from crowdmask.serve import listen, server

    settings, listening = listen(settings, exactly=exactly)
    settings, previews = preview_service(settings)
    with (
        listening,
        prepared(settings) as platform,
        folder_lock(settings.data_dir, "platform"),
        log_path(settings).open("ab") as log,
        Supervisor([_worker(settings), *previews, *_train_worker(settings)], output=log) as workers,
        server(settings, listening),
    ):
        yield replace(platform, workers=workers)


@contextmanager
def serving_alone(settings: Settings) -> Iterator[Platform]:
    """The server alone, for an installation whose workers run elsewhere and whose database is migrated already.

    Raises:
        InvalidInput: see ``serve.listen``.
        Conflict: ``database_newer``, ``database_older``.
    """
    from crowdmask.serve import listen, server

    settings, listening = listen(settings, exactly=True)
    with listening:
        settings.make_folders()
        migrate.refuse_other_schema_in_child(settings)
        database = Database(settings.database_url)
        try:
            with server(settings, listening):
                yield Platform(settings, database, LocalStorage(settings.blobs_dir))
        finally:
            database.close()


@contextmanager
def running(settings: Settings) -> Iterator[Platform]:
    """The prepared platform with its worker process and its reconciler running, for a command that serves nobody.

    Raises:
        Unavailable: ``data_folder_in_use`` when another process runs it on the same folder.
    """
    with prepared(settings) as platform:
        app = broker.make_app(settings)
        stop = threading.Event()
        reconciler = threading.Thread(
            target=jobs.reconcile_forever,
            args=(platform.database, lambda queue: broker.ring(app, queue), settings, stop),
            name="reconciler",
        )
        with (
            folder_lock(settings.data_dir, "platform"),
            log_path(settings).open("ab") as log,
            Supervisor([_worker(settings)], output=log) as workers,
        ):
            reconciler.start()
            try:
                yield replace(platform, workers=workers)
            finally:
                stop.set()
                reconciler.join()


def log_path(settings: Settings) -> Path:
    """Where the worker of the embedded platform writes."""
    return settings.data_dir / "worker.log"


def _train_worker(settings: Settings) -> list[Command]:
    """A worker for trainings, where nnU-Net is installed. Its own: a training of days holds up no mask."""
    if importlib.util.find_spec("nnunetv2") is None:
        return []
    arguments = [sys.executable, "-m", "crowdmask_worker", "--queues", "train"]
    return [Command("train worker", arguments, settings.environment(), is_optional=True)]


def _worker(settings: Settings) -> Command:
    return Command(
        "worker",
        [sys.executable, "-m", "crowdmask_worker", "--queues", "cpu,gpu"],
        settings.environment(),
    )


def preview_service(settings: Settings) -> tuple[Settings, list[Command]]:
    """The preview service that this command has to start, if it is this command's, and the settings that name it."""
    if settings.preview_url != PREVIEW_AUTO:
        return settings, []
    with (
        socket.socket() as free
    ):  # closed again, so it could be taken: then there is no preview, until the next start
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = settings.model_copy(update={"preview_url": f"http://127.0.0.1:{port}"})
    arguments = [sys.executable, "-m", "crowdmask_worker.preview", "--port", str(port)]
    return settings, [Command("preview", arguments, settings.environment(), is_optional=True)]


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


def sign_in_link(platform: Platform, session: Session, account_id: UUID) -> str:
    """An address that signs this account in, once."""
    return f"{platform.settings.base_url}/sign-in#{make_sign_in_link(session, account_id).token}"


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
