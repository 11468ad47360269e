"""Means, intervals and paired tests: equal to SciPy's, and to the paper's formula worked out by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from crowdmask.core.errors import ErrorCode, InvalidInput
from crowdmask.core.statistics import (
    BOOTSTRAP_SAMPLES,
    bland_altman,
    bootstrap,
    compare,
    holm,
    mean,
    shapiro,
    summary,
)

NAN = float("nan")
SCORES = st.lists(st.floats(0, 1), min_size=2, max_size=40)


def test_the_interval_is_that_of_the_paper() -> None:
    found = mean(np.array([0.7, 0.8, 0.9, 0.6]))
    # Population variance: (0.05² + 0.05² + 0.15² + 0.15²) / 4 = 0.0125.
    assert found.mean == pytest.approx(0.75)
    assert found.ci == pytest.approx(1.96 * 0.0125**0.5 / 2)
    assert (found.n, found.undefined) == (4, 0)


def test_undefined_scores_are_counted_and_never_averaged() -> None:
    found = mean(np.array([0.5, NAN, 0.7]))
    assert (found.mean, found.n, found.undefined) == (pytest.approx(0.6), 2, 1)
    nothing = mean(np.array([NAN]))
    assert np.isnan(nothing.mean)
    assert (nothing.n, nothing.undefined) == (0, 1)


@settings(deadline=None, max_examples=50)
@given(SCORES, st.integers(0, 2**32 - 1))
def test_the_test_is_scipys_with_zero_differences_dropped(a: list[float], seed: int) -> None:
    first = np.array(a)
    second = np.clip(first + np.random.default_rng(seed).choice([0, 0.1, -0.05, 0.02], len(a)), 0, 1)
    found = compare(first, second)
    if np.array_equal(first, second):
        assert np.isnan(found.p)
    else:
        assert found.p == stats.wilcoxon(first[first != second], second[first != second]).pvalue
    assert found.pairs == len(a)


def test_a_case_without_one_of_the_scores_is_no_pair_but_counts_in_the_other_mean() -> None:
    found = compare(np.array([0.5, NAN, 0.7, 0.9]), np.array([0.4, 0.8, 0.6, 0.7]))
    assert (found.pairs, found.a.n, found.b.n) == (3, 3, 4)


def test_scores_of_different_cases_are_refused() -> None:
    with pytest.raises(InvalidInput) as refused:
        compare(np.zeros(3), np.zeros(4))
    assert refused.value.code is ErrorCode.SCORES_INVALID


def test_holm_corrects_in_the_order_of_the_p_values() -> None:
    assert holm([0.01, 0.04, 0.03, NAN]) == [
        pytest.approx(0.03),
        pytest.approx(0.06),
        pytest.approx(0.06),
        pytest.approx(NAN, nan_ok=True),
    ]
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


def test_the_bootstrap_interval_holds_the_mean_of_most_samples() -> None:
    rng = np.random.default_rng(3)
    held = 0
    for _ in range(60):
        low, high = bootstrap(rng.normal(0.8, 0.1, 30), rng)
        held += low <= 0.8 <= high
    assert held >= 50
    assert all(np.isnan(bootstrap(np.array([NAN]), rng)))


def test_shapiro_is_scipys_and_undefined_where_it_says_nothing() -> None:
    values = np.random.default_rng(1).normal(size=20)
    assert shapiro(np.append(values, NAN)) == stats.shapiro(values).pvalue
    assert np.isnan(shapiro(np.array([1.0, 1.0, 1.0])))
    assert np.isnan(shapiro(np.array([1.0, 2.0])))


def test_the_bootstrap_interval_is_scipys_up_to_chance() -> None:
    values = np.random.default_rng(5).beta(8, 2, 25)
    ours = bootstrap(values, np.random.default_rng(1))
    scipys = stats.bootstrap(
        (values,), np.mean, n_resamples=BOOTSTRAP_SAMPLES, method="percentile", rng=np.random.default_rng(2)
    ).confidence_interval
    assert ours == pytest.approx((scipys.low, scipys.high), abs=0.05 * values.std())


def test_many_values_are_drawn_in_parts_that_make_one_interval() -> None:
    values = np.random.default_rng(6).normal(0.5, 0.1, 900)
    low, high = bootstrap(values, np.random.default_rng(1))
    half = 1.96 * values.std() / 30
    assert (low, high) == pytest.approx((values.mean() - half, values.mean() + half), abs=half / 10)


def test_a_summary_is_the_same_for_the_same_values_in_any_order() -> None:
    values = [0.9, NAN, 0.4, 0.7, 0.8]
    found = summary(values)
    defined = np.array([0.9, 0.4, 0.7, 0.8])
    assert found == summary([NAN, *sorted(defined)])
    assert (found.mean.n, found.mean.undefined) == (4, 1)
    assert found.mean.mean == pytest.approx(0.7)
    assert found.mean.ci == pytest.approx(1.96 * defined.std() / 2)
    assert found.shapiro_p == pytest.approx(stats.shapiro(defined).pvalue)
    assert 0.4 <= found.low < 0.7 < found.high <= 0.9
    nothing = summary([])
    assert (nothing.mean.n, nothing.mean.undefined) == (0, 0)
    assert np.isnan(nothing.low)


def test_the_limits_of_agreement_are_196_standard_deviations_around_the_mean_difference() -> None:
    a, b = np.array([10.0, 12.0, 15.0, NAN, 9.0]), np.array([9.0, 13.0, 12.0, 4.0, NAN])
    found = bland_altman(a, b)  # differences 1, -1, 3
    assert (found.mean, found.n) == (pytest.approx(1.0), 3)
    assert (found.low, found.high) == (pytest.approx(1 - 1.96 * 2), pytest.approx(1 + 1.96 * 2))
    one = bland_altman(np.array([2.0]), np.array([1.0]))
    assert (one.mean, one.n) == (1.0, 1)
    assert np.isnan(one.low)
    assert np.isnan(one.high)
    assert bland_altman(np.array([NAN]), np.array([1.0])).n == 0
    with pytest.raises(InvalidInput):
        bland_altman(np.zeros(2), np.zeros(3))
