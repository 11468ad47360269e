"""Sets of slices."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crowdmask.core.errors import InvalidInput
from crowdmask.core.intervals import NO_SLICES, Intervals

slices = st.sets(st.integers(0, 30))
ranges = st.tuples(st.integers(0, 30), st.integers(0, 30)).map(lambda pair: (min(pair), max(pair)))


@given(slices)
def test_a_set_of_slices_comes_back_as_it_was(chosen):
    made = Intervals.from_slices(chosen)
    assert list(made) == sorted(chosen)
    assert len(made) == len(chosen)
    assert bool(made) == bool(chosen)
    assert {z for z in range(32) if z in made} == chosen


@given(slices, slices, ranges)
def test_it_computes_as_sets_do(one, other, span):
    a, b = Intervals.from_slices(one), Intervals.from_slices(other)
    covered = set(range(span[0], span[1] + 1))
    assert set(a.union(b)) == one | other
    assert set(a.without(b)) == one - other
    assert set(a.with_range(*span)) == one | covered
    assert set(a.without_range(*span)) == one - covered
    assert set(a.within(*span)) == one & covered
    assert a.overlaps(*span) == bool(one & covered)


@given(slices, slices)
def test_equal_sets_are_equal_however_they_were_made(one, other):
    together = Intervals.from_slices(one | other)
    assert Intervals.from_slices(one).union(Intervals.from_slices(other)) == together
    assert together.to_json() == Intervals.of(reversed(together.ranges)).to_json()


@pytest.mark.parametrize(
    "ranges", [((3, 2),), ((-1, 2),), ((4, 5), (1, 2)), ((0, 3), (3, 5)), ((0, 3), (4, 5))]
)
def test_a_form_that_is_not_the_one_form_is_refused(ranges):
    with pytest.raises(InvalidInput):
        Intervals(ranges)


def test_a_range_that_runs_backwards_is_refused():
    with pytest.raises(InvalidInput, match="5 to 4"):
        Intervals.of([(5, 4)])


def test_touching_ranges_become_one():
    assert Intervals.of([(3, 5), (0, 2)]).ranges == ((0, 5),)
    assert "a" not in NO_SLICES
