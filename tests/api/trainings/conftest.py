"""The project whose datasets are trained."""

import pytest

from crowdmask.accounts.actor import Actor
from crowdmask.infra.db import Database
from crowdmask.models import Role
from tests import factories
from tests.api.trainings.place import Place


@pytest.fixture
def place(database: Database) -> Place:
    with database.write() as session:
        admin = factories.add_account(session)
        project = factories.add_project(session, admin)
        researcher = factories.add_account(session, name="Researcher")
        factories.add_member(session, project, researcher, role=Role.RESEARCHER)
        volume = factories.add_volume(session, project)
    return Place(database, Actor(researcher.id), project, volume)
