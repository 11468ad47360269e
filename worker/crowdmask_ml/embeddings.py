"""Embeddings as they are kept: int8 per channel, and a folder of them on the worker's own disk.

Decoding always reads the int8 form, also of an embedding that was just made, so that a mask never depends on
whether its embeddings came from the folder.
"""

import hashlib
import json
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from crowdmask.core.errors import Corrupt, ErrorCode
from crowdmask.core.files import write_whole
from crowdmask.core.windowing import Window
from crowdmask_ml.segmenter import Embeddings

_MAGIC = b"CMEMB001"
# channels, rows, columns of the features; rows, columns of the slice.
_HEADER = struct.Struct("<5I")
_DIGEST_BYTES = 16
# Features are close to noise: higher levels cost five times the time for 1 % of the size.
_ZLIB_LEVEL = 1


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
        content = b"".join(
            (
                _MAGIC,
                _HEADER.pack(*self.values.shape, *self.size),
                self.scales.astype("<f4").tobytes(),
                zlib.compress(self.values.tobytes(), _ZLIB_LEVEL),
            )
        )
        return content + _digest(content)

    @classmethod
    def from_bytes(cls, stored: bytes) -> Self:
        """Raises `Corrupt` ``blob_corrupt`` for anything but the whole of what `to_bytes` wrote."""
        start = len(_MAGIC) + _HEADER.size
        content, digest = stored[:-_DIGEST_BYTES], stored[-_DIGEST_BYTES:]
        if len(content) < start or not content.startswith(_MAGIC) or _digest(content) != digest:
            raise Corrupt(ErrorCode.BLOB_CORRUPT, f"A stored embedding of {len(stored)} bytes is damaged.")
        channels, rows, columns, slice_rows, slice_columns = _HEADER.unpack(content[len(_MAGIC) : start])
        scales = np.frombuffer(content, "<f4", channels, start).astype(np.float32)
        packed = zlib.decompress(content[start + 4 * channels :])
        values = np.frombuffer(packed, np.int8).reshape(channels, rows, columns)
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


class EmbeddingCache:
    """A folder of embeddings. Safe for several processes at once; a damaged entry counts as missing."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def get(self, key: EmbeddingKey) -> StoredEmbedding | None:
        try:
            return StoredEmbedding.from_bytes(self._path(key).read_bytes())
        except (FileNotFoundError, Corrupt):
            # A damaged entry is replaced by the `put` that follows the recomputation.
            return None

    def put(self, key: EmbeddingKey, embedding: StoredEmbedding) -> None:
        """Raises `Unavailable` ``storage_full``."""
        path = self._path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        with write_whole(path) as stream:
            stream.write(embedding.to_bytes())

    def _path(self, key: EmbeddingKey) -> Path:
        digest = key.digest
        return self._folder / digest[:2] / f"{digest[2:]}.embedding"


def _digest(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=_DIGEST_BYTES).digest()
