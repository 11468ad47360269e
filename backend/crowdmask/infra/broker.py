"""The doorbell. A message says "look in queue Q" and nothing else; the job table is the truth.

So a message may be lost, doubled or late without harm, and ringing never waits for a broker that is down.
"""

from collections.abc import Iterable

import structlog
from celery import Celery
from kombu import Exchange, Producer, Queue
from kombu.exceptions import OperationalError

from crowdmask.infra.settings import Settings

LOOK = "crowdmask.look"
QUEUES = ("cpu", "gpu", "train")
_TIMEOUT_S = 1.0
_POLL_S = 0.1

_log = structlog.get_logger(__name__)


def make_app(settings: Settings) -> Celery:
    """The Celery application of this installation; it opens no connection yet."""
    app = Celery("crowdmask", set_as_current=False)
    app.conf.update(
        broker_url=settings.broker_url,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_connection_timeout=_TIMEOUT_S,
        # Queues by name over the anonymous exchange: a broker keeps no bindings that wiping it could lose.
        task_queues=[Queue(name, Exchange(""), routing_key=name) for name in QUEUES],
        task_default_exchange="",
        task_default_queue=QUEUES[0],
        task_create_missing_queues=False,
        task_serializer="json",
        accept_content=["json"],
        task_acks_late=False,
        task_ignore_result=True,
        result_backend=None,
        worker_prefetch_multiplier=1,
        worker_concurrency=1,
        worker_enable_remote_control=False,
        worker_send_task_events=False,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        worker_soft_shutdown_timeout=settings.soft_shutdown_s,
        enable_utc=True,
    )
    if settings.embedded_broker:
        settings.broker_dir.mkdir(parents=True, exist_ok=True)
        folder = str(settings.broker_dir)
        app.conf.update(
            broker_transport="crowdmask.infra.filesystem_broker:Transport",
            broker_transport_options={
                "data_folder_in": folder,
                "data_folder_out": folder,
                "control_folder": folder,
                "polling_interval": _POLL_S,
            },
        )
    else:
        app.conf.update(
            broker_transport_options={
                "socket_connect_timeout": _TIMEOUT_S,
                "socket_timeout": _TIMEOUT_S,
                "retry_on_timeout": False,
            }
        )
    return app


def ring(app: Celery, queue: str) -> bool:
    """Tell one worker of ``queue`` to look for due jobs. Returns False when the broker is down (about 1 s at most)."""
    try:
        # Without retries: kombu's own would sleep for two seconds before the second attempt.
        with (
            app.connection_for_write(transport_options={"max_retries": 0}) as connection,
            Producer(connection) as producer,
        ):
            app.send_task(LOOK, queue=queue, producer=producer, retry=False, ignore_result=True)
    except (OperationalError, OSError) as error:
        _log.warning("bell_not_rung", queue=queue, reason=type(error).__name__)
        return False
    return True


def worker_arguments(queues: Iterable[str], name: str) -> list[str]:
    """What follows ``celery --app ...`` to start a worker of ``queues`` whose node is called ``name``."""
    return [
        "worker",
        f"--queues={','.join(queues)}",
        f"--hostname={name}@%h",
        "--pool=prefork",
        "--concurrency=1",
        "--prefetch-multiplier=1",
        "--without-gossip",
        "--without-mingle",
        "--without-heartbeat",
        "--loglevel=INFO",
    ]
