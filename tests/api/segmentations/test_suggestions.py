"""Suggested boxes: asked for by who works on a task, found by the real worker, taken by a save of the person's own."""

from typing import Any

import pytest
import sqlalchemy as sa

from crowdmask.annotations.queries import document_of
from crowdmask.core.geometry import Box
from crowdmask.core.lifecycle import JobState
from crowdmask.core.operations import AddTrack, MarkAbsent, operation_from_json
from crowdmask.core.tracks import BoxSource, Keyframe, SliceState, slice_states
from crowdmask.infra.db import Database, now
from crowdmask.models import Annotation, DerivedMask, Job
from crowdmask.segmentations.derived import record_derived
from crowdmask.segmentations.suggestions import request_suggestion, suggestion
from tests import studies
from tests.studies import Study, Work

SHAPE = (10, 32, 48)
BOX = Box(4, 5, 20, 25)


@pytest.fixture
def study(database: Database) -> Study:
    return studies.make_study(database, shape=SHAPE)


@pytest.fixture
def work(database: Database, study: Study) -> Work:
    """Boxes on the slices 2, 3 and 6; 8 and 9 are without the organ."""
    work = studies.begin(database, study, study.annotators[0])
    drawn = Keyframe(BOX, BoxSource.DRAWN)
    studies.save(
        database,
        work,
        AddTrack("a", 2, 3, {2: drawn, 3: drawn}),
        AddTrack("suggested-1", 6, 6, {6: drawn}),
        MarkAbsent(8, 9),
        revision=0,
    )
    return work


def _ask(database: Database, work: Work) -> Any:
    with database.write() as session:
        return request_suggestion(
            session, work.actor, annotation_id=work.annotation_id, default_model="litemedsam"
        )


def _look(database: Database, work: Work) -> Any:
    with database.read() as session:
        return suggestion(session, work.actor, annotation_id=work.annotation_id, default_model="litemedsam")


def _found(database: Database, boxes: dict[int, tuple[Box, BoxSource]]) -> None:
    """What the worker writes down."""
    with database.write() as session:
        mask = session.scalars(sa.select(DerivedMask)).one()
        drawn = [{"slice": 2, "sources": ["drawn"], "added_boxes": []}]
        added = [
            {"slice": z, "sources": [source.value], "added_boxes": [list(box.values)]}
            for z, (box, source) in boxes.items()
        ]
        record_derived(
            session,
            derived_mask_id=mask.id,
            mask_sha256="0" * 64,
            provenance={"slices": drawn + added},
            seconds=1.0,
        )


def test_the_boxes_that_completion_adds_are_offered_and_taken_as_suggestions(
    database: Database, work: Work
) -> None:
    assert _look(database, work).state == "none"
    asked = _ask(database, work)
    assert (asked.state, asked.revision, asked.operations) == ("queued", 1, [])
    _ask(database, work)
    with database.read() as session:
        (job,) = session.scalars(sa.select(Job))
        assert job.priority == 0
        assert session.scalars(sa.select(DerivedMask.completion)).all() == ["full"]
    _found(
        database,
        {
            1: (Box(4.5, 5, 20, 25), BoxSource.PROPAGATED),
            4: (BOX, BoxSource.INTERPOLATED),
            5: (BOX, BoxSource.INTERPOLATED),
            7: (BOX, BoxSource.PROPAGATED),
        },
    )
    answer = _look(database, work)
    assert (answer.state, answer.progress) == ("done", 1.0)
    operations = [operation_from_json(one) for one in answer.operations]
    studies.save(database, work, *operations, revision=answer.revision)
    with database.read() as session:
        document = document_of(session.get_one(Annotation, work.annotation_id))
    states = slice_states(document)
    assert [z for z, state in enumerate(states) if state is SliceState.SUGGESTED] == [1, 4, 5, 7]
    assert [z for z, state in enumerate(states) if state is SliceState.UNKNOWN] == [0]
    sources = {z: track.source_at(z) for track in document.tracks for z in range(track.first, track.last + 1)}
    assert (sources[1], sources[4], sources[7]) == (
        BoxSource.PROPAGATED,
        BoxSource.INTERPOLATED,
        BoxSource.PROPAGATED,
    )


def test_what_failed_is_told_with_its_reason_and_tried_again_when_asked_again(
    database: Database, work: Work
) -> None:
    _ask(database, work)
    with database.write() as session:
        job = session.scalars(sa.select(Job)).one()
        job.state, job.error_text = JobState.DEAD, "No model."
        job.error_code, job.finished_at = "checkpoint_missing", now()
    answer = _look(database, work)
    assert (answer.state, answer.error) == ("failed", "No model.")
    assert _ask(database, work).state == "queued"


def test_where_nothing_can_follow_no_worker_is_asked(database: Database, study: Study) -> None:
    work = studies.begin(database, study, study.annotators[0])
    answer = _ask(database, work)
    assert (answer.state, answer.operations) == ("done", [])
    with database.read() as session:
        assert session.scalars(sa.select(DerivedMask)).all() == []
