"""From values to greys."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crowdmask.core.errors import ErrorCode, InvalidInput
from crowdmask.core.windowing import CT_ABDOMEN, Window, apply_window, default_window


def test_a_ct_gets_the_abdomen_window():
    window = default_window(finite_minimum=-500, percentile_low=-900, percentile_high=800)
    assert window == CT_ABDOMEN == Window(-160, 240)


def test_anything_else_gets_its_percentiles():
    window = default_window(finite_minimum=-499, percentile_low=3, percentile_high=800)
    assert window == Window(3, 800)


@pytest.mark.parametrize("value", [0.0, -499.0, 1e12, 1e300])
def test_a_constant_volume_gets_a_usable_window(value):
    window = default_window(finite_minimum=value, percentile_low=value, percentile_high=value)
    assert window.low < value < window.high
    assert apply_window(np.array([value]), window)[0] == 128


@pytest.mark.parametrize(
    "ends", [(1, 1), (2, 1), (float("nan"), 1), (0, float("inf")), (-1.7e308, 1.7e308)], ids=str
)
def test_a_window_without_width_is_refused(ends):
    with pytest.raises(InvalidInput) as caught:
        Window(*ends)
    assert caught.value.code is ErrorCode.WINDOW_INVALID


@pytest.mark.parametrize(
    "document",
    [{}, {"low": 1}, {"low": "1", "high": 2}, {"low": True, "high": 2}, {"low": 1, "high": 10**400}],
    ids=["nothing", "one end", "text", "boolean", "too large"],
)
def test_a_document_that_is_no_window_is_refused(document):
    with pytest.raises(InvalidInput) as caught:
        Window.from_json(document)
    assert caught.value.code is ErrorCode.WINDOW_INVALID


def test_a_window_survives_its_document():
    assert Window.from_json(Window(-160.5, 240).to_json()) == Window(-160.5, 240)


def test_greys_are_linear_clipped_and_rounded_half_up():
    values = np.array([-1e9, 0, 0.5, 1.5, 2.4999, 2.5, 254.5, 255, 1e9])
    assert apply_window(values, Window(0, 255)).tolist() == [0, 0, 1, 2, 2, 3, 255, 255, 255]


def test_what_is_not_finite_becomes_black():
    assert apply_window(np.array([np.nan, np.inf, -np.inf]), Window(0, 1)).tolist() == [0, 0, 0]


@given(
    low=st.floats(-2000, 2000), width=st.floats(0.01, 4000), values=st.lists(st.integers(-(2**15), 2**15 - 1))
)
def test_a_lookup_table_of_int16_values_gives_the_same_greys(low, width, values):
    """What the browser does: one table over all stored values, whatever dtype they come in."""
    window = Window(low, low + width)
    table = apply_window(np.arange(-(2**15), 2**15), window)
    stored = np.array(values, dtype=np.int16)
    for dtype in (np.int16, np.float32, np.float64):
        greys = apply_window(stored.astype(dtype), window)
        assert greys.dtype == np.uint8
        np.testing.assert_array_equal(greys, table[stored.astype(int) + 2**15])
