"""A mask of a slice as the rectangle around it and the bits in there."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from crowdmask.core.errors import Corrupt
from crowdmask.core.region import MaskRegion


@given(hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=2, max_side=20), elements=st.booleans()))
def test_a_mask_comes_back_as_it_was(mask: np.ndarray) -> None:
    assert np.array_equal(MaskRegion.of(mask).mask(mask.shape), mask)


def test_the_rectangle_is_as_small_as_can_be() -> None:
    mask = np.zeros((30, 40), dtype=bool)
    mask[4:9, 11:20] = True
    mask[4, 11] = False
    assert MaskRegion.of(mask).box == (11, 4, 20, 9)
    assert MaskRegion.of(np.zeros_like(mask)).box == (0, 0, 0, 0)


def test_an_organ_takes_a_few_hundred_bytes() -> None:
    y, x = np.ogrid[:512, :512]
    liver = ((y - 250) / 90) ** 2 + ((x - 200) / 120) ** 2 <= 1
    assert len(MaskRegion.of(liver).bits) < 1000


def test_bits_that_do_not_fill_the_rectangle_are_refused() -> None:
    region = MaskRegion.of(np.ones((5, 5), dtype=bool))
    with pytest.raises(Corrupt):
        MaskRegion((0, 0, 9, 9), region.bits).mask((9, 9))
    with pytest.raises(Corrupt):
        MaskRegion(region.box, b"no stream").mask((5, 5))
