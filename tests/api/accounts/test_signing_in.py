"""Signing in and out, by links, passwords and tokens."""

import re

import pytest
import sqlalchemy as sa

from crowdmask.accounts import service
from crowdmask.accounts.actor import Actor
from crowdmask.core.errors import CrowdmaskError, ErrorCode, InvalidInput, NotFound
from crowdmask.infra.db import Database, now
from crowdmask.models import Account, AuditEvent, BrowserSession, SignInLink, TokenScope
from tests import factories
from tests.api.server import AppServer, problem

PASSWORD = "correct horse battery"


def person(database: Database, name: str = "Ada", *, is_operator: bool = False) -> Account:
    with database.write() as session:
        return service.create_account(session, name=name, is_operator=is_operator)


def link(database: Database, account: Account) -> str:
    with database.write() as session:
        return service.make_sign_in_link(session, account.id).token


def with_password(server: AppServer, name: str = "Ada", username: str = "ada") -> Account:
    account = person(server.database, name)
    with server.database.write() as session:
        service.set_password(
            session, Actor(account.id), server.state.passwords, username=username, password=PASSWORD
        )
    return account


def actions(database: Database) -> list[str]:
    with database.read() as session:
        return list(session.scalars(sa.select(AuditEvent.action).order_by(AuditEvent.id)))


def test_a_link_signs_in_once_and_its_cookie_is_for_this_site_only_and_hidden_from_scripts(
    server: AppServer,
) -> None:
    ada = person(server.database)
    token, page = link(server.database, ada), server.page()
    signed_in = page.post("/api/v1/session/link", json={"token": token})
    assert signed_in.status_code == 200
    assert signed_in.json()["name"] == "Ada"
    cookie = signed_in.headers["set-cookie"]
    assert cookie.startswith("crowdmask=")
    for part in ("HttpOnly", "SameSite=lax", "Path=/", "Max-Age=1209600"):
        assert part in cookie
    assert "Secure" not in cookie  # plain http on this computer
    assert page.get("/api/v1/me").json()["id"] == str(ada.id)
    problem(server.page().post("/api/v1/session/link", json={"token": token}), 403, "link_invalid")
    assert actions(server.database) == ["sign_in_by_link"]


def test_a_link_that_is_old_replaced_or_invented_signs_nobody_in(server: AppServer) -> None:
    ada = person(server.database)
    replaced = link(server.database, ada)
    old = link(server.database, ada)
    with server.database.write() as session:
        session.execute(sa.update(SignInLink).values(expires_at=now(-1)))
    for token in (replaced, old, "invented", "\ud800"):
        response = server.page().post("/api/v1/session/link", content=f'{{"token": "{token}"}}'.encode("utf-8", "replace"), headers={"Content-Type": "application/json"})  # fmt: skip
        problem(response, 403, "link_invalid")


def test_a_password_signs_in_whatever_the_case_of_the_user_name(server: AppServer) -> None:
    ada = with_password(server, username="Ada.L")
    page = server.page()
    signed_in = page.post("/api/v1/session/password", json={"username": "aDA.l", "password": PASSWORD})
    assert signed_in.json()["id"] == str(ada.id)
    assert signed_in.json()["has_password"] is True
    assert page.get("/api/v1/me").status_code == 200


def test_a_wrong_password_and_an_unknown_user_are_told_apart_by_nobody(server: AppServer) -> None:
    ada = with_password(server)
    answers = []
    for username in ("ada", "nobody"):
        response = server.page().post(
            "/api/v1/session/password", json={"username": username, "password": "wrong password"}
        )
        body = problem(response, 401, "sign_in_failed")
        assert "set-cookie" not in response.headers
        answers.append({key: value for key, value in body.items() if key != "request_id"})
    assert answers[0] == answers[1]
    with server.database.read() as session:
        failed = session.scalars(
            sa.select(AuditEvent).where(AuditEvent.action == "sign_in_fail").order_by(AuditEvent.id)
        ).all()
    assert [event.account_id for event in failed] == [ada.id, None]
    assert all(re.fullmatch("[0-9a-f]{32}", event.request_id or "") for event in failed)


def test_signing_out_ends_the_session_on_the_server(server: AppServer) -> None:
    ada = person(server.database)
    page, other = server.sign_in_by_cookie(ada), server.sign_in_by_cookie(ada)
    cookie = page.cookies["crowdmask"]
    assert page.delete("/api/v1/session").status_code == 204
    page.cookies.set("crowdmask", cookie, domain="localhost.local", path="/")
    problem(page.get("/api/v1/me"), 401, "not_signed_in")
    assert other.get("/api/v1/me").status_code == 200
    assert other.delete("/api/v1/me/sessions").status_code == 204
    problem(other.get("/api/v1/me"), 401, "not_signed_in")


def test_a_session_ends_after_twelve_idle_hours_and_for_good_after_fourteen_days(server: AppServer) -> None:
    ada = person(server.database)
    for column, seconds in (("seen_at", -12 * 3600 - 1), ("expires_at", -1)):
        page = server.sign_in_by_cookie(ada)
        assert page.get("/api/v1/me").status_code == 200
        with server.database.write() as session:
            session.execute(sa.update(BrowserSession).values({column: now(seconds)}))
        problem(page.get("/api/v1/me"), 401, "not_signed_in")


def test_a_session_is_noted_as_seen_once_a_minute_and_no_more(server: AppServer) -> None:
    page = server.sign_in_by_cookie(person(server.database))

    def seen() -> object:
        with server.database.read() as session:
            return session.scalars(sa.select(BrowserSession.seen_at)).one()

    before = seen()
    page.get("/api/v1/me")
    assert seen() == before
    with server.database.write() as session:
        session.execute(sa.update(BrowserSession).values(seen_at=now(-61)))
    page.get("/api/v1/me")
    assert seen() > before  # type: ignore[operator]


def test_setting_a_password_signs_the_other_browsers_out_and_needs_the_current_one(server: AppServer) -> None:
    ada = person(server.database)
    here, there = server.sign_in_by_cookie(ada), server.sign_in_by_cookie(ada)
    form = {"username": "Ada", "password": PASSWORD}
    changed = here.put("/api/v1/me/password", json=form)
    assert (changed.status_code, changed.json()["username"]) == (200, "ada")
    assert here.get("/api/v1/me").status_code == 200
    problem(there.get("/api/v1/me"), 401, "not_signed_in")
    new = {"username": "ada", "password": "another long password"}
    for current in ({}, {"current_password": "wrong password"}):
        problem(here.put("/api/v1/me/password", json={**new, **current}), 403, "sign_in_failed")
    assert here.put("/api/v1/me/password", json={**new, "current_password": PASSWORD}).status_code == 200


@pytest.mark.parametrize(
    "password",
    ["short pass"[:9], "aaaaaaaaaaaa", "Ada Lovelace", "ada.lovelace"],
    ids=["short", "one", "name", "user"],
)
def test_a_password_that_is_guessed_first_is_refused(server: AppServer, password: str) -> None:
    ada = person(server.database, "Ada Lovelace")
    with server.database.write() as session, pytest.raises(InvalidInput) as caught:
        service.set_password(
            session, Actor(ada.id), server.state.passwords, username="ada.lovelace", password=password
        )
    assert caught.value.code is ErrorCode.PASSWORD_WEAK
    assert password not in str(caught.value)


def test_a_user_name_that_somebody_has_is_taken_in_any_case(server: AppServer) -> None:
    with_password(server, username="ada")
    bob = server.sign_in_by_cookie(person(server.database, "Bob"))
    form = {"username": "ADA", "password": PASSWORD}
    problem(bob.put("/api/v1/me/password", json=form), 409, "name_taken")
    assert bob.get("/api/v1/me").json()["username"] is None


def test_a_token_is_shown_once_and_works_within_its_scope_until_it_ends(server: AppServer) -> None:
    page = server.sign_in_by_cookie(person(server.database))
    made = page.post("/api/v1/me/tokens", json={"name": "script", "scope": "read", "days": 2})
    assert made.status_code == 201
    secret = made.json()["token"]
    listed = page.get("/api/v1/me/tokens").json()
    assert [one["id"] for one in listed] == [made.json()["id"]]
    assert secret not in str(listed)
    script = server.client(Authorization=f"Bearer {secret}")
    assert script.get("/api/v1/me").status_code == 200
    problem(script.patch("/api/v1/me", json={"name": "Eve"}), 403, "not_allowed")
    assert page.delete(f"/api/v1/me/tokens/{made.json()['id']}").status_code == 204
    assert page.delete(f"/api/v1/me/tokens/{made.json()['id']}").status_code == 204
    problem(script.get("/api/v1/me"), 401, "not_signed_in")
    assert page.get("/api/v1/me/tokens").json() == []


def test_a_token_that_has_run_out_or_was_invented_is_nobody(server: AppServer) -> None:
    ada = person(server.database)
    for token in (server.token(ada, days=-1), "invented", ""):
        problem(server.client(Authorization=f"Bearer {token}").get("/api/v1/me"), 401, "not_signed_in")


def test_a_token_can_neither_make_tokens_nor_set_a_password_nor_make_links(server: AppServer) -> None:
    operator = person(server.database, is_operator=True)
    script = server.sign_in(operator, scope=TokenScope.WRITE)
    assert script.patch("/api/v1/me", json={"name": "Ada L."}).json()["name"] == "Ada L."
    for refused in (
        script.post("/api/v1/me/tokens", json={"name": "next"}),
        script.put("/api/v1/me/password", json={"username": "ada", "password": PASSWORD}),
        script.post(f"/api/v1/accounts/{operator.id}/sign-in-link"),
    ):
        problem(refused, 403, "not_allowed")


def test_a_new_link_for_a_person_ends_their_sessions_and_earlier_links(server: AppServer) -> None:
    operator, ada = person(server.database, "Op", is_operator=True), person(server.database)
    earlier, lost = link(server.database, ada), server.sign_in_by_cookie(ada)
    made = server.sign_in_by_cookie(operator).post(f"/api/v1/accounts/{ada.id}/sign-in-link")
    assert made.status_code == 201
    address, _, token = made.json()["url"].partition("#")
    assert address == "http://localhost:8000/sign-in"
    problem(lost.get("/api/v1/me"), 401, "not_signed_in")
    problem(server.page().post("/api/v1/session/link", json={"token": earlier}), 403, "link_invalid")
    assert server.page().post("/api/v1/session/link", json={"token": token}).json()["id"] == str(ada.id)


def test_an_admin_makes_links_only_for_people_who_are_in_no_project_of_others(database: Database) -> None:
    with database.write() as session:
        admin, other, only_here, elsewhere, operator, stranger = (
            factories.add_account(session, name=name)
            for name in ("admin", "other", "only here", "elsewhere", "operator", "stranger")
        )
        operator.is_operator = True
        here = factories.add_project(session, admin)
        there = factories.add_project(session, other)
        for account in (only_here, elsewhere, operator):
            factories.add_member(session, here, account)
        factories.add_member(session, there, elsewhere)

    def outcome(actor: Account, account: Account) -> str:
        try:
            with database.write() as session:
                service.create_sign_in_link(
                    session, Actor(actor.id, actor.is_operator), account_id=account.id
                )
        except CrowdmaskError as error:
            return error.code
        return "made"

    assert outcome(admin, only_here) == "made"
    assert outcome(admin, elsewhere) == "not_allowed"
    assert outcome(admin, operator) == "not_allowed"
    assert outcome(admin, stranger) == "not_found"
    assert outcome(only_here, admin) == "not_found"
    assert [outcome(operator, account) for account in (admin, elsewhere, stranger)] == ["made"] * 3


def test_the_first_account_of_a_data_folder_is_its_operator(database: Database) -> None:
    with database.write() as session:
        first = service.local_operator(session)
        assert first.is_operator
        assert service.local_operator(session) == first


def test_only_hashes_of_secrets_are_stored(server: AppServer, database_url: str) -> None:
    ada = with_password(server)
    secrets = [link(server.database, ada), server.token(ada), PASSWORD]
    page = server.page()
    page.post("/api/v1/session/password", json={"username": "ada", "password": PASSWORD})
    secrets.append(page.cookies["crowdmask"])
    with server.database.read() as session:
        tables = sa.inspect(session.connection()).get_table_names()
        stored = str([session.execute(sa.text(f"select * from {table}")).all() for table in tables])
    assert ada.name in stored
    assert [secret for secret in secrets if secret in stored] == []


def test_a_token_of_somebody_else_is_not_there(server: AppServer) -> None:
    ada, bob = person(server.database), person(server.database, "Bob")
    made = server.sign_in_by_cookie(ada).post("/api/v1/me/tokens", json={"name": "script"}).json()
    problem(server.sign_in_by_cookie(bob).delete(f"/api/v1/me/tokens/{made['id']}"), 404, "not_found")
    with server.database.write() as session, pytest.raises(NotFound):
        service.create_sign_in_link(session, Actor(bob.id, is_operator=True), account_id=Actor(bob.id).account_id.__class__(int=1))  # fmt: skip
