"""Two sets of scores, column by column: equal to SciPy's over the cases that both have."""

import numpy as np
import pytest
from scipy import stats

from crowdmask.core.comparison import (
    compare_columns,
    compare_mean_slices,
    compare_slices,
    mean_of_cases,
    mean_of_columns,
)
from crowdmask.core.errors import Conflict, ErrorCode

NAN = float("nan")


def test_columns_are_compared_over_the_cases_that_both_sets_have() -> None:
    a = {"liver": {1: 0.9, 2: 0.8, 3: 0.7, 4: NAN, 9: 0.1}, "spleen": {1: 0.5, 2: 0.6}, "aorta": {1: 1.0}}
    b = {"spleen": {2: 0.5, 1: 0.6}, "liver": {4: 0.5, 3: 0.6, 2: 0.75, 1: 0.7}, "aorta": {7: 0.2}}
    found = compare_columns(a, b)
    assert list(found) == ["liver", "spleen"]  # of the aorta they have no case in common
    liver = found["liver"]
    assert (liver.pairs, liver.only_a, liver.only_b) == (3, 1, 0)
    assert (liver.a.mean.mean, liver.a.mean.undefined) == (pytest.approx(0.8), 1)
    assert (liver.b.mean.mean, liver.b.mean.n) == (pytest.approx(np.mean([0.7, 0.75, 0.6, 0.5])), 4)
    assert liver.p == stats.wilcoxon([0.9, 0.8, 0.7], [0.7, 0.75, 0.6]).pvalue
    assert liver.p_holm == min(1, 2 * liver.p)
    assert found["spleen"].p == stats.wilcoxon([0.5, 0.6], [0.6, 0.5]).pvalue


def test_sets_without_a_case_in_common_are_refused() -> None:
    with pytest.raises(Conflict) as refused:
        compare_columns({"liver": {1: 0.5}}, {"liver": {2: 0.5}, "spleen": {1: 0.5}})
    assert refused.value.code is ErrorCode.SCORES_INVALID


def test_the_mean_over_columns_takes_the_same_columns_on_both_sides() -> None:
    a = {"liver": {1: 0.9, 2: 0.8, 3: NAN}, "spleen": {1: 0.5, 2: 0.1}}
    b = {"liver": {1: 0.7, 2: 0.6, 3: 0.2}, "spleen": {1: 0.3, 2: NAN}}
    left, right = mean_of_columns(a, b)
    assert left == {1: pytest.approx(0.7), 2: pytest.approx(0.8)}
    assert right == {1: pytest.approx(0.5), 2: pytest.approx(0.6)}


def test_slices_are_compared_where_both_have_a_score_and_beside_them_stand_the_scans() -> None:
    a = {
        "liver": {"c1": np.array([NAN, 0.9, 0.8, 0.7]), "c2": np.array([0.6, 0.5]), "c3": np.array([0.4])},
        "aorta": {"c9": np.array([1.0])},
    }
    b = {"liver": {"c2": np.array([0.5, NAN, 0.4]), "c1": np.array([0.3, 0.85, 0.6]), "c3": np.array([NAN])}}
    found = compare_slices(a, b)
    assert list(found) == ["liver"]
    test = found["liver"]
    left, right = [0.9, 0.8, 0.6], [0.85, 0.6, 0.5]
    assert (test.pairs, test.cases) == (3, 2)
    assert test.p == stats.wilcoxon(left, right).pvalue
    assert (test.a.mean, test.a.n) == (pytest.approx(np.mean(left)), 3)
    assert test.b.ci == pytest.approx(1.96 * np.std(right) / 3**0.5)
    alone = compare_slices(a, {"liver": {"c3": np.array([NAN])}})["liver"]
    assert (alone.pairs, alone.cases) == (0, 0)
    assert np.isnan(alone.p)


def test_the_mean_of_a_slices_columns_takes_the_same_columns_on_both_sides() -> None:
    a = {"liver": {"c1": np.array([0.9, 0.8, NAN])}, "spleen": {"c1": np.array([0.5])}}
    b = {"liver": {"c1": np.array([0.7, 0.4, 0.1])}, "spleen": {"c1": np.array([0.2, 0.9])}}
    found = compare_mean_slices(a, b)
    assert found is not None
    assert (found.pairs, found.cases) == (2, 1)
    assert found.a.mean == pytest.approx(np.mean([(0.9 + 0.5) / 2, 0.8]))
    assert found.b.mean == pytest.approx(np.mean([(0.7 + 0.2) / 2, 0.4]))
    assert compare_mean_slices(a, {"liver": {"c2": np.array([0.5])}}) is None


def test_rows_of_a_case_come_to_its_mean_over_those_that_both_define() -> None:
    a = {"liver": {("c1", 0): 0.9, ("c1", 1): 0.7, ("c2", 5): NAN}}
    b = {"liver": {("c1", 1): 0.5, ("c1", 0): NAN, ("c2", 5): 0.3}}
    left, right = mean_of_cases(a, b, {("c1", 0): "c1", ("c1", 1): "c1", ("c2", 5): "c2"})
    assert (left["liver"]["c1"], right["liver"]["c1"]) == (0.7, 0.5)
    assert np.isnan(left["liver"]["c2"])
