"""Handing in, reopening, and what late work becomes."""

from functools import partial

import pytest
import sqlalchemy as sa

from crowdmask.annotations import service
from crowdmask.annotations.errors import NotComplete, RevisionStale
from crowdmask.assignments.service import claim, renew, take_back
from crowdmask.core.errors import Conflict, ErrorCode, PreconditionMissing
from crowdmask.core.lifecycle import AnnotationState, AssignmentState, JobState
from crowdmask.core.operations import AddTrack, MarkAbsent, SetLabelRange
from crowdmask.core.tracks import BoxSource, Gap, GapKind, Keyframe
from crowdmask.infra.db import Database, now
from crowdmask.models import Annotation, Assignment, Job, JobKind, Queue, Task
from tests import studies
from tests.studies import Study, Work


def _annotation(database: Database, work: Work) -> Annotation:
    with database.read() as session:
        return session.get_one(Annotation, work.annotation_id)


def _jobs(database: Database) -> list[Job]:
    with database.read() as session:
        return list(session.scalars(sa.select(Job).order_by(Job.created_at)))


def _reopen(database: Database, work: Work) -> None:
    with database.write() as session:
        service.reopen(session, work.actor, annotation_id=work.annotation_id)


def test_submitting_freezes_the_revision_and_asks_for_one_mask_however_often_it_is_sent(
    database: Database,
) -> None:
    study = studies.make_study(database)
    work = studies.begin(database, study, study.annotators[0])
    revision = studies.box_slices_1_and_2(database, work).revision
    outcomes = studies.at_once([partial(studies.submit, database, work, revision=revision)] * 6)
    assert outcomes == [None] * 6
    annotation = _annotation(database, work)
    assert (annotation.state, annotation.submitted_revision) == (AnnotationState.SUBMITTED, revision)
    assert annotation.submitted_at is not None
    assert studies.stored(database, work.assignment_id).state is AssignmentState.SUBMITTED
    (job,) = _jobs(database)
    assert (job.kind, job.queue) == (JobKind.SEGMENT, Queue.GPU)
    assert job.idem_key == f"segment:{work.annotation_id}:{revision}"
    assert job.payload == {"annotation_id": str(work.annotation_id), "revision": revision}


def test_an_incomplete_annotation_is_refused_and_its_gaps_are_named(database: Database) -> None:
    study = studies.make_study(database)
    work = studies.begin(database, study, study.annotators[0])
    drawn = studies.piece("a", 1).keyframes[1]
    guessed = Keyframe(drawn.box, BoxSource.PROPAGATED)
    studies.save(database, work, AddTrack("a", 1, 2, {1: drawn, 2: guessed}), MarkAbsent(0, 0), revision=0)
    with pytest.raises(NotComplete, match="slice 2 suggested, slice 3 to do") as caught:
        studies.submit(database, work, revision=1)
    assert caught.value.code is ErrorCode.NOT_COMPLETE
    assert caught.value.gaps == (Gap(GapKind.SUGGESTED, 2, 2), Gap(GapKind.TODO, 3, 3))
    assert _annotation(database, work).state is AnnotationState.OPEN
    assert _jobs(database) == []


def test_submitting_needs_the_revision_that_is_stored(database: Database) -> None:
    study = studies.make_study(database)
    work = studies.begin(database, study, study.annotators[0])
    studies.box_slices_1_and_2(database, work)
    with pytest.raises(RevisionStale) as caught:
        studies.submit(database, work, revision=0)
    assert caught.value.current_revision == 1
    with database.write() as session, pytest.raises(PreconditionMissing):
        service.submit(session, work.actor, annotation_id=work.annotation_id, revision=None)


def test_not_in_this_volume_is_submitted_like_any_answer(database: Database) -> None:
    study = studies.make_study(database)
    work = studies.begin(database, study, study.annotators[0])
    studies.answer_absent(database, work)
    assert _annotation(database, work).not_in_volume
    assert len(_jobs(database)) == 1


def test_marks_on_every_slice_ask_for_one_more_person_as_the_one_answer_does(database: Database) -> None:
    study = studies.make_study(database, people=2)
    work = studies.begin(database, study, study.annotators[0])
    studies.save(database, work, MarkAbsent(0, 1), MarkAbsent(2, 3), revision=0)
    studies.submit(database, work, revision=1)
    assert _annotation(database, work).not_in_volume
    assert studies.claim(database, study, study.annotators[1]) is not None


@pytest.mark.parametrize("reopened", [False, True])
@pytest.mark.parametrize("ended", [JobState.DEAD, JobState.CANCELLED])
def test_submitting_again_asks_anew_for_a_mask_whose_job_ended_without_one(
    database: Database, ended: JobState, reopened: bool
) -> None:
    study = studies.make_study(database)
    work = studies.begin(database, study, study.annotators[0])
    studies.box_slices_1_and_2(database, work)
    studies.submit(database, work, revision=1)
    with database.write() as session:
        session.execute(sa.update(Job).values(state=ended, attempt=5, error_code="internal"))
    if reopened:
        _reopen(database, work)
    studies.submit(database, work, revision=1)
    (job,) = _jobs(database)
    assert (job.state, job.attempt, job.error_code) == (JobState.QUEUED, 0, None)
    assert _annotation(database, work).state is AnnotationState.SUBMITTED


@pytest.mark.parametrize("state", [JobState.QUEUED, JobState.RUNNING, JobState.DONE])
def test_submitting_again_leaves_a_job_that_is_under_way_or_done(database: Database, state: JobState) -> None:
    study = studies.make_study(database)
    work = studies.begin(database, study, study.annotators[0])
    studies.box_slices_1_and_2(database, work)
    studies.submit(database, work, revision=1)
    held = (
        {"lease_owner": "worker", "lease_until": now(30)}
        if state is JobState.RUNNING
        else {"lease_owner": None, "lease_until": None}
    )
    with database.write() as session:
        session.execute(sa.update(Job).values(state=state, attempt=1, **held))
    studies.submit(database, work, revision=1)
    (job,) = _jobs(database)
    assert (job.state, job.attempt) == (state, 1)


def test_a_reopened_annotation_holds_its_slot_and_is_submitted_again_for_a_new_mask(
    database: Database,
) -> None:
    study = studies.make_study(database, people=2)
    ada, bob = study.annotators
    work = studies.begin(database, study, ada)
    studies.box_slices_1_and_2(database, work)
    studies.submit(database, work, revision=1)
    with pytest.raises(Conflict) as caught:
        studies.save(database, work, studies.piece("b", 1), revision=1)
    assert caught.value.code is ErrorCode.NOT_OPEN
    for _ in range(2):
        _reopen(database, work)
    assert _annotation(database, work).state is AnnotationState.OPEN
    assert _annotation(database, work).submitted_revision is None
    assert studies.stored(database, work.assignment_id).state is AssignmentState.RESERVED
    assert studies.claim(database, study, bob) is None
    studies.save(database, work, studies.piece("b", 1), revision=1)
    studies.submit(database, work, revision=2)
    assert [job.payload["revision"] for job in _jobs(database)] == [1, 2]


def test_what_was_accepted_can_be_neither_reopened_nor_changed(database: Database) -> None:
    study = studies.make_study(database)
    work = studies.begin(database, study, study.annotators[0])
    studies.box_slices_1_and_2(database, work)
    studies.submit(database, work, revision=1)
    with database.write() as session:
        session.get_one(Annotation, work.annotation_id).state = AnnotationState.ACCEPTED
    with pytest.raises(Conflict):
        _reopen(database, work)
    with pytest.raises(Conflict) as caught:
        studies.save(database, work, SetLabelRange(1, 1), revision=1)
    assert caught.value.code is ErrorCode.NOT_OPEN
    studies.submit(database, work, revision=1)
    assert _annotation(database, work).state is AnnotationState.ACCEPTED


def test_late_work_fills_a_slot_at_submit_when_one_is_free(database: Database) -> None:
    study = studies.make_study(database, people=2)
    ada, bob = study.annotators
    work = studies.begin(database, study, ada)
    studies.let_lease_run_out(database, work.assignment_id)
    taken = studies.claim(database, study, bob)
    assert taken is not None
    assert studies.box_slices_1_and_2(database, work).late
    with database.write() as session:
        take_back(session, study.admin, assignment_id=taken.id)
    studies.submit(database, work, revision=1)
    assert studies.stored(database, work.assignment_id).state is AssignmentState.SUBMITTED


def _late_without_slot(database: Database, study: Study) -> tuple[Work, Assignment]:
    """The first annotator submits late, without a slot; the second one's assignment holds it."""
    ada, bob = study.annotators[:2]
    work = studies.begin(database, study, ada)
    studies.let_lease_run_out(database, work.assignment_id)
    taken = studies.claim(database, study, bob)
    assert taken is not None
    studies.box_slices_1_and_2(database, work)
    studies.submit(database, work, revision=1)
    assert studies.stored(database, work.assignment_id).state is AssignmentState.EXPIRED
    return work, taken


@pytest.mark.parametrize("accepted", [False, True])
def test_late_work_submitted_again_fills_a_slot_that_became_free(database: Database, accepted: bool) -> None:
    study = studies.make_study(database, people=2)
    work, taken = _late_without_slot(database, study)
    studies.submit(database, work, revision=1)
    assert studies.stored(database, work.assignment_id).state is AssignmentState.EXPIRED
    with database.write() as session:
        take_back(session, study.admin, assignment_id=taken.id)
        if accepted:
            session.get_one(Annotation, work.annotation_id).state = AnnotationState.ACCEPTED
    studies.submit(database, work, revision=1)
    assert studies.stored(database, work.assignment_id).state is AssignmentState.SUBMITTED
    assert len(_jobs(database)) == 1


@pytest.mark.parametrize("accepted", [False, True])
def test_late_work_fills_a_free_slot_when_its_annotator_asks_for_more_and_gets_other_work(
    database: Database, accepted: bool
) -> None:
    study = studies.make_study(database, people=2, tasks=2)
    work, taken = _late_without_slot(database, study)
    with database.write() as session:
        take_back(session, study.admin, assignment_id=taken.id)
        if accepted:
            session.get_one(Annotation, work.annotation_id).state = AnnotationState.ACCEPTED
    other = studies.claim(database, study, work.actor)
    assert other is not None
    assert other.task_id == study.task_ids[1]
    assert studies.stored(database, work.assignment_id).state is AssignmentState.SUBMITTED


def test_late_work_fills_the_slot_of_a_lease_that_ran_out_and_leaves_the_annotator_without_work(
    database: Database,
) -> None:
    study = studies.make_study(database, people=2)
    work, taken = _late_without_slot(database, study)
    assert studies.claim(database, study, work.actor) is None
    assert studies.stored(database, work.assignment_id).state is AssignmentState.EXPIRED
    studies.let_lease_run_out(database, taken.id)
    assert studies.claim(database, study, work.actor) is None
    assert studies.stored(database, work.assignment_id).state is AssignmentState.SUBMITTED
    assert studies.stored(database, taken.id).state is AssignmentState.EXPIRED


def test_renewing_late_work_that_was_handed_in_fills_a_free_slot(database: Database) -> None:
    study = studies.make_study(database, people=2)
    work, taken = _late_without_slot(database, study)
    with database.write() as session:
        take_back(session, study.admin, assignment_id=taken.id)
        renewed = renew(session, work.actor, assignment_id=work.assignment_id)
        assert renewed.state is AssignmentState.SUBMITTED


def test_work_handed_in_while_its_task_was_archived_is_not_given_out_again(database: Database) -> None:
    study = studies.make_study(database)
    work = studies.begin(database, study, study.annotators[0])
    studies.box_slices_1_and_2(database, work)
    with database.write() as session:
        session.get_one(Task, study.task_ids[0]).archived_at = session.scalar(now())
    studies.submit(database, work, revision=1)
    assert studies.stored(database, work.assignment_id).state is AssignmentState.RESERVED
    with database.write() as session:
        session.get_one(Task, study.task_ids[0]).archived_at = None
    assert studies.claim(database, study, work.actor) is None
    assert studies.stored(database, work.assignment_id).state is AssignmentState.SUBMITTED


def test_asking_for_a_task_whose_submitted_work_was_taken_back_fills_a_slot_with_it(
    database: Database,
) -> None:
    study = studies.make_study(database, people=2)
    ada, bob = study.annotators
    work = studies.begin(database, study, ada)
    studies.box_slices_1_and_2(database, work)
    studies.submit(database, work, revision=1)
    with database.write() as session:
        take_back(session, study.admin, assignment_id=work.assignment_id)
    studies.submit(database, work, revision=1)  # what an admin took back comes back only when asked for
    assert studies.stored(database, work.assignment_id).state is AssignmentState.TAKEN_BACK
    with database.write() as session:
        filled = claim(session, ada, task_id=study.task_ids[0], lease_s=60)
        assert filled is not None
        assert (filled.id, filled.state) == (work.assignment_id, AssignmentState.SUBMITTED)
        take_back(session, study.admin, assignment_id=work.assignment_id)
    assert studies.claim(database, study, bob) is not None
    with database.write() as session:
        assert claim(session, ada, task_id=study.task_ids[0], lease_s=60) is None


def test_people_with_late_work_on_each_others_tasks_ask_at_once_and_nobody_waits_in_a_circle(
    database: Database,
) -> None:
    study = studies.make_study(database, people=8, tasks=8)
    works = [studies.begin(database, study, actor) for actor in study.annotators]
    for work in works:
        studies.box_slices_1_and_2(database, work)
    with database.write() as session:  # as if each had submitted after somebody else, now gone, took the slot
        session.execute(sa.update(Annotation).values(state=AnnotationState.SUBMITTED, submitted_revision=1))
        session.execute(sa.update(Assignment).values(state=AssignmentState.EXPIRED))
    for _ in range(8):  # who has other work keeps it
        with database.write() as session:
            session.execute(
                sa.update(Assignment)
                .where(Assignment.state == AssignmentState.RESERVED)
                .values(state=AssignmentState.TAKEN_BACK)
            )
        outcomes = studies.at_once([partial(studies.claim, database, study, work.actor) for work in works])
        assert [outcome for outcome in outcomes if isinstance(outcome, Exception)] == []
        states = [studies.stored(database, work.assignment_id).state for work in works]
        assert AssignmentState.RESERVED not in states


def test_late_work_without_a_free_slot_is_submitted_and_masked_but_does_not_count(database: Database) -> None:
    study = studies.make_study(database, people=2)
    ada, bob = study.annotators
    work = studies.begin(database, study, ada)
    studies.let_lease_run_out(database, work.assignment_id)
    assert studies.claim(database, study, bob) is not None
    studies.box_slices_1_and_2(database, work)
    studies.submit(database, work, revision=1)
    assert _annotation(database, work).state is AnnotationState.SUBMITTED
    assert studies.stored(database, work.assignment_id).state is AssignmentState.EXPIRED
    assert len(_jobs(database)) == 1
    _reopen(database, work)
    assert _annotation(database, work).state is AnnotationState.OPEN
    assert studies.stored(database, work.assignment_id).state is AssignmentState.EXPIRED
