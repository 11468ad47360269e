"""A researcher's choice as a value."""

from dataclasses import replace
from typing import Any

import pytest

from crowdmask.core.completion import Completion, undecided
from crowdmask.core.dataset_choice import DatasetChoice, LabelSource, OverlapRule, PartialRule
from crowdmask.core.errors import ErrorCode, InvalidInput
from crowdmask.core.geometry import Box
from crowdmask.core.intervals import NO_SLICES, Intervals
from crowdmask.core.tracks import BoxSource, Keyframe, Track, document_from_tracks, empty_document

FULL = DatasetChoice(
    labels=("liver", "spleen"),
    source=LabelSource.ANNOTATOR,
    annotator="a",
    unfinished=True,
    min_completeness=0.5,
    min_annotators=2,
    min_agreement=0.7,
    min_predicted_iou=0.6,
    modalities=("CT",),
    completion=Completion.FILL,
    partial=PartialRule.IGNORE,
    overlap_rule=OverlapRule.LABEL_ORDER,
    test=("t",),
    folds=5,
    seed=3,
    model="medsam",
)


@pytest.mark.parametrize("choice", [DatasetChoice(), FULL])
def test_a_choice_survives_its_json(choice: DatasetChoice) -> None:
    assert DatasetChoice.from_json(choice.to_json()) == choice


def test_what_a_frozen_choice_of_an_earlier_version_lacks_takes_its_default() -> None:
    assert DatasetChoice.from_json({"seed": 4}) == DatasetChoice(seed=4)


@pytest.mark.parametrize(
    "wrong",
    [
        {"min_completeness": 1.5},
        {"min_agreement": -0.1},
        {"min_annotators": 0},
        {"folds": 1},
        {"folds": 101},
        {"test": ("a",), "test_share": 0.2},
        {"source": LabelSource.ANNOTATOR},
        {"annotator": "somebody"},
        {"confirmed_only": True, "completion": Completion.FULL},
        {"accepted_only": True, "unfinished": True},
        {"accepted_only": True, "source": LabelSource.REFERENCE},
    ],
)
def test_a_choice_that_contradicts_itself_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput) as refused:
        replace(DatasetChoice(), **wrong)
    assert refused.value.code is ErrorCode.OPTION_INVALID


def test_the_project_says_what_completion_holds_unless_the_choice_does_or_nothing_may_be_added() -> None:
    assert DatasetChoice().completion_or(Completion.FULL) is Completion.FULL
    assert FULL.completion_or(Completion.FULL) is Completion.FILL
    assert DatasetChoice(confirmed_only=True).completion_or(Completion.FULL) is Completion.NONE
    assert DatasetChoice(source=LabelSource.REFERENCE).completion_or(Completion.FULL) is Completion.NONE


def track(name: str, first: int, last: int) -> Track:
    return Track(name, first, last, {z: Keyframe(Box(1, 1, 9, 9), BoxSource.DRAWN) for z in (first, last)})


def test_completion_decides_holes_or_everything_and_a_slice_nobody_confirmed_may_count_as_unknown() -> None:
    document = document_from_tracks(
        (12, 20, 20), [track("a", 2, 4), track("b", 7, 8)], absent=Intervals(((11, 11),))
    )
    assert list(undecided(document, Completion.NONE)) == [0, 1, 5, 6, 9, 10]
    assert list(undecided(document, Completion.FILL)) == [0, 1, 9, 10]
    assert undecided(document, Completion.FULL) == NO_SLICES
    # Slice 3 lies between two drawn boxes, and nobody has looked at it.
    assert list(undecided(document, Completion.FULL, confirmed_only=True)) == [0, 1, 3, 5, 6, 9, 10]
    assert len(undecided(empty_document((12, 20, 20)), Completion.FULL)) == 12
