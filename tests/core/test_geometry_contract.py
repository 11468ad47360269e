"""The geometry contract (docs/architecture.md): in by permutation and flips, out on the source's own grid.

Held against nibabel and SimpleITK, which know nothing of our code.
"""

import itertools
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from crowdmask.core.errors import Conflict, ErrorCode
from crowdmask.core.nifti import orientation_of, read_label_map, read_source_grid, read_volume, write_mask
from crowdmask.core.volume import check_same_grid

ORIENTATIONS = [
    (axes, signs)
    for axes in itertools.permutations(range(3))
    for signs in itertools.product((1, -1), repeat=3)
]
SPACING = (0.7, 1.3, 2.9)
TILT = {"straight": (0.0, 0.0, 0.0), "oblique": (0.2, -0.13, 0.31)}


def rotation(angles) -> np.ndarray:
    """Rotation matrix from three angles in radians."""
    result = np.eye(3)
    for axis, angle in enumerate(angles):
        turn = np.eye(3)
        i, j = [other for other in range(3) if other != axis]
        turn[i, i] = turn[j, j] = np.cos(angle)
        turn[i, j], turn[j, i] = -np.sin(angle), np.sin(angle)
        result = turn @ result
    return result


def make_affine(axes, signs, spacing, angles, origin) -> np.ndarray:
    """File axis i runs along +-axis ``axes[i]`` of the patient (R, A, S), then everything is tilted."""
    directions = np.zeros((3, 3))
    for i, (axis, sign) in enumerate(zip(axes, signs, strict=True)):
        directions[axis, i] = sign
    affine = np.eye(4)
    affine[:3, :3] = rotation(angles) @ directions * spacing
    affine[:3, 3] = origin
    return affine


def save(path: Path, voxels, affine, *, sform=1, qform=1) -> nibabel.Nifti1Image:
    image = nibabel.Nifti1Image(voxels, None)
    image.header.set_xyzt_units("mm")
    image.header["pixdim"][1:4] = np.linalg.norm(affine[:3, :3], axis=0)
    if qform:
        image.header.set_qform(affine, code=qform, strip_shears=True)
    image.header.set_sform(affine if sform else None, code=sform)
    nibabel.save(nibabel.Nifti1Image(voxels, None, image.header), path)
    return nibabel.load(path)


def check_contract(path: Path, mask_path: Path) -> None:
    """Read, mark one voxel, write, and compare every claim with both libraries."""
    source = nibabel.load(path)
    image = read_volume(path)

    # Lossless and canonical: nibabel's own reorientation to LPS gives the same voxels and affine.
    to_lps = nibabel.orientations.ornt_transform(
        nibabel.io_orientation(source.affine), nibabel.orientations.axcodes2ornt("LPS")
    )
    expected = source.as_reoriented(to_lps)
    np.testing.assert_array_equal(image.voxels, np.asarray(expected.dataobj).T)
    assert image.voxels.flags.c_contiguous
    np.testing.assert_allclose(image.grid.affine, expected.affine, atol=1e-4)
    assert nibabel.aff2axcodes(image.grid.affine) == ("L", "P", "S")

    # One marked voxel, at an unlikely place.
    nz, ny, nx = image.grid.shape
    z, y, x = nz - 1, ny // 3, nx // 2
    mask = np.zeros(image.grid.shape, dtype=np.uint8)
    mask[z, y, x] = 7
    write_mask(mask_path, mask, image.source)
    written = nibabel.load(mask_path)
    assert written.shape == source.shape
    assert written.get_data_dtype() == np.uint8
    assert written.affine.tobytes() == source.affine.tobytes()
    for field in [
        "pixdim",
        "qform_code",
        "sform_code",
        "quatern_b",
        "quatern_c",
        "quatern_d",
        "qoffset_x",
        "qoffset_y",
        "qoffset_z",
        "srow_x",
        "srow_y",
        "srow_z",
        "xyzt_units",
    ]:
        # pixdim[4:] belongs to axes that a volume does not have.
        theirs, ours = (np.ravel(file.header[field])[:4] for file in (source, written))
        assert theirs.tobytes() == ours.tobytes(), field

    place = image.grid.affine @ (x, y, z, 1)
    (marked,) = np.argwhere(np.asarray(written.dataobj) == 7)
    np.testing.assert_allclose((source.affine @ (*marked, 1))[:3], place[:3], atol=1e-3)
    assert np.asarray(source.dataobj)[tuple(marked)] == image.voxels[z, y, x]

    # SimpleITK (LPS world) sees one geometry, and the marked voxel at the same place.
    itk_source, itk_mask = (SimpleITK.ReadImage(str(file)) for file in (path, mask_path))
    assert itk_source.GetSize() == itk_mask.GetSize()
    assert itk_source.GetOrigin() == itk_mask.GetOrigin()
    assert itk_source.GetSpacing() == itk_mask.GetSpacing()
    assert itk_source.GetDirection() == itk_mask.GetDirection()
    assert itk_mask.GetPixel(*(int(index) for index in marked)) == 7
    point = itk_mask.TransformIndexToPhysicalPoint([int(index) for index in marked])
    np.testing.assert_allclose(np.array(point) * (-1, -1, 1), place[:3], atol=1e-2)


@pytest.mark.parametrize("tilt", TILT)
@pytest.mark.parametrize(("axes", "signs"), ORIENTATIONS)
def test_all_48_orientations_come_in_canonical_and_go_out_on_their_own_grid(tmp_path, axes, signs, tilt):
    affine = make_affine(axes, signs, SPACING, TILT[tilt], (-31.5, 12.25, 804.125))
    voxels = np.arange(5 * 6 * 7, dtype=np.int16).reshape(5, 6, 7)
    save(tmp_path / "source.nii.gz", voxels, affine)
    check_contract(tmp_path / "source.nii.gz", tmp_path / "mask.nii.gz")


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    orientation=st.sampled_from(ORIENTATIONS),
    spacing=st.tuples(*[st.floats(0.2, 8.0)] * 3),
    angles=st.tuples(*[st.floats(-1.2, 1.2)] * 3),
    origin=st.tuples(*[st.floats(-900, 900)] * 3),
    shape=st.tuples(*[st.integers(1, 9)] * 3),
    forms=st.sampled_from([(1, 1), (2, 1), (1, 2), (4, 3), (0, 1), (3, 0), (0, 4)]),
    dtype=st.sampled_from(["u1", "i1", "<i2", ">i2", "<f4", ">f4"]),
    name=st.sampled_from(["source.nii", "source.nii.gz"]),
)
@example(
    orientation=((0, 2, 1), (-1, 1, 1)),
    spacing=(1.0, 1.0, 1.0),
    angles=(0.0, 0.0, 0.0),
    origin=(0.0, 0.0, 0.0),
    shape=(9, 9, 9),
    forms=(0, 1),
    dtype="u1",
    name="source.nii",
)
def test_any_rotation_spacing_and_choice_of_forms_keeps_the_contract(
    tmp_path, orientation, spacing, angles, origin, shape, forms, dtype, name
):
    affine = make_affine(*orientation, spacing, angles, origin)
    voxels = (np.arange(np.prod(shape)) % 120).astype(dtype).reshape(shape)
    source = save(tmp_path / name, voxels, affine, sform=forms[0], qform=forms[1])
    # From 1e-7 on NIfTI's reference code takes the rest of a half turn for more than rounding, nibabel from 3.6e-7 on.
    rest = 1.0 - sum(float(source.header[f"quatern_{axis}"]) ** 2 for axis in "bcd")
    assume(forms[0] or not 0.9e-7 < rest < 4e-7)
    check_contract(tmp_path / name, tmp_path / "mask.nii.gz")


@settings(max_examples=300, deadline=None)
@given(
    orientation=st.sampled_from(ORIENTATIONS),
    angles=st.tuples(*[st.sampled_from([0, np.pi / 4, np.pi / 2, 0.3, -0.785])] * 3),
)
def test_ties_are_broken_as_nibabel_breaks_them(orientation, angles):
    affine = make_affine(*orientation, (1, 1, 1), angles, (0, 0, 0))
    ours = orientation_of(affine)
    theirs = nibabel.io_orientation(affine)
    for canonical_axis, file_axis in enumerate(ours.axes):
        assert theirs[file_axis, 0] == canonical_axis
        towards = theirs[file_axis, 1] * (1 if canonical_axis == 2 else -1)
        assert ours.flips[canonical_axis] == (towards < 0)


def test_a_big_endian_nifti_2_file_keeps_its_own_header_kind(tmp_path):
    affine = make_affine((1, 2, 0), (1, -1, -1), SPACING, TILT["oblique"], (1, 2, 3))
    voxels = np.arange(60, dtype=">i2").reshape(3, 4, 5)
    header = nibabel.Nifti2Header(endianness=">")
    header.set_data_dtype(">i2")
    source = nibabel.Nifti2Image(voxels, affine, header)
    source.header.set_qform(affine, 2)
    nibabel.save(source, tmp_path / "source.nii.gz")
    image = read_volume(tmp_path / "source.nii.gz")
    assert image.voxels.dtype == np.dtype("int16")
    assert image.voxels.dtype.isnative
    write_mask(tmp_path / "mask.nii.gz", np.ones(image.grid.shape, np.uint8), image.source)
    written, source = nibabel.load(tmp_path / "mask.nii.gz"), nibabel.load(tmp_path / "source.nii.gz")
    assert isinstance(written, nibabel.Nifti2Image)
    np.testing.assert_array_equal(written.affine, source.affine)
    np.testing.assert_array_equal(written.get_qform(), source.get_qform())
    assert int(written.header["qform_code"]) == 2


def test_lengths_in_metres_become_millimetres_and_the_mask_keeps_its_unit(tmp_path):
    affine = np.diag([0.001, 0.002, 0.003, 1.0])
    source = nibabel.Nifti1Image(np.zeros((3, 4, 5), np.int16), affine)
    source.header.set_xyzt_units("meter")
    nibabel.save(source, tmp_path / "source.nii.gz")
    image = read_volume(tmp_path / "source.nii.gz")
    np.testing.assert_allclose(image.grid.spacing, (1, 2, 3), rtol=1e-6)
    write_mask(tmp_path / "mask.nii.gz", np.ones(image.grid.shape, np.uint8), image.source)
    itk_source, itk_mask = (SimpleITK.ReadImage(str(tmp_path / f"{n}.nii.gz")) for n in ("source", "mask"))
    assert itk_source.GetSpacing() == itk_mask.GetSpacing()
    np.testing.assert_allclose(itk_mask.GetSpacing(), (1, 2, 3), rtol=1e-6)


def test_a_label_map_in_another_order_of_axes_matches_its_image(tmp_path):
    origin = np.array([10.0, 20.0, 30.0])
    voxels = np.arange(4 * 5 * 6, dtype=np.uint8).reshape(4, 5, 6)
    affine = make_affine((0, 1, 2), (1, 1, 1), SPACING, (0, 0, 0), origin)
    save(tmp_path / "image.nii.gz", voxels, affine)
    turned = nibabel.load(tmp_path / "image.nii.gz").as_reoriented(nibabel.orientations.axcodes2ornt("SLP"))
    nibabel.save(turned, tmp_path / "labels.nii.gz")
    image, labels = read_volume(tmp_path / "image.nii.gz"), read_label_map(tmp_path / "labels.nii.gz")
    assert image.source.orientation != labels.source.orientation
    check_same_grid(image.grid, labels.grid, image_name="image", label_name="labels")
    np.testing.assert_array_equal(image.voxels, labels.voxels)


@pytest.mark.parametrize(("shift", "accepted"), [(0.06, True), (0.08, False)])
def test_grids_match_within_a_tenth_of_the_smallest_spacing(tmp_path, shift, accepted):
    affine = make_affine((0, 1, 2), (1, 1, 1), SPACING, (0, 0, 0), (0, 0, 0))
    moved = affine.copy()
    moved[0, 3] += shift
    voxels = np.ones((4, 5, 6), np.uint8)
    save(tmp_path / "a.nii", voxels, affine)
    save(tmp_path / "b.nii", voxels, moved)
    first, second = (read_source_grid(tmp_path / name).grid for name in ("a.nii", "b.nii"))
    assert first.matches(second) is accepted
    if not accepted:
        with pytest.raises(Conflict, match=r"b\.nii.*a\.nii.*0\.08 mm") as caught:
            check_same_grid(first, second, image_name="a.nii", label_name="b.nii")
        assert caught.value.code is ErrorCode.GRID_MISMATCH


@pytest.mark.sample_data
@pytest.mark.parametrize(
    "name", ["abdomen_ct/image.nii.gz", "abdomen_mr/image.nii.gz", "abdomen_ct_dicom/labels_las.nii.gz"]
)
def test_the_contract_holds_on_real_files(sample_data, tmp_path, name):
    check_contract(sample_data / name, tmp_path / "mask.nii.gz")
