"""A project whose datasets are trained, for the tests of trainings."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import numpy as np
import sqlalchemy as sa

from crowdmask import jobs
from crowdmask.accounts.actor import Actor
from crowdmask.core import metrics
from crowdmask.core.lifecycle import JobState
from crowdmask.core.training import Configuration, TrainingSettings
from crowdmask.infra.db import Database
from crowdmask.models import (
    Export,
    Job,
    JobKind,
    Project,
    Queue,
    Volume,
)
from crowdmask.trainings import queries, service
from crowdmask.trainings.schemas import TrainingAnswer
from crowdmask.trainings.service import ScoredLabel
from tests import factories

FLAT, FULL = Configuration.FLAT, Configuration.FULLRES
QUICK = TrainingSettings((FLAT,), epochs=2, iterations=3, small=True)


@dataclass(frozen=True)
class Place:
    """A project with a researcher, and datasets as a test needs them."""

    database: Database
    researcher: Actor
    project: Project
    test_volume: Volume

    def dataset(self, *, tested: bool = True, **kind: Any) -> UUID:
        with self.database.write() as session:
            version = 1 + len(session.scalars(sa.select(Export)).all())
            test = (self.test_volume,) if tested else ()
            return factories.add_export(session, self.project, version=version, test=test, **kind).id

    def start(self, export_id: UUID, settings: TrainingSettings = QUICK, actor: Actor | None = None) -> UUID:
        with self.database.write() as session:
            return service.start_training(
                session, actor or self.researcher, export_id=export_id, settings=settings
            ).id

    def told(self, training_id: UUID) -> TrainingAnswer:
        with self.database.read() as session:
            return queries.training_answer(session, self.researcher, training_id=training_id)

    def work(self) -> UUID:
        """Do the next due step as a worker would; returns its id."""
        with self.database.write() as session:
            job = jobs.claim(session, [Queue.TRAIN], owner="worker", lease_s=60)
            assert job is not None
            step_id = UUID(job.payload["step_id"])
            jobs.complete(session, job)
            service.record_step(session, step_id=step_id)
            return step_id

    def fail(self) -> None:
        with self.database.write() as session:
            job = jobs.claim(session, [Queue.TRAIN], owner="worker", lease_s=60)
            assert job is not None
            session.execute(
                sa.update(Job)
                .where(Job.id == job.id)
                .values(state=JobState.DEAD, error_text="It broke.", lease_owner=None, lease_until=None)
            )

    def jobs(self) -> list[tuple[JobKind, JobState]]:
        with self.database.read() as session:
            rows = session.execute(sa.select(Job.kind, Job.state).order_by(Job.created_at, Job.id))
            return [(kind, state) for kind, state in rows]


def scored(volume: Volume, dice: Sequence[float]) -> list[ScoredLabel]:
    found = []
    for index, share in enumerate(dice, start=1):
        mask = np.zeros((2, 4, 5), bool)
        mask.flat[: round(20 * share)] = True
        scores = metrics.score(mask, np.zeros_like(mask) if share == 0 else mask, (1.0, 1.0, 2.0))
        found.append(ScoredLabel("test_0", volume.id, index, f"label {index}", scores, 0.002, "ab" * 32))
    return found
