"""The server's side of the preview service: asks it with a timeout, and goes on without it."""

import asyncio
from functools import cached_property
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import structlog

from crowdmask.core.errors import ErrorCode, Unavailable
from crowdmask.core.preview import PATIENCE_S, SECRET_HEADER, SECRET_PURPOSE, Preview, PreviewRequest
from crowdmask.infra.security import derived_secret
from crowdmask.infra.settings import PREVIEW_AUTO, Settings

if TYPE_CHECKING:
    import httpx

_CONNECT_S = 0.5

log = structlog.get_logger(__name__)


class Previews:
    """Where this server gets its previews; there may be none."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        # Connections belong to an event loop. A server has one; tests begin a new one for each request.
        self._clients: WeakKeyDictionary[asyncio.AbstractEventLoop, httpx.AsyncClient] = WeakKeyDictionary()

    async def ask(self, request: PreviewRequest) -> Preview:
        """The mask of boxes on a slice.

        Raises:
            Unavailable: ``preview_unavailable``, there is no service, or it is away, starting or has too much to do.
        """
        url = self._settings.preview_url
        if url in ("", PREVIEW_AUTO):
            raise _unavailable("This server shows no previews of masks.")
        import httpx

        try:
            answer = await self._client().post(
                f"{url}/preview", json=request.to_json(), headers={SECRET_HEADER: self._secret}
            )
        except httpx.TimeoutException:
            raise _unavailable(f"The preview took longer than {PATIENCE_S:g} s.") from None
        except httpx.HTTPError:
            raise _unavailable("The preview service does not answer.") from None
        if answer.status_code != httpx.codes.OK:
            if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE:
                log.warning("preview_refused", status=answer.status_code)
            raise _unavailable("The preview service has too much to do or is not ready.")
        try:
            return Preview.from_json(answer.json())
        except (KeyError, TypeError, ValueError):
            log.warning("preview_unreadable")
            raise _unavailable("The preview service gave an answer that cannot be read.") from None

    async def close(self) -> None:
        """To be called at the end, in the server's event loop."""
        client = self._clients.pop(asyncio.get_running_loop(), None)
        if client is not None:
            await client.aclose()

    @cached_property
    def _secret(self) -> str:
        return derived_secret(self._settings.secret_path, SECRET_PURPOSE)

    def _client(self) -> "httpx.AsyncClient":
        import httpx

        loop = asyncio.get_running_loop()
        if loop not in self._clients:
            self._clients[loop] = httpx.AsyncClient(
                timeout=httpx.Timeout(PATIENCE_S, connect=_CONNECT_S),
                trust_env=False,  # a proxy of the environment is for the internet
                verify=False,  # the address is http; without this, certificates are loaded
            )
        return self._clients[loop]


def _unavailable(what: str) -> Unavailable:
    return Unavailable(
        ErrorCode.PREVIEW_UNAVAILABLE, what, hint="Go on drawing; the mask is made from your boxes later."
    )
