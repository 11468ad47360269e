"""How well bad slices (Dice below 0.7) are found without knowing the truth, and what an expected Dice is worth.

Crowd boxes on all series of the sample data, several seeds, as drawn and too loose. For each slice with a box its Dice
against the reference, the three signs of ``core.uncertainty``, and the Dice that a calibration on the other patients expects.
How well each tells bad slices from good ones is the area under the ROC curve: within a volume (the mean over those with both
kinds; what somebody sees who looks at the worst slices of a volume first), and over the slices of all volumes together.
Intervals: a bootstrap within each volume that draws slices of an organ, with all their seeds and boxes at once; neighbouring
slices are still alike, so they are rather too narrow. Prints its tables, writes ``build/bench/engine_uncertainty.json`` and,
with ``--plot FILE.svg``, the reliability plot.

    python bench/engine_uncertainty.py [--seeds 0 1 2] [--repeats 3] [--cache DIR]
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from conditions import conditions
from numpy.typing import NDArray
from series import SERIES, Series, load_series

from crowdmask.core.metrics import volume_dice
from crowdmask.core.simulate import DEFAULT_JITTER_MM, Annotator, simulate
from crowdmask.core.tracks import AnnotationDocument
from crowdmask.core.uncertainty import Calibration, Sign, auc
from crowdmask_ml.embeddings import EmbeddingCache
from crowdmask_ml.loading import load_segmenter
from crowdmask_ml.registry import DEFAULT_MODEL
from crowdmask_ml.segment import segment_volume
from crowdmask_ml.segmenter import Segmenter
from crowdmask_ml.uncertainty import measure_uncertainty

RESULT = Path(__file__).parents[1] / "build" / "bench" / "engine_uncertainty.json"
BAD = 0.7
DRAWS = 300
BINS = 10
ARMS: Mapping[str, Mapping[str, Any]] = {"as drawn": {}, "5 mm too loose": {"loose_mm": 5.0}}
EXPECTED = "expected Dice"
MEASURES = (*map(str, Sign), EXPECTED)


@dataclass(frozen=True, eq=False)
class Slices:
    """Slices with a box, all arrays ``(n,)``."""

    series: NDArray[np.str_]
    patient: NDArray[np.str_]
    place: NDArray[np.str_]  # which slice of which organ
    arm: NDArray[np.str_]
    dice: NDArray[np.float64]
    area_mm2: NDArray[np.float64]
    measures: Mapping[str, NDArray[np.float64]]  # high = sure

    @property
    def is_bad(self) -> NDArray[np.bool_]:
        return self.dice < BAD


def measure(
    *,
    seeds: Sequence[int] = (0, 1, 2),
    repeats: int = 3,
    cache: Path | None = None,
    names: Sequence[str] = SERIES,
) -> dict[str, Any]:
    """Everything that the tables say, as JSON."""
    segmenter = load_segmenter(DEFAULT_MODEL)
    rows: list[dict[str, Any]] = []
    for name in names:
        series = load_series(name)
        for arm in ARMS:
            for seed in seeds:
                rows += _rows(series, arm, seed, segmenter, repeats, cache)
        print(f"{name}: {sum(row['series'] == name for row in rows)} slices", flush=True)
    slices = _slices(rows)
    return {
        "conditions": conditions("numpy", "torch", "openvino"),
        "model": segmenter.name,
        "runtime": segmenter.runtime,
        "series": list(names),
        "seeds": list(seeds),
        "repeats": repeats,
        "jitter_mm": DEFAULT_JITTER_MM,
        "finding": {
            "all": _finding(slices, np.ones(len(slices.dice), dtype=bool)),
            **{arm: _finding(slices, slices.arm == arm) for arm in ARMS},
        },
        "reliability": _reliability(slices),
        "calibration": {segmenter.model_hash: _calibration(slices, segmenter, names, seeds).to_json()},
    }


def _rows(
    series: Series, arm: str, seed: int, segmenter: Segmenter, repeats: int, cache: Path | None
) -> list[dict[str, Any]]:
    documents: dict[int, AnnotationDocument] = {
        label: simulate(
            series.labels == label,
            annotator=Annotator.CROWD,
            grid=series.grid,
            rng=np.random.default_rng([seed, label]),
            **ARMS[arm],
        )
        for label in series.organs
    }
    kept = None if cache is None else EmbeddingCache(cache)
    with series.pack() as (pack, window):
        made = segment_volume(pack, documents, segmenter, window=window, cache=kept)
        found = measure_uncertainty(
            pack,
            documents,
            segmenter,
            window=window,
            spacing=series.grid.spacing,
            rng=np.random.default_rng([seed, 1000]),
            repeats=repeats,
            cache=kept,
        )
    return [
        {
            "series": series.name,
            # One person was scanned three ways.
            "patient": "sarcoma" if series.name.startswith("sarcoma") else series.name,
            "place": f"{series.name} {series.organs[entry.label]} {entry.slice}",
            "arm": arm,
            "dice": volume_dice(
                made.mask[entry.slice][np.newaxis] == entry.label,
                series.labels[entry.slice][np.newaxis] == entry.label,
            ),
            "area_mm2": entry.area_mm2,
            "predicted_iou": entry.predicted_iou,
            "entropy": -entry.entropy if entry.voxels else -np.inf,
            "agreement": entry.agreement,
        }
        for entry in found.slices
    ]


def _slices(rows: list[dict[str, Any]]) -> Slices:
    def column(name: str) -> NDArray[Any]:
        return np.array([row[name] for row in rows])

    # A box on a slice without reference, and no mask: nothing is wrong there.
    dice = np.nan_to_num(column("dice"), nan=1.0)
    patient, iou, area_mm2 = column("patient"), column("predicted_iou"), column("area_mm2")
    measures = {
        str(sign): column(sign)
        for sign in Sign
        if np.isfinite(column("agreement")).all() or sign != "agreement"
    }
    expected = np.empty(len(rows))
    for held_out in np.unique(patient):
        inside = patient == held_out
        if inside.all():
            raise SystemExit("A calibration is judged on other patients than its own: give series of two.")
        fitted = Calibration.fit(iou[~inside], area_mm2[~inside], dice[~inside])
        expected[inside] = [
            fitted.expected_dice(score, area)
            for score, area in zip(iou[inside], area_mm2[inside], strict=True)
        ]
    measures[EXPECTED] = expected
    return Slices(column("series"), patient, column("place"), column("arm"), dice, area_mm2, measures)


def _calibration(
    slices: Slices, segmenter: Segmenter, names: Sequence[str], seeds: Sequence[int]
) -> Calibration:
    return Calibration.fit(
        slices.measures[Sign.PREDICTED_IOU],
        slices.area_mm2,
        slices.dice,
        provenance={
            "model": segmenter.name,
            "mask_rule": str(segmenter.mask_rule),
            "series": list(names),
            "boxes": f"crowd, jitter {DEFAULT_JITTER_MM} mm; {', '.join(ARMS)}",
            "seeds": list(seeds),
            "slices": len(slices.dice),
            "command": "python bench/engine_uncertainty.py --calibration FILE",
        },
    )


def _finding(slices: Slices, which: NDArray[np.bool_]) -> dict[str, Any]:
    """The AUC of each measure on these slices, within volumes and over all, each with its 95 % interval."""
    rng = np.random.default_rng(0)
    chosen = np.flatnonzero(which)
    draws = [_draw(slices, chosen, rng) for _ in range(DRAWS)]
    measures = {}
    for name, values in slices.measures.items():
        by_series = _by_series(slices, values, chosen)
        measures[name] = {
            "within": float(np.mean(list(by_series.values()))),
            "within_interval": _interval(
                [float(np.mean(list(_by_series(slices, values, drawn).values()))) for drawn in draws]
            ),
            "over_all": auc(values[chosen], slices.is_bad[chosen]),
            "over_all_interval": _interval([auc(values[drawn], slices.is_bad[drawn]) for drawn in draws]),
            "by_series": by_series,
        }
    bad = slices.is_bad[chosen]
    return {
        "slices": len(chosen),
        "bad": int(bad.sum()),
        "bad_by_series": {
            str(name): int(bad[slices.series[chosen] == name].sum()) for name in np.unique(slices.series)
        },
        "measures": measures,
    }


def _draw(slices: Slices, chosen: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    drawn = []
    for name in np.unique(slices.series[chosen]):
        members = chosen[slices.series[chosen] == name]
        places, of = np.unique(slices.place[members], return_inverse=True)
        taken = np.bincount(rng.integers(len(places), size=len(places)), minlength=len(places))
        drawn.append(np.repeat(members, taken[of]))
    return np.concatenate(drawn)


def _by_series(slices: Slices, values: NDArray[np.float64], chosen: NDArray[np.int64]) -> dict[str, float]:
    found = {}
    for name in np.unique(slices.series[chosen]):
        members = chosen[slices.series[chosen] == name]
        value = auc(values[members], slices.is_bad[members])
        if np.isfinite(value):
            found[str(name)] = value
    return found


def _interval(values: list[float]) -> list[float]:
    low, high = np.nanpercentile(values, [2.5, 97.5])
    return [float(low), float(high)]


def _reliability(slices: Slices) -> dict[str, Any]:
    """Expected against actual Dice by tenths of the slices."""
    expected = slices.measures[EXPECTED]
    bins = [
        {
            "slices": len(members),
            "expected": float(expected[members].mean()),
            "actual": float(slices.dice[members].mean()),
            "actual_low": float(np.percentile(slices.dice[members], 25)),
            "actual_high": float(np.percentile(slices.dice[members], 75)),
        }
        for members in np.array_split(np.argsort(expected, kind="stable"), BINS)
    ]
    gaps = [abs(one["expected"] - one["actual"]) * one["slices"] for one in bins]
    return {
        "bins": bins,
        "mean_gap": sum(gaps) / len(expected),
        "mean_absolute_error": float(np.abs(expected - slices.dice).mean()),
    }


def table(result: Mapping[str, Any]) -> str:
    """For people."""
    lines = [
        f"Finding slices with Dice < {BAD}: {result['model']} ({result['runtime']}), "
        f"series {', '.join(result['series'])}, seeds {', '.join(map(str, result['seeds']))}, "
        f"jitter {result['jitter_mm']} mm, {result['repeats']} repeats",
        f"{'boxes':16}{'slices':>7}{'bad':>5}  {'measure':15}{'AUC within a volume':>24}{'over all':>24}",
    ]
    for arm, found in result["finding"].items():
        for name, one in found["measures"].items():
            lines.append(
                f"{arm:16}{found['slices']:7}{found['bad']:5}  {name:15}"
                f"{_shown(one['within'], one['within_interval']):>24}"
                f"{_shown(one['over_all'], one['over_all_interval']):>24}"
            )
    whole = result["finding"]["all"]
    lines.append(f"{'series':20}{'bad':>5}" + "".join(f"{name:>16}" for name in whole["measures"]))
    for series, bad in whole["bad_by_series"].items():
        cells = (one["by_series"].get(series) for one in whole["measures"].values())
        lines.append(
            f"{series:20}{bad:5}" + "".join(f"{'-' if cell is None else f'{cell:.3f}':>16}" for cell in cells)
        )
    reliability = result["reliability"]
    lines.append("Expected Dice, calibrated on the other patients, against the actual Dice, by tenths:")
    lines.extend(
        f"  expected {one['expected']:.3f}  actual {one['actual']:.3f}  n {one['slices']}"
        for one in reliability["bins"]
    )
    lines.append(
        f"  mean gap {reliability['mean_gap']:.3f}, mean error of one slice {reliability['mean_absolute_error']:.3f}"
    )
    return "\n".join(lines)


def _shown(value: float, interval: Sequence[float]) -> str:
    return f"{value:.3f} ({interval[0]:.3f}-{interval[1]:.3f})"


def plot(result: Mapping[str, Any]) -> str:
    """The reliability plot as SVG: the mean and the middle half of each tenth of the slices."""
    side, margin = 320, 56

    def at(x: float, y: float) -> tuple[float, float]:
        return margin + x * side, margin / 2 + (1 - y) * side

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {side + 1.5 * margin:g} {side + 1.5 * margin:g}" '
        'font-family="sans-serif" font-size="12" role="img">',
        "<title>Expected against actual Dice of slices</title>",
        '<rect width="100%" height="100%" fill="white"/>',
    ]
    for tick in (0, 0.2, 0.4, 0.6, 0.8, 1):
        (x, bottom), (left, y) = at(tick, 0), at(0, tick)
        parts.append(
            f'<path d="M{x:g} {bottom:g}V{bottom - side:g}M{left:g} {y:g}H{left + side:g}" stroke="#ddd"/>'
        )
        parts.append(f'<text x="{x:g}" y="{bottom + 16:g}" text-anchor="middle">{tick:g}</text>')
        parts.append(f'<text x="{left - 8:g}" y="{y + 4:g}" text-anchor="end">{tick:g}</text>')
    (x0, y0), (x1, y1) = at(0, 0), at(1, 1)
    parts.append(f'<path d="M{x0:g} {y0:g}L{x1:g} {y1:g}" stroke="#777" stroke-dasharray="4"/>')
    for one in result["reliability"]["bins"]:
        x, y = at(one["expected"], one["actual"])
        (_, low), (_, high) = at(0, one["actual_low"]), at(0, one["actual_high"])
        parts.append(f'<path d="M{x:.1f} {low:.1f}V{high:.1f}" stroke="#0072B2" stroke-width="2"/>')
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="#0072B2"/>')
    parts.append(
        f'<text x="{margin + side / 2:g}" y="{side + margin * 1.2:g}" text-anchor="middle">expected Dice</text>'
    )
    parts.append(
        f'<text transform="translate(16 {margin / 2 + side / 2:g}) rotate(-90)" text-anchor="middle">actual Dice</text>'
    )
    return "\n".join([*parts, "</svg>", ""])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--repeats", type=int, default=3, help="jittered decodings; 0 leaves out agreement")
    parser.add_argument("--series", nargs="+", choices=SERIES, default=SERIES)
    parser.add_argument("--cache", type=Path, help="folder that keeps embeddings")
    parser.add_argument("--plot", type=Path, help="SVG to write")
    parser.add_argument(
        "--calibration", type=Path, help="JSON to write: what crowdmask_ml expects of this model"
    )
    arguments = parser.parse_args()
    result = measure(
        seeds=arguments.seeds, repeats=arguments.repeats, cache=arguments.cache, names=arguments.series
    )
    print(table(result))
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    RESULT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    if arguments.plot is not None:
        arguments.plot.write_text(plot(result), encoding="utf-8")
    if arguments.calibration is not None:
        arguments.calibration.write_text(json.dumps(result["calibration"], indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
