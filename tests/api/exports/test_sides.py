"""Training, test, folds, and the other arm of a comparison."""

import pytest
import sqlalchemy as sa

from crowdmask.core.dataset_choice import LabelSource, PartialRule, Twin
from crowdmask.core.errors import InvalidInput
from crowdmask.core.nnunet import check_dataset
from crowdmask.core.nnunet_layout import Split
from crowdmask.exports import service
from crowdmask.models import (
    Export,
)
from tests.api.exports.chosen import BLOCK, Place, labels_of, whole


def test_the_test_set_holds_references_whoever_has_worked_on_it(place: Place) -> None:
    whole(place, "a")
    tested = whole(place, "b", reference=True)
    untouched = place.volume("c", reference=True)
    export = place.export(test=(str(tested.id), str(untouched.id)))
    selection = place.selection(export)
    assert {case.case: case.split for case in selection.cases} == {
        "a": Split.TRAINING,
        "b": Split.TEST,
        "c": Split.TEST,
    }
    folder = place.build(export)
    report = check_dataset(folder)
    assert (report.training_cases, report.test_cases) == (1, 2)
    voxels = labels_of(folder, "b", split="Ts")
    assert voxels[BLOCK].min() == 1
    assert voxels[0].min() == 2
    bare = place.volume("d")
    with pytest.raises(InvalidInput, match="no reference mask: d"):
        place.preview(test=(str(bare.id),))


def test_volumes_of_one_patient_stay_on_one_side_and_folds_reach_nnunet(place: Place) -> None:
    for name in "abcdef":
        whole(place, name, reference=True, patient={"a": "p", "b": "p"}.get(name, ""))
    choice = {"test_share": 0.34, "folds": 2, "seed": 1}
    export = place.export(**choice)
    selection = place.selection(export)
    test = {case.case for case in selection.of(Split.TEST)}
    assert len(test) == 2
    assert len(test & {"a", "b"}) in (0, 2)
    assert (place.build(export) / "splits_final.json").is_file()
    for fold in selection.folds:
        assert set(fold["train"]) | set(fold["val"]) == set("abcdef") - test
        assert len({"a", "b"} & set(fold["val"])) in (0, 2)
    assert place.preview(folds=7).problem is not None
    with pytest.raises(InvalidInput, match="7 folds"):
        place.export(folds=7)


def test_a_twin_has_the_same_volumes_and_splits_with_the_references_labels(place: Place) -> None:
    for name in "abc":
        whole(place, name, reference=True)
    export = place.export(test_share=0.34, folds=2)
    with place.database.write() as session:
        twin = service.create_twin(session, place.admin, export_id=export.id, twin=Twin.REFERENCE)
    one, other = place.selection(export), place.selection(twin)
    assert [(case.case, case.split) for case in one.cases] == [
        (case.case, case.split) for case in other.cases
    ]
    assert one.folds == other.folds
    assert {mask.source for mask in other.masks()} == {LabelSource.REFERENCE}
    assert other.people == {}
    with place.database.read() as session:
        pairs = session.scalars(sa.select(Export.pair_id)).all()
    assert len(set(pairs)) == 1
    assert pairs[0] is not None
    first, second = place.build(export), place.build(twin)
    tested = [case.case for case in one.of(Split.TEST)]
    for case in tested:
        assert (first / f"labelsTs/{case}.nii.gz").read_bytes() == (
            second / f"labelsTs/{case}.nii.gz"
        ).read_bytes()


def test_a_twin_with_references_needs_one_for_every_volume(place: Place) -> None:
    whole(place, "a")
    export = place.export()
    with (
        pytest.raises(InvalidInput, match="volume a has no reference mask"),
        place.database.write() as session,
    ):
        service.create_twin(session, place.admin, export_id=export.id, twin=Twin.REFERENCE)


def test_the_complete_twin_of_a_partial_dataset_holds_the_complete_volumes_and_the_same_test_set(
    place: Place,
) -> None:
    whole(place, "a")
    place.work(place.volume("b"), 1)
    tested = place.volume("c", reference=True)
    export = place.export(partial=PartialRule.IGNORE, test=(str(tested.id),))
    with place.database.write() as session:
        twin = service.create_twin(session, place.admin, export_id=export.id, twin=Twin.COMPLETE)
    assert [case.case for case in place.selection(export).of(Split.TRAINING)] == ["a", "b"]
    assert [case.case for case in place.selection(twin).of(Split.TRAINING)] == ["a"]
    assert [case.case for case in place.selection(twin).of(Split.TEST)] == ["c"]
