"""Accounts: made, signed in and out, their names, passwords, tokens and sign-in links."""

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from crowdmask.accounts.actor import Actor
from crowdmask.accounts.audit import record
from crowdmask.accounts.policy import (
    checked_password,
    digest,
    new_secret,
    require_may_let_in,
    require_person,
)
from crowdmask.accounts.schemas import NewTokenAnswer
from crowdmask.accounts.sessions import SignedIn, begin_session, end_sessions
from crowdmask.core.errors import Conflict, ErrorCode, InvalidInput, NotAllowed, NotFound, NotSignedIn
from crowdmask.core.labels import checked_name
from crowdmask.infra.db import Database, now
from crowdmask.infra.passwords import Passwords
from crowdmask.models import AccessToken, Account, BrowserSession, SignInLink, TokenScope

LINK_DAYS = 7
LONGEST_TOKEN_DAYS = 365
_DAY_S = 24 * 3600


@dataclass(frozen=True)
class NewLink:
    """``token``: signs the person in, once, until ``expires_at``; it is shown this once."""

    expires_at: datetime
    token: str = field(repr=False)


def create_account(session: Session, *, name: str, is_operator: bool = False) -> Account:
    """Create an account for a person or a simulated annotator. Names need not be unique; ids are.

    Raises:
        InvalidInput: the name is empty, too long or holds control characters.
    """
    account = Account(name=checked_name(name), is_operator=is_operator)
    session.add(account)
    session.flush()
    return account


def local_operator(session: Session) -> Actor:
    """Who acts when a command is run on the data folder itself: its first account, made when there is none."""
    first = session.scalar(sa.select(Account).order_by(Account.created_at, Account.id).limit(1))
    account = first or create_account(session, name="Local admin", is_operator=True)
    return Actor(account.id, account.is_operator)


def sign_in_by_link(session: Session, *, token: str) -> SignedIn:
    """Sign in with a one-time link, which is used up.

    Raises:
        NotAllowed: ``link_invalid``: unknown, used, replaced by a newer one, or too old.
    """
    account_id = session.scalar(
        sa.update(SignInLink)
        .where(
            SignInLink.token_sha256 == digest(token),
            SignInLink.used_at.is_(None),
            SignInLink.expires_at > now(),
        )
        .values(used_at=now())
        .returning(SignInLink.account_id)
    )
    if account_id is None:
        raise NotAllowed(
            ErrorCode.LINK_INVALID,
            "This sign-in link was used already, or is no longer valid.",
            hint="Ask an admin of your project for a new one.",
        )
    signed_in = begin_session(session, session.get_one(Account, account_id))
    record(session, signed_in.actor, "sign_in_by_link")
    return signed_in


def sign_in_by_password(
    database: Database, passwords: Passwords, *, username: str, password: str
) -> SignedIn:
    """Sign in with a user name, in any case, and its password.

    Takes connections of its own, and holds none while the password is compared. A user name that does not exist is
    answered after the same work, in the same words.

    Raises:
        NotSignedIn: ``sign_in_failed``.
        TooMany: ``rate_limited``, too many are signing in.
    """
    with database.read() as session:
        account = session.scalar(sa.select(Account).where(Account.username == username.lower()))
    fits = passwords.matches(password, None if account is None else account.password_hash)
    with database.write() as session:
        if account is not None and fits:
            signed_in = begin_session(session, account)
            record(session, signed_in.actor, "sign_in_by_password")
            return signed_in
        record(session, None if account is None else Actor(account.id), "sign_in_fail")
    raise NotSignedIn(
        ErrorCode.SIGN_IN_FAILED,
        "User name and password do not belong together.",
        hint="Try again, or ask an admin of your project for a sign-in link.",
    )


def sign_out(session: Session, actor: Actor) -> None:
    """End the browser session that the actor came by, if any."""
    if actor.session_id is not None:
        session.execute(
            sa.update(BrowserSession).where(BrowserSession.id == actor.session_id).values(expires_at=now())
        )
        record(session, actor, "sign_out")


def sign_out_everywhere(session: Session, actor: Actor) -> None:
    """End all sessions of the actor's account."""
    end_sessions(session, actor.account_id)
    record(session, actor, "sign_out_everywhere")


def rename(session: Session, actor: Actor, *, name: str) -> None:
    """Change the name that others see.

    Raises:
        InvalidInput: the name is empty, too long or holds control characters.
    """
    session.get_one(Account, actor.account_id).name = checked_name(name)
    session.flush()


def set_password(
    session: Session,
    actor: Actor,
    passwords: Passwords,
    *,
    username: str,
    password: str,
    current_password: str | None = None,
) -> None:
    """Set the account's user name and password, and sign all its other browsers out.

    Raises:
        NotAllowed: ``not_allowed`` for a token; ``sign_in_failed`` when there is a password and ``current_password``
            is another.
        InvalidInput: ``password_weak``.
        Conflict: ``name_taken``, somebody else has the user name.
    """
    require_person(actor)
    account = session.get_one(Account, actor.account_id)
    if account.password_hash is not None and not passwords.matches(
        current_password or "", account.password_hash
    ):
        raise NotAllowed(
            ErrorCode.SIGN_IN_FAILED,
            "The current password is another one.",
            hint="Give it again, or ask an admin of your project for a sign-in link.",
        )
    hashed = passwords.hash(checked_password(password, username=username, name=account.name))
    try:
        with session.begin_nested():
            account.username, account.password_hash = username.lower(), hashed
            session.flush()
    except IntegrityError:
        raise Conflict(
            ErrorCode.NAME_TAKEN, f"The user name {username!r} is taken.", hint="Choose another one."
        ) from None
    end_sessions(session, actor.account_id, but=actor.session_id)
    _end_links(session, actor.account_id)
    record(session, actor, "password_set")


def create_token(
    session: Session, actor: Actor, *, name: str, scope: TokenScope, days: int
) -> NewTokenAnswer:
    """Make a personal access token of the actor's account, for scripts.

    Args:
        scope: ``read`` refuses every change.

    Raises:
        NotAllowed: ``not_allowed``, the actor itself came by a token.
        InvalidInput: the name is unusable; ``option_invalid`` for the days.
    """
    require_person(actor)
    if not 1 <= days <= LONGEST_TOKEN_DAYS:
        raise InvalidInput(
            ErrorCode.OPTION_INVALID, f"A token lasts 1 to {LONGEST_TOKEN_DAYS} days; got {days}."
        )
    secret = new_secret()
    token = AccessToken(
        account_id=actor.account_id, name=checked_name(name), token_sha256=digest(secret), scope=scope
    )
    token.expires_at = now(days * _DAY_S)
    session.add(token)
    session.flush()
    session.refresh(token)
    record(session, actor, "token_create", subject_id=token.id)
    return NewTokenAnswer(
        id=token.id,
        name=token.name,
        scope=token.scope,
        created_at=token.created_at,
        expires_at=token.expires_at,
        seen_at=None,
        token=secret,
    )


def revoke_token(session: Session, actor: Actor, *, token_id: UUID) -> None:
    """End a token of the actor's. Doing it twice changes nothing.

    Raises:
        NotFound: ``not_found``, it is not theirs.
    """
    token = session.scalar(
        sa.select(AccessToken).where(AccessToken.id == token_id, AccessToken.account_id == actor.account_id)
    )
    if token is None:
        raise NotFound(ErrorCode.NOT_FOUND, f"There is no token {token_id}.")
    if token.revoked_at is None:
        token.revoked_at = now()
        record(session, actor, "token_revoke", subject_id=token.id)
        session.flush()


def create_sign_in_link(session: Session, actor: Actor, *, account_id: UUID) -> NewLink:
    """Make a new sign-in link for a person. It ends their sessions and earlier links: who lost a device is safe again.

    Raises:
        NotFound: no such account, or not one that the actor may know of.
        NotAllowed: the person is not only in projects that the actor administers; or the actor came by a token.
    """
    require_person(actor)
    account = session.get(Account, account_id)
    if account is None:
        raise NotFound(ErrorCode.NOT_FOUND, f"There is no account {account_id}.")
    require_may_let_in(session, actor, account)
    end_sessions(session, account_id)
    link = make_sign_in_link(session, account_id)
    record(session, actor, "sign_in_link_create", subject_id=account_id)
    return link


def make_sign_in_link(session: Session, account_id: UUID, *, days: float = LINK_DAYS) -> NewLink:
    """A sign-in link for an account, for a caller that has checked the actor, or a command on the data folder itself.

    Earlier links of the account end; its sessions go on.
    """
    _end_links(session, account_id)
    secret = new_secret()
    link = SignInLink(account_id=account_id, token_sha256=digest(secret))
    link.expires_at = now(days * _DAY_S)
    session.add(link)
    session.flush()
    session.refresh(link)
    return NewLink(link.expires_at, secret)


def _end_links(session: Session, account_id: UUID) -> None:
    session.execute(
        sa.delete(SignInLink).where(SignInLink.account_id == account_id, SignInLink.used_at.is_(None))
    )
