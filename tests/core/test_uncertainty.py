"""The signs of a good mask, the expected Dice, and how well a sign finds what is bad."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit
from scipy.stats import mannwhitneyu

from crowdmask.core.uncertainty import (
    Calibration,
    agreement,
    auc,
    disagreement_map,
    entropy,
    entropy_map,
    entropy_per_voxel,
)


def disc(radius: float, *, size: int = 40, x: int = 20) -> np.ndarray:
    rows, columns = np.ogrid[:size, :size]
    return (rows - 20) ** 2 + (columns - x) ** 2 <= radius**2


def test_entropy_is_a_bit_at_a_half_and_nothing_where_the_model_is_certain() -> None:
    assert entropy(np.array([0.0, 0.5, 1.0])) == pytest.approx([0, 1, 0], abs=1e-5)
    assert entropy(np.array([0.25])) == pytest.approx(entropy(np.array([0.75])))


def test_the_map_holds_hundredths_of_a_bit_for_every_logit() -> None:
    logits = np.linspace(-30, 30, 4001, dtype=np.float32).reshape(1, -1)
    exact = 100 * entropy(expit(logits.astype(np.float64)))
    made = entropy_map(logits)
    assert made.shape == logits.shape
    assert np.abs(made - exact).max() <= 0.501
    assert (made[0, 2000], made[0, 0], made[0, -1]) == (100, 0, 0)


def test_the_same_doubt_weighs_more_on_a_small_mask() -> None:
    small, large = (np.where(disc(radius), 0.99, 0.01) for radius in (3, 15))
    small[0, :10] = large[0, :10] = 0.5
    assert entropy_per_voxel(small) > entropy_per_voxel(large)
    assert math.isnan(entropy_per_voxel(np.full((4, 4), 0.2)))


def test_agreement_is_the_mean_dice_of_all_pairs() -> None:
    one, other, nothing = disc(5), disc(5, x=24), np.zeros((40, 40), dtype=bool)
    dice = 2 * (one & other).sum() / (one.sum() + other.sum())
    assert agreement([one, other]) == pytest.approx(dice)
    assert agreement([one, one, other]) == pytest.approx((1 + 2 * dice) / 3)
    assert agreement([nothing, nothing]) == 1.0
    assert math.isnan(agreement([one]))


def test_people_disagree_most_where_half_of_them_say_so() -> None:
    masks = [disc(5), disc(5), disc(10), disc(10)]
    found = disagreement_map(masks)
    assert found[20, 20] == pytest.approx(0, abs=1e-5)
    assert found[20, 28] == pytest.approx(1)


def test_a_calibration_finds_the_dice_that_slices_had() -> None:
    rng = np.random.default_rng(0)
    iou, area_mm2 = rng.uniform(0.5, 1, 4000), np.exp2(rng.uniform(4, 12, 4000))
    truth = Calibration(intercept=-6.0, predicted_iou=5.0, log2_mm2=0.4)
    dice = np.array([truth.expected_dice(a, b) for a, b in zip(iou, area_mm2, strict=True)])
    fitted = Calibration.fit(iou, area_mm2, dice + rng.normal(0, 0.02, 4000).clip(-dice, 1 - dice))
    assert fitted.predicted_iou == pytest.approx(5, rel=0.05)
    assert fitted.log2_mm2 == pytest.approx(0.4, rel=0.05)
    for score, area in ((0.6, 20.0), (0.9, 500.0), (0.95, 4000.0)):
        assert fitted.expected_dice(score, area) == pytest.approx(truth.expected_dice(score, area), abs=0.01)


def test_slices_that_are_all_alike_give_their_mean_for_all() -> None:
    fitted = Calibration.fit(np.full(20, 0.9), np.full(20, 100.0), np.full(20, 0.8))
    assert fitted.expected_dice(0.9, 100.0) == pytest.approx(0.8, abs=0.01)


def test_a_calibration_is_read_back_as_it_was_written() -> None:
    made = Calibration(-1.0, 3.0, 0.1, {"seeds": [0, 1]})
    assert Calibration.from_json(made.to_json()) == made
    assert Calibration.from_json(made.to_json()).provenance == {"seeds": [0, 1]}


scores = st.lists(st.integers(0, 8).map(float), min_size=1, max_size=30)


@given(scores, scores)
def test_the_auc_is_that_of_the_rank_sum_test(bad: list[float], good: list[float]) -> None:
    both = np.array(bad + good)
    is_bad = np.arange(len(both)) < len(bad)
    statistic = mannwhitneyu(good, bad).statistic
    assert auc(both, is_bad) == pytest.approx(statistic / (len(bad) * len(good)))


def test_without_a_bad_or_a_good_one_there_is_nothing_to_find() -> None:
    for is_bad in ([True, True], [False, False]):
        assert math.isnan(auc(np.array([0.1, 0.2]), np.array(is_bad)))
