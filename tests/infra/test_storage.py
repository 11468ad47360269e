"""Blobs: whole or absent, named by what they hold (faults 45, 46, 47, 58, docs/faults.md)."""

import errno
import fcntl
import hashlib
import os
import resource
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from crowdmask.core.errors import Corrupt, ErrorCode, Unavailable
from crowdmask.infra.storage import LocalStorage, file_clock

HELLO = hashlib.sha256(b"hello").hexdigest()


def blobs(storage: LocalStorage) -> set[str]:
    return {path.name for path in storage.root.glob("??/*")}


def leftovers(storage: LocalStorage) -> list[Path]:
    return list((storage.root / "incoming").iterdir())


def test_a_blob_is_found_under_the_hash_of_its_bytes(storage: LocalStorage) -> None:
    assert storage.put_bytes(b"hello") == HELLO
    assert storage.path(HELLO).read_bytes() == b"hello"
    assert storage.path(HELLO) == storage.root / HELLO[:2] / HELLO
    assert leftovers(storage) == []


def test_a_file_is_copied_and_stays_where_it_was(storage: LocalStorage, tmp_path: Path) -> None:
    source = tmp_path / "ct.nii.gz"
    content = os.urandom(3 * (1 << 20) + 17)
    source.write_bytes(content)
    key = storage.put_file(source)
    assert key == hashlib.sha256(content).hexdigest()
    assert storage.path(key).read_bytes() == content
    assert source.read_bytes() == content


def test_storing_the_same_bytes_twice_is_fine(storage: LocalStorage) -> None:
    assert storage.put_bytes(b"hello") == storage.put_bytes(b"hello")
    assert blobs(storage) == {HELLO}


def test_an_empty_blob_can_be_stored(storage: LocalStorage) -> None:
    assert storage.path(storage.put_bytes(b"")).read_bytes() == b""


def test_a_missing_blob_is_said_to_be_missing(storage: LocalStorage) -> None:
    for read in (storage.path, storage.verify):
        with pytest.raises(Corrupt) as caught:
            read(HELLO)
        assert caught.value.code is ErrorCode.BLOB_MISSING


@pytest.mark.parametrize("change", [b"hullo", b"hell", b"", b"hello "])
def test_a_changed_blob_is_found_out_and_storing_the_right_bytes_repairs_it(
    storage: LocalStorage, change: bytes
) -> None:
    """Fault 46."""
    storage.put_bytes(b"hello")
    assert storage.verify(HELLO) == storage.path(HELLO)
    storage.path(HELLO).write_bytes(change)
    with pytest.raises(Corrupt) as caught:
        storage.verify(HELLO)
    assert caught.value.code is ErrorCode.BLOB_CORRUPT
    storage.put_bytes(b"hello")
    assert storage.verify(HELLO).read_bytes() == b"hello"


@pytest.mark.parametrize(
    "key", ["", "..", "../secret", "/etc/passwd", "ab", HELLO.upper(), HELLO + "\n", "a/" * 32]
)
def test_only_a_hash_is_a_key(storage: LocalStorage, key: str) -> None:
    """Fault 58: no name, however made, leads out of the folder."""
    (storage.root.parent / "secret").write_text("x")
    with pytest.raises(Corrupt) as caught:
        storage.path(key)
    assert caught.value.code is ErrorCode.BLOB_MISSING


def test_many_writers_of_the_same_bytes_leave_one_whole_blob(storage: LocalStorage) -> None:
    content = os.urandom(1 << 18)
    with ThreadPoolExecutor(8) as threads:
        keys = set(threads.map(lambda _: storage.put_bytes(content), range(24)))
    assert blobs(storage) == keys
    assert storage.verify(keys.pop()).stat().st_size == len(content)
    assert leftovers(storage) == []


def test_a_process_killed_while_it_stores_leaves_no_blob(storage: LocalStorage, tmp_path: Path) -> None:
    """Fault 47; what it left among the temporary files is in nobody's way."""
    program = (
        "import os, sys; from pathlib import Path; from crowdmask.infra.storage import LocalStorage\n"
        "class Slow:\n"
        "    n = 0\n"
        "    def read(self, size):\n"
        "        self.n += 1\n"
        "        if self.n == 3: os.kill(os.getpid(), 9)\n"
        "        return b'x' * size\n"
        "LocalStorage(Path(sys.argv[1]))._put(Slow())\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(storage.root)], check=False)
    assert done.returncode == -9
    assert blobs(storage) == set()
    before = leftovers(storage)
    assert len(before) == 1
    key = storage.put_bytes(b"x" * (2 << 20))
    assert storage.verify(key).stat().st_size == 2 << 20
    assert leftovers(storage) == before


# Throwing away what nobody needs (crowdmask.collection decides what that is)


def make_old(storage: LocalStorage, key: str) -> None:
    os.utime(storage.path(key), (1e9, 1e9))


def test_only_what_was_put_long_ago_can_be_discarded_and_putting_it_again_makes_it_young(
    storage: LocalStorage,
) -> None:
    clock = file_clock(storage.incoming)
    assert storage.discard(HELLO, put_before=clock) is None  # not there
    storage.put_bytes(b"hello")
    assert storage.discard(HELLO, put_before=clock) is None
    make_old(storage, HELLO)
    storage.put_bytes(b"hello")
    assert storage.discard(HELLO, put_before=clock) is None
    make_old(storage, HELLO)
    assert storage.discard(HELLO, put_before=clock) == len(b"hello")
    assert blobs(storage) == set()
    assert storage.discard("../secret", put_before=clock) is None


def test_bytes_that_are_put_while_they_are_being_discarded_are_there_afterwards(
    storage: LocalStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The instant between the look at a blob's age and its removal."""
    storage.put_bytes(b"hello")
    make_old(storage, HELLO)
    unlink = Path.unlink
    threads = []

    def unlink_late(path: Path, missing_ok: bool = False) -> None:
        if path.name == HELLO:
            threads.append(threading.Thread(target=storage.put_bytes, args=(b"hello",)))
            threads[0].start()
            threads[0].join(0.3)
            assert threads[0].is_alive(), "it waits for the one that discards"
        unlink(path, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", unlink_late)
    assert storage.discard(HELLO, put_before=file_clock(storage.incoming)) == len(b"hello")
    threads[0].join()
    assert storage.verify(HELLO).read_bytes() == b"hello"


def test_nothing_is_discarded_while_somebody_gives_a_name_or_where_there_are_no_locks(
    storage: LocalStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage.put_bytes(b"hello")
    make_old(storage, HELLO)
    clock = file_clock(storage.incoming)
    with (storage.root / "names.lock").open() as held:
        fcntl.flock(held, fcntl.LOCK_SH)
        assert storage.discard(HELLO, put_before=clock) is None

    def no_locks(_handle: int, _how: int) -> None:
        raise OSError(errno.ENOLCK, "no locks available")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    with pytest.raises(OSError, match="no locks"):
        storage.discard(HELLO, put_before=clock)
    storage.put_bytes(b"hello")
    assert set(storage.stored()) == blobs(storage) == {HELLO}


# A full disk (fault 45)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB, when we may mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("may not mount a file system (needs root)")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_is_storage_full_and_leaves_what_was_there(small_disk: Path) -> None:
    storage = LocalStorage(small_disk)
    small = storage.put_bytes(b"small")
    (small_disk.parent / "large").write_bytes(os.urandom(2 << 20))
    with pytest.raises(Unavailable) as caught:
        storage.put_bytes(os.urandom(2 << 20))
    assert caught.value.code is ErrorCode.STORAGE_FULL
    with pytest.raises(Unavailable) as caught:
        storage.put_file(small_disk.parent / "large")
    assert caught.value.code is ErrorCode.STORAGE_FULL
    assert blobs(storage) == {small}
    assert leftovers(storage) == []
    assert storage.verify(small).read_bytes() == b"small"  # reading goes on
    storage.put_bytes(b"small again")  # and so does what still fits


def test_a_write_that_the_system_cuts_off_is_storage_full(storage: LocalStorage) -> None:
    """The same without a file system of our own: the process may write no file of more than 64 KiB."""
    program = (
        "import sys; from pathlib import Path; from crowdmask.infra.storage import LocalStorage\n"
        "from crowdmask.core.errors import Unavailable\n"
        "try: LocalStorage(Path(sys.argv[1])).put_bytes(b'x' * 100_000)\n"
        "except Unavailable as error: print(error.code)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(storage.root)],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, 1 << 16)),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "storage_full"
    assert blobs(storage) == set()
    assert leftovers(storage) == []


def test_a_large_file_is_refused_before_it_fills_the_disk(
    storage: LocalStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = shutil.disk_usage(storage.root)
    room = real._replace(total=1000, used=900, free=100)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: room)
    storage.require_space(50)
    with pytest.raises(Unavailable) as caught:
        storage.require_space(51)
    assert caught.value.code is ErrorCode.STORAGE_FULL
    assert "51 bytes" in caught.value.message
