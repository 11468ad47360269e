"""Where a mask lost what it lost, and what can be said without a reference."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crowdmask.core.coverage import estimate_coverage, share_in_boxes, split_loss
from crowdmask.core.geometry import Box
from crowdmask.core.metrics import volume_dice
from crowdmask.core.phantom import LIVER, SPLEEN, abdominal_phantom
from crowdmask.core.simulate import missed


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32 - 1), st.sets(st.integers(0, 7)))
def test_the_three_parts_add_up_to_the_loss(seed: int, covered: set[int]) -> None:
    rng = np.random.default_rng(seed)
    reference, predicted = rng.random((2, 8, 5, 4)) > 0.5
    predicted[[z for z in range(8) if z not in covered]] = False
    found = split_loss(predicted, reference, covered)
    assert found.volume_dice == volume_dice(predicted, reference)
    assert found.unboxed + found.model + found.rest == pytest.approx(1 - found.volume_dice)


def test_a_perfect_model_loses_only_the_slices_without_a_box() -> None:
    reference = np.zeros((5, 4, 4), dtype=bool)
    reference[:, 1:3, 1:3] = True
    predicted = reference.copy()
    predicted[3:] = False
    found = split_loss(predicted, reference, {0, 1, 2})
    assert found.coverage == pytest.approx(0.6)
    assert found.unboxed == pytest.approx(found.loss) == pytest.approx(1 - 2 * 0.6 / 1.6)
    assert (found.model, found.rest) == (0, pytest.approx(0))


def test_with_a_box_on_every_slice_the_whole_loss_is_the_models() -> None:
    rng = np.random.default_rng(1)
    reference, predicted = rng.random((2, 6, 5, 4)) > 0.4
    found = split_loss(predicted, reference, range(6))
    assert found.unboxed == 0
    assert found.model == pytest.approx(found.loss)
    assert found.rest == pytest.approx(0)


def test_without_any_box_the_model_lost_nothing_because_it_was_never_asked() -> None:
    reference = np.ones((3, 2, 2), dtype=bool)
    found = split_loss(np.zeros_like(reference), reference, ())
    assert (found.volume_dice, found.unboxed, found.model, found.rest) == (0, 1, 0, 0)


def test_a_label_that_is_not_there_has_no_loss_to_split() -> None:
    nothing = np.zeros((3, 2, 2), dtype=bool)
    found = split_loss(nothing, nothing, {1})
    assert np.isnan([found.volume_dice, found.loss, found.unboxed, found.model, found.rest]).all()


def test_a_hole_is_estimated_from_the_areas_on_both_sides() -> None:
    areas = np.array([0, 40, 50, 0, 0, 80, 90, 0])
    found = estimate_coverage(areas, [1, 2, 5, 6])
    assert found.boxed == 260
    assert found.holes == pytest.approx(60 + 70)


def test_an_end_that_tapers_off_is_followed_and_one_that_does_not_says_nothing() -> None:
    z = np.arange(-20, 21)
    ball = np.maximum(0, 20.0**2 - z**2).round().astype(np.int64)
    kept = [n for n in range(41) if abs(z[n]) <= 17]
    found = estimate_coverage(ball, kept)
    assert found.holes == 0
    assert found.coverage == pytest.approx(ball[kept].sum() / ball.sum(), abs=0.01)
    tube = np.full(41, 30)
    assert estimate_coverage(tube, range(10, 30)).ends == 0
    assert np.isnan(estimate_coverage(tube, ()).coverage)


def test_the_estimate_is_near_the_truth_where_it_is_known() -> None:
    labels = abdominal_phantom(np.random.default_rng(0)).labels
    for index in (SPLEEN, LIVER):
        areas = np.count_nonzero(labels == index, axis=(1, 2))
        whole: dict[int, list[Box]] = {int(z): [] for z in np.flatnonzero(areas)}
        for seed in range(5):
            kept = sorted(missed(whole, inner=0.25, ends=0.1, rng=np.random.default_rng(seed)))
            true = areas[kept].sum() / areas.sum()
            assert estimate_coverage(areas, kept).coverage == pytest.approx(true, abs=0.06)


def test_a_voxel_is_in_a_box_when_its_centre_is() -> None:
    mask = np.zeros((2, 4, 6), dtype=bool)
    mask[0, 1:3, 1:5] = True
    assert share_in_boxes(mask, {0: [Box(1, 1, 3, 3)]}) == 0.5
    assert share_in_boxes(mask, {0: [Box(1, 1, 3, 3), Box(2.4, 0, 6, 4)]}) == 1.0
    assert share_in_boxes(mask, {0: [Box(1.6, 1, 3, 3)]}) == 0.25
    assert share_in_boxes(mask, {1: [Box(0, 0, 6, 4)]}) == 0.0
    assert np.isnan(share_in_boxes(np.zeros_like(mask), {}))
