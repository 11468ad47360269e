"""Who acts. Every service function takes an actor, so that no one can forget to ask who it is."""

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Actor:
    """The account on whose behalf something is done."""

    account_id: UUID
