"""The folder of what was computed of slices: bounded, whole at every moment, safe for several processes."""

import multiprocessing
import os
import time
from pathlib import Path

import pytest

from crowdmask.core.errors import Corrupt, ErrorCode, InvalidInput
from crowdmask_ml.cache import SliceCache

_SIZE = 10_000
_ONE = _SIZE + 16  # with its digest


def _name(number: int) -> str:
    return f"{number % 7:02}{number:06}.embedding"


def _content(number: int) -> bytes:
    return f"{number:04}".encode() * (_SIZE // 4)


NAME, CONTENT = _name(0), _content(0)


def _as_it_is(content: bytes) -> bytes:
    return content


def _get(cache: SliceCache, name: str) -> bytes | None:
    return cache.get(name, _as_it_is)


def test_what_was_put_is_got_and_nothing_else(tmp_path: Path) -> None:
    cache = SliceCache(tmp_path / "slices")
    assert _get(cache, NAME) is None
    assert NAME not in cache
    cache.put(NAME, CONTENT)
    assert _get(cache, NAME) == CONTENT
    assert NAME in cache
    assert _get(cache, _name(7)) is None
    assert _name(7) not in cache


def _truncated(stored: bytes) -> bytes:
    return stored[: len(stored) // 2]


def _flipped(stored: bytes) -> bytes:
    return stored[:50] + bytes([stored[50] ^ 1]) + stored[51:]


def _longer(stored: bytes) -> bytes:
    return stored + b"x"


@pytest.mark.parametrize("damage", [_truncated, _flipped, _longer, lambda _: b"", lambda _: b"\0" * 10])
def test_a_damaged_entry_counts_as_missing_and_is_replaced(tmp_path: Path, damage: object) -> None:
    assert callable(damage)
    cache = SliceCache(tmp_path)
    cache.put(NAME, CONTENT)
    (entry,) = tmp_path.rglob("*.embedding")
    entry.write_bytes(damage(entry.read_bytes()))
    assert _get(cache, NAME) is None
    cache.put(NAME, CONTENT)
    assert _get(cache, NAME) == CONTENT


def test_an_entry_that_cannot_be_read_counts_as_missing(tmp_path: Path) -> None:
    def refuse(content: bytes) -> bytes:
        raise Corrupt(ErrorCode.BLOB_CORRUPT, f"{len(content)} bytes of an older form.")

    cache = SliceCache(tmp_path)
    cache.put(NAME, CONTENT)
    assert cache.get(NAME, refuse) is None


def _write_often(folder: Path, seed: int) -> None:
    cache = SliceCache(folder)
    for _ in range(200):
        cache.put(NAME, _content(seed))


def test_writers_at_the_same_time_leave_a_whole_entry_at_every_moment(tmp_path: Path) -> None:
    cache = SliceCache(tmp_path)
    cache.put(NAME, CONTENT)
    writers = [
        multiprocessing.get_context("spawn").Process(target=_write_often, args=(tmp_path, seed))
        for seed in range(3)
    ]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        assert _get(cache, NAME) in [_content(seed) for seed in range(3)]
    for writer in writers:
        writer.join()
        assert writer.exitcode == 0
    assert [path.suffix for path in tmp_path.rglob("*") if path.is_file()] == [".embedding"]


# ---- the limit ----


def _used(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*.embedding"))


def _age(folder: Path, seconds: float) -> None:
    """As if everything in the folder had been used so long before."""
    for path in folder.rglob("*.embedding"):
        used = path.stat().st_mtime - seconds
        os.utime(path, (used, used))


def test_what_was_used_least_recently_goes_first(tmp_path: Path) -> None:
    cache = SliceCache(tmp_path, max_bytes=10 * _ONE + _ONE // 2)
    for number in range(8):
        _age(tmp_path, 1000)
        cache.put(_name(number), _content(number))
    # The oldest two are used again.
    for number in range(2):
        assert _get(cache, _name(number)) is not None
    for number in range(8, 14):
        _age(tmp_path, 1000)
        cache.put(_name(number), _content(number))
    kept = [number for number in range(30) if _get(cache, _name(number)) is not None]
    assert {0, 1, 13} <= set(kept)
    assert kept[2:] == list(range(kept[2], 14))
    assert _used(tmp_path) <= 10.5 * _ONE


def test_the_folder_never_passes_its_limit_with_one_writer(tmp_path: Path) -> None:
    limit = 25 * _ONE
    cache = SliceCache(tmp_path, max_bytes=limit)
    for number in range(80):
        cache.put(_name(number), _content(number))
        assert _used(tmp_path) <= limit
    assert _used(tmp_path) > limit // 2


def test_a_folder_from_an_earlier_run_counts(tmp_path: Path) -> None:
    for number in range(20):
        SliceCache(tmp_path).put(_name(number), _content(number))
    SliceCache(tmp_path, max_bytes=5 * _ONE).put(_name(99), _content(99))
    assert _used(tmp_path) <= 5 * _ONE
    assert _get(SliceCache(tmp_path), _name(99)) is not None


def test_what_a_killed_writer_left_is_removed_after_an_hour(tmp_path: Path) -> None:
    SliceCache(tmp_path).put(NAME, CONTENT)
    (folder,) = tmp_path.iterdir()
    for name, age in ((".old.part", 4000), (".new.part", 10)):
        (folder / name).write_bytes(b"half")
        then = time.time() - age
        os.utime(folder / name, (then, then))
    SliceCache(tmp_path).put(NAME, CONTENT)
    assert sorted(path.name for path in folder.glob("*.part")) == [".new.part"]


def test_a_use_is_written_down_at_most_once_a_minute(tmp_path: Path) -> None:
    cache = SliceCache(tmp_path)
    cache.put(NAME, CONTENT)
    (entry,) = tmp_path.rglob("*.embedding")
    for age, is_written in ((30, False), (90, True)):
        then = time.time() - age
        os.utime(entry, (then, then))
        _get(cache, NAME)
        assert (entry.stat().st_mtime > then + 20) is is_written


@pytest.mark.parametrize(("given", "size"), [("5000", 5000), ("", 20_000_000_000)])
def test_the_limit_follows_its_variable(
    given: str, size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CROWDMASK_EMBEDDINGS_BYTES", given)
    assert SliceCache(tmp_path).max_bytes == size


def test_a_limit_that_is_no_number_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROWDMASK_EMBEDDINGS_BYTES", "20GB")
    with pytest.raises(InvalidInput, match="CROWDMASK_EMBEDDINGS_BYTES") as caught:
        SliceCache(tmp_path)
    assert caught.value.code is ErrorCode.OPTION_INVALID


def _fill(folder: Path, start: int, limit: int) -> None:
    """Put many, read some; whatever is got must be whole and the right one."""
    cache = SliceCache(folder, max_bytes=limit)
    for number in range(start, start + 120):
        cache.put(_name(number), _content(number))
        earlier = start + (number - start) // 2
        assert _get(cache, _name(earlier)) in (None, _content(earlier))


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
    assert _used(tmp_path) <= limit * 1.1 + 3 * _ONE
    assert {path.suffix for path in tmp_path.rglob("*") if path.is_file()} == {".embedding"}
