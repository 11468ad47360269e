"""The browser's application, as the server hands it out."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from crowdmask.app import create_app
from crowdmask.infra.settings import Settings
from tests.api.server import AppServer, problem


@pytest.fixture
def site(database_url: str, settings: Settings, tmp_path: Path) -> Iterator[AppServer]:
    """A server with built pages."""
    folder = tmp_path / "dist"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text('<meta name="csp-nonce" content="__CSP_NONCE__">', encoding="utf-8")
    (folder / "icon.svg").write_text("<svg/>", encoding="utf-8")
    (folder / "assets" / "index-1a2b.js").write_text("0", encoding="utf-8")
    (tmp_path / "secret.txt").write_text("s3cret", encoding="utf-8")
    made = AppServer(create_app(settings, site_folder=folder))
    yield made
    made.database.close()


def test_every_other_address_is_the_page_with_a_new_nonce_that_its_policy_names(site: AppServer) -> None:
    nonces = set()
    for address in ("/", "/sign-in", "/projects/1/members", "/assets-of-mine"):
        answer = site.client().get(address)
        found = re.search('content="([^"]+)"', answer.text)
        assert found is not None
        assert f"'nonce-{found[1]}'" in answer.headers["content-security-policy"]
        assert answer.headers["cache-control"] == "no-store"
        nonces.add(found[1])
    assert len(nonces) == 4


def test_hashed_files_are_kept_for_ever_and_others_are_asked_for_again(site: AppServer) -> None:
    client = site.client()
    assert "immutable" in client.get("/assets/index-1a2b.js").headers["cache-control"]
    assert client.get("/icon.svg").headers["cache-control"] == "no-cache"
    problem(client.get("/assets/index-0000.js"), 404, "not_found")


def test_an_unknown_address_of_the_api_is_no_page(site: AppServer) -> None:
    problem(site.client().get("/api/v1/nothing"), 404, "not_found")


@pytest.mark.parametrize("path", ["/../secret.txt", "/%2e%2e/secret.txt", "/assets/../../secret.txt", "/assets/%2e%2e/%2e%2e/secret.txt", "/assets/..%5csecret.txt", "/assets/%00"])  # fmt: skip
def test_no_address_leads_out_of_the_pages(site: AppServer, path: str) -> None:
    answer = site.client().get(path)
    assert "s3cret" not in answer.text
    assert answer.status_code < 500


def test_without_built_pages_the_server_says_how_to_build_them(server: AppServer) -> None:
    answer = server.client().get("/")
    assert answer.status_code == 503
    assert "make frontend" in answer.text
