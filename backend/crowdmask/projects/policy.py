"""Who may do what in a project."""

from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from crowdmask.accounts.actor import Actor
from crowdmask.core.errors import ErrorCode, NotAllowed, NotFound
from crowdmask.models import Membership, Role


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
