"""The voxels of each slice: the Dice of slices comes back from them exactly, and missed slices stay apart from empty ones."""

import json

import numpy as np
import pytest

from crowdmask.core.metrics import score
from crowdmask.core.slice_overlap import SliceOverlap, SliceRule

NAN = float("nan")


def test_the_dice_of_slices_and_their_means_come_from_the_counts() -> None:
    predicted, reference = np.zeros((2, 7, 4, 4), dtype=bool)
    predicted[2, :2] = True
    reference[2, 1:3] = True  # half
    reference[3] = True  # missed
    predicted[5, 0] = True  # too much
    scores = score(predicted, reference)
    assert scores.slices == SliceOverlap(2, (8, 0, 0, 4), (8, 16, 0, 0), (4, 0, 0, 0))
    predicted_only = scores.slices.dice(SliceRule.PREDICTED)
    either = scores.slices.dice(SliceRule.EITHER)
    np.testing.assert_array_equal(predicted_only, [NAN, NAN, 0.5, NAN, NAN, 0])
    np.testing.assert_array_equal(either, [NAN, NAN, 0.5, 0, NAN, 0])
    assert (scores.slice_dice, scores.slice_dice_all) == (np.nanmean(predicted_only), np.nanmean(either))


def test_what_is_stored_is_what_was_counted_and_stays_small() -> None:
    """A scan of 300 slices, all of them filled by one organ, is the worst case."""
    counts = np.random.default_rng(0).integers(10_000, 99_999, (3, 300))
    found = SliceOverlap.of(*counts)
    stored = json.dumps(found.to_json())
    assert SliceOverlap.from_json(json.loads(stored)) == found
    assert len(stored) < 6500


@pytest.mark.parametrize("rule", SliceRule)
def test_two_empty_masks_have_no_slice(rule: SliceRule) -> None:
    nothing = np.zeros((5, 2, 2), dtype=bool)
    found = score(nothing, nothing).slices
    assert found == SliceOverlap(0, (), (), ())
    assert SliceOverlap.from_json(found.to_json()).dice(rule).size == 0
