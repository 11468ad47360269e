"""The application served by a real uvicorn, in a thread, for tests of what a test client cannot do."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import uvicorn

from tests.api.server import AppServer, Person
from tests.waiting import PATIENCE_S, eventually


@dataclass(frozen=True)
class LiveServer:
    app: AppServer
    address: str

    def client(self, person: Person) -> httpx.Client:
        """A client with a token of that person."""
        return httpx.Client(
            base_url=self.address,
            headers={"Authorization": f"Bearer {self.app.token(person)}"},
            timeout=PATIENCE_S,
            verify=False,  # plain http; reading certificates takes long
            limits=httpx.Limits(max_connections=150),
        )


@contextmanager
def serving(app: AppServer) -> Iterator[LiveServer]:
    """The application on a free port, with its threads; streams that are open at the end are cut."""
    config = uvicorn.Config(
        app.app,
        host="127.0.0.1",
        port=0,
        lifespan="on",
        log_config=None,
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, name="uvicorn")
    thread.start()
    try:
        eventually(lambda: server.started or not thread.is_alive())
        assert server.started
        port = server.servers[0].sockets[0].getsockname()[1]
        yield LiveServer(app, f"http://127.0.0.1:{port}")
    finally:
        server.should_exit = True
        thread.join()


class Listening:
    """A stream that is read in a thread. ``events``: (name, id, data) in the order they came."""

    def __init__(self, client: httpx.Client, address: str, *, last_event_id: str | None = None) -> None:
        self.events: list[tuple[str, str, dict[str, Any]]] = []
        self.status: int | None = None
        self.ended = threading.Event()
        self._client = client
        self._socket: socket.socket | None = None
        headers = {} if last_event_id is None else {"Last-Event-ID": last_event_id}
        self._thread = threading.Thread(target=self._read, args=(address, headers), daemon=True)
        self._thread.start()
        eventually(lambda: self.status is not None)

    def of(self, key: str, value: object) -> list[dict[str, Any]]:
        return [data for _, _, data in list(self.events) if data.get(key) == value]

    def close(self) -> None:
        """As a browser that goes away. Closing what another thread reads from would tell the server nothing."""
        assert self._socket is not None
        self._socket.shutdown(socket.SHUT_RDWR)
        self.ended.wait(PATIENCE_S)
        self._client.close()

    def _read(self, address: str, headers: dict[str, str]) -> None:
        fields: dict[str, str] = {}
        try:
            with self._client.stream("GET", address, headers=headers) as response:
                self._socket = response.extensions["network_stream"].get_extra_info("socket")
                self.status = response.status_code
                for line in response.iter_lines():
                    name, _, value = line.partition(": ")
                    if line:
                        fields[name] = value
                    elif "data" in fields:
                        self.events.append((fields["event"], fields["id"], json.loads(fields["data"])))
                        fields = {}
        except (httpx.HTTPError, RuntimeError, OSError):
            pass  # cut
        finally:
            self.ended.set()
