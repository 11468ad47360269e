"""How fast boxes become masks on this CPU, against the plain way, and how much memory it takes.

Three questions, on LiteMedSAM:

- A volume's boxes to masks: 20 slices x 5 labels of ``abdomen_ct``, drawn by 1 and by 3 annotators (simulated, jitter
  2.3 mm, one seed each). The plain way is the published network in torch, float32, on one thread, one encoding per slice
  and annotator, shared by the labels, one box at a time, logits of the whole slice; reading the volume is not counted. Ours is the runtime
  that ``auto`` chooses, on one thread, from the file of the volume on, with an empty folder of embeddings. Loading the
  model is in neither. The two alternate; medians.
- The encoder against the fastest matrix product of the same run: the time its arithmetic would take at that rate.
- The peak of resident memory of a process that segments a volume of 512 x 512 x 300 voxels.

With ``--float32`` ours does without bfloat16, as on a CPU that does not compute it.

    python bench/engine_speed.py [--runs 3] [--slices 20] [--float32]
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

# Before numpy: its BLAS reads this once.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from conditions import conditions
from numpy.typing import NDArray
from series import load_series, sample_data
from threadpoolctl import threadpool_limits

from crowdmask.core.geometry import Box
from crowdmask.core.metrics import volume_dice
from crowdmask.core.nifti import read_volume
from crowdmask.core.simulate import DEFAULT_JITTER_MM, ideal_boxes, jitter
from crowdmask.core.slicepack import SlicePack, write_pack
from crowdmask.core.tracks import AnnotationDocument, BoxSource, document_from_boxes
from crowdmask.core.volume import display_slice, from_display
from crowdmask.core.windowing import Window, apply_window
from crowdmask_ml.cache import SliceCache
from crowdmask_ml.loading import export_files, load_segmenter
from crowdmask_ml.registry import DEFAULT_MODEL, find_model
from crowdmask_ml.runtimes.exported import FOLDED, ExportedSegmenter
from crowdmask_ml.segment import segment_volume
from crowdmask_ml.segmenter import Segmenter

RESULT = Path(__file__).parents[1] / "build" / "bench" / "engine_speed.json"
SERIES = "abdomen_ct"
WINDOW = Window(-160, 240)
LARGE_SHAPE = (300, 512, 512)
LARGE_SLICES = 12

BoxesBySlice = dict[int, list[Box]]


def measure(*, runs: int = 3, slices: int = 20, memory: bool = True, float32: bool = False) -> dict[str, Any]:
    """Everything, as JSON. ``runs``: of each way; ``slices``: of the series; ``float32``: ours without bfloat16."""
    packages = ("torch", "numpy", "openvino", "onnxruntime")
    result: dict[str, Any] = {
        "conditions": conditions(*packages) | {"threads": 1, "model": DEFAULT_MODEL, "series": SERIES},
        "runs": runs,
    }
    with threadpool_limits(1):
        import torch

        torch.set_num_threads(1)
        plain: Any = load_segmenter(DEFAULT_MODEL, runtime="torch")
        ours = _in_float32() if float32 else load_segmenter(DEFAULT_MODEL, threads=1)
        # As its package builds it; our own torch runtime keeps the encoder's channels last, which is a fifth faster.
        plain.network.image_encoder.to(memory_format=torch.contiguous_format)
        result["runtime"] = ours.runtime
        result["volume"] = [_speed(plain, ours, people, runs, slices) for people in (1, 3)]
        result["encoder"] = _encoder(plain, ours)
    if memory:
        result["memory"] = _memory()
    return result


def _in_float32() -> Segmenter:
    from crowdmask_ml.runtimes.openvino_runtime import load_encoder

    usual = load_segmenter(DEFAULT_MODEL, runtime="openvino", threads=1)
    assert isinstance(usual, ExportedSegmenter)
    encoder, precision = load_encoder(
        export_files(find_model(DEFAULT_MODEL)).encoder, threads=1, may_round=False
    )
    return replace(usual, encoder=encoder, runtime=f"openvino-cpu/{precision}+{FOLDED}")


# ---- a volume's boxes to masks ----


def _speed(plain: Segmenter, ours: Segmenter, people: int, runs: int, slices: int) -> dict[str, Any]:
    series = load_series(SERIES)
    shown = apply_window(series.voxels, WINDOW)
    drawn = _draw(series.labels, series.grid.spacing, people, slices)
    source = sample_data() / SERIES / "image.nii.gz"
    # Once before the clock starts, one slice each.
    first = {label: {min(boxes): boxes[min(boxes)]} for label, boxes in drawn[0].items()}
    _plain_way(shown, [first], plain)
    _our_way(source, [first], ours)
    taken: dict[str, list[float]] = {"plain": [], "ours": []}
    for _ in range(runs):
        started = time.perf_counter()
        expected = _plain_way(shown, drawn, plain)
        taken["plain"].append(time.perf_counter() - started)
        started = time.perf_counter()
        found = _our_way(source, drawn, ours)
        taken["ours"].append(time.perf_counter() - started)
    alike = [
        volume_dice(one == label, other == label)
        for one, other in zip(expected, found, strict=True)
        for label in drawn[0]
    ]
    plain_s, ours_s = (float(np.median(taken[way])) for way in ("plain", "ours"))
    return {
        "annotators": people,
        "slices": slices,
        "boxes": sum(len(on_slice) for one in drawn for boxes in one.values() for on_slice in boxes.values()),
        "plain_s": round(plain_s, 2),
        "ours_s": round(ours_s, 2),
        "ratio": round(plain_s / ours_s, 2),
        "each_plain_s": [round(value, 2) for value in taken["plain"]],
        "each_ours_s": [round(value, 2) for value in taken["ours"]],
        "dice_mean": round(float(np.mean(alike)), 5),
        "dice_least": round(float(np.min(alike)), 5),
    }


def _draw(
    labels: NDArray[np.uint8], spacing: tuple[float, float, float], people: int, slices: int
) -> list[dict[int, BoxesBySlice]]:
    """What each annotator draws, by label, then slice: on slices with as many labels as there are, evenly spread."""
    ideal = {label: ideal_boxes(labels == label) for label in range(1, 6)}
    together = [sum(z in boxes for boxes in ideal.values()) for z in range(len(labels))]
    full = [z for z, number in enumerate(together) if number == len(ideal)]
    if len(full) < slices:
        sys.exit(f"{SERIES} has {len(full)} slices with all labels, fewer than {slices}.")
    chosen = {full[int(i)] for i in np.linspace(0, len(full) - 1, slices).round()}
    return [
        {
            label: jitter(
                {z: drawn for z, drawn in boxes.items() if z in chosen},
                jitter_mm=DEFAULT_JITTER_MM,
                spacing=spacing,
                size=labels.shape[1:],
                rng=np.random.default_rng((seed, label)),
            )
            for label, boxes in ideal.items()
        }
        for seed in range(people)
    ]


def _plain_way(
    shown: NDArray[np.uint8], drawn: list[dict[int, BoxesBySlice]], segmenter: Segmenter
) -> list[NDArray[np.uint8]]:
    """A label map for each annotator: every slice encoded for each of them, one box at a time."""
    masks = []
    for boxes in drawn:
        mask = np.zeros(shown.shape, np.uint8)
        for z in sorted({z for by_slice in boxes.values() for z in by_slice}):
            embedding = segmenter.encode(display_slice(shown, z)[np.newaxis])
            highest = np.zeros(embedding.size, np.float32)
            winner = np.zeros(embedding.size, np.uint8)
            for label, by_slice in boxes.items():
                for box in by_slice.get(z, []):
                    logits = segmenter.decode(embedding, np.array([box.values])).logits[0]
                    winner[logits > highest] = label
                    np.maximum(highest, logits, out=highest)
            mask[z] = from_display(winner)
        masks.append(mask)
    return masks


def _our_way(
    source: Path, drawn: list[dict[int, BoxesBySlice]], segmenter: Segmenter
) -> list[NDArray[np.uint8]]:
    """The same by the library, from the file on."""
    with tempfile.TemporaryDirectory(prefix="crowdmask-bench-") as folder:
        path = Path(folder) / "volume.pack"
        write_pack(path, read_volume(source).voxels)
        cache = SliceCache(Path(folder) / "embeddings")
        with SlicePack.open(path) as pack:
            return [
                segment_volume(
                    pack, _documents(boxes, pack.shape), segmenter, window=WINDOW, cache=cache
                ).mask
                for boxes in drawn
            ]


def _documents(
    boxes: Mapping[int, BoxesBySlice], shape: tuple[int, int, int]
) -> dict[int, AnnotationDocument]:
    return {
        label: document_from_boxes(shape, by_slice, source=BoxSource.SIMULATED)
        for label, by_slice in boxes.items()
    }


# ---- the encoder against the floor ----


def _encoder(plain: Any, ours: Segmenter) -> dict[str, Any]:
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    size = plain.input_size
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        plain.network.image_encoder(torch.zeros(1, 3, size, size))
    flop = float(counter.get_total_flops())
    image = np.random.default_rng(0).integers(0, 256, (1, size, size), dtype=np.uint8)
    rates: list[float] = []
    taken: dict[str, list[float]] = {"ours": [], "plain": [], "torch": []}
    for _ in range(5):
        rates.append(_best_rate())
        taken["ours"].append(_seconds(lambda: ours.encode(image)))
        for way, layout in (("plain", torch.contiguous_format), ("torch", torch.channels_last)):
            plain.network.image_encoder.to(memory_format=layout)
            taken[way].append(_seconds(lambda: plain.encode(image)))
    floor = flop / max(rates)
    ours_s = float(np.median(taken["ours"]))
    return {
        "gflop": round(flop / 1e9, 1),
        "best_gflop_per_s": round(max(rates) / 1e9, 1),
        "floor_ms": round(1000 * floor, 1),
        "ours_ms": round(1000 * ours_s, 1),
        "plain_ms": round(1000 * float(np.median(taken["plain"])), 1),
        "torch_runtime_ms": round(1000 * float(np.median(taken["torch"])), 1),
        "times_floor": round(ours_s / floor, 2),
    }


def _best_rate() -> float:
    """FLOP per second of the fastest of a few float32 matrix products, in numpy and in torch, on one thread."""
    import torch

    best = 0.0
    for n in (512, 1024, 1536):
        a = np.random.default_rng(0).normal(size=(n, n)).astype(np.float32)
        t = torch.from_numpy(a)
        for product in (lambda a=a: a @ a, lambda t=t: t @ t):
            best = max(best, 2 * n**3 / min(_seconds(product) for _ in range(3)))
    return best


def _seconds(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


# ---- memory ----


def _memory() -> dict[str, Any]:
    """A process of its own, since the peak of this one holds both ways."""
    with tempfile.TemporaryDirectory(prefix="crowdmask-bench-") as folder:
        path = Path(folder) / "large.pack"
        rng = np.random.default_rng(0)
        slices, rows, columns = LARGE_SHAPE
        plane = rng.normal(0, 60, (rows, columns)).astype(np.int16)
        voxels = np.empty(LARGE_SHAPE, np.int16)
        for z in range(slices):
            voxels[z] = np.roll(plane, z, axis=1)
            voxels[z, 150:330, 120:300] += 120
        write_pack(path, voxels)
        del voxels
        done = subprocess.run(
            [sys.executable, __file__, "--only-memory-of", str(path)],
            capture_output=True,
            text=True,
            check=True,
        )
    return dict(json.loads(done.stdout.splitlines()[-1]))


def _segment_large(path: Path) -> dict[str, Any]:
    """What a worker does with a large volume, on few of its slices: one slice's memory is used again for the next."""
    segmenter = load_segmenter(DEFAULT_MODEL, threads=1)
    with SlicePack.open(path) as pack, tempfile.TemporaryDirectory() as folder:
        chosen = np.linspace(0, pack.shape[0] - 1, LARGE_SLICES).round()
        boxes = {int(z): [Box(115, 146, 304, 335)] for z in chosen}
        result = segment_volume(
            pack,
            {1: document_from_boxes(pack.shape, boxes, source=BoxSource.SIMULATED)},
            segmenter,
            window=Window(-160, 240),
            cache=SliceCache(Path(folder)),
        )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return {
        "shape_zyx": list(LARGE_SHAPE),
        "slices_encoded": result.slices_encoded,
        "runtime": segmenter.runtime,
        "torch_imported": "torch" in sys.modules,
        "peak_rss_mb": round(peak / 1e6),
    }


def table(result: Mapping[str, Any]) -> str:
    """The figures of `measure` as Markdown."""
    lines = [
        "| Annotators | Boxes | Plain torch, s | "
        f"{result['runtime']}, s | Ratio | Dice between the two, mean | least |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {row['annotators']} | {row['boxes']} | {row['plain_s']} | {row['ours_s']} | {row['ratio']} | "
        f"{row['dice_mean']} | {row['dice_least']} |"
        for row in result["volume"]
    ]
    encoder = result["encoder"]
    lines += [
        "",
        f"Encoder: {encoder['gflop']} GFLOP, {encoder['ours_ms']} ms (plain torch {encoder['plain_ms']} ms, our torch runtime {encoder['torch_runtime_ms']} ms); at the best "
        f"matrix product of the run, {encoder['best_gflop_per_s']} GFLOP/s, it would take {encoder['floor_ms']} ms: "
        f"{encoder['times_floor']} times the floor.",
    ]
    if memory := result.get("memory"):
        lines += [
            "",
            f"Peak resident memory on {'x'.join(map(str, reversed(memory['shape_zyx'])))} voxels: "
            f"{memory['peak_rss_mb']} MB ({memory['runtime']}, {memory['slices_encoded']} slices).",
        ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--slices", type=int, default=20)
    parser.add_argument("--float32", action="store_true", help="ours without bfloat16")
    parser.add_argument("--only-memory-of", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.only_memory_of is not None:
        print(json.dumps(_segment_large(arguments.only_memory_of)))
        return
    result = measure(
        runs=arguments.runs,
        slices=arguments.slices,
        memory=not arguments.float32,
        float32=arguments.float32,
    )
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    RESULT.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(table(result))


if __name__ == "__main__":
    main()
