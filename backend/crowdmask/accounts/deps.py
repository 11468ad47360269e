"""Who asks: the actor of a request, from its session cookie or its personal access token."""

from typing import Annotated

from fastapi import Depends, Request

from crowdmask.accounts import sessions
from crowdmask.accounts.actor import Actor
from crowdmask.core.errors import ErrorCode, NotAllowed
from crowdmask.web.state import Server, ServerState

_SAFE = frozenset({"GET", "HEAD"})


def cookie_name(server: ServerState) -> str:
    """With ``__Host-`` where the public address is https: then no other site of the domain can set it."""
    return "__Host-crowdmask" if server.settings.is_https else "crowdmask"


def current_actor(request: Request, server: Server) -> Actor:
    """The signed-in account.

    Raises:
        NotSignedIn: ``not_signed_in``.
        NotAllowed: ``not_allowed``, a token that may only read was sent with a change.
    """
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        actor = sessions.actor_of_token(server.database, token, changes=request.method not in _SAFE)
    else:
        actor = sessions.actor_of_session(server.database, request.cookies.get(cookie_name(server), ""))
    request.scope["crowdmask.actor"] = actor
    return actor


def current_operator(actor: Annotated[Actor, Depends(current_actor)]) -> Actor:
    """The signed-in account, if it runs the installation.

    Raises:
        NotSignedIn, NotAllowed: as ``current_actor``; ``not_allowed`` for anybody else.
    """
    if not actor.is_operator:
        raise NotAllowed(
            ErrorCode.NOT_ALLOWED,
            "This is for those who run the installation.",
            hint="Ask whoever started the server.",
        )
    return actor


CurrentActor = Annotated[Actor, Depends(current_actor)]
CurrentOperator = Annotated[Actor, Depends(current_operator)]
