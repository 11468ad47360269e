"""Logs: on standard error, one event per line. They name ids and codes, never people, files or boxes."""

import logging
import sys
import traceback
from typing import Literal, TextIO

import structlog
from structlog.types import EventDict, ExcInfo, Processor, WrappedLogger

from crowdmask.core.errors import CrowdmaskError

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
        "username",
        "password",
        "token",
        "secret",
        "cookie",
        "authorization",
        "address",
        "note",
        "caption",
    }
)


def withhold(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Replace the values of the fields in ``WITHHELD``: a careless log line must not leak."""
    return {key: "[withheld]" if key in WITHHELD else value for key, value in event.items()}


def without_text(exc_info: ExcInfo) -> str:
    """An exception and those behind it: their types and places. Not what they say, which may be a name or a box."""
    error: BaseException | None = exc_info[1]
    told: list[str] = []
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        code = f" ({error.code.value})" if isinstance(error, CrowdmaskError) else ""
        places = "".join(traceback.format_tb(error.__traceback__))
        told.append(f"{places}{type(error).__module__}.{type(error).__qualname__}{code}")
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return "\nwhich led to\n".join(reversed(told))


def _write_without_text(target: TextIO, exc_info: ExcInfo) -> None:
    target.write(f"\n{without_text(exc_info)}\n")


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
        last = [
            structlog.processors.ExceptionRenderer(without_text),
            structlog.processors.JSONRenderer(),
        ]
    else:
        last = [
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=_write_without_text)
        ]
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
    for name in ("httpx", "httpx2", "uvicorn.access"):  # tell addresses, in which names stand
        logging.getLogger(name).setLevel(logging.WARNING)
