"""Getting, keeping and losing a slot."""

import pytest
import sqlalchemy as sa

from crowdmask.accounts.actor import Actor
from crowdmask.assignments import service
from crowdmask.core.errors import Conflict, ErrorCode, NotAllowed, NotFound
from crowdmask.core.ids import new_id
from crowdmask.core.lifecycle import AssignmentState, VolumeState
from crowdmask.infra.db import Database, now
from crowdmask.models import Assignment, Label, Membership, Project, Role, Task, Volume
from tests import factories, studies


def test_the_next_task_is_reserved_by_the_database_clock_and_given_again_until_it_is_submitted(
    database: Database,
) -> None:
    study = studies.make_study(database, tasks=2)
    (ada,) = study.annotators
    first = studies.claim(database, study, ada)
    assert first is not None
    assert (first.task_id, first.slot, first.state) == (study.task_ids[0], 0, AssignmentState.RESERVED)
    with database.read() as session:
        remaining = first.lease_until - session.scalars(sa.select(now())).one()
    assert 3500 < remaining.total_seconds() <= 3600
    again = studies.claim(database, study, ada)
    assert again is not None
    assert again.id == first.id
    assert again.lease_until >= first.lease_until
    work = studies.open_work(database, ada, first.id)
    studies.submit(database, work, revision=studies.box_slices_1_and_2(database, work).revision)
    second = studies.claim(database, study, ada)
    assert second is not None
    assert second.task_id == study.task_ids[1]


def test_tasks_of_a_lower_priority_number_come_first(database: Database) -> None:
    study = studies.make_study(database, tasks=3)
    with database.write() as session:
        session.get_one(Task, study.task_ids[2]).priority = -1
    assignment = studies.claim(database, study, study.annotators[0])
    assert assignment is not None
    assert assignment.task_id == study.task_ids[2]


def test_nobody_gets_two_slots_of_one_task(database: Database) -> None:
    study = studies.make_study(database, overlap=2)
    work = studies.begin(database, study, study.annotators[0])
    studies.submit(database, work, revision=studies.box_slices_1_and_2(database, work).revision)
    assert studies.claim(database, study, study.annotators[0]) is None
    with database.write() as session, pytest.raises(Conflict) as caught:
        service.claim(session, study.annotators[0], task_id=study.task_ids[0], lease_s=60)
    assert caught.value.code is ErrorCode.NOT_OPEN


def test_work_that_cannot_be_done_is_not_given_out(database: Database) -> None:
    study = studies.make_study(database)
    (ada,) = study.annotators
    with database.read() as session:
        task = session.get_one(Task, study.task_ids[0])
        then = task.created_at
    for model, key, column, hindrance, normal in (
        (Volume, task.volume_id, "state", VolumeState.INGESTING, VolumeState.READY),
        (Task, task.id, "archived_at", then, None),
        (Label, task.label_id, "deleted_at", then, None),
        (Project, study.project_id, "archived_at", then, None),
    ):
        with database.write() as session:
            setattr(session.get_one(model, key), column, hindrance)
        assert studies.claim(database, study, ada) is None
        with database.write() as session:
            assert service.claim(session, ada, task_id=task.id, lease_s=60) is None
            setattr(session.get_one(model, key), column, normal)
    assert studies.claim(database, study, ada) is not None


def test_a_lease_that_ran_out_frees_its_slot_for_others_and_only_then(database: Database) -> None:
    study = studies.make_study(database, people=2)
    ada, bob = study.annotators
    lost = studies.claim(database, study, ada)
    assert lost is not None
    assert studies.claim(database, study, bob) is None
    studies.let_lease_run_out(database, lost.id)
    assert studies.stored(database, lost.id).state is AssignmentState.RESERVED
    taken = studies.claim(database, study, bob)
    assert taken is not None
    assert (taken.task_id, taken.slot) == (lost.task_id, lost.slot)
    assert studies.stored(database, lost.id).state is AssignmentState.EXPIRED
    assert studies.claim(database, study, ada) is None
    with database.write() as session:
        assert service.renew(session, ada, assignment_id=lost.id).state is AssignmentState.EXPIRED


def test_who_comes_back_before_anybody_took_the_slot_has_it_again(database: Database) -> None:
    study = studies.make_study(database)
    (ada,) = study.annotators
    first = studies.claim(database, study, ada)
    assert first is not None
    studies.let_lease_run_out(database, first.id)
    with database.write() as session:
        renewed = service.renew(session, ada, assignment_id=first.id)
        assert renewed.state is AssignmentState.RESERVED
        assert renewed.lease_until > session.scalars(sa.select(now())).one()


def test_an_expired_assignment_is_revived_with_a_free_slot_instead_of_a_new_task(database: Database) -> None:
    study = studies.make_study(database, people=3, overlap=2, tasks=2)
    ada, bob, eve = study.annotators
    lost = studies.claim(database, study, ada)
    assert lost is not None
    studies.let_lease_run_out(database, lost.id)
    taken = studies.claim(database, study, bob)  # takes slot 0 of the same task
    assert taken is not None
    assert (taken.task_id, taken.slot) == (lost.task_id, 0)
    revived = studies.claim(database, study, ada)
    assert revived is not None
    assert (revived.id, revived.slot, revived.state) == (lost.id, 1, AssignmentState.RESERVED)
    other = studies.claim(database, study, eve)
    assert other is not None
    assert other.task_id == study.task_ids[1]


def test_a_chosen_task_is_granted_while_it_has_a_slot(database: Database) -> None:
    study = studies.make_study(database, people=2, tasks=2)
    ada, bob = study.annotators
    with database.write() as session:
        chosen = service.claim(session, ada, task_id=study.task_ids[1], lease_s=60)
        assert chosen is not None
        assert (chosen.task_id, chosen.lease_s) == (study.task_ids[1], 60)
    with database.write() as session:
        again = service.claim(session, ada, task_id=study.task_ids[1], lease_s=60)
        assert again is not None
        assert again.id == chosen.id
        assert service.claim(session, bob, task_id=study.task_ids[1], lease_s=60) is None
    # What is reserved comes before anything new.
    following = studies.claim(database, study, ada)
    assert following is not None
    assert following.id == chosen.id


def test_what_was_taken_back_goes_to_others_and_comes_back_only_when_asked_for(database: Database) -> None:
    study = studies.make_study(database, people=2)
    ada, bob = study.annotators
    first = studies.claim(database, study, ada)
    assert first is not None
    with database.write() as session:
        for _ in range(2):
            taken = service.take_back(session, study.admin, assignment_id=first.id)
            assert taken.state is AssignmentState.TAKEN_BACK
    assert studies.claim(database, study, ada) is None
    with database.write() as session:
        assert service.renew(session, ada, assignment_id=first.id).state is AssignmentState.TAKEN_BACK
    with database.write() as session:
        revived = service.claim(session, ada, task_id=study.task_ids[0], lease_s=60)
        assert revived is not None
        assert (revived.id, revived.state) == (first.id, AssignmentState.RESERVED)
        service.take_back(session, study.admin, assignment_id=first.id)
    assert studies.claim(database, study, bob) is not None
    with database.write() as session:
        assert service.claim(session, ada, task_id=study.task_ids[0], lease_s=60) is None


def test_only_an_admin_of_the_project_takes_back(database: Database) -> None:
    study, other = studies.make_study(database, people=2), studies.make_study(database)
    assignment = studies.claim(database, study, study.annotators[0])
    assert assignment is not None
    for actor in (*study.annotators, other.admin):
        with database.write() as session, pytest.raises(NotFound):
            service.take_back(session, actor, assignment_id=assignment.id)
    assert studies.stored(database, assignment.id).state is AssignmentState.RESERVED


def test_researchers_only_look_and_strangers_see_nothing(database: Database) -> None:
    study = studies.make_study(database)
    (ada,) = study.annotators
    with database.write() as session:
        session.execute(
            sa.update(Membership).where(Membership.account_id == ada.account_id).values(role=Role.RESEARCHER)
        )
        for actor, refusal in ((ada, NotAllowed), (Actor(new_id()), NotFound)):
            with pytest.raises(refusal):
                service.claim_next(session, actor, project_id=study.project_id, lease_s=60)
            with pytest.raises(refusal):
                service.claim(session, actor, task_id=study.task_ids[0], lease_s=60)


def test_somebody_elses_assignment_cannot_be_renewed(database: Database) -> None:
    study = studies.make_study(database, people=2)
    assignment = studies.claim(database, study, study.annotators[0])
    assert assignment is not None
    with database.write() as session, pytest.raises(NotFound):
        service.renew(session, study.annotators[1], assignment_id=assignment.id)


def test_the_index_refuses_a_second_holder_of_a_slot(database: Database) -> None:
    study = studies.make_study(database)
    assignment = studies.claim(database, study, study.annotators[0])
    assert assignment is not None
    with database.write() as session:
        task = session.get_one(Task, assignment.task_id)
        account = factories.add_account(session)
        with pytest.raises(sa.exc.IntegrityError), session.begin_nested():
            factories.add_assignment(session, task, account, slot=0)
        factories.add_assignment(session, task, account, slot=0, state=AssignmentState.EXPIRED)
        assert session.scalar(sa.select(sa.func.count()).select_from(Assignment)) == 2
