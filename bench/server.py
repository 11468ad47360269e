"""What the server costs: its start, its memory, saves and slices per second, and a slice change in the browser.

``make bench-server`` runs all of it in some minutes, on this computer alone; ``python bench/server.py --help`` says
what can be left out. Prints its tables with the conditions and writes ``build/bench/server.json``.

The clients are threads of this process, on the same cores as the server: the figures are lower than those of a server that
has its cores for itself. PostgreSQL is the server that ``CROWDMASK_TEST_POSTGRES`` names; without one its rows are left out.
"""

import argparse
import json
import os
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from statistics import median

import numpy as np
import sqlalchemy as sa
from conditions import conditions
from server_browser import measure_browser
from server_process import Start, make_study, served
from server_traffic import Throughput, measure_traffic

from crowdmask.core.ids import new_id
from crowdmask.infra.settings import Settings

RESULT = Path(__file__).parents[1] / "build" / "bench" / "server.json"
HEAVY = ("alembic", "nibabel", "scipy.stats", "torch", "openvino", "nnunetv2", "SimpleITK", "PIL", "segno")


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
    found = conditions("fastapi", "sqlalchemy", "uvicorn")
    print(", ".join(f"{name} {value}" for name, value in found.items()), file=sys.stderr)

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
            found["postgresql"] = about
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
        "conditions": found,
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
