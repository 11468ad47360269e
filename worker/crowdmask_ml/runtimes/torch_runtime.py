"""Plain torch, float32, on the CPU: the reference that every faster runtime is compared with."""

from dataclasses import dataclass
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
    """A `Segmenter` on torch. ``network`` is in evaluation mode and on the CPU."""

    name: str
    model_hash: str
    input_size: int
    preprocessing: Preprocessing
    mask_rule: MaskRule
    network: Network
    runtime: str = "torch-cpu/float32"
    # One slice and one box at a time: on a CPU batches are not faster, and so a slice's result never depends on
    # which other slices or labels were asked for with it.
    batch_size: int = 1

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
        prepared = frame.prepare(images)
        features = [self.network.image_encoder(torch.from_numpy(image[np.newaxis])) for image in prepared]
        return Embeddings(torch.cat(features).float().numpy(), frame.size)

    @torch.inference_mode()
    def decode(self, embedding: Embeddings, boxes: NDArray[np.float64]) -> Prediction:
        frame = InputFrame(embedding.size, self.input_size, self.preprocessing)
        features = torch.from_numpy(np.ascontiguousarray(embedding.features))
        position = self.network.prompt_encoder.get_dense_pe()
        several = self.mask_rule is MaskRule.BEST_OF_THREE
        logits, ious = [], []
        for prompt in frame.prompts(boxes):
            sparse, dense = self.network.prompt_encoder(
                points=None, boxes=torch.from_numpy(prompt[np.newaxis]), masks=None
            )
            masks, iou = self.network.mask_decoder(
                image_embeddings=features,
                image_pe=position,
                sparse_prompt_embeddings=sparse,
                dense_prompt_embeddings=dense,
                multimask_output=several,
            )
            best = int(iou[0].argmax())
            logits.append(masks[0, best].numpy())
            ious.append(float(iou[0, best]))
        if not logits:
            return Prediction(np.zeros((0, *embedding.size), np.float32), np.zeros(0, np.float32))
        return Prediction(frame.logits_on_slice(np.stack(logits)), np.array(ious, np.float32))
