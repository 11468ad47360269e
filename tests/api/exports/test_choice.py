"""Whose work a dataset holds, under which conditions, and what lies beside it."""

import json
import zipfile

import numpy as np
import pytest
import sqlalchemy as sa

from crowdmask.core.boxes_file import read_boxes
from crowdmask.core.completion import Completion
from crowdmask.core.dataset_choice import LabelSource, PartialRule
from crowdmask.core.errors import ErrorCode, InvalidInput
from crowdmask.core.geometry import Box
from crowdmask.core.lifecycle import AnnotationState
from crowdmask.core.nnunet import check_dataset
from crowdmask.core.nnunet_layout import Split
from crowdmask.exports import queries, service
from crowdmask.exports.selection import Selection
from crowdmask.models import (
    Annotation,
    DerivedMask,
)
from crowdmask.segmentations import derived
from tests.api.exports.chosen import Place, labels_of, whole


def test_labels_can_be_left_out_and_put_in_another_order(place: Place) -> None:
    whole(place, "a")
    place.work(place.volume("b"), 2)
    assert place.preview(labels=("liver",)).cases == ["a", "b"]
    export = place.export(labels=("liver", "spleen"))
    assert place.selection(export).project_labels == {"liver": 2, "spleen": 1}
    with pytest.raises(InvalidInput, match="no label 'kidney'"):
        place.preview(labels=("kidney",))


def test_only_volumes_of_the_chosen_modality_go_in(place: Place) -> None:
    whole(place, "a", modality="CT")
    whole(place, "b", modality="MR")
    whole(place, "c")
    assert place.reasons(modalities=("CT",)) == {
        "b": "its modality is MR",
        "c": "its modality is not stated",
    }


def test_the_work_of_one_annotator_can_be_taken_alone(place: Place) -> None:
    volume = whole(place, "a")
    place.work(volume, 1, by=1)
    place.work(volume, 2, by=1)
    whole(place, "b")
    second = {"source": LabelSource.ANNOTATOR, "annotator": str(place.people[1].id)}
    assert place.reasons(**second) == {
        "b": "spleen has no answer of the chosen annotator; liver has no answer of the chosen annotator"
    }
    selection = place.selection(place.export(**second))
    assert selection.people == {"annotator-1": "student 1"}


def test_labels_can_be_the_references_and_need_no_work(place: Place) -> None:
    place.volume("a", reference=True)
    place.volume("b")
    assert place.reasons(source=LabelSource.REFERENCE) == {
        "b": "it has no reference mask; it has no reference mask"
    }
    folder = place.build(place.export(source=LabelSource.REFERENCE, labels=("liver",)))
    voxels = labels_of(folder, "a")
    assert set(np.unique(voxels)) == {0, 1}
    assert np.flatnonzero(voxels.any(axis=(1, 2))).tolist() == [0]  # liver is 2 in the reference, 1 here


def test_filters_ask_for_more_answers_more_agreement_or_a_better_score(place: Place) -> None:
    volume = whole(place, "a")
    assert place.reasons(min_annotators=2)["a"].startswith("spleen has 1 of 2 answers")
    assert "agreement on spleen is not known: it has 1 answer" in place.reasons(min_agreement=0.5)["a"]
    for label in (1, 2):
        place.work(volume, label, by=1, box=Box(3, 2, 9, 12 - 5 * label) if label == 1 else Box(3, 2, 6, 7))
    assert place.preview(min_annotators=2).cases == ["a"]
    reason = place.reasons(min_agreement=0.9)["a"]
    assert "spleen" not in reason
    assert "the boxes of liver agree by 0.50, 0.90 is asked for" in reason
    assert (
        "the model's score of spleen is 0.90, 0.95 is asked for" in place.reasons(min_predicted_iou=0.95)["a"]
    )
    assert place.preview(min_predicted_iou=0.5).cases == ["a"]


def test_only_accepted_work_goes_in_when_that_is_asked_for(place: Place) -> None:
    whole(place, "a")
    assert place.reasons(accepted_only=True) == {
        "a": "spleen has 0 of 1 accepted answers; liver has 0 of 1 accepted answers"
    }
    with place.database.write() as session:
        session.execute(sa.update(Annotation).values(state=AnnotationState.ACCEPTED))
    assert place.preview(accepted_only=True).cases == ["a"]
    place.work(place.volume("b"), 1)
    assert "spleen has 0 of 1 accepted answers" in place.reasons(accepted_only=True)["b"]


def test_work_that_nobody_accepted_does_not_count_against_the_agreement_of_accepted_work(
    place: Place,
) -> None:
    volume = whole(place, "a")
    for label in (1, 2):
        place.work(volume, label, by=1)
    with place.database.write() as session:
        session.execute(sa.update(Annotation).values(state=AnnotationState.ACCEPTED))
    place.work(volume, 1, by=2, box=Box(0, 0, 2, 2))
    assert "the boxes of spleen agree by" in place.reasons(min_agreement=0.9)["a"]
    assert place.preview(accepted_only=True, min_agreement=0.9).cases == ["a"]


def test_a_median_of_several_people_is_made_before_the_folder_is_written(place: Place) -> None:
    volume = whole(place, "a")
    place.work(volume, 1, by=1, box=Box(2, 2, 9, 7))
    preview = place.preview(source=LabelSource.MEDIAN)
    assert (preview.cases, preview.masks_to_make) == (["a"], 1)
    export = place.export(source=LabelSource.MEDIAN)
    assert place.writing_jobs() == 0
    with place.database.read() as session:
        told = queries.export_answer(session, place.admin, export_id=export.id)
    assert (told.state, told.masks_made, told.masks_needed) == ("making", 0, 1)
    assert place.make_masks() == 1
    assert place.writing_jobs() == 1
    spleen, liver = place.selection(export).cases[0].masks
    assert len(spleen.inputs) == 2
    assert spleen.mask_sha256 is not None
    assert liver.derived_key is None  # one answer is its own median
    assert check_dataset(place.build(export)).training_cases == 1
    place.export(source=LabelSource.MEDIAN)  # the same mask again
    assert place.make_masks() == 0
    assert place.writing_jobs() == 2


def test_a_written_dataset_keeps_its_masks_when_they_are_made_anew_and_differently(place: Place) -> None:
    volume = whole(place, "a")
    place.work(volume, 1, by=1, box=Box(2, 2, 9, 7))
    export, other = (place.export(source=LabelSource.MEDIAN) for _ in range(2))
    place.make_masks()
    written = place.selection(export)
    with place.database.write() as session:
        service.record_folder(session, export_id=export.id, selection=written, manifest_sha256="ab" * 32)
        session.execute(sa.update(DerivedMask).values(mask_sha256="cd" * 32, provenance={}))
    assert place.selection(export) == written
    assert place.selection(other).cases[0].masks[0].mask_sha256 == "cd" * 32


def test_masks_that_other_rules_of_completion_made_are_not_mixed_in(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.work(place.volume("a"), 1, absent=(), submitted=False)
    full = {
        "unfinished": True,
        "labels": ("spleen",),
        "partial": PartialRule.IGNORE,
        "completion": Completion.FULL,
    }
    place.export(**full)
    assert place.make_masks() == 1
    place.export(**full)
    assert place.make_masks() == 0
    monkeypatch.setattr(derived, "RULES_VERSION", derived.RULES_VERSION + 1)
    place.export(**full)
    assert place.make_masks() == 1
    for changed in (False, True):  # without completion no rule of it counts
        place.export(**full | {"completion": Completion.NONE})
        assert place.make_masks() == (not changed)
        monkeypatch.setattr(derived, "RULES_VERSION", derived.RULES_VERSION + 1)


def test_another_model_makes_its_own_masks_of_submitted_work(place: Place) -> None:
    whole(place, "a")
    assert place.preview(model="litemedsam").masks_to_make == 0
    assert place.preview(model="medsam").masks_to_make == 2


def test_other_work_does_not_change_who_is_annotator_one(place: Place) -> None:
    whole(place, "b")
    before = place.selection(place.export()).people
    place.work(place.volume("a"), 1, by=2)  # sorts before b, and stays out
    assert place.selection(place.export()).people == before == {"annotator-1": "student 0"}


def test_a_selection_that_an_earlier_version_froze_is_still_read() -> None:
    old = {
        "crowdmask": "0.1.0", "dataset_name": "Dataset501_Set", "project_name": "Set", "channel_name": "CT",
        "choice_rule": "first submitted", "labels": [{"index": 1, "name": "liver"}], "project_labels": {"liver": 1},
        "cases": [{
            "case": "a", "volume_name": "a", "source_sha256": "0" * 64, "affine_assumed": False, "volume_index": None,
            "masks": [{
                "label_index": 1, "annotation_id": "x", "revision": 3, "annotator": "annotator-1", "answers": 1,
                "mask_sha256": "1" * 64, "provenance": {"model": "litemedsam"},
            }],
        }],
        "left_out": [{"volume_name": "b", "reason": "no task for liver"}],
    }  # fmt: skip
    selection = Selection.from_json(old)
    (mask,) = selection.masks()
    assert (mask.mask_sha256, mask.inputs[0].annotator, mask.inputs[0].revision) == (
        "1" * 64,
        "annotator-1",
        3,
    )
    assert selection.of(Split.TRAINING) == selection.cases
    assert Selection.from_json(selection.to_json()) == selection


def test_nothing_goes_in_without_a_volume_that_is_ready_for_it(place: Place) -> None:
    place.volume("a")
    with pytest.raises(InvalidInput) as refused:
        place.export()
    assert refused.value.code is ErrorCode.EXPORT_EMPTY


def test_annotations_of_the_choice_stay_as_they_are(place: Place) -> None:
    """The worker and the export only read them."""
    whole(place, "a")
    with place.database.read() as session:
        before = session.execute(sa.select(Annotation.id, Annotation.revision, Annotation.state)).all()
    place.export(source=LabelSource.MEDIAN, completion=Completion.FULL)
    with place.database.read() as session:
        assert (
            session.execute(sa.select(Annotation.id, Annotation.revision, Annotation.state)).all() == before
        )


def test_the_boxes_and_masks_of_every_person_lie_beside_the_dataset(place: Place) -> None:
    volume = whole(place, "a")
    place.work(volume, 1, by=1, box=Box(2, 2, 9, 7))
    export = place.export(source=LabelSource.MEDIAN)
    place.make_masks()
    crowd = place.build(export) / "crowd"
    assert sorted(path.relative_to(crowd).as_posix() for path in crowd.rglob("*") if path.is_file()) == [
        "boxes.csv",
        "boxes/a__annotator-1.json",
        "boxes/a__annotator-2.json",
        "boxes_coco.json",
        "boxes_yolo.zip",
        "masks/a__liver__annotator-1.nii.gz",
        "masks/a__spleen__annotator-1.nii.gz",
        "masks/a__spleen__annotator-2.nii.gz",
        "masks/a__spleen__median.nii.gz",
    ]
    assert sorted(read_boxes(crowd / "boxes/a__annotator-1.json").labels) == [1, 2]
    assert len((crowd / "boxes.csv").read_text().splitlines()) == 1 + 9
    assert len(json.loads((crowd / "boxes_coco.json").read_text())["annotations"]) == 9
    with zipfile.ZipFile(crowd / "boxes_yolo.zip") as archive:
        assert archive.read("classes.txt").decode() == "spleen\nliver\n"
        texts = {name: archive.read(name).decode() for name in archive.namelist() if "/" in name}
    assert {name.split("/")[0] for name in texts} == {"annotator-1", "annotator-2"}
    assert sum(len(text.splitlines()) for text in texts.values()) == 9


def test_the_manifest_says_how_far_the_people_agree(place: Place) -> None:
    volume = whole(place, "a")
    place.work(volume, 1, by=1, slices=(2, 3, 4), box=Box(2, 2, 9, 7))
    found = json.loads((place.build(place.export()) / "crowdmask_manifest.json").read_text())["agreement"]
    assert found["pairs"] == [
        {
            "case": "a",
            "label": "spleen",
            "one": "annotator-1",
            "other": "annotator-2",
            "box_iou": pytest.approx(30 / 35),
            "presence": pytest.approx(4 / 6),
            "first_difference": 1,
            "last_difference": 1,
            "slices_both": 2,
            "slices_either": 4,
            "slices_decided": 6,
            "mask_dice": pytest.approx(2 / 3),
        }
    ]
    assert found["labels"] == {
        "spleen": {
            "pairs": 1,
            "box_iou": {"mean": pytest.approx(30 / 35), "n": 1},
            "presence": {"mean": pytest.approx(4 / 6), "n": 1},
            "range_difference": {"mean": 1.0, "n": 1},
            "mask_dice": {"mean": pytest.approx(2 / 3), "n": 1},
        }
    }
    assert sorted(found["people"]) == ["annotator-1", "annotator-2"]


def test_a_dataset_of_references_has_no_crowd(place: Place) -> None:
    place.volume("a", reference=True)
    folder = place.build(place.export(source=LabelSource.REFERENCE))
    assert not (folder / "crowd").exists()
    assert "No person's work is in it." in (folder / "DATASET_CARD.md").read_text()
