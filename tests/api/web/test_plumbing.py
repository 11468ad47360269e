"""What every request and every answer has in common."""

import json
import sqlite3
from typing import Any

import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from sqlalchemy.orm import Session

from crowdmask.core.errors import CrowdmaskError, ErrorCode, TooMany
from crowdmask.models import Account
from crowdmask.web.errors import status_of
from crowdmask.web.sessions import WriteSession
from tests import factories
from tests.api.server import AppServer, problem


@pytest.fixture
def app(server: AppServer) -> FastAPI:
    """The application with some routes that a test needs."""

    @server.app.post("/test/late-failure")
    def late_failure(session: WriteSession) -> str:
        session.add(Account(name="half"))
        sa.event.listen(session, "before_commit", _fail)
        return "done"

    @server.app.get("/test/crash")
    def crash() -> None:
        raise ValueError("Meier^Hans")

    return server.app


def _fail(_session: Session) -> None:
    raise RuntimeError("the commit failed")


def _wait_briefly_on_sqlite(raw: Any, *_: object) -> None:
    raw.execute("PRAGMA busy_timeout=50")


def _wait_briefly(connection: Any, *_: object) -> None:
    connection.execute("SET lock_timeout = 50")
    connection.commit()


def account(server: AppServer) -> Account:
    with server.database.write() as session:
        return factories.add_account(session)


def test_health_answers_without_signing_in(server: AppServer) -> None:
    assert server.client().get("/api/v1/health").json()["status"] == "ok"


def test_a_commit_that_fails_is_no_success(server: AppServer, app: FastAPI) -> None:
    problem(server.page().post("/test/late-failure"), 500, "internal")
    with server.database.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(Account)) == 0


def test_a_crash_tells_nothing_but_a_request_id(server: AppServer, app: FastAPI) -> None:
    response = server.client().get("/test/crash")
    problem(response, 500, "internal")
    assert "Meier" not in response.text
    assert response.headers["content-security-policy"].startswith("default-src 'self'")


def test_every_error_has_a_status_and_only_ours_are_500() -> None:
    kinds = [kind for kind in _all_subclasses(CrowdmaskError) if kind.__module__.startswith("crowdmask.")]
    assert len(kinds) > 10
    for kind in kinds:
        if kind is TooMany:
            continue
        error = kind.__new__(kind)
        error.code = ErrorCode.INTERNAL
        assert (status_of(error) == 500) == (kind.__name__ == "Corrupt"), kind


def _all_subclasses(kind: type[CrowdmaskError]) -> list[type[CrowdmaskError]]:
    return [one for direct in kind.__subclasses__() for one in (direct, *_all_subclasses(direct))]


def test_an_unknown_address_and_a_wrong_method_are_problems(server: AppServer) -> None:
    problem(server.client().get("/api/v1/nothing"), 404, "not_found")
    wrong = server.page().delete("/api/v1/health")
    problem(wrong, 405, "method_not_allowed")
    assert wrong.headers["allow"] == "GET"


def test_a_request_of_another_form_names_the_place_and_never_the_value(server: AppServer) -> None:
    response = server.page().post(
        "/api/v1/session/password", json={"username": "ada", "password": ["s3cret"], "s3cret" * 50: 1}
    )
    body = problem(response, 422, "request_invalid")
    assert {one["place"] for one in body["errors"]} == {"body.password", f"body.{('s3cret' * 50)[:60]}"}
    assert "['s3cret']" not in response.text
    assert len(response.text) < 1000


@pytest.mark.parametrize("announced", [True, False], ids=["announced", "in-pieces"])
def test_a_body_that_is_too_large_is_refused_as_a_problem_with_all_headers(
    server: AppServer, announced: bool
) -> None:
    piece = b" " * 1024**2
    content: Any = piece * 5 if announced else (piece for _ in range(5))
    response = server.page().post(
        "/api/v1/session/link", content=content, headers={"Content-Type": "application/json"}
    )
    problem(response, 413, "body_too_large")
    assert response.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("a\0b", None),
        ("\u202eevil", None),
        ("\ud800", None),
        ("x" * 201, None),
        ("   ", None),
        ("Ada 🦊", "Ada 🦊"),
        ("<script>alert(1)</script>", "<script>alert(1)</script>"),
        ("=cmd|' /C calc'!A0", "=cmd|' /C calc'!A0"),
        ("../../etc/passwd", "../../etc/passwd"),
        ("مریم‌", "مریم‌"),
    ],
    ids=["nul", "rtl", "surrogate", "long", "empty", "emoji", "html", "formula", "path", "joiner"],
)
def test_names_are_kept_as_they_are_or_refused(server: AppServer, name: str, kept: str | None) -> None:
    client = server.sign_in(account(server))
    response = client.patch(
        "/api/v1/me", content=json.dumps({"name": name}), headers={"Content-Type": "application/json"}
    )
    if kept is None:
        assert response.status_code == 422, response.text
        assert response.json()["code"] in ("request_invalid", "option_invalid")
    else:
        assert client.get("/api/v1/me").json()["name"] == kept


@pytest.mark.parametrize("field", ["username", "password"])
def test_no_text_with_a_nul_reaches_the_database(server: AppServer, field: str) -> None:
    form = {"username": "ada", "password": "secret", field: "a\0b"}
    problem(server.page().post("/api/v1/session/password", json=form), 422, "request_invalid")
    address = "/api/v1/projects/00000000-0000-0000-0000-000000000001/volumes?name=a%00b"
    problem(server.sign_in(account(server)).get(address), 422, "request_invalid")


@pytest.mark.parametrize(
    "content",
    [
        b"{",
        b"[" * 100_000,
        b'{"token": ' + b"9" * 100_000 + b"}",
        b'{"token": NaN}',
        b"null",
        b"\xff\xfe",
    ],
    ids=["half", "deep", "number", "nan", "null", "bytes"],
)
def test_broken_json_is_a_problem(server: AppServer, content: bytes) -> None:
    response = server.page().post(
        "/api/v1/session/link", content=content, headers={"Content-Type": "application/json"}
    )
    assert response.status_code in (400, 422), response.text
    problem(response, response.status_code, "request_invalid")


def test_every_answer_carries_a_request_id_of_its_own_and_the_security_headers(server: AppServer) -> None:
    page = server.page()
    answers = [
        page.get("/api/v1/health"),
        page.get("/api/v1/me"),
        page.get("/api/v1/nothing"),
        page.get("/"),
        server.client().post("/api/v1/session/link", json={"token": "x"}),
        page.post("/api/v1/session/link", json={}),
    ]
    assert len({answer.headers["x-request-id"] for answer in answers}) == len(answers)
    for answer in answers:
        policy = answer.headers["content-security-policy"]
        assert "default-src 'self'" in policy
        assert "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        assert answer.headers["cache-control"] == "no-store"
        assert "strict-transport-security" not in answer.headers


def test_asking_too_often_is_429_and_says_when_to_come_back(server: AppServer) -> None:
    page = server.page()
    for _ in range(10):
        answer = page.post("/api/v1/session/password", json={"username": "ada", "password": "wrong"})
        problem(answer, 401, "sign_in_failed")
    refused = page.post("/api/v1/session/password", json={"username": "ADA", "password": "wrong"})
    problem(refused, 429, "rate_limited")
    assert 1 <= int(refused.headers["retry-after"]) <= 300


def test_a_database_that_stays_locked_is_503_and_reading_goes_on(server: AppServer) -> None:
    """Fault 43."""
    client = server.sign_in(account(server))
    assert client.get("/api/v1/me").status_code == 200  # the token is noted as seen
    url = sa.make_url(server.database.url)
    wait_briefly = _wait_briefly_on_sqlite if server.database.is_sqlite else _wait_briefly
    sa.event.listen(server.database.engine, "checkout", wait_briefly)
    if server.database.is_sqlite:
        with sqlite3.connect(str(url.database), isolation_level=None) as other:
            other.execute("BEGIN IMMEDIATE")
            refused, read = client.patch("/api/v1/me", json={"name": "B"}), client.get("/api/v1/me")
            other.execute("ROLLBACK")
        other.close()
    else:
        with sa.create_engine(url).connect() as other:
            other.execute(sa.text("select id from account for update"))
            refused, read = client.patch("/api/v1/me", json={"name": "B"}), client.get("/api/v1/me")
            other.rollback()
        other.engine.dispose()
    sa.event.remove(server.database.engine, "checkout", wait_briefly)
    problem(refused, 503, "database_busy")
    assert int(refused.headers["retry-after"]) >= 1
    assert read.json()["name"] == "Ada"
    assert client.patch("/api/v1/me", json={"name": "B"}).status_code == 200
