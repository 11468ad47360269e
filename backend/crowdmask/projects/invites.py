"""Inviting people into a project: a link that lets one person join, once. Only its hash is stored."""

from collections.abc import Collection
from dataclasses import dataclass, field
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from crowdmask.accounts.actor import Actor
from crowdmask.accounts.audit import record
from crowdmask.accounts.policy import digest, new_secret
from crowdmask.accounts.service import create_account
from crowdmask.accounts.sessions import begin_session
from crowdmask.core.errors import ErrorCode, InvalidInput, NotAllowed, NotFound
from crowdmask.core.labels import checked_name
from crowdmask.infra.db import now
from crowdmask.models import Invite, Membership, Project, Role
from crowdmask.projects.labels import checked_label_indices
from crowdmask.projects.members import membership_of, refuse_another_role
from crowdmask.projects.policy import require_role
from crowdmask.projects.queries import live_labels
from crowdmask.projects.schemas import InvitePreview

LONGEST_DAYS = 30
_DAY_S = 24 * 3600


@dataclass(frozen=True)
class NewInvite:
    """``token``: lets one person join; it is shown this once."""

    invite: Invite
    token: str = field(repr=False)


@dataclass(frozen=True)
class Accepted:
    """``session_token``: of the browser session of an account made for the invite; None: it was there before."""

    project_id: UUID
    role: Role
    session_token: str | None = field(repr=False)


def create_invite(
    session: Session,
    actor: Actor,
    *,
    project_id: UUID,
    role: Role = Role.ANNOTATOR,
    label_indices: Collection[int] | None = None,
    note: str = "",
    days: int = 7,
) -> NewInvite:
    """Invite one person. Only admins do, so nobody invites into a higher role than their own.

    Args:
        label_indices: the labels the person will be given tasks of; None: all.
        note: whom it is for, for the admins.

    Raises:
        NotFound, NotAllowed: the actor is no admin of the project.
        InvalidInput: ``label_unknown``; ``option_invalid`` for the days or the note.
    """
    require_role(session, actor, project_id, Role.ADMIN)
    if not 1 <= days <= LONGEST_DAYS:
        raise InvalidInput(ErrorCode.OPTION_INVALID, f"An invite lasts 1 to {LONGEST_DAYS} days; got {days}.")
    secret = new_secret()
    invite = Invite(
        project_id=project_id,
        role=role,
        label_indices=checked_label_indices(session, project_id, label_indices),
        note=checked_name(note, what="A note") if note.strip() else "",
        token_sha256=digest(secret),
        created_by=actor.account_id,
    )
    invite.expires_at = now(days * _DAY_S)
    session.add(invite)
    session.flush()
    session.refresh(invite)
    record(session, actor, "invite_create", project_id=project_id, subject_id=invite.id)
    return NewInvite(invite, secret)


def preview_invite(session: Session, *, token: str) -> InvitePreview:
    """What an invite is for. It stays unused.

    Raises:
        NotAllowed: ``link_invalid``.
    """
    invite = session.scalar(sa.select(Invite).where(Invite.token_sha256 == digest(token), _is_open()))
    if invite is None:
        raise _invalid()
    labels = live_labels(session, invite.project_id)
    return InvitePreview(
        project_name=session.get_one(Project, invite.project_id).name,
        role=invite.role,
        label_names=[
            label.name
            for label in labels
            if invite.label_indices is None or label.index in invite.label_indices
        ],
        expires_at=invite.expires_at,
    )


def accept_invite(session: Session, actor: Actor | None, *, token: str, name: str | None = None) -> Accepted:
    """Join a project. Who accepts again what they have accepted gets the same answer.

    Args:
        actor: who is signed in; None: an account with the name ``name`` is made and signed in.

    Raises:
        NotAllowed: ``link_invalid``: unknown, used by somebody else, revoked or too old.
        Conflict: ``transition_invalid``, the actor is a member with another role.
        InvalidInput: nobody is signed in and the name is missing or unusable.
    """
    invite = session.scalar(sa.select(Invite).where(Invite.token_sha256 == digest(token)))
    if invite is None:
        raise _invalid()
    project = session.get_one(Project, invite.project_id, with_for_update=True)  # one at a time
    session.refresh(invite)
    member = None if actor is None else membership_of(session, project.id, actor.account_id)
    if actor is not None and member is not None and invite.used_by == actor.account_id:
        return Accepted(project.id, member.role, None)
    if session.scalar(sa.select(Invite.id).where(Invite.id == invite.id, _is_open())) is None:
        raise _invalid()
    if member is not None:
        refuse_another_role(member, invite.role)
        return Accepted(project.id, member.role, None)  # the invite is left for somebody else
    session_token = None
    if actor is None:
        if name is None:
            raise InvalidInput(
                ErrorCode.REQUEST_INVALID,
                "Nobody is signed in, and no name was given.",
                hint="Give your name.",
            )
        signed_in = begin_session(session, create_account(session, name=name))
        actor, session_token = signed_in.actor, signed_in.token
    session.add(
        Membership(
            project_id=project.id,
            account_id=actor.account_id,
            role=invite.role,
            label_indices=invite.label_indices,
        )
    )
    invite.used_at, invite.used_by = now(), actor.account_id
    session.flush()
    record(session, actor, "invite_accept", project_id=project.id, subject_id=invite.id)
    return Accepted(project.id, invite.role, session_token)


def revoke_invite(session: Session, actor: Actor, *, project_id: UUID, invite_id: UUID) -> None:
    """End an invite that nobody has used. Doing it twice changes nothing.

    Raises:
        NotFound, NotAllowed: no such invite; the actor is no admin.
    """
    require_role(session, actor, project_id, Role.ADMIN)
    session.get_one(Project, project_id, with_for_update=True)  # whoever is accepting it comes first
    invite = session.scalar(sa.select(Invite).where(Invite.id == invite_id, Invite.project_id == project_id))
    if invite is None:
        raise NotFound(ErrorCode.NOT_FOUND, f"The project has no invite {invite_id}.")
    if invite.used_at is None and invite.revoked_at is None:
        invite.revoked_at = now()
        session.flush()
        record(session, actor, "invite_revoke", project_id=project_id, subject_id=invite_id)


def _is_open() -> sa.ColumnElement[bool]:
    """Whether somebody can join by the invite. Nobody joins an archived project."""
    return sa.and_(
        Invite.used_at.is_(None),
        Invite.revoked_at.is_(None),
        Invite.expires_at > now(),
        sa.exists().where(Project.id == Invite.project_id, Project.archived_at.is_(None)),
    )


def _invalid() -> NotAllowed:
    return NotAllowed(
        ErrorCode.LINK_INVALID,
        "This invite was used already, was taken back, or is no longer valid.",
        hint="Ask whoever sent it for a new one.",
    )
