"""``crowdmask-ml models ..`` and ``uncertainty`` as people call them: their own process, their exit code."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from crowdmask.core.boxes_file import BoxesFile, write_boxes
from crowdmask.core.geometry import Box
from crowdmask.core.nifti import read_volume
from crowdmask.core.tracks import BoxSource, document_from_boxes
from crowdmask_ml.registry import MODELS

UNREACHABLE = "http://127.0.0.1:9"  # the port "discard": nobody listens


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty models folder, for commands as well."""
    folder = tmp_path / "models"
    monkeypatch.setenv("CROWDMASK_MODELS", str(folder))
    return folder


def _command(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "crowdmask_ml.cli", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )


def _failed(*arguments: object) -> str:
    """The one sentence of a failure that is not the fault of what was typed."""
    result = _command(*arguments)
    assert result.returncode == 1, result.stderr
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    return result.stderr


def test_weights_that_are_there_are_verified(models: Path) -> None:
    result = _command("models", "verify", "litemedsam", "--json")
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout) == {
        "models": [{"name": "litemedsam", "weights": "ok", "exported": "missing", "message": ""}]
    }


def test_whether_a_model_can_be_used_on_a_runtime_is_verified_with_it(models: Path) -> None:
    result = _command("models", "verify", "litemedsam", "--runtime", "torch", "--json")
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["models"][0]["runtime"] == "ok"
    missing = _command("models", "verify", "medsam", "--runtime", "auto")
    assert missing.returncode == 1
    assert missing.stdout.startswith("medsam: weights missing, exported files missing, runtime auto missing")
    refused = _command("models", "verify", "litemedsam", "--runtime", "tensorrt")
    assert refused.returncode == 2
    assert "There is no runtime called 'tensorrt'." in refused.stderr


def test_weights_that_are_missing_or_of_another_file_are_told_apart(models: Path) -> None:
    place = MODELS["sam-vit-b"].usual_place()
    assert place is not None
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(b"something else")
    result = _command("models", "verify", "sam-vit-b", "medsam", "--json")
    assert result.returncode == 1
    rows = {row["name"]: row for row in json.loads(result.stdout)["models"]}
    assert rows["sam-vit-b"]["weights"] == "wrong"
    assert hashlib.sha256(b"something else").hexdigest()[:12] in rows["sam-vit-b"]["message"]
    assert rows["medsam"]["weights"] == "missing"
    assert str(models) in rows["medsam"]["message"]


def test_without_a_connection_a_download_says_where_the_file_can_be_got_and_belongs(
    models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, UNREACHABLE)
    spec = MODELS["sam-vit-b"]
    said = _failed("models", "download", spec.name)
    assert spec.url is not None
    assert spec.url in said
    assert str(spec.usual_place()) in said
    assert not [path for path in models.rglob("*") if path.is_file()]


def test_weights_that_no_program_can_fetch_are_named_with_their_source(models: Path) -> None:
    said = _failed("models", "download", "medsam")
    assert MODELS["medsam"].source in said
    assert str(models) in said


def test_a_download_of_what_is_there_gives_its_path(models: Path) -> None:
    result = _command("models", "download", "litemedsam", "--json")
    assert result.returncode == 0, result.stderr
    said = json.loads(result.stdout)
    assert hashlib.sha256(Path(said["checkpoint"]).read_bytes()).hexdigest() == said["sha256"]


@pytest.mark.slow
def test_exported_files_are_made_verified_and_refused_when_damaged(models: Path) -> None:
    made = _command("models", "export", "litemedsam", "--json")
    assert made.returncode == 0, made.stderr
    folder = Path(json.loads(made.stdout)["folder"])
    assert folder.is_relative_to(models)
    verified = _command("models", "verify", "litemedsam", "--json")
    assert json.loads(verified.stdout)["models"][0]["exported"] == "ok"
    largest = max(folder.iterdir(), key=lambda path: path.stat().st_size)
    largest.write_bytes(largest.read_bytes()[:-1])
    damaged = _command("models", "verify", "litemedsam", "--json")
    assert damaged.returncode == 1
    assert json.loads(damaged.stdout)["models"][0]["exported"] == "wrong"


def test_an_unknown_model_is_refused_with_the_ones_there_are(models: Path) -> None:
    for verb in ("verify", "download", "export"):
        result = _command("models", verb, "sam9")
        assert result.returncode == 2
        assert "sam9" in result.stderr
        assert "litemedsam" in result.stderr


@pytest.mark.slow
def test_uncertainty_lists_the_least_sure_slice_first_and_writes_its_map(tmp_path: Path) -> None:
    voxels = np.random.default_rng(0).normal(-100, 10, (60, 50, 3)).astype(np.int16)
    voxels[20:40, 15:35, 1] += 150  # a block on the middle slice, noise on the one above
    image, output = tmp_path / "ct.nii.gz", tmp_path / "map.nii.gz"
    nib.save(nib.Nifti1Image(voxels, np.diag([1.0, 1.0, 3.0, 1.0])), image)
    grid = read_volume(image).grid
    box = Box(18, 13, 42, 37)
    drawn = document_from_boxes(grid.shape, {1: [box], 2: [box]}, source=BoxSource.DRAWN)
    boxes = tmp_path / "boxes.json"
    write_boxes(boxes, BoxesFile(grid=grid, labels={4: drawn}))

    result = _command("uncertainty", image, boxes, "-o", output, "--repeats", "2", "--json")
    assert result.returncode == 0, result.stderr
    said = json.loads(result.stdout)
    assert [row["slice"] for row in said["slices"]] == [2, 1]
    for row in said["slices"]:
        assert row["label"] == 4
        assert 0 <= row["predicted_iou"] <= 1.05
        assert 0 <= row["agreement"] <= 1
    assert set(said["expected_dice"]) == {"4"}
    made = np.asarray(nib.load(output).dataobj)
    assert made.shape == voxels.shape
    assert made.max() <= 100
    assert made[:, :, 0].max() == 0  # no box there

    table = _command("uncertainty", image, boxes, "--repeats", "0")
    assert table.returncode == 0
    assert "expected Dice of the volume" in table.stdout

    for wrong in (("-o", image), ("-o", tmp_path / "map.png"), ("--repeats", "51"), ("--model", "sam9")):
        assert _command("uncertainty", image, boxes, *wrong).returncode == 2
