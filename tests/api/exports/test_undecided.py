"""What becomes of slices that nobody decided: the volume or the label stays out, or they are ignored."""

import numpy as np
import sqlalchemy as sa

from crowdmask.core.completion import Completion
from crowdmask.core.dataset_choice import PartialRule
from crowdmask.core.lifecycle import AssignmentState
from crowdmask.core.nnunet import check_dataset
from crowdmask.exports import service
from crowdmask.models import (
    DerivedMask,
)
from crowdmask.segmentations.derived import record_derived
from tests.api.exports.chosen import SHAPE, Place, labels_of, whole


def test_unfinished_work_is_out_unless_asked_for(place: Place) -> None:
    volume = place.volume("a")
    place.work(volume, 1)
    place.work(volume, 2, submitted=False, absent=())
    assert place.reasons() == {"a": "liver has 0 of 1 answers"}
    assert place.reasons(unfinished=True) == {"a": "liver is undecided on 3 of 6 slices"}
    assert place.preview(unfinished=True, completion=Completion.FULL).cases == ["a"]
    sparse = {"unfinished": True, "completion": Completion.FULL, "min_completeness": 0.6}
    assert place.reasons(**sparse) == {"a": "liver is decided on 50% of the slices, 60% are asked for"}


def test_taken_back_work_is_never_unfinished_work(place: Place) -> None:
    volume = place.volume("a")
    place.work(volume, 1)
    place.work(volume, 2, submitted=False, state=AssignmentState.TAKEN_BACK)
    assert place.reasons(unfinished=True) == {"a": "liver has 0 of 1 answers"}


def test_a_label_that_is_undecided_somewhere_can_be_dropped_from_the_dataset(place: Place) -> None:
    whole(place, "a")
    place.work(place.volume("b"), 1)
    preview = place.preview(partial=PartialRule.DROP_LABEL)
    assert (preview.cases, preview.labels) == (["a", "b"], ["spleen"])
    assert [(one.label, one.reason) for one in preview.dropped_labels] == [("liver", "b: no task for liver")]
    assert place.selection(place.export(partial=PartialRule.DROP_LABEL)).labels.name(1) == "spleen"


def test_undecided_slices_become_ignore_and_never_background(place: Place) -> None:
    volume = place.volume("a")
    place.work(volume, 1)
    place.work(volume, 2, submitted=False, slices=(1, 2), absent=(0,))
    choice = {"unfinished": True, "partial": PartialRule.IGNORE}
    assert place.preview(**choice).partial_cases == ["a"]
    export = place.export(**choice)
    place.make_masks()
    folder = place.build(export)
    report = check_dataset(folder)
    assert report.dataset.description.ignore_index == 3
    voxels = labels_of(folder, "a")
    assert set(np.unique(voxels[0])) == {0}
    assert set(np.unique(voxels[4:])) == {3}
    # On slice 3 the spleen is known where it is; everything else could be liver.
    assert set(np.unique(voxels[3])) == {1, 3}
    assert set(np.unique(voxels[1:3])) <= {0, 1, 2}


def test_a_label_without_any_answer_is_ignored_on_every_slice_but_where_another_label_lies(
    place: Place,
) -> None:
    place.work(place.volume("a"), 1)
    place.volume("b")
    assert place.preview(partial=PartialRule.IGNORE).cases == ["a"]
    assert place.reasons(partial=PartialRule.IGNORE) == {"b": "no task for spleen; no task for liver"}
    voxels = labels_of(place.build(place.export(partial=PartialRule.IGNORE)), "a")
    assert set(np.unique(voxels)) == {1, 3}


def test_the_card_says_what_the_labels_rest_on(place: Place) -> None:
    volume = place.volume("a", licence="CC BY 4.0", modality="CT")
    place.work(volume, 1)
    place.work(volume, 2, submitted=False, slices=(1, 3), absent=(0,))
    place.volume("b")
    export = place.export(unfinished=True, completion=Completion.FILL, partial=PartialRule.IGNORE)
    with place.database.write() as session:
        mask = session.scalars(sa.select(DerivedMask)).one()
        made = record_derived(
            session,
            derived_mask_id=mask.id,
            mask_sha256=place.blob(volume, np.zeros(SHAPE, np.uint8)),
            provenance={
                "model": "litemedsam",
                "model_sha256": "ab" * 32,
                "window": {"low": -160.0, "high": 240.0},
                "slices": [{"slice": 2, "added_boxes": [[3, 2, 9, 7]], "predicted_iou": [0.8]}],
            },
            seconds=1.0,
        )
        service.write_when_masks_are_made(session, made)
    card = (place.build(export) / "DATASET_CARD.md").read_text()
    for line in (
        "| drawn or corrected by a person | 5 | 41.7 % |",
        "| filled in between pieces | 1 | 8.3 % |",
        "| marked as without the label | 4 | 33.3 % |",
        "| decided by nobody | 2 | 16.7 % |",
        "| CC BY 4.0 | 1 |",
        "| no task for liver | 1 |",
        "| student 0 | 1 |",
    ):
        assert line in card, card
    assert "litemedsam (sha256 abababababab, 1 mask, grey values -160 to 240)" in card
