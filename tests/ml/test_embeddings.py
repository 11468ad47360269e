"""The int8 form and the folder that keeps it."""

import multiprocessing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from crowdmask.core.errors import Corrupt, ErrorCode
from crowdmask.core.windowing import Window
from crowdmask_ml.embeddings import EmbeddingCache, EmbeddingKey, StoredEmbedding
from crowdmask_ml.segmenter import Embeddings

KEY = EmbeddingKey(
    pack_sha256="a" * 64,
    slice=3,
    window=Window(-160, 240),
    model_hash="b" * 64,
    preprocessing="longest-side-area-minmax",
    runtime="torch-cpu/float32",
)


def _embedding(seed: int = 0) -> Embeddings:
    rng = np.random.default_rng(seed)
    features = rng.normal(0, rng.uniform(0.01, 5, (1, 32, 1, 1)), (1, 32, 16, 16)).astype(np.float32)
    features[0, 7] = 0
    return Embeddings(features, (40, 56))


def test_int8_is_off_by_at_most_half_a_step_of_each_channel() -> None:
    embedding = _embedding()
    restored = StoredEmbedding.quantise(embedding).restore()
    step = np.abs(embedding.features).max(axis=(2, 3), keepdims=True) / 127
    assert (np.abs(restored.features - embedding.features) <= step / 2 + 1e-6).all()
    assert restored.features.dtype == np.float32
    assert not restored.features[0, 7].any()
    assert restored.size == (40, 56)


def test_bytes_there_and_back_are_the_same_embedding() -> None:
    stored = StoredEmbedding.quantise(_embedding())
    read = StoredEmbedding.from_bytes(stored.to_bytes())
    assert np.array_equal(read.values, stored.values)
    assert np.array_equal(read.scales, stored.scales)
    assert read.size == stored.size


@pytest.mark.parametrize("damage", ["empty", "short", "flipped", "longer", "other"])
def test_damaged_bytes_are_refused(damage: str) -> None:
    whole = StoredEmbedding.quantise(_embedding()).to_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 1
    damaged = {
        "empty": b"",
        "short": whole[:-100],
        "flipped": bytes(flipped),
        "longer": whole + b"x",
        "other": b"\0" * 1000,
    }[damage]
    with pytest.raises(Corrupt) as caught:
        StoredEmbedding.from_bytes(damaged)
    assert caught.value.code is ErrorCode.BLOB_CORRUPT


def test_what_was_put_is_got_and_nothing_else(tmp_path: Path) -> None:
    cache = EmbeddingCache(tmp_path / "embeddings")
    assert cache.get(KEY) is None
    cache.put(KEY, StoredEmbedding.quantise(_embedding()))
    found = cache.get(KEY)
    assert found is not None
    assert np.array_equal(found.values, StoredEmbedding.quantise(_embedding()).values)


@pytest.mark.parametrize(
    "other",
    [
        replace(KEY, pack_sha256="c" * 64),
        replace(KEY, slice=4),
        replace(KEY, window=Window(-160, 241)),
        replace(KEY, model_hash="d" * 64),
        replace(KEY, preprocessing="stretch-cubic-minmax"),
        replace(KEY, runtime="torch-cpu/bfloat16"),
    ],
)
def test_every_part_of_the_key_counts(tmp_path: Path, other: EmbeddingKey) -> None:
    cache = EmbeddingCache(tmp_path)
    cache.put(KEY, StoredEmbedding.quantise(_embedding()))
    assert cache.get(other) is None


@pytest.mark.parametrize("length", [0, 10, 3000])
def test_a_truncated_entry_counts_as_missing_and_is_replaced(tmp_path: Path, length: int) -> None:
    cache = EmbeddingCache(tmp_path)
    stored = StoredEmbedding.quantise(_embedding())
    cache.put(KEY, stored)
    (entry,) = tmp_path.rglob("*.embedding")
    entry.write_bytes(entry.read_bytes()[:length])
    assert cache.get(KEY) is None
    cache.put(KEY, stored)
    assert cache.get(KEY) is not None


def _write_often(folder: Path, seed: int) -> None:
    cache = EmbeddingCache(folder)
    stored = StoredEmbedding.quantise(_embedding(seed))
    for _ in range(40):
        cache.put(KEY, stored)


def test_writers_at_the_same_time_leave_a_whole_entry_at_every_moment(tmp_path: Path) -> None:
    cache = EmbeddingCache(tmp_path)
    cache.put(KEY, StoredEmbedding.quantise(_embedding(0)))
    valid = [StoredEmbedding.quantise(_embedding(seed)).values for seed in range(3)]
    writers = [
        multiprocessing.get_context("spawn").Process(target=_write_often, args=(tmp_path, seed))
        for seed in range(3)
    ]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        found = cache.get(KEY)
        assert found is not None
        assert any(np.array_equal(found.values, values) for values in valid)
    for writer in writers:
        writer.join()
        assert writer.exitcode == 0
    assert [path.suffix for path in tmp_path.rglob("*") if path.is_file()] == [".embedding"]
