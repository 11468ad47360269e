"""Sending submitted work back to its annotator, and what happens when they change it at the same moment."""

from functools import partial

import pytest
import sqlalchemy as sa

from crowdmask.accounts.actor import Actor
from crowdmask.annotations import service
from crowdmask.annotations.errors import RevisionStale
from crowdmask.core.errors import Conflict, ErrorCode, InvalidInput, NotFound
from crowdmask.core.lifecycle import AnnotationState, AssignmentState
from crowdmask.infra.db import Database, now
from crowdmask.models import Annotation, Assignment, AuditEvent, Project, Role
from tests import factories, studies
from tests.api.server import AppServer, problem
from tests.studies import Study, Work

COMMENT = "The lower end is missing."


def _submitted(database: Database, study: Study, annotator: Actor) -> Work:
    work = studies.begin(database, study, annotator)
    studies.box_slices_1_and_2(database, work)
    studies.submit(database, work, revision=1)
    return work


def _reviewer(database: Database, study: Study, role: Role = Role.REVIEWER) -> Actor:
    with database.write() as session:
        person = factories.add_account(session, name="Rita")
        factories.add_member(session, session.get_one(Project, study.project_id), person, role=role)
        return Actor(person.id)


def _send_back(
    database: Database,
    actor: Actor,
    work: Work,
    *,
    revision: int | None = 1,
    comment: str = COMMENT,
    z: int = 2,
) -> None:
    with database.write() as session:
        service.send_back(
            session, actor, annotation_id=work.annotation_id, revision=revision, comment=comment, z=z
        )


def _reopen(database: Database, work: Work) -> None:
    with database.write() as session:
        service.reopen(session, work.actor, annotation_id=work.annotation_id)


def _annotation(database: Database, work: Work) -> Annotation:
    with database.read() as session:
        return session.get_one(Annotation, work.annotation_id)


def _events(database: Database) -> int:
    with database.read() as session:
        return (
            session.scalar(
                sa.select(sa.func.count()).select_from(AuditEvent).filter_by(action="annotation_return")
            )
            or 0
        )


def test_work_that_is_sent_back_is_open_again_with_its_comment_and_reserved_for_a_week(
    database: Database,
) -> None:
    study = studies.make_study(database, people=2)
    ada, bob = study.annotators
    work = _submitted(database, study, ada)
    with database.write() as session:
        session.execute(
            sa.update(Assignment).where(Assignment.id == work.assignment_id).values(lease_until=now(-60))
        )
        before = session.scalar(sa.select(now(6.9 * 86400)))
    for _ in range(2):
        _send_back(database, _reviewer(database, study), work)
    returned = _annotation(database, work)
    assert (returned.state, returned.submitted_revision) == (AnnotationState.RETURNED, None)
    assert (returned.return_comment, returned.return_slice) == (COMMENT, 2)
    held = studies.stored(database, work.assignment_id)
    assert held.state is AssignmentState.RESERVED
    assert before is not None
    assert held.lease_until > before
    assert _events(database) == 1, "the same once more is no event"
    assert studies.claim(database, study, bob) is None, "the place is the annotator's"

    studies.save(database, work, studies.piece("b", 1), revision=1)
    assert studies.stored(database, work.assignment_id).lease_until > before, "a save does not shorten it"
    studies.submit(database, work, revision=2)
    assert _annotation(database, work).state is AnnotationState.SUBMITTED
    _send_back(database, study.admin, work, revision=2, comment="Again.", z=0)
    assert _annotation(database, work).return_comment == "Again."


def test_next_task_gives_what_was_sent_back_before_other_work(database: Database) -> None:
    study = studies.make_study(database, people=2, tasks=2)
    ada, bob = study.annotators
    first = _submitted(database, study, ada)
    second = _submitted(database, study, ada)
    _reopen(database, first)
    _send_back(database, study.admin, second)
    given = studies.claim(database, study, ada)
    assert given is not None
    assert given.id == second.assignment_id
    assert studies.claim(database, study, bob) is None


def test_only_what_was_looked_at_and_is_submitted_can_be_sent_back(database: Database) -> None:
    study = studies.make_study(database)
    work = _submitted(database, study, study.annotators[0])
    with pytest.raises(InvalidInput) as out_of_range:
        _send_back(database, study.admin, work, z=4)
    assert out_of_range.value.code is ErrorCode.SLICE_OUT_OF_RANGE
    _reopen(database, work)
    with pytest.raises(Conflict) as reopened:
        _send_back(database, study.admin, work)
    assert reopened.value.code is ErrorCode.TRANSITION_INVALID
    studies.save(database, work, studies.piece("b", 1), revision=1)
    studies.submit(database, work, revision=2)
    with pytest.raises(RevisionStale):
        _send_back(database, study.admin, work)
    assert _events(database) == 0


@pytest.mark.parametrize("role", [Role.ANNOTATOR, Role.RESEARCHER])
def test_only_admins_and_reviewers_of_the_project_send_back(database: Database, role: Role) -> None:
    study = studies.make_study(database)
    work = _submitted(database, study, study.annotators[0])
    for actor in (work.actor, _reviewer(database, study, role), studies.make_study(database).admin):
        with pytest.raises(NotFound):
            _send_back(database, actor, work)


def test_reopening_and_sending_back_at_once_leave_one_open_annotation_and_one_place(
    database: Database,
) -> None:
    study = studies.make_study(database)
    work = _submitted(database, study, study.annotators[0])
    outcomes = studies.at_once(
        [partial(_reopen, database, work), *[partial(_send_back, database, study.admin, work)] * 3]
    )
    assert all(one is None or isinstance(one, Conflict) for one in outcomes), outcomes
    left = _annotation(database, work)
    assert left.submitted_revision is None
    assert left.state in (AnnotationState.OPEN, AnnotationState.RETURNED)
    assert _events(database) == (1 if left.state is AnnotationState.RETURNED else 0)
    assert studies.stored(database, work.assignment_id).state is AssignmentState.RESERVED


def test_the_annotator_is_told_why_and_where_and_the_admins_table_says_returned(server: AppServer) -> None:
    database = server.database
    study = studies.make_study(database)
    work = _submitted(database, study, study.annotators[0])
    admin, ada = server.sign_in(study.admin), server.sign_in(work.actor)
    path = f"/api/v1/annotations/{work.annotation_id}/return"
    body = {"comment": f"  {COMMENT} ", "slice": 2}
    problem(admin.post(path, json=body), 428, "revision_missing")
    problem(
        admin.post(path, json={"comment": " ", "slice": 2}, headers={"If-Match": '"1"'}),
        422,
        "request_invalid",
    )
    answer = admin.post(path, json=body, headers={"If-Match": '"1"'})
    assert answer.status_code == 200, answer.text
    assert (answer.json()["state"], answer.json()["return_comment"]) == ("returned", COMMENT)
    (mine,) = ada.get("/api/v1/me/assignments").json()
    assert mine["state"] == "reserved"
    assert mine["work"]["state"] == "returned"
    assert (mine["work"]["return_comment"], mine["work"]["return_slice"]) == (COMMENT, 2)
    (row,) = admin.get(f"/api/v1/projects/{study.project_id}/progress").json()["items"]
    assert row["people"][0]["annotation_state"] == "returned"
    assert admin.get(f"/api/v1/projects/{study.project_id}/masks").json()["items"] == []
