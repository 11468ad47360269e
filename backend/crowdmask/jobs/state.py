"""The one function through which a job changes its state, and the conditions that several modules share."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session
from sqlalchemy.sql.elements import ColumnElement

from crowdmask.core.lifecycle import JOB_STEPS, JobState
from crowdmask.infra.db import now
from crowdmask.infra.settings import Settings
from crowdmask.models import Job

_FINAL = {JobState.DONE, JobState.DEAD, JobState.CANCELLED}


def change(session: Session, target: JobState, which: ColumnElement[bool], **values: Any) -> Sequence[Job]:
    """Move the rows of ``which`` to ``target``, those that may take this step; return them as they are afterwards.

    A row in a state without that step is left alone, so two callers with the same wish cannot both get it.
    ``values`` are further columns. A row that stops running loses its lease; one that is queued is due now unless
    ``not_before`` is given.
    """
    origins = [origin for origin, targets in JOB_STEPS.items() if target in targets]
    columns: dict[str, Any] = {"state": target, "finished_at": now() if target in _FINAL else None}
    if target is not JobState.RUNNING:
        columns |= {"lease_owner": None, "lease_until": None}
    if target is JobState.QUEUED:
        columns |= {"not_before": now(), "rung_at": None, "progress": 0.0}
    statement = (
        sa.update(Job)
        .where(Job.state.in_(origins), which)
        .values(**columns | values)
        .returning(Job)
        .execution_options(synchronize_session=False, populate_existing=True)
    )
    return session.scalars(statement).all()


def due() -> ColumnElement[bool]:
    """Rows that a worker could claim now."""
    return sa.and_(
        Job.state == JobState.QUEUED,
        sa.or_(Job.not_before.is_(None), Job.not_before <= now()),
    )


def attempts_allowed(own: int | None, settings: Settings) -> int:
    """How often a job is tried: its own number, else the installation's."""
    return settings.max_attempts if own is None else own


def backoff_s(attempt: int, settings: Settings) -> float:
    """Seconds to wait after attempt number ``attempt`` (from 1) has failed: doubled each time, up to a bound."""
    return float(min(settings.backoff_base_s * 2 ** (attempt - 1), settings.backoff_max_s))
