"""Making tasks and seeing how far they are."""

import pytest

from crowdmask.accounts.actor import Actor
from crowdmask.assignments.queries import task_overview
from crowdmask.assignments.service import create_tasks
from crowdmask.core.distribution import TaskProgress
from crowdmask.core.errors import Conflict, ErrorCode, NotAllowed, NotFound
from crowdmask.core.ids import new_id
from crowdmask.core.lifecycle import TaskState, VolumeState
from crowdmask.infra.db import Database, now
from crowdmask.models import Role, Task
from tests import factories, studies


def test_tasks_are_made_once_per_volume_and_label_however_often_they_are_asked_for(
    database: Database,
) -> None:
    with database.write() as session:
        admin = factories.add_account(session)
        project = factories.add_project(session, admin, overlap=2)
        volumes = [factories.add_volume(session, project).id for _ in range(2)]
        actor = Actor(admin.id)
        first = create_tasks(
            session, actor, project_id=project.id, volume_ids=volumes[:1], label_indices=[1, 2]
        )
        again = create_tasks(
            session, actor, project_id=project.id, volume_ids=volumes, label_indices=[2, 1, 1], overlap=5
        )
    assert [task.overlap for task in first] == [2, 2]
    assert [task.volume_id for task in again] == [volumes[0]] * 2 + [volumes[1]] * 2
    assert {task.id for task in again[:2]} == {task.id for task in first}
    assert [task.overlap for task in again] == [2, 2, 5, 5]
    with database.read() as session:
        assert len(task_overview(session, actor, project_id=project.id)) == 4


def test_tasks_are_made_only_by_an_admin_from_usable_volumes_and_labels_of_the_project(
    database: Database,
) -> None:
    with database.write() as session:
        admin, other = factories.add_account(session), factories.add_account(session)
        project = factories.add_project(session, admin)
        factories.add_member(session, project, other, role=Role.REVIEWER)
        foreign = factories.add_volume(session, factories.add_project(session, other))
        volume = factories.add_volume(session, project)
        quarantined = factories.add_volume(session, project, state=VolumeState.QUARANTINED)
        factories.label_of(session, project, 5).deleted_at = volume.created_at
        session.flush()
        for actor_id, volume_id, label_index, refusal in (
            (other.id, volume.id, 1, NotAllowed),
            (new_id(), volume.id, 1, NotFound),
            (admin.id, foreign.id, 1, NotFound),
            (admin.id, volume.id, 6, NotFound),
            (admin.id, volume.id, 5, NotFound),
            (admin.id, quarantined.id, 1, Conflict),
        ):
            with pytest.raises(refusal):
                create_tasks(
                    session,
                    Actor(actor_id),
                    project_id=project.id,
                    volume_ids=[volume_id],
                    label_indices=[label_index],
                )
        assert task_overview(session, Actor(admin.id), project_id=project.id) == []


def test_progress_counts_people_and_is_seen_by_members_only(database: Database) -> None:
    study = studies.make_study(database, people=3, overlap=2)
    done = studies.begin(database, study, study.annotators[0])
    studies.submit(database, done, revision=studies.box_slices_1_and_2(database, done).revision)
    studies.begin(database, study, study.annotators[1])
    with database.read() as session:
        (task,) = task_overview(session, study.annotators[2], project_id=study.project_id)
        assert (task.label_index, task.reserved) == (1, 1)
        assert task.progress == TaskProgress(TaskState.OPEN, submitted=1, needed=2)
        assert task_overview(session, Actor(new_id()), project_id=study.project_id) == []


def test_a_task_is_complete_when_enough_people_submitted_and_archived_when_it_was_put_away(
    database: Database,
) -> None:
    study = studies.make_study(database)
    work = studies.begin(database, study, study.annotators[0])
    studies.submit(database, work, revision=studies.box_slices_1_and_2(database, work).revision)

    def state() -> TaskState:
        with database.read() as session:
            return task_overview(session, study.admin, project_id=study.project_id)[0].progress.state

    assert state() is TaskState.COMPLETE
    with database.write() as session:
        session.get_one(Task, study.task_ids[0]).archived_at = session.scalar(now())
    assert state() is TaskState.ARCHIVED


def test_an_answer_that_the_organ_is_not_there_asks_for_one_more_person(database: Database) -> None:
    study = studies.make_study(database, people=3)
    studies.answer_absent(database, studies.begin(database, study, study.annotators[0]))
    with database.read() as session:
        (task,) = task_overview(session, study.admin, project_id=study.project_id)
    assert task.progress == TaskProgress(TaskState.OPEN, submitted=1, needed=2)
    studies.answer_absent(database, studies.begin(database, study, study.annotators[1]))
    assert studies.claim(database, study, study.annotators[2]) is None
    with database.read() as session:
        (task,) = task_overview(session, study.admin, project_id=study.project_id)
    assert task.progress == TaskProgress(TaskState.COMPLETE, submitted=2, needed=2)


def test_a_label_unknown_to_the_project_is_named(database: Database) -> None:
    with database.write() as session:
        admin = factories.add_account(session)
        project = factories.add_project(session, admin, labels=("liver",))
        volume = factories.add_volume(session, project)
        with pytest.raises(NotFound, match="label 2") as caught:
            create_tasks(
                session, Actor(admin.id), project_id=project.id, volume_ids=[volume.id], label_indices=[2]
            )
    assert caught.value.code is ErrorCode.NOT_FOUND
