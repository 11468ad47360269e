"""Saves and slices per second, by one client and by all, for ``bench/server.py``."""

import http.client
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Barrier, Thread

import numpy as np
from server_process import PEOPLE, Client, Study

from crowdmask.core.geometry import Box
from crowdmask.core.ids import new_id
from crowdmask.core.keyframes import BoxSource, Keyframe
from crowdmask.core.operations import AddTrack, Operation, SetKeyframe
from crowdmask.infra.settings import Settings

CLAMP = (-160.0 - 80.0, 240.0 + 80.0)  # the abdominal window with a margin of a fifth on either side


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

    def __init__(self, client: Client, study: Study, number: int) -> None:
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
    clients = [Client(settings.port, token) for token in study.tokens]
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


def _viewer(client: Client, study: Study, number: int, query: str) -> Step:
    z = [number * 3 % study.slices]

    def look() -> int:
        z[0] = (z[0] + 1) % study.slices
        path = f"/volumes/{study.volume_id}/packs/{study.pack_sha256}/slices/{z[0]}{query}"
        return len(client.ask("GET", path))

    return look
