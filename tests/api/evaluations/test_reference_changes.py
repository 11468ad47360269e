"""What becomes of scores when the reference behind them is replaced or deleted."""

from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from crowdmask import jobs
from crowdmask.accounts.actor import Actor
from crowdmask.core import metrics
from crowdmask.core.dataset_choice import LabelSource
from crowdmask.core.errors import NotFound
from crowdmask.core.lifecycle import JobState
from crowdmask.core.nnunet_layout import Split
from crowdmask.evaluations import service
from crowdmask.exports.selection import Reference, SelectedMask, Selection
from crowdmask.models import Evaluation, Export, JobKind, Queue, ReferenceMask, ReferenceOrigin, Volume
from crowdmask.volumes import reference_changes
from crowdmask.volumes.gate import GateResult
from crowdmask.volumes.intake import Received
from crowdmask.volumes.queries import grid_of
from tests.api.evaluations.place import Masks, Place, blob
from tests.api.server import problem

GOOD = blob(z=slice(0, 3), x=3)
WRONG = blob(z=slice(2, 4), x=7)


def _replace(place: Place, volume: Volume, voxels: Masks, *, origin: str = "expert") -> None:
    accepted = GateResult(grid=grid_of(volume), notices=(), voxels_sha256="", label_values=(1,))
    received = Received(place.store(voxels), accepted, None)
    with place.server.database.write() as session:
        reference_changes.replace_reference(
            session,
            Actor(place.people["admin"].id),
            volume_id=volume.id,
            received=received,
            origin=ReferenceOrigin(origin),
        )


def _delete(place: Place, volume: Volume) -> None:
    with place.server.database.write() as session:
        reference_changes.delete_reference(session, Actor(place.people["admin"].id), volume_id=volume.id)


def _uses(place: Place, volume: Volume, *, by: str = "admin") -> Any:
    return place.server.sign_in(place.people[by]).get(f"/api/v1/volumes/{volume.id}/reference/uses")


def _reference_id(place: Place, volume: Volume) -> UUID:
    with place.server.database.read() as session:
        return session.scalars(sa.select(ReferenceMask.id).filter_by(volume_id=volume.id)).one()


def _scores(place: Place) -> int:
    with place.server.database.read() as session:
        return session.scalar(sa.select(sa.func.count()).select_from(Evaluation)) or 0


def test_scores_of_a_replaced_reference_are_gone_until_one_evaluates_again(place: Place) -> None:
    replaced, other = place.volume("a", WRONG), place.volume("b", GOOD)
    place.mask(replaced, GOOD)
    place.mask(other, GOOD)
    place.ask()
    place.work()
    assert [row["volume_dice"] for row in place.table().json()["rows"]] == [
        pytest.approx(metrics.volume_dice(GOOD > 0, WRONG > 0)),
        1.0,
    ]
    assert _uses(place, replaced).json() == {"scores": 1, "datasets": [], "trainings": []}
    _replace(place, replaced, GOOD)
    table = place.table().json()
    assert ([row["volume_dice"] for row in table["rows"]], table["pending"]) == ([None, 1.0], 1)
    assert place.ask().json() == {"jobs": 1}
    place.work()
    assert [row["volume_dice"] for row in place.table().json()["rows"]] == [1.0, 1.0]
    _delete(place, replaced)
    table = place.table().json()
    assert [row["volume_name"] for row in table["rows"]] == ["b"]
    assert (table["pending"], table["without_reference"], _scores(place)) == (0, 1, 1)


def test_the_same_file_by_somebody_else_keeps_its_scores(place: Place) -> None:
    volume = place.volume("a", GOOD)
    place.scored(volume, 0.5)
    _replace(place, volume, GOOD, origin="model")
    (row,) = place.table().json()["rows"]
    assert (row["volume_dice"], row["reference_origin"]) == (0.5, "model")


@pytest.mark.parametrize("state", [JobState.QUEUED, JobState.RUNNING])
def test_a_comparison_that_is_under_way_with_the_old_reference_is_not_wanted_any_more(
    place: Place, state: JobState
) -> None:
    volume, other = place.volume("a", WRONG), place.volume("b", GOOD)
    place.mask(volume, GOOD)
    place.mask(other, GOOD)
    place.ask()
    if state is JobState.RUNNING:
        with place.server.database.write() as session:
            claimed = jobs.claim(session, [Queue.CPU], owner="worker", lease_s=60)
            assert claimed is not None
            assert claimed.kind is JobKind.EVALUATE
            volume = volume if claimed.payload["reference_id"] == str(_reference_id(place, volume)) else other
    _replace(place, volume, GOOD)
    if state is JobState.RUNNING:
        with place.server.database.write() as session, pytest.raises(Exception, match="was cancelled"):
            jobs.complete(session, claimed)
    place.work()
    assert _scores(place) == 1
    assert place.ask().json() == {"jobs": 1}
    place.work()
    assert _scores(place) == 2


def test_a_score_of_a_reference_that_is_gone_is_not_written_down(place: Place) -> None:
    volume = place.volume("a", WRONG)
    segmentation_id = place.mask(volume, GOOD)
    gone = _reference_id(place, volume)
    _replace(place, volume, GOOD)
    with place.server.database.write() as session, pytest.raises(NotFound):
        service.record_evaluation(
            session,
            segmentation_id=segmentation_id,
            mask_sha256="0" * 64,
            reference_id=gone,
            scores=metrics.score(GOOD > 0, WRONG > 0),
            voxel_mm3=1.0,
        )


def _frozen(place: Place, training_id: UUID, volume: Volume) -> None:
    """Have the training's dataset hold the volume's reference as it is now."""
    with place.server.database.write() as session:
        reference = session.scalars(sa.select(ReferenceMask).filter_by(volume_id=volume.id)).one()
        (export,) = session.scalars(sa.select(Export)).all()
        selection = Selection.from_json(export.selection).to_json()
        for case in selection["cases"]:
            if case["volume_id"] == str(volume.id):
                case["reference"] = vars(
                    Reference(reference.source_sha256, reference.affine_assumed, reference.origin.value)
                )
                mask = SelectedMask(1, 1, LabelSource.REFERENCE, mask_sha256=reference.source_sha256)
                case["masks"] = [mask.to_json()]
                assert case["split"] == Split.TEST
        export.selection = selection


def test_scores_of_a_training_stay_with_the_reference_that_its_dataset_holds(place: Place) -> None:
    volume, other = place.volume("a", WRONG), place.volume("b", GOOD)
    training_id = place.training("Network", {volume.id: {"liver": 0.3}, other.id: {"liver": 0.7}})
    for one in (volume, other):
        _frozen(place, training_id, one)
        place.scored(one, 0.9)
    uses = _uses(place, volume).json()
    assert (uses["scores"], uses["trainings"]) == (1, ["Network"])
    assert [one["version"] for one in uses["datasets"]] == [1]
    of = f"training:{training_id}"
    assert place.get("summary", of=of).json()["outdated_references"] == 0

    _replace(place, volume, GOOD, origin="model")
    summary = place.get("summary", of=of).json()
    assert (summary["outdated_references"], summary["origins"]) == (1, ["expert"])
    assert summary["means"][0]["volume_dice"]["n"] == 2
    assert "replaced or deleted since" in place.get("scores", of=of).text
    assert "In 1 scan they were computed with a reference" in place.get("report", a=of).text
    compared = place.get("comparison", a="masks", b=of).json()
    assert compared["outdated_references"] == 1
    details = place.server.sign_in(place.people["res"]).get(f"/api/v1/trainings/{training_id}").json()
    assert (details["outdated_references"], details["origins"]) == (1, ["expert"])
    assert _uses(place, volume).json() == {"scores": 0, "datasets": [], "trainings": []}


def test_only_admins_learn_what_depends_on_a_reference(place: Place) -> None:
    volume = place.volume("a", GOOD)
    problem(_uses(place, volume, by="res"), 403, "not_allowed")
    for name in ("ann", "stranger"):
        problem(_uses(place, volume, by=name), 404, "not_found")
    problem(_uses(place, place.volume("b", None)), 404, "not_found")
