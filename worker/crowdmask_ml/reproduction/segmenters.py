"""The models as the paper used them.

What differs from the models of the platform: MedSAM gives three masks of which the one with the highest predicted score is
taken, as SAM does, and the edges that a Sobel filter finds can be added to the image that SAM sees.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from crowdmask.core.errors import ErrorCode, InvalidInput
from crowdmask_ml.loading import load_segmenter
from crowdmask_ml.preprocessing import Preprocessing
from crowdmask_ml.registry import find_model
from crowdmask_ml.segmenter import Embeddings, MaskRule, Prediction, Segmenter

_SOBEL = "+sobel"


@dataclass(frozen=True, eq=False)
class SobelSegmenter:
    """A model that sees each slice with its edges added: the sum of the grey values and of the length of the Sobel
    gradient, scaled so that the strongest edge of the slice counts 255, and the sum scaled back to 0..255."""

    inner: Segmenter

    @property
    def name(self) -> str:
        return self.inner.name

    @property
    def model_hash(self) -> str:
        return self.inner.model_hash

    @property
    def input_size(self) -> int:
        return self.inner.input_size

    @property
    def preprocessing(self) -> str:
        return f"{self.inner.preprocessing}{_SOBEL}"

    @property
    def mask_rule(self) -> MaskRule:
        return self.inner.mask_rule

    @property
    def runtime(self) -> str:
        return self.inner.runtime

    @property
    def batch_size(self) -> int:
        return self.inner.batch_size

    def encode(self, images: NDArray[np.uint8]) -> Embeddings:
        return self.inner.encode(np.stack([with_edges(image) for image in images]))

    def decode(self, embedding: Embeddings, boxes: NDArray[np.float64]) -> Prediction:
        return self.inner.decode(embedding, boxes)


def with_edges(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A slice ``(y, x)`` with its edges added, 0..255; a constant slice stays as it is."""
    values = image.astype(np.float64)
    edges = np.hypot(ndimage.sobel(values, axis=0), ndimage.sobel(values, axis=1))
    if not edges.any():
        return image
    total = values + edges * (255 / edges.max())
    return np.asarray(np.round(total * (255 / total.max())), dtype=np.uint8)


def paper_segmenter(name: str, *, sobel: bool = False, runtime: str = "auto") -> Segmenter:
    """A model with the paper's rule for masks: best of three for SAM and MedSAM, the first for LiteMedSAM.

    Raises:
        InvalidInput: ``model_unknown``; ``option_invalid`` for ``sobel`` with another model than SAM.
        Unavailable, Corrupt: as ``loading.load_segmenter``.
    """
    spec = find_model(name)
    if sobel and spec.preprocessing is not Preprocessing.SAM:
        raise InvalidInput(
            ErrorCode.OPTION_INVALID,
            f"Edges are added for SAM only, not for {name}.",
            hint="Leave out --sobel, or choose a model whose name begins with sam.",
        )
    # The three-mask heads of LiteMedSAM's published weights were not trained.
    rule = MaskRule.FIRST if spec.preprocessing is Preprocessing.LITEMEDSAM else MaskRule.BEST_OF_THREE
    segmenter = load_segmenter(name, runtime=runtime, mask_rule=rule)
    return SobelSegmenter(segmenter) if sobel else segmenter


def model_folder(segmenter: Segmenter) -> str:
    """The name under which a model's masks and scores stand."""
    return f"{segmenter.name}{_SOBEL}" if isinstance(segmenter, SobelSegmenter) else segmenter.name
