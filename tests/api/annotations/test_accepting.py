"""Accepting submitted work: what a reviewer has accepted stays as it is, until a reviewer sends it back."""

from functools import partial

import pytest
import sqlalchemy as sa

from crowdmask.accounts.actor import Actor
from crowdmask.annotations import service
from crowdmask.annotations.errors import RevisionStale
from crowdmask.core.errors import Conflict, ErrorCode, NotFound, PreconditionMissing
from crowdmask.core.lifecycle import AnnotationState, AssignmentState
from crowdmask.infra.db import Database
from crowdmask.models import Annotation, AuditEvent, Project, Role
from tests import factories, studies
from tests.api.server import AppServer
from tests.studies import Study, Work


def _submitted(database: Database, study: Study) -> Work:
    work = studies.begin(database, study, study.annotators[0])
    studies.box_slices_1_and_2(database, work)
    studies.submit(database, work, revision=1)
    return work


def _member(database: Database, study: Study, role: Role) -> Actor:
    with database.write() as session:
        person = factories.add_account(session, name=role.value)
        factories.add_member(session, session.get_one(Project, study.project_id), person, role=role)
        return Actor(person.id)


def _accept(database: Database, actor: Actor, work: Work, *, revision: int | None = 1) -> None:
    with database.write() as session:
        service.accept(session, actor, annotation_id=work.annotation_id, revision=revision)


def _send_back(database: Database, actor: Actor, work: Work) -> None:
    with database.write() as session:
        service.send_back(
            session, actor, annotation_id=work.annotation_id, revision=1, comment="Look again.", z=0
        )


def _reopen(database: Database, work: Work) -> None:
    with database.write() as session:
        service.reopen(session, work.actor, annotation_id=work.annotation_id)


def _state(database: Database, work: Work) -> AnnotationState:
    with database.read() as session:
        return session.get_one(Annotation, work.annotation_id).state


def _events(database: Database) -> int:
    with database.read() as session:
        counted = sa.select(sa.func.count()).select_from(AuditEvent).filter_by(action="annotation_accept")
        return session.scalars(counted).one()


def test_accepted_work_stays_as_it_is_until_it_is_sent_back(database: Database) -> None:
    study = studies.make_study(database)
    work = _submitted(database, study)
    reviewer = _member(database, study, Role.REVIEWER)
    for _ in range(2):
        _accept(database, reviewer, work)
    assert (_state(database, work), _events(database)) == (AnnotationState.ACCEPTED, 1)
    with pytest.raises(Conflict) as refused:
        _reopen(database, work)
    assert refused.value.code is ErrorCode.TRANSITION_INVALID
    _send_back(database, study.admin, work)
    assert _state(database, work) is AnnotationState.RETURNED
    assert studies.stored(database, work.assignment_id).state is AssignmentState.RESERVED
    studies.save(database, work, studies.piece("b", 1), revision=1)
    studies.submit(database, work, revision=2)
    _accept(database, study.admin, work, revision=2)
    assert (_state(database, work), _events(database)) == (AnnotationState.ACCEPTED, 2)


def test_only_what_was_looked_at_and_is_submitted_can_be_accepted(database: Database) -> None:
    study = studies.make_study(database)
    work = _submitted(database, study)
    with pytest.raises(PreconditionMissing):
        _accept(database, study.admin, work, revision=None)
    _reopen(database, work)
    with pytest.raises(Conflict) as reopened:
        _accept(database, study.admin, work)
    assert reopened.value.code is ErrorCode.TRANSITION_INVALID
    studies.save(database, work, studies.piece("b", 1), revision=1)
    studies.submit(database, work, revision=2)
    with pytest.raises(RevisionStale):
        _accept(database, study.admin, work)
    assert _events(database) == 0


@pytest.mark.parametrize("role", [Role.ANNOTATOR, Role.RESEARCHER])
def test_only_admins_and_reviewers_of_the_project_accept(database: Database, role: Role) -> None:
    study = studies.make_study(database)
    work = _submitted(database, study)
    for actor in (work.actor, _member(database, study, role), studies.make_study(database).admin):
        with pytest.raises(NotFound):
            _accept(database, actor, work)


def test_accepting_reopening_and_sending_back_at_once_leave_one_state(database: Database) -> None:
    study = studies.make_study(database)
    work = _submitted(database, study)
    outcomes = studies.at_once(
        [
            partial(_accept, database, study.admin, work),
            partial(_reopen, database, work),
            partial(_send_back, database, study.admin, work),
        ]
    )
    assert all(one is None or isinstance(one, Conflict) for one in outcomes), outcomes
    held = studies.stored(database, work.assignment_id).state
    accepted = _state(database, work) is AnnotationState.ACCEPTED
    assert held is (AssignmentState.SUBMITTED if accepted else AssignmentState.RESERVED)


def test_the_table_the_masks_and_the_annotator_are_told_that_work_was_accepted(server: AppServer) -> None:
    database = server.database
    study = studies.make_study(database)
    work = _submitted(database, study)
    admin, ada = server.sign_in(study.admin), server.sign_in(work.actor)
    answer = admin.post(f"/api/v1/annotations/{work.annotation_id}/accept", headers={"If-Match": '"1"'})
    assert (answer.status_code, answer.json()["state"]) == (200, "accepted")
    (row,) = admin.get(f"/api/v1/projects/{study.project_id}/progress").json()["items"]
    assert row["people"][0]["annotation_state"] == "accepted"
    (mine,) = ada.get("/api/v1/me/assignments").json()
    assert (mine["state"], mine["work"]["state"]) == ("submitted", "accepted")
