"""Faults 1 to 17 (docs/faults.md): damaged and hostile image files, each refused with its code or accepted with a notice.

The files are made by hand or by nibabel, then damaged byte by byte.
"""

import gzip
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import nibabel
import numpy as np
import pytest

from crowdmask.core.errors import CrowdmaskError, ErrorCode, InvalidInput, NotFound
from crowdmask.core.nifti import read_label_map, read_source_grid, read_volume, write_mask
from crowdmask.core.slicepack import SlicePack, write_pack
from crowdmask.core.windowing import apply_window, default_window
from crowdmask.volumes.gate import GateKind, run_gate
from tests.faults.image_files import (
    AFFINE,
    DATATYPE,
    DIM,
    MAGIC,
    PIXDIM,
    QUATERNION,
    SHAPE,
    SLOPE,
    SROW,
    UNITS,
    VOX_OFFSET,
    bomb,
    noise,
    notices,
    plain,
    put,
    refused,
    sparse,
    write,
)


def growth_of_the_gates_parent(path: Path) -> tuple[str, float]:
    """What the gate says, and by how many MB its parent grew at most: in a fresh process, whose peak is its own."""
    program = """
import re, sys
from pathlib import Path
from crowdmask.core.errors import CrowdmaskError
from crowdmask.volumes.gate import GateKind, run_gate

def peak():
    # Not getrusage: its peak outlives the start of a new program.
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])

before = peak()
try:
    run_gate(Path(sys.argv[1]), kind=GateKind.VOLUME)
    verdict = "accepted"
except CrowdmaskError as error:
    verdict = error.code.value
print(verdict, peak() - before)
"""
    done = subprocess.run(
        [sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True
    )
    verdict, kilobytes = done.stdout.split()
    return verdict, int(kilobytes) / 1024


def commented_gzip(content: bytes, size: int) -> bytes:
    """A gzip stream of exactly ``size`` bytes, padded by the comment in its header."""
    deflate = zlib.compressobj(wbits=-15)
    body = deflate.compress(content) + deflate.flush() + struct.pack("<2I", zlib.crc32(content), len(content))
    return b"\x1f\x8b\x08\x10" + bytes(6) + b"c" * (size - 11 - len(body)) + b"\0" + body


def test_a_healthy_file_passes_without_a_notice(tmp_path):
    path = write(tmp_path, gzip.compress(plain()), "image.nii.gz")
    image = read_volume(path)
    assert image.notices == ()
    assert image.voxels.dtype == np.int16
    result = run_gate(path, kind=GateKind.VOLUME)
    assert result.grid.matches(image.grid)
    assert result.notices == ()


# 1-3: the container


@pytest.mark.parametrize("share", [0.01, 0.5, 0.99])
def test_fault_01_a_truncated_file_is_refused(tmp_path, share):
    content = gzip.compress(plain())
    refused(write(tmp_path, content[: int(len(content) * share)], "a.nii.gz"), ErrorCode.NIFTI_TRUNCATED)


@pytest.mark.parametrize("missing", [1, 4, 8])
def test_fault_02_a_missing_trailer_is_refused(tmp_path, missing):
    refused(write(tmp_path, gzip.compress(plain())[:-missing], "a.nii.gz"), ErrorCode.NIFTI_TRUNCATED)


def test_fault_02_a_wrong_crc_is_refused(tmp_path):
    content = bytearray(gzip.compress(plain()))
    content[-8] ^= 1
    refused(write(tmp_path, content, "a.nii.gz"), ErrorCode.NIFTI_CORRUPT)


def test_fault_02_a_wrong_length_in_the_trailer_is_refused(tmp_path):
    content = bytearray(gzip.compress(plain()))
    content[-4] ^= 1
    refused(write(tmp_path, content, "a.nii.gz"), ErrorCode.NIFTI_CORRUPT)


@pytest.mark.parametrize(
    "tail",
    [gzip.compress(b"more", mtime=0), b"garbage", bytes(300_000) + b"x"],
    ids=["a second member", "garbage", "garbage far behind"],
)
def test_fault_02_a_second_member_or_trailing_bytes_are_refused(tmp_path, tail):
    refused(write(tmp_path, gzip.compress(plain()) + tail, "a.nii.gz"), ErrorCode.NIFTI_CORRUPT)


@pytest.mark.parametrize("chunks", [1, 2])
def test_fault_02_bytes_after_a_stream_that_ends_with_a_chunk_are_refused(tmp_path, chunks):
    """Files are read in pieces of 256 KiB; what follows such a piece counts like any other byte."""
    stream = commented_gzip(bytes(plain()), chunks * 2**18)
    assert len(stream) == chunks * 2**18
    read_volume(write(tmp_path, stream, "a.nii.gz"))
    refused(write(tmp_path, stream + b"garbage", "a.nii.gz"), ErrorCode.NIFTI_CORRUPT)
    read_volume(write(tmp_path, stream + bytes(500), "a.nii.gz"))


def test_fault_02_zero_padding_after_the_stream_is_accepted(tmp_path):
    read_volume(write(tmp_path, gzip.compress(plain()) + bytes(700_000), "a.nii.gz"))


def test_fault_03_no_flipped_bit_changes_a_voxel_unseen(tmp_path):
    """Only the gzip header's time and the bits that pad the stream to whole bytes carry nothing."""
    whole = gzip.compress(plain(), mtime=0)
    found = 0
    generator = np.random.default_rng(5)
    for position in generator.integers(10, len(whole), 150):
        damaged = bytearray(whole)
        damaged[position] ^= 1 << int(generator.integers(8))
        try:
            image = read_volume(write(tmp_path, damaged, "a.nii.gz"))
        except InvalidInput:
            found += 1
            continue
        np.testing.assert_array_equal(image.voxels, noise().T)
    assert found >= 148


# 4-6: sizes


@pytest.mark.parametrize("compressed", [True, False])
def test_fault_04_fewer_voxels_than_announced_is_refused(tmp_path, compressed):
    content = bytes(plain()[:-100])
    path = write(tmp_path, gzip.compress(content) if compressed else content)
    error = refused(path, ErrorCode.NIFTI_TRUNCATED)
    assert str(len(content)) in error.message


@pytest.mark.parametrize("compressed", [True, False])
def test_fault_04_a_few_bytes_too_many_are_accepted_with_a_notice(tmp_path, compressed):
    content = bytes(plain()) + b"x" * 77
    image = read_volume(write(tmp_path, gzip.compress(content) if compressed else content))
    assert "trailing_bytes" in notices(image)
    np.testing.assert_array_equal(image.voxels, noise().T)


@pytest.mark.parametrize(("read", "dtype"), [(read_volume, np.int16), (read_label_map, np.uint8)])
def test_fault_05_a_bomb_behind_a_small_header_is_refused_after_one_megabyte(tmp_path, read, dtype):
    content = bytes(plain(np.ones(SHAPE, dtype)))
    error = refused(bomb(tmp_path, content, 2**28), ErrorCode.FILE_TOO_LARGE, read)
    assert str(2**20) in error.message


def test_fault_05_a_bomb_that_announces_its_size_is_refused_and_the_parent_does_not_grow(tmp_path):
    header = put(plain(), DIM, "4h", 3, 1024, 1024, 750)[:352]
    path = bomb(tmp_path, bytes(header), 1500 * 2**20)
    assert path.stat().st_size < 2e6
    verdict, growth = growth_of_the_gates_parent(path)
    assert verdict == ErrorCode.FILE_TOO_LARGE
    assert growth < 50, "MB by which a server may grow"


def test_fault_05_reading_a_large_file_does_not_make_the_parent_grow(tmp_path):
    verdict, growth = growth_of_the_gates_parent(sparse(tmp_path, (256, 256, 1000)))
    assert verdict == "accepted"
    assert growth < 50, "MB by which a server may grow"


def test_fault_05_our_own_sparse_mask_of_more_than_256_mib_is_no_bomb(tmp_path):
    """An organ in a long CT shrinks by a factor of several hundred; its image never does."""
    source = read_source_grid(write(tmp_path, put(plain(), DIM, "4h", 3, 512, 512, 1100)[:352]))
    mask = np.zeros(source.grid.shape, np.uint8)
    mask[500, 200:300, 100:200] = 5
    path = tmp_path / "mask.nii.gz"
    write_mask(path, mask, source)
    assert mask.nbytes > max(2**28, 200 * path.stat().st_size)
    labels = read_label_map(path)
    assert labels.notices == ()
    assert np.count_nonzero(labels.voxels) == np.count_nonzero(labels.voxels[500, 200:300, 100:200]) == 10_000
    with pytest.raises(InvalidInput) as caught:
        read_volume(path)
    assert caught.value.code is ErrorCode.FILE_TOO_LARGE


def test_fault_05_a_child_over_its_memory_limit_is_refused(tmp_path):
    path = sparse(tmp_path, (512, 512, 2000))
    with pytest.raises(InvalidInput) as caught:
        run_gate(path, kind=GateKind.VOLUME, memory_limit=2**29)
    assert caught.value.code is ErrorCode.FILE_TOO_LARGE


def test_fault_05_a_child_over_its_processor_time_is_refused(tmp_path):
    path = sparse(tmp_path, (512, 512, 1000), np.uint8)
    with pytest.raises(InvalidInput) as caught:
        run_gate(path, kind=GateKind.LABELS, cpu_seconds=1)
    assert caught.value.code is ErrorCode.FILE_TOO_LARGE


@pytest.mark.parametrize(
    ("dim", "code"),
    [
        ((3, 32767, 32767, 32767), ErrorCode.FILE_TOO_LARGE),
        ((3, -12, 10, 8), ErrorCode.DIMENSIONS_INVALID),
        ((3, 12, 0, 8), ErrorCode.DIMENSIONS_INVALID),
        ((0, 12, 10, 8), ErrorCode.DIMENSIONS_INVALID),
        ((1, 12, 10, 8), ErrorCode.DIMENSIONS_INVALID),
        ((-3, 12, 10, 8), ErrorCode.DIMENSIONS_INVALID),
        ((9, 12, 10, 8), ErrorCode.DIMENSIONS_INVALID),
    ],
)
def test_fault_06_impossible_sizes_are_refused_from_the_header_alone(tmp_path, dim, code):
    header = put(plain(), DIM, "4h", *dim)[:352]
    refused(write(tmp_path, header), code)


def test_fault_06_a_volume_above_the_limit_is_refused(tmp_path):
    with pytest.raises(InvalidInput) as caught:
        read_volume(write(tmp_path, plain()), limit_bytes=2000)
    assert caught.value.code is ErrorCode.FILE_TOO_LARGE


# 7-8: voxel types and dimensions


@pytest.mark.parametrize("datatype", [0, 1, 3, 32, 128, 1024, 1280, 1536, 1792, 2048, 2304])
def test_fault_07_an_unsupported_voxel_type_is_refused(tmp_path, datatype):
    refused(write(tmp_path, put(plain(), DATATYPE, "h", datatype)), ErrorCode.UNSUPPORTED_DTYPE)


@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2", "u4", "i4", "f4", "f8"])
def test_fault_07_every_supported_voxel_type_is_read_exactly(tmp_path, dtype):
    voxels = np.abs(noise()).astype(dtype)
    image = read_volume(write(tmp_path, plain(voxels)))
    assert image.voxels.dtype == ("f4" if dtype == "f8" else dtype)
    np.testing.assert_array_equal(image.voxels, voxels.T)


@pytest.mark.parametrize("dtype", [np.int64, np.uint64])
def test_fault_07_64_bit_labels_whose_values_fit_are_accepted(tmp_path, dtype):
    voxels = (np.abs(noise()) % 5).astype(dtype)
    labels = read_label_map(write(tmp_path, plain(voxels)))
    assert labels.voxels.dtype == np.uint8
    np.testing.assert_array_equal(labels.voxels, voxels.T)


def test_fault_08_a_fourth_dimension_of_one_is_dropped_with_a_notice(tmp_path):
    image = read_volume(write(tmp_path, plain(noise((*SHAPE, 1)))))
    assert image.voxels.shape == SHAPE[::-1]
    assert "squeezed" in notices(image)
    mask = tmp_path / "mask.nii.gz"
    write_mask(mask, np.ones(image.grid.shape, np.uint8), image.source)
    assert nibabel.load(mask).shape == SHAPE


def test_fault_08_several_volumes_need_a_choice(tmp_path):
    voxels = noise((*SHAPE, 3))
    path = write(tmp_path, gzip.compress(plain(voxels)), "series.nii.gz")
    error = refused(path, ErrorCode.VOLUME_INDEX_NEEDED)
    assert "0 to 2" in error.hint
    refused(path, ErrorCode.VOLUME_INDEX_NEEDED, volume_index=3)
    for index in range(3):
        image = read_volume(path, volume_index=index)
        np.testing.assert_array_equal(image.voxels, voxels[..., index].T)
        assert "volume_chosen" in notices(image)
    assert run_gate(path, kind=GateKind.VOLUME, volume_index=1).grid.shape == SHAPE[::-1]


def test_fault_08_several_values_per_voxel_are_refused(tmp_path):
    refused(write(tmp_path, plain(noise((*SHAPE, 1, 3)))), ErrorCode.DIMENSIONS_INVALID)


@pytest.mark.parametrize("shape", [(12, 10), (12, 10, 1)])
def test_fault_08_one_slice_is_accepted_with_a_notice(tmp_path, shape):
    voxels = noise(shape)
    image = read_volume(write(tmp_path, plain(voxels)))
    np.testing.assert_array_equal(image.voxels, voxels.reshape(12, 10, 1).T)
    assert "single_slice" in notices(image)
    mask = tmp_path / "mask.nii.gz"
    write_mask(mask, np.ones((1, 10, 12), np.uint8), image.source)
    assert nibabel.load(mask).shape == (12, 10, 1)
    np.testing.assert_array_equal(nibabel.load(mask).affine, nibabel.load(tmp_path / "image.nii").affine)


# 9-13: spacing and orientation


@pytest.mark.parametrize("size", [0.0, np.nan, np.inf])
@pytest.mark.parametrize("axis", [1, 2, 3])
def test_fault_09_a_spacing_that_is_no_length_is_refused(tmp_path, size, axis):
    refused(write(tmp_path, put(plain(), PIXDIM + 4 * axis, "f", size)), ErrorCode.SPACING_INVALID)


def test_fault_09_a_negative_spacing_is_refused_unless_the_sform_stands_alone(tmp_path):
    refused(write(tmp_path, put(plain(), PIXDIM + 4, "f", -0.8)), ErrorCode.SPACING_INVALID)
    image = read_volume(write(tmp_path, put(plain(qform=0), PIXDIM + 4, "f", -0.8)))
    assert "spacing_negative" in notices(image)
    np.testing.assert_allclose(image.grid.spacing, (0.8, 0.8, 2.5), rtol=1e-6)


def test_fault_09_an_unknown_unit_of_length_is_refused(tmp_path):
    refused(write(tmp_path, put(plain(), UNITS, "B", 5)), ErrorCode.SPACING_INVALID)


@pytest.mark.parametrize("row", [(0, 0, 0, 0), (np.nan, 0, 0, 1), (0, 1, 0, 5), (np.inf, 0, 0, 0)], ids=str)
def test_fault_10_a_broken_sform_is_refused(tmp_path, row):
    refused(write(tmp_path, put(plain(), SROW, "4f", *row)), ErrorCode.ORIENTATION_INVALID)


def test_fault_10_no_orientation_is_a_question_and_never_a_guess(tmp_path):
    path = write(tmp_path, plain(sform=0, qform=0))
    error = refused(path, ErrorCode.ORIENTATION_UNKNOWN)
    assert "--assume-affine" in error.hint
    image = read_volume(path, assume_affine=True)
    assert "affine_assumed" in notices(image)
    np.testing.assert_allclose(image.grid.spacing, (0.8, 0.8, 2.5), rtol=1e-6)
    # Taken as right, anterior, superior: canonical LPS counts x and y the other way.
    np.testing.assert_array_equal(image.voxels, noise()[::-1, ::-1].T)
    with pytest.raises(InvalidInput):
        read_source_grid(path)
    assert read_source_grid(path, assume_affine=True).grid.matches(image.grid)
    assert "affine_assumed" in {
        n.code for n in run_gate(path, kind=GateKind.VOLUME, assume_affine=True).notices
    }


def test_fault_10_an_assumption_never_overrides_what_the_file_says(tmp_path):
    image = read_volume(write(tmp_path, plain()), assume_affine=True)
    assert image.notices == ()
    np.testing.assert_allclose(image.grid.affine, AFFINE, atol=1e-5)


@pytest.mark.parametrize(
    ("shift", "outcome"), [(0.05, "quiet"), (0.5, "noted"), (1.5, "noted"), (1.7, "refused"), (90, "refused")]
)
def test_fault_10_sform_against_qform_is_decided_at_the_corners(tmp_path, shift, outcome):
    """Smallest spacing 0.8 mm: noted above 0.08 mm, refused above 1.6 mm."""
    path = write(tmp_path, put(plain(), SROW + 12, "f", 40 + shift))
    if outcome == "refused":
        refused(path, ErrorCode.ORIENTATION_CONFLICT)
        return
    image = read_volume(path)
    assert notices(image) == ({"forms_differ"} if outcome == "noted" else set())
    assert image.grid.affine[0, 3] == pytest.approx(40 + shift, abs=1e-4)


@pytest.mark.parametrize(("sform", "qform"), [(0, 1), (1, 0)])
def test_fault_10_forms_are_compared_only_where_both_have_a_code(tmp_path, sform, qform):
    content = plain(sform=sform, qform=qform)
    unused = SROW if not sform else QUATERNION
    image = read_volume(write(tmp_path, put(content, unused, "3f", np.nan, 7, 7)))
    np.testing.assert_allclose(image.grid.affine, AFFINE, atol=1e-4)


def test_fault_11_an_oblique_volume_is_accepted_with_a_notice(tmp_path):
    tilted = AFFINE.copy()
    tilted[:3, :3] = [[-0.8, 0, 0], [0, -0.77, -0.68], [0, -0.2177, 2.406]]
    nibabel.save(nibabel.Nifti1Image(noise(), tilted), tmp_path / "image.nii")
    image = read_volume(tmp_path / "image.nii")
    assert "oblique" in notices(image)
    np.testing.assert_array_equal(image.voxels[0], noise()[:, :, 0].T)
    write_mask(tmp_path / "mask.nii.gz", np.ones(image.grid.shape, bool), image.source)
    affine = nibabel.load(tmp_path / "image.nii").affine
    assert nibabel.load(tmp_path / "mask.nii.gz").affine.tobytes() == affine.tobytes()


@pytest.mark.parametrize("sform", [0, 1])
@pytest.mark.parametrize("quaternion", [(np.nan, 0, 0), (0.9, 0.9, 0), (np.inf, 0, 0)], ids=str)
def test_fault_12_a_bad_quaternion_is_refused(tmp_path, quaternion, sform):
    path = write(tmp_path, put(plain(sform=sform), QUATERNION, "3f", *quaternion))
    refused(path, ErrorCode.ORIENTATION_INVALID)


@pytest.mark.parametrize("slope", [np.nan, 0.0, np.inf])
def test_fault_13_a_scaling_without_meaning_is_noted(tmp_path, slope):
    image = read_volume(write(tmp_path, put(plain(), SLOPE, "2f", slope, 3)))
    assert notices(image) == {"scaling_ignored"}
    np.testing.assert_array_equal(image.voxels, noise().T)


def test_fault_13_a_scaling_with_meaning_is_applied(tmp_path):
    image = read_volume(write(tmp_path, put(plain(), SLOPE, "2f", 0.5, -1024)))
    assert image.voxels.dtype == np.float32
    np.testing.assert_array_equal(image.voxels, noise().T * 0.5 - 1024)


# 14-16: values


def with_holes(share: float, dtype=np.float32) -> np.ndarray:
    voxels = noise(dtype=dtype)
    count = int(voxels.size * share)
    voxels.reshape(-1)[:count] = np.resize([np.nan, np.inf, -np.inf], count)
    return voxels


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_fault_14_a_few_non_finite_voxels_are_counted_and_kept(tmp_path, dtype):
    voxels = with_holes(0.04, dtype)
    image = read_volume(write(tmp_path, plain(voxels)))
    assert "non_finite" in notices(image)
    np.testing.assert_array_equal(image.voxels, voxels.T)
    summary = write_pack(tmp_path / "pack", image.voxels)
    assert summary.non_finite == int(voxels.size * 0.04)
    with SlicePack.open(tmp_path / "pack") as pack:
        shown = pack.volume()
    finite = np.isfinite(image.voxels)
    np.testing.assert_array_equal(shown[finite], image.voxels[finite])
    assert summary.finite_minimum == image.voxels[finite].min()
    assert np.all(shown[~finite] == summary.finite_minimum)


def test_fault_14_more_than_five_percent_non_finite_is_refused(tmp_path):
    refused(write(tmp_path, plain(with_holes(0.06))), ErrorCode.NOT_FINITE)


@pytest.mark.parametrize("value", [0, -1000, 17])
def test_fault_15_a_constant_image_is_accepted_with_a_notice(tmp_path, value):
    image = read_volume(write(tmp_path, plain(np.full(SHAPE, value, np.int16))))
    assert notices(image) == {"constant"}
    summary = write_pack(tmp_path / "pack", image.voxels)
    window = default_window(
        finite_minimum=summary.finite_minimum,
        percentile_low=summary.percentile_low,
        percentile_high=summary.percentile_high,
    )
    with SlicePack.open(tmp_path / "pack") as pack:
        assert len(np.unique(apply_window(pack.values(0), window))) == 1


@pytest.mark.parametrize("shift", [0, 1024, 100_000])
def test_fault_16_values_out_of_the_usual_range_get_a_window_from_the_data(tmp_path, shift):
    image = read_volume(write(tmp_path, plain(np.abs(noise(dtype=np.int32)) + shift)))
    summary = write_pack(tmp_path / "pack", image.voxels)
    window = default_window(
        finite_minimum=summary.finite_minimum,
        percentile_low=summary.percentile_low,
        percentile_high=summary.percentile_high,
    )
    low, high = np.percentile(image.voxels, (0.5, 99.5))
    assert window.low == pytest.approx(low, abs=0.1)
    assert window.high == pytest.approx(high, abs=0.1)


# 17: what it is, is told by the bytes


@pytest.mark.parametrize(
    ("name", "compressed"), [("image.nii.gz", False), ("image.nii", True)], ids=["plain", "gzip"]
)
def test_fault_17_a_wrong_ending_is_accepted_with_a_notice(tmp_path, name, compressed):
    content = bytes(plain())
    image = read_volume(write(tmp_path, gzip.compress(content) if compressed else content, name))
    assert notices(image) == {"renamed"}
    np.testing.assert_array_equal(image.voxels, noise().T)


def test_fault_17_an_empty_file_is_refused(tmp_path):
    refused(write(tmp_path, b""), ErrorCode.FILE_EMPTY)


@pytest.mark.parametrize(
    "content",
    [
        b"hello, this is not an image",
        b"<!DOCTYPE html><html><body>502 Bad Gateway</body></html>",
        b"PK\x03\x04" + bytes(400),
        bytes(400),
        b"\x5c\x01\x00\x00" + bytes(400),
        bytes(128) + b"DICM" + bytes(400),
        b"x",
    ],
    ids=["text", "html", "zip", "zeros", "analyze", "dicom", "one byte"],
)
@pytest.mark.parametrize("compressed", [True, False])
def test_fault_17_what_is_no_nifti_file_is_refused(tmp_path, content, compressed):
    refused(write(tmp_path, gzip.compress(content) if compressed else content), ErrorCode.NOT_NIFTI)


def test_fault_17_half_of_a_pair_is_refused_with_advice(tmp_path):
    content = plain()
    content[MAGIC : MAGIC + 4] = b"ni1\0"
    assert "pair" in refused(write(tmp_path, content), ErrorCode.NOT_NIFTI).message


@pytest.mark.parametrize("length", [3, 100, 347])
def test_fault_17_a_file_that_ends_inside_its_header_is_refused(tmp_path, length):
    code = ErrorCode.NOT_NIFTI if length < 4 else ErrorCode.NIFTI_TRUNCATED
    refused(write(tmp_path, plain()[:length]), code)


@pytest.mark.parametrize("offset", [0, 347, 352.5, -1, np.nan, np.inf, 1e30])
def test_fault_17_voxels_that_begin_nowhere_are_refused(tmp_path, offset):
    refused(write(tmp_path, put(plain(), VOX_OFFSET, "f", offset)), ErrorCode.NIFTI_HEADER_INVALID)


def test_a_missing_file_is_not_found(tmp_path):
    with pytest.raises(NotFound):
        read_volume(tmp_path / "none.nii.gz")
    with pytest.raises(NotFound):
        run_gate(tmp_path / "none.nii.gz", kind=GateKind.VOLUME)


def test_no_random_header_makes_the_gate_fail_in_another_way(tmp_path):
    """Random bytes anywhere in the header: a typed error or an image, never anything else."""
    generator = np.random.default_rng(11)
    for _ in range(200):
        content = plain(noise((4, 3, 2)))
        for position in generator.integers(4, 344, 3):
            content[position] = generator.integers(256)
        path = write(tmp_path, content)
        try:
            image = read_volume(path)
        except CrowdmaskError:
            continue
        write_mask(tmp_path / "mask.nii.gz", np.ones(image.grid.shape, np.uint8), image.source)
        assert read_source_grid(tmp_path / "mask.nii.gz").grid.matches(image.grid)


def test_a_raw_deflate_stream_with_optional_gzip_fields_is_read(tmp_path):
    """Name, comment and extra field in the gzip header are legal and skipped."""
    content = bytes(plain())
    deflate = zlib.compressobj(wbits=-15)
    packed = b"\x1f\x8b\x08\x1c" + bytes(6) + b"\x02\x00ab" + b"name.nii\0" + b"comment\0"
    packed += deflate.compress(content) + deflate.flush()
    packed += struct.pack("<2I", zlib.crc32(content), len(content))
    assert read_volume(write(tmp_path, packed, "image.nii.gz")).notices == ()
