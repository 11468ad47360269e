"""The server in this process: the application under uvicorn, in a thread, so that the caller can go on."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from crowdmask.app import create_app
from crowdmask.core.errors import ErrorCode, InvalidInput, Unavailable
from crowdmask.infra.settings import LOOPBACK, Settings

_START_S = 30.0
_DRAIN_S = 5
_PORTS_TRIED = 10


def listen(settings: Settings, *, exactly: bool = False) -> tuple[Settings, socket.socket]:
    """Take the port of the settings, or one of the next if it is in use, and say in the settings which it is.

    Args:
        exactly: that port or none.

    Raises:
        InvalidInput: ``public_url_needed``, people of other computers would reach us without encryption;
            ``option_invalid``, no port is free, or the address is not one of this computer.
    """
    if settings.host not in LOOPBACK and not settings.is_https:
        raise InvalidInput(
            ErrorCode.PUBLIC_URL_NEEDED,
            f"To listen on {settings.host} means that other computers reach this server, and without https passwords and "
            "images could be read on the way.",
            hint="Put a proxy with https in front and name its address with --public-url https://...; "
            "docs/deploy.md, 'Behind a proxy with https', shows how.",
        )
    ports = (
        [settings.port]
        if exactly or settings.port == 0
        else range(settings.port, settings.port + _PORTS_TRIED)
    )
    for port in ports:
        family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
        # With the protocol said, asyncio sets TCP_NODELAY on the connections: small answers would wait for 40 ms.
        listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((settings.host, port))
            listening.listen(2048)
        except OSError as error:
            listening.close()
            reason = error.strerror or str(error)
            continue
        return settings.model_copy(update={"port": listening.getsockname()[1]}), listening
    raise InvalidInput(
        ErrorCode.OPTION_INVALID,
        f"The server cannot listen on port {settings.port} of {settings.host}: {reason}.",
        hint="Choose another one with --port.",
    )


@contextmanager
def server(settings: Settings, listening: socket.socket) -> Iterator[None]:
    """Serve on the socket from the beginning of the block, when the first request is answered, to its end.

    Raises:
        Unavailable: ``internal``, the server did not come up; the log says why.
    """
    configuration = uvicorn.Config(
        create_app(settings),
        lifespan="on",
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        # Behind a proxy on this computer or in the same private network the caller's address is in a header.
        proxy_headers=settings.is_https,
        forwarded_allow_ips="*" if settings.host not in LOOPBACK else "127.0.0.1,::1",
        timeout_keep_alive=65,
        timeout_graceful_shutdown=_DRAIN_S,
        h11_max_incomplete_event_size=64 * 1024,
    )
    running = uvicorn.Server(configuration)
    thread = threading.Thread(target=running.run, kwargs={"sockets": [listening]}, name="server")
    thread.start()
    try:
        deadline = time.monotonic() + _START_S
        while not running.started:
            if not thread.is_alive() or time.monotonic() > deadline:
                raise Unavailable(ErrorCode.INTERNAL, "The server did not start.", hint="Its log says why.")
            time.sleep(0.02)
        yield
    finally:
        running.should_exit = True
        thread.join()
        with contextlib.suppress(OSError):
            listening.close()
