"""How soon a mask is on the screen after a box was drawn: the whole way through the API, with the preview service on this CPU.

``crowdmask up`` on a new data folder with a volume of 512 x 512 pixels, asked over HTTP with access tokens from threads on the
same cores. First on slices that nobody has asked for (their embedding is made then), then again on the same slices with other
boxes: by one person without a pause, by ten who pause for a second on average between two boxes, and by ten without a pause,
which is more than one service can do: what is shed (503, ask again) is counted. The service has loaded its model before.

    python bench/engine_preview.py [--slices 12] [--seconds 20]

Prints its table and writes ``build/bench/engine_preview.json``.
"""

import argparse
import http.client
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
from conditions import conditions
from server_process import Client, Study, make_study

from crowdmask.core.phantom import LIVER, abdominal_phantom
from crowdmask.core.simulate import ideal_boxes
from crowdmask.infra.settings import Settings

RESULT = Path(__file__).parents[1] / "build" / "bench" / "engine_preview.json"
MANY = 10
PAUSE_S = 1.0
_START_S = 120.0


def measure(*, slices: int = 12, seconds: float = 20.0) -> dict[str, Any]:
    """All rows, as JSON."""
    with tempfile.TemporaryDirectory(prefix="crowdmask-bench-") as folder:
        settings = Settings.for_folder(Path(folder) / "data", port=0)
        study = make_study(settings)
        with _up(settings) as port:
            boxes = _boxes(slices)
            people = [_Person(port, study, number, boxes) for number in range(MANY)]
            first = _wait_for_model(people[0])
            fresh = [people[0].ask(z) for z in boxes]
            rows = {
                "first time on a slice, 1 person": _row(fresh, 1),
                "again, 1 person, no pause": _together(people[:1], seconds, pause_s=0.0),
                f"again, {MANY} people, {PAUSE_S:g} s pause": _together(people, seconds, pause_s=PAUSE_S),
                f"again, {MANY} people, no pause": _together(people, seconds, pause_s=0.0),
            }
    return {
        "conditions": conditions("torch", "openvino", "fastapi", "uvicorn"),
        "slices": slices,
        "seconds": seconds,
        "first_answer_s": first,
        "rows": rows,
    }


@contextmanager
def _up(settings: Settings) -> Iterator[int]:
    """``crowdmask up``, from its first answer to the end of the block; its port."""
    log_path = settings.data_dir / "up.log"
    with log_path.open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "crowdmask.cli", "up", "--data", settings.data_dir, "--port", "0"],
            env=os.environ | {"COLUMNS": "200", "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
        try:
            yield _port(log_path, process)
        finally:
            process.terminate()
            process.wait()


def _port(log_path: Path, process: subprocess.Popen[bytes]) -> int:
    began = time.perf_counter()
    while time.perf_counter() - began < _START_S and process.poll() is None:
        said = log_path.read_text(encoding="utf-8", errors="replace")
        _, found, behind = said.partition("Crowdmask runs at http://localhost:")
        if found and " " in behind:
            return int(behind.split()[0])
        time.sleep(0.1)
    raise SystemExit(f"The server did not start:\n{log_path.read_text(encoding='utf-8')[-3000:]}")


def _boxes(slices: int) -> dict[int, tuple[float, float, float, float]]:
    """A box of the liver on slices spread through it, on the grid of ``make_study``'s volume."""
    labels = abdominal_phantom(np.random.default_rng(0)).labels == LIVER
    ideal = ideal_boxes(labels)
    chosen = sorted({sorted(ideal)[int(i)] for i in np.linspace(0, len(ideal) - 1, slices)})
    rows, columns = (size * 4 for size in labels.shape[1:])
    left, top = (512 - columns) // 2, (512 - rows) // 2
    found = {}
    for z in chosen:
        box = max(ideal[z], key=lambda one: one.area)
        found[z] = (left + box.x0 * 4, top + box.y0 * 4, left + box.x1 * 4, top + box.y1 * 4)
    return found


class _Person:
    """An annotator with a task of their own."""

    def __init__(self, port: int, study: Study, number: int, boxes: Mapping[int, tuple[float, ...]]) -> None:
        self._port = port
        self._token = study.tokens[number]
        self.rng = np.random.default_rng([2, number])
        self.boxes = boxes
        client = Client(port, self._token)
        self._assignment = json.loads(client.ask("POST", f"/projects/{study.project_id}/next-task"))["id"]
        client.close()
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def ask(self, z: int | None = None) -> tuple[float, int, int]:
        """(seconds, status, bytes of the answer) of a preview of a box of a few pixels' error."""
        z = int(self.rng.choice(list(self.boxes))) if z is None else z
        box = [
            float(round(edge + error))
            for edge, error in zip(self.boxes[z], self.rng.normal(0, 3, 4), strict=True)
        ]
        body = json.dumps({"slice": z, "boxes": [box]})
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        began = time.perf_counter()
        self._connection.request(
            "POST", f"/api/v1/assignments/{self._assignment}/preview", body=body, headers=headers
        )
        answer = self._connection.getresponse()
        content = answer.read()
        if answer.status not in (200, 503):
            raise SystemExit(f"{answer.status} {content[:300]!r}")
        return time.perf_counter() - began, answer.status, len(content)


def _wait_for_model(person: _Person) -> float:
    """Seconds until the service, just started, has given its first preview."""
    began = time.perf_counter()
    z = min(person.boxes)
    while time.perf_counter() - began < _START_S:
        if person.ask(z - 1 if z - 1 in person.boxes else z)[1] == 200:
            return time.perf_counter() - began
        time.sleep(0.5)
    raise SystemExit("The preview service gave no answer.")


def _together(people: list[_Person], seconds: float, *, pause_s: float) -> dict[str, Any]:
    taken: list[list[tuple[float, int, int]]] = [[] for _ in people]
    until = time.perf_counter() + seconds

    def work(number: int) -> None:
        person = people[number]
        while time.perf_counter() < until:
            if pause_s:
                time.sleep(float(person.rng.exponential(pause_s)))
            taken[number].append(person.ask())

    threads = [Thread(target=work, args=(number,)) for number in range(len(people))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return _row([one for own in taken for one in own], len(people))


def _row(taken: list[tuple[float, int, int]], people: int) -> dict[str, Any]:
    answered = [one for one in taken if one[1] == 200]
    ms = [one[0] * 1000 for one in answered] or [float("nan")]
    return {
        "people": people,
        "asked": len(taken),
        "shed": len(taken) - len(answered),
        "median_ms": float(np.median(ms)),
        "p95_ms": float(np.percentile(ms, 95)),
        "most_ms": float(np.max(ms)),
        "answer_bytes": float(np.median([one[2] for one in answered])) if answered else 0.0,
    }


def table(result: Mapping[str, Any]) -> str:
    """For people."""
    lines = [
        f"Previews through the API, {result['slices']} slices of 512 x 512, {result['seconds']:g} s a row; the first answer "
        f"after the start, model and slice included: {result['first_answer_s']:.1f} s",
        f"{'':42}{'asked':>7}{'shed':>6}{'median ms':>11}{'95 % ms':>9}{'most ms':>9}{'bytes':>7}",
    ]
    lines.extend(
        f"{name:42}{row['asked']:7}{row['shed']:6}{row['median_ms']:11.0f}{row['p95_ms']:9.0f}"
        f"{row['most_ms']:9.0f}{row['answer_bytes']:7.0f}"
        for name, row in result["rows"].items()
    )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--slices", type=int, default=12)
    parser.add_argument("--seconds", type=float, default=20.0, help="per row")
    arguments = parser.parse_args()
    result = measure(slices=arguments.slices, seconds=arguments.seconds)
    print(table(result))
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    RESULT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
