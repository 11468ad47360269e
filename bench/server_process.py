"""A server of its own with something to serve, for ``bench/server.py``: the study, the process, a client."""

import http.client
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import numpy as np

from crowdmask.accounts.actor import Actor
from crowdmask.accounts.service import create_account, create_token
from crowdmask.assignments import service as assignments
from crowdmask.core.labels import LabelSet
from crowdmask.core.lifecycle import VolumeState
from crowdmask.core.phantom import abdominal_phantom
from crowdmask.core.slicepack import write_pack
from crowdmask.infra import migrate
from crowdmask.infra.db import Database
from crowdmask.infra.settings import Settings
from crowdmask.infra.storage import LocalStorage
from crowdmask.models import Membership, Role, TokenScope, Volume
from crowdmask.projects import service as projects

PEOPLE = 20
_START_S = 60.0
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Start:
    """Until the first 200 of ``/api/v1/health``. ``cpu_s``: user and system time of the server's process;
    ``children_cpu_s``: of the children that it waited for (the check of the schema); ``rss_mb``: resident memory then."""

    cpu_s: float
    children_cpu_s: float
    wall_s: float
    rss_mb: float


@dataclass(frozen=True)
class Study:
    """What the clients work on: a volume of 512 x 512, and a token per person."""

    project_id: UUID
    volume_id: UUID
    pack_sha256: str
    slices: int
    tokens: tuple[str, ...]
    account_ids: tuple[UUID, ...]


def make_study(settings: Settings) -> Study:
    """Rows and the slice pack on a new, migrated database."""
    settings.make_folders()
    migrate.upgrade_in_child(settings)
    database = Database(settings.database_url)
    storage = LocalStorage(settings.blobs_dir)
    voxels = _volume()
    with tempfile.TemporaryDirectory(dir=settings.work_dir) as folder:
        path = Path(folder) / "pack"
        summary = write_pack(path, voxels)
        pack = storage.put_file(path)
    try:
        with database.write() as session:
            admin = Actor(create_account(session, name="Admin").id)
            labels = LabelSet.from_names([f"organ {n}" for n in range(PEOPLE)])
            project = projects.create_project(session, admin, name="Benchmark", labels=labels)
            volume = Volume(
                project_id=project.id,
                name="phantom",
                state=VolumeState.READY,
                source_sha256=pack,  # nobody asks for the source file here
                voxels_sha256=pack,
                pack_sha256=pack,
                depth=voxels.shape[0],
                height=voxels.shape[1],
                width=voxels.shape[2],
                affine=np.diag([-0.75, -0.75, 3.0, 1.0]).tolist(),
                finite_minimum=summary.finite_minimum,
                finite_maximum=summary.finite_maximum,
                percentile_low=summary.percentile_low,
                percentile_high=summary.percentile_high,
                created_by=admin.account_id,
            )
            session.add(volume)
            session.flush()
            assignments.create_tasks(
                session,
                admin,
                project_id=project.id,
                volume_ids=[volume.id],
                label_indices=range(1, PEOPLE + 1),
            )
            tokens, accounts = [], []
            for number in range(PEOPLE):
                account = create_account(session, name=f"Annotator {number}")
                session.add(Membership(project_id=project.id, account_id=account.id, role=Role.ANNOTATOR))
                session.flush()
                made = create_token(session, Actor(account.id), name="bench", scope=TokenScope.WRITE, days=1)
                tokens.append(made.token)
                accounts.append(account.id)
            return Study(project.id, volume.id, pack, voxels.shape[0], tuple(tokens), tuple(accounts))
    finally:
        database.close()


def _volume() -> np.ndarray:
    """The phantom with pixels of a quarter and noise of its own on each, so that a slice compresses about as a CT's does."""
    rng = np.random.default_rng(0)
    small = abdominal_phantom(rng).voxels
    fine = np.repeat(np.repeat(small, 4, axis=1), 4, axis=2).astype(np.float32)
    fine += rng.normal(0.0, 12.0, fine.shape).astype(np.float32)
    margins = [(0, 0), *(((512 - n) // 2, 512 - n - (512 - n) // 2) for n in fine.shape[1:])]
    return np.pad(np.rint(fine).astype(np.int16), margins, constant_values=-1000)


@contextmanager
def served(settings: Settings, *options: str) -> Iterator[tuple[subprocess.Popen[bytes], Start]]:
    """``crowdmask serve`` on the settings, from its first 200 to the end of the block."""
    with (settings.data_dir / "server.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, *options, "-m", "crowdmask.cli", "serve"],
            env=os.environ | settings.environment(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
        try:
            yield process, _first_answer(process, settings)
        finally:
            process.terminate()
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _first_answer(process: subprocess.Popen[bytes], settings: Settings) -> Start:
    began = time.perf_counter()
    while time.perf_counter() - began < _START_S:
        if process.poll() is not None:
            break
        try:
            connection = http.client.HTTPConnection("127.0.0.1", settings.port, timeout=5)
            connection.request("GET", "/api/v1/health")
            answered = connection.getresponse().status == 200
        except OSError:
            answered = False
        finally:
            connection.close()
        if answered:
            return _cost(process.pid, time.perf_counter() - began)
        time.sleep(0.02)
    log = (settings.data_dir / "server.log").read_text(encoding="utf-8", errors="replace")
    raise SystemExit(f"The server did not start. Its log ends:\n{log[-3000:]}")


def _cost(pid: int, wall_s: float) -> Start:
    # Behind the name in parentheses, which may hold blanks: state is field 3, utime to cstime are 14 to 17.
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    own, system, children, children_system = (int(field) / _TICKS for field in fields[11:15])
    resident = next(
        line.split()[1]
        for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
        if line.startswith("VmRSS:")
    )
    return Start(own + system, children + children_system, wall_s, int(resident) / 1024)


class Client:
    """One kept connection and a token."""

    def __init__(self, port: int, token: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        self._connection.connect()
        # A request goes out as two small packets, headers and body: the second must not wait for the first's receipt.
        self._connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._headers = {"Authorization": f"Bearer {token}"}

    def ask(self, method: str, path: str, body: object = None, **headers: str) -> bytes:
        """The body of the answer; anything but a success ends the benchmark."""
        content = None if body is None else json.dumps(body).encode()
        sent = self._headers | {name.replace("_", "-"): value for name, value in headers.items()}
        if content is not None:
            sent["Content-Type"] = "application/json"
        self._connection.request(method, f"/api/v1{path}", body=content, headers=sent)
        answer = self._connection.getresponse()
        received = answer.read()
        if answer.status >= 300:
            raise RuntimeError(f"{method} {path}: {answer.status} {received[:500]!r}")
        return received

    def close(self) -> None:
        self._connection.close()
