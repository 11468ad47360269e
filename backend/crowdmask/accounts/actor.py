"""Who acts. Every service function takes an actor, so that no one can forget to ask who it is."""

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Actor:
    """The account on whose behalf something is done.

    Attributes:
        session_id: of the browser session that it came by; None for a token, a command or a worker.
        by_token: it came by a personal access token, which may not make itself last longer.
    """

    account_id: UUID
    is_operator: bool = False
    session_id: UUID | None = None
    by_token: bool = False
