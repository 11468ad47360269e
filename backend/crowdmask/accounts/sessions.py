"""What proves who asks: sessions of browsers and personal access tokens. Only their hashes are stored.

A session ends for good after ``SESSION_DAYS``, or when it was not used for ``IDLE_HOURS``, by the database's clock.
"""

from contextlib import suppress
from dataclasses import dataclass, field
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from crowdmask.accounts.actor import Actor
from crowdmask.accounts.policy import digest, new_secret
from crowdmask.core.errors import ErrorCode, NotAllowed, NotSignedIn, Unavailable
from crowdmask.infra.db import Database, now
from crowdmask.models import AccessToken, Account, BrowserSession, TokenScope

SESSION_DAYS = 14
IDLE_HOURS = 12
_KEPT_DAYS = 90  # an ended session still tells when the person was last here
_DAY_S = 24 * 3600
_SEEN_EVERY_S = 60

_HINT = "Sign in, then try again."


@dataclass(frozen=True)
class SignedIn:
    """``token``: for the cookie of the browser; it is nowhere else."""

    actor: Actor
    token: str = field(repr=False)


def is_live() -> sa.ColumnElement[bool]:
    """Whether a BrowserSession still signs somebody in."""
    return sa.and_(BrowserSession.expires_at > now(), BrowserSession.seen_at > now(-IDLE_HOURS * 3600))


def begin_session(session: Session, account: Account) -> SignedIn:
    """Sign a person in, always under a new token."""
    session.execute(
        sa.delete(BrowserSession).where(
            BrowserSession.account_id == account.id, BrowserSession.expires_at < now(-_KEPT_DAYS * _DAY_S)
        )
    )
    token = new_secret()
    begun = BrowserSession(account_id=account.id, token_sha256=digest(token))
    begun.seen_at = now()
    begun.expires_at = now(SESSION_DAYS * _DAY_S)
    session.add(begun)
    session.flush()
    return SignedIn(Actor(account.id, account.is_operator, begun.id), token)


def end_sessions(session: Session, account_id: UUID, *, but: UUID | None = None) -> None:
    """Sign an account out of all its browsers, ``but`` of one."""
    ended = sa.update(BrowserSession).where(
        BrowserSession.account_id == account_id, BrowserSession.expires_at > now()
    )
    if but is not None:
        ended = ended.where(BrowserSession.id != but)
    session.execute(ended.values(expires_at=now()))


def actor_of_session(database: Database, cookie: str) -> Actor:
    """Who is signed in by that cookie. Takes and gives back a connection of its own.

    Raises:
        NotSignedIn: ``not_signed_in``.
    """
    with database.read() as session:
        found = _session_of(session, cookie)
    if found is None:
        raise NotSignedIn(
            ErrorCode.NOT_SIGNED_IN,
            "You are not signed in, or your session has ended.",
            hint=_HINT,
        )
    actor, is_old = found
    if is_old:
        seen = sa.update(BrowserSession).where(BrowserSession.id == actor.session_id).values(seen_at=now())
        _note_seen(database, seen)
    return actor


def actor_if_signed_in(session: Session, cookie: str) -> Actor | None:
    """Who is signed in by that cookie; None: nobody."""
    found = _session_of(session, cookie)
    return None if found is None else found[0]


def actor_of_token(database: Database, token: str, *, changes: bool) -> Actor:
    """Whose personal access token that is. Takes and gives back a connection of its own.

    Args:
        changes: whether the request would change something.

    Raises:
        NotSignedIn: ``not_signed_in``, there is no such token, or no longer.
        NotAllowed: ``not_allowed``, the token may only read.
    """
    with database.read() as session:
        found = session.execute(
            sa.select(
                AccessToken.id,
                AccessToken.scope,
                Account.id.label("account_id"),
                Account.is_operator,
                sa.or_(AccessToken.seen_at.is_(None), AccessToken.seen_at < now(-_SEEN_EVERY_S)).label(
                    "is_old"
                ),
            )
            .join(Account, Account.id == AccessToken.account_id)
            .where(
                AccessToken.token_sha256 == digest(token),
                AccessToken.expires_at > now(),
                AccessToken.revoked_at.is_(None),
            )
        ).one_or_none()
    if found is None:
        raise NotSignedIn(
            ErrorCode.NOT_SIGNED_IN,
            "This token is not valid, or no longer.",
            hint="Make a new one on your page.",
        )
    if changes and found.scope is not TokenScope.WRITE:
        raise NotAllowed(
            ErrorCode.NOT_ALLOWED,
            "This token may only read.",
            hint="Make one with the scope write.",
        )
    if found.is_old:
        _note_seen(database, sa.update(AccessToken).where(AccessToken.id == found.id).values(seen_at=now()))
    return Actor(found.account_id, found.is_operator, by_token=True)


def _session_of(session: Session, cookie: str) -> tuple[Actor, bool] | None:
    """The actor, and whether it was last seen long enough ago to note it."""
    if not cookie:
        return None
    found = session.execute(
        sa.select(
            BrowserSession.id,
            Account.id.label("account_id"),
            Account.is_operator,
            (BrowserSession.seen_at < now(-_SEEN_EVERY_S)).label("is_old"),
        )
        .join(Account, Account.id == BrowserSession.account_id)
        .where(BrowserSession.token_sha256 == digest(cookie), is_live())
    ).one_or_none()
    if found is None:
        return None
    return Actor(found.account_id, found.is_operator, found.id), found.is_old


def _note_seen(database: Database, statement: sa.Update) -> None:
    # Who reads must not fail because somebody writes; the next request notes it.
    with suppress(Unavailable), database.write() as session:
        session.execute(statement)
