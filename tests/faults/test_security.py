"""Faults 52 to 57, 59 and 63 to 65 (docs/faults.md): what people and programs try on the HTTP API."""

import io
import json
import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from uuid import UUID

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient
from PIL import Image
from pydantic import ValidationError

from crowdmask.accounts import service
from crowdmask.accounts.actor import Actor
from crowdmask.core.errors import ErrorCode, InvalidInput, TooMany
from crowdmask.infra import passwords
from crowdmask.infra.logs import set_up_logs
from crowdmask.infra.settings import Settings
from crowdmask.models import Account, BrowserSession, GuidePicture, Membership, Role
from crowdmask.serve import listen
from tests import factories
from tests.api.server import AppServer, problem

PASSWORD = "correct horse battery"


@dataclass(frozen=True)
class Place:
    server: AppServer
    project_id: UUID
    admin: TestClient
    annotator: TestClient
    annotator_id: UUID
    other: TestClient
    assignment_id: UUID
    annotation_id: UUID

    @property
    def address(self) -> str:
        return f"/api/v1/projects/{self.project_id}"


@pytest.fixture
def place(server: AppServer) -> Place:
    with server.database.write() as session:
        admin, annotator, other = (factories.add_account(session, name=name) for name in ("A", "B", "C"))
        project = factories.add_project(session, admin)
        for account in (annotator, other):
            factories.add_member(session, project, account)
        task = factories.add_task(session, factories.add_volume(session, project))
        assignment = factories.add_assignment(session, task, annotator)
        annotation = factories.add_annotation(session, assignment)
    return Place(
        server,
        project.id,
        server.sign_in(admin),
        server.sign_in(annotator),
        annotator.id,
        server.sign_in(other),
        assignment.id,
        annotation.id,
    )


def with_password(server: AppServer, username: str = "ada") -> Account:
    with server.database.write() as session:
        account = service.create_account(session, name="Ada")
        service.set_password(
            session, Actor(account.id), server.state.passwords, username=username, password=PASSWORD
        )
    return account


def test_fault_52_what_belongs_to_another_annotator_is_not_there(place: Place) -> None:
    """``tests/api/test_permissions.py`` tries every route."""
    for method, address in (
        ("GET", f"/api/v1/assignments/{place.assignment_id}"),
        ("POST", f"/api/v1/assignments/{place.assignment_id}/give-back"),
        ("GET", f"/api/v1/annotations/{place.annotation_id}"),
        ("GET", f"/api/v1/annotations/{place.annotation_id}/mask"),
    ):
        problem(place.other.request(method, address), 404, "not_found")
        assert place.annotator.request("GET", f"/api/v1/assignments/{place.assignment_id}").status_code == 200


def test_fault_53_nobody_gives_themselves_a_role(place: Place) -> None:
    member = f"{place.address}/members/{place.annotator_id}"
    for refused in (
        place.annotator.patch(member, json={"role": "admin"}),
        place.annotator.post(f"{place.address}/invites", json={"role": "admin"}),
        place.annotator.post("/api/v1/projects", json={"name": "Mine", "labels": [{"name": "liver"}]}),
    ):
        problem(refused, 403, "not_allowed")
    # Fields that a form does not have are refused, not ignored.
    problem(
        place.annotator.patch("/api/v1/me", json={"name": "B", "is_operator": True}), 422, "request_invalid"
    )
    url = place.admin.post(f"{place.address}/invites", json={"role": "reviewer"}).json()["url"]
    form = {"token": url.partition("#")[2], "name": "Dan"}
    assert place.server.page().post("/api/v1/invites/accept", json=form).status_code == 200
    problem(place.server.page().post("/api/v1/invites/accept", json=form), 403, "link_invalid")
    with place.server.database.read() as session:
        roles = session.scalars(sa.select(Membership.role).order_by(Membership.role)).all()
    assert roles == [Role.ADMIN, Role.ANNOTATOR, Role.ANNOTATOR, Role.REVIEWER]


def test_fault_54_guessing_is_slowed_for_an_account_and_for_an_address(server: AppServer) -> None:
    with_password(server)
    page = server.page()

    def guess(username: str) -> int:
        form = {"username": username, "password": "a wrong password"}
        return page.post("/api/v1/session/password", json=form).status_code

    assert [guess("ada") for _ in range(11)] == [401] * 10 + [429]
    assert guess("ADA") == 429  # the same account
    assert [guess(f"nobody{n}") for n in range(18)] == [401] * 18  # 30 tries of this address
    assert guess("somebody-else") == 429
    # A delay, not a lock: the person still comes in by a link.
    with server.database.write() as session:
        ada = session.scalars(sa.select(Account).where(Account.username == "ada")).one()
        token = service.make_sign_in_link(session, ada.id).token
    from_elsewhere = TestClient(server.app, base_url=str(page.base_url), client=("192.0.2.7", 1))
    from_elsewhere.headers["Origin"] = str(page.base_url).rstrip("/")
    assert from_elsewhere.post("/api/v1/session/link", json={"token": token}).status_code == 200


def test_fault_54_no_more_passwords_are_hashed_at_once_than_have_a_place(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hashing = passwords.Passwords()
    monkeypatch.setattr(passwords, "_WAIT_S", 0.01)
    with ThreadPoolExecutor(passwords.AT_ONCE) as pool:
        entered, leave = threading.Barrier(passwords.AT_ONCE + 1), threading.Event()

        def hold() -> None:
            with hashing._place():
                entered.wait()
                leave.wait()

        held = [pool.submit(hold) for _ in range(passwords.AT_ONCE)]
        entered.wait()
        try:
            with pytest.raises(TooMany):
                hashing.matches("secret", None)
        finally:
            leave.set()
        for one in held:
            one.result()
    assert hashing.matches("secret", hashing.hash("secret"))
    assert not hashing.matches("secret", None)


def test_fault_55_every_sign_in_gets_a_session_of_its_own_and_all_can_be_ended(server: AppServer) -> None:
    with_password(server)
    form = {"username": "ada", "password": PASSWORD}
    page, lost = server.page(), server.page()
    page.cookies.set("crowdmask", "chosen-by-an-attacker", domain="localhost.local", path="/")
    for client in (page, lost):
        assert client.post("/api/v1/session/password", json=form).status_code == 200
    cookies = [client.cookies.get("crowdmask", path="/") for client in (page, lost)]
    assert len({*cookies, "chosen-by-an-attacker"}) == 3
    with server.database.read() as session:
        stored = set(session.scalars(sa.select(BrowserSession.token_sha256)))
    assert not stored & set(cookies)
    listed = page.get("/api/v1/me/sessions").json()
    assert sorted(one["is_this"] for one in listed) == [False, True]
    assert page.delete("/api/v1/me/sessions").status_code == 204
    for client in (page, lost):
        problem(client.get("/api/v1/me"), 401, "not_signed_in")


def test_fault_56_a_foreign_page_signs_nobody_in_and_changes_nothing(server: AppServer) -> None:
    ada = with_password(server)
    form = {"username": "ada", "password": PASSWORD}
    foreign = server.client(Origin="http://evil.example")
    refused = foreign.post("/api/v1/session/password", json=form)
    problem(refused, 403, "origin_refused")
    assert "set-cookie" not in refused.headers
    page = server.sign_in_by_cookie(ada)
    as_a_form = page.patch(
        "/api/v1/me", content=json.dumps({"name": "Eve"}), headers={"Content-Type": "text/plain"}
    )
    problem(as_a_form, 422, "request_invalid")
    page.headers.pop("Origin")
    problem(page.patch("/api/v1/me", json={"name": "Eve"}), 403, "origin_refused")
    assert page.get("/api/v1/me").json()["name"] == "Ada"


@pytest.mark.parametrize(
    "name", ["<script>alert(1)</script>", "../../etc", "CON", "=cmd|' /C'!A0", "🫀", "a'; drop"]
)
def test_fault_57_a_name_is_only_a_name(place: Place, name: str) -> None:
    assert place.admin.patch(place.address, json={"name": name}).status_code == 200
    answer = place.admin.get(place.address)
    assert answer.json()["name"] == name
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert place.admin.post(f"{place.address}/labels", json={"name": name}).json()["name"] == name


@pytest.mark.parametrize(
    "name", ["a\0b", "\u202egnp", "x" * 10_000, "\ud800"], ids=["nul", "rtl", "long", "half"]
)
def test_fault_57_a_name_that_cannot_be_shown_is_refused(place: Place, name: str) -> None:
    json_type = {"Content-Type": "application/json"}
    refused = place.admin.patch(place.address, content=json.dumps({"name": name}), headers=json_type)
    assert refused.status_code == 422
    assert place.admin.get(place.address).json()["name"] == "Abdomen"


def _picture(kind: str, size: tuple[int, int] = (8, 8)) -> bytes:
    target = io.BytesIO()
    Image.new("P" if kind == "GIF" else "RGB", size).save(target, kind)
    return target.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
        b"<!doctype html><script>alert(1)</script>",
        _picture("GIF"),
        _picture("PNG")[:-30],
        _picture("JPEG")[:40],
        b"RIFF\x10\x00\x00\x00WEBPVP8L" + b"\xff" * 40,
        _picture("PNG", (8000, 5001)),
        b"\x89PNG\r\n\x1a\n" + b"\0" * 64,
    ],
    ids=["svg", "html", "gif", "half-png", "half-jpeg", "broken-webp", "too-many-pixels", "no-header"],
)
def test_fault_59_what_is_no_usable_picture_is_refused(place: Place, content: bytes) -> None:
    refused = place.admin.post(f"{place.address}/labels/1/pictures", content=content)
    problem(refused, 422, "picture_invalid")
    with place.server.database.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(GuidePicture)) == 0


def test_fault_59_a_picture_with_a_page_behind_it_comes_back_as_pixels_only(place: Place) -> None:
    sent = _picture("PNG") + b"<script>alert(1)</script>"
    added = place.admin.post(f"{place.address}/labels/1/pictures", content=sent)
    shown = place.annotator.get(added.json()["url"])
    assert b"script" not in shown.content
    assert shown.headers["content-type"] == "image/png"
    assert shown.headers["content-disposition"].startswith("attachment")
    problem(place.server.page().get(added.json()["url"]), 401, "not_signed_in")


def test_fault_63_a_body_is_bounded_wherever_it_goes(place: Place) -> None:
    for address, largest in (("/api/v1/projects", 4), (f"{place.address}/labels/1/pictures", 10)):
        pieces = (b"x" * 1024**2 for _ in range(largest + 1))
        refused = place.admin.post(address, content=pieces, headers={"Content-Type": "application/json"})
        problem(refused, 413, "body_too_large")
    work = place.server.settings.work_dir
    assert list(work.iterdir()) == []


def test_fault_63_a_list_in_a_request_is_bounded(place: Place) -> None:
    labels = [{"name": f"label {n}"} for n in range(256)]
    refused = place.admin.post(f"{place.address}/invites", json={"label_indices": list(range(1, 300))})
    problem(refused, 422, "request_invalid")
    with place.server.database.write() as session:
        session.get_one(Account, place.annotator_id).is_operator = True
    refused = place.annotator.post("/api/v1/projects", json={"name": "Many", "labels": labels})
    body = problem(refused, 422, "request_invalid")
    assert len(body["errors"]) <= 50


def test_fault_64_there_is_no_account_and_no_password_before_somebody_makes_one(server: AppServer) -> None:
    for username, password in (("admin", "admin"), ("root", "root"), ("crowdmask", "crowdmask")):
        form = {"username": username, "password": password}
        problem(server.page().post("/api/v1/session/password", json=form), 401, "sign_in_failed")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1"])
def test_fault_64_without_https_nobody_but_this_computer_reaches_the_server(
    settings: Settings, host: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        listen(settings.model_copy(update={"host": host}))
    assert caught.value.code is ErrorCode.PUBLIC_URL_NEEDED
    assert "--public-url" in caught.value.hint
    with pytest.raises(ValidationError, match="not encrypted"):
        Settings.for_folder(settings.data_dir, public_url="http://masks.example.org")


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_fault_65_logs_hold_no_secrets_and_no_names_and_lead_to_the_request(
    server: AppServer, log_format: str, capsys: pytest.CaptureFixture[str]
) -> None:
    @server.app.get("/test/crash")
    def crash() -> None:
        raise ValueError(account.name)

    with server.database.write() as session:
        account = service.create_account(session, name="Meier Hans")
        token = service.make_sign_in_link(session, account.id).token
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    set_up_logs(log_format=log_format, level="DEBUG")  # type: ignore[arg-type]
    try:
        page = server.page()
        page.post("/api/v1/session/link", json={"token": token})
        cookie = page.cookies["crowdmask"]
        page.patch("/api/v1/me", json={"name": "Meier Hans-Peter"})
        page.post("/api/v1/session/password", json={"username": "meier@example.org", "password": PASSWORD})
        crashed = page.get("/test/crash?name=Meier")
    finally:
        root.handlers, root.level = before, level
    said = capsys.readouterr().err
    for secret in ("Meier", "meier", token, cookie, PASSWORD):
        assert secret not in said, secret
    assert "ValueError" in said
    assert crashed.headers["x-request-id"] in said
