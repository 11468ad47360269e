"""Tasks over HTTP: asked for, given back, assigned by an admin; and what the cards show."""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

import pytest
import sqlalchemy as sa

from crowdmask.annotations.policy import ClientTimes
from crowdmask.assignments.overview import estimated_minutes
from crowdmask.core.ids import new_id
from crowdmask.core.lifecycle import AssignmentState, VolumeState
from crowdmask.core.operations import MarkAbsent
from crowdmask.infra.db import Database, now
from crowdmask.infra.storage import LocalStorage
from crowdmask.models import (
    Annotation,
    Assignment,
    GuidePicture,
    Label,
    Membership,
    Project,
    Role,
    Task,
    Volume,
)
from tests import factories, studies
from tests.api.server import AppServer, problem
from tests.studies import Study


@contextmanager
def counted(database: Database) -> Iterator[list[str]]:
    """The SELECTs and changes that are sent to the database meanwhile."""
    sent: list[str] = []

    def note(_connection, _cursor, statement: str, *_rest) -> None:  # type: ignore[no-untyped-def]
        sent.append(statement)

    sa.event.listen(database.engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        sa.event.remove(database.engine, "before_cursor_execute", note)


def _assign(server: AppServer, study: Study, tasks: list[UUID], people: list[UUID], days: int = 3):  # type: ignore[no-untyped-def]
    return server.sign_in(study.admin).post(
        f"/api/v1/projects/{study.project_id}/assignments",
        json={
            "task_ids": [str(id_) for id_ in tasks],
            "account_ids": [str(id_) for id_ in people],
            "days": days,
        },
    )


def _reasons(response) -> list[str]:  # type: ignore[no-untyped-def]
    assert response.status_code == 200, response.text
    return [one["reason"] for one in response.json()["not_assigned"]]


def test_the_next_task_is_a_card_with_all_that_it_shows(server: AppServer, database: Database) -> None:
    study = studies.make_study(database)
    (ada,) = study.annotators
    with database.write() as session:
        label = factories.label_of(session, session.get_one(Project, study.project_id), 1)
        label.guide = "Right, under the ribs."
        session.add(GuidePicture(label_id=label.id, picture_sha256="0" * 64, caption="Liver"))
        volume = session.scalars(sa.select(Volume)).one()
        volume.pack_sha256 = LocalStorage(server.settings.blobs_dir).put_bytes(b"\x00\x01" * 700_000)
    client = server.sign_in(ada)
    card = client.post(f"/api/v1/projects/{study.project_id}/next-task").json()
    assert card["task_id"] == str(study.task_ids[0])
    assert (card["state"], card["late"], card["assigned"], card["work"]) == ("reserved", False, False, None)
    assert (card["n_slices"], card["megabytes"], card["minutes"]) == (4, 1.4, 1)
    assert (card["label"]["name"], card["label"]["guide"]) == ("liver", "Right, under the ribs.")
    (picture,) = card["label"]["pictures"]
    assert picture["url"].startswith("/api/v1/guide-pictures/")
    work = studies.open_work(database, ada, UUID(card["id"]))
    studies.save(database, work, studies.piece("a", 1), revision=0)
    again = client.get(f"/api/v1/assignments/{card['id']}").json()
    assert again["work"]["revision"] == 1
    assert (again["work"]["share"], again["work"]["gaps"]) == (0.25, 2)
    assert client.post(f"/api/v1/assignments/{card['id']}/renew").json()["lease_until"] > card["lease_until"]


def test_there_is_no_work_is_204_and_somebody_elses_task_is_404(
    server: AppServer, database: Database
) -> None:
    study = studies.make_study(database, people=2)
    ada, bob = study.annotators
    card = server.sign_in(ada).post(f"/api/v1/projects/{study.project_id}/next-task").json()
    client = server.sign_in(bob)
    assert client.post(f"/api/v1/projects/{study.project_id}/next-task").status_code == 204
    assert client.post(f"/api/v1/tasks/{study.task_ids[0]}/claim").status_code == 204
    for method, rest in (("GET", ""), ("POST", "/renew"), ("POST", "/give-back"), ("POST", "/take-back")):
        problem(client.request(method, f"/api/v1/assignments/{card['id']}{rest}"), 404, "not_found")


def test_who_gives_a_task_back_frees_its_place_and_keeps_what_was_saved(
    server: AppServer, database: Database
) -> None:
    study = studies.make_study(database, people=2)
    ada, bob = study.annotators
    work = studies.begin(database, study, ada)
    studies.save(database, work, studies.piece("a", 1), revision=0)
    client = server.sign_in(ada)
    for _ in range(2):
        assert client.post(f"/api/v1/assignments/{work.assignment_id}/give-back").status_code == 204
    assert client.post(f"/api/v1/projects/{study.project_id}/next-task").status_code == 204
    assert client.get("/api/v1/me/assignments?open_only=true").json() == []
    assert studies.claim(database, study, bob) is not None
    assert studies.save(database, work, studies.piece("b", 2), revision=1).late
    with database.read() as session:
        assert len(session.get_one(Annotation, work.annotation_id).document["tracks"]) == 2


def test_what_is_submitted_cannot_be_given_back(server: AppServer, database: Database) -> None:
    study = studies.make_study(database)
    work = studies.begin(database, study, study.annotators[0])
    studies.answer_absent(database, work)
    client = server.sign_in(study.annotators[0])
    problem(client.post(f"/api/v1/assignments/{work.assignment_id}/give-back"), 409, "not_open")


def test_only_labels_of_the_membership_are_given_out_unless_an_admin_assigns_them(
    server: AppServer, database: Database
) -> None:
    study = studies.make_study(database, people=1, tasks=1)
    (ada,) = study.annotators
    with database.write() as session:
        session.execute(
            sa.update(Membership).where(Membership.account_id == ada.account_id).values(label_indices=[2])
        )
    client = server.sign_in(ada)
    assert client.post(f"/api/v1/projects/{study.project_id}/next-task").status_code == 204
    problem(client.post(f"/api/v1/tasks/{study.task_ids[0]}/claim"), 403, "not_allowed")
    assert client.get("/api/v1/me/progress").json()[0]["available"] == 0
    with database.write() as session:
        aorta = factories.add_task(session, session.scalars(sa.select(Volume)).one(), label_index=2)
    assert client.get("/api/v1/me/progress").json()[0]["available"] == 1
    assert client.post(f"/api/v1/projects/{study.project_id}/next-task").json()["task_id"] == str(aorta.id)
    response = _assign(server, study, [study.task_ids[0]], [ada.account_id])
    assert response.json() == {"assigned": 1, "not_assigned": []}
    given = {card["task_id"]: card["assigned"] for card in client.get("/api/v1/me/assignments").json()}
    assert given == {str(study.task_ids[0]): True, str(aorta.id): False}


def test_what_ran_out_is_not_given_again_once_the_label_is_no_longer_allowed(
    server: AppServer, database: Database
) -> None:
    study = studies.make_study(database)
    (ada,) = study.annotators
    work = studies.begin(database, study, ada)
    for labels, code in (([2], 204), ([1], 200)):
        with database.write() as session:
            session.get_one(Assignment, work.assignment_id).state = AssignmentState.EXPIRED
            session.execute(
                sa.update(Membership)
                .where(Membership.account_id == ada.account_id)
                .values(label_indices=labels)
            )
        client = server.sign_in(ada)
        assert client.post(f"/api/v1/projects/{study.project_id}/next-task").status_code == code


def test_work_needs_consent_where_the_project_has_a_text(server: AppServer, database: Database) -> None:
    study = studies.make_study(database)
    with database.write() as session:
        project = session.get_one(Project, study.project_id)
        project.consent_text, project.consent_version = "You may stop at any time.", 1
    client = server.sign_in(study.annotators[0])
    problem(client.post(f"/api/v1/projects/{study.project_id}/next-task"), 403, "consent_needed")
    problem(client.post(f"/api/v1/tasks/{study.task_ids[0]}/claim"), 403, "consent_needed")
    assert _reasons(_assign(server, study, [study.task_ids[0]], [study.annotators[0].account_id])) == []


def test_one_pair_that_cannot_be_assigned_does_not_hinder_the_others(
    server: AppServer, database: Database
) -> None:
    study = studies.make_study(database, people=3, tasks=5)
    ada, bob, eve = (actor.account_id for actor in study.annotators)
    first, mine, archived, unready, free = study.task_ids
    studies.claim(database, study, study.annotators[0])
    with database.write() as session:
        factories.add_assignment(
            session,
            session.get_one(Task, mine),
            factories.add_account(session),
            state=AssignmentState.SUBMITTED,
        )
        session.get_one(Task, archived).archived_at = session.get_one(Task, archived).created_at
        volume = session.get_one(Volume, session.get_one(Task, unready).volume_id)
        volume.name, volume.state = "CT 3", VolumeState.INGESTING
        session.execute(
            sa.update(Membership).where(Membership.account_id == eve).values(role=Role.RESEARCHER)
        )
    stranger, unknown = new_id(), new_id()
    response = _assign(
        server, study, [first, mine, archived, unready, free, unknown], [ada, bob, eve, stranger]
    )
    assert response.json()["assigned"] == 1
    reasons = {(one["task_id"], one["account_id"]): one["reason"] for one in response.json()["not_assigned"]}
    taken = "All places of this task are taken: raise the number of people per task."
    assert reasons[str(first), str(ada)] == "Annotator 0 has this task already."
    assert reasons[str(first), str(bob)] == taken
    assert reasons[str(mine), str(ada)] == taken
    assert reasons[str(archived), str(ada)] == "This task is archived."
    assert reasons[str(unready), str(ada)] == "The scan CT 3 is not ready."
    assert reasons[str(free), str(eve)].startswith("Annotator 2 is a researcher")
    assert reasons[str(free), str(stranger)] == "This person is no member of the project."
    assert reasons[str(unknown), str(ada)] == "There is no such task in this project."
    assert reasons[str(free), str(bob)] == taken
    assert len(reasons) == 6 * 4 - 1
    assert len(server.sign_in(study.annotators[0]).get("/api/v1/me/assignments").json()) == 2


def test_an_assigned_task_stays_reserved_for_the_days_given_and_comes_first_again_after_taking_back(
    server: AppServer, database: Database
) -> None:
    study = studies.make_study(database)
    (ada,) = study.annotators
    pair = ([study.task_ids[0]], [ada.account_id])
    assert _assign(server, study, *pair).json()["assigned"] == 1
    (card,) = server.sign_in(ada).get("/api/v1/me/assignments").json()
    assignment = studies.stored(database, UUID(card["id"]))
    assert assignment.lease_s == 3 * 86_400
    assert assignment.assigned_by == study.admin.account_id
    assert _reasons(_assign(server, study, *pair)) == ["Annotator 0 has this task already."]
    admin = server.sign_in(study.admin)
    assert admin.post(f"/api/v1/assignments/{card['id']}/take-back").status_code == 204
    assert server.sign_in(ada).get(f"/api/v1/assignments/{card['id']}").json()["late"] is True
    assert _assign(server, study, *pair, days=5).json()["assigned"] == 1
    assert studies.stored(database, UUID(card["id"])).lease_s == 5 * 86_400
    studies.let_lease_run_out(database, assignment.id)
    assert _assign(server, study, *pair, days=7).json()["assigned"] == 1
    work = studies.open_work(database, ada, assignment.id)
    studies.answer_absent(database, work)
    assert _reasons(_assign(server, study, *pair)) == ["Annotator 0 has finished this task."]


def test_late_work_that_was_handed_in_gets_a_place_when_it_is_assigned(
    server: AppServer, database: Database
) -> None:
    study = studies.make_study(database)
    (ada,) = study.annotators
    work = studies.begin(database, study, ada)
    admin = server.sign_in(study.admin)
    assert admin.post(f"/api/v1/assignments/{work.assignment_id}/take-back").status_code == 204
    studies.answer_absent(database, work)
    assert studies.stored(database, work.assignment_id).state is AssignmentState.TAKEN_BACK
    assert _assign(server, study, [study.task_ids[0]], [ada.account_id]).json()["assigned"] == 1
    assert studies.stored(database, work.assignment_id).state is AssignmentState.SUBMITTED


@pytest.mark.parametrize("role", [Role.ANNOTATOR, Role.REVIEWER, Role.RESEARCHER])
def test_only_an_admin_assigns_and_makes_tasks(server: AppServer, database: Database, role: Role) -> None:
    study = studies.make_study(database)
    (ada,) = study.annotators
    with database.write() as session:
        session.execute(
            sa.update(Membership).where(Membership.account_id == ada.account_id).values(role=role)
        )
    client = server.sign_in(ada)
    project = f"/api/v1/projects/{study.project_id}"
    form = {"task_ids": [str(study.task_ids[0])], "account_ids": [str(ada.account_id)]}
    problem(client.post(f"{project}/assignments", json=form), 403, "not_allowed")
    tasks = {"volume_ids": [str(new_id())], "label_indices": [1]}
    problem(client.post(f"{project}/tasks", json=tasks), 403, "not_allowed")
    listed = client.get(f"{project}/tasks")
    if role is Role.ANNOTATOR:
        problem(listed, 403, "not_allowed")
    else:
        assert [task["id"] for task in listed.json()] == [str(study.task_ids[0])]


def test_tasks_are_made_once_and_answered_all(server: AppServer, database: Database) -> None:
    study = studies.make_study(database, tasks=2)
    with database.read() as session:
        volumes = [str(id_) for id_ in session.scalars(sa.select(Volume.id))]
    admin = server.sign_in(study.admin)
    form = {"volume_ids": volumes, "label_indices": [1, 2], "overlap": 3}
    first = admin.post(f"/api/v1/projects/{study.project_id}/tasks", json=form).json()
    assert sorted(task["overlap"] for task in first) == [1, 1, 3, 3]
    assert [(task["label_index"], task["label_name"]) for task in first] == [(1, "liver"), (2, "aorta")] * 2
    assert admin.post(f"/api/v1/projects/{study.project_id}/tasks", json=form).json() == first
    assert admin.get(f"/api/v1/projects/{study.project_id}/tasks").json() == first


def test_returned_work_comes_first_then_reserved_then_submitted_each_the_newest_first(
    server: AppServer, database: Database
) -> None:
    study = studies.make_study(database, tasks=6)
    (ada,) = study.annotators
    works = []
    for n in range(6):
        works.append(studies.begin(database, study, ada))
        if n < 4:
            studies.answer_absent(database, works[n])
        else:
            with database.write() as session:  # so that "next task" gives another one
                session.get_one(Assignment, works[n].assignment_id).state = AssignmentState.SUBMITTED
    with database.write() as session:
        for n in (4, 5):
            session.get_one(Assignment, works[n].assignment_id).state = AssignmentState.RESERVED
        session.get_one(Annotation, works[1].annotation_id).state = "returned"
        session.get_one(Assignment, works[1].assignment_id).state = AssignmentState.RESERVED
        session.get_one(Assignment, works[0].assignment_id).state = AssignmentState.TAKEN_BACK
    client = server.sign_in(ada)
    order = [str(works[n].assignment_id) for n in (1, 5, 4, 3, 2, 0)]
    assert [card["id"] for card in client.get("/api/v1/me/assignments").json()] == order
    assert [card["id"] for card in client.get("/api/v1/me/assignments?open_only=true").json()] == order[:3]
    elsewhere = client.get("/api/v1/me/assignments", params={"project_id": str(new_id())})
    assert elsewhere.json() == []


def test_my_progress_counts_what_i_decided_and_drew(server: AppServer, database: Database) -> None:
    study = studies.make_study(database, tasks=3)
    (ada,) = study.annotators
    work = studies.begin(database, study, ada)
    studies.submit(database, work, revision=studies.box_slices_1_and_2(database, work).revision)
    other = studies.begin(database, study, ada)
    studies.save(database, other, MarkAbsent(0, 0), revision=0)
    expected = {
        "project_id": str(study.project_id),
        "submitted": 1,
        "accepted": 0,
        "slices_decided": 5,
        "boxes_drawn": 2,
        "available": 1,
    }
    assert server.sign_in(ada).get("/api/v1/me/progress").json() == [expected]
    with database.write() as session:  # as an earlier version left it
        session.execute(sa.update(Annotation).values(completeness=None))
    assert server.sign_in(ada).get("/api/v1/me/progress").json() == [expected]


def test_minutes_are_estimated_from_the_slices_until_five_people_have_done_some_like_it(
    server: AppServer, database: Database
) -> None:
    assert [estimated_minutes(n) for n in (0, 1, 100, 500)] == [1, 1, 4, 18]
    study = studies.make_study(database, people=6, overlap=6)
    *five, last = study.annotators
    card = server.sign_in(last).post(f"/api/v1/projects/{study.project_id}/next-task").json()
    address = f"/api/v1/assignments/{card['id']}"
    for n, actor in enumerate(five):
        assert server.sign_in(last).get(address).json()["minutes"] == 1
        work = studies.begin(database, study, actor)
        start = 1e12
        for revision in range(6):  # 50 s of work each, with 10 s of looking between
            times = ClientTimes(start, start + 50_000)
            studies.save(database, work, MarkAbsent(0, 3), revision=revision, client_times=times)
            start += 60_000
        times = ClientTimes(start + 3_600_000, start + 3_600_000)  # an hour's break
        studies.save(database, work, MarkAbsent(0, 3), revision=6, client_times=times)
        studies.submit(database, work, revision=7)
        del n
    assert server.sign_in(last).get(address).json()["minutes"] == 6


def test_fifty_tasks_take_no_more_statements_than_five(server: AppServer, database: Database) -> None:
    """Both lists, and the whole table of progress with its summary, people and jobs."""
    asked: list[dict[str, int]] = []
    for tasks in (5, 50):
        study = studies.make_study(database, people=1, tasks=tasks)
        (ada,) = study.annotators
        with database.write() as session:
            account = session.get_one(factories.Account, ada.account_id)
            for task_id in study.task_ids:
                task = session.get_one(Task, task_id)
                assignment = factories.add_assignment(session, task, account, state=AssignmentState.SUBMITTED)
                annotation = factories.add_annotation(session, assignment, state="submitted")
                job = factories.add_job(
                    session,
                    kind=factories.JobKind.SEGMENT,
                    payload={"annotation_id": str(annotation.id), "revision": 0},
                )
                job.project_id, job.idem_key = study.project_id, f"segment:{annotation.id}:0"
        admin, own = server.sign_in(study.admin), server.sign_in(ada)
        project = f"/api/v1/projects/{study.project_id}"
        counts = {}
        for client, address in (
            (own, "/api/v1/me/assignments"),
            (own, "/api/v1/me/progress"),
            (admin, f"{project}/tasks"),
            (admin, f"{project}/progress"),
            (admin, f"{project}/progress.csv"),
            (admin, f"{project}/progress/summary"),
            (admin, f"{project}/progress/people"),
            (admin, f"{project}/jobs"),
        ):
            with counted(server.database) as sent:
                response = client.get(address)
            assert response.status_code == 200, response.text
            counts[address.replace(str(study.project_id), "")] = len(sent)
        asked.append(counts)
    assert asked[0] == asked[1]


def test_a_deleted_label_is_no_task_for_anybody_new(server: AppServer, database: Database) -> None:
    study = studies.make_study(database)
    with database.write() as session:
        session.execute(sa.update(Label).where(Label.name == "liver").values(deleted_at=now()))
    assert _reasons(_assign(server, study, [study.task_ids[0]], [study.annotators[0].account_id])) == [
        "liver was deleted from the project."
    ]


def test_what_is_reserved_for_somebody_who_is_removed_becomes_free(
    server: AppServer, database: Database
) -> None:
    study = studies.make_study(database, people=2)
    gone, other = study.annotators
    work = studies.begin(database, study, gone)
    assert studies.claim(database, study, other) is None
    answer = server.sign_in(study.admin).delete(
        f"/api/v1/projects/{study.project_id}/members/{gone.account_id}"
    )
    assert answer.status_code == 204
    assert studies.stored(database, work.assignment_id).state is AssignmentState.TAKEN_BACK
    assert studies.claim(database, study, other) is not None
