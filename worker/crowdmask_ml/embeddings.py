"""Embeddings as they are kept: int8 per channel.

Decoding always reads the int8 form, also of an embedding that was just made, so that a mask never depends on
whether its embeddings came from the folder.
"""

import hashlib
import json
import struct
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from crowdmask.core.errors import Corrupt, ErrorCode
from crowdmask.core.windowing import Window
from crowdmask_ml.segmenter import Embeddings

_MAGIC = b"CMEMB002"
# channels, rows, columns of the features; rows, columns of the slice.
_HEADER = struct.Struct("<5I")


@dataclass(frozen=True, eq=False)
class StoredEmbedding:
    """One slice's embedding in its int8 form: ``feature = value * scale`` of its channel.

    Attributes:
        values: int8 ``(channels, rows, columns)``.
        scales: float32 ``(channels,)``.
        size: (rows, columns) of the slice, in voxels.
    """

    values: NDArray[np.int8]
    scales: NDArray[np.float32]
    size: tuple[int, int]

    @classmethod
    def quantise(cls, embedding: Embeddings) -> Self:
        """From embeddings of one slice; each channel's largest magnitude becomes 127."""
        features = embedding.features[0]
        scales = (np.abs(features).max(axis=(1, 2)) / 127).astype(np.float32)
        divisors = np.where(scales > 0, scales, 1).astype(np.float32)
        values = np.rint(features / divisors[:, np.newaxis, np.newaxis]).astype(np.int8)
        return cls(values, scales, embedding.size)

    def restore(self) -> Embeddings:
        features = self.values.astype(np.float32) * self.scales[:, np.newaxis, np.newaxis]
        return Embeddings(features[np.newaxis], self.size)

    def to_bytes(self) -> bytes:
        # Not compressed: features are close to noise. zlib would save a tenth, and take 26 ms to write and 5 to read.
        return b"".join(
            (
                _MAGIC,
                _HEADER.pack(*self.values.shape, *self.size),
                self.scales.astype("<f4").tobytes(),
                self.values.tobytes(),
            )
        )

    @classmethod
    def from_bytes(cls, content: bytes) -> Self:
        """Raises `Corrupt` ``blob_corrupt`` for what `to_bytes` did not write."""
        start = len(_MAGIC) + _HEADER.size
        if len(content) < start or not content.startswith(_MAGIC):
            raise _damaged(content)
        channels, rows, columns, slice_rows, slice_columns = _HEADER.unpack(content[len(_MAGIC) : start])
        if len(content) != start + channels * (4 + rows * columns):
            raise _damaged(content)
        scales = np.frombuffer(content, "<f4", channels, start).astype(np.float32)
        values = np.frombuffer(content, np.int8, offset=start + 4 * channels).reshape(channels, rows, columns)
        return cls(values, scales, (slice_rows, slice_columns))


@dataclass(frozen=True)
class EmbeddingKey:
    """Everything an embedding depends on, and nothing else: labels and annotators share it."""

    pack_sha256: str
    slice: int
    window: Window
    model_hash: str
    preprocessing: str
    runtime: str

    @property
    def digest(self) -> str:
        """Of all of it, in hexadecimal."""
        parts = [
            self.pack_sha256,
            self.slice,
            self.window.low,
            self.window.high,
            self.model_hash,
            self.preprocessing,
            self.runtime,
        ]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    @property
    def entry(self) -> str:
        """The name in a `SliceCache`."""
        return f"{self.digest}.embedding"


def _damaged(content: bytes) -> Corrupt:
    return Corrupt(ErrorCode.BLOB_CORRUPT, f"A stored embedding of {len(content)} bytes is damaged.")
