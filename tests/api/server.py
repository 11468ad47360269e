"""The real application on a test's database, and clients that ask it.

A test asks for the fixture ``server`` (``tests/api/conftest.py``) and writes::

    study = make_study(database)
    admin = server.sign_in(study.admin)
    assert admin.get("/api/v1/projects").status_code == 200
"""

import hashlib
import secrets
from typing import Any
from uuid import UUID

from fastapi import FastAPI
from fastapi.testclient import TestClient

from crowdmask.accounts.actor import Actor
from crowdmask.infra.db import Database, now
from crowdmask.infra.settings import Settings
from crowdmask.infra.storage import LocalStorage
from crowdmask.models import AccessToken, Account, BrowserSession, TokenScope
from crowdmask.web.state import ServerState

ADDRESS = "http://localhost:8000"
"""Where the application believes to be reached; also the Origin of its pages."""

Person = Account | Actor | UUID


class AppServer:
    """The application, without its threads: no reconciler rings, nobody polls for events (``with server.client()``
    starts both)."""

    def __init__(self, app: FastAPI) -> None:
        self.app = app

    @property
    def state(self) -> ServerState:
        state: ServerState = self.app.state.server
        return state

    @property
    def settings(self) -> Settings:
        return self.state.settings

    @property
    def database(self) -> Database:
        return self.state.database

    @property
    def storage(self) -> LocalStorage:
        return self.state.storage

    def client(self, *, address: str = ADDRESS, **headers: str) -> TestClient:
        """A client that is not signed in and sends no Origin. An exception in the application is a 500, as for people."""
        return TestClient(self.app, base_url=address, headers=headers, raise_server_exceptions=False)

    def page(self, *, address: str = ADDRESS) -> TestClient:
        """As a browser on a page of ours: not signed in, with an Origin; keeps the cookies it is given."""
        return self.client(address=address, Origin=address)

    def sign_in(self, person: Person, *, scope: TokenScope = TokenScope.WRITE) -> TestClient:
        """A client whose requests carry a personal access token of that person."""
        client = self.client()
        client.headers["Authorization"] = f"Bearer {self.token(person, scope=scope)}"
        return client

    def sign_in_by_cookie(self, person: Person) -> TestClient:
        """A browser on a page of ours in which that person is signed in."""
        token = secrets.token_urlsafe(32)
        with self.database.write() as session:
            session.add(
                BrowserSession(
                    account_id=_id(person),
                    token_sha256=_sha256(token),
                    seen_at=now(),
                    expires_at=now(14 * 24 * 3600),
                )
            )
        client = self.page()
        client.cookies.set("crowdmask", token, domain="localhost.local", path="/")
        return client

    def token(self, person: Person, *, scope: TokenScope = TokenScope.WRITE, days: float = 1) -> str:
        """A new personal access token of that person."""
        token = secrets.token_urlsafe(32)
        with self.database.write() as session:
            session.add(
                AccessToken(
                    account_id=_id(person),
                    name="test",
                    token_sha256=_sha256(token),
                    scope=scope,
                    expires_at=now(days * 24 * 3600),
                )
            )
        return token


def problem(response: Any, status: int, code: str) -> dict[str, Any]:
    """The body of a refused request, after checking that it is what every refused request is answered with."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    assert body["code"] == code, body
    assert body["status"] == status
    assert body["detail"]
    assert body["request_id"] == response.headers["x-request-id"]
    return body


def _id(person: Person) -> UUID:
    if isinstance(person, Account):
        return person.id
    return person.account_id if isinstance(person, Actor) else person


def _sha256(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
