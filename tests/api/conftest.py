"""The application for tests of the API."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
import structlog

from crowdmask.infra.settings import Settings
from tests.api.server import AppServer

if TYPE_CHECKING:
    from fastapi import FastAPI


@pytest.fixture(scope="session")
def _routes(tmp_path_factory: pytest.TempPathFactory) -> "FastAPI":
    """The application without anything to work on. Putting its routes together takes as long as many a test."""
    from crowdmask.app import create_app

    nowhere = tmp_path_factory.mktemp("no-pages")
    return create_app(Settings.for_folder(nowhere / "data"), site_folder=nowhere)


@pytest.fixture
def server(database_url: str, settings: Settings, _routes: "FastAPI") -> Iterator[AppServer]:
    """The application on this test's database, in this test's data folder; without pages, and its threads are not
    started."""
    from crowdmask.app import create_state

    assert settings.public_url is None  # another address would need routes of its own
    _routes.state.server = create_state(settings)
    made = AppServer(_routes)
    yield made
    made.database.close()


@pytest.fixture(autouse=True)
def _plain_tracebacks() -> Iterator[None]:
    """Without this, structlog draws a crash with all its local variables, which takes seconds."""
    structlog.configure(
        processors=[structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
    )
    yield
    structlog.reset_defaults()
