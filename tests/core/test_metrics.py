"""Dice over volumes and slices, also where it is undefined."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from crowdmask.core.errors import Conflict, ErrorCode
from crowdmask.core.metrics import (
    evaluate,
    labels_present,
    score,
    slice_dice,
    slice_dice_all,
    volume_dice,
)


def _mask(*slices: list[int]) -> np.ndarray:
    """Each list is one slice of one row."""
    return np.array(slices, dtype=bool)[:, None, :]


# Slice 0: 1 of 2 + 1 shared; slice 1: only predicted; slice 2: only reference; slice 3: nothing.
PREDICTED = _mask([1, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0])
REFERENCE = _mask([1, 0, 0, 0], [0, 0, 0, 0], [1, 1, 1, 0], [0, 0, 0, 0])


def test_volume_dice_counts_all_voxels():
    assert volume_dice(PREDICTED, REFERENCE) == pytest.approx(2 * 1 / (3 + 4))


def test_slice_dice_averages_the_slices_with_a_prediction():
    assert slice_dice(PREDICTED, REFERENCE) == pytest.approx((2 / 3 + 0) / 2)


def test_slice_dice_all_counts_a_missed_slice_as_zero():
    assert slice_dice_all(PREDICTED, REFERENCE) == pytest.approx((2 / 3 + 0 + 0) / 3)


def test_the_counts_say_on_what_the_scores_rest():
    scores = score(PREDICTED, REFERENCE)
    assert (scores.predicted_voxels, scores.reference_voxels) == (3, 4)
    assert (scores.slices_predicted, scores.slices_reference, scores.slices_either) == (2, 2, 3)


def test_coverage_is_the_share_of_the_reference_on_slices_with_a_prediction():
    assert score(PREDICTED, REFERENCE).coverage == pytest.approx(1 / 4)
    assert score(REFERENCE, REFERENCE).coverage == 1.0
    assert score(np.zeros_like(REFERENCE), REFERENCE).coverage == 0.0


def test_the_volume_error_is_negative_when_the_prediction_is_too_small():
    assert score(PREDICTED, REFERENCE).volume_error == pytest.approx(-1 / 4)
    assert score(REFERENCE, PREDICTED).volume_error == pytest.approx(1 / 3)


def test_without_a_spacing_there_is_nothing_in_millimetres():
    scores = score(PREDICTED, REFERENCE)
    assert math.isnan(scores.hd95_mm)
    assert math.isnan(scores.nsd_2mm)


def test_two_empty_masks_have_no_score():
    empty = np.zeros((2, 3, 4), dtype=bool)
    scores = score(empty, empty, (1.0, 1.0, 1.0))
    undefined = (
        scores.volume_dice,
        scores.slice_dice,
        scores.slice_dice_all,
        scores.hd95_mm,
        scores.nsd_2mm,
        scores.coverage,
        scores.volume_error,
    )
    assert all(math.isnan(value) for value in undefined)
    assert scores.slices_either == 0


def test_an_empty_prediction_scores_zero_but_has_no_slice_dice():
    empty = np.zeros_like(REFERENCE)
    assert volume_dice(empty, REFERENCE) == 0.0
    assert math.isnan(slice_dice(empty, REFERENCE))
    assert slice_dice_all(empty, REFERENCE) == 0.0


def test_a_prediction_of_an_empty_reference_scores_zero():
    empty = np.zeros_like(PREDICTED)
    assert (volume_dice(PREDICTED, empty), slice_dice(PREDICTED, empty)) == (0.0, 0.0)
    scores = score(PREDICTED, empty)
    assert math.isnan(scores.coverage)
    assert math.isnan(scores.volume_error)


def test_different_shapes_are_refused_with_both():
    with pytest.raises(Conflict, match=r"\(2, 3, 4\).*\(2, 4, 3\)") as caught:
        score(np.zeros((2, 3, 4), dtype=bool), np.zeros((2, 4, 3), dtype=bool))
    assert caught.value.code is ErrorCode.GRID_MISMATCH


def test_labels_of_either_map_are_evaluated():
    predicted = np.array([[[0, 1, 1, 7]]], dtype=np.uint8)
    reference = np.array([[[0, 1, 2, 0]]], dtype=np.int32)
    scores = evaluate(predicted, reference)
    assert list(scores) == [1, 2, 7]
    assert scores[1].volume_dice == pytest.approx(2 / 3)
    assert scores[2].volume_dice == 0.0
    assert math.isnan(scores[2].slice_dice)
    assert labels_present(predicted) == {1, 7}


def test_a_label_asked_for_but_in_neither_map_has_no_score():
    nothing = np.zeros((1, 1, 2), dtype=np.uint8)
    assert math.isnan(evaluate(nothing, nothing, [3])[3].volume_dice)


masks = hnp.arrays(bool, (3, 4, 5), elements=st.booleans())


@given(masks, masks)
def test_volume_dice_is_symmetric_and_between_zero_and_one(one, other):
    value = volume_dice(one, other)
    assert math.isnan(value) or 0.0 <= value <= 1.0
    assert np.array_equal(value, volume_dice(other, one), equal_nan=True)


@given(masks)
def test_a_mask_agrees_fully_with_itself(mask):
    expected = 1.0 if mask.any() else math.nan
    scores = score(mask, mask)
    for value in (scores.volume_dice, scores.slice_dice, scores.slice_dice_all):
        assert np.array_equal(value, expected, equal_nan=True)
