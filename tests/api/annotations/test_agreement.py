"""Agreement of people about the same task, as datasets ask for it and as the table shows it."""

from uuid import UUID

import numpy as np
import pytest
import sqlalchemy as sa

from crowdmask.annotations import service as annotations
from crowdmask.annotations.agreement import TaskAgreement, agreements, answered_tasks, task_agreements
from crowdmask.core.geometry import Box
from crowdmask.core.lifecycle import AssignmentState
from crowdmask.core.operations import AddTrack, DeleteTrack, SetLabelRange
from crowdmask.core.tracks import BoxSource, Keyframe
from crowdmask.infra.db import Database
from crowdmask.models import Assignment, BoxAgreement, Task
from tests import studies
from tests.studies import Study, Work

WHOLE, HALF = Box(4, 5, 20, 25), Box(4, 5, 20, 15)


def _hand_in(database: Database, work: Work, box: Box, *, first: int = 1, last: int = 2) -> None:
    keyframes = {z: Keyframe(box, BoxSource.DRAWN) for z in range(first, last + 1)}
    answer = studies.save(
        database, work, AddTrack("a", first, last, keyframes), SetLabelRange(first, last), revision=0
    )
    studies.submit(database, work, revision=answer.revision)


def _volume(database: Database, study: Study) -> UUID:
    with database.read() as session:
        return session.scalars(sa.select(Task.volume_id).where(Task.id == study.task_ids[0])).one()


def _agreements(database: Database, study: Study) -> dict[tuple[UUID, int], float]:
    with database.read() as session:
        return agreements(session, project_id=study.project_id)


def test_agreement_is_the_mean_over_every_two_people(database: Database) -> None:
    study = studies.make_study(database, people=3, overlap=3)
    key = (_volume(database, study), 1)
    works = [studies.begin(database, study, annotator) for annotator in study.annotators]
    assert _agreements(database, study) == {}
    _hand_in(database, works[0], WHOLE)
    assert np.isnan(_agreements(database, study)[key])
    _hand_in(database, works[1], HALF)
    assert _agreements(database, study) == {key: pytest.approx(0.5)}
    _hand_in(database, works[2], WHOLE, first=2, last=2)
    assert _agreements(database, study) == {key: pytest.approx((0.5 + 1 + 0.5) / 3)}
    with database.read() as session:
        (task,) = answered_tasks(session, project_id=study.project_id)
    assert [(one.annotator.name, other.annotator.name) for one, other, _ in task.pairs] == [
        ("Annotator 0", "Annotator 1"),
        ("Annotator 0", "Annotator 2"),
        ("Annotator 1", "Annotator 2"),
    ]
    assert [found.first_difference for _, _, found in task.pairs] == [0, 1, 1]


def test_who_both_do_not_find_it_agree_and_who_differ_about_that_do_not(database: Database) -> None:
    study = studies.make_study(database, people=3, overlap=3)
    key = (_volume(database, study), 1)
    works = [studies.begin(database, study, annotator) for annotator in study.annotators]
    for work in works[:2]:
        studies.answer_absent(database, work)
    assert _agreements(database, study) == {key: 1.0}
    _hand_in(database, works[2], WHOLE)
    assert _agreements(database, study) == {key: pytest.approx(1 / 3)}


def test_late_and_open_work_is_not_compared(database: Database) -> None:
    study = studies.make_study(database, people=2, overlap=2)
    works = [studies.begin(database, study, annotator) for annotator in study.annotators]
    for work in works:
        _hand_in(database, work, WHOLE)
    with database.write() as session:
        session.get_one(Assignment, works[1].assignment_id).state = AssignmentState.TAKEN_BACK
    assert np.isnan(_agreements(database, study)[_volume(database, study), 1])
    with database.read() as session:
        (task,) = answered_tasks(session, project_id=study.project_id)
    assert task.pairs == []


def _of_task(database: Database, study: Study) -> TaskAgreement | None:
    with database.read() as session:
        return task_agreements(session, task_ids=study.task_ids).get(study.task_ids[0])


def _kept(database: Database) -> int:
    with database.read() as session:
        return session.scalars(sa.select(sa.func.count()).select_from(BoxAgreement)).one()


def test_submitting_keeps_the_agreement_with_every_other_one_of_the_task(database: Database) -> None:
    study = studies.make_study(database, people=3, overlap=3)
    works = [studies.begin(database, study, annotator) for annotator in study.annotators]
    for work, box, pairs in zip(works, (WHOLE, HALF, WHOLE), (0, 1, 3), strict=True):
        _hand_in(database, work, box)
        assert _kept(database) == pairs
    assert _of_task(database, study) == TaskAgreement(pytest.approx(0.5), 3)
    with database.write() as session:  # as work of the version before, of which nothing was kept
        session.execute(sa.delete(BoxAgreement))
    assert _of_task(database, study) == TaskAgreement(pytest.approx(0.5), 3)


def test_work_that_was_changed_and_submitted_again_has_the_agreement_of_its_new_boxes(
    database: Database,
) -> None:
    study = studies.make_study(database, people=2, overlap=2)
    works = [studies.begin(database, study, annotator) for annotator in study.annotators]
    for work, box in zip(works, (WHOLE, HALF), strict=True):
        _hand_in(database, work, box)
    with database.write() as session:
        annotations.reopen(session, works[1].actor, annotation_id=works[1].annotation_id)
    assert _of_task(database, study) is None
    keyframes = {z: Keyframe(WHOLE, BoxSource.DRAWN) for z in (1, 2)}
    answer = studies.save(database, works[1], DeleteTrack("a"), AddTrack("b", 1, 2, keyframes), revision=1)
    studies.submit(database, works[1], revision=answer.revision)
    assert _of_task(database, study) == TaskAgreement(1.0, 1)
    assert _kept(database) == 1
