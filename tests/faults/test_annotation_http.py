"""Faults 23 to 35 and 43 over HTTP (docs/faults.md): what the client of an annotation is told when its traffic goes wrong."""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest
import sqlalchemy as sa

from crowdmask.app import create_app
from crowdmask.core.ids import new_id
from crowdmask.infra import db
from crowdmask.infra.db import Database, now
from crowdmask.infra.settings import Settings
from crowdmask.models import Annotation, Assignment, Label, OperationBatch, Project, Task
from tests import studies
from tests.api.server import AppServer, problem
from tests.studies import Work


@pytest.fixture
def server(database_url: str, settings: Settings) -> Iterator[AppServer]:
    made = AppServer(create_app(settings))
    yield made
    made.database.close()


def _begin(database: Database, **options: int) -> Work:
    study = studies.make_study(database, **options)
    return studies.begin(database, study, study.annotators[0])


def _box(track: str, z: int, *box: float) -> dict[str, Any]:
    edges = list(box) or [4, 5, 20, 25]
    keyframe = {"box": edges, "source": "drawn"}
    return {"op": "add_track", "track": track, "first": z, "last": z, "keyframes": {str(z): keyframe}}


def _save(
    client: Any,
    work: Work,
    *operations: dict[str, Any],
    revision: int | None,
    key: str | None = None,
    **body: Any,
) -> Any:
    headers = {"Idempotency-Key": key or new_id().hex}
    if revision is not None:
        headers["If-Match"] = f'"{revision}"'
    content = {"volume_sha256": work.volume_sha256, "operations": list(operations), **body}
    address = f"/api/v1/annotations/{work.annotation_id}/operations"
    return client.post(
        address, content=json.dumps(content), headers={**headers, "Content-Type": "application/json"}
    )


def _n_batches(database: Database) -> int:
    with database.read() as session:
        return session.scalars(sa.select(sa.func.count()).select_from(OperationBatch)).one()


def test_fault_23_of_two_clients_one_saves_and_the_other_is_told_what_changed(
    server: AppServer, database: Database
) -> None:
    work = _begin(database)
    clients = [server.sign_in(work.actor) for _ in range(2)]
    outcomes = studies.at_once(
        [partial(_save, client, work, _box(f"t{n}", 1), revision=0) for n, client in enumerate(clients)]
    )
    (saved,) = (n for n, outcome in enumerate(outcomes) if outcome.status_code == 200)  # type: ignore[union-attr]
    body = problem(outcomes[1 - saved], 412, "revision_stale")
    assert body["hint"]
    assert body["current_revision"] == 1
    (batch,) = body["since"]
    assert batch["revision"] == 1
    assert [operation["track"] for operation in batch["operations"]] == [f"t{saved}"]


def test_fault_24_a_save_must_say_for_which_revision_it_is(server: AppServer, database: Database) -> None:
    work = _begin(database)
    client = server.sign_in(work.actor)
    assert problem(_save(client, work, _box("a", 1), revision=None), 428, "revision_missing")["hint"]
    assert _save(client, work, _box("a", 1), revision=0).headers["etag"] == '"1"'
    assert problem(_save(client, work, _box("b", 1), revision=0), 412, "revision_stale")["hint"]
    address = f"/api/v1/annotations/{work.annotation_id}"
    answer = client.post(f"{address}/operations", headers={"If-Match": "x", "Idempotency-Key": "k"}, json={})
    problem(answer, 422, "request_invalid")
    problem(client.post(f"{address}/submit"), 428, "revision_missing")
    assert _n_batches(database) == 1


def test_fault_25_the_same_key_gets_the_first_answer_and_another_body_is_refused(
    server: AppServer, database: Database
) -> None:
    work = _begin(database)
    client = server.sign_in(work.actor)
    first = _save(client, work, _box("a", 1), revision=0, key="click")
    assert first.status_code == 200
    again = _save(client, work, _box("a", 1), revision=0, key="click")
    assert (again.json(), again.headers["etag"]) == (first.json(), first.headers["etag"])
    other = _save(client, work, _box("b", 1), revision=1, key="click")
    assert problem(other, 422, "idempotency_key_reused")["hint"]
    assert _n_batches(database) == 1


def test_fault_26_fifty_clients_ask_for_the_last_places(server: AppServer, database: Database) -> None:
    study = studies.make_study(database, people=50, overlap=3)
    address = f"/api/v1/projects/{study.project_id}/next-task"
    clients = [server.sign_in(actor) for actor in study.annotators]
    outcomes = studies.at_once([partial(client.post, address) for client in clients])
    codes = [outcome.status_code for outcome in outcomes]  # type: ignore[union-attr]
    assert sorted(codes) == [200] * 3 + [204] * 47


def test_fault_27_who_comes_back_too_late_is_told_so_and_loses_nothing(
    server: AppServer, database: Database
) -> None:
    study = studies.make_study(database, people=2)
    ada, bob = study.annotators
    work = studies.begin(database, study, ada)
    client = server.sign_in(ada)
    studies.let_lease_run_out(database, work.assignment_id)
    in_time = _save(client, work, _box("a", 1), revision=0).json()
    assert (in_time["late"], in_time["lease_until"] is None) == (False, False)
    studies.let_lease_run_out(database, work.assignment_id)
    assert server.sign_in(bob).post(f"/api/v1/projects/{study.project_id}/next-task").status_code == 200
    late = _save(client, work, _box("b", 2), revision=1)
    assert (late.status_code, late.json()["late"], late.json()["lease_until"]) == (200, True, None)
    seen = client.get(f"/api/v1/annotations/{work.annotation_id}").json()
    assert (seen["late"], seen["lease_until"], len(seen["document"]["tracks"])) == (True, None, 2)


def test_fault_28_a_queue_is_sent_again_in_order_after_signing_in_again(
    server: AppServer, database: Database
) -> None:
    work = _begin(database)
    queue = [(n, f"key-{n}", _box(f"t{n}", n)) for n in range(4)]
    client = server.sign_in(work.actor)
    for revision, key, operation in queue[:2]:  # arrived, but the answer of the second was lost
        _save(client, work, operation, revision=revision, key=key)
    client.headers["Authorization"] = "Bearer no-longer-valid"
    refused = _save(client, work, queue[1][2], revision=1, key="key-1")
    assert problem(refused, 401, "not_signed_in")["hint"]
    client = server.sign_in(work.actor)
    answers = [_save(client, work, operation, revision=n, key=key) for n, key, operation in queue[1:]]
    assert [answer.json()["revision"] for answer in answers] == [2, 3, 4]
    assert _n_batches(database) == 4


def test_fault_29_work_on_a_label_that_was_deleted_can_be_finished(
    server: AppServer, database: Database
) -> None:
    work = _begin(database)
    with database.write() as session:
        session.execute(sa.update(Label).values(deleted_at=now()))
    client = server.sign_in(work.actor)
    saved = _save(client, work, {"op": "mark_not_in_volume"}, revision=0)
    assert (saved.status_code, saved.json()["late"]) == (200, False)
    address = f"/api/v1/annotations/{work.annotation_id}/submit"
    submitted = client.post(address, headers={"If-Match": '"1"'})
    assert submitted.json()["state"] == "submitted"


@pytest.mark.parametrize("cause", ["taken back", "archived"])
def test_fault_30_what_was_taken_away_meanwhile_is_saved_as_late(
    server: AppServer, database: Database, cause: str
) -> None:
    study = studies.make_study(database)
    work = studies.begin(database, study, study.annotators[0])
    if cause == "taken back":
        admin = server.sign_in(study.admin)
        assert admin.post(f"/api/v1/assignments/{work.assignment_id}/take-back").status_code == 204
    else:
        with database.write() as session:
            session.execute(sa.update(Project).values(archived_at=now()))
    answer = _save(server.sign_in(work.actor), work, _box("a", 1), revision=0)
    assert (answer.status_code, answer.json()["late"]) == (200, True)


@pytest.mark.parametrize(
    ("operation", "code"),
    [
        (_box("a", 1, float("nan"), 0, 5, 5), None),
        (_box("a", 1, 0, 0, float("inf"), 5), None),
        (_box("a", 1, 0, 0, 1e308, 5), "box_invalid"),
        (_box("a", 1, 9, 9, 3, 3), "box_invalid"),
        (_box("a", 1, 5, 5, 5, 9), "box_invalid"),
        (_box("a", 1, 0, 0, 4000, 5), "box_invalid"),
        (_box("a", 99), "slice_out_of_range"),
        ({"op": "confirm", "track": "x", "first": 0, "last": 0}, "track_unknown"),
        ({"op": "no such thing"}, "operation_invalid"),
    ],
)
def test_fault_31_an_unusable_box_is_refused_with_its_whole_batch(
    server: AppServer, database: Database, operation: dict[str, Any], code: str | None
) -> None:
    work = _begin(database)
    answer = _save(server.sign_in(work.actor), work, _box("good", 1), operation, revision=0)
    body = problem(answer, 422, code or answer.json()["code"])
    assert code is None or "operations[1]" in body["detail"]
    assert _n_batches(database) == 0


def test_fault_31_ten_thousand_boxes_at_once_are_refused(server: AppServer, database: Database) -> None:
    work = _begin(database)
    many = [_box(f"t{n}", 1) for n in range(10_000)]
    problem(_save(server.sign_in(work.actor), work, *many, revision=0), 422, "request_invalid")
    assert _n_batches(database) == 0


def test_fault_32_and_33_a_clients_clock_decides_nothing_and_all_times_are_utc(
    server: AppServer, database: Database
) -> None:
    work = _begin(database)
    before = studies.stored(database, work.assignment_id).lease_until
    times = {"began_ms": 0, "sent_ms": 4e12, "shown_ms": {"1": 400}}  # 1970 to 2096
    answer = _save(server.sign_in(work.actor), work, _box("a", 1), revision=0, client_times=times).json()
    lease_until = datetime.fromisoformat(answer["lease_until"])
    assert lease_until.utcoffset() == timedelta(0)
    assert before <= lease_until < before + timedelta(hours=1)
    nonsense = {"began_ms": "yesterday", "sent_ms": 0}
    refused = _save(server.sign_in(work.actor), work, _box("b", 1), revision=1, client_times=nonsense)
    problem(refused, 422, "request_invalid")


def test_fault_34_boxes_of_another_volume_are_refused(server: AppServer, database: Database) -> None:
    work = _begin(database)
    answer = _save(server.sign_in(work.actor), work, _box("a", 1), revision=0, volume_sha256="0" * 64)
    assert problem(answer, 409, "volume_mismatch")["hint"]


def test_fault_35_the_same_box_on_every_slice_is_accepted(server: AppServer, database: Database) -> None:
    work = _begin(database)
    client = server.sign_in(work.actor)
    assert _save(client, work, *[_box(f"t{z}", z) for z in range(4)], revision=0).status_code == 200
    address = f"/api/v1/annotations/{work.annotation_id}/submit"
    assert client.post(address, headers={"If-Match": '"1"'}).status_code == 200


def test_fault_43_a_locked_database_is_503_with_the_time_to_wait_and_the_retry_succeeds(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not database.is_sqlite:
        pytest.skip("PostgreSQL has no lock of the whole database")
    monkeypatch.setattr(db, "_BUSY_TIMEOUT_S", 0.1)
    server = AppServer(create_app(settings))
    work = _begin(database)
    client = server.sign_in(work.actor)
    with database.write() as session:
        session.execute(sa.select(1))
        refused = _save(client, work, _box("a", 1), revision=0, key="click")
        assert client.get(f"/api/v1/annotations/{work.annotation_id}").status_code == 200
    assert problem(refused, 503, "database_busy")["hint"]
    assert int(refused.headers["retry-after"]) >= 1
    assert _save(client, work, _box("a", 1), revision=0, key="click").json()["revision"] == 1
    server.database.close()


def test_what_is_not_complete_names_its_gaps_and_a_submitted_annotation_takes_no_save(
    server: AppServer, database: Database
) -> None:
    work = _begin(database)
    client = server.sign_in(work.actor)
    _save(client, work, _box("a", 1), revision=0)
    address = f"/api/v1/annotations/{work.annotation_id}"
    body = problem(client.post(f"{address}/submit", headers={"If-Match": '"1"'}), 409, "not_complete")
    assert body["gaps"] == [{"kind": "todo", "first": 0, "last": 0}, {"kind": "todo", "first": 2, "last": 3}]
    _save(client, work, {"op": "set_label_range", "first": 1, "last": 1}, revision=1)
    assert client.post(f"{address}/submit", headers={"If-Match": '"2"'}).status_code == 200
    assert problem(_save(client, work, _box("b", 2), revision=2), 409, "not_open")["hint"]
    assert client.post(f"{address}/reopen").json()["state"] == "open"
    assert [batch["revision"] for batch in client.get(f"{address}/batches?after=1").json()] == [2]
    with database.read() as session:
        assert session.get_one(Annotation, work.annotation_id).revision == 2
        assert (
            session.get_one(Task, session.get_one(Assignment, work.assignment_id).task_id).archived_at is None
        )


def test_somebody_elses_annotation_is_not_there(server: AppServer, database: Database) -> None:
    study = studies.make_study(database, people=2)
    work = studies.begin(database, study, study.annotators[0])
    client = server.sign_in(study.annotators[1])
    address = f"/api/v1/annotations/{work.annotation_id}"
    problem(_save(client, work, _box("a", 1), revision=0), 404, "not_found")
    problem(client.get(address), 404, "not_found")
    problem(client.get(f"{address}/batches"), 404, "not_found")
    problem(client.post(f"{address}/submit", headers={"If-Match": '"0"'}), 404, "not_found")
    problem(client.post(f"{address}/reopen"), 404, "not_found")
    problem(client.post(f"/api/v1/assignments/{work.assignment_id}/annotation"), 404, "not_found")
    assert server.sign_in(study.admin).get(address).status_code == 200
