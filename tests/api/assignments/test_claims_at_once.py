"""Many people claim at the same moment, each over a connection of their own."""

from collections import Counter
from functools import partial

import pytest
import sqlalchemy as sa

from crowdmask.accounts.actor import Actor
from crowdmask.core.lifecycle import AssignmentState
from crowdmask.infra.db import Database
from crowdmask.models import Assignment
from tests import studies
from tests.studies import Study

PEOPLE = 50


def _claim_at_once(database: Database, study: Study, people: tuple[Actor, ...]) -> list[Assignment]:
    """The grants; fails on any error."""
    outcomes = studies.at_once([partial(studies.claim, database, study, actor) for actor in people])
    errors = [outcome for outcome in outcomes if isinstance(outcome, Exception)]
    assert errors == []
    return [outcome for outcome in outcomes if isinstance(outcome, Assignment)]


def _holders(database: Database) -> Counter[tuple[object, int]]:
    """How many hold each (task, slot)."""
    with database.read() as session:
        rows = session.execute(
            sa.select(Assignment.task_id, Assignment.slot).where(
                Assignment.state.in_((AssignmentState.RESERVED, AssignmentState.SUBMITTED))
            )
        )
        return Counter((task_id, slot) for task_id, slot in rows)


def test_fifty_people_on_fifty_tasks_all_get_one(database: Database) -> None:
    study = studies.make_study(database, people=PEOPLE, tasks=PEOPLE)
    grants = _claim_at_once(database, study, study.annotators)
    assert len(grants) == PEOPLE
    assert {grant.task_id for grant in grants} == set(study.task_ids)
    assert set(_holders(database).values()) == {1}


def test_fifty_people_on_a_few_tasks_of_several_slots_fill_every_slot_once(database: Database) -> None:
    study = studies.make_study(database, people=PEOPLE, tasks=4, overlap=3)
    grants = _claim_at_once(database, study, study.annotators)
    assert len(grants) == 12
    assert _holders(database) == {(task_id, slot): 1 for task_id in study.task_ids for slot in range(3)}


@pytest.mark.parametrize("n_lapsed", [1, 3])
def test_slots_whose_leases_ran_out_are_granted_exactly_once_more(database: Database, n_lapsed: int) -> None:
    study = studies.make_study(database, people=20 + n_lapsed, tasks=n_lapsed)
    for actor in study.annotators[:n_lapsed]:
        lost = studies.claim(database, study, actor)
        assert lost is not None
        studies.let_lease_run_out(database, lost.id)
    grants = _claim_at_once(database, study, study.annotators[n_lapsed:])
    assert len(grants) == n_lapsed
    assert set(_holders(database).values()) == {1}


def test_losers_who_save_while_others_claim_share_no_slot(database: Database) -> None:
    """Reviving by a save races with grants: each slot has one holder, no save is lost, nobody waits in a circle."""
    for _ in range(5):
        study = studies.make_study(database, people=16, tasks=4)
        works = [studies.begin(database, study, actor) for actor in study.annotators[:4]]
        for work in works:
            studies.let_lease_run_out(database, work.assignment_id)
        saves = [partial(studies.save, database, work, studies.piece("a", 1), revision=0) for work in works]
        claims = [partial(studies.claim, database, study, actor) for actor in study.annotators[4:]]
        outcomes = studies.at_once([*saves, *claims])
        assert [outcome for outcome in outcomes if isinstance(outcome, Exception)] == []
        holders = _holders(database)
        assert set(holders.values()) == {1}
        assert {task_id for task_id, _ in holders} >= set(study.task_ids)


def test_a_double_click_reserves_one_task(database: Database) -> None:
    study = studies.make_study(database, tasks=8)
    grants = _claim_at_once(database, study, study.annotators * 8)
    assert len(grants) == 8
    assert len({grant.id for grant in grants}) == 1
