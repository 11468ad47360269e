"""``python -m crowdmask_worker --queues cpu,gpu``: one worker, its settings from the environment."""

import argparse
import sys
import time

import structlog

from crowdmask.core.errors import CrowdmaskError, Unavailable
from crowdmask.infra.logs import set_up_logs
from crowdmask.infra.migrate import refuse_newer_database
from crowdmask.infra.settings import load_settings
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
        _check_database(settings.database_url)
    except CrowdmaskError as error:
        sys.stderr.write(f"crowdmask_worker: {error}\n")
        sys.exit(_REFUSED)

    from crowdmask_worker.celery_app import run  # after the arguments: a wrong one is refused without Celery

    run(settings, queues)


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
