"""How good masks are when boxes are missing, with and without completion, on the series of the sample data.

Simulated crowd boxes (the paper's rule, 2.3 mm of error on each edge), by arm: complete; 25 % of the inner slices
without a box; 15 % of the slices at each end without; both; the holes that the paper's annotators left (the same organ's in
one of its five released volumes, another one with each seed; a tumour's are the spleen's); every 5th slice drawn, of one track
or each by itself. Slices without a box are unknown, nothing is marked absent. All labels of a series are segmented
together. Scored by the Dice of the whole volume.

The boxes derive from the reference, and the default model may have been trained on public data like this: absolute
values are no evidence of accuracy on other data, differences between the rows are what is measured.

``python bench/engine_quality.py [--seeds 5] [--series NAME ...] [--cache DIR] [--set smoothing=0.7 ...]``; writes
``build/bench/engine_quality.json``.
"""

import argparse
import json
import os
import platform
import sys
import tempfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from series import SERIES, TOP, Series, load_series, sample_data

from crowdmask.core.completion import Completion
from crowdmask.core.intervals import Intervals
from crowdmask.core.keyframes import Keyframe, Track
from crowdmask.core.metrics import volume_dice
from crowdmask.core.nifti import orientation_of
from crowdmask.core.openlabeling import read_openlabeling, volumes_in
from crowdmask.core.simulate import DEFAULT_JITTER_MM, Annotator, presence_of, simulate
from crowdmask.core.tracks import AnnotationDocument, boxes_by_slice, document_from_tracks
from crowdmask_ml.cache import SliceCache
from crowdmask_ml.completion import CompletionParameters
from crowdmask_ml.loading import load_segmenter
from crowdmask_ml.registry import DEFAULT_MODEL
from crowdmask_ml.segment import segment_volume
from crowdmask_ml.segmenter import Embeddings, MaskRule, Prediction, Segmenter

RESULT = TOP / "build" / "bench" / "engine_quality.json"


@dataclass(frozen=True, slots=True)
class Arm:
    """What the simulated annotator leaves out."""

    name: str
    miss_inner: float = 0.0
    miss_ends: float = 0.0
    real_holes: bool = False
    every: int = 1
    apart: bool = False


ARMS = (
    Arm("complete"),
    Arm("25 % inner missing", miss_inner=0.25),
    Arm("15 % of each end missing", miss_ends=0.15),
    Arm("both", miss_inner=0.25, miss_ends=0.15),
    Arm("real holes", real_holes=True),
    Arm("every 5th", every=5),
    Arm("every 5th, apart", every=5, apart=True),
)
# Label of each class of the released boxes, and how large their pictures are and how many there can be.
_RELEASED_CLASSES = {0: 1, 1: 2, 2: 3, 5: 4, 7: 5}
_RELEASED_SHAPE = (512, 512, 1000)
COMPLETE = ARMS[0].name
# Arm and completion -> the most that the mean may lie below complete boxes without completion.
GOALS = {
    (COMPLETE, "full"): 0.002,
    ("both", "full"): 0.015,
    ("every 5th", "full"): 0.010,
}


@dataclass(frozen=True, slots=True)
class Row:
    """One organ of one series under one arm and completion: the volume Dice of each seed."""

    series: str
    organ: str
    arm: str
    completion: str
    dice: tuple[float, ...]

    @property
    def mean(self) -> float:
        return float(np.mean(self.dice))

    @property
    def interval(self) -> float:
        """Half the width of the 95 % interval of the mean over seeds."""
        return float(1.96 * np.std(self.dice) / np.sqrt(len(self.dice)))


class _Remembering:
    """A segmenter that decodes the same box on the same slice once: the arms share most of theirs."""

    def __init__(self, segmenter: Segmenter) -> None:
        self._segmenter = segmenter
        self._decoded: dict[tuple[int, tuple[float, ...]], tuple[NDArray[np.float32], float]] = {}

    name = property(lambda self: self._segmenter.name)
    model_hash = property(lambda self: self._segmenter.model_hash)
    input_size = property(lambda self: self._segmenter.input_size)
    preprocessing = property(lambda self: self._segmenter.preprocessing)
    runtime = property(lambda self: self._segmenter.runtime)
    batch_size = property(lambda self: self._segmenter.batch_size)

    @property
    def mask_rule(self) -> MaskRule:
        return self._segmenter.mask_rule

    def forget(self) -> None:
        self._decoded.clear()

    def encode(self, images: NDArray[np.uint8]) -> Embeddings:
        return self._segmenter.encode(images)

    def decode(self, embedding: Embeddings, boxes: NDArray[np.float64]) -> Prediction:
        slice_key = zlib.crc32(np.ascontiguousarray(embedding.features).data)
        logits, scores = [], []
        for box in boxes:
            key = slice_key, tuple(float(value) for value in box)
            if key not in self._decoded:
                made = self._segmenter.decode(embedding, box[np.newaxis])
                self._decoded[key] = made.logits[0], float(made.predicted_iou[0])
            logits.append(self._decoded[key][0])
            scores.append(self._decoded[key][1])
        return Prediction(np.stack(logits), np.array(scores, np.float32))


def drawn(series: Series, arm: Arm, seed: int) -> dict[int, AnnotationDocument]:
    """What the simulated annotator makes of every label: as ``crowdmask simulate`` with the same options and seed."""
    holes = released_holes()[seed % len(released_holes())] if arm.real_holes else {}
    documents = {
        label: simulate(
            series.labels == label,
            annotator=Annotator.CROWD,
            grid=series.grid,
            rng=np.random.default_rng([seed, label]),
            jitter_mm=DEFAULT_JITTER_MM,
            presence=holes.get(label, ()),
            miss_inner=arm.miss_inner,
            miss_ends=arm.miss_ends,
            every=1 if arm.apart else arm.every,
        )
        for label in series.organs
    }
    if not arm.apart:
        return documents
    return {label: _apart(document, arm.every) for label, document in documents.items()}


@cache
def released_holes() -> tuple[Mapping[int, Sequence[bool]], ...]:
    """Of each volume with released boxes, by label: whether the paper's annotators drew, slice by slice."""
    folder = sample_data() / "openlabeling" / "prompt"
    found = (
        read_openlabeling(
            folder,
            name,
            labels=_RELEASED_CLASSES,
            orientation=orientation_of(np.eye(4)),
            file_shape=_RELEASED_SHAPE,
        )
        for name in volumes_in(folder)
    )
    return tuple(
        {label: presence_of(document) for label, document in boxes.documents.items()} for boxes in found
    )


def _apart(document: AnnotationDocument, every: int) -> AnnotationDocument:
    """Of each run of slices with boxes the first, the last and every ``every``-th; each box as a track of its own."""
    on_slices = boxes_by_slice(document)
    drawn = [
        z
        for first, last in Intervals.from_slices(on_slices).ranges
        for z in range(first, last + 1)
        if (z - first) % every == 0 or z == last
    ]
    return document_from_tracks(
        document.shape,
        [
            Track(f"{entry.track_id}-{z}", z, z, {z: Keyframe(entry.box, entry.source)})
            for z in drawn
            for entry in on_slices[z]
        ],
    )


def measure(
    *,
    names: Sequence[str] = SERIES,
    seeds: int = 5,
    cache: Path | None = None,
    runtime: str = "auto",
    parameters: CompletionParameters | None = None,
    note: Callable[[str], object] = print,
) -> dict[str, Any]:
    """Conditions and rows; ``cache`` keeps embeddings from run to run, ``note`` hears of progress."""
    segmenter = _Remembering(load_segmenter(DEFAULT_MODEL, runtime=runtime))
    parameters = parameters or CompletionParameters()
    with tempfile.TemporaryDirectory(prefix="crowdmask-bench-") as folder:
        embeddings = SliceCache(cache or Path(folder))
        rows = [
            row
            for name in names
            for row in _rows(load_series(name), segmenter, embeddings, seeds, parameters, note)
        ]
    return {
        "conditions": {
            "machine": platform.machine(),
            "cores": os.cpu_count(),
            "python": platform.python_version(),
            "model": segmenter.name,
            "runtime": segmenter.runtime,
            "jitter_mm": DEFAULT_JITTER_MM,
            "seeds": seeds,
            "parameters": parameters.to_json(),
        },
        "rows": [asdict(row) for row in rows],
        "overall": [_overall(rows, arm.name, completion) for arm in ARMS for completion in Completion],
    }


def _rows(
    series: Series,
    segmenter: _Remembering,
    cache: SliceCache,
    seeds: int,
    parameters: CompletionParameters,
    note: Callable[[str], object],
) -> list[Row]:
    dice: dict[tuple[str, str, str], list[float]] = {}
    with series.pack() as (pack, window):
        for seed in range(seeds):
            segmenter.forget()
            for arm in ARMS:
                documents = drawn(series, arm, seed)
                for completion in Completion:
                    mask = segment_volume(
                        pack,
                        documents,
                        segmenter,
                        window=window,
                        completion=completion,
                        parameters=parameters,
                        cache=cache,
                    ).mask
                    for label, organ in series.organs.items():
                        made = volume_dice(mask == label, series.labels == label)
                        dice.setdefault((organ, arm.name, completion.value), []).append(made)
            note(f"{series.name}: seed {seed} done")
    return [Row(series.name, *key, tuple(values)) for key, values in dice.items()]


def _overall(rows: Sequence[Row], arm: str, completion: str) -> dict[str, Any]:
    """The mean over organs and how far it is from complete boxes, with a 95 % bootstrap interval over organs."""
    chosen = [row for row in rows if (row.arm, row.completion) == (arm, completion)]
    base = {
        (row.series, row.organ): row.mean for row in rows if (row.arm, row.completion) == (COMPLETE, "none")
    }
    means = np.array([row.mean for row in chosen])
    losses = means - np.array([base[row.series, row.organ] for row in chosen])
    draws = np.random.default_rng(0).integers(0, len(losses), (2000, len(losses)))
    low, high = np.percentile(losses[draws].mean(axis=1), [2.5, 97.5])
    worst = chosen[int(means.argmin())]
    furthest = chosen[int(losses.argmin())]
    goal = GOALS.get((arm, completion))
    return {
        "arm": arm,
        "completion": completion,
        "organs": len(chosen),
        "mean": float(means.mean()),
        "difference": float(losses.mean()),
        "difference_low": float(low),
        "difference_high": float(high),
        "worst": f"{worst.organ}, {worst.series}",
        "worst_mean": worst.mean,
        "largest_loss": f"{furthest.organ}, {furthest.series}",
        "largest_loss_difference": float(losses.min()),
        "goal": goal,
        "reached": None if goal is None else bool(losses.mean() >= -goal),
    }


def table(result: Mapping[str, Any]) -> str:
    """Two tables in Markdown: over all organs, and organ by organ."""
    lines = [
        "| Boxes | Completion | Mean volume Dice | Against complete boxes (95 %) | Goal | Worst | Largest loss |",
        "|---|---|---|---|---|---|---|",
    ]
    for entry in result["overall"]:
        goal = "" if entry["goal"] is None else f"-{entry['goal']:g}: {'yes' if entry['reached'] else 'no'}"
        lines.append(
            f"| {entry['arm']} | {entry['completion']} | {entry['mean']:.3f} | {entry['difference']:+.4f} "
            f"({entry['difference_low']:+.3f} to {entry['difference_high']:+.3f}) | {goal} "
            f"| {entry['worst_mean']:.3f} {entry['worst']} "
            f"| {entry['largest_loss_difference']:+.3f} {entry['largest_loss']} |"
        )
    columns = [(arm.name, completion.value) for arm in ARMS for completion in Completion]
    rows = {
        (row["series"], row["organ"], row["arm"], row["completion"]): Row(**row) for row in result["rows"]
    }
    lines += ["", "| Series | Organ | " + " | ".join(f"{arm}, {word}" for arm, word in columns) + " |"]
    lines.append("|---|---|" + "---|" * len(columns))
    for series, organ in dict.fromkeys(key[:2] for key in rows):
        cells = (
            f"{rows[series, organ, arm, word].mean:.3f} ± {rows[series, organ, arm, word].interval:.3f}"
            for arm, word in columns
        )
        lines.append(f"| {series} | {organ} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=5, help="seeds 0 .. N-1 (default 5)")
    parser.add_argument("--series", nargs="+", choices=SERIES, default=SERIES, metavar="NAME")
    parser.add_argument("--cache", type=Path, help="folder that keeps embeddings")
    parser.add_argument("--runtime", default="auto")
    parser.add_argument("--output", type=Path, default=RESULT)
    parser.add_argument(
        "--set",
        nargs="+",
        default=[],
        metavar="NAME=VALUE",
        help="parameters of completion, not their defaults",
    )
    given = parser.parse_args()
    parameters = CompletionParameters()
    kinds = {field.name: type(getattr(parameters, field.name)) for field in fields(parameters)}
    for name, _, value in (one.partition("=") for one in given.set):
        if name not in kinds:
            parser.error(f"there is no parameter {name}; there are {', '.join(kinds)}")
        parameters = replace(parameters, **{name: kinds[name](value)})
    result = measure(
        names=given.series,
        seeds=given.seeds,
        cache=given.cache,
        runtime=given.runtime,
        parameters=parameters,
        note=lambda line: print(line, file=sys.stderr, flush=True),
    )
    given.output.parent.mkdir(parents=True, exist_ok=True)
    given.output.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(", ".join(f"{name} {value}" for name, value in result["conditions"].items()), file=sys.stderr)
    print(table(result))


if __name__ == "__main__":
    main()
