"""What a password must be, and what only a person at a browser may do."""

import secrets
from hashlib import sha256

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from crowdmask.accounts.actor import Actor
from crowdmask.core.errors import ErrorCode, InvalidInput, NotAllowed, NotFound
from crowdmask.models import Account, Membership, Role

SHORTEST_PASSWORD = 10


def new_secret() -> str:
    """256 random bits, for a link, a session or a token."""
    return secrets.token_urlsafe(32)


def digest(secret: str) -> str:
    """What is kept of a secret. It is random and long, so a plain hash cannot be turned back."""
    return sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def checked_password(password: str, *, username: str, name: str) -> str:
    """Refuse a password that is guessed first.

    Raises:
        InvalidInput: ``password_weak``.
    """
    folded = password.casefold()
    if len(password) < SHORTEST_PASSWORD:
        why = f"It has {len(password)} characters; {SHORTEST_PASSWORD} are needed."
    elif len(set(folded)) == 1:
        why = "It is one character, repeated."
    elif folded in (username.casefold(), name.casefold()):
        why = "It is the name of its account."
    else:
        return password
    raise InvalidInput(
        ErrorCode.PASSWORD_WEAK,
        f"This password is too easy to guess. {why}",
        hint="Take several words that nobody would put together.",
    )


def require_person(actor: Actor) -> None:
    """Refuse a token: whoever steals one must not gain more than it gives.

    Raises:
        NotAllowed: ``not_allowed``.
    """
    if actor.by_token:
        raise NotAllowed(
            ErrorCode.NOT_ALLOWED,
            "This cannot be done with a personal access token.",
            hint="Sign in with a browser.",
        )


def require_may_let_in(session: Session, actor: Actor, account: Account) -> None:
    """Operators may make a sign-in link for everybody; admins for who belongs to none but their projects.

    Raises:
        NotFound: ``not_found``, the actor administers no project of that person.
        NotAllowed: ``not_allowed``, the person is an operator or belongs to another project too.
    """
    if actor.is_operator:
        return
    theirs, mine = aliased(Membership), aliased(Membership)
    administered = session.scalars(
        sa.select(
            sa.exists().where(
                mine.project_id == theirs.project_id,
                mine.account_id == actor.account_id,
                mine.role == Role.ADMIN,
            )
        ).where(theirs.account_id == account.id)
    ).all()
    if not any(administered):
        raise NotFound(ErrorCode.NOT_FOUND, f"There is no account {account.id}.")
    if account.is_operator or not all(administered):
        raise NotAllowed(
            ErrorCode.NOT_ALLOWED,
            "This person is not only in projects that you administer.",
            hint="Ask those who run the installation for the link.",
        )
