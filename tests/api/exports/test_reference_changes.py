"""Datasets stay as they were frozen when a reference that they hold is replaced or deleted."""

from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa

from crowdmask.collection import blob_keys
from crowdmask.core.dataset_choice import LabelSource, Twin
from crowdmask.core.errors import Conflict, ErrorCode
from crowdmask.exports import queries, service
from crowdmask.models import Export, ReferenceMask, ReferenceOrigin, Volume
from crowdmask.volumes import reference_changes
from crowdmask.volumes.gate import GateResult
from crowdmask.volumes.intake import Received
from tests.api.exports.chosen import GRID, SHAPE, Place, labels_of, whole


def _replace(place: Place, volume: Volume) -> None:
    """By a reference with one label everywhere."""
    blob = place.blob(volume, np.full(SHAPE, 2, np.uint8))
    accepted = GateResult(grid=GRID, notices=(), voxels_sha256="", label_values=(2,))
    with place.database.write() as session:
        session.get_one(Volume, volume.id).affine = GRID.affine.tolist()
        reference_changes.replace_reference(
            session,
            place.admin,
            volume_id=volume.id,
            received=Received(blob, accepted, None),
            origin=ReferenceOrigin.MODEL,
        )


def _delete(place: Place, volume: Volume) -> None:
    with place.database.write() as session:
        reference_changes.delete_reference(session, place.admin, volume_id=volume.id)


def _bytes(folder: Path) -> dict[str, bytes]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def _outdated(place: Place, export: Export) -> list[str]:
    with place.database.read() as session:
        return queries.export_answer(session, place.admin, export_id=export.id).outdated_references


@pytest.mark.parametrize("change", [_replace, _delete])
def test_a_dataset_of_references_is_written_again_with_the_same_bytes(place: Place, change) -> None:
    volume, other = place.volume("a", reference=True), place.volume("b", reference=True)
    export = place.export(source=LabelSource.REFERENCE)
    before = _bytes(place.build(export))
    assert _outdated(place, export) == []
    change(place, volume)
    assert _outdated(place, export) == ["a"]
    with place.database.read() as session:
        held = place.selection(export).cases[0].reference
        assert held is not None
        assert held.mask_sha256 in set(blob_keys(session)), "the file is not thrown away"
    assert _bytes(place.build(export)) == before

    newer = place.export(source=LabelSource.REFERENCE)
    assert _outdated(place, newer) == []
    if change is _delete:
        assert place.selection(newer).cases[0].volume_id == str(other.id)
        assert [one.volume_name for one in place.selection(newer).left_out] == ["a"]
    else:
        assert (labels_of(place.build(newer), "a") == 2).all()


def test_a_dataset_that_holds_other_labels_of_the_volume_is_not_concerned(place: Place) -> None:
    whole(place, "a", reference=True)
    volume = whole(place, "b", reference=True)
    export = place.export()
    _replace(place, volume)
    assert _outdated(place, export) == []


@pytest.mark.parametrize(
    ("twin", "changed", "is_refused"),
    [
        (Twin.REFERENCE, "training", True),
        (Twin.REFERENCE, "test", True),
        (Twin.COMPLETE, "training", False),
        (Twin.COMPLETE, "test", True),
    ],
)
def test_there_is_no_twin_that_would_be_measured_with_other_references(
    place: Place, twin: Twin, changed: str, is_refused: bool
) -> None:
    volumes = {name: whole(place, name, reference=True) for name in ("training", "test")}
    export = place.export(test=(str(volumes["test"].id),))
    _replace(place, volumes[changed])

    def make() -> None:
        with place.database.write() as session:
            service.create_twin(session, place.admin, export_id=export.id, twin=twin)

    if is_refused:
        with pytest.raises(Conflict, match=changed) as refused:
            make()
        assert refused.value.code is ErrorCode.REFERENCE_CHANGED
    else:
        make()
    with place.database.read() as session:
        made = session.scalar(sa.select(sa.func.count()).select_from(Export))
    assert made == (1 if is_refused else 2)
    with place.database.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(ReferenceMask)) == 2
