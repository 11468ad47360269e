"""The secret and the locks of a data folder (fault 44, docs/faults.md)."""

import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from crowdmask.core.errors import Corrupt, ErrorCode, Unavailable
from crowdmask.infra.folder_lock import folder_lock
from crowdmask.infra.security import load_or_create_secret


def test_the_secret_is_made_once_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    secret = load_or_create_secret(path)
    assert len(secret) == 64
    assert load_or_create_secret(path) == secret
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert load_or_create_secret(tmp_path / "other") != secret


def test_all_who_start_at_the_same_moment_get_the_same_secret(tmp_path: Path) -> None:
    with ThreadPoolExecutor(16) as threads:
        secrets = set(threads.map(lambda _: load_or_create_secret(tmp_path / "secret"), range(16)))
    assert len(secrets) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["secret"]


def test_a_secret_that_others_may_read_is_closed_again(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    load_or_create_secret(path)
    path.chmod(0o644)
    load_or_create_secret(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("content", [b"", b"changeme", b"\xff" * 64, b"a" * 63])
def test_a_damaged_secret_is_refused_and_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "secret"
    path.write_bytes(content)
    with pytest.raises(Corrupt) as caught:
        load_or_create_secret(path)
    assert caught.value.code is ErrorCode.SECRET_INVALID
    assert path.read_bytes() == content


def test_a_second_process_on_a_data_folder_is_refused(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from crowdmask.infra.folder_lock import folder_lock\n"
        "from crowdmask.core.errors import Unavailable\n"
        "try:\n"
        "    with folder_lock(Path(sys.argv[1]), 'server'): print('got it')\n"
        "except Unavailable as error: print(error.code)\n"
    )

    def other() -> str:
        done = subprocess.run(
            [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    with folder_lock(tmp_path, "server"):
        assert other() == "data_folder_in_use"
    assert other() == "got it"


def test_the_same_process_cannot_take_a_role_twice_but_another_one(tmp_path: Path) -> None:
    with folder_lock(tmp_path, "server"):
        with pytest.raises(Unavailable) as caught, folder_lock(tmp_path, "server"):
            pass
        assert caught.value.code is ErrorCode.DATA_FOLDER_IN_USE
        with folder_lock(tmp_path, "reconcile"):
            pass


def test_a_killed_process_gives_its_lock_back(tmp_path: Path) -> None:
    program = (
        "import os, sys; from pathlib import Path; from crowdmask.infra.folder_lock import folder_lock\n"
        "with folder_lock(Path(sys.argv[1]), 'server'): os.kill(os.getpid(), 9)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=False)
    assert done.returncode == -9
    with folder_lock(tmp_path, "server"):
        pass
