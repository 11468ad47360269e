"""The rules of slots in SQL are the rules of ``core.distribution``."""

import numpy as np
import sqlalchemy as sa

from crowdmask.assignments import slots
from crowdmask.core import distribution
from crowdmask.core.lifecycle import AnnotationState, AssignmentState
from crowdmask.infra.db import Database
from crowdmask.models import Annotation, Assignment, Label, Project, Task, Volume
from tests import factories

_HOLDS = (AssignmentState.RESERVED, AssignmentState.SUBMITTED)


def test_the_database_counts_and_orders_slots_as_the_core_does(database: Database) -> None:
    rng = np.random.default_rng(0)
    with database.write() as session:
        admin = factories.add_account(session)
        project = factories.add_project(session, admin)
        people = [factories.add_account(session) for _ in range(5)]
        for _ in range(60):
            task = factories.add_task(
                session,
                factories.add_volume(session, project),
                overlap=int(rng.integers(1, 4)),
                priority=int(rng.integers(0, 2)),
            )
            for slot, person in zip(rng.permutation(5), people, strict=True):
                if rng.random() < 0.7:
                    state = list(AssignmentState)[rng.integers(4)]
                    assignment = factories.add_assignment(
                        session,
                        task,
                        person,
                        slot=int(slot),
                        state=state,
                        ends_in_s=float(rng.choice([-60.0, 3600.0])),
                    )
                    annotation = factories.add_annotation(
                        session, assignment, state=list(AnnotationState)[rng.integers(4)]
                    )
                    annotation.not_in_volume = bool(rng.random() < 0.5)
        session.flush()
        by_core = []
        for task in session.scalars(sa.select(Task)):
            assignments = session.scalars(sa.select(Assignment).where(Assignment.task_id == task.id)).all()
            living = [row for row in assignments if row.state in _HOLDS]
            taken = [row.slot for row in living]
            unless_lapsed = [
                row.slot
                for row in living
                if row.state is AssignmentState.SUBMITTED or row.lease_until > task.created_at
            ]
            submitted = [row.id for row in assignments if row.state is AssignmentState.SUBMITTED]
            answers = [
                annotation
                for annotation in session.scalars(
                    sa.select(Annotation).where(Annotation.assignment_id.in_(submitted))
                )
                if annotation.not_in_volume and annotation.state in slots.ANSWERED
            ]
            progress = distribution.task_progress(
                overlap=task.overlap,
                submitted=len(submitted),
                absence_answers=len(answers),
                archived=False,
            )
            key = distribution.next_task_key(
                priority=task.priority,
                missing=progress.missing,
                created_at=task.created_at,
                task_id=task.id,
            )
            by_core.append(
                (
                    key,
                    task.id,
                    distribution.free_slot(progress.needed, taken),
                    distribution.free_slot(progress.needed, unless_lapsed) is not None,
                    progress.needed,
                )
            )
        expected = [row[1:] for row in sorted(by_core)]
        found = session.execute(
            sa.select(
                Task.id,
                sa.case((slots.has_free_slot, slots.lowest_free_slot), else_=None),
                slots.would_have_free_slot,
                slots.slots_needed,
            )
            .join(Volume, Volume.id == Task.volume_id)
            .join(Label, Label.id == Task.label_id)
            .join(Project, Project.id == Volume.project_id)
            .where(slots.open_to_work)
            .order_by(*slots.next_first)
        ).all()
        assert [(id_, slot, bool(would), needed) for id_, slot, would, needed in found] == expected
        free = [(slot, would) for _, slot, would, _ in expected]
        assert {(None, False), (None, True), (0, True), (1, True)} <= set(free)
