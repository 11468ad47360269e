"""Faults 23 to 35, and 52 as far as the services go (docs/faults.md): what happens when annotation traffic goes wrong."""

from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
import sqlalchemy as sa

from crowdmask.annotations import service as annotations
from crowdmask.annotations.errors import RevisionStale
from crowdmask.annotations.policy import ClientTimes
from crowdmask.annotations.queries import document_of, visible_annotation
from crowdmask.annotations.service import SaveAnswer
from crowdmask.assignments import service as assignments
from crowdmask.core.errors import Conflict, ErrorCode, InvalidInput, NotFound, PreconditionMissing
from crowdmask.core.geometry import Box
from crowdmask.core.lifecycle import AssignmentState
from crowdmask.core.operations import (
    Confirm,
    MarkAbsent,
    SetKeyframe,
    operation_from_json,
)
from crowdmask.core.tracks import AnnotationDocument, BoxSource
from crowdmask.infra.db import Database, now
from crowdmask.models import Annotation, Assignment, Label, OperationBatch, Project, Task
from tests import studies
from tests.studies import Work


def _document(database: Database, work: Work) -> AnnotationDocument:
    with database.read() as session:
        return document_of(visible_annotation(session, work.actor, work.annotation_id))


def _tracks(database: Database, work: Work) -> list[str]:
    return [track.id for track in _document(database, work).tracks]


def _n_batches(database: Database) -> int:
    with database.read() as session:
        return session.scalars(sa.select(sa.func.count()).select_from(OperationBatch)).one()


def _begin(database: Database) -> Work:
    study = studies.make_study(database)
    return studies.begin(database, study, study.annotators[0])


def test_fault_23_two_tabs_edit_one_slice_at_once_one_is_saved_the_other_told_what_changed(
    database: Database,
) -> None:
    work = _begin(database)
    studies.save(database, work, studies.piece("a", 1), revision=0)
    edits = [SetKeyframe("a", 1, Box(x, 5, x + 9, 25), BoxSource.EDITED) for x in (3, 7)]
    for revision in range(1, 6):
        outcomes = studies.at_once(
            [partial(studies.save, database, work, edit, revision=revision) for edit in edits]
        )
        (saved,) = (n for n, outcome in enumerate(outcomes) if isinstance(outcome, SaveAnswer))
        stale = outcomes[1 - saved]
        assert isinstance(stale, RevisionStale), stale
        assert (stale.code, stale.current_revision) == (ErrorCode.REVISION_STALE, revision + 1)
        assert [batch.operations for batch in stale.since] == [(edits[saved],)]
        assert _document(database, work).track("a").box_at(1) == edits[saved].box
    assert _n_batches(database) == 6


def test_fault_24_a_stale_save_says_what_was_saved_since_and_changes_nothing(database: Database) -> None:
    work = _begin(database)
    for revision, track in enumerate("abc"):
        studies.save(database, work, studies.piece(track, 1), revision=revision)
    with pytest.raises(RevisionStale, match="revision 1, but the annotation is at revision 3") as caught:
        studies.save(database, work, studies.piece("d", 1), revision=1)
    assert caught.value.current_revision == 3
    assert [batch.revision for batch in caught.value.since] == [2, 3]
    assert caught.value.since[0].operations == (studies.piece("b", 1),)
    with pytest.raises(RevisionStale) as from_the_future:
        studies.save(database, work, studies.piece("d", 1), revision=9)
    assert from_the_future.value.since == ()
    assert _tracks(database, work) == ["a", "b", "c"]


def test_fault_24_a_save_without_a_revision_is_refused(database: Database) -> None:
    work = _begin(database)
    with pytest.raises(PreconditionMissing) as caught:
        studies.save(database, work, studies.piece("a", 1), revision=None)
    assert caught.value.code is ErrorCode.REVISION_MISSING
    assert _tracks(database, work) == []


def test_fault_25_a_retry_gets_the_first_answer_even_when_the_revision_moved_on_or_it_was_submitted(
    database: Database,
) -> None:
    work = _begin(database)
    first = studies.save(database, work, studies.piece("a", 1, 2), revision=0, key="click")
    assert studies.save(database, work, studies.piece("a", 1, 2), revision=0, key="click") == first
    studies.save(database, work, MarkAbsent(0, 0), MarkAbsent(3, 3), revision=1)
    assert studies.save(database, work, studies.piece("a", 1, 2), revision=0, key="click") == first
    studies.submit(database, work, revision=2)
    assert studies.save(database, work, studies.piece("a", 1, 2), revision=0, key="click") == first
    assert _n_batches(database) == 2


def test_fault_25_a_double_click_makes_one_revision(database: Database) -> None:
    work = _begin(database)
    click = partial(studies.save, database, work, studies.piece("a", 1), revision=0, key="click")
    outcomes = studies.at_once([click] * 8)
    assert len(set(outcomes)) == 1
    assert isinstance(outcomes[0], SaveAnswer)
    assert outcomes[0].revision == 1
    assert _n_batches(database) == 1


def test_fault_25_a_key_that_comes_back_with_another_body_is_refused(database: Database) -> None:
    work = _begin(database)
    studies.save(database, work, studies.piece("a", 1), revision=0, key="click")
    with pytest.raises(InvalidInput) as caught:
        studies.save(database, work, studies.piece("b", 1), revision=1, key="click")
    assert caught.value.code is ErrorCode.IDEMPOTENCY_KEY_REUSED
    assert _tracks(database, work) == ["a"]


def test_fault_26_fifty_clients_claim_the_last_slots_and_exactly_as_many_get_one(database: Database) -> None:
    study = studies.make_study(database, people=50, overlap=3)
    outcomes = studies.at_once([partial(studies.claim, database, study, actor) for actor in study.annotators])
    granted = [outcome for outcome in outcomes if isinstance(outcome, Assignment)]
    assert sorted(assignment.slot for assignment in granted) == [0, 1, 2]
    assert sum(outcome is None for outcome in outcomes) == 47


def test_fault_27_who_comes_back_after_the_lease_saves_as_if_nothing_had_happened(database: Database) -> None:
    work = _begin(database)
    studies.let_lease_run_out(database, work.assignment_id)
    answer = studies.save(database, work, studies.piece("a", 1), revision=0)
    assert not answer.late
    assignment = studies.stored(database, work.assignment_id)
    assert assignment.state is AssignmentState.RESERVED
    assert assignment.lease_until == answer.lease_until


def test_fault_27_who_comes_back_after_the_lease_was_ended_gets_a_free_slot_again(database: Database) -> None:
    study = studies.make_study(database, people=3, overlap=2)
    ada, bob, eve = study.annotators
    work = studies.begin(database, study, ada)
    assert studies.claim(database, study, bob) is not None
    studies.let_lease_run_out(database, work.assignment_id)
    taken = studies.claim(database, study, eve)
    assert taken is not None
    assert studies.save(database, work, studies.piece("a", 1), revision=0).late
    with database.write() as session:
        assignments.take_back(session, study.admin, assignment_id=taken.id)
    assert not studies.save(database, work, studies.piece("b", 1), revision=1).late
    assert studies.stored(database, work.assignment_id).state is AssignmentState.RESERVED


def test_fault_27_who_comes_back_after_the_slot_was_taken_saves_late_and_loses_nothing(
    database: Database,
) -> None:
    study = studies.make_study(database, people=2)
    ada, bob = study.annotators
    work = studies.begin(database, study, ada)
    studies.let_lease_run_out(database, work.assignment_id)
    others = studies.begin(database, study, bob)
    answer = studies.save(database, work, studies.piece("mine", 1), revision=0)
    assert answer == SaveAnswer(revision=1, late=True, lease_until=None)
    studies.save(database, others, studies.piece("theirs", 2), revision=0)
    assert _tracks(database, work) == ["mine"]
    assert _tracks(database, others) == ["theirs"]
    assert studies.stored(database, work.assignment_id).state is AssignmentState.EXPIRED
    assert studies.stored(database, others.assignment_id).state is AssignmentState.RESERVED


def test_fault_28_a_queue_of_an_hour_offline_is_replayed_in_order_and_again(database: Database) -> None:
    work = _begin(database)
    queue = [(f"key-{n}", studies.piece(f"t{n}", n % 4)) for n in range(12)]
    for n, (key, operation) in enumerate(queue[:5]):
        studies.save(database, work, operation, revision=n, key=key)
    studies.let_lease_run_out(
        database, work.assignment_id
    )  # offline; the answers to the last saves never came
    answers = [
        studies.save(database, work, operation, revision=n, key=key)
        for n, (key, operation) in enumerate(queue)
        if n >= 3
    ]
    assert [answer.revision for answer in answers] == list(range(4, 13))
    assert not any(answer.late for answer in answers)
    assert _tracks(database, work) == [f"t{n}" for n in range(12)]


def test_fault_29_a_label_deleted_or_renamed_while_open_keeps_its_reserved_work_valid(
    database: Database,
) -> None:
    study = studies.make_study(database, people=2, overlap=2)
    ada, bob = study.annotators
    work = studies.begin(database, study, ada)
    with database.write() as session:
        label = session.get_one(Label, session.get_one(Task, study.task_ids[0]).label_id)
        label.name, label.deleted_at = "hepar", session.scalar(now())
    again = studies.claim(database, study, ada)
    assert again is not None
    assert again.id == work.assignment_id
    assert not studies.box_slices_1_and_2(database, work).late
    studies.submit(database, work, revision=1)
    assert studies.claim(database, study, bob) is None


def test_fault_30_a_task_taken_back_while_drawing_is_saved_late_in_its_own_annotation(
    database: Database,
) -> None:
    study = studies.make_study(database, people=2)
    ada, bob = study.annotators
    work = studies.begin(database, study, ada)
    studies.save(database, work, studies.piece("a", 1), revision=0)
    with database.write() as session:
        assignments.take_back(session, study.admin, assignment_id=work.assignment_id)
    answer = studies.save(database, work, studies.piece("b", 1), revision=1)
    assert answer == SaveAnswer(revision=2, late=True, lease_until=None)
    assert studies.begin(database, study, bob).annotation_id != work.annotation_id
    assert _tracks(database, work) == ["a", "b"]
    assert studies.stored(database, work.assignment_id).state is AssignmentState.TAKEN_BACK


@pytest.mark.parametrize("archived", ["project", "task"])
def test_fault_30_a_project_or_task_archived_while_drawing_is_saved_late(
    database: Database, archived: str
) -> None:
    study = studies.make_study(database)
    work = studies.begin(database, study, study.annotators[0])
    with database.write() as session:
        row = (
            session.get_one(Project, study.project_id)
            if archived == "project"
            else session.get_one(Task, study.task_ids[0])
        )
        row.archived_at = session.scalar(now())
    assert studies.save(database, work, studies.piece("a", 1), revision=0).late
    assert studies.claim(database, study, study.annotators[0]) is None
    assert _tracks(database, work) == ["a"]


def _track_with(box: object, z: int = 1) -> dict[str, object]:
    return {
        "op": "add_track",
        "track": "a",
        "first": z,
        "last": z,
        "keyframes": {str(z): {"box": box, "source": "drawn"}},
    }


@pytest.mark.parametrize(
    ("operation", "code"),
    [
        (_track_with([1, 1, 1, 5]), ErrorCode.BOX_INVALID),
        (_track_with([5, 1, 1, 5]), ErrorCode.BOX_INVALID),
        (_track_with([float("nan"), 1, 2, 5]), ErrorCode.BOX_INVALID),
        (_track_with([0, 0, 1e308, 5]), ErrorCode.BOX_INVALID),
        (_track_with([0, 0, float("inf"), 5]), ErrorCode.BOX_INVALID),
        (_track_with([0, 0, 10**400, 5]), ErrorCode.BOX_INVALID),
        (_track_with([0, 0, 49, 5]), ErrorCode.BOX_INVALID),
        (_track_with([-1, 0, 4, 5]), ErrorCode.BOX_INVALID),
        (_track_with(["0", 0, 4, 5]), ErrorCode.BOX_INVALID),
        (_track_with([0, 0, 4, 5], z=4), ErrorCode.SLICE_OUT_OF_RANGE),
        ({"op": "mark_absent", "first": 2, "last": 9}, ErrorCode.SLICE_OUT_OF_RANGE),
        ({"op": "mark_absent", "first": -1, "last": 2}, ErrorCode.OPERATION_INVALID),
    ],
)
def test_fault_31_an_impossible_box_or_slice_is_refused_and_nothing_of_its_batch_is_kept(
    database: Database, operation: dict[str, object], code: ErrorCode
) -> None:
    work = _begin(database)
    with pytest.raises(InvalidInput) as caught:
        studies.save(database, work, studies.piece("good", 1), operation_from_json(operation), revision=0)
    assert caught.value.code is code
    assert _tracks(database, work) == []


def test_fault_31_more_boxes_than_an_annotation_may_hold_are_refused(database: Database) -> None:
    study = studies.make_study(database, shape=(10_001, 32, 48))
    work = studies.begin(database, study, study.annotators[0])
    studies.save(database, work, studies.piece("a", *range(10_000)), revision=0)
    with pytest.raises(InvalidInput, match="10001 boxes"):
        studies.save(database, work, studies.piece("b", 10_000), revision=1)
    assert _tracks(database, work) == ["a"]


@pytest.mark.parametrize("skew", [timedelta(days=-1), timedelta(days=1)])
def test_fault_32_a_client_whose_clock_is_a_day_wrong_is_served_by_the_database_clock(
    database: Database, skew: timedelta
) -> None:
    work = _begin(database)
    wrong_ms = (datetime.now(UTC) + skew).timestamp() * 1000
    times = ClientTimes(began_ms=wrong_ms, sent_ms=wrong_ms + 50, shown_ms={1: 40.0})
    answer = studies.save(database, work, studies.piece("a", 1), revision=0, client_times=times)
    with database.read() as session:
        clock = session.scalars(sa.select(now())).one()
        batch = session.scalars(sa.select(OperationBatch)).one()
    assert answer.lease_until is not None
    assert timedelta(minutes=59) < answer.lease_until - clock <= timedelta(hours=1)
    assert abs(batch.created_at - clock) < timedelta(minutes=1)
    assert batch.client_times == {"began_ms": wrong_ms, "sent_ms": wrong_ms + 50, "shown_ms": {"1": 40.0}}
    with pytest.raises(InvalidInput):
        ClientTimes(began_ms=float("nan"), sent_ms=0.0)


def test_fault_33_every_time_that_comes_back_is_utc(database: Database) -> None:
    work = _begin(database)
    answer = studies.save(database, work, studies.piece("a", 1), revision=0, key="click")
    again = studies.save(database, work, studies.piece("a", 1), revision=0, key="click")
    with database.read() as session:
        batch = session.scalars(sa.select(OperationBatch)).one()
        assignment = session.get_one(Assignment, work.assignment_id)
    for time in (answer.lease_until, again.lease_until, batch.created_at, assignment.lease_until):
        assert time is not None
        assert time.utcoffset() == timedelta(0)


def test_fault_34_boxes_drawn_on_another_volume_are_refused(database: Database) -> None:
    study = studies.make_study(database, people=2, tasks=2)
    ada, bob = study.annotators
    work, other = studies.begin(database, study, ada), studies.begin(database, study, bob)
    mixed = Work(ada, work.assignment_id, work.annotation_id, other.volume_sha256)
    with pytest.raises(Conflict) as caught:
        studies.save(database, mixed, studies.piece("a", 1), revision=0)
    assert caught.value.code is ErrorCode.VOLUME_MISMATCH
    assert _tracks(database, work) == []


def test_fault_35_the_same_box_on_all_slices_is_accepted(database: Database) -> None:
    work = _begin(database)
    studies.save(database, work, studies.piece("a", 0, 1, 2, 3), Confirm("a", 0, 3), revision=0)
    studies.submit(database, work, revision=1)


def test_fault_52_somebody_elses_work_looks_as_if_it_were_not_there(database: Database) -> None:
    study, other = studies.make_study(database, people=2), studies.make_study(database)
    ada, bob = study.annotators
    work = studies.begin(database, study, ada)
    studies.box_slices_1_and_2(database, work)
    # The admin may look at it but not write in another's name.
    for actor in (bob, other.annotators[0], study.admin):
        stolen = Work(actor, work.assignment_id, work.annotation_id, work.volume_sha256)
        for attempt in (
            partial(studies.open_work, database, actor, work.assignment_id),
            partial(studies.save, database, stolen, studies.piece("b", 1), revision=1),
            partial(studies.submit, database, stolen, revision=1),
        ):
            with pytest.raises(NotFound) as caught:
                attempt()
            assert caught.value.code is ErrorCode.NOT_FOUND
        with database.write() as session, pytest.raises(NotFound):
            annotations.reopen(session, actor, annotation_id=work.annotation_id)
    for actor in (bob, other.admin):
        with database.read() as session, pytest.raises(NotFound):
            visible_annotation(session, actor, work.annotation_id)
    with database.read() as session:
        assert session.get_one(Annotation, work.annotation_id).revision == 1
