"""The slices of one volume as a model sees them, and what it makes of boxes on them."""

import hashlib
import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache as once
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from crowdmask.core.errors import Corrupt, ErrorCode
from crowdmask.core.geometry import Box
from crowdmask.core.slicepack import SlicePack
from crowdmask.core.volume import display_slice, from_display
from crowdmask.core.windowing import Window, apply_window
from crowdmask_ml.cache import SliceCache
from crowdmask_ml.embeddings import EmbeddingKey, StoredEmbedding
from crowdmask_ml.segmenter import Embeddings, Segmenter

_MAGIC = b"CMPRED01"
# Rows and columns of the slice; first row, rows, first column, columns of the part; boxes; the logit elsewhere.
_HEADER = struct.Struct("<7If")


@dataclass(frozen=True, eq=False)
class SlicePrediction:
    """One label on one slice: the union of the masks of its boxes, as the model gives them, not cut at the box.

    Attributes:
        logits: float32 ``(y, x)`` on the canonical grid, the highest of the boxes'; in the mask where > 0.
        predicted_iou: of the mask of each box, roughly 0..1.
    """

    logits: NDArray[np.float32]
    predicted_iou: tuple[float, ...]

    def to_bytes(self) -> bytes:
        """Exactly, of the logits only the part around the boxes, beyond which all are the same."""
        elsewhere = self.logits[0, 0]
        differs = self.logits != elsewhere
        (y0, y1), (x0, x1) = (_extent(differs.any(axis=axis)) for axis in (1, 0))
        return b"".join(
            (
                _MAGIC,
                _HEADER.pack(
                    *self.logits.shape, y0, y1 - y0, x0, x1 - x0, len(self.predicted_iou), elsewhere
                ),
                np.array(self.predicted_iou, "<f8").tobytes(),
                self.logits[y0:y1, x0:x1].astype("<f4").tobytes(),
            )
        )

    @classmethod
    def from_bytes(cls, content: bytes) -> Self:
        """Raises `Corrupt` ``blob_corrupt`` for what `to_bytes` did not write."""
        start = len(_MAGIC) + _HEADER.size
        if len(content) < start or not content.startswith(_MAGIC):
            raise _damaged(content)
        *numbers, elsewhere = _HEADER.unpack(content[len(_MAGIC) : start])
        n_y, n_x, y0, rows, x0, columns, boxes = numbers
        if len(content) != start + 8 * boxes + 4 * rows * columns or y0 + rows > n_y or x0 + columns > n_x:
            raise _damaged(content)
        logits = np.full((n_y, n_x), elsewhere, np.float32)
        part = np.frombuffer(content, "<f4", rows * columns, start + 8 * boxes)
        logits[y0 : y0 + rows, x0 : x0 + columns] = part.reshape(rows, columns)
        return cls(logits, tuple(np.frombuffer(content, "<f8", boxes, start).tolist()))


class SliceReader:
    """Predicts boxes on slices of one volume; holds the embeddings of the slices loaded last and of no others.

    Attributes:
        encoded: how many embeddings were computed so far; the others were in the cache.
        decoded: how many predictions were computed so far; the others were in the cache.
    """

    def __init__(
        self,
        pack: SlicePack,
        segmenter: Segmenter,
        window: Window,
        cache: SliceCache | None,
        *,
        keeps_predictions: bool = False,
    ) -> None:
        """``keeps_predictions``: in the cache, too, for boxes that are asked for again: not for those of a moment."""
        self.encoded = 0
        self.decoded = 0
        self._pack = pack
        self._segmenter = segmenter
        self._window = window
        self._cache = cache
        self._predictions = cache if keeps_predictions else None
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
            kept = {z: self._cache.get(keys[z].entry, StoredEmbedding.from_bytes) for z in slices}
            self._loaded = {z: embedding for z, embedding in kept.items() if embedding is not None}
        missing = [z for z in slices if z not in self._loaded]
        if missing:
            images = np.stack([self._image(z) for z in missing])
            for z, embedding in zip(missing, self._segmenter.encode(images), strict=True):
                self._loaded[z] = StoredEmbedding.quantise(embedding)
                if self._cache is not None:
                    self._cache.put(keys[z].entry, self._loaded[z].to_bytes())
        self.encoded += len(missing)

    def keeps(self, z: int, boxes: Sequence[Box]) -> bool:
        """Whether `predict` needs no embedding for these, as far as can be told beforehand."""
        return self._predictions is not None and self._entry(z, boxes) in self._predictions

    def predict(self, z: int, boxes: Sequence[Box]) -> SlicePrediction:
        """What the model makes of the boxes of one label on slice ``z``.

        Raises:
            Corrupt: ``slice_pack_corrupt``.
        """
        return self.predict_each(z, [boxes])[0]

    def predict_each(self, z: int, prompts: Sequence[Sequence[Box]]) -> list[SlicePrediction]:
        """The same for several labels, or several boxes for one, on one slice: decoded together."""
        if self._predictions is None:
            return self._decode(z, prompts)
        entries = [self._entry(z, boxes) for boxes in prompts]
        found: dict[str, SlicePrediction] = {}
        missing: dict[str, Sequence[Box]] = {}
        for entry, boxes in zip(entries, prompts, strict=True):
            kept = self._predictions.get(entry, SlicePrediction.from_bytes)
            if kept is None:
                missing[entry] = boxes
            else:
                found[entry] = kept
        if missing:
            for entry, made in zip(missing, self._decode(z, list(missing.values())), strict=True):
                self._predictions.put(entry, made.to_bytes())
                found[entry] = made
        return [found[entry] for entry in entries]

    def _decode(self, z: int, prompts: Sequence[Sequence[Box]]) -> list[SlicePrediction]:
        if self._current is None or self._current[0] != z:
            if z not in self._loaded:
                self.load([z])
            self._current = (z, self._loaded[z].restore())
        values = np.array([box.values for boxes in prompts for box in boxes], dtype=np.float64)
        made = self._segmenter.decode(self._current[1], values.reshape(-1, 4))
        self.decoded += len(prompts)
        borders = accumulate(map(len, prompts), initial=0)
        return [
            SlicePrediction(
                from_display(made.logits[start:end].max(axis=0)),
                tuple(float(iou) for iou in made.predicted_iou[start:end]),
            )
            for start, end in pairwise(borders)
        ]

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

    def _entry(self, z: int, boxes: Sequence[Box]) -> str:
        rest = [_code(), self._segmenter.mask_rule, [box.values for box in boxes]]
        digest = hashlib.sha256(f"{self._key(z).digest}{json.dumps(rest)}".encode()).hexdigest()
        return f"{digest}.prediction"


@once
def _code() -> str:
    """A hash of this library's source. Decoding is our own code, which another state of it may do differently."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _extent(is_there: NDArray[np.bool_]) -> tuple[int, int]:
    """From the first to after the last; (0, 0) when there is none."""
    where = np.flatnonzero(is_there)
    return (int(where[0]), int(where[-1]) + 1) if len(where) else (0, 0)


def _damaged(content: bytes) -> Corrupt:
    return Corrupt(ErrorCode.BLOB_CORRUPT, f"A stored prediction of {len(content)} bytes is damaged.")
