"""The application for tests of the API."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from crowdmask.infra.db import Database
from crowdmask.infra.settings import Settings
from tests.api.server import AppServer


@pytest.fixture
def server(database: Database, settings: Settings, tmp_path: Path) -> AppServer:
    """The application on this test's database, in this test's data folder; without pages, and its threads are not
    started."""
    from crowdmask.app import create_app

    return AppServer(create_app(settings, database=database, site_folder=tmp_path / "no-pages"))


@pytest.fixture(autouse=True)
def _plain_tracebacks() -> Iterator[None]:
    """Without this, structlog draws a crash with all its local variables, which takes seconds."""
    structlog.configure(
        processors=[structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
    )
    yield
    structlog.reset_defaults()
