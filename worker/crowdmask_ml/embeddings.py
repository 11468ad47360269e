"""Embeddings as they are kept: int8 per channel, and a folder of them on the worker's own disk.

Decoding always reads the int8 form, also of an embedding that was just made, so that a mask never depends on
whether its embeddings came from the folder.
"""

import errno
import hashlib
import json
import os
import struct
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from crowdmask.core.errors import Corrupt, ErrorCode, InvalidInput, Unavailable
from crowdmask.core.ids import new_id
from crowdmask.core.windowing import Window
from crowdmask_ml.segmenter import Embeddings

_MAGIC = b"CMEMB002"
# channels, rows, columns of the features; rows, columns of the slice.
_HEADER = struct.Struct("<5I")
_DIGEST_BYTES = 16
_ENTRY = ".embedding"
_PART = ".part"
_BYTES_VARIABLE = "CROWDMASK_EMBEDDINGS_BYTES"
_DEFAULT_BYTES = 20_000_000_000
# A use within this time of the last one is not written down.
_TOUCH_SECONDS = 60
# No writer takes so long: it was killed.
_ABANDONED_SECONDS = 3600


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
        content = b"".join(
            (
                _MAGIC,
                _HEADER.pack(*self.values.shape, *self.size),
                self.scales.astype("<f4").tobytes(),
                self.values.tobytes(),
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
    """A folder of embeddings, bounded in size. Safe for several processes at once; a damaged entry counts as missing.

    What was used least recently goes first. The folder is listed when the first entry is put and then each time a
    twentieth of the limit was written, not at every put: one process keeps within the limit, and each further one
    that writes at the same time may pass it by a twentieth.
    """

    def __init__(self, folder: Path, *, max_bytes: int | None = None) -> None:
        """``max_bytes`` None: ``CROWDMASK_EMBEDDINGS_BYTES``, else 20 GB (about 19 000 slices)."""
        self._folder = folder
        self.max_bytes = _bytes_from_environment() if max_bytes is None else max_bytes
        self._step = self.max_bytes // 20
        # Bytes that may be put before the folder is listed again.
        self._allowance = 0

    def get(self, key: EmbeddingKey) -> StoredEmbedding | None:
        try:
            with self._path(key).open("rb") as stream:
                found = StoredEmbedding.from_bytes(stream.read())
                used = os.fstat(stream.fileno()).st_mtime
            if time.time() - used > _TOUCH_SECONDS:
                os.utime(self._path(key))
        except Corrupt:
            # A damaged entry is replaced by the `put` that follows the recomputation.
            return None
        except FileNotFoundError:
            # Not there, or evicted in this moment.
            return None
        return found

    def put(self, key: EmbeddingKey, embedding: StoredEmbedding) -> None:
        """Raises `Unavailable` ``storage_full``."""
        path = self._path(key)
        content = embedding.to_bytes()
        temporary = path.with_name(f".{new_id().hex}{_PART}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # Not synced: what a power cut leaves half-written is found by its digest and made again.
            temporary.write_bytes(content)
            temporary.replace(path)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise Unavailable(
                    ErrorCode.STORAGE_FULL,
                    f"The disk of {self._folder} is full, an embedding was not kept.",
                    hint="Free some space and try again.",
                ) from error
            raise
        finally:
            temporary.unlink(missing_ok=True)
        self._allowance -= len(content)
        if self._allowance < 0:
            self._evict()

    def _evict(self) -> None:
        """Remove the least recently used entries until two steps are free, and what a killed writer left behind."""
        entries: list[tuple[float, int, Path]] = []
        for path in self._folder.glob("*/*"):
            with suppress(FileNotFoundError):
                status = path.stat()
                if path.suffix == _ENTRY:
                    entries.append((status.st_mtime, status.st_size, path))
                elif time.time() - status.st_mtime > _ABANDONED_SECONDS:
                    path.unlink()
        total = sum(size for _, size, _ in entries)
        if total > self.max_bytes - self._step:
            entries.sort(key=lambda entry: entry[0])
            for _, size, path in entries:
                if total <= self.max_bytes - 2 * self._step:
                    break
                path.unlink(missing_ok=True)
                total -= size
        self._allowance = self._step

    def _path(self, key: EmbeddingKey) -> Path:
        digest = key.digest
        return self._folder / digest[:2] / f"{digest[2:]}{_ENTRY}"


def _bytes_from_environment() -> int:
    """Raises `InvalidInput` ``option_invalid``."""
    given = os.environ.get(_BYTES_VARIABLE)
    if not given:
        return _DEFAULT_BYTES
    if not given.isdecimal():
        raise InvalidInput(
            ErrorCode.OPTION_INVALID,
            f"{_BYTES_VARIABLE} is {given!r}.",
            hint="Give a whole number of bytes, such as 20000000000.",
        )
    return int(given)


def _digest(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=_DIGEST_BYTES).digest()
