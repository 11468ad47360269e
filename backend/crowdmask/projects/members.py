"""The people of a project: their roles and labels, their leaving, and their consent."""

from collections.abc import Collection
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from crowdmask.accounts.actor import Actor
from crowdmask.accounts.audit import record
from crowdmask.core.errors import Conflict, ErrorCode, InvalidInput, NotFound
from crowdmask.core.labels import checked_name
from crowdmask.infra.db import now
from crowdmask.models import Account, Consent, Invite, Membership, Project, Role
from crowdmask.projects.labels import checked_label_indices
from crowdmask.projects.policy import require_role
from crowdmask.projects.queries import consent_version, visible_project


def add_member(
    session: Session,
    actor: Actor,
    *,
    project_id: UUID,
    account_id: UUID,
    role: Role,
    label_indices: Collection[int] | None = None,
) -> Membership:
    """Let an account take part in a project. Doing it twice changes nothing.

    Args:
        label_indices: the labels this person is given tasks of; None: all.

    Raises:
        Conflict: ``transition_invalid`` when the account is a member with another role.
        NotFound: no such project or account; NotAllowed: the actor is no admin.
        InvalidInput: ``label_unknown``.
    """
    require_role(session, actor, project_id, Role.ADMIN)
    session.get_one(
        Project, project_id, with_for_update=True
    )  # two admins adding one person wait for each other
    if session.get(Account, account_id) is None:
        raise NotFound(ErrorCode.NOT_FOUND, f"There is no account {account_id}.")
    membership = membership_of(session, project_id, account_id)
    if membership is None:
        membership = Membership(
            project_id=project_id,
            account_id=account_id,
            role=role,
            label_indices=checked_label_indices(session, project_id, label_indices),
        )
        session.add(membership)
        session.flush()
        record(session, actor, "member_add", project_id=project_id, subject_id=account_id)
    else:
        refuse_another_role(membership, role)
    return membership


def change_member(
    session: Session,
    actor: Actor,
    *,
    project_id: UUID,
    account_id: UUID,
    role: Role | None = None,
    label_indices: Collection[int] | None = None,
    all_labels: bool = False,
    qualification: str | None = None,
) -> Membership:
    """Change a member's role, the labels this person is given tasks of, or the qualification that is stated. It counts from
    the next request on.

    Args:
        role: None: stays as it is.
        label_indices: None: stay as they are, unless ``all_labels``.
        qualification: None: stays as it is; empty: not stated.

    Raises:
        NotFound: no such member; NotAllowed: the actor is no admin.
        Conflict: ``transition_invalid``, the project would be left without an admin.
        InvalidInput: ``label_unknown``; ``option_invalid`` for some labels and all labels at once, or for a qualification
            that cannot be shown.
    """
    membership = _member_for_change(session, actor, project_id, account_id)
    if all_labels and label_indices is not None:
        raise InvalidInput(
            ErrorCode.OPTION_INVALID, "Some labels and all labels were asked for at once.", hint="Send one."
        )
    if role is not None and role is not membership.role:
        if membership.role is Role.ADMIN:
            _lose_admin(session, membership)
        membership.role = role
        record(session, actor, "member_role_change", project_id=project_id, subject_id=account_id)
    if all_labels or label_indices is not None:
        membership.label_indices = checked_label_indices(session, project_id, label_indices)
        record(session, actor, "member_labels_change", project_id=project_id, subject_id=account_id)
    if qualification is not None:
        stated = qualification.strip()
        membership.qualification = stated and checked_name(stated, what="A qualification")
        record(session, actor, "member_qualification_change", project_id=project_id, subject_id=account_id)
    session.flush()
    return membership


def remove_member(session: Session, actor: Actor, *, project_id: UUID, account_id: UUID) -> None:
    """End a person's part in the project. What they made stays; their open invites end.

    To be called by ``assignments.service.remove_member``, which frees what is reserved for them.

    Raises:
        NotFound: no such member; NotAllowed: the actor is no admin.
        Conflict: ``transition_invalid``, the project would be left without an admin.
    """
    membership = _member_for_change(session, actor, project_id, account_id)
    if membership.role is Role.ADMIN:
        _lose_admin(session, membership)
    session.delete(membership)
    session.flush()
    record(session, actor, "member_remove", project_id=project_id, subject_id=account_id)


def accept_consent(session: Session, actor: Actor, *, project_id: UUID, version: int) -> None:
    """Accept the project's text. Doing it twice changes nothing.

    Args:
        version: the one that the person has read.

    Raises:
        NotFound: the actor is no member. Conflict: ``revision_stale``, the text is another one by now.
    """
    project = visible_project(session, actor, project_id)
    if version != consent_version(project):
        raise Conflict(
            ErrorCode.REVISION_STALE,
            f"You have read version {version} of the text, but the project's is {consent_version(project)}.",
            hint="Read it as it is now.",
        )
    # Pressed twice at once, the second waits.
    session.scalars(
        sa.select(Membership)
        .where(Membership.project_id == project_id, Membership.account_id == actor.account_id)
        .with_for_update()
    ).one()
    consent = session.scalar(
        sa.select(Consent).where(
            Consent.project_id == project_id,
            Consent.account_id == actor.account_id,
            Consent.version == version,
        )
    )
    if consent is None:
        session.add(Consent(project_id=project_id, account_id=actor.account_id, version=version))
    elif consent.withdrawn_at is None:
        return
    else:
        consent.withdrawn_at = None
    session.flush()
    record(session, actor, "consent_accept", project_id=project_id)


def withdraw_consent(session: Session, actor: Actor, *, project_id: UUID) -> None:
    """Take the acceptance back, of all versions. Doing it twice changes nothing.

    Raises:
        NotFound: the actor is no member.
    """
    visible_project(session, actor, project_id)
    withdrawn = session.scalars(
        sa.update(Consent)
        .where(
            Consent.project_id == project_id,
            Consent.account_id == actor.account_id,
            Consent.withdrawn_at.is_(None),
        )
        .values(withdrawn_at=now())
        .returning(Consent.id)
    ).all()
    if withdrawn:
        record(session, actor, "consent_withdraw", project_id=project_id)


def membership_of(session: Session, project_id: UUID, account_id: UUID) -> Membership | None:
    """For a caller that has checked the actor."""
    return session.scalar(
        sa.select(Membership).where(Membership.project_id == project_id, Membership.account_id == account_id)
    )


def refuse_another_role(membership: Membership, role: Role) -> None:
    """Raises: Conflict: ``transition_invalid``, the person is a member with another role."""
    if membership.role is not role:
        raise Conflict(
            ErrorCode.TRANSITION_INVALID,
            f"The account {membership.account_id} already is {membership.role.value} of this project.",
            hint="A person has one role per project.",
        )


def _member_for_change(session: Session, actor: Actor, project_id: UUID, account_id: UUID) -> Membership:
    require_role(session, actor, project_id, Role.ADMIN)
    session.get_one(Project, project_id, with_for_update=True)  # two admins who remove each other wait
    require_role(session, actor, project_id, Role.ADMIN)
    membership = membership_of(session, project_id, account_id)
    if membership is None:
        raise NotFound(ErrorCode.NOT_FOUND, f"The project has no member {account_id}.")
    return membership


def _lose_admin(session: Session, membership: Membership) -> None:
    """Refuse to leave a project without an admin; who is none any more has no open invites."""
    others = session.scalar(
        sa.select(sa.func.count()).where(
            Membership.project_id == membership.project_id,
            Membership.role == Role.ADMIN,
            Membership.id != membership.id,
        )
    )
    if not others:
        raise Conflict(
            ErrorCode.TRANSITION_INVALID,
            "This is the only admin of the project.",
            hint="Make somebody else an admin first.",
        )
    session.execute(
        sa.update(Invite)
        .where(
            Invite.project_id == membership.project_id,
            Invite.created_by == membership.account_id,
            Invite.used_at.is_(None),
            Invite.revoked_at.is_(None),
        )
        .values(revoked_at=now())
    )
