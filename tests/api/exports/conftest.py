"""The project that datasets are chosen from."""

from pathlib import Path

import pytest

from crowdmask.accounts.actor import Actor
from crowdmask.infra.db import Database
from crowdmask.infra.storage import LocalStorage
from tests import factories
from tests.api.exports.chosen import Place


@pytest.fixture
def place(database: Database, storage: LocalStorage, tmp_path: Path) -> Place:
    with database.write() as session:
        admin = factories.add_account(session)
        project = factories.add_project(session, admin, labels=("spleen", "liver"))
        people = [factories.add_account(session, name=name) for name in ("One", "Two", "Three")]
        for number, person in enumerate(people):
            factories.add_member(session, project, person).qualification = f"student {number}"
    folder = tmp_path / "made"
    folder.mkdir()
    return Place(database, storage, folder, Actor(admin.id), project, people)
