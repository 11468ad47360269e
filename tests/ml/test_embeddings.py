"""The int8 form and the folder that keeps it."""

import multiprocessing
import os
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from crowdmask.core.errors import Corrupt, ErrorCode, InvalidInput
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


# ---- the limit ----

_ONE = len(StoredEmbedding.quantise(_embedding()).to_bytes())


def _keys(n: int) -> list[EmbeddingKey]:
    return [replace(KEY, slice=z) for z in range(n)]


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*.embedding"))


def _age(folder: Path, seconds: float) -> None:
    """As if everything in the folder had been used so long before."""
    for path in folder.rglob("*.embedding"):
        used = path.stat().st_mtime - seconds
        os.utime(path, (used, used))


def test_what_was_used_least_recently_goes_first(tmp_path: Path) -> None:
    cache = EmbeddingCache(tmp_path, max_bytes=10 * _ONE + _ONE // 2)
    stored = StoredEmbedding.quantise(_embedding())
    keys = _keys(30)
    for key in keys[:8]:
        _age(tmp_path, 1000)
        cache.put(key, stored)
    # The oldest two are used again.
    for key in keys[:2]:
        assert cache.get(key) is not None
    for key in keys[8:14]:
        _age(tmp_path, 1000)
        cache.put(key, stored)
    kept = [number for number, key in enumerate(keys) if cache.get(key) is not None]
    assert {0, 1, 13} <= set(kept)
    assert kept[2:] == list(range(kept[2], 14))
    assert _size(tmp_path) <= 10.5 * _ONE


def test_the_folder_never_passes_its_limit_with_one_writer(tmp_path: Path) -> None:
    limit = 25 * _ONE
    cache = EmbeddingCache(tmp_path, max_bytes=limit)
    stored = StoredEmbedding.quantise(_embedding())
    for key in _keys(80):
        cache.put(key, stored)
        assert _size(tmp_path) <= limit
    assert _size(tmp_path) > limit // 2


def test_a_folder_from_an_earlier_run_counts(tmp_path: Path) -> None:
    stored = StoredEmbedding.quantise(_embedding())
    for key in _keys(20):
        EmbeddingCache(tmp_path).put(key, stored)
    EmbeddingCache(tmp_path, max_bytes=5 * _ONE).put(replace(KEY, slice=99), stored)
    assert _size(tmp_path) <= 5 * _ONE
    assert EmbeddingCache(tmp_path).get(replace(KEY, slice=99)) is not None


def test_what_a_killed_writer_left_is_removed_after_an_hour(tmp_path: Path) -> None:
    stored = StoredEmbedding.quantise(_embedding())
    EmbeddingCache(tmp_path).put(KEY, stored)
    (folder,) = tmp_path.iterdir()
    for name, age in ((".old.part", 4000), (".new.part", 10)):
        (folder / name).write_bytes(b"half")
        then = time.time() - age
        os.utime(folder / name, (then, then))
    EmbeddingCache(tmp_path).put(KEY, stored)
    assert sorted(path.name for path in folder.glob("*.part")) == [".new.part"]


def test_a_use_is_written_down_at_most_once_a_minute(tmp_path: Path) -> None:
    cache = EmbeddingCache(tmp_path)
    cache.put(KEY, StoredEmbedding.quantise(_embedding()))
    (entry,) = tmp_path.rglob("*.embedding")
    for age, is_written in ((30, False), (90, True)):
        then = time.time() - age
        os.utime(entry, (then, then))
        cache.get(KEY)
        assert (entry.stat().st_mtime > then + 20) is is_written


@pytest.mark.parametrize(("given", "size"), [("5000", 5000), ("", 20_000_000_000)])
def test_the_limit_follows_its_variable(
    given: str, size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CROWDMASK_EMBEDDINGS_BYTES", given)
    assert EmbeddingCache(tmp_path).max_bytes == size


def test_a_limit_that_is_no_number_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROWDMASK_EMBEDDINGS_BYTES", "20GB")
    with pytest.raises(InvalidInput, match="CROWDMASK_EMBEDDINGS_BYTES") as caught:
        EmbeddingCache(tmp_path)
    assert caught.value.code is ErrorCode.OPTION_INVALID


def _fill(folder: Path, start: int, limit: int) -> None:
    """Put many, read some; whatever is got must be whole and the right one."""
    cache = EmbeddingCache(folder, max_bytes=limit)
    for z in range(start, start + 120):
        expected = StoredEmbedding.quantise(_embedding(z))
        cache.put(replace(KEY, slice=z), expected)
        earlier = start + (z - start) // 2
        found = cache.get(replace(KEY, slice=earlier))
        if found is not None:
            assert np.array_equal(found.values, StoredEmbedding.quantise(_embedding(earlier)).values)


def test_writers_and_evictors_at_the_same_time_keep_the_limit_and_whole_entries(tmp_path: Path) -> None:
    limit = 40 * _ONE
    context = multiprocessing.get_context("spawn")
    # Two of the three put the same entries.
    processes = [context.Process(target=_fill, args=(tmp_path, start, limit)) for start in (0, 0, 500)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
        assert process.exitcode == 0
    # One twentieth more for each further writer, and one entry of each in the making.
    assert _size(tmp_path) <= limit * 1.1 + 3 * _ONE
    assert {path.suffix for path in tmp_path.rglob("*") if path.is_file()} == {".embedding"}
