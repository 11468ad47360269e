"""Only pages of ours change something with a cookie (fault 56, docs/faults.md)."""

from collections.abc import Iterator

import pytest

from crowdmask.accounts import service
from crowdmask.infra.settings import Settings
from crowdmask.models import Account
from tests import factories
from tests.api.server import AppServer, problem

PUBLIC = "https://masks.example.org"


@pytest.fixture
def public_server(database_url: str, settings: Settings) -> Iterator[AppServer]:
    """The application behind a proxy with https."""
    from crowdmask.app import create_app

    made = AppServer(create_app(settings.model_copy(update={"public_url": PUBLIC})))
    yield made
    made.database.close()


def account(server: AppServer) -> Account:
    with server.database.write() as session:
        return factories.add_account(session)


@pytest.mark.parametrize(
    ("address", "origin", "is_ours"),
    [
        ("http://localhost:8000", "http://localhost:8000", True),
        ("http://localhost:9999", "http://localhost:9999", True),  # forwarded from another port
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000", True),
        ("http://[::1]:8000", "http://[::1]:8000", True),
        ("http://localhost:8000", None, False),
        ("http://localhost:8000", "null", False),
        ("http://localhost:8000", "http://localhost:9999", False),  # another program on this computer
        ("http://localhost:8000", "https://localhost:8000", False),
        ("http://localhost:8000", "http://evil.example", False),
        ("http://evil.example:8000", "http://evil.example:8000", False),  # a name that leads to this computer
        ("http://localhost.evil.example", "http://localhost.evil.example", False),
    ],
)
def test_a_change_without_a_token_comes_from_a_page_of_ours(
    server: AppServer, address: str, origin: str | None, is_ours: bool
) -> None:
    client = server.client(address=address)
    if origin is not None:
        client.headers["Origin"] = origin
    response = client.post("/api/v1/session/link", json={"token": "unknown"})
    problem(response, 403, "link_invalid" if is_ours else "origin_refused")


def test_a_cookie_with_a_foreign_origin_changes_nothing_and_may_read(server: AppServer) -> None:
    page = server.sign_in_by_cookie(account(server))
    page.headers["Origin"] = "http://evil.example"
    problem(page.patch("/api/v1/me", json={"name": "Eve"}), 403, "origin_refused")
    assert (
        page.get("/api/v1/me").json()["name"] == "Ada"
    )  # without CORS headers, a foreign page cannot see it
    assert "access-control-allow-origin" not in page.get("/api/v1/me").headers


def test_a_script_with_a_token_needs_no_origin(server: AppServer) -> None:
    assert server.sign_in(account(server)).patch("/api/v1/me", json={"name": "B"}).status_code == 200


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", None])
def test_json_of_another_type_is_not_read(server: AppServer, kind: str | None) -> None:
    page = server.sign_in_by_cookie(account(server))
    headers = {} if kind is None else {"Content-Type": kind}
    problem(page.patch("/api/v1/me", content=b'{"name": "Eve"}', headers=headers), 422, "request_invalid")


def test_behind_https_only_the_public_address_is_ours_and_the_cookie_is_locked_to_it(
    public_server: AppServer,
) -> None:
    with public_server.database.write() as session:
        token = service.make_sign_in_link(session, factories.add_account(session).id).token
    for origin in (
        "http://masks.example.org",
        "http://localhost:8000",
        "https://masks.example.org.evil.example",
    ):
        client = public_server.client(address=PUBLIC, Origin=origin)
        problem(client.post("/api/v1/session/link", json={"token": token}), 403, "origin_refused")
    page = public_server.page(address=PUBLIC)
    signed_in = page.post("/api/v1/session/link", json={"token": token})
    cookie = signed_in.headers["set-cookie"]
    assert cookie.startswith("__Host-crowdmask=")
    assert "Secure" in cookie
    assert "Domain" not in cookie
    assert signed_in.headers["strict-transport-security"].startswith("max-age=")
    assert page.get("/api/v1/me").status_code == 200
