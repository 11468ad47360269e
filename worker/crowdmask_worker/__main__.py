"""``python -m crowdmask_worker --queues cpu,gpu``: one worker, its settings from the environment."""

import argparse
import importlib.util
import subprocess
import sys
import time

import structlog

from crowdmask.core.errors import CrowdmaskError, ErrorCode, Unavailable
from crowdmask.infra.logs import set_up_logs
from crowdmask.infra.migrate import refuse_newer_database
from crowdmask.infra.settings import Settings, load_settings
from crowdmask.models import Queue
from crowdmask_worker.lifeline import end_with_supervisor

_ASK_AGAIN_S = 2.0
_REFUSED = 2

log = structlog.get_logger(__name__)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m crowdmask_worker", description="Works through the job table."
    )
    parser.add_argument(
        "--queues",
        type=lambda text: [Queue(name) for name in text.split(",")],
        default=[Queue.CPU, Queue.GPU],
        help="names of queues, separated by commas",
    )
    queues: list[Queue] = parser.parse_args().queues
    try:
        settings = load_settings()
        set_up_logs(log_format=settings.log_format, level=settings.log_level)
        end_with_supervisor(grace_s=settings.soft_shutdown_s + 10.0)
        settings.make_folders()
        queues = _usable(_trainable(queues, settings), settings)
        _check_database(settings.database_url)
    except CrowdmaskError as error:
        sys.stderr.write(f"crowdmask_worker: {error}\n")
        sys.exit(_REFUSED)

    from crowdmask_worker.celery_app import run  # after the arguments: a wrong one is refused without Celery

    run(settings, queues)


def _trainable(queues: list[Queue], settings: Settings) -> list[Queue]:
    """The queues without that of trainings where nnU-Net is not installed: they wait for a worker that has it.

    Raises:
        Unavailable: ``nnunet_missing``, when nothing is left to do.
    """
    ours = settings.handlers == Settings.model_fields["handlers"].default
    if Queue.TRAIN not in queues or not ours or importlib.util.find_spec("nnunetv2") is not None:
        return queues
    others: list[Queue] = [queue for queue in queues if queue is not Queue.TRAIN]
    if not others:
        raise Unavailable(
            ErrorCode.NNUNET_MISSING,
            "nnU-Net is not installed, so no training was taken.",
            hint="pip install 'crowdmask[train]'",
        )
    log.error("nnunet_missing", waiting=Queue.TRAIN.value)
    return others


def _usable(queues: list[Queue], settings: Settings) -> list[Queue]:
    """The queues whose jobs can be done: without a usable model none of those that need one is taken, and so none fails.

    In a process of its own: what looks for a GPU may load torch, and a worker that has it loaded hangs after a fork.

    Raises:
        Unavailable: ``checkpoint_missing``, when nothing is left to do.
    """
    if Queue.GPU not in queues or settings.handlers != Settings.model_fields["handlers"].default:
        return queues
    verify = ("models", "verify", settings.model, "--runtime", settings.runtime)
    checked = subprocess.run(
        [sys.executable, "-m", "crowdmask_ml.cli", *verify],
        capture_output=True,
        text=True,
        check=False,
    )
    if checked.returncode == 0:
        return queues
    why = " ".join((checked.stdout + checked.stderr).split())
    others: list[Queue] = [queue for queue in queues if queue is not Queue.GPU]
    if not others:
        raise Unavailable(
            ErrorCode.CHECKPOINT_MISSING,
            f"The model {settings.model} cannot be used, so no job was taken. {why}",
        )
    log.error("model_unusable", model=settings.model, waiting=Queue.GPU.value, why=why)
    return others


def _check_database(url: str) -> None:
    """Refuse a database that a newer version has changed: old code must not write into it. Wait for one that is away.

    Raises:
        Conflict: ``database_newer``.
    """
    while True:
        try:
            refuse_newer_database(url)
        except Unavailable as error:
            log.warning("database_away", code=error.code.value)
            time.sleep(_ASK_AGAIN_S)
        else:
            return


if __name__ == "__main__":
    main()
