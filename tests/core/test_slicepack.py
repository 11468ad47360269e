"""The slice pack: exact where it can be, half a level elsewhere, and never silently damaged."""

import hashlib

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from crowdmask.core.errors import Corrupt, ErrorCode, InvalidInput
from crowdmask.core.slicepack import SlicePack, write_pack


def ct(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(-1024, 3000, (7, 11, 13)).astype(np.int16)


def opened(tmp_path, voxels):
    summary = write_pack(tmp_path / "pack", voxels)
    return summary, SlicePack.open(tmp_path / "pack")


@pytest.mark.parametrize("dtype", ["<i2", ">i2", "i4", "f4", "f8"])
def test_whole_numbers_in_range_are_exact_whatever_the_dtype_and_give_one_hash(tmp_path, dtype):
    summary, pack = opened(tmp_path, ct().astype(dtype))
    with pack:
        assert (pack.scale, pack.offset) == (1.0, 0.0)
        assert pack.volume().dtype == np.float32
        np.testing.assert_array_equal(pack.volume(), ct())
        np.testing.assert_array_equal(pack.stored(3), ct()[3])
        assert pack.stored(3).dtype == np.int16
        assert pack.summary == summary
    assert summary == write_pack(tmp_path / "again", ct())
    assert summary.sha256 == hashlib.sha256((tmp_path / "pack").read_bytes()).hexdigest()


def test_the_summary_is_numpys_over_the_finite_voxels(tmp_path):
    voxels = ct().astype(np.float32)
    voxels[0, 0, :5] = np.nan, np.inf, -np.inf, np.nan, np.nan
    summary, pack = opened(tmp_path, voxels)
    finite = voxels[np.isfinite(voxels)]
    assert summary.shape == (7, 11, 13)
    assert summary.non_finite == 5
    assert (summary.finite_minimum, summary.finite_maximum) == (finite.min(), finite.max())
    expected = np.percentile(finite.astype(np.float64), (0.5, 99.5))
    assert (summary.percentile_low, summary.percentile_high) == pytest.approx(expected, abs=1e-9)
    with pack:
        np.testing.assert_array_equal(pack.values(0)[0, :5], finite.min())


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    voxels=arrays(
        np.float32,
        array_shapes(min_dims=3, max_dims=3, max_side=6),
        elements=st.floats(-(2.0**100), 2.0**100, width=32),
    )
)
def test_any_finite_volume_comes_back_within_half_a_level(tmp_path, voxels):
    summary, pack = opened(tmp_path, voxels)
    with pack:
        error = np.abs(pack.volume().astype(np.float64) - voxels)
    rounding = np.abs(voxels).max() * 2.0**-22
    assert error.max() <= summary.scale / 2 + rounding
    percentiles = np.percentile(voxels.astype(np.float64), (0.5, 99.5))
    assert np.abs(np.array([summary.percentile_low, summary.percentile_high]) - percentiles).max() <= (
        summary.scale + rounding
    )


@pytest.mark.parametrize("value", [0, -1000, 40_000, 0.25, 1e-30])
def test_a_constant_volume_is_exact(tmp_path, value):
    summary, pack = opened(tmp_path, np.full((2, 3, 4), value, dtype=np.float32))
    with pack:
        np.testing.assert_array_equal(pack.volume(), np.float32(value))
    assert summary.percentile_low == summary.percentile_high == np.float32(value)


@pytest.mark.parametrize("share", [0.06, 1.0])
def test_a_volume_with_too_few_finite_voxels_is_refused_and_nothing_written(tmp_path, share):
    voxels = ct().astype(np.float32)
    voxels.reshape(-1)[: int(voxels.size * share)] = np.nan
    with pytest.raises(InvalidInput) as caught:
        write_pack(tmp_path / "pack", voxels)
    assert caught.value.code is ErrorCode.NOT_FINITE
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("shape", [(3, 4), (0, 3, 4), (1, 2, 3, 4)])
def test_only_a_3d_volume_is_packed(tmp_path, shape):
    with pytest.raises(InvalidInput) as caught:
        write_pack(tmp_path / "pack", np.zeros(shape, np.int16))
    assert caught.value.code is ErrorCode.DIMENSIONS_INVALID


def test_an_older_pack_stays_whole_when_writing_fails(tmp_path):
    write_pack(tmp_path / "pack", ct())
    before = (tmp_path / "pack").read_bytes()
    with pytest.raises(InvalidInput):
        write_pack(tmp_path / "pack", np.full((2, 3, 4), np.nan, np.float32))
    assert (tmp_path / "pack").read_bytes() == before


@pytest.mark.parametrize("z", [-1, 7])
def test_a_slice_that_is_not_there_is_refused(tmp_path, z):
    _, pack = opened(tmp_path, ct())
    with pack, pytest.raises(InvalidInput) as caught:
        pack.stored(z)
    assert caught.value.code is ErrorCode.SLICE_OUT_OF_RANGE


def test_a_missing_pack_is_said_to_be_missing(tmp_path):
    with pytest.raises(Corrupt) as caught:
        SlicePack.open(tmp_path / "none")
    assert caught.value.code is ErrorCode.BLOB_MISSING


@pytest.mark.parametrize("kept", [0, 4, 60, 0.5, 0.999])
def test_a_cut_pack_is_found_corrupt_when_it_is_opened(tmp_path, kept):
    write_pack(tmp_path / "pack", ct())
    content = (tmp_path / "pack").read_bytes()
    size = kept if isinstance(kept, int) else int(len(content) * kept)
    (tmp_path / "pack").write_bytes(content[:size])
    with pytest.raises(Corrupt) as caught:
        SlicePack.open(tmp_path / "pack")
    assert caught.value.code is ErrorCode.SLICE_PACK_CORRUPT


def test_no_flipped_bit_changes_a_value_unseen(tmp_path):
    """The few bits that pad a compressed slice to whole bytes carry nothing; all others are checked."""
    write_pack(tmp_path / "pack", ct())
    content = (tmp_path / "pack").read_bytes()
    generator = np.random.default_rng(1)
    found = 0
    for position in [*range(80), *generator.integers(0, len(content), 200)]:
        damaged = bytearray(content)
        damaged[position] ^= 1 << int(generator.integers(8))
        (tmp_path / "pack").write_bytes(damaged)
        try:
            with SlicePack.open(tmp_path / "pack") as pack:
                np.testing.assert_array_equal(pack.volume(), ct())
        except Corrupt:
            found += 1
    assert found >= 275
