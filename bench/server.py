"""What the server costs: its start, its memory, saves and slices per second, and a slice change in the browser.

``make bench-server`` runs all of it in some minutes, on this computer alone; ``python bench/server.py --help`` says
what can be left out. Prints its tables with the conditions and writes ``build/bench/server.json``.

The clients are threads of this process, on the same cores as the server: the figures are lower than those of a server that
has its cores for itself. PostgreSQL is the server that ``CROWDMASK_TEST_POSTGRES`` names; without one its rows are left out.
"""

import argparse
import contextlib
import http.client
import json
import os
import platform
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median
from threading import Barrier, Thread
from uuid import UUID

import numpy as np
import sqlalchemy as sa

from crowdmask.accounts.actor import Actor
from crowdmask.accounts.service import create_account, create_token, make_sign_in_link
from crowdmask.assignments import service as assignments
from crowdmask.core.geometry import Box
from crowdmask.core.ids import new_id
from crowdmask.core.keyframes import BoxSource, Keyframe
from crowdmask.core.labels import LabelSet
from crowdmask.core.lifecycle import VolumeState
from crowdmask.core.operations import AddTrack, Operation, SetKeyframe
from crowdmask.core.phantom import abdominal_phantom
from crowdmask.core.slicepack import write_pack
from crowdmask.infra import migrate
from crowdmask.infra.db import Database
from crowdmask.infra.settings import Settings
from crowdmask.infra.storage import LocalStorage
from crowdmask.models import Membership, Role, TokenScope, Volume
from crowdmask.projects import service as projects

RESULT = Path(__file__).parents[1] / "build" / "bench" / "server.json"
PAGES = Path(__file__).parents[1] / "frontend" / "dist" / "index.html"
HEAVY = ("alembic", "nibabel", "scipy.stats", "torch", "openvino", "nnunetv2", "SimpleITK", "PIL", "segno")
PEOPLE = 20
CLAMP = (-160.0 - 80.0, 240.0 + 80.0)  # the abdominal window with a margin of a fifth on either side
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
class Throughput:
    """``what`` asked by ``clients`` at once, each waiting for its answer before it asks again."""

    what: str
    database: str
    clients: int
    per_second: float
    median_ms: float
    p95_ms: float
    kilobytes: float


@dataclass(frozen=True)
class Study:
    """What the clients work on: a volume of 512 x 512, and a token per person."""

    project_id: UUID
    volume_id: UUID
    pack_sha256: str
    slices: int
    tokens: tuple[str, ...]
    account_ids: tuple[UUID, ...]


# ---- what is served ----


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


# ---- the server, a process of its own ----


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


def measure_start(settings: Settings, times: int) -> tuple[list[Start], list[str]]:
    """``times`` starts, and which of the heavy modules one more start has loaded by its first 200."""
    starts = []
    for _ in range(times):
        with served(settings) as (_, start):
            starts.append(start)
    log = settings.data_dir / "server.log"
    log.unlink()
    with served(settings, "-X", "importtime"):
        pass
    loaded = {
        line.rpartition("|")[2].strip()
        for line in log.read_text(encoding="utf-8", errors="replace").splitlines()
        if line.startswith("import time:")
    }
    return starts, [name for name in HEAVY if name in loaded]


# ---- clients ----


class _Client:
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


Step = Callable[[], int]
"""Asks once; returns the bytes of the answer's body."""


def _run(what: str, database: str, clients: list[Step], seconds: float) -> Throughput:
    """Every client in its own thread, again and again until the time is over."""
    taken: list[list[float]] = [[] for _ in clients]
    sizes: list[int] = [0 for _ in clients]
    failures: list[Exception] = []
    began = Barrier(len(clients) + 1)
    until = [0.0]

    def work(number: int) -> None:
        step = clients[number]
        began.wait()
        try:
            while time.perf_counter() < until[0]:
                before = time.perf_counter()
                sizes[number] += step()
                taken[number].append(time.perf_counter() - before)
        except (OSError, RuntimeError, http.client.HTTPException, ValueError) as error:
            failures.append(error)

    threads = [Thread(target=work, args=(number,)) for number in range(len(clients))]
    for thread in threads:
        thread.start()
    start = time.perf_counter()
    until[0] = start + seconds
    began.wait()
    for thread in threads:
        thread.join()
    elapsed = time.perf_counter() - start
    if failures:
        raise SystemExit(f"{what}: {failures[0]}")
    together = [one for own in taken for one in own]
    return Throughput(
        what,
        database,
        len(clients),
        len(together) / elapsed,
        float(np.median(together)) * 1000,
        float(np.percentile(together, 95)) * 1000,
        sum(sizes) / len(together) / 1000,
    )


class _Annotator:
    """Draws and corrects boxes of one track, slice after slice, in batches of one to three operations."""

    def __init__(self, client: _Client, study: Study, number: int) -> None:
        self._client = client
        self._rng = np.random.default_rng([1, number])
        self._track = new_id().hex
        self._slices = study.slices
        assignment = json.loads(client.ask("POST", f"/projects/{study.project_id}/next-task"))
        opened = json.loads(client.ask("POST", f"/assignments/{assignment['id']}/annotation"))
        self.annotation_id = opened["id"]
        self._sha256 = opened["volume_sha256"]
        self._revision = opened["revision"]
        if not opened["document"]["tracks"]:
            middle = study.slices // 2
            self._save([AddTrack(self._track, middle, middle, {middle: self._keyframe()})])
        else:
            self._track = opened["document"]["tracks"][0]["id"]

    def step(self) -> int:
        count = int(self._rng.integers(1, 4))
        drawn: list[Operation] = []
        for _ in range(count):
            keyframe = self._keyframe()
            z = int(self._rng.integers(self._slices))
            drawn.append(SetKeyframe(self._track, z, keyframe.box, keyframe.source))
        return self._save(drawn)

    def _keyframe(self) -> Keyframe:
        x, y = (int(edge) for edge in self._rng.integers(0, 400, 2))
        width, height = (int(edge) for edge in self._rng.integers(10, 100, 2))
        return Keyframe(Box(x, y, x + width, y + height), BoxSource.DRAWN)

    def _save(self, operations: list[Operation]) -> int:
        answer = self._client.ask(
            "POST",
            f"/annotations/{self.annotation_id}/operations",
            {
                "volume_sha256": self._sha256,
                "operations": [operation.to_json() for operation in operations],
            },
            If_Match=f'"{self._revision}"',
            Idempotency_Key=new_id().hex,
        )
        self._revision = json.loads(answer)["revision"]
        return len(answer)


def measure_traffic(
    settings: Settings, study: Study, database: str, *, save_s: float, slice_s: float
) -> list[Throughput]:
    """Saves and slices on a running server, by one client and by all."""
    found: list[Throughput] = []
    clients = [_Client(settings.port, token) for token in study.tokens]
    try:
        annotators = [_Annotator(client, study, number) for number, client in enumerate(clients)]
        saving = [annotator.step for annotator in annotators]
        found += [_run("save", database, saving[:count], save_s) for count in (1, PEOPLE)]
        for what, query in (("slice", ""), ("slice, clamped", f"?low={CLAMP[0]}&high={CLAMP[1]}")):
            looking = [_viewer(client, study, number, query) for number, client in enumerate(clients)]
            found += [_run(what, database, looking[:count], slice_s) for count in (1, PEOPLE)]
    finally:
        for client in clients:
            client.close()
    return found


def _viewer(client: _Client, study: Study, number: int, query: str) -> Step:
    z = [number * 3 % study.slices]

    def look() -> int:
        z[0] = (z[0] + 1) % study.slices
        path = f"/volumes/{study.volume_id}/packs/{study.pack_sha256}/slices/{z[0]}{query}"
        return len(client.ask("GET", path))

    return look


# ---- the browser ----


def measure_browser(settings: Settings, study: Study, changes: int) -> tuple[list[float], str]:
    """Milliseconds from the key press until the canvas holds the next slice, slices being in the browser already.

    Returns:
        The times and "", or none and why they could not be measured.
    """
    if not PAGES.is_file():
        return [], "the pages are not built (make frontend)"
    try:
        from playwright.sync_api import Error, sync_playwright
    except ModuleNotFoundError:
        return [], "Playwright is not installed (the extra dev)"
    client = _Client(settings.port, study.tokens[0])
    with contextlib.closing(client):
        work = json.loads(client.ask("POST", f"/projects/{study.project_id}/next-task"))
    database = Database(settings.database_url)
    with contextlib.closing(database), database.write() as session:
        link = make_sign_in_link(session, study.account_ids[0]).token
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
            )
            page = browser.new_page(viewport={"width": 1280, "height": 800})
            page.goto(f"{settings.base_url}/sign-in#{link}")
            page.get_by_role("button", name="Sign in").click()
            page.wait_for_url("**/tasks", timeout=15_000)
            page.goto(f"{settings.base_url}/work/{work['id']}")
            page.wait_for_selector('[data-testid="viewer"][data-loaded="true"]', timeout=15_000)
            taken = []
            for _ in range(changes):
                page.wait_for_timeout(120)  # for the slices around to arrive
                taken.append(page.evaluate(_CHANGE_SLICE))
            browser.close()
    except Error as error:
        return [], f"the workspace could not be used ({str(error).splitlines()[0]})"
    warm = [float(one) for one in taken if one is not None]
    return (warm, "") if warm else ([], "no slice was in the browser when it was asked for")


# React draws in the same turn as the key's event; the observer is told right after. null: the slice had to be fetched.
_CHANGE_SLICE = """() => new Promise((resolve) => {
  const viewer = document.querySelector('[data-testid="viewer"]');
  let began = 0;
  const observer = new MutationObserver(() => {
    const took = performance.now() - began;
    observer.disconnect();
    resolve(viewer.dataset.loaded === "true" ? took : null);
  });
  observer.observe(viewer, { attributes: true, attributeFilter: ["data-z"] });
  began = performance.now();
  document.body.dispatchEvent(new KeyboardEvent("keydown", { key: "s", code: "KeyS", bubbles: true, cancelable: true }));
})"""


# ---- all of it ----


@contextmanager
def _postgresql() -> Iterator[tuple[str, str]]:
    """A new database on the server of the tests, and what matters about that server; ("", why not) without one."""
    url = sa.make_url(
        os.environ.get("CROWDMASK_TEST_POSTGRES", "postgresql+psycopg://root@127.0.0.1:5432/postgres")
    )
    try:
        engine = sa.create_engine(url, isolation_level="AUTOCOMMIT", connect_args={"connect_timeout": 2})
        with engine.connect() as connection:
            shown = {
                name: connection.exec_driver_sql(f"SHOW {name}").scalar_one()
                for name in ("server_version", "fsync", "synchronous_commit")
            }
    except (sa.exc.OperationalError, ModuleNotFoundError) as error:
        yield "", f"no PostgreSQL server (CROWDMASK_TEST_POSTGRES): {type(error).__name__}"
        return
    name = f"crowdmask_bench_{new_id().hex}"
    with engine.connect() as connection:
        connection.exec_driver_sql(f'CREATE DATABASE "{name}"')
    try:
        described = ", ".join(f"{key} {value}" for key, value in shown.items())
        yield url.set(database=name).render_as_string(hide_password=False), described
    finally:
        with engine.connect() as connection:
            connection.exec_driver_sql(f'DROP DATABASE "{name}" WITH (FORCE)')
        engine.dispose()


def _settings(folder: Path, database_url: str | None = None) -> Settings:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    changes = {} if database_url is None else {"database_url": database_url}
    return Settings.for_folder(folder, host="127.0.0.1", port=port, public_url=None, **changes)


def _conditions() -> dict[str, object]:
    processor = platform.processor()
    with contextlib.suppress(OSError, StopIteration):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        processor = next(line.split(": ", 1)[1] for line in lines if line.startswith("model name"))
    return {
        "machine": platform.machine(),
        "processor": processor,
        "cores": os.cpu_count(),
        "load_at_start": os.getloadavg()[0],
        "python": platform.python_version(),
        "fastapi": version("fastapi"),
        "sqlalchemy": version("sqlalchemy"),
        "uvicorn": version("uvicorn"),
    }


def _print_throughput(rows: list[Throughput]) -> None:
    print(
        f"\n{'what':<16}{'database':<12}{'clients':>8}{'per second':>12}{'median ms':>11}{'95 % ms':>9}{'kB':>8}"
    )
    for row in rows:
        print(
            f"{row.what:<16}{row.database:<12}{row.clients:>8}{row.per_second:>12.1f}"
            f"{row.median_ms:>11.1f}{row.p95_ms:>9.1f}{row.kilobytes:>8.1f}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--starts", type=int, default=5, help="how often the server is started (default 5)")
    parser.add_argument("--save-seconds", type=float, default=10.0, help="per row of saves (default 10)")
    parser.add_argument("--slice-seconds", type=float, default=5.0, help="per row of slices (default 5)")
    parser.add_argument(
        "--changes", type=int, default=40, help="slice changes in the browser; 0: none (default 40)"
    )
    chosen = parser.parse_args()
    conditions = _conditions()
    print(", ".join(f"{name} {value}" for name, value in conditions.items()), file=sys.stderr)

    browser_ms: list[float] = []
    why_not = "not asked for"
    with tempfile.TemporaryDirectory(prefix="crowdmask-bench-") as folder:
        settings = _settings(Path(folder) / "sqlite")
        study = make_study(settings)
        starts, heavy = measure_start(settings, chosen.starts)
        print(f"\n{'until the first 200 of /api/v1/health':<52}{'median':>8}{'least':>8}{'most':>8}")
        for field, title in (
            ("cpu_s", "CPU time of the server's process, s"),
            ("children_cpu_s", "CPU time of its child that checks the schema, s"),
            ("wall_s", "time on the clock, s"),
            ("rss_mb", "resident memory, MB"),
        ):
            values = [getattr(start, field) for start in starts]
            print(f"{title:<52}{median(values):>8.2f}{min(values):>8.2f}{max(values):>8.2f}")
        print(f"heavy modules loaded: {', '.join(heavy) or 'none'} (of {', '.join(HEAVY)})")

        with served(settings) as (_, _start):
            traffic = measure_traffic(
                settings, study, "SQLite", save_s=chosen.save_seconds, slice_s=chosen.slice_seconds
            )
            if chosen.changes:
                browser_ms, why_not = measure_browser(settings, study, chosen.changes)
        with _postgresql() as (url, about):
            conditions["postgresql"] = about
            if url:
                settings = _settings(Path(folder) / "postgresql", url)
                study = make_study(settings)
                with served(settings) as (_, _start):
                    traffic += measure_traffic(
                        settings,
                        study,
                        "PostgreSQL",
                        save_s=chosen.save_seconds,
                        slice_s=chosen.slice_seconds,
                    )
        _print_throughput(traffic)
        print(f"PostgreSQL: {about}")

    if browser_ms:
        quick, slow = np.median(browser_ms), np.percentile(browser_ms, 95)
        print(
            f"\nslice change in Chromium, {len(browser_ms)} warm ones: median {quick:.1f} ms, 95 % {slow:.1f} ms"
        )
    else:
        print(f"\nslice change in Chromium: not measured, {why_not}")
    document = {
        "conditions": conditions,
        "starts": [asdict(start) for start in starts],
        "heavy_modules": heavy,
        "traffic": [asdict(row) for row in traffic],
        "slice_change_ms": browser_ms,
        "slice_change_not_measured": why_not,
    }
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    RESULT.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    print(f"written to {RESULT}", file=sys.stderr)


if __name__ == "__main__":
    main()
