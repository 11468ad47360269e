"""nnU-Net's folders: what we write passes its rules, and what breaks a rule is refused with the case named."""

import gzip
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK

from crowdmask.core.errors import Conflict, ErrorCode, InvalidInput
from crowdmask.core.labels import Label, LabelSet
from crowdmask.core.nifti import read_label_map, read_volume, write_volume
from crowdmask.core.nnunet import (
    DatasetDescription,
    DatasetFolder,
    Split,
    case_name,
    check_dataset,
    read_dataset,
    write_case,
    write_dataset_json,
)
from crowdmask.core.volume import Grid

LABELS = LabelSet((Label(1, "spleen"), Label(2, "right kidney")))
GRID = Grid((4, 5, 6), np.diag([-2.0, -2.0, 3.0, 1.0]))


def _image(path: Path, *, seed: int = 0) -> Path:
    voxels = np.random.default_rng(seed).integers(-100, 200, GRID.shape).astype(np.int16)
    write_volume(path, voxels, GRID)
    return path


def _mask() -> np.ndarray:
    mask = np.zeros(GRID.shape, dtype=np.uint8)
    mask[1:3, 1:3, 1:3] = 1
    mask[2, 3, 4] = 2
    return mask


@pytest.fixture
def folder(tmp_path) -> DatasetFolder:
    """A good dataset: two training cases and a test case."""
    dataset = DatasetFolder.named(tmp_path, number=42, name="Abdomen")
    for seed, (case, split) in enumerate(
        [("first", Split.TRAINING), ("second", Split.TRAINING), ("third", Split.TEST)]
    ):
        source = _image(tmp_path / f"{case}.nii.gz", seed=seed)
        assert write_case(dataset, case, image=source, mask=_mask(), split=split)
    write_dataset_json(dataset, DatasetDescription(("CT",), LABELS, 2))
    return dataset


def _refusal(folder: DatasetFolder) -> str:
    with pytest.raises(InvalidInput) as caught:
        check_dataset(folder.path)
    assert caught.value.code is ErrorCode.DATASET_INVALID
    assert folder.path.name in caught.value.message
    return caught.value.message


def _rewrite_json(folder: DatasetFolder, **changes: object) -> None:
    content = json.loads(folder.description_path.read_text()) | changes
    folder.description_path.write_text(json.dumps(content))


def test_a_written_dataset_passes_the_check(folder):
    report = check_dataset(folder.path)
    assert (report.training_cases, report.test_cases) == (2, 1)
    assert report.cases_with_label == {1: 2, 2: 2}
    assert report.empty_cases == ()
    assert report.dataset.description == DatasetDescription(("CT",), LABELS, 2)
    assert [case.name for case in report.dataset.of(Split.TRAINING)] == ["first", "second"]
    stored = json.loads(folder.description_path.read_text())
    assert stored == {
        "channel_names": {"0": "CT"},
        "labels": {"background": 0, "spleen": 1, "right kidney": 2},
        "numTraining": 2,
        "file_ending": ".nii.gz",
    }


def test_an_image_is_copied_byte_for_byte(folder, tmp_path):
    assert folder.image_path("first").read_bytes() == (tmp_path / "first.nii.gz").read_bytes()
    assert np.array_equal(read_label_map(folder.label_path("first")).voxels, _mask())


def test_an_uncompressed_image_is_only_compressed(folder, tmp_path):
    plain = tmp_path / "plain.nii"
    plain.write_bytes(gzip.decompress((tmp_path / "first.nii.gz").read_bytes()))
    assert write_case(folder, "plain", image=plain, mask=_mask())
    assert gzip.decompress(folder.image_path("plain").read_bytes()) == plain.read_bytes()
    again = folder.image_path("plain").read_bytes()
    assert write_case(folder, "plain", image=plain, mask=_mask())
    assert folder.image_path("plain").read_bytes() == again


@pytest.mark.parametrize(
    "trouble",
    [
        "four axes",
        "not finite",
        "no orientation",
        "NIfTI-2",
        "another voxel size",
        "axes hardly at right angles",
    ],
)
def test_an_image_that_nnunet_cannot_read_is_written_anew(folder, tmp_path, trouble):
    values = np.random.default_rng(0).normal(size=(6, 5, 4)).astype(np.float32)
    affine = np.diag([2.0, 2.0, 3.0, 1.0])  # RAS: not canonical, so the two grids differ
    if trouble == "not finite":
        values[0, 0, 0] = np.nan
    if trouble == "four axes":
        values = values[..., None]
    source = tmp_path / "odd.nii.gz"
    if trouble == "axes hardly at right angles":
        affine[0, 2] = 3e-4 * 3
    image = (nibabel.Nifti2Image if trouble == "NIfTI-2" else nibabel.Nifti1Image)(values, affine)
    if trouble == "no orientation":
        image.set_sform(None, code=0)
        image.set_qform(None, code=0)
    if trouble == "another voxel size":
        image.set_sform(affine, code=1)
        image.header["pixdim"][3] = 5.0
    nibabel.save(image, source)
    assume_affine = trouble == "no orientation"
    kept = write_case(folder, "odd", image=source, mask=_mask(), assume_affine=assume_affine)
    assert not kept
    written = read_volume(folder.image_path("odd"))
    expected = read_volume(source, assume_affine=assume_affine)
    assert written.grid.matches(expected.grid)
    assert np.isfinite(written.voxels).all()
    same = np.isfinite(expected.voxels)
    assert np.allclose(written.voxels[same], expected.voxels[same])
    assert np.array_equal(read_label_map(folder.label_path("odd")).voxels, _mask())
    for path in (folder.image_path("odd"), folder.label_path("odd")):
        seen = SimpleITK.ReadImage(str(path))
        assert seen.GetSpacing() == pytest.approx(expected.grid.spacing, rel=1e-5)
        assert SimpleITK.GetArrayFromImage(seen).shape == expected.grid.shape
    write_dataset_json(folder, DatasetDescription(("CT",), LABELS, 3))
    assert check_dataset(folder.path).training_cases == 3


@pytest.fixture
def sheared(tmp_path) -> Path:
    affine = GRID.affine.copy()
    affine[1, 2] = 0.6
    path = tmp_path / "sheared.nii.gz"
    write_volume(path, np.ones(GRID.shape, np.uint8), Grid(GRID.shape, affine))
    with pytest.raises(RuntimeError, match="orthonormal"):
        SimpleITK.ReadImage(str(path))
    return path


def test_an_image_whose_axes_are_not_at_right_angles_is_refused_with_its_case(folder, sheared):
    with pytest.raises(InvalidInput) as caught:
        write_case(folder, "gantry", image=sheared, mask=_mask())
    assert caught.value.code is ErrorCode.DATASET_INVALID
    assert "case gantry: the axes of the image are not at right angles" in caught.value.message
    assert not folder.image_path("gantry").exists()
    shutil.copy(sheared, folder.image_path("second"))
    shutil.copy(sheared, folder.label_path("second"))
    assert "case second: the axes of the image are not at right angles" in _refusal(folder)


def test_unsigned_and_long_integers_survive_being_written_anew(folder, tmp_path):
    source = tmp_path / "odd.nii.gz"
    values = np.arange(120, dtype=np.uint16).reshape(6, 5, 4, 1) + 60_000
    nibabel.save(nibabel.Nifti1Image(values, np.diag([2.0, 2.0, 3.0, 1.0])), source)
    assert not write_case(folder, "odd", image=source, mask=_mask())
    assert np.array_equal(read_volume(folder.image_path("odd")).voxels, read_volume(source).voxels)


@pytest.mark.sample_data
@pytest.mark.parametrize("name", ["abdomen_ct/image.nii.gz", "abdomen_mr/image.nii.gz"])
def test_the_reader_of_nnunet_sees_image_and_label_on_one_grid(sample_data, tmp_path, name):
    """nnU-Net reads with SimpleITK, which takes its geometry from the header in its own way."""
    source = sample_data / name
    dataset = DatasetFolder.named(tmp_path, number=1, name="Real")
    reference = read_label_map(source.with_name("labels.nii.gz"))
    write_case(dataset, "one", image=source, mask=reference.voxels)
    image = SimpleITK.ReadImage(str(dataset.image_path("one")))
    label = SimpleITK.ReadImage(str(dataset.label_path("one")))
    expected = SimpleITK.ReadImage(str(source.with_name("labels.nii.gz")))
    for other in (image, expected):
        assert label.GetSize() == other.GetSize()
        assert label.GetSpacing() == pytest.approx(other.GetSpacing())
        assert label.GetOrigin() == pytest.approx(other.GetOrigin())
        assert label.GetDirection() == pytest.approx(other.GetDirection())
    assert np.array_equal(SimpleITK.GetArrayFromImage(label), SimpleITK.GetArrayFromImage(expected))


def test_a_mask_of_another_shape_is_refused(folder, tmp_path):
    with pytest.raises(Conflict) as caught:
        write_case(folder, "odd", image=tmp_path / "first.nii.gz", mask=np.zeros((4, 6, 5), dtype=np.uint8))
    assert caught.value.code is ErrorCode.GRID_MISMATCH


@pytest.mark.sample_data
@pytest.mark.parametrize(
    ("name", "training", "test", "labels"),
    [
        ("Dataset904_HippoMini", 12, 4, ("anterior", "posterior")),
        ("Dataset905_STSMini", 10, 4, ("gtv",)),
    ],
)
def test_a_real_dataset_is_accepted(sample_data, name, training, test, labels):
    report = check_dataset(sample_data / "nnunet" / name)
    assert (report.training_cases, report.test_cases) == (training, test)
    assert tuple(label.name for label in report.dataset.description.labels.labels) == labels
    assert report.cases_with_label == dict.fromkeys(range(1, len(labels) + 1), training)


@pytest.fixture
def real(sample_data, tmp_path) -> DatasetFolder:
    copied = tmp_path / "real" / "Dataset904_HippoMini"
    shutil.copytree(sample_data / "nnunet" / copied.name, copied)
    return DatasetFolder(copied)


@pytest.mark.sample_data
def test_a_shifted_label_of_a_real_dataset_is_refused(real):
    path = real.label_path("hippocampus_148")
    label = read_label_map(path)
    affine = label.grid.affine.copy()
    affine[:3, 3] += (0.0, 1.0, 0.0)
    write_volume(path, label.voxels, Grid(label.grid.shape, affine))
    assert "hippocampus_148" in _refusal(real)


@pytest.mark.sample_data
def test_a_missing_label_of_a_real_dataset_is_refused(real):
    real.label_path("hippocampus_148").unlink()
    assert "hippocampus_148 has no label" in _refusal(real)


@pytest.mark.sample_data
def test_an_unexpected_value_in_a_real_dataset_is_refused(real):
    _rewrite_json(real, labels={"background": 0, "anterior": 1})
    assert "case hippocampus_064: the label holds [2]" in _refusal(real)


@dataclass(frozen=True)
class _Change:
    """A label file written with another grid, and what the refusal says."""

    shape: tuple[int, int, int]
    diagonal: tuple[float, float, float]
    origin: tuple[float, float, float]
    says: str


@pytest.mark.parametrize(
    "change",
    [
        _Change((4, 5, 7), (-2, -2, 3), (0, 0, 0), "shape"),
        _Change((4, 5, 6), (-2, -2, 3.01), (0, 0, 0), "spacing"),
        _Change((4, 5, 6), (-2, -2, 3), (0, 0.5, 0), "origin"),
    ],
    ids=lambda change: change.says,
)
def test_a_label_on_another_grid_is_refused(folder, change):
    affine = np.diag([*change.diagonal, 1.0])
    affine[:3, 3] = change.origin
    write_volume(
        folder.label_path("second"), np.ones(change.shape, dtype=np.uint8), Grid(change.shape, affine)
    )
    message = _refusal(folder)
    assert "case second" in message
    assert change.says in message


def test_a_label_on_the_same_grid_in_another_axis_order_is_refused(folder):
    """In space it fits, but nnU-Net pairs voxels in file order."""
    path = folder.label_path("second")
    stored = nibabel.load(path)
    flipped = np.asarray(stored.dataobj)[::-1]
    affine = stored.affine @ np.array([[-1, 0, 0, 5], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    nibabel.save(nibabel.Nifti1Image(flipped, affine), path)
    assert read_label_map(path).grid.matches(read_volume(folder.image_path("second")).grid)
    assert "direction of their axes" in _refusal(folder)


def test_a_damaged_file_is_refused_with_its_case(folder):
    folder.image_path("first").write_bytes(folder.image_path("first").read_bytes()[:60])
    assert "case first" in _refusal(folder)


def test_voxels_that_are_not_finite_are_refused(folder):
    voxels = np.zeros(GRID.shape, dtype=np.float32)
    voxels[0, 0, 0] = np.nan
    write_volume(folder.image_path("first"), voxels, GRID)
    assert "not finite" in _refusal(folder)


def test_a_label_of_background_only_is_accepted_and_said(folder):
    write_volume(folder.label_path("first"), np.zeros(GRID.shape, dtype=np.uint8), GRID)
    report = check_dataset(folder.path)
    assert report.empty_cases == ("first",)
    assert report.cases_with_label == {1: 1, 2: 1}


def test_a_test_case_needs_no_label_but_a_wrong_one_is_refused(folder):
    write_volume(folder.label_path("third", split=Split.TEST), np.full(GRID.shape, 9, np.uint8), GRID)
    assert "case third" in _refusal(folder)
    folder.label_path("third", split=Split.TEST).unlink()
    assert check_dataset(folder.path).test_cases == 1


def test_the_number_of_training_cases_must_be_the_one_stated(folder):
    _rewrite_json(folder, numTraining=3)
    assert "3 training cases, there are 2" in _refusal(folder)


def test_a_missing_channel_is_refused(folder):
    _rewrite_json(folder, channel_names={"0": "CT", "1": "PET"})
    assert "case first has the channels [0]" in _refusal(folder)


def test_two_channels_are_read_in_order(folder):
    for name, split in (("first", Split.TRAINING), ("second", Split.TRAINING), ("third", Split.TEST)):
        second = folder.image_path(name, split=split, channel=1)
        shutil.copy(folder.image_path(name, split=split), second)
    _rewrite_json(folder, channel_names={"1": "PET", "0": "CT"})
    case = check_dataset(folder.path).dataset.cases[0]
    assert [path.name for path in case.images] == ["first_0000.nii.gz", "first_0001.nii.gz"]


def test_a_label_without_image_is_refused(folder):
    folder.image_path("first").unlink()
    assert "case first has a label" in _refusal(folder)


def test_an_image_that_nnunet_would_not_find_is_refused(folder):
    folder.image_path("first").rename(folder.images(Split.TRAINING) / "first.nii.gz")
    assert "first.nii.gz is not named" in _refusal(folder)


def test_an_empty_dataset_is_refused(folder):
    shutil.rmtree(folder.images(Split.TRAINING))
    shutil.rmtree(folder.labels(Split.TRAINING))
    assert "no training case" in _refusal(folder)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"labels": {"background": 0, "spleen": 1, "right kidney": 3}}, "not consecutive"),
        ({"labels": {"spleen": 1, "right kidney": 2}}, "no background"),
        ({"labels": {"background": 0, "spleen": [1, 2]}}, "one integer each"),
        ({"labels": {"background": 0, "spleen": True}}, "one integer each"),
        ({"labels": {"background": 0, "": 1}}, "labels"),
        ({"labels": 3}, "labels"),
        ({"channel_names": {"1": "CT"}}, "numbered from 0"),
        ({"channel_names": {}}, "no channel"),
        ({"numTraining": "2"}, "numTraining"),
        ({"file_ending": ".mha"}, ".mha"),
        ({"dataset": {}}, "files of its own"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_description_that_nnunet_or_we_cannot_take_is_refused(folder, changes, says):
    _rewrite_json(folder, **changes)
    assert says in _refusal(folder)


@pytest.mark.parametrize("content", [None, b"{", b"[]", b"{}", b"\xff\xfe\x00", b"[" * 100_000], ids=str)
def test_a_description_that_is_missing_or_damaged_is_refused(folder, content):
    folder.description_path.unlink()
    if content is not None:
        folder.description_path.write_bytes(content)
    assert "dataset.json" in _refusal(folder)


def test_a_folder_that_is_no_dataset_is_refused(tmp_path):
    with pytest.raises(InvalidInput) as caught:
        read_dataset(tmp_path / "abdomen")
    assert caught.value.code is ErrorCode.DATASET_INVALID


@pytest.mark.parametrize("name", ["background", "Ignore"])
def test_a_label_name_that_nnunet_keeps_for_itself_is_refused(tmp_path, name):
    folder = DatasetFolder.named(tmp_path, number=1, name="x")
    with pytest.raises(InvalidInput) as caught:
        write_dataset_json(folder, DatasetDescription(("CT",), LabelSet((Label(1, name),)), 1))
    assert caught.value.code is ErrorCode.LABELS_INVALID


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("BTCV 01", "BTCV_01"),
        ("../../etc/passwd", "etc_passwd"),
        ("Müller, Jörg", "Muller_Jorg"),
        ("=cmd|' /C calc'!A0", "cmd_C_calc_A0"),
        ("<script>alert(1)</script>", "script_alert_1_script"),
        ("\u202eabc\x00def", "abc_def"),
        ("CON", "case_CON"),
        ("com1", "case_com1"),
        ("🫀", "case"),
        ("", "case"),
        ("a" * 10_000, "a" * 60),
    ],
    ids=lambda value: value[:12] if value.isascii() and value.isprintable() else "",
)
def test_any_text_becomes_a_safe_case_name(text, name):
    assert case_name(text) == name


def test_case_names_are_unique_whatever_the_case_of_their_letters():
    taken: list[str] = []
    for text in ("Liver 1", "liver-1", "LIVER/1", "liver 1 2"):
        taken.append(case_name(text, taken))
    assert taken == ["Liver_1", "liver_1_2", "LIVER_1_3", "liver_1_2_2"]


@pytest.mark.parametrize("case", ["", "a/b", "..", "a b", "ü", "a.nii"])
def test_an_unsafe_case_name_never_becomes_a_path(tmp_path, case):
    folder = DatasetFolder.named(tmp_path, number=1, name="x")
    with pytest.raises(InvalidInput):
        folder.image_path(case)
    with pytest.raises(InvalidInput):
        folder.label_path(case)


def test_a_dataset_folder_is_named_as_nnunet_wants_it(tmp_path):
    assert (
        DatasetFolder.named(tmp_path, number=7, name="my organs!").path == tmp_path / "Dataset007_my_organs"
    )
    assert DatasetFolder.named(tmp_path, number=7, name="../..").path == tmp_path / "Dataset007_Unnamed"
    for number in (0, 1000, -1):
        with pytest.raises(InvalidInput):
            DatasetFolder.named(tmp_path, number=number, name="x")
