"""Requests of the HTTP API, and its problems as the typed errors that the server's own code raises."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urlencode

import httpx

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
from crowdmask.core.files import write_whole

Progress = Callable[[int, int], None]
"""Told the bytes sent and the bytes to send."""

_CHUNK_BYTES = 1024**2
_TRIES = 5
_KINDS: Mapping[int, type[CrowdmaskError]] = {
    HTTPStatus.UNPROCESSABLE_ENTITY: InvalidInput,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: InvalidInput,
    HTTPStatus.CONFLICT: Conflict,
    HTTPStatus.PRECONDITION_FAILED: Stale,
    HTTPStatus.PRECONDITION_REQUIRED: PreconditionMissing,
    HTTPStatus.UNAUTHORIZED: NotSignedIn,
    HTTPStatus.NOT_FOUND: NotFound,
    HTTPStatus.FORBIDDEN: NotAllowed,
    HTTPStatus.SERVICE_UNAVAILABLE: Unavailable,
    HTTPStatus.INSUFFICIENT_STORAGE: Unavailable,
    HTTPStatus.INTERNAL_SERVER_ERROR: Corrupt,
}


class Transport:
    """One kept connection; what a request answers is its JSON, or the error that it describes."""

    def __init__(self, base_url: str, timeout_s: float, headers: Mapping[str, str]) -> None:
        self._http = httpx.Client(
            base_url=f"{base_url.rstrip('/')}/api/v1",
            headers=dict(headers),
            timeout=timeout_s,
            follow_redirects=False,
        )

    def close(self) -> None:
        self._http.close()

    def get(self, path: str) -> Any:
        return self.request("GET", path, harmless_twice=True)

    def get_all(self, path: str) -> Iterator[Any]:
        """What a list holds, page after page; ``path`` has no query."""
        page = self.get(path)
        while True:
            yield from page["items"]
            if page["next_cursor"] is None:
                return
            page = self.get(f"{path}?{urlencode({'cursor': page['next_cursor']})}")

    def post(self, path: str, body: Any = None) -> Any:
        return self.request("POST", path, json=body)

    def upload(
        self,
        path: str,
        file: Path,
        parameters: Mapping[str, Any],
        progress: Progress | None,
        *,
        method: str = "POST",
    ) -> Any:
        total = file.stat().st_size

        def chunks() -> Iterator[bytes]:
            sent = 0
            with file.open("rb") as source:
                while chunk := source.read(_CHUNK_BYTES):
                    yield chunk
                    sent += len(chunk)
                    if progress is not None:
                        progress(sent, total)

        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(total)}
        return self.request(method, path, params=parameters, content=chunks(), headers=headers)

    def download(self, path: str, target: Path) -> None:
        """Into ``target``, whole or not at all. What breaks off goes on where it ended, if the server still has the same
        bytes; each part that arrives gives new tries.
        """
        with write_whole(target) as file:
            etag, failures = "", 0
            while True:
                before = file.tell()
                try:
                    with self._reachable(), self._part(path, file, etag) as response:
                        etag = response.headers.get("ETag", "")
                        for chunk in response.iter_bytes(_CHUNK_BYTES):
                            file.write(chunk)
                    return
                except Unavailable as error:
                    failures = 1 if file.tell() > before else failures + 1
                    if failures == _TRIES or error.code is not ErrorCode.SERVER_UNREACHABLE:
                        raise
                    time.sleep(2.0**failures / 4)

    @contextmanager
    def _part(self, path: str, file: BinaryIO, etag: str) -> Iterator[httpx.Response]:
        """What is still missing in ``file``; all of it, and the file empty again, where the server has other bytes by now."""
        headers = {"Accept-Encoding": "identity"}
        if etag and file.tell():
            headers |= {"Range": f"bytes={file.tell()}-", "If-Range": etag}
        with self._http.stream("GET", path, headers=headers) as response:
            if response.is_error:
                response.read()
                answer(response)
            if response.status_code != HTTPStatus.PARTIAL_CONTENT:
                file.seek(0)
                file.truncate()
            yield response

    def request(self, method: str, path: str, *, harmless_twice: bool = False, **options: Any) -> Any:
        tries = _TRIES if harmless_twice else 1
        for left in range(tries - 1, -1, -1):
            try:
                with self._reachable():
                    return answer(self._http.request(method, path, **options))
            except Unavailable as error:
                if left == 0 or error.code is ErrorCode.STORAGE_FULL:
                    raise
                time.sleep(2.0 ** (tries - 1 - left) / 2)
        raise AssertionError  # the last try returned or raised

    @contextmanager
    def _reachable(self) -> Iterator[None]:
        """Says of a server that does not answer that it cannot be reached."""
        try:
            yield
        except httpx.TransportError as error:
            raise Unavailable(
                ErrorCode.SERVER_UNREACHABLE,
                f"The server at {self._http.base_url} did not answer ({type(error).__name__}).",
                hint="Check the address, and that the server runs.",
            ) from error


def answer(response: httpx.Response) -> Any:
    """The JSON of an answer, None for an empty one; a problem is raised as the error that it describes."""
    if not response.is_error:
        return response.json() if response.content else None
    try:
        problem = response.json()
        code, message, hint = ErrorCode(problem["code"]), str(problem["detail"]), str(problem["hint"])
    except (ValueError, KeyError, TypeError):
        raise Unavailable(
            ErrorCode.SERVER_UNREACHABLE,
            f"{response.url.host} answered {response.status_code}, and not as Crowdmask does.",
            hint="Check the address, and the proxy in front of the server.",
        ) from None
    if response.status_code == HTTPStatus.TOO_MANY_REQUESTS:
        raise TooMany(code, message, hint=hint, retry_after_s=int(response.headers.get("Retry-After", "1")))
    raise _KINDS.get(response.status_code, CrowdmaskError)(code, message, hint=hint)
