"""A study ready to be worked on, and people who work on it at the same time, each in their own transactions."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Barrier, Thread
from typing import TypeVar
from uuid import UUID

import sqlalchemy as sa

from crowdmask.accounts.actor import Actor
from crowdmask.annotations import service as annotations
from crowdmask.annotations.policy import ClientTimes
from crowdmask.annotations.service import SaveAnswer
from crowdmask.assignments import service as assignments
from crowdmask.core.geometry import Box
from crowdmask.core.ids import new_id
from crowdmask.core.operations import AddTrack, MarkNotInVolume, Operation, SetLabelRange
from crowdmask.core.tracks import BoxSource, Keyframe
from crowdmask.infra.db import Database, now
from crowdmask.models import Assignment, Task, Volume
from tests import factories

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Study:
    """A project with one task per volume (all of label 1) and its people."""

    project_id: UUID
    admin: Actor
    annotators: tuple[Actor, ...]
    task_ids: tuple[UUID, ...]


@dataclass(frozen=True)
class Work:
    """An opened annotation."""

    actor: Actor
    assignment_id: UUID
    annotation_id: UUID
    volume_sha256: str


def make_study(
    database: Database,
    *,
    people: int = 1,
    tasks: int = 1,
    overlap: int = 1,
    shape: tuple[int, int, int] = factories.SHAPE,
) -> Study:
    with database.write() as session:
        admin = factories.add_account(session, name="Admin")
        project = factories.add_project(session, admin, labels=("liver", "aorta"))
        annotators = [factories.add_account(session, name=f"Annotator {n}") for n in range(people)]
        for annotator in annotators:
            factories.add_member(session, project, annotator)
        made = [
            factories.add_task(session, factories.add_volume(session, project, shape=shape), overlap=overlap)
            for _ in range(tasks)
        ]
        return Study(
            project.id,
            Actor(admin.id),
            tuple(Actor(annotator.id) for annotator in annotators),
            tuple(task.id for task in made),
        )


def claim(database: Database, study: Study, actor: Actor) -> Assignment | None:
    with database.write() as session:
        return assignments.claim_next(session, actor, project_id=study.project_id, lease_s=3600)


def begin(database: Database, study: Study, actor: Actor) -> Work:
    """Claim the next task and open its annotation."""
    assignment = claim(database, study, actor)
    assert assignment is not None
    return open_work(database, actor, assignment.id)


def open_work(database: Database, actor: Actor, assignment_id: UUID) -> Work:
    with database.write() as session:
        annotation = annotations.open_annotation(session, actor, assignment_id=assignment_id)
        volume_sha256 = session.scalars(
            sa.select(Volume.pack_sha256).join(Task).join(Assignment).where(Assignment.id == assignment_id)
        ).one()
        assert volume_sha256 is not None
        return Work(actor, assignment_id, annotation.id, volume_sha256)


def save(
    database: Database,
    work: Work,
    *operations: Operation,
    revision: int | None,
    key: str | None = None,
    client_times: ClientTimes | None = None,
) -> SaveAnswer:
    with database.write() as session:
        return annotations.save(
            session,
            work.actor,
            annotation_id=work.annotation_id,
            revision=revision,
            idempotency_key=key or new_id().hex,
            volume_sha256=work.volume_sha256,
            operations=operations,
            client_times=client_times,
        )


def submit(database: Database, work: Work, *, revision: int) -> None:
    with database.write() as session:
        annotations.submit(session, work.actor, annotation_id=work.annotation_id, revision=revision)


def answer_absent(database: Database, work: Work) -> None:
    """Say that the label is not in the volume, and submit."""
    answer = save(database, work, MarkNotInVolume(), revision=0)
    submit(database, work, revision=answer.revision)


def box_slices_1_and_2(database: Database, work: Work, *, revision: int = 0) -> SaveAnswer:
    """Decide all four slices."""
    return save(database, work, piece("a", 1, 2), SetLabelRange(1, 2), revision=revision)


def piece(track: str, *slices: int) -> AddTrack:
    """A track with a drawn box on each slice."""
    keyframe = Keyframe(Box(4, 5, 20, 25), BoxSource.DRAWN)
    return AddTrack(track, min(slices), max(slices), dict.fromkeys(slices, keyframe))


def let_lease_run_out(database: Database, assignment_id: UUID) -> None:
    with database.write() as session:
        session.execute(
            sa.update(Assignment).where(Assignment.id == assignment_id).values(lease_until=now(-60))
        )


def stored(database: Database, assignment_id: UUID) -> Assignment:
    with database.read() as session:
        return session.get_one(Assignment, assignment_id)


def at_once(actions: Sequence[Callable[[], Answer]]) -> list[Answer | Exception]:
    """Run all actions at the same moment, each in its own thread; what each returned or raised, in their order."""
    outcomes: list[Answer | Exception] = [RuntimeError("did not end")] * len(actions)
    start = Barrier(len(actions))

    def run(n: int, action: Callable[[], Answer]) -> None:
        start.wait()
        try:
            outcomes[n] = action()
        except Exception as error:  # noqa: BLE001  the test looks at it
            outcomes[n] = error

    threads = [Thread(target=run, args=(n, action)) for n, action in enumerate(actions)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes
