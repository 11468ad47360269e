"""Which runtime is taken, that each equals plain torch, and the files they share."""

import multiprocessing
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from crowdmask.core.errors import Corrupt, ErrorCode, InvalidInput, Unavailable
from crowdmask_ml.loading import export_files, load_exported, load_segmenter
from crowdmask_ml.registry import ModelSpec, find_model
from crowdmask_ml.runtimes import export as export_module
from crowdmask_ml.runtimes.choice import Runtime, choose_runtime, has_gpu, threads_per_process
from crowdmask_ml.runtimes.exported import DECODER, ENCODER, MANIFEST, open_exported
from crowdmask_ml.runtimes.torch_runtime import TorchSegmenter, on_gpu
from tests.ml.conftest import spec_like

# Stated in docs/models.md: of the largest feature; share of the voxels of either mask.
FEATURE_TOLERANCE = 1e-4
MASK_TOLERANCE = 1e-3
MASK_TOLERANCE_BFLOAT16 = 2e-2

IMAGE = np.random.default_rng(3).integers(0, 256, (2, 40, 56), dtype=np.uint8)
BOXES = np.array([[20.0, 10.0, 40.0, 25.0], [2.0, 3.0, 50.0, 38.0], [0.0, 0.0, 5.5, 9.25]])


@pytest.fixture(scope="session")
def small_spec(small_checkpoint: Path) -> ModelSpec:
    return spec_like("sam-vit-b", small_checkpoint)


@pytest.fixture(scope="session")
def small_export(
    small_spec: ModelSpec, small_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    folder = tmp_path_factory.mktemp("exported") / "small"
    export_files(small_spec, small_checkpoint, folder)
    return folder


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A models folder with the default model exported: what the usual one has, made there by whoever needs it first."""
    made = export_files(find_model("litemedsam")).folder
    folder = tmp_path_factory.mktemp("models")
    shutil.copytree(made, folder / "exported" / made.name)
    return folder


# ---- choice ----


def test_the_fastest_that_is_installed_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    if has_gpu():
        assert choose_runtime() is Runtime.TORCH
        return
    assert choose_runtime() is Runtime.OPENVINO
    # What None in sys.modules does: as if it were not installed.
    monkeypatch.setitem(sys.modules, "openvino", None)
    assert choose_runtime("auto") is Runtime.ONNX
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert choose_runtime("auto") is Runtime.TORCH
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(Unavailable, match="no torch") as caught:
        choose_runtime("auto")
    assert caught.value.code is ErrorCode.CHECKPOINT_MISSING


@pytest.mark.parametrize(
    ("runtime", "package"), [("torch", "torch"), ("openvino", "openvino"), ("onnx", "onnxruntime")]
)
def test_a_runtime_that_was_asked_for_is_never_replaced(
    runtime: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert choose_runtime(runtime) == runtime
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(Unavailable, match=f"needs the package {package}, which is not installed"):
        choose_runtime(runtime)


def test_an_unknown_runtime_is_refused_with_the_known_ones() -> None:
    with pytest.raises(InvalidInput, match="auto, torch, openvino, onnx") as caught:
        load_segmenter("litemedsam", runtime="tensorrt")
    assert caught.value.code is ErrorCode.OPTION_INVALID


@pytest.mark.parametrize(("given", "threads"), [("3", 3), ("", 1), ("0", 1), ("many", 1)])
def test_threads_follow_the_usual_variable(given: str, threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", given)
    assert threads_per_process() == threads


# ---- equal to torch ----


@pytest.mark.parametrize("runtime", [Runtime.OPENVINO, Runtime.ONNX])
def test_a_small_random_sam_gives_the_same_through_an_exported_encoder(
    runtime: Runtime, small_spec: ModelSpec, small_export: Path, small_sam: TorchSegmenter
) -> None:
    files = open_exported(small_export, model=small_spec.name, model_hash=small_spec.sha256)
    assert files is not None
    found = load_exported(small_spec, files, runtime, threads=1)
    expected = small_sam.encode(IMAGE)
    features = found.encode(IMAGE)
    assert features.size == expected.size
    largest = np.abs(expected.features).max()
    if "bfloat16" not in found.runtime:
        np.testing.assert_allclose(features.features, expected.features, atol=FEATURE_TOLERANCE * largest)
    assert found.runtime.startswith(f"{runtime}-cpu/")
    assert found.runtime.endswith("+folded")
    assert found.mask_rule is small_sam.mask_rule


@pytest.mark.slow
@pytest.mark.parametrize("runtime", ["openvino", "onnx"])
def test_the_default_model_gives_the_same_masks_on_every_runtime(
    runtime: str, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CROWDMASK_MODELS", str(models))
    rows, columns = np.mgrid[0:120, 0:150]
    image = np.random.default_rng(2).normal(60, 8, (1, 120, 150))
    image[0, ((rows - 50) / 25) ** 2 + ((columns - 60) / 35) ** 2 < 1] += 90
    image = np.clip(image, 0, 255).astype(np.uint8)
    boxes = np.array([[24.0, 24.0, 96.0, 77.0], [30.0, 30.0, 90.0, 70.0]])
    reference = load_segmenter("litemedsam", runtime="torch")
    found = load_segmenter("litemedsam", runtime=runtime)
    expected, features = reference.encode(image), found.encode(image)
    in_bfloat16 = "bfloat16" in found.runtime
    if not in_bfloat16:
        largest = np.abs(expected.features).max()
        np.testing.assert_allclose(features.features, expected.features, atol=FEATURE_TOLERANCE * largest)
    wanted = reference.decode(expected, boxes).logits > 0
    got = found.decode(features, boxes).logits > 0
    assert wanted.any()
    tolerance = MASK_TOLERANCE_BFLOAT16 if in_bfloat16 else MASK_TOLERANCE
    assert (wanted != got).sum() <= tolerance * (wanted | got).sum()


def test_the_path_of_the_gpu_gives_nearly_the_same_in_bfloat16_on_the_cpu(
    small_spec: ModelSpec, small_checkpoint: Path
) -> None:
    reference = small_spec.loader(small_spec, small_checkpoint)
    assert isinstance(reference, TorchSegmenter)
    expected = reference.encode(IMAGE)
    wanted = reference.decode(next(iter(expected)), BOXES)
    low = on_gpu(reference, device="cpu")
    assert low.runtime == "torch-cpu/bfloat16"
    assert low.batch_size > 1
    found = low.encode(IMAGE)
    assert found.features.dtype == np.float32
    assert np.abs(found.features - expected.features).max() < 0.05 * np.abs(expected.features).max()
    got = low.decode(next(iter(found)), BOXES)
    assert got.logits.shape == wanted.logits.shape
    assert np.corrcoef(got.logits.ravel(), wanted.logits.ravel())[0, 1] > 0.98
    # Batches are always filled up, so company changes nothing.
    assert np.array_equal(low.encode(IMAGE[1:]).features, found.features[1:])
    assert np.array_equal(low.decode(next(iter(found)), BOXES[2:]).logits, got.logits[2:])
    assert low.decode(next(iter(found)), np.zeros((0, 4))).logits.shape == (0, 40, 56)


# ---- exported files ----


def test_the_files_are_made_once(small_spec: ModelSpec, small_export: Path) -> None:
    before = (small_export / ENCODER).stat().st_mtime_ns
    # Not even the checkpoint is needed any more.
    export_files(small_spec, None, small_export)
    assert (small_export / ENCODER).stat().st_mtime_ns == before


@pytest.mark.parametrize(
    "damage", ["encoder flipped", "decoder short", "no manifest", "manifest half", "other"]
)
def test_damaged_files_are_made_again(
    damage: str, small_spec: ModelSpec, small_checkpoint: Path, small_export: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "small"
    folder.mkdir()
    for path in small_export.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    match damage:
        case "encoder flipped":
            content = bytearray((folder / ENCODER).read_bytes())
            content[len(content) // 2] ^= 1
            (folder / ENCODER).write_bytes(content)
        case "decoder short":
            (folder / DECODER).write_bytes((folder / DECODER).read_bytes()[:-100])
        case "no manifest":
            (folder / MANIFEST).unlink()
        case "manifest half":
            (folder / MANIFEST).write_text((folder / MANIFEST).read_text()[:40])
        case "other":
            text = (folder / MANIFEST).read_text().replace(small_spec.sha256, "0" * 64)
            (folder / MANIFEST).write_text(text)
    with pytest.raises(Corrupt, match="crowdmask-ml models export"):
        open_exported(folder, model=small_spec.name, model_hash=small_spec.sha256)
    export_files(small_spec, small_checkpoint, folder)
    assert open_exported(folder, model=small_spec.name, model_hash=small_spec.sha256) is not None
    assert [path.name for path in tmp_path.iterdir()] == ["small"]


def _export(checkpoint: Path, folder: Path) -> None:
    export_files(spec_like("sam-vit-b", checkpoint), checkpoint, folder)


@pytest.mark.parametrize("before", ["nothing", "damaged"])
def test_two_processes_may_export_at_the_same_time(
    before: str, small_spec: ModelSpec, small_checkpoint: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "models" / "small"
    if before == "damaged":
        folder.mkdir(parents=True)
        (folder / ENCODER).write_bytes(b"half")
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_export, args=(small_checkpoint, folder)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
        assert process.exitcode == 0
    assert open_exported(folder, model=small_spec.name, model_hash=small_spec.sha256) is not None
    assert [path.name for path in folder.parent.iterdir()] == ["small"]


_WITHOUT_TORCH = """
import sys
sys.modules["torch"] = None  # as if it were not installed
import numpy as np
from crowdmask_ml.loading import load_segmenter
segmenter = load_segmenter("litemedsam", runtime="{runtime}")
image = np.random.default_rng(0).integers(0, 256, (1, 60, 80), dtype=np.uint8)
prediction = segmenter.decode(segmenter.encode(image), np.array([[10.0, 12.0, 40.0, 44.0]]))
assert prediction.logits.shape == (1, 60, 80)
print(segmenter.runtime, any(name.split(".")[0] == "torch" for name in sys.modules if sys.modules[name]))
"""


@pytest.mark.slow
def test_a_place_where_no_files_can_be_kept_is_refused_before_the_model_is_loaded(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()

    def export(folder: Path) -> None:
        export_module.export_model(
            lambda: pytest.fail("The model was loaded."), folder, model="small", model_hash="0" * 64
        )

    with pytest.raises(InvalidInput, match="it is no folder"):
        export(file)
    with pytest.raises(Unavailable, match="cannot be written") as caught:
        export(file / "exported" / "small")
    assert caught.value.code is ErrorCode.CHECKPOINT_MISSING


@pytest.mark.parametrize("runtime", ["auto", "openvino", "onnx"])
def test_exported_files_need_no_torch(runtime: str, models: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _WITHOUT_TORCH.format(runtime=runtime)],
        env={**os.environ, "CROWDMASK_MODELS": str(models)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    name, has_torch = done.stdout.split()
    assert name.startswith("openvino-cpu/" if runtime == "auto" else f"{runtime}-cpu/")
    assert has_torch == "False"


def test_without_torch_and_without_exported_files_the_way_to_them_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CROWDMASK_MODELS", str(tmp_path))
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(Unavailable, match="crowdmask-ml models export litemedsam") as caught:
        load_segmenter("litemedsam")
    assert caught.value.code is ErrorCode.CHECKPOINT_MISSING
    assert str(tmp_path / "exported") in caught.value.message


def test_a_named_checkpoint_is_checked_even_when_the_files_are_there(
    small_spec: ModelSpec, small_export: Path, tmp_path: Path
) -> None:
    wrong = tmp_path / "wrong.pth"
    wrong.write_bytes(b"something else")
    with pytest.raises(Corrupt, match="is not the checkpoint"):
        export_files(small_spec, wrong, small_export)


def test_an_encoder_too_large_for_one_file_has_its_weights_beside_it(
    small_spec: ModelSpec, small_checkpoint: Path, small_sam: TorchSegmenter, tmp_path: Path
) -> None:
    export_module.export_model(
        lambda: small_spec.loader(small_spec, small_checkpoint),
        tmp_path / "small",
        model=small_spec.name,
        model_hash=small_spec.sha256,
        largest_one_file=0,
    )
    files = open_exported(tmp_path / "small", model=small_spec.name, model_hash=small_spec.sha256)
    assert files is not None
    assert f"{ENCODER}.data" in {path.name for path in files.folder.iterdir()}
    found = load_exported(small_spec, files, Runtime.ONNX, threads=1).encode(IMAGE).features
    expected = small_sam.encode(IMAGE).features
    np.testing.assert_allclose(found, expected, atol=FEATURE_TOLERANCE * np.abs(expected).max())
