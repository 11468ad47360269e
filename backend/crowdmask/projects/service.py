"""Creating projects and adding people to them."""

from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from crowdmask.accounts.actor import Actor
from crowdmask.core.errors import Conflict, ErrorCode, InvalidInput, NotFound
from crowdmask.core.labels import LabelSet, checked_name
from crowdmask.core.windowing import Window
from crowdmask.models import Account, Label, Membership, Project, Role
from crowdmask.projects.policy import require_role

MAX_OVERLAP = 100  # people per task; more is a typing error


def create_project(
    session: Session,
    actor: Actor,
    *,
    name: str,
    labels: LabelSet,
    overlap: int = 1,
    window: Window | None = None,
) -> Project:
    """Create a project; the actor becomes its first admin.

    Args:
        overlap: how many people a task needs, unless the task says otherwise.
        window: grey values that are shown and segmented; None: each volume's default.

    Raises:
        InvalidInput: the name is unusable, or ``option_invalid`` for the overlap.
    """
    project = Project(
        name=checked_name(name),
        overlap=checked_overlap(overlap),
        window=None if window is None else window.to_json(),
        created_by=actor.account_id,
    )
    session.add(project)
    session.flush()
    session.add_all(
        Label(project_id=project.id, index=label.index, name=label.name) for label in labels.labels
    )
    session.add(Membership(project_id=project.id, account_id=actor.account_id, role=Role.ADMIN))
    session.flush()
    return project


def add_member(
    session: Session, actor: Actor, *, project_id: UUID, account_id: UUID, role: Role
) -> Membership:
    """Let an account take part in a project. Doing it twice changes nothing.

    Raises:
        Conflict: ``transition_invalid`` when the account is a member with another role.
        NotFound: no such project or account; NotAllowed: the actor is no admin.
    """
    require_role(session, actor, project_id, Role.ADMIN)
    session.get_one(
        Project, project_id, with_for_update=True
    )  # two admins adding one person wait for each other
    if session.get(Account, account_id) is None:
        raise NotFound(ErrorCode.NOT_FOUND, f"There is no account {account_id}.")
    membership = session.scalar(
        sa.select(Membership).where(Membership.project_id == project_id, Membership.account_id == account_id)
    )
    if membership is None:
        membership = Membership(project_id=project_id, account_id=account_id, role=role)
        session.add(membership)
        session.flush()
    elif membership.role is not role:
        raise Conflict(
            ErrorCode.TRANSITION_INVALID,
            f"The account {account_id} already is {membership.role.value} of this project.",
            hint="A person has one role per project.",
        )
    return membership


def checked_overlap(overlap: int) -> int:
    """Refuse an unusable number of people per task.

    Raises:
        InvalidInput: ``option_invalid``.
    """
    if isinstance(overlap, bool) or not isinstance(overlap, int) or not 1 <= overlap <= MAX_OVERLAP:
        raise InvalidInput(
            ErrorCode.OPTION_INVALID, f"A task needs 1 to {MAX_OVERLAP} people; got {overlap!r}."
        )
    return overlap
