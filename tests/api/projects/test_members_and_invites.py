"""People of a project, and inviting them."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient

from crowdmask.accounts.actor import Actor
from crowdmask.core.errors import Conflict
from crowdmask.infra.db import now
from crowdmask.models import Account, Invite, Membership, Project, Role
from crowdmask.projects import invites, members
from tests import factories
from tests.api.server import AppServer, problem
from tests.studies import at_once


@dataclass(frozen=True)
class Place:
    server: AppServer
    project_id: UUID
    admin: TestClient
    admin_id: UUID
    annotator: TestClient
    annotator_id: UUID

    @property
    def address(self) -> str:
        return f"/api/v1/projects/{self.project_id}"

    def invite(self, **form: Any) -> str:
        """The token of a new invite."""
        made = self.admin.post(f"{self.address}/invites", json=form)
        assert made.status_code == 201, made.text
        address, _, token = made.json()["url"].partition("#")
        assert address == "http://localhost:8000/join"
        return str(token)

    def roles(self) -> dict[str, str]:
        return {one["name"]: one["role"] for one in self.admin.get(f"{self.address}/members").json()}


@pytest.fixture
def place(server: AppServer) -> Place:
    with server.database.write() as session:
        admin, annotator = (factories.add_account(session, name=name) for name in ("Ada", "Ben"))
        project = factories.add_project(session, admin, labels=("liver", "aorta"))
        factories.add_member(session, project, annotator)
    return Place(
        server,
        project.id,
        server.sign_in(admin),
        admin.id,
        server.sign_in(annotator),
        annotator.id,
    )


def accept(page: TestClient, token: str, **form: Any) -> Any:
    return page.post("/api/v1/invites/accept", json={"token": token, **form})


def test_an_invite_makes_an_account_that_is_signed_in_and_works_once(place: Place) -> None:
    token = place.invite(role="annotator", label_indices=[2], note="for Cleo")
    preview = place.server.page().post("/api/v1/invites/preview", json={"token": token}).json()
    assert (preview["project_name"], preview["role"], preview["label_names"]) == (
        "Abdomen",
        "annotator",
        ["aorta"],
    )
    page = place.server.page()
    problem(accept(page, token), 422, "request_invalid")
    joined = accept(page, token, name=" Cleo ")
    assert joined.json() == {"project_id": str(place.project_id), "role": "annotator"}
    me = page.get("/api/v1/me").json()
    assert me["name"] == "Cleo"
    assert [one["role"] for one in me["memberships"]] == ["annotator"]
    assert accept(page, token).status_code == 200  # pressed again: the same answer
    problem(accept(place.server.page(), token, name="Dan"), 403, "link_invalid")
    problem(place.server.page().post("/api/v1/invites/preview", json={"token": token}), 403, "link_invalid")
    listed = place.admin.get(f"{place.address}/invites").json()
    assert [(one["state"], one["used_by"], one["note"], one["label_indices"]) for one in listed] == [
        ("used", "Cleo", "for Cleo", [2])
    ]
    assert place.roles() == {"Ada": "admin", "Ben": "annotator", "Cleo": "annotator"}


def test_who_is_signed_in_joins_with_the_account_there_is(place: Place) -> None:
    with place.server.database.write() as session:
        cleo = factories.add_account(session, name="Cleo")
    page = place.server.sign_in_by_cookie(cleo)
    assert accept(page, place.invite(role="researcher"), name="Somebody else").status_code == 200
    assert place.roles()["Cleo"] == "researcher"
    with place.server.database.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(Account)) == 3


def test_a_member_does_not_use_an_invite_up_and_gets_no_other_role_by_one(place: Place) -> None:
    page = place.server.sign_in_by_cookie(place.annotator_id)
    same, other = place.invite(role="annotator"), place.invite(role="admin")
    assert accept(page, same).status_code == 200
    problem(accept(page, other), 409, "transition_invalid")
    assert [one["state"] for one in place.admin.get(f"{place.address}/invites").json()] == ["open", "open"]
    assert place.roles()["Ben"] == "annotator"


def test_an_invite_ends_when_it_is_taken_back_too_old_or_its_project_is_archived(place: Place) -> None:
    revoked, old, archived = (place.invite(note=note) for note in ("revoked", "old", "archived"))
    ids = {one["note"]: one["id"] for one in place.admin.get(f"{place.address}/invites").json()}
    assert place.admin.delete(f"{place.address}/invites/{ids['revoked']}").status_code == 204
    assert place.admin.delete(f"{place.address}/invites/{ids['revoked']}").status_code == 204
    with place.server.database.write() as session:
        session.execute(sa.update(Invite).where(Invite.note == "old").values(expires_at=now(-1)))
    place.admin.patch(place.address, json={"archived": True})
    for token in (revoked, old, archived, "invented"):
        problem(accept(place.server.page(), token, name="Eve"), 403, "link_invalid")
    states = {one["note"]: one["state"] for one in place.admin.get(f"{place.address}/invites").json()}
    assert states == {"revoked": "revoked", "old": "expired", "archived": "open"}


def test_fifty_people_with_one_invite_are_one_member(place: Place) -> None:
    token = place.invite()
    database = place.server.database

    def join() -> object:
        with database.write() as session:
            return invites.accept_invite(session, None, token=token, name="Crowd").role

    outcomes = at_once([join] * 8)
    assert sum(outcome is Role.ANNOTATOR for outcome in outcomes) == 1
    assert list(place.roles()).count("Crowd") == 1


def test_an_admin_changes_roles_and_labels(place: Place) -> None:
    address = f"{place.address}/members/{place.annotator_id}"
    changed = place.admin.patch(address, json={"role": "reviewer", "label_indices": [2, 1, 2]}).json()
    assert (changed["role"], changed["label_indices"]) == ("reviewer", [1, 2])
    assert place.admin.patch(address, json={"all_labels": True}).json()["label_indices"] is None
    problem(place.admin.patch(address, json={"label_indices": [3]}), 422, "label_unknown")
    problem(
        place.admin.patch(address, json={"label_indices": [1], "all_labels": True}), 422, "option_invalid"
    )
    stranger = f"{place.address}/members/{UUID(int=1)}"
    problem(place.admin.patch(stranger, json={"role": "admin"}), 404, "not_found")


def test_the_last_admin_stays_one_even_when_two_remove_each_other_at_once(place: Place) -> None:
    own = f"{place.address}/members/{place.admin_id}"
    problem(place.admin.patch(own, json={"role": "annotator"}), 409, "transition_invalid")
    problem(place.admin.delete(own), 409, "transition_invalid")
    place.admin.patch(f"{place.address}/members/{place.annotator_id}", json={"role": "admin"})
    database = place.server.database

    def remove(actor_id: UUID, account_id: UUID) -> None:
        with database.write() as session:
            members.remove_member(
                session, Actor(actor_id), project_id=place.project_id, account_id=account_id
            )

    outcomes = at_once(
        [
            lambda: remove(place.admin_id, place.annotator_id),
            lambda: remove(place.annotator_id, place.admin_id),
        ]
    )
    assert sum(outcome is None for outcome in outcomes) == 1
    with database.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(Membership)) == 1


def test_who_is_removed_sees_the_project_no_more_and_their_invites_end(place: Place) -> None:
    member = f"{place.address}/members/{place.annotator_id}"
    place.admin.patch(member, json={"role": "admin"})
    made = place.annotator.post(f"{place.address}/invites", json={"role": "admin"})
    assert made.status_code == 201  # who is an admin now invites from the next request on
    assert place.admin.delete(member).status_code == 204
    problem(place.annotator.get(place.address), 404, "not_found")
    token = made.json()["url"].partition("#")[2]
    problem(accept(place.server.page(), token, name="Ben"), 403, "link_invalid")
    problem(place.admin.delete(member), 404, "not_found")


def test_an_admin_who_steps_back_gets_an_answer(place: Place) -> None:
    place.admin.patch(f"{place.address}/members/{place.annotator_id}", json={"role": "admin"})
    stepped_back = place.admin.patch(f"{place.address}/members/{place.admin_id}", json={"role": "annotator"})
    assert (stepped_back.status_code, stepped_back.json()["role"]) == (200, "annotator")
    problem(place.admin.get(f"{place.address}/members"), 403, "not_allowed")


def test_adding_a_member_in_another_role_is_a_conflict(place: Place) -> None:
    with place.server.database.write() as session:
        admin = Actor(session.get_one(Project, place.project_id).created_by)
        with pytest.raises(Conflict):
            members.add_member(
                session, admin, project_id=place.project_id, account_id=place.annotator_id, role=Role.ADMIN
            )
