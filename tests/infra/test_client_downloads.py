"""The client's downloads over connections that break."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from crowdmask.client.transport import Transport
from crowdmask.core.errors import ErrorCode, NotFound

CONTENT = bytes(range(256)) * 40_000  # 10 MB
BREAKS_AT = 4_000_000


@contextmanager
def _server(etags: list[str], asked: list[str | None]) -> Iterator[str]:
    """Each answer but the last breaks off; the n-th request sees the n-th ETag, and a part only for the one it names."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            number = len(asked)
            asked.append(self.headers["Range"])
            etag = etags[number]
            first = 0
            if self.headers["Range"] and self.headers["If-Range"] == etag:
                first = int(self.headers["Range"].removeprefix("bytes=").removesuffix("-"))
            self.send_response(206 if first else 200)
            self.send_header("ETag", etag)
            self.send_header("Content-Length", str(len(CONTENT) - first))
            self.end_headers()
            is_last = number == len(etags) - 1
            self.wfile.write(CONTENT[first:] if is_last else CONTENT[first : first + BREAKS_AT])

        def log_message(self, *_: object) -> None:
            """Nothing on the screen."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def test_a_download_goes_on_where_it_broke_off(tmp_path: Path) -> None:
    asked: list[str | None] = []
    with _server(['"a"'] * 3, asked) as url:
        Transport(url, 10, {}).download("/file", tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == CONTENT
    assert asked[0] is None
    first, second = (int(one[6:-1]) for one in asked[1:] if one)
    assert BREAKS_AT - 2**20 < first <= BREAKS_AT  # less than a chunk is fetched again
    assert first + BREAKS_AT - 2**20 < second <= first + BREAKS_AT


def test_a_download_of_what_has_changed_meanwhile_begins_anew(tmp_path: Path) -> None:
    asked: list[str | None] = []
    with _server(['"a"', '"b"'], asked) as url:
        Transport(url, 10, {}).download("/file", tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == CONTENT
    assert len(asked) == 2


def test_without_a_name_for_its_bytes_a_download_begins_anew(tmp_path: Path) -> None:
    asked: list[str | None] = []
    with _server(["", ""], asked) as url:
        Transport(url, 10, {}).download("/file", tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == CONTENT
    assert asked == [None, None]


def test_a_refused_download_leaves_the_file_that_was_there(tmp_path: Path) -> None:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = b'{"code": "not_found", "detail": "There is none.", "hint": ""}'
            self.send_response(404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing on the screen."""

    (tmp_path / "file").write_text("before")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with pytest.raises(NotFound) as refused:
        Transport(f"http://127.0.0.1:{server.server_port}", 10, {}).download("/file", tmp_path / "file")
    server.shutdown()
    server.server_close()
    assert refused.value.code is ErrorCode.NOT_FOUND
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_text() == "before"
