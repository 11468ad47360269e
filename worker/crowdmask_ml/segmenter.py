"""What every promptable model looks like to the rest of the library: encode slices once, decode boxes often."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class MaskRule(StrEnum):
    """Which of a decoder's masks is the answer. Part of a mask's provenance."""

    FIRST = "mask_0"
    BEST_OF_THREE = "best_of_three"


@dataclass(frozen=True, eq=False)
class Embeddings:
    """What an image encoder made of slices of one size.

    Attributes:
        features: float32 ``(n, channels, rows, columns)``.
        size: ``(rows, columns)`` of the slices that were encoded, in voxels.
    """

    features: NDArray[np.float32]
    size: tuple[int, int]

    def __len__(self) -> int:
        return int(self.features.shape[0])

    def __iter__(self) -> Iterator["Embeddings"]:
        """Each slice as embeddings of one."""
        for index in range(len(self)):
            yield Embeddings(self.features[index : index + 1], self.size)


@dataclass(frozen=True, eq=False)
class Prediction:
    """What the decoder made of ``k`` boxes on one slice.

    Attributes:
        logits: float32 ``(k, y, x)`` on the slice's own grid; a voxel belongs to the mask where it is > 0.
        predicted_iou: float32 ``(k,)``, the model's own guess of each mask's quality, roughly 0..1.
    """

    logits: NDArray[np.float32]
    predicted_iou: NDArray[np.float32]


class Segmenter(Protocol):
    """A promptable 2D model. Stateless after construction: the same input gives the same answer.

    Attributes:
        name: the registry's name.
        model_hash: sha256 of the weights.
        input_size: edge of the square the network sees, in pixels.
        preprocessing: names how a slice becomes the network's input; equal names, equal input.
        mask_rule: which of the decoder's masks is the answer.
        runtime: what computes it and in which precision, such as ``torch-cpu/float32``.
        batch_size: how many slices are best encoded together.
    """

    @property
    def name(self) -> str: ...
    @property
    def model_hash(self) -> str: ...
    @property
    def input_size(self) -> int: ...
    @property
    def preprocessing(self) -> str: ...
    @property
    def mask_rule(self) -> MaskRule: ...
    @property
    def runtime(self) -> str: ...
    @property
    def batch_size(self) -> int: ...

    def encode(self, images: NDArray[np.uint8]) -> Embeddings:
        """Encode slices ``(n, y, x)`` as the screen shows them (windowed, row = posterior, column = left)."""

    def decode(self, embedding: Embeddings, boxes: NDArray[np.float64]) -> Prediction:
        """Masks of ``boxes`` ``(k, 4)`` = x0, y0, x1, y1 in half-open voxel edges, on the one slice of ``embedding``."""
