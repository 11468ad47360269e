"""What the API tells of volumes, in which pages, and deleting them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from crowdmask.accounts.actor import Actor
from crowdmask.core.lifecycle import AssignmentState, JobState, VolumeState
from crowdmask.models import (
    Account,
    AuditEvent,
    Job,
    JobKind,
    Project,
    ReferenceMask,
    ReferenceOrigin,
    Role,
    Task,
    Volume,
)
from tests import factories
from tests.api.server import AppServer, problem
from tests.api.volumes.ready import GRID, add_ready_volume


def test_a_ready_volume_tells_what_a_viewer_needs(server: AppServer, tmp_path: Path) -> None:
    with server.database.write() as session:
        admin = factories.add_account(session)
        project = factories.add_project(session, admin)
        volume, summary = add_ready_volume(
            session, Actor(admin.id), server.storage, tmp_path, project_id=project.id
        )
        factories.add_task(session, volume)
        job = session.scalars(sa.select(Job)).one()
    assert (job.project_id, job.kind) == (project.id, JobKind.INGEST)
    client = server.sign_in(admin)
    told = client.get(f"/api/v1/volumes/{volume.id}").json()
    assert told["state"] == "ready"
    assert told["shape"] == list(GRID.shape)
    assert told["spacing"] == [2.0, 2.0, 3.0]
    assert told["modality"] == "ct"
    assert told["window"] == {"low": -160.0, "high": 240.0}
    assert told["tasks"] == 1
    assert told["refusal"] is None
    pack = told["pack"]
    assert (pack["sha256"], pack["scale"], pack["offset"]) == (summary.sha256, 1.0, 0.0)
    assert pack["finite_minimum"] == summary.finite_minimum
    slices = [
        len(client.get(f"/api/v1/volumes/{volume.id}/packs/{summary.sha256}/slices/{z}").content)
        for z in range(GRID.shape[0])
    ]
    assert pack["bytes"] == sum(slices)
    with server.database.write() as session:
        session.get_one(Project, project.id).window = {"low": 0.0, "high": 80.0}
    assert client.get(f"/api/v1/volumes/{volume.id}").json()["window"] == {"low": 0.0, "high": 80.0}


def test_the_pages_hold_every_volume_once_by_name_with_few_statements(server: AppServer) -> None:
    names = [f"ct {number:02}" for number in range(7)] + ["Ärger", "a"]
    with server.database.write() as session:
        admin = factories.add_account(session)
        project = factories.add_project(session, admin)
        for name in names:
            volume = factories.add_volume(session, project, name=name, state=VolumeState.INGESTING)
            session.add(
                ReferenceMask(volume_id=volume.id, source_sha256="0" * 64, origin=ReferenceOrigin.EXPERT)
            )
        other = factories.add_project(session, admin, name="Other")
        factories.add_volume(session, other, name="elsewhere")
    client = server.sign_in(admin)
    found: list[str] = []
    cursor: str | None = None
    statements = 0

    def count(*_: Any) -> None:
        nonlocal statements
        statements += 1

    while True:
        query = {"limit": 4} | ({} if cursor is None else {"cursor": cursor})
        sa.event.listen(server.database.engine, "before_cursor_execute", count)
        page = client.get(f"/api/v1/projects/{project.id}/volumes", params=query).json()
        sa.event.remove(server.database.engine, "before_cursor_execute", count)
        found += [volume["name"] for volume in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert sorted(found) == sorted(names)
    assert statements <= 3 * 12  # three pages; nothing is asked per volume
    problem(
        client.get(f"/api/v1/projects/{project.id}/volumes", params={"cursor": "AA=="}),
        422,
        "request_invalid",
    )


def test_a_list_is_for_who_sees_all_and_stays_readable_when_a_pack_is_gone(server: AppServer) -> None:
    with server.database.write() as session:
        admin = factories.add_account(session)
        project = factories.add_project(session, admin)
        volume = factories.add_volume(session, project)  # its blobs do not exist
        people = {role: factories.add_account(session, name=role.value) for role in Role}
        for role in (Role.ANNOTATOR, Role.REVIEWER, Role.RESEARCHER):
            factories.add_member(session, project, people[role], role=role)
    url = f"/api/v1/projects/{project.id}/volumes"
    for role in (Role.REVIEWER, Role.RESEARCHER):
        (told,) = server.sign_in(people[role]).get(url).json()["items"]
        assert (told["id"], told["state"], told["pack"]) == (str(volume.id), "ready", None)
    problem(server.sign_in(people[Role.ANNOTATOR]).get(url), 403, "not_allowed")
    problem(server.sign_in(people[Role.ADMIN]).get(url), 404, "not_found")  # of another project


@pytest.mark.parametrize("state", [AssignmentState.RESERVED, AssignmentState.TAKEN_BACK])
def test_a_volume_that_people_were_given_work_on_stays(server: AppServer, state: AssignmentState) -> None:
    with server.database.write() as session:
        admin = factories.add_account(session)
        project = factories.add_project(session, admin)
        volume = factories.add_volume(session, project)
        factories.add_assignment(session, factories.add_task(session, volume), admin, state=state)
    refused = problem(server.sign_in(admin).delete(f"/api/v1/volumes/{volume.id}"), 409, "in_use")
    assert "1 assignment" in refused["detail"]


def test_deleting_a_volume_takes_its_reference_its_tasks_and_its_waiting_job(
    server: AppServer, tmp_path: Path
) -> None:
    with server.database.write() as session:
        admin = factories.add_account(session)
        project = factories.add_project(session, admin)
        volume, _ = add_ready_volume(
            session, Actor(admin.id), server.storage, tmp_path, project_id=project.id
        )
        factories.add_task(session, volume)
        session.add(ReferenceMask(volume_id=volume.id, source_sha256="0" * 64, origin=ReferenceOrigin.EXPERT))
        reviewer = factories.add_account(session, name="Reviewer")
        factories.add_member(session, project, reviewer, role=Role.REVIEWER)
        idle = factories.add_account(session, name="Idle")
        factories.add_member(session, project, idle)
    url = f"/api/v1/volumes/{volume.id}"
    problem(server.sign_in(reviewer).delete(url), 403, "not_allowed")
    problem(server.sign_in(idle).delete(url), 404, "not_found")
    client = server.sign_in(admin)
    assert client.delete(url).status_code == 204
    problem(client.delete(url), 404, "not_found")
    with server.database.read() as session:
        assert session.scalars(sa.select(Job.state)).all() == [JobState.CANCELLED]
        for table in (Volume, Task, ReferenceMask):
            assert session.scalar(sa.select(sa.func.count()).select_from(table)) == 0


@dataclass(frozen=True)
class Stated:
    """A project with three volumes, and one of another project."""

    server: AppServer
    admin: Account
    project: Project
    volumes: tuple[Volume, ...]
    elsewhere: Volume

    def change(self, *volumes: Volume, **stated: Any) -> Any:
        body = {"volume_ids": [str(volume.id) for volume in volumes], **stated}
        return self.server.sign_in(self.admin).patch(f"/api/v1/projects/{self.project.id}/volumes", json=body)

    def told(self) -> list[tuple[str, str, str]]:
        page = self.server.sign_in(self.admin).get(f"/api/v1/projects/{self.project.id}/volumes").json()
        return [tuple(one["stated"].values()) for one in page["items"]]


@pytest.fixture
def stated(server: AppServer) -> Stated:
    with server.database.write() as session:
        admin = factories.add_account(session)
        project = factories.add_project(session, admin)
        volumes = tuple(factories.add_volume(session, project, name=f"ct {n}") for n in range(3))
        other = factories.add_project(session, admin, name="Other")
        return Stated(server, admin, project, volumes, factories.add_volume(session, other, name="elsewhere"))


def test_patient_modality_and_licence_are_stated_of_one_volume_and_of_several(stated: Stated) -> None:
    first, second, _ = stated.volumes
    client = stated.server.sign_in(stated.admin)
    assert stated.told() == [("", "", "")] * 3
    answer = client.patch(f"/api/v1/volumes/{first.id}", json={"patient": " P 1 ", "modality": "ct"})
    assert answer.json()["stated"] == {"patient": "P 1", "modality": "CT", "licence": ""}
    assert stated.change(first, second, licence="CC BY 4.0").status_code == 204
    assert stated.told() == [("P 1", "CT", "CC BY 4.0"), ("", "", "CC BY 4.0"), ("", "", "")]
    assert stated.change(first, patient="", licence=" ").status_code == 204
    assert stated.told()[0] == ("", "CT", "")
    with stated.server.database.read() as session:
        told = session.scalars(sa.select(AuditEvent).where(AuditEvent.action == "volume_state")).all()
    assert [event.subject_id for event in told] == [first.id, *sorted((first.id, second.id)), first.id]


def test_what_is_stated_of_several_holds_for_all_or_none(stated: Stated) -> None:
    problem(stated.change(stated.volumes[0], stated.elsewhere, patient="P"), 404, "not_found")
    problem(stated.change(stated.volumes[0], patient="a\u202eb"), 422, "option_invalid")
    problem(stated.change(stated.volumes[0], modality="x" * 21), 422, "request_invalid")
    problem(stated.change(patient="P"), 422, "request_invalid")
    assert stated.told() == [("", "", "")] * 3


def test_an_annotator_sees_no_patient(stated: Stated) -> None:
    volume = stated.volumes[0]
    stated.change(volume, patient="P1")
    with stated.server.database.write() as session:
        annotator = factories.add_account(session)
        project = session.get_one(Project, stated.project.id)
        factories.add_member(session, project, annotator)
        task = factories.add_task(session, session.get_one(Volume, volume.id))
        factories.add_assignment(session, task, annotator)
    told = stated.server.sign_in(annotator).get(f"/api/v1/volumes/{volume.id}").json()
    assert told["stated"] is None
