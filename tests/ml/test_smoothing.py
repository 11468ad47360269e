"""Smoothing over z and the pieces that are dropped: on slices that completion added, and on no other."""

from collections.abc import Iterator, Mapping

import numpy as np
import pytest
from scipy import ndimage

from crowdmask_ml.reading import SlicePrediction
from crowdmask_ml.smoothing import LabelsOnSlice, drop_small_pieces, smoothed

Slices = Mapping[int, LabelsOnSlice]


def _slices(labels: Mapping[int, list[int]]) -> dict[int, LabelsOnSlice]:
    """Random logits of each label on its slices."""
    rng = np.random.default_rng(0)
    found: dict[int, dict[int, SlicePrediction]] = {}
    for z in sorted({z for on in labels.values() for z in on}):
        found[z] = {
            label: SlicePrediction(rng.normal(size=(4, 5)).astype(np.float32), (0.1 * z,))
            for label, on in labels.items()
            if z in on
        }
    return found


def test_an_added_slice_becomes_the_gaussian_mean_over_z_and_the_others_stay_as_they_are() -> None:
    slices = _slices({3: list(range(20))})
    made = dict(smoothed(slices.items(), lambda z, label: z in (9, 10), sigma=0.7))
    assert list(made) == list(slices)
    stack = np.stack([on_slice[3].logits for on_slice in slices.values()]).astype(np.float64)
    expected = ndimage.gaussian_filter1d(stack, 0.7, axis=0, radius=3)
    for z in slices:
        if z in (9, 10):
            np.testing.assert_allclose(made[z][3].logits, expected[z], rtol=0, atol=1e-6)
        else:
            assert made[z] == slices[z]
        assert made[z][3].predicted_iou == slices[z][3].predicted_iou


def test_a_slice_without_a_prediction_of_the_label_weighs_nothing() -> None:
    slices = _slices({1: [2, 3], 2: [0, 1, 2, 3, 4, 5]})
    made = dict(smoothed(slices.items(), lambda z, label: (z, label) == (3, 1), sigma=1.0))
    one = np.exp(-0.5)
    expected = (slices[3][1].logits + one * slices[2][1].logits) / (1 + one)
    np.testing.assert_allclose(made[3][1].logits, expected, rtol=1e-5)
    assert made[3][2] == slices[3][2]


@pytest.mark.parametrize("sigma", [0.0, 0.7, 1.0])
def test_only_the_slices_within_three_sigma_are_held(sigma: float) -> None:
    given: list[int] = []

    def stream() -> Iterator[tuple[int, LabelsOnSlice]]:
        for z, on_slice in _slices({1: list(range(30))}).items():
            given.append(z)
            yield z, on_slice

    ahead = [len(given) - 1 - z for z, _ in smoothed(stream(), lambda z, label: True, sigma=sigma)]
    assert max(ahead) == int(np.ceil(3 * sigma))


def test_small_pieces_are_dropped_from_what_was_added_run_by_run() -> None:
    mask = np.zeros((9, 20, 20), np.uint8)
    mask[1:8, 2:10, 2:10] = 4
    mask[1:8, 15:17, 15:17] = 4
    mask[2:4, 15:17, 2:4] = 7
    mask[6:8, 2:4, 15:19] = 4  # an eighth of the largest in its run
    before = mask.copy()
    drop_small_pieces(mask, {4: [2, 3, 6, 7], 7: [2, 3]}, smallest=0.1)
    expected = before.copy()
    for z in (2, 3, 6, 7):
        expected[z, 15:17, 15:17] = 0
    assert np.array_equal(mask, expected)
    drop_small_pieces(before, {4: [2, 3]}, smallest=0)
    assert before[2, 15, 15] == 4


def test_pieces_that_touch_at_a_corner_in_the_next_slice_are_one() -> None:
    mask = np.zeros((4, 9, 9), np.uint8)
    mask[1, 2:7, 2:7] = 1
    mask[2, 7, 7] = 1
    before = mask.copy()
    drop_small_pieces(mask, {1: [1, 2], 2: []}, smallest=0.5)
    assert np.array_equal(mask, before)
    drop_small_pieces(mask, {1: [2]}, smallest=0.5)
    assert np.array_equal(mask, before)
