"""The slices of one volume as a model sees them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crowdmask.core.geometry import Box
from crowdmask.core.slicepack import SlicePack
from crowdmask.core.volume import display_slice, from_display
from crowdmask.core.windowing import Window, apply_window
from crowdmask_ml.embeddings import EmbeddingCache, EmbeddingKey, StoredEmbedding
from crowdmask_ml.segmenter import Embeddings, Segmenter


@dataclass(frozen=True, eq=False)
class SlicePrediction:
    """One label on one slice: the union of the masks of its boxes, as the model gives them, not cut at the box.

    Attributes:
        logits: float32 ``(y, x)`` on the canonical grid, the highest of the boxes'; in the mask where > 0.
        predicted_iou: of the mask of each box, roughly 0..1.
    """

    logits: NDArray[np.float32]
    predicted_iou: tuple[float, ...]


class SliceReader:
    """Predicts boxes on slices of one volume; holds the embeddings of the slices loaded last and of no others.

    Attributes:
        encoded: how many embeddings were computed so far; the others were in the cache.
    """

    def __init__(
        self, pack: SlicePack, segmenter: Segmenter, window: Window, cache: EmbeddingCache | None
    ) -> None:
        self.encoded = 0
        self._pack = pack
        self._segmenter = segmenter
        self._window = window
        self._cache = cache
        self._loaded: dict[int, StoredEmbedding] = {}
        self._current: tuple[int, Embeddings] | None = None

    @property
    def size(self) -> tuple[int, int]:
        """(rows, columns) of a slice."""
        return self._pack.shape[1], self._pack.shape[2]

    def load(self, slices: Sequence[int]) -> None:
        """Have the embeddings of ``slices`` ready, those that are missing computed together.

        Raises:
            Corrupt: ``slice_pack_corrupt``.
        """
        keys = {z: self._key(z) for z in slices}
        self._loaded = {}
        if self._cache is not None:
            self._loaded = {z: kept for z in slices if (kept := self._cache.get(keys[z])) is not None}
        missing = [z for z in slices if z not in self._loaded]
        if missing:
            images = np.stack([self._image(z) for z in missing])
            for z, embedding in zip(missing, self._segmenter.encode(images), strict=True):
                self._loaded[z] = StoredEmbedding.quantise(embedding)
                if self._cache is not None:
                    self._cache.put(keys[z], self._loaded[z])
        self.encoded += len(missing)

    def predict(self, z: int, boxes: Sequence[Box]) -> SlicePrediction:
        """What the model makes of the boxes of one label on slice ``z``.

        Raises:
            Corrupt: ``slice_pack_corrupt``.
        """
        if self._current is None or self._current[0] != z:
            if z not in self._loaded:
                self.load([z])
            self._current = (z, self._loaded[z].restore())
        prompts = np.array([box.values for box in boxes], dtype=np.float64)
        made = self._segmenter.decode(self._current[1], prompts)
        return SlicePrediction(
            from_display(made.logits.max(axis=0)), tuple(float(iou) for iou in made.predicted_iou)
        )

    def values(self, z: int) -> NDArray[np.float32]:
        """The slice in the volume's own unit, float32 ``(y, x)``."""
        return self._pack.values(z)

    def _image(self, z: int) -> NDArray[np.uint8]:
        """What the screen shows of a slice."""
        return display_slice(apply_window(self._pack.values(z), self._window)[np.newaxis], 0)

    def _key(self, z: int) -> EmbeddingKey:
        return EmbeddingKey(
            pack_sha256=self._pack.summary.sha256,
            slice=z,
            window=self._window,
            model_hash=self._segmenter.model_hash,
            preprocessing=self._segmenter.preprocessing,
            runtime=self._segmenter.runtime,
        )
