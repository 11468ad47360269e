"""The real system in processes of its own, as a user starts it."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from crowdmask.client import Client
from tests.waiting import eventually

_CROWDMASK = str(Path(sys.executable).with_name("crowdmask"))


@dataclass(frozen=True)
class RunningPlatform:
    """``admin_link`` signs its operator in, once."""

    url: str
    admin_link: str
    data: Path


@contextmanager
def embedded_platform(data: Path, *, arguments: tuple[str, ...] = ()) -> Iterator[RunningPlatform]:
    """``crowdmask up`` on an empty data folder."""
    log = data.parent / f"{data.name}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [_CROWDMASK, "up", "--data", str(data), "--port", "0", *arguments],
            stdout=output,
            stderr=output,
            env={**os.environ, "COLUMNS": "300"},
            start_new_session=True,
        )
        try:
            link = _found(process, log, r"(http://\S+/sign-in#\S+)")
            yield RunningPlatform(link.partition("/sign-in#")[0], link, data)
        finally:
            _ended(process)


@contextmanager
def production_platform(data: Path, *, database_url: str, redis_url: str) -> Iterator[RunningPlatform]:
    """What docker-compose.yml starts, by hand: migrate, the server, and a worker for each queue, with real servers."""
    environment = {
        **os.environ,
        "COLUMNS": "300",
        "CROWDMASK_DATA_DIR": str(data),
        "CROWDMASK_DATABASE_URL": database_url,
        "CROWDMASK_BROKER_URL": redis_url,
    }
    subprocess.run([_CROWDMASK, "migrate"], env=environment, check=True, capture_output=True)
    data.mkdir(exist_ok=True)
    log = data.parent / f"{data.name}.log"
    worker = [sys.executable, "-m", "crowdmask_worker", "--queues"]
    with log.open("wb") as output:
        processes = [
            subprocess.Popen(command, stdout=output, stderr=output, env=environment, start_new_session=True)
            for command in (
                [_CROWDMASK, "serve", "--port", str(_free_port())],
                [*worker, "cpu"],
                [*worker, "gpu"],
            )
        ]
        try:
            url = _found(processes[0], log, r"runs at (http://\S+)")
            told = subprocess.run(
                [_CROWDMASK, "sign-in-link"], env=environment, check=True, capture_output=True, text=True
            )
            token = told.stdout.strip().rpartition("#")[2]
            yield RunningPlatform(url, f"{url}/sign-in#{token}", data)
        finally:
            for process in processes:
                _ended(process)


def _free_port() -> int:
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _found(process: subprocess.Popen[bytes], log: Path, pattern: str) -> str:
    """The first match of what the process says, as soon as its server answers."""

    def said() -> str:
        return log.read_text(errors="replace")

    eventually(lambda: process.poll() is not None or re.search(pattern, said()), "the start of the platform")
    match = re.search(pattern, said())
    assert match is not None, f"the platform did not start:\n{said()[-3000:]}"
    httpx.get(f"{match[1].partition('/sign-in')[0]}/api/v1/health").raise_for_status()
    return match[1]


def _ended(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def admin_client(platform: RunningPlatform) -> Client:
    """The operator as a script: uses the sign-in link up."""
    with httpx.Client(base_url=f"{platform.url}/api/v1", headers={"Origin": platform.url}) as browser:
        token = platform.admin_link.partition("#")[2]
        browser.post("/session/link", json={"token": token}).raise_for_status()
        made = browser.post("/me/tokens", json={"name": "test", "scope": "write", "days": 1})
        made.raise_for_status()
    return Client(platform.url, made.json()["token"])
