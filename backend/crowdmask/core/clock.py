"""The time, for pure code. Leases and rows use the database's clock instead (``infra.db.now``)."""

from datetime import UTC, datetime


def utc_now() -> datetime:
    """The current time, aware, in UTC."""
    return datetime.now(UTC)  # noqa: TID251  the one place that may ask the operating system
