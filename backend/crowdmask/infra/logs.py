"""Logs: on standard error, one event per line. They name ids and codes, never people, files or boxes."""

import logging
import sys
from typing import Literal

import structlog
from structlog.types import EventDict, Processor, WrappedLogger

# Fields that would carry what belongs to people or patients. Ids, states, counts and codes say enough.
WITHHELD = frozenset(
    {
        "boxes",
        "box",
        "document",
        "operations",
        "payload",
        "name",
        "file",
        "filename",
        "path",
        "email",
        "url",
        "error_text",
    }
)


def withhold(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Replace the values of the fields in ``WITHHELD``: a careless log line must not leak."""
    return {key: "[withheld]" if key in WITHHELD else value for key, value in event.items()}


def set_up_logs(*, log_format: Literal["console", "json"], level: str) -> None:
    """Send our logs and those of the libraries to standard error. Call once, at an entry point."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        withhold,
    ]
    last: list[Processor]
    if log_format == "json":
        last = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    else:
        last = [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    logging.getLogger("alembic").setLevel(logging.WARNING)  # tells each of its plugins at INFO
