"""Saving: revisions, retries, and the log that the document is the sum of."""

from functools import partial

import numpy as np
import pytest
import sqlalchemy as sa

from crowdmask.annotations import service
from crowdmask.annotations.errors import RevisionStale
from crowdmask.annotations.queries import batches, document_at, document_of, visible_annotation
from crowdmask.annotations.service import SaveAnswer
from crowdmask.core.errors import ErrorCode, InvalidInput, NotFound
from crowdmask.core.geometry import Box
from crowdmask.core.operations import (
    AddTrack,
    ClearAbsent,
    Confirm,
    DeleteKeyframe,
    DeleteTrack,
    MarkAbsent,
    MarkNotInVolume,
    Operation,
    SetKeyframe,
    SetLabelRange,
    SetTrackRange,
    apply_all,
)
from crowdmask.core.tracks import AnnotationDocument, BoxSource, Keyframe, empty_document
from crowdmask.infra.db import Database
from crowdmask.models import Annotation, Membership, OperationBatch, Role
from tests import factories, studies
from tests.studies import Work


def _annotation(database: Database, work: Work) -> Annotation:
    with database.read() as session:
        return visible_annotation(session, work.actor, work.annotation_id)


def _document(database: Database, work: Work) -> AnnotationDocument:
    return document_of(_annotation(database, work))


def _log(database: Database, work: Work) -> list[OperationBatch]:
    with database.read() as session:
        return list(
            session.scalars(
                sa.select(OperationBatch)
                .where(OperationBatch.annotation_id == work.annotation_id)
                .order_by(OperationBatch.revision)
            )
        )


def test_the_first_opening_makes_an_empty_annotation_and_later_ones_find_it(database: Database) -> None:
    study = studies.make_study(database)
    work = studies.begin(database, study, study.annotators[0])
    assert _document(database, work) == empty_document(factories.SHAPE)
    assert studies.open_work(database, work.actor, work.assignment_id) == work


def test_an_annotation_opened_in_many_tabs_at_once_is_one(database: Database) -> None:
    study = studies.make_study(database)
    (ada,) = study.annotators
    assignment = studies.claim(database, study, ada)
    assert assignment is not None
    outcomes = studies.at_once([partial(studies.open_work, database, ada, assignment.id)] * 8)
    assert len(set(outcomes)) == 1
    assert isinstance(outcomes[0], Work)


def test_a_save_makes_the_next_revision_and_renews_the_lease(database: Database) -> None:
    study = studies.make_study(database)
    work = studies.begin(database, study, study.annotators[0])
    before = studies.stored(database, work.assignment_id).lease_until
    answer = studies.save(database, work, studies.piece("a", 1), revision=0)
    after = studies.stored(database, work.assignment_id).lease_until
    assert answer == SaveAnswer(revision=1, late=False, lease_until=after)
    assert after > before
    assert _document(database, work) == apply_all(empty_document(factories.SHAPE), [studies.piece("a", 1)])


def test_a_batch_of_which_one_operation_is_wrong_changes_nothing_and_names_it(database: Database) -> None:
    study = studies.make_study(database)
    work = studies.begin(database, study, study.annotators[0])
    lease = studies.stored(database, work.assignment_id).lease_until
    with pytest.raises(InvalidInput, match=r"operations\[1\]") as caught:
        studies.save(database, work, studies.piece("a", 1), Confirm("b", 1, 1), revision=0)
    assert caught.value.code is ErrorCode.TRACK_UNKNOWN
    assert _annotation(database, work).revision == 0
    assert _document(database, work) == empty_document(factories.SHAPE)
    assert _log(database, work) == []
    assert studies.stored(database, work.assignment_id).lease_until == lease


def test_the_document_is_the_fold_of_its_log_at_every_revision(database: Database) -> None:
    study = studies.make_study(database)
    work = studies.begin(database, study, study.annotators[0])
    rng = np.random.default_rng(7)
    states, refused = [empty_document(factories.SHAPE)], 0
    while len(states) <= 40:
        operations = [_some_operation(rng) for _ in range(int(rng.integers(1, 4)))]
        try:
            studies.save(database, work, *operations, revision=len(states) - 1)
        except InvalidInput:
            refused += 1
        else:
            states.append(_document(database, work))
    assert refused > 0
    with database.read() as session:
        annotation = session.get_one(Annotation, work.annotation_id)
        log = batches(session, work.annotation_id)
        assert [batch.revision for batch in log] == list(range(1, 41))
        assert annotation.not_in_volume == states[-1].absent_everywhere
        for revision, state in enumerate(states):
            assert document_at(session, annotation, revision) == state
            folded = states[0]
            for batch in log[:revision]:
                folded = apply_all(folded, batch.operations)
            assert folded.to_json() == state.to_json()
        with pytest.raises(NotFound):
            document_at(session, annotation, 41)


def _some_operation(rng: np.random.Generator) -> Operation:
    """An operation that often fits and sometimes does not."""
    track = "abc"[rng.integers(3)]
    first, last = sorted(int(z) for z in rng.integers(0, factories.SHAPE[0], 2))
    x0, y0 = (float(edge) for edge in rng.integers(0, 20, 2))
    box = Box(x0, y0, x0 + float(rng.integers(1, 20)), y0 + float(rng.integers(1, 14)))
    choices: list[Operation] = [
        AddTrack(track, first, last, {first: Keyframe(box, BoxSource.DRAWN)}),
        AddTrack(track, first, last, {last: Keyframe(box, BoxSource.COPIED)}),
        SetKeyframe(track, first, box, BoxSource.EDITED),
        SetKeyframe(track, last, box, BoxSource.DRAWN),
        DeleteKeyframe(track, first),
        DeleteTrack(track),
        SetTrackRange(track, first, last),
        SetLabelRange(first, last),
        MarkAbsent(first, first),
        ClearAbsent(first, last),
        Confirm(track, first, first),
        MarkNotInVolume(),
    ]
    return choices[rng.integers(len(choices))]


def test_savers_who_all_hold_the_same_revision_make_one_chain_and_lose_nothing(database: Database) -> None:
    """Eight tabs each add their own piece; who is stale takes up what changed and sends again."""
    study = studies.make_study(database)
    work = studies.begin(database, study, study.annotators[0])

    def add(track: str) -> int:
        revision, attempts = 0, 0
        while True:
            attempts += 1
            try:
                studies.save(database, work, studies.piece(track, 1), revision=revision)
            except RevisionStale as stale:
                revision += len(stale.since)  # taken up one by one
            else:
                return attempts

    names = [f"tab{n}" for n in range(8)]
    outcomes = studies.at_once([partial(add, name) for name in names])
    assert all(isinstance(outcome, int) for outcome in outcomes), outcomes
    assert sorted(track.id for track in _document(database, work).tracks) == names
    assert [row.revision for row in _log(database, work)] == list(range(1, 9))


def test_people_who_save_at_once_do_not_disturb_each_other(database: Database) -> None:
    study = studies.make_study(database, people=12, tasks=12)
    works = [studies.begin(database, study, actor) for actor in study.annotators]

    def save_thrice(work: Work) -> int:
        for revision in range(3):
            studies.save(database, work, studies.piece(f"t{revision}", revision), revision=revision)
        return _annotation(database, work).revision

    assert studies.at_once([partial(save_thrice, work) for work in works]) == [3] * 12


@pytest.mark.parametrize("key", ["", " ", "x" * 201, "a\nb", "ä"])
def test_an_unusable_idempotency_key_is_refused(database: Database, key: str) -> None:
    study = studies.make_study(database)
    work = studies.begin(database, study, study.annotators[0])
    with pytest.raises(InvalidInput), database.write() as session:
        service.save(
            session,
            work.actor,
            annotation_id=work.annotation_id,
            revision=0,
            idempotency_key=key,
            volume_sha256=work.volume_sha256,
            operations=[studies.piece("a", 1)],
        )


def test_one_key_may_be_used_in_two_annotations(database: Database) -> None:
    study = studies.make_study(database, people=2, tasks=2)
    for actor in study.annotators:
        work = studies.begin(database, study, actor)
        assert studies.save(database, work, studies.piece("a", 1), revision=0, key="one").revision == 1


@pytest.mark.parametrize("n_operations", [0, 1001])
def test_a_batch_of_nothing_or_of_too_much_is_refused(database: Database, n_operations: int) -> None:
    study = studies.make_study(database)
    work = studies.begin(database, study, study.annotators[0])
    with pytest.raises(InvalidInput) as caught:
        studies.save(database, work, *[ClearAbsent(0, 0)] * n_operations, revision=0)
    assert caught.value.code is ErrorCode.OPERATION_INVALID


def test_an_annotation_is_seen_by_its_owner_and_by_those_who_judge_it(database: Database) -> None:
    study, other = studies.make_study(database, people=2), studies.make_study(database)
    ada, bob = study.annotators
    work = studies.begin(database, study, ada)

    def sees() -> bool:
        try:
            with database.read() as session:
                visible_annotation(session, bob, work.annotation_id)
        except NotFound:
            return False
        return True

    assert not sees()
    for role, visible in ((Role.REVIEWER, True), (Role.RESEARCHER, True), (Role.ADMIN, True)):
        with database.write() as session:
            session.execute(
                sa.update(Membership).where(Membership.account_id == bob.account_id).values(role=role)
            )
        assert sees() is visible
    with database.read() as session, pytest.raises(NotFound):
        visible_annotation(session, other.admin, work.annotation_id)
