"""What every answer carries and every request must: the request id, the security headers, and the check of Origin.

Pure ASGI, so that streams pass through untouched. The content security policy stands here and nowhere else.
"""

import secrets
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import structlog
from fastapi import FastAPI
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from crowdmask.core.errors import ErrorCode
from crowdmask.core.ids import new_id
from crowdmask.web.errors import problem_response, too_large_response

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_FORBIDDEN = HTTPStatus.FORBIDDEN
_PLAIN_TOO_LARGE = b"Content Too Large"
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "[::1]"})


def content_security_policy(style_nonce: str) -> str:
    """Everything comes from us; styles that a library inserts carry the nonce of this answer."""
    return "; ".join(
        (
            "default-src 'self'",
            f"style-src 'self' 'nonce-{style_nonce}'",
            "img-src 'self' data: blob:",
            "object-src 'none'",
            "base-uri 'none'",
            "form-action 'self'",
            "frame-ancestors 'none'",
        )
    )


class GuardedApp(FastAPI):
    """An application inside of ``SecurityHeaders``: around everything, so around the answers that FastAPI's own outer
    layers give, too."""

    def __init__(self, *, public_url: str | None, **options: Any) -> None:
        super().__init__(**options)
        self._public_url = public_url

    def build_middleware_stack(self) -> ASGIApp:
        return SecurityHeaders(super().build_middleware_stack(), self._public_url)


class SecurityHeaders:
    """Middleware around the whole application.

    Args:
        public_url: where people reach us, ``https://...``; None: this computer only, by any port that is forwarded.
    """

    def __init__(self, app: ASGIApp, public_url: str | None) -> None:
        self._app = app
        self._origin = None if public_url is None else _origin(public_url)
        self._https = public_url is not None and public_url.startswith("https://")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id, nonce = new_id().hex, secrets.token_urlsafe(16)
        scope["crowdmask.request_id"] = request_id
        scope["crowdmask.style_nonce"] = nonce
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)

        is_complete = is_replaced = False

        async def send_with_headers(message: Message) -> None:
            nonlocal is_complete, is_replaced
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                if message["status"] == HTTPStatus.REQUEST_ENTITY_TOO_LARGE and headers.get(
                    "content-type", ""
                ).startswith("text/plain"):  # the limit of the body, which knows no problem+json
                    is_replaced = True
                    await too_large_response(request_id)(scope, receive, send_with_headers)
                    return
                self._add(headers, request_id, nonce)
            elif is_replaced and message.get("body") == _PLAIN_TOO_LARGE:
                return
            await send(message)
            is_complete = message["type"] == "http.response.body" and not message.get("more_body", False)

        if self._refused(scope):
            response = problem_response(
                request_id,
                _FORBIDDEN,
                ErrorCode.ORIGIN_REFUSED,
                "The request does not come from a page of ours.",
                "Open Crowdmask at its own address; scripts send a personal access token instead of a cookie.",
            )
            await response(scope, receive, send_with_headers)
            return
        if b"%00" in scope["query_string"]:  # no database and no file's name takes it
            response = problem_response(
                request_id,
                HTTPStatus.UNPROCESSABLE_ENTITY,
                ErrorCode.REQUEST_INVALID,
                "The address holds the character U+0000.",
                "Remove it.",
            )
            await response(scope, receive, send_with_headers)
            return
        try:
            await self._app(scope, receive, send_with_headers)
        except (
            Exception
        ):  # it is answered and logged (``web.errors``); the server would log it with its values
            if not is_complete:
                raise

    def _refused(self, scope: Scope) -> bool:
        """A change with a cookie, or without any proof as when signing in, must come from a page of ours."""
        headers = Headers(scope=scope)
        if scope["method"] in _SAFE or headers.get("authorization", "").lower().startswith("bearer "):
            return False
        origin = headers.get("origin")
        if self._origin is not None:
            return origin != self._origin
        if origin is None or urlsplit(origin).hostname is None:
            return True
        host = headers.get("host", "")
        return origin != f"http://{host}" or _hostname(host) not in _LOOPBACK

    def _add(self, headers: MutableHeaders, request_id: str, nonce: str) -> None:
        headers["X-Request-ID"] = request_id
        headers.setdefault("Content-Security-Policy", content_security_policy(nonce))
        headers["X-Content-Type-Options"] = "nosniff"
        headers["Referrer-Policy"] = "no-referrer"
        headers["Cross-Origin-Opener-Policy"] = "same-origin"
        headers["Cross-Origin-Resource-Policy"] = "same-origin"
        headers["Permissions-Policy"] = "camera=(), microphone=(), geolocation=()"
        headers.setdefault("Cache-Control", "no-store")
        if self._https:
            headers["Strict-Transport-Security"] = "max-age=31536000"


def style_nonce(request: Request) -> str:
    """The nonce that styles in this answer may carry."""
    return str(request.scope["crowdmask.style_nonce"])


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _hostname(host: str) -> str:
    return host.rpartition(":")[0] if not host.endswith("]") and ":" in host else host
