"""Signing in and out; one's own name, password, browsers and tokens; a new sign-in link for somebody else."""

from uuid import UUID

from fastapi import APIRouter, Request, Response

from crowdmask.accounts import queries, service, sessions
from crowdmask.accounts.deps import CurrentActor, cookie_name
from crowdmask.accounts.schemas import (
    LinkForm,
    MeAnswer,
    NewTokenAnswer,
    PasswordForm,
    PasswordSignInForm,
    ProfileForm,
    SessionAnswer,
    SignInLinkAnswer,
    TokenAnswer,
    TokenForm,
)
from crowdmask.web.permissions import Permission, needs
from crowdmask.web.sessions import ReadSession, WriteSession
from crowdmask.web.state import Server, ServerState

router = APIRouter(tags=["accounts"])


@router.post("/session/link", **needs(Permission.PUBLIC))
def sign_in_by_link(
    form: LinkForm, request: Request, response: Response, session: WriteSession, server: Server
) -> MeAnswer:
    """Sign in with a one-time link's token. The link is used up."""
    server.throttle.check("sign_in", address_of(request), times=30)
    signed_in = service.sign_in_by_link(session, token=form.token)
    set_cookie(response, server, signed_in.token)
    return queries.me(session, signed_in.actor)


@router.post("/session/password", **needs(Permission.PUBLIC))
def sign_in_by_password(
    form: PasswordSignInForm, request: Request, response: Response, session: ReadSession, server: Server
) -> MeAnswer:
    """Sign in with a user name and its password."""
    server.throttle.check("sign_in", address_of(request), times=30)
    server.throttle.check("sign_in_account", form.username.lower(), times=10, minutes=5)
    signed_in = service.sign_in_by_password(
        server.database, server.passwords, username=form.username, password=form.password
    )
    set_cookie(response, server, signed_in.token)
    return queries.me(session, signed_in.actor)


@router.delete("/session", status_code=204, **needs(Permission.SIGNED_IN))
def sign_out(response: Response, session: WriteSession, actor: CurrentActor, server: Server) -> None:
    """End this browser's session."""
    service.sign_out(session, actor)
    response.delete_cookie(cookie_name(server), path="/", secure=server.settings.is_https, httponly=True)


@router.get("/me", **needs(Permission.SIGNED_IN))
def me(session: ReadSession, actor: CurrentActor) -> MeAnswer:
    """Who I am, and in which projects."""
    return queries.me(session, actor)


@router.patch("/me", **needs(Permission.SIGNED_IN))
def change_profile(form: ProfileForm, session: WriteSession, actor: CurrentActor) -> MeAnswer:
    """Change the name that others see."""
    service.rename(session, actor, name=form.name)
    return queries.me(session, actor)


@router.put("/me/password", **needs(Permission.SIGNED_IN))
def set_password(form: PasswordForm, session: WriteSession, actor: CurrentActor, server: Server) -> MeAnswer:
    """Set a user name and password. All other browsers are signed out."""
    server.throttle.check("set_password", str(actor.account_id), times=10, minutes=5)
    service.set_password(
        session,
        actor,
        server.passwords,
        username=form.username,
        password=form.password,
        current_password=form.current_password,
    )
    return queries.me(session, actor)


@router.get("/me/sessions", **needs(Permission.SIGNED_IN))
def list_sessions(session: ReadSession, actor: CurrentActor) -> list[SessionAnswer]:
    """The browsers in which I am signed in."""
    return queries.sessions(session, actor)


@router.delete("/me/sessions", status_code=204, **needs(Permission.SIGNED_IN))
def sign_out_everywhere(session: WriteSession, actor: CurrentActor) -> None:
    """End the sessions of all browsers, this one too."""
    service.sign_out_everywhere(session, actor)


@router.get("/me/tokens", **needs(Permission.SIGNED_IN))
def list_tokens(session: ReadSession, actor: CurrentActor) -> list[TokenAnswer]:
    """My personal access tokens that are still valid."""
    return queries.tokens(session, actor)


@router.post("/me/tokens", status_code=201, **needs(Permission.SIGNED_IN))
def create_token(form: TokenForm, session: WriteSession, actor: CurrentActor) -> NewTokenAnswer:
    """Make a personal access token for scripts; it is shown this once."""
    return service.create_token(session, actor, name=form.name, scope=form.scope, days=form.days)


@router.delete("/me/tokens/{token_id}", status_code=204, **needs(Permission.OWN))
def revoke_token(token_id: UUID, session: WriteSession, actor: CurrentActor) -> None:
    """End a token."""
    service.revoke_token(session, actor, token_id=token_id)


@router.post("/accounts/{account_id}/sign-in-link", status_code=201, **needs(Permission.ADMIN))
def create_sign_in_link(
    account_id: UUID, session: WriteSession, actor: CurrentActor, server: Server
) -> SignInLinkAnswer:
    """Make a new sign-in link for a person; it ends their sessions and earlier links.

    An operator may for everybody; an admin for people who belong to no project but those that the admin administers.
    """
    link = service.create_sign_in_link(session, actor, account_id=account_id)
    return SignInLinkAnswer(url=sign_in_url(server, link.token), expires_at=link.expires_at)


def sign_in_url(server: ServerState, token: str) -> str:
    """The token stands in the fragment, which browsers do not send: opening the address has no effect by itself."""
    return f"{server.settings.base_url}/sign-in#{token}"


def set_cookie(response: Response, server: ServerState, token: str) -> None:
    response.set_cookie(
        cookie_name(server),
        token,
        max_age=sessions.SESSION_DAYS * 24 * 3600,
        path="/",
        secure=server.settings.is_https,
        httponly=True,
        samesite="lax",
    )


def address_of(request: Request) -> str:
    """The caller's address, as uvicorn took it from the proxy or the connection."""
    return request.client.host if request.client is not None else "unknown"
