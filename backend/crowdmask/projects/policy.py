"""Who may do what in a project."""

from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from crowdmask.accounts.actor import Actor
from crowdmask.accounts.queries import lacks_consent
from crowdmask.core.errors import ErrorCode, NotAllowed, NotFound
from crowdmask.models import Membership, Project, Role


def require_role(session: Session, actor: Actor, project_id: UUID, *roles: Role) -> Membership:
    """The actor's membership, if its role is one of ``roles``. No role includes another.

    Raises:
        NotFound: ``not_found`` when there is no such project or the actor is no member: the two look the same.
        NotAllowed: ``not_allowed`` when the actor is a member with another role.
    """
    membership = session.scalar(
        sa.select(Membership).where(
            Membership.project_id == project_id, Membership.account_id == actor.account_id
        )
    )
    if membership is None:
        raise NotFound(ErrorCode.NOT_FOUND, f"There is no project {project_id}.")
    if membership.role not in roles:
        allowed = " or ".join(role.value for role in roles)
        raise NotAllowed(
            ErrorCode.NOT_ALLOWED,
            f"This needs the role {allowed}; yours in this project is {membership.role.value}.",
            hint="Ask an admin of the project.",
        )
    return membership


def consent_needed(session: Session, actor: Actor, project_id: UUID) -> bool:
    """Whether the actor has yet to accept the project's text in its present version, or has withdrawn."""
    return bool(session.scalar(sa.select(lacks_consent(actor.account_id)).where(Project.id == project_id)))


def require_consent(session: Session, actor: Actor, project: Project | UUID) -> None:
    """Asked before a task is given to somebody.

    Raises:
        NotAllowed: ``consent_needed``.
    """
    if consent_needed(session, actor, project if isinstance(project, UUID) else project.id):
        raise NotAllowed(
            ErrorCode.CONSENT_NEEDED,
            "This project has a text that you have not accepted, or not in its present version.",
            hint="Read and accept it, then ask for a task again.",
        )
