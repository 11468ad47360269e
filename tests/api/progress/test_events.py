"""Live events through a real server: who hears what, what is replayed, and that nothing is held meanwhile."""

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from crowdmask.core.lifecycle import JobState
from crowdmask.infra.db import Database
from crowdmask.models import Account, Job, Membership
from crowdmask.progress import changes
from tests import factories, studies
from tests.api.progress.live import Listening, LiveServer, serving
from tests.api.server import AppServer
from tests.studies import Study
from tests.waiting import eventually


@pytest.fixture
def live(server: AppServer) -> Iterator[LiveServer]:
    with serving(server) as served:
        yield served


def _listen(
    live: LiveServer, study: Study, person: studies.Actor, *, last_event_id: str | None = None
) -> Listening:
    address = f"/api/v1/projects/{study.project_id}/events"
    return Listening(live.client(person), address, last_event_id=last_event_id)


def test_a_save_is_heard_by_the_admin_and_by_its_annotator_but_not_by_another_one(
    live: LiveServer, database: Database
) -> None:
    study = studies.make_study(database, people=2, tasks=2)
    ada, bob = study.annotators
    heard = {person: _listen(live, study, person) for person in (study.admin, ada, bob)}
    work = studies.begin(database, study, ada)
    studies.save(database, work, studies.piece("a", 1), revision=0)
    for person in (study.admin, ada):
        eventually(lambda person=person: heard[person].of("revision", 1))
        (event,) = heard[person].of("revision", 1)
        assert event["account_id"] == str(ada.account_id)
        assert event["annotation_id"] == str(work.annotation_id)
        assert (event["label_index"], event["state"], event["annotation_state"]) == (1, "reserved", "open")
    own = studies.begin(database, study, bob)
    eventually(lambda: heard[bob].events)
    assert {data["account_id"] for _, _, data in heard[bob].events} == {str(bob.account_id)}
    eventually(lambda: heard[study.admin].of("annotation_id", str(own.annotation_id)))


def test_a_job_is_told_to_the_admin_and_to_the_person_it_is_for(live: LiveServer, database: Database) -> None:
    study = studies.make_study(database, people=2)
    ada, bob = study.annotators
    heard = {person: _listen(live, study, person) for person in (study.admin, ada, bob)}
    with database.write() as session:
        job = factories.add_job(session, payload={"annotation_id": "x", "secret": "y"})
        job.project_id, job.account_id = study.project_id, ada.account_id
        theirs = factories.add_job(session)
        theirs.project_id, theirs.account_id = study.project_id, bob.account_id
    for person in (study.admin, ada):
        eventually(lambda person=person: heard[person].of("id", str(job.id)))
        (event,) = heard[person].of("id", str(job.id))
        assert event == {
            "id": str(job.id),
            "kind": "ingest",
            "state": "queued",
            "progress": 0.0,
            "error_code": None,
            "annotation_id": "x",
        }
    eventually(lambda: heard[bob].of("id", str(theirs.id)))
    assert not heard[bob].of("id", str(job.id))
    with database.write() as session:
        session.execute(sa.update(Job).where(Job.id == job.id).values(state=JobState.DONE))
    eventually(lambda: heard[ada].of("state", "done"))


def test_who_comes_back_with_the_last_event_id_is_told_what_was_missed(
    live: LiveServer, database: Database
) -> None:
    study = studies.make_study(database)
    (ada,) = study.annotators
    first = _listen(live, study, ada)
    work = studies.begin(database, study, ada)
    eventually(lambda: first.of("annotation_id", str(work.annotation_id)))
    last_event_id = first.events[-1][1]
    first.close()
    for revision in range(3):
        studies.save(database, work, studies.piece(f"t{revision}", revision), revision=revision)
    second = _listen(live, study, ada, last_event_id=last_event_id)
    eventually(lambda: second.of("revision", 3))


@pytest.mark.parametrize(
    "last_event_id", ["", "nonsense", "2026-01-01T00:00:00", "0001-01-01T00:00:00+00:00"]
)
def test_a_last_event_id_that_is_not_ours_is_as_good_as_none(
    live: LiveServer, database: Database, last_event_id: str
) -> None:
    study = studies.make_study(database)
    (ada,) = study.annotators
    heard = _listen(live, study, ada, last_event_id=last_event_id)
    studies.begin(database, study, ada)
    eventually(lambda: heard.events)


def test_nobody_outside_hears_of_a_project(live: LiveServer, database: Database) -> None:
    study = studies.make_study(database)
    with database.write() as session:
        stranger = studies.Actor(factories.add_account(session).id)
    heard = _listen(live, study, stranger)
    studies.begin(database, study, study.annotators[0])
    assert heard.ended.wait(60)
    assert heard.events == []


def test_the_stream_of_a_removed_member_ends(
    live: LiveServer, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changes, "RECHECK_S", 0.0)
    study = studies.make_study(database)
    (ada,) = study.annotators
    heard = _listen(live, study, ada)
    work = studies.begin(database, study, ada)
    eventually(lambda: heard.of("annotation_id", str(work.annotation_id)))
    with database.write() as session:
        session.execute(sa.delete(Membership).where(Membership.account_id == ada.account_id))
    studies.save(database, work, studies.piece("a", 1), revision=0)
    assert heard.ended.wait(60)
    assert not heard.of("revision", 1)


def test_a_quiet_stream_of_a_removed_member_ends_too(
    live: LiveServer, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changes, "RECHECK_IDLE_S", 0.2)
    study = studies.make_study(database)
    (ada,) = study.annotators
    heard = _listen(live, study, ada)
    with database.write() as session:
        session.execute(sa.delete(Membership).where(Membership.account_id == ada.account_id))
    assert heard.ended.wait(60)


def test_a_client_that_goes_away_is_forgotten(live: LiveServer, database: Database) -> None:
    study = studies.make_study(database)
    (ada,) = study.annotators
    heard = _listen(live, study, ada)
    subscribers = live.app.state.events._subscribers
    eventually(lambda: len(subscribers) == 1)
    heard.close()
    eventually(lambda: not subscribers)


def test_a_hundred_streams_hold_no_thread_and_no_connection(live: LiveServer, database: Database) -> None:
    study = studies.make_study(database)
    (ada,) = study.annotators
    heard = [_listen(live, study, ada) for _ in range(100)]
    with live.client(ada) as client:
        assert client.get("/api/v1/health").status_code == 200
    work = studies.begin(database, study, ada)
    for one in heard:
        eventually(lambda one=one: one.of("annotation_id", str(work.annotation_id)))
    assert live.app.database.engine.pool.checkedout() <= 2  # type: ignore[attr-defined]


def test_more_changes_than_one_look_takes_leave_the_newest(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changes, "MOST_AT_ONCE", 3)
    study = studies.make_study(database, people=1, tasks=1)
    work = studies.begin(database, study, study.annotators[0])
    with database.write() as session:
        for _ in range(3):
            factories.add_job(session).project_id = study.project_id
    studies.save(database, work, studies.piece("a", 1), revision=0)
    with database.read() as session:
        since = session.get_one(Account, study.admin.account_id).created_at
        found = changes.changes_since(session, since)
    assert [change.event for change in found] == ["job", "job", "task"]
    assert [change.changed_at for change in found] == sorted(change.changed_at for change in found)
