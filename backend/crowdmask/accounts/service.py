"""Creating accounts."""

import sqlalchemy as sa
from sqlalchemy.orm import Session

from crowdmask.accounts.actor import Actor
from crowdmask.core.labels import checked_name
from crowdmask.models import Account


def create_account(session: Session, *, name: str) -> Account:
    """Create an account for a person or a simulated annotator. Names need not be unique; ids are.

    Raises:
        InvalidInput: the name is empty, too long or holds control characters.
    """
    account = Account(name=checked_name(name))
    session.add(account)
    session.flush()
    return account


def local_operator(session: Session) -> Actor:
    """Who acts when a command is run on the data folder itself: its first account, made when there is none."""
    first = session.scalar(sa.select(Account).order_by(Account.created_at, Account.id).limit(1))
    return Actor((first or create_account(session, name="Local admin")).id)
