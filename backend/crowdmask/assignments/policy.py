"""Who may work on tasks and who may hand them out."""

from uuid import UUID

from sqlalchemy.orm import Session

from crowdmask.accounts.actor import Actor
from crowdmask.models import Membership, Role
from crowdmask.projects.policy import require_role


def require_annotator(session: Session, actor: Actor, project_id: UUID) -> Membership:
    """Annotators, reviewers and admins take tasks; researchers only look.

    Raises:
        NotFound, NotAllowed: see ``require_role``.
    """
    return require_role(session, actor, project_id, Role.ANNOTATOR, Role.REVIEWER, Role.ADMIN)


def require_sees_all(session: Session, actor: Actor, project_id: UUID) -> Membership:
    """Admins, reviewers and researchers look at everybody's tasks.

    Raises:
        NotFound, NotAllowed: see ``require_role``.
    """
    return require_role(session, actor, project_id, Role.ADMIN, Role.REVIEWER, Role.RESEARCHER)


def require_admin(session: Session, actor: Actor, project_id: UUID) -> Membership:
    """Raises NotFound, NotAllowed: see ``require_role``."""
    return require_role(session, actor, project_id, Role.ADMIN)
