"""How long the parts of the main job take on one slice: read it, encode it, decode a box on it.

On the generated phantom, so that anybody can run it: ``make bench`` (one run) or ``python bench/spine.py --slices 20``.
Prints its table with the conditions and writes ``build/bench/spine.json``.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from conditions import conditions

from crowdmask.core.phantom import LIVER, abdominal_phantom
from crowdmask.core.simulate import ideal_boxes
from crowdmask.core.slicepack import SlicePack, write_pack
from crowdmask.core.volume import display_slice
from crowdmask.core.windowing import apply_window, default_window
from crowdmask_ml.embeddings import StoredEmbedding
from crowdmask_ml.loading import load_segmenter
from crowdmask_ml.registry import DEFAULT_MODEL

RESULT = Path(__file__).parents[1] / "build" / "bench" / "spine.json"


@dataclass(frozen=True)
class Timing:
    """Milliseconds per call over ``calls`` calls."""

    step: str
    calls: int
    median_ms: float
    p95_ms: float


def _time(step: str, calls: list[Callable[[], object]]) -> Timing:
    taken = []
    for call in calls:
        start = time.perf_counter()
        call()
        taken.append((time.perf_counter() - start) * 1000)
    return Timing(step, len(taken), float(np.median(taken)), float(np.percentile(taken, 95)))


def measure(slices: int) -> tuple[dict[str, object], list[Timing]]:
    """Conditions and timings, with ``slices`` slices spread evenly through the phantom's liver."""
    phantom = abdominal_phantom(np.random.default_rng(0))
    boxes = ideal_boxes(phantom.labels == LIVER)
    chosen = sorted({sorted(boxes)[int(i)] for i in np.linspace(0, len(boxes) - 1, slices)})
    segmenter = load_segmenter(DEFAULT_MODEL)

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "phantom.slicepack"
        write = _time("write the slice pack (whole volume)", [lambda: write_pack(path, phantom.voxels)])
        with SlicePack.open(path) as pack:
            window = default_window(
                finite_minimum=pack.summary.finite_minimum,
                percentile_low=pack.summary.percentile_low,
                percentile_high=pack.summary.percentile_high,
            )
            read = _time("read one slice", [lambda z=z: pack.values(z) for z in chosen])
            shown = {z: display_slice(apply_window(pack.volume(), window), z) for z in chosen}

    first = chosen[0]
    embeddings = {first: segmenter.encode(shown[first][np.newaxis])}  # the first call also warms up

    def encode(z: int) -> None:
        embeddings[z] = segmenter.encode(shown[z][np.newaxis])

    encoded = _time("encode one slice", [lambda z=z: encode(z) for z in chosen])
    stored = {z: StoredEmbedding.quantise(embeddings[z]).to_bytes() for z in chosen}
    restored = _time(
        "restore one embedding from the cache's form",
        [lambda z=z: StoredEmbedding.from_bytes(stored[z]).restore() for z in chosen],
    )

    def decode(z: int) -> None:
        box = boxes[z][0]
        segmenter.decode(embeddings[z], np.array([[box.x0, box.y0, box.x1, box.y1]], np.float64))

    decode(first)
    decoded = _time("decode one box", [lambda z=z: decode(z) for z in chosen])
    found = conditions("numpy", "torch") | {"model": segmenter.name, "runtime": segmenter.runtime}
    found |= {"volume": list(phantom.voxels.shape), "embedding_bytes": len(stored[first])}
    return found, [write, read, encoded, restored, decoded]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--slices", type=int, default=20, help="how many slices (default 20)")
    found, timings = measure(parser.parse_args().slices)
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    document = {"conditions": found, "timings": [asdict(timing) for timing in timings]}
    RESULT.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    print(", ".join(f"{name} {value}" for name, value in found.items()), file=sys.stderr)
    print(f"{'step':<46}{'calls':>6}{'median ms':>12}{'95 % ms':>10}")
    for timing in timings:
        print(f"{timing.step:<46}{timing.calls:>6}{timing.median_ms:>12.2f}{timing.p95_ms:>10.2f}")
    print(f"written to {RESULT}", file=sys.stderr)


if __name__ == "__main__":
    main()
