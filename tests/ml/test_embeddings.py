"""The int8 form of embeddings, and what they depend on."""

from dataclasses import replace

import numpy as np
import pytest

from crowdmask.core.errors import Corrupt, ErrorCode
from crowdmask.core.windowing import Window
from crowdmask_ml.embeddings import EmbeddingKey, StoredEmbedding
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


@pytest.mark.parametrize("damage", ["empty", "short", "longer", "other"])
def test_damaged_bytes_are_refused(damage: str) -> None:
    whole = StoredEmbedding.quantise(_embedding()).to_bytes()
    damaged = {
        "empty": b"",
        "short": whole[:-100],
        "longer": whole + b"x",
        "other": b"\0" * 1000,
    }[damage]
    with pytest.raises(Corrupt) as caught:
        StoredEmbedding.from_bytes(damaged)
    assert caught.value.code is ErrorCode.BLOB_CORRUPT


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
def test_every_part_of_the_key_counts(other: EmbeddingKey) -> None:
    assert replace(KEY).entry == KEY.entry
    assert other.entry != KEY.entry
