"""The Makefile and the script of the continuous integration, run with stand-ins for the programs they call."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.checkout import TOP


def test_the_continuous_integration_tolerates_no_skipped_server(tmp_path: Path) -> None:
    for program in ("git", "python3", "redis-server", "apt-get"):
        (tmp_path / program).write_text("#!/bin/sh\n")
    (tmp_path / "make").write_text('#!/bin/sh\necho "make $* with CI=$CI"\n')
    for path in tmp_path.iterdir():
        path.chmod(0o755)
    without = {name: value for name, value in os.environ.items() if name != "CI"}
    done = subprocess.run(
        ["bash", str(TOP / ".ci" / "run")],
        env=without | {"PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "make test with CI=true\n"


@pytest.mark.parametrize(
    ("test", "changes", "lacks"),
    [
        (
            "tests/infra/test_factories.py",
            {"CROWDMASK_TEST_POSTGRES": "postgresql+psycopg://nobody@127.0.0.1:1/none"},
            "CI needs a PostgreSQL server",
        ),
        (
            "tests/infra/test_broker.py",
            {"CROWDMASK_TEST_REDIS": "redis://127.0.0.1:1"},
            "CI needs a Redis server",
        ),
        ("tests/jobs/test_worker.py", {"PATH": "/nowhere"}, "CI needs the program redis-server"),
    ],
)
def test_a_test_without_its_server_fails_in_the_continuous_integration(
    test: str, changes: dict[str, str], lacks: str
) -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-x",
            "-k",
            "postgresql or redis or broker_that_is_down",
            test,
        ],
        cwd=TOP,
        env=os.environ | {"CI": "true"} | changes,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert lacks in done.stdout


def test_an_old_make_is_told_which_one_is_needed() -> None:
    done = subprocess.run(
        ["make", ".FEATURES=target-specific order-only", "help"], cwd=TOP, capture_output=True, text=True
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert "Crowdmask needs GNU make 3.82 or newer" in done.stderr
