"""Previews of masks over HTTP: who may ask, what is refused, and that drawing goes on without them."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from crowdmask.core.preview import SECRET_HEADER, SECRET_PURPOSE
from crowdmask.infra.security import derived_secret
from crowdmask.infra.settings import Settings
from crowdmask.models import Account, Role
from tests import factories
from tests.api.server import AppServer, problem

BOX = [4.0, 5.0, 20.0, 25.0]
ANSWER = b'{"box": [4, 5, 9, 7], "bits": "eJxr+A8AAYIBQg==", "predicted_iou": [0.91]}'


@dataclass
class Place:
    server: AppServer
    people: dict[str, Account]
    assignment_id: UUID

    def ask(self, *, by: str = "ann", z: int = 1, boxes: Any = (BOX,)) -> Any:
        return self.server.sign_in(self.people[by]).post(
            f"/api/v1/assignments/{self.assignment_id}/preview", json={"slice": z, "boxes": list(boxes)}
        )


def populate(server: AppServer) -> Place:
    with server.database.write() as session:
        people = {
            name: factories.add_account(session, name=name) for name in ("admin", "ann", "ben", "stranger")
        }
        project = factories.add_project(session, people["admin"])
        for name in ("ann", "ben"):
            factories.add_member(session, project, people[name], role=Role.ANNOTATOR)
        task = factories.add_task(session, factories.add_volume(session, project), overlap=2)
        assignment = factories.add_assignment(session, task, people["ann"])
        return Place(server, people, assignment.id)


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy computer is not what these tests are about."""
    monkeypatch.setattr("crowdmask.web.previews.PATIENCE_S", 60.0)
    monkeypatch.setattr("crowdmask.web.previews._CONNECT_S", 60.0)


@pytest.fixture
def place(server: AppServer) -> Place:
    return populate(server)


class _Service(BaseHTTPRequestHandler):
    """Stands for the preview service; what it was asked is kept."""

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        self.server.asked.append((dict(self.headers), self.rfile.read(length)))  # type: ignore[attr-defined]
        status, content = self.server.answer  # type: ignore[attr-defined]
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Quiet."""


@contextmanager
def service(status: int = 200, content: bytes = ANSWER) -> Iterator[HTTPServer]:
    running = HTTPServer(("127.0.0.1", 0), _Service)
    running.answer, running.asked = (status, content), []  # type: ignore[attr-defined]
    thread = threading.Thread(target=running.serve_forever)
    thread.start()
    try:
        yield running
    finally:
        running.shutdown()
        thread.join()
        running.server_close()


@contextmanager
def asking(settings: Settings, tmp_path: Path, url: str) -> Iterator[Place]:
    """A place whose server is told where the service is."""
    from crowdmask.app import create_app

    made = AppServer(
        create_app(settings.model_copy(update={"preview_url": url}), site_folder=tmp_path / "no-pages")
    )
    try:
        yield populate(made)
    finally:
        made.database.close()


def test_without_a_service_it_says_so_and_when_to_ask_again(place: Place) -> None:
    answer = place.ask()
    problem(answer, 503, "preview_unavailable")
    assert int(answer.headers["retry-after"]) >= 1


def test_previews_are_for_who_works_on_the_task_and_for_admins(place: Place) -> None:
    for name in ("ann", "admin"):
        problem(place.ask(by=name), 503, "preview_unavailable")
    for name in ("ben", "stranger"):
        problem(place.ask(by=name), 404, "not_found")


def test_boxes_that_cannot_be_are_refused_before_anybody_is_asked(place: Place) -> None:
    problem(place.ask(z=factories.SHAPE[0]), 422, "slice_out_of_range")
    problem(place.ask(boxes=[[-1, 0, 5, 5]]), 422, "box_invalid")
    problem(place.ask(boxes=[[5, 5, 5, 9]]), 422, "box_invalid")
    for boxes in ([], [[1, 2, 3]], [BOX] * 17):
        problem(place.ask(boxes=boxes), 422, "request_invalid")
    problem(place.ask(z=-1), 422, "request_invalid")


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_answer_of_the_service_is_passed_on(
    database_url: str, settings: Settings, tmp_path: Path
) -> None:
    with (
        service() as running,
        asking(settings, tmp_path, f"http://127.0.0.1:{running.server_port}") as place,
    ):
        answer = place.ask()
        assert (answer.status_code, answer.json()) == (
            200,
            {"box": [4, 5, 9, 7], "bits": "eJxr+A8AAYIBQg==", "predicted_iou": [0.91]},
        )
        headers, body = running.asked[0]  # type: ignore[attr-defined]
        given = {name.lower(): value for name, value in headers.items()}
        assert given[SECRET_HEADER.lower()] == derived_secret(settings.secret_path, SECRET_PURPOSE)
        assert b'"window":{"low":-160.0,"high":240.0}' in body.replace(b" ", b"")
        assert str(place.people["ann"].id).encode() in body


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("status", "content"), [(503, b""), (500, b"crash"), (401, b""), (200, b"no json"), (200, b"{}")]
)
def test_whatever_the_service_does_the_page_is_told_to_go_on_without_it(
    database_url: str, settings: Settings, tmp_path: Path, status: int, content: bytes
) -> None:
    with (
        service(status, content) as running,
        asking(settings, tmp_path, f"http://127.0.0.1:{running.server_port}") as place,
    ):
        problem(place.ask(), 503, "preview_unavailable")


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_service_that_is_away_is_no_crash(database_url: str, settings: Settings, tmp_path: Path) -> None:
    with service() as gone:
        pass
    with asking(settings, tmp_path, f"http://127.0.0.1:{gone.server_port}") as place:
        problem(place.ask(), 503, "preview_unavailable")
