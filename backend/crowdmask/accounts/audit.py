"""The audit trail: who did what of consequence, and when. It is only ever added to."""

from uuid import UUID

import structlog
from sqlalchemy.orm import Session

from crowdmask.accounts.actor import Actor
from crowdmask.models import AuditEvent


def record(
    session: Session,
    actor: Actor | None,
    action: str,
    *,
    project_id: UUID | None = None,
    subject_id: UUID | None = None,
) -> None:
    """Add an event to the audit trail, in the transaction of what it tells about.

    Args:
        actor: who did it; None where that is not known, as for a wrong user name.
        action: an object and its verb, as ``invite_create``.
        subject_id: what it was done to, when that is not the actor or the project.
    """
    session.add(
        AuditEvent(
            account_id=None if actor is None else actor.account_id,
            project_id=project_id,
            action=action,
            subject_id=subject_id,
            request_id=structlog.contextvars.get_contextvars().get("request_id"),
        )
    )
