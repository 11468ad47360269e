"""Who sees which masks of a project."""

from dataclasses import dataclass
from uuid import UUID

import pytest
import sqlalchemy as sa

from crowdmask.accounts.actor import Actor
from crowdmask.core.lifecycle import AnnotationState, AssignmentState
from crowdmask.infra.db import Database
from crowdmask.models import Account, Assignment, Role, Segmentation
from crowdmask.segmentations.lists import mask_page
from crowdmask.segmentations.queries import masks_of_project
from crowdmask.web.pages import PageRequest
from tests import factories


@dataclass(frozen=True)
class Place:
    """A project in which two annotators have each submitted a task with its mask."""

    database: Database
    project_id: UUID
    people: dict[str, Account]
    assignments: dict[str, UUID]

    def seen_by(self, name: str) -> set[str]:
        """Whose masks a person sees."""
        with self.database.read() as session:
            masks = masks_of_project(session, Actor(self.people[name].id), project_id=self.project_id)
        return {mask.segmentation.model for mask in masks}


ROLES = {
    "ann": Role.ANNOTATOR,
    "ben": Role.ANNOTATOR,
    "reviewer": Role.REVIEWER,
    "researcher": Role.RESEARCHER,
}


@pytest.fixture
def place(database: Database) -> Place:
    with database.write() as session:
        people = {name: factories.add_account(session, name=name) for name in ("admin", "stranger", *ROLES)}
        project = factories.add_project(session, people["admin"])
        for name, role in ROLES.items():
            factories.add_member(session, project, people[name], role=role)
        volume = factories.add_volume(session, project)
        assignments = {}
        for label_index, name in enumerate(("ann", "ben"), start=1):
            assignment = factories.add_assignment(
                session,
                factories.add_task(session, volume, label_index=label_index),
                people[name],
                state=AssignmentState.SUBMITTED,
            )
            annotation = factories.add_annotation(session, assignment, state=AnnotationState.SUBMITTED)
            session.add(
                Segmentation(
                    annotation_id=annotation.id,
                    revision=0,
                    job_id=factories.add_job(session).id,
                    model=name,  # tells them apart
                    mask_sha256="0" * 64,
                    provenance={},
                    seconds=1.0,
                )
            )
            assignments[name] = assignment.id
    return Place(database, project.id, people, assignments)


@pytest.mark.parametrize("name", ["admin", "reviewer", "researcher"])
def test_who_runs_or_uses_a_project_sees_all_its_masks(place: Place, name: str) -> None:
    assert place.seen_by(name) == {"ann", "ben"}


def test_annotators_see_only_the_masks_of_their_own_work_and_strangers_none(place: Place) -> None:
    """Fault 52: nobody's work is shown to another annotator."""
    assert place.seen_by("ann") == {"ann"}
    assert place.seen_by("ben") == {"ben"}
    assert place.seen_by("stranger") == set()


def test_late_work_has_no_mask_in_the_project(place: Place) -> None:
    with place.database.write() as session:
        session.get_one(Assignment, place.assignments["ann"]).state = AssignmentState.TAKEN_BACK
    assert place.seen_by("admin") == {"ben"}
    assert place.seen_by("ann") == set()


@pytest.mark.parametrize("asked", [False, True])
def test_the_provenance_of_all_masks_is_read_only_when_asked_for(place: Place, asked: bool) -> None:
    with place.database.read() as session:
        masks = masks_of_project(
            session, Actor(place.people["admin"].id), project_id=place.project_id, with_provenance=asked
        )
        assert masks
        assert all(("provenance" in sa.inspect(one.segmentation).unloaded) is not asked for one in masks)


def test_a_mask_says_which_slices_are_doubtful_and_which_nobody_has_looked_at(place: Place) -> None:
    def on_slice(z: int, sources: list[str], confirmed: list[bool], **more: object) -> dict[str, object]:
        return {"slice": z, "sources": sources, "confirmed": confirmed, **more}

    with place.database.write() as session:
        (mask,) = masks_of_project(session, Actor(place.people["ann"].id), project_id=place.project_id)
        mask.segmentation.provenance = {
            "slices": [
                on_slice(0, ["drawn"], [False], predicted_iou=[0.9], expected_dice=0.69),
                on_slice(1, ["drawn", "interpolated"], [False, True], predicted_iou=[0.9, 0.6]),
                on_slice(2, ["interpolated"], [True], predicted_iou=[0.6], expected_dice=0.8),
                on_slice(3, ["edited", "propagated"], [False, False], predicted_iou=[0.9, 0.9]),
            ]
        }
    with place.database.read() as session:
        page = mask_page(
            session,
            Actor(place.people["admin"].id),
            project_id=place.project_id,
            paging=PageRequest(limit=10, after=None),
        )
    found = next(answer.segmentation for answer in page.items if answer.annotator == "ann")
    assert found.doubtful == [0, 1]
    assert (found.drawn, found.filled, found.suggested) == (1, 2, [3])
    assert found.predicted_iou == {0: 0.9, 1: 0.6, 2: 0.6, 3: 0.9}
