"""Every error as problem+json (RFC 9457): type, title, status, code, detail, hint, request_id. Mapped once, here."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from crowdmask.core.errors import (
    Conflict,
    Corrupt,
    CrowdmaskError,
    ErrorCode,
    InvalidInput,
    NotAllowed,
    NotFound,
    NotSignedIn,
    PreconditionMissing,
    Stale,
    TooMany,
    Unavailable,
)

# The first class that fits decides.
_STATUS: tuple[tuple[type[CrowdmaskError], HTTPStatus], ...] = (
    (InvalidInput, HTTPStatus.UNPROCESSABLE_ENTITY),
    (Stale, HTTPStatus.PRECONDITION_FAILED),
    (Conflict, HTTPStatus.CONFLICT),
    (PreconditionMissing, HTTPStatus.PRECONDITION_REQUIRED),
    (NotSignedIn, HTTPStatus.UNAUTHORIZED),
    (NotFound, HTTPStatus.NOT_FOUND),
    (NotAllowed, HTTPStatus.FORBIDDEN),
    (TooMany, HTTPStatus.TOO_MANY_REQUESTS),
    (Unavailable, HTTPStatus.SERVICE_UNAVAILABLE),
    (Corrupt, HTTPStatus.INTERNAL_SERVER_ERROR),
)
_BY_CODE = {
    ErrorCode.STORAGE_FULL: HTTPStatus.INSUFFICIENT_STORAGE,
    ErrorCode.BODY_TOO_LARGE: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
}
_RETRY_AFTER_S = 2
# Asked for with every box while there is no service: that is no news.
_EXPECTED = frozenset({ErrorCode.PREVIEW_UNAVAILABLE})
_LONGEST_PART = 60  # of a place in a request: a field that is not known was named by the caller
_FOREIGN = {
    HTTPStatus.NOT_FOUND: (
        ErrorCode.NOT_FOUND,
        "There is nothing at this address.",
        "Look at /docs/api for what there is.",
    ),
    HTTPStatus.METHOD_NOT_ALLOWED: (
        ErrorCode.METHOD_NOT_ALLOWED,
        "This address does not take that method.",
        "Look at /docs/api.",
    ),
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: (
        ErrorCode.BODY_TOO_LARGE,
        "The request is larger than this address takes.",
        "Send less at once.",
    ),
}

log = structlog.get_logger(__name__)


class Problem(BaseModel):
    """What every refused request is answered with; some codes add members of their own."""

    type: str
    title: str
    status: int
    code: ErrorCode
    detail: str
    hint: str
    request_id: str


def status_of(error: CrowdmaskError) -> HTTPStatus:
    return _BY_CODE.get(error.code) or next(
        (status for kind, status in _STATUS if isinstance(error, kind)), HTTPStatus.INTERNAL_SERVER_ERROR
    )


def problem_response(
    request_id: str,
    status: HTTPStatus,
    code: ErrorCode,
    detail: str,
    hint: str = "",
    *,
    members: Mapping[str, Any] | None = None,
    retry_after_s: int | None = None,
) -> JSONResponse:
    problem = Problem(
        type=f"urn:crowdmask:error:{code.value}",
        title=status.phrase,
        status=status.value,
        code=code,
        detail=detail,
        hint=hint,
        request_id=request_id,
    )
    return JSONResponse(
        {**(members or {}), **problem.model_dump(mode="json")},
        status_code=status.value,
        media_type="application/problem+json",
        headers={} if retry_after_s is None else {"Retry-After": str(retry_after_s)},
    )


def too_large_response(request_id: str) -> JSONResponse:
    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    return problem_response(request_id, status, *_FOREIGN[status])


def install(app: FastAPI) -> None:
    """Make ``app`` answer all errors this way."""
    app.add_exception_handler(CrowdmaskError, _ours)
    app.add_exception_handler(RequestValidationError, _not_of_the_schema)
    app.add_exception_handler(HTTPException, _foreign)
    app.add_exception_handler(Exception, _unexpected)


def request_id_of(request: Request) -> str:
    return str(request.scope.get("crowdmask.request_id", ""))


def _ours(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, CrowdmaskError)
    status = status_of(error)
    retry_after_s = None
    if isinstance(error, TooMany):
        retry_after_s = error.retry_after_s
    elif status is HTTPStatus.SERVICE_UNAVAILABLE:
        retry_after_s = _RETRY_AFTER_S
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR and error.code not in _EXPECTED:
        log.error("request_failed", code=error.code.value, status=status.value)
    return problem_response(
        request_id_of(request),
        status,
        error.code,
        error.message,
        error.hint,
        members=error.members(),
        retry_after_s=retry_after_s,
    )


def _not_of_the_schema(request: Request, error: Exception) -> JSONResponse:
    """Names the places and what is wrong there, never the values: they may be a password."""
    assert isinstance(error, RequestValidationError)
    wrong = [
        {"place": ".".join(str(part)[:_LONGEST_PART] for part in one["loc"]), "what": one["msg"]}
        for one in error.errors()
    ]
    detail = "; ".join(f"{one['place']}: {one['what']}" for one in wrong[:5])
    return problem_response(
        request_id_of(request),
        HTTPStatus.UNPROCESSABLE_ENTITY,
        ErrorCode.REQUEST_INVALID,
        f"The request is not of the form that this address takes: {detail}.",
        "Look at /docs/api for the form.",
        members={"errors": wrong[:50]},
    )


def _foreign(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    status = HTTPStatus(error.status_code)
    code, detail, hint = _FOREIGN.get(
        status, (ErrorCode.REQUEST_INVALID, f"{error.detail}.", "Look at /docs/api.")
    )
    response = problem_response(request_id_of(request), status, code, detail, hint)
    response.headers.update(error.headers or {})
    return response


def _unexpected(request: Request, error: Exception) -> JSONResponse:
    log.error("request_crashed", error=type(error).__name__, exc_info=error)
    return problem_response(
        request_id_of(request),
        HTTPStatus.INTERNAL_SERVER_ERROR,
        ErrorCode.INTERNAL,
        "Something went wrong on our side; nothing was changed.",
        "Try again; if it happens again, tell whoever runs the server the request id.",
    )
