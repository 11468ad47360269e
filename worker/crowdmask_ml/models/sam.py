"""SAM with a ViT encoder, through the official ``segment_anything`` package. MedSAM is the same network (``medsam``)."""

from functools import partial
from pathlib import Path

import torch
from segment_anything.modeling import ImageEncoderViT, MaskDecoder, PromptEncoder, Sam, TwoWayTransformer

from crowdmask_ml.models.weights import load_weights
from crowdmask_ml.registry import ModelSpec, VitArchitecture
from crowdmask_ml.runtimes.torch_runtime import TorchSegmenter

# The same in every published SAM, whatever the encoder.
_PATCH = 16
_PROMPT_CHANNELS = 256


def build_network(architecture: VitArchitecture, *, input_size: int) -> torch.nn.Module:
    """An untrained SAM. ``input_size`` in pixels, a multiple of the patch of 16."""
    grid = input_size // _PATCH
    return Sam(  # type: ignore[no-any-return]
        image_encoder=ImageEncoderViT(
            img_size=input_size,
            patch_size=_PATCH,
            depth=architecture.depth,
            embed_dim=architecture.channels,
            num_heads=architecture.heads,
            global_attn_indexes=architecture.global_attention,
            mlp_ratio=4,
            norm_layer=partial(torch.nn.LayerNorm, eps=1e-6),
            qkv_bias=True,
            use_rel_pos=True,
            window_size=14,
            out_chans=_PROMPT_CHANNELS,
        ),
        prompt_encoder=PromptEncoder(
            embed_dim=_PROMPT_CHANNELS,
            image_embedding_size=(grid, grid),
            input_image_size=(input_size, input_size),
            mask_in_chans=16,
        ),
        mask_decoder=MaskDecoder(
            num_multimask_outputs=3,
            transformer=TwoWayTransformer(depth=2, embedding_dim=_PROMPT_CHANNELS, mlp_dim=2048, num_heads=8),
            transformer_dim=_PROMPT_CHANNELS,
            iou_head_depth=3,
            iou_head_hidden_dim=256,
        ),
    )


def load(spec: ModelSpec, checkpoint: Path, architecture: VitArchitecture) -> TorchSegmenter:
    """The model with the weights in the file ``checkpoint``.

    Raises:
        Unavailable, Corrupt: ``checkpoint_missing``, ``checkpoint_mismatch``.
    """
    build = partial(build_network, architecture, input_size=spec.input_size)
    network = load_weights(build, checkpoint, sha256=spec.sha256, model=spec.name, source=spec.source)
    return TorchSegmenter.of(spec, network)
