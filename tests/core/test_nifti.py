"""Writing, hashing, and what a file becomes in memory. Damaged files: tests/faults; geometry: its own file."""

import gzip

import nibabel
import numpy as np
import pytest
import SimpleITK

from crowdmask.core.errors import Conflict, ErrorCode, InvalidInput
from crowdmask.core.nifti import (
    read_label_map,
    read_source_grid,
    read_volume,
    voxels_sha256,
    write_mask,
    write_volume,
)
from crowdmask.core.volume import Grid

GRID = Grid((4, 5, 6), np.array([[-3, 0, 0, 20.5], [0, -3, 0, 30], [0, 0, 5, -90], [0, 0, 0, 1.0]]))

COS, SIN = np.cos(0.001), np.sin(0.001)
ROTATION = np.array([[COS, -SIN, 0, 0], [SIN, COS, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])


@pytest.fixture
def voxels() -> np.ndarray:
    return np.random.default_rng(0).integers(-1000, 1000, GRID.shape).astype(np.int16)


@pytest.mark.parametrize("dtype", ["u1", "i2", ">i2", "i4", "f4"])
def test_a_written_volume_is_read_back_exactly(tmp_path, voxels, dtype):
    values = np.abs(voxels % 200).astype(dtype)
    write_volume(tmp_path / "a.nii.gz", values, GRID)
    image = read_volume(tmp_path / "a.nii.gz")
    assert image.notices == ()
    assert image.grid.matches(GRID)
    assert image.voxels.dtype == np.dtype(dtype).newbyteorder("=")
    np.testing.assert_array_equal(image.voxels, values)
    seen = SimpleITK.ReadImage(str(tmp_path / "a.nii.gz"))
    np.testing.assert_array_equal(SimpleITK.GetArrayFromImage(seen), values)
    assert seen.GetOrigin() == (-20.5, -30, -90)
    assert seen.GetSpacing() == (3, 3, 5)


def sheared(cosine: float) -> Grid:
    affine = GRID.affine.copy()
    affine[1, 2] = 5 * cosine
    return Grid(GRID.shape, affine)


@pytest.mark.parametrize(
    ("grid", "qform"),
    [
        (GRID, 1),
        (sheared(0.2), 0),
        (Grid((1, 1, 30_000), GRID.affine @ ROTATION), 0),
    ],
    ids=["straight", "sheared", "too long for a float32 quaternion"],
)
def test_a_written_volume_has_a_qform_only_where_it_says_the_same_as_the_sform(tmp_path, grid, qform):
    write_volume(tmp_path / "a.nii.gz", np.zeros(grid.shape, np.uint8), grid)
    header = nibabel.load(tmp_path / "a.nii.gz").header
    assert (int(header["sform_code"]), int(header["qform_code"])) == (1, qform)
    image = read_volume(tmp_path / "a.nii.gz")
    assert image.grid.matches(grid)
    assert not {"forms_differ", "spacing_differs"} & {notice.code for notice in image.notices}


@pytest.mark.parametrize("read", [read_volume, read_label_map, read_source_grid])
@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: b"hello, this is no image",
        lambda content: content[:200],
        lambda content: content[:40] + bytes(2) + content[42:],
        lambda content: content[:76] + b"\xff" * 32 + content[108:],
    ],
    ids=["empty", "text", "header", "dimensions", "spacing"],
)
def test_a_refusal_begins_with_the_name_of_the_file(tmp_path, voxels, read, damage):
    write_volume(tmp_path / "ct.nii", voxels, GRID)
    content = (tmp_path / "ct.nii").read_bytes()
    for name, start in (("ct.nii", "ct.nii: The "), ("0f" * 32, "The ")):
        (tmp_path / name).write_bytes(damage(content))
        with pytest.raises(InvalidInput) as caught:
            read(tmp_path / name)
        assert caught.value.message.startswith(start)


def test_a_refusal_of_voxels_names_the_file_too(tmp_path, voxels):
    write_volume(tmp_path / "labels.nii.gz", voxels, GRID)
    with pytest.raises(InvalidInput, match=r"^labels\.nii\.gz: A label map holds whole numbers"):
        read_label_map(tmp_path / "labels.nii.gz")
    with pytest.raises(InvalidInput, match=r"^reference\.nii\.gz: A label map"):
        read_label_map(tmp_path / "labels.nii.gz", name="reference.nii.gz")
    write_volume(tmp_path / "ct.nii.gz", np.full(GRID.shape, np.nan, np.float32), GRID)
    with pytest.raises(InvalidInput, match=r"^ct\.nii\.gz: 120 of 120 voxels"):
        read_volume(tmp_path / "ct.nii.gz")


def test_an_unwritable_volume_is_refused(tmp_path, voxels):
    with pytest.raises(InvalidInput) as caught:
        write_volume(tmp_path / "a.nii.gz", voxels.astype(np.float64), GRID)
    assert caught.value.code is ErrorCode.UNSUPPORTED_DTYPE
    with pytest.raises(Conflict):
        write_volume(tmp_path / "a.nii.gz", voxels[1:], GRID)
    assert list(tmp_path.iterdir()) == []


def test_the_same_mask_gives_the_same_bytes_without_name_or_time(tmp_path, voxels):
    write_volume(tmp_path / "source.nii.gz", voxels, GRID)
    source = read_source_grid(tmp_path / "source.nii.gz")
    for name in ("one.nii.gz", "two.nii.gz"):
        write_mask(tmp_path / name, voxels > 0, source)
    content = (tmp_path / "one.nii.gz").read_bytes()
    assert content == (tmp_path / "two.nii.gz").read_bytes()
    assert content[3:8] == bytes(5), "no name, no time"


def test_a_mask_named_nii_is_not_compressed(tmp_path, voxels):
    write_volume(tmp_path / "source.nii.gz", voxels, GRID)
    source = read_source_grid(tmp_path / "source.nii.gz")
    write_mask(tmp_path / "mask.nii", voxels > 0, source)
    write_mask(tmp_path / "mask.nii.gz", voxels > 0, source)
    assert gzip.decompress((tmp_path / "mask.nii.gz").read_bytes()) == (tmp_path / "mask.nii").read_bytes()
    assert read_label_map(tmp_path / "mask.nii").notices == ()


def test_a_mask_takes_no_description_from_its_source(tmp_path, voxels):
    source = nibabel.Nifti1Image(voxels.T, GRID.affine)
    source.header["descrip"] = b"Jane Doe 1970-01-01"
    source.header["aux_file"] = b"Doe^Jane"
    source.header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", b"Doe^Jane"))
    nibabel.save(source, tmp_path / "source.nii")
    write_mask(tmp_path / "mask.nii", voxels > 0, read_volume(tmp_path / "source.nii").source)
    assert b"Doe" in (tmp_path / "source.nii").read_bytes()
    assert b"Doe" not in (tmp_path / "mask.nii").read_bytes()


@pytest.mark.parametrize("wrong", [-1, 256, 0.5, np.nan])
def test_a_mask_of_values_that_do_not_fit_is_refused(tmp_path, voxels, wrong):
    write_volume(tmp_path / "source.nii.gz", voxels, GRID)
    mask = np.ones(GRID.shape)
    mask[0, 0, 0] = wrong
    with pytest.raises(InvalidInput) as caught:
        write_mask(tmp_path / "mask.nii.gz", mask, read_source_grid(tmp_path / "source.nii.gz"))
    assert caught.value.code is ErrorCode.LABEL_VALUES_INVALID
    assert not (tmp_path / "mask.nii.gz").exists()


def test_a_mask_of_another_shape_is_refused(tmp_path, voxels):
    write_volume(tmp_path / "source.nii.gz", voxels, GRID)
    with pytest.raises(Conflict) as caught:
        write_mask(tmp_path / "mask.nii.gz", np.ones((6, 5, 4)), read_source_grid(tmp_path / "source.nii.gz"))
    assert caught.value.code is ErrorCode.GRID_MISMATCH


def test_the_hash_of_voxels_is_that_of_the_volume_and_not_of_the_file(tmp_path, voxels):
    write_volume(tmp_path / "a.nii.gz", voxels, GRID)
    expected = voxels_sha256(read_volume(tmp_path / "a.nii.gz"))
    lps = nibabel.load(tmp_path / "a.nii.gz")
    for codes in ("RAS", "LAS", "SPR", "IAL"):
        turned = lps.as_reoriented(
            nibabel.orientations.ornt_transform(
                nibabel.io_orientation(lps.affine), nibabel.orientations.axcodes2ornt(codes)
            )
        )
        nibabel.save(turned, tmp_path / "b.nii")
        assert voxels_sha256(read_volume(tmp_path / "b.nii")) == expected, codes
    write_volume(tmp_path / "c.nii", voxels.astype(np.float32), GRID)
    assert voxels_sha256(read_volume(tmp_path / "c.nii")) == expected


def test_another_voxel_or_another_place_is_another_hash(tmp_path, voxels):
    write_volume(tmp_path / "a.nii", voxels, GRID)
    first = voxels_sha256(read_volume(tmp_path / "a.nii"))
    changed = voxels.copy()
    changed[0, 0, 0] += 1
    write_volume(tmp_path / "b.nii", changed, GRID)
    moved = GRID.affine.copy()
    moved[2, 3] += 1
    write_volume(tmp_path / "c.nii", voxels, Grid(GRID.shape, moved))
    hashes = {first, *(voxels_sha256(read_volume(tmp_path / name)) for name in ("b.nii", "c.nii"))}
    assert len(hashes) == 3
