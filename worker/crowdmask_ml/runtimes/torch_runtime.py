"""torch: on the CPU in float32, the reference that every faster runtime is compared with; and on a GPU in bfloat16."""

from dataclasses import dataclass, replace
from typing import Any, Protocol, Self

import numpy as np
import torch
from numpy.typing import NDArray

from crowdmask_ml.preprocessing import InputFrame, Preprocessing
from crowdmask_ml.registry import ModelSpec
from crowdmask_ml.segmenter import Embeddings, MaskRule, Prediction


class Network(Protocol):
    """The three parts that SAM, MedSAM and LiteMedSAM share by name."""

    # Any: modules of untyped libraries, called like functions.
    image_encoder: Any
    prompt_encoder: Any
    mask_decoder: Any


@dataclass(frozen=True, eq=False)
class TorchSegmenter:
    """A `Segmenter` on torch. ``network`` is in evaluation mode and on ``device``.

    Attributes:
        device: of torch.
        autocast: the precision of the arithmetic where torch holds that safe; None: float32 everywhere.
        batch_size: slices per call of the encoder.
        box_batch: boxes per call of the decoder.
    """

    name: str
    model_hash: str
    input_size: int
    preprocessing: Preprocessing
    mask_rule: MaskRule
    network: Network
    runtime: str = "torch-cpu/float32"
    device: str = "cpu"
    autocast: torch.dtype | None = None
    # One slice and one box at a time: on a CPU batches are not faster, and so a slice's result never depends on
    # which other slices or labels were asked for with it.
    batch_size: int = 1
    box_batch: int = 1

    @classmethod
    def of(cls, spec: ModelSpec, network: Network) -> Self:
        """The model that ``spec`` describes, its weights loaded into ``network``."""
        return cls(
            name=spec.name,
            model_hash=spec.sha256,
            input_size=spec.input_size,
            preprocessing=spec.preprocessing,
            mask_rule=spec.mask_rule,
            network=network,
        )

    @torch.inference_mode()
    def encode(self, images: NDArray[np.uint8]) -> Embeddings:
        rows, columns = images.shape[1:]
        frame = InputFrame((rows, columns), self.input_size, self.preprocessing)
        features = []
        for batch in _batches(frame.prepare(images), self.batch_size):
            with self._precision():
                found = self.network.image_encoder(torch.from_numpy(batch).to(self.device))
            features.append(found.float().cpu().numpy())
        return Embeddings(np.concatenate(features)[: len(images)], frame.size)

    @torch.inference_mode()
    def decode(self, embedding: Embeddings, boxes: NDArray[np.float64]) -> Prediction:
        frame = InputFrame(embedding.size, self.input_size, self.preprocessing)
        if not len(boxes):
            return Prediction(np.zeros((0, *embedding.size), np.float32), np.zeros(0, np.float32))
        features = torch.from_numpy(np.ascontiguousarray(embedding.features)).to(self.device)
        position = self.network.prompt_encoder.get_dense_pe()
        logits, ious = [], []
        for batch in _batches(frame.prompts(boxes), self.box_batch):
            with self._precision():
                sparse, dense = self.network.prompt_encoder(
                    points=None, boxes=torch.from_numpy(batch).to(self.device), masks=None
                )
                masks, iou = self.network.mask_decoder(
                    image_embeddings=features,
                    image_pe=position,
                    sparse_prompt_embeddings=sparse,
                    dense_prompt_embeddings=dense,
                    multimask_output=self.mask_rule is MaskRule.BEST_OF_THREE,
                )
            best = iou.argmax(dim=1)
            each = torch.arange(len(best), device=best.device)
            logits.append(masks[each, best].float().cpu().numpy())
            ious.append(iou[each, best].float().cpu().numpy())
        low = np.concatenate(logits)[: len(boxes)]
        return Prediction(frame.logits_on_slice(low), np.concatenate(ious)[: len(boxes)])

    def _precision(self) -> torch.autocast:
        return torch.autocast(
            torch.device(self.device).type, dtype=self.autocast, enabled=self.autocast is not None
        )


def cuda_is_available() -> bool:
    return torch.cuda.is_available()


def on_gpu(reference: TorchSegmenter, *, device: str = "cuda") -> TorchSegmenter:
    """The same model on a GPU: bfloat16 where torch holds that safe, slices and boxes in batches."""
    network = reference.network
    for part in (network.image_encoder, network.prompt_encoder, network.mask_decoder):
        part.to(device)
    return replace(
        reference,
        runtime=f"torch-{torch.device(device).type}/bfloat16",
        device=device,
        autocast=torch.bfloat16,
        # A ViT on 1024 px needs about 1 GB a slice; the others a tenth.
        batch_size=4 if reference.input_size > 256 else 16,
        box_batch=8,
    )


def _batches(values: NDArray[np.float32], size: int) -> list[NDArray[np.float32]]:
    """Rows in batches of exactly ``size``, the last one filled up with zeros.

    Libraries choose their algorithm by the shape: equal shapes keep a slice's result from depending on how many
    others were asked for with it.
    """
    missing = -len(values) % size
    padded = np.concatenate([values, np.zeros((missing, *values.shape[1:]), values.dtype)])
    return [padded[start : start + size] for start in range(0, len(padded), size)]
