"""Masks and references for the tests of evaluations."""

from pathlib import Path

import pytest

from crowdmask.models import Role
from tests import factories
from tests.api.evaluations.place import Place
from tests.api.server import AppServer


@pytest.fixture
def place(server: AppServer, tmp_path: Path) -> Place:
    folder = tmp_path / "made"
    folder.mkdir()
    with server.database.write() as session:
        people = {
            name: factories.add_account(session, name=name) for name in ("admin", "ann", "res", "stranger")
        }
        project = factories.add_project(session, people["admin"], labels=("liver", "spleen"))
        factories.add_member(session, project, people["ann"])
        factories.add_member(session, project, people["res"], role=Role.RESEARCHER)
    return Place(server, folder, people, project)
