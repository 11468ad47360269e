"""Projects, their labels and members."""

import pytest

from crowdmask.accounts.actor import Actor
from crowdmask.accounts.service import create_account
from crowdmask.core.errors import Conflict, ErrorCode, InvalidInput, NotAllowed, NotFound
from crowdmask.core.ids import new_id
from crowdmask.core.labels import LabelSet
from crowdmask.core.windowing import Window
from crowdmask.infra.db import Database
from crowdmask.models import Role
from crowdmask.projects.policy import require_role
from crowdmask.projects.queries import label_set, visible_project
from crowdmask.projects.service import add_member, create_project

LABELS = LabelSet.from_names(["spleen", "liver"])


def _person(database: Database, name: str = "Ada") -> Actor:
    with database.write() as session:
        return Actor(create_account(session, name=name).id)


def test_who_creates_a_project_is_its_admin_and_reads_back_its_labels_and_window(database: Database) -> None:
    ada = _person(database)
    with database.write() as session:
        made = create_project(
            session, ada, name=" Abdomen ", labels=LABELS, overlap=3, window=Window(-160.0, 240.0)
        )
    with database.read() as session:
        project = visible_project(session, ada, made.id)
        assert (project.name, project.overlap) == ("Abdomen", 3)
        assert project.window is not None
        assert Window.from_json(project.window) == Window(-160.0, 240.0)
        assert label_set(session, project.id) == LABELS
        assert require_role(session, ada, project.id, Role.ADMIN).role is Role.ADMIN


def test_a_project_looks_to_a_stranger_as_if_it_were_not_there(database: Database) -> None:
    ada, stranger = _person(database), _person(database, "Eve")
    with database.write() as session:
        project = create_project(session, ada, name="Abdomen", labels=LABELS)
        for look in (
            lambda: visible_project(session, stranger, project.id),
            lambda: require_role(session, stranger, project.id, *Role),
            lambda: add_member(
                session, stranger, project_id=project.id, account_id=stranger.account_id, role=Role.ADMIN
            ),
            lambda: require_role(session, stranger, new_id(), *Role),
        ):
            with pytest.raises(NotFound) as caught:
                look()
            assert caught.value.code is ErrorCode.NOT_FOUND


def test_only_an_admin_adds_members_and_adding_one_twice_changes_nothing(database: Database) -> None:
    ada, bob, eve = (_person(database, name) for name in ("Ada", "Bob", "Eve"))
    with database.write() as session:
        project = create_project(session, ada, name="Abdomen", labels=LABELS)
        first = add_member(
            session, ada, project_id=project.id, account_id=bob.account_id, role=Role.ANNOTATOR
        )
        again = add_member(
            session, ada, project_id=project.id, account_id=bob.account_id, role=Role.ANNOTATOR
        )
        assert first.id == again.id
        with pytest.raises(NotAllowed):
            add_member(session, bob, project_id=project.id, account_id=eve.account_id, role=Role.ADMIN)
        with pytest.raises(Conflict):
            add_member(session, ada, project_id=project.id, account_id=bob.account_id, role=Role.ADMIN)
        with pytest.raises(NotFound):
            add_member(session, ada, project_id=project.id, account_id=new_id(), role=Role.ADMIN)


@pytest.mark.parametrize("overlap", [0, -1, 101, True])
def test_an_unusable_overlap_is_refused(database: Database, overlap: int) -> None:
    ada = _person(database)
    with database.write() as session, pytest.raises(InvalidInput) as caught:
        create_project(session, ada, name="Abdomen", labels=LABELS, overlap=overlap)
    assert caught.value.code is ErrorCode.OPTION_INVALID


@pytest.mark.parametrize("name", ["", "  ", "a\0b", "x" * 201, "\u202eevil"])
def test_an_unusable_name_is_refused_for_people_and_projects(database: Database, name: str) -> None:
    ada = _person(database)
    with database.write() as session:
        with pytest.raises(InvalidInput):
            create_account(session, name=name)
        with pytest.raises(InvalidInput):
            create_project(session, ada, name=name, labels=LABELS)
