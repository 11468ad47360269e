"""Reading one's own account. Nobody reads that of somebody else."""

from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from crowdmask.accounts.actor import Actor
from crowdmask.accounts.schemas import MeAnswer, MembershipAnswer, SessionAnswer, TokenAnswer
from crowdmask.accounts.sessions import is_live
from crowdmask.infra.db import now
from crowdmask.models import AccessToken, Account, BrowserSession, Consent, Membership, Project


def lacks_consent(account_id: UUID | sa.SQLColumnExpression[UUID]) -> sa.ColumnElement[bool]:
    """Whether the project of the row has a text that this account has not accepted, or no longer. Needs Project."""
    return sa.and_(
        Project.consent_text != "",
        ~sa.exists().where(
            Consent.project_id == Project.id,
            Consent.account_id == account_id,
            Consent.version == Project.consent_version,
            Consent.withdrawn_at.is_(None),
        ),
    )


def me(session: Session, actor: Actor) -> MeAnswer:
    """The actor's account, with its projects, the newest first."""
    account = session.get_one(Account, actor.account_id)
    memberships = session.execute(
        sa.select(
            Project.id,
            Project.name,
            Membership.role,
            lacks_consent(actor.account_id).label("consent_needed"),
            Project.archived_at.is_not(None).label("archived"),
        )
        .join(Membership, Membership.project_id == Project.id)
        .where(Membership.account_id == actor.account_id)
        .order_by(Project.created_at.desc(), Project.id.desc())
    )
    return MeAnswer(
        id=account.id,
        name=account.name,
        username=account.username,
        has_password=account.password_hash is not None,
        is_operator=account.is_operator,
        memberships=[
            MembershipAnswer(
                project_id=one.id,
                project_name=one.name,
                role=one.role,
                consent_needed=one.consent_needed,
                archived=one.archived,
            )
            for one in memberships
        ],
    )


def sessions(session: Session, actor: Actor) -> list[SessionAnswer]:
    """The browsers in which the actor is signed in, the last used first."""
    found = session.scalars(
        sa.select(BrowserSession)
        .where(BrowserSession.account_id == actor.account_id, is_live())
        .order_by(BrowserSession.seen_at.desc(), BrowserSession.id)
    )
    return [
        SessionAnswer(
            id=one.id,
            created_at=one.created_at,
            seen_at=one.seen_at,
            expires_at=one.expires_at,
            is_this=one.id == actor.session_id,
        )
        for one in found
    ]


def tokens(session: Session, actor: Actor) -> list[TokenAnswer]:
    """The actor's personal access tokens that are still valid, the newest first."""
    found = session.scalars(
        sa.select(AccessToken)
        .where(
            AccessToken.account_id == actor.account_id,
            AccessToken.expires_at > now(),
            AccessToken.revoked_at.is_(None),
        )
        .order_by(AccessToken.created_at.desc(), AccessToken.id.desc())
    )
    return [TokenAnswer.model_validate(one) for one in found]
