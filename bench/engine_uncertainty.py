"""How well bad slices (Dice below 0.7) are found without knowing the truth, and what an expected Dice is worth.

Crowd boxes on the series of the sample data and, with two seeds, on the patients that its nnU-Net sets train on, as drawn
and too loose (``uncertainty_slices``). Of each slice what is seen of it, and the Dice that a calibration on all other
patients expects. How well each tells bad slices from good ones is the area under the ROC curve: within a volume (the mean
over those with both kinds; what somebody sees who looks at the worst slices of a volume first), and over the slices of all
volumes together. Intervals: a bootstrap within each volume that draws slices of an organ, with all their seeds and boxes at
once; neighbouring slices are still alike, so they are rather too narrow. Prints its tables, writes
``build/bench/engine_uncertainty.json`` and, with ``--plot FILE.svg``, the reliability plot.

    python bench/engine_uncertainty.py [--seeds 0 1 2] [--repeats 2] [--slices FILE] [--test]
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from conditions import conditions
from numpy.typing import NDArray
from scipy.special import expit
from series import SERIES, load_cases, load_series
from uncertainty_slices import ARMS, SIGNS, slices_with_boxes

from crowdmask.core.simulate import DEFAULT_JITTER_MM
from crowdmask.core.uncertainty import Calibration, auc, fit_logistic
from crowdmask_ml.loading import load_segmenter
from crowdmask_ml.registry import DEFAULT_MODEL
from crowdmask_ml.segmenter import Segmenter

RESULT = Path(__file__).parents[1] / "build" / "bench" / "engine_uncertainty.json"
BAD = 0.7
DRAWS = 300
BINS = 10
EXPECTED = "expected Dice"
MEASURES = ("predicted IoU", "entropy", "agreement", EXPECTED)
EXPECTED_BY = ("iou", "log2_mm2")
# What else was tried in its place: the signs of one decoding, all, without one, and with one that needs more than that.
VARIANTS: Mapping[str, Sequence[str]] = {
    "six signs": SIGNS,
    **{f"no {left_out}": [sign for sign in SIGNS if sign != left_out] for left_out in SIGNS},
    "+ neighbours": (*SIGNS, "neighbours"),
    "+ contrast": (*SIGNS, "contrast"),
}
Rows = list[dict[str, Any]]


@dataclass(frozen=True, eq=False)
class Slices:
    """Slices with a box, all arrays ``(n,)``."""

    part: NDArray[np.str_]  # "series"; of the nnU-Net sets "Tr" or "Ts"
    series: NDArray[np.str_]
    patient: NDArray[np.str_]
    place: NDArray[np.str_]  # which slice of which organ
    arm: NDArray[np.str_]
    dice: NDArray[np.float64]
    signs: Mapping[str, NDArray[np.float64]]  # NaN where an empty mask has none
    measures: Mapping[str, NDArray[np.float64]]  # high = sure

    @property
    def is_bad(self) -> NDArray[np.bool_]:
        return self.dice < BAD


def measure(
    *,
    seeds: Sequence[int] = (0, 1, 2),
    repeats: int = 2,
    test: bool = False,
    kept: Path | None = None,
) -> dict[str, Any]:
    """Everything that the tables say, as JSON.

    Args:
        seeds: of the boxes; patients of the nnU-Net sets get the first two.
        repeats: jittered decodings on the series; with fewer than two there is no agreement.
        test: whether the patients that the nnU-Net sets test on are looked at. No calibration sees them.
        kept: file of the slices: read when it is there, else written.
    """
    segmenter = load_segmenter(DEFAULT_MODEL)
    if kept is not None and kept.is_file():
        rows: Rows = json.loads(kept.read_text(encoding="utf-8"))
    else:
        rows = _rows(segmenter, seeds, repeats, test)
        if kept is not None:
            kept.write_text(json.dumps(rows), encoding="utf-8")
    slices = _slices(rows)
    of_series = slices.part == "series"
    groups = {
        **{arm: of_series & (slices.arm == arm) for arm in ARMS},
        "all": of_series,
        "all but the MR": of_series & (slices.series != "abdomen_mr"),
        "nnU-Net train": slices.part == "Tr",
        "nnU-Net test": slices.part == "Ts",
    }
    return {
        "conditions": conditions("numpy", "torch", "openvino"),
        "model": segmenter.name,
        "runtime": segmenter.runtime,
        "series": list(SERIES),
        "seeds": list(seeds),
        "repeats": repeats,
        "jitter_mm": DEFAULT_JITTER_MM,
        "finding": {name: _finding(slices, which) for name, which in groups.items() if which.any()},
        "reliability": {name: _reliability(slices, which) for name, which in groups.items() if which.any()},
        "calibration": {segmenter.model_hash: _calibration(slices, segmenter, seeds).to_json()},
    }


def _rows(segmenter: Segmenter, seeds: Sequence[int], repeats: int, test: bool) -> Rows:
    volumes = {"series": map(load_series, SERIES), "Tr": load_cases("Tr")}
    if test:
        volumes["Ts"] = load_cases("Ts")
    rows: Rows = []
    for part, of_part in volumes.items():
        for series in of_part:
            found = slices_with_boxes(
                series,
                segmenter,
                seeds=seeds if part == "series" else seeds[:2],
                repeats=repeats if part == "series" else 0,
            )
            rows += [{"part": part, **row} for row in found]
            print(f"{series.name}: {len(found)} slices", flush=True)
    return rows


def _slices(rows: Rows) -> Slices:
    def column(name: str) -> NDArray[Any]:
        return np.array([row[name] for row in rows])

    empty = np.array([row["signs"] is None for row in rows])
    signs = {
        name: np.array([np.nan if row["signs"] is None else row["signs"][name] for row in rows])
        for name in SIGNS
    }
    signs |= {name: column(name) for name in EXPECTED_BY}
    signs |= {name: np.where(empty, np.nan, column(name)) for name in ("neighbours", "contrast")}
    # Of a slice alone there are no neighbours: as the others are.
    signs["neighbours"] = np.where(
        np.isnan(signs["neighbours"]) & ~empty, np.nanmean(signs["neighbours"]), signs["neighbours"]
    )
    slices = Slices(
        *map(column, ("part", "series", "patient", "place", "arm", "dice")), signs=signs, measures={}
    )
    known = slices.part != "Ts"
    of_series = slices.part == "series"
    measures = {
        "predicted IoU": column("iou"),
        "entropy": np.nan_to_num(-column("entropy_per_voxel"), nan=-np.inf),
        "agreement": column("agreement"),
        EXPECTED: _left_out(slices, EXPECTED_BY, known),
        **{name: _left_out(slices, signs, known) for name, signs in VARIANTS.items()},
        # Fitted on few patients, as the expected Dice was at first.
        "few patients": _left_out(slices, EXPECTED_BY, of_series),
        "six signs, few": _left_out(slices, SIGNS, of_series),
    }
    # No measure, but a limit: what a few references in each volume would add.
    for name in ("predicted IoU", EXPECTED):
        measures[f"{name}, shifted"] = _shifted(measures[name], slices)
    return replace(slices, measures=measures)


def _shifted(measure: NDArray[np.float64], slices: Slices) -> NDArray[np.float64]:
    """The measure with the mean that the actual Dice has in each volume."""
    shifted = measure.copy()
    for name in np.unique(slices.series):
        members = slices.series == name
        shifted[members] += slices.dice[members].mean() - measure[members].mean()
    return shifted


def _left_out(slices: Slices, names: Sequence[str], known: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The Dice that a calibration on the ``known`` slices of all other patients expects; 0 where a mask is empty and has no such signs."""
    expected = np.zeros(len(slices.dice))
    columns = np.stack([slices.signs[name] for name in names], axis=1)
    seen = ~np.isnan(columns[:, 0])
    for patient in np.unique(slices.patient):
        judged = seen & (slices.patient == patient)
        others = seen & known & (slices.patient != patient)
        intercept, weights = fit_logistic(columns[others], slices.dice[others])
        expected[judged] = expit(intercept + columns[judged] @ weights)
    return expected


def _calibration(slices: Slices, segmenter: Segmenter, seeds: Sequence[int]) -> Calibration:
    known = slices.part != "Ts"
    provenance = {
        "model": segmenter.name,
        "mask_rule": str(segmenter.mask_rule),
        "series": [str(name) for name in dict.fromkeys(slices.series[known])],
        "boxes": f"crowd, jitter {DEFAULT_JITTER_MM} mm; {', '.join(ARMS)}",
        "seeds": list(seeds),
        "slices": int(known.sum()),
        "command": "python bench/engine_uncertainty.py --calibration FILE",
    }
    return Calibration.fit(
        slices.signs["iou"][known],
        np.exp2(slices.signs["log2_mm2"][known]),
        slices.dice[known],
        provenance=provenance,
    )


def _finding(slices: Slices, which: NDArray[np.bool_]) -> dict[str, Any]:
    """The AUC of each measure on these slices, within volumes and over all; of ``MEASURES`` with 95 % intervals."""
    rng = np.random.default_rng(0)
    chosen = np.flatnonzero(which)
    draws = [_draw(slices, chosen, rng) for _ in range(DRAWS)]
    measures: dict[str, dict[str, Any]] = {}
    for name, values in slices.measures.items():
        if np.isnan(values[chosen]).any():  # not measured on these
            continue
        by_series = _by_series(slices, values, chosen)
        measures[name] = {
            "within": _mean(by_series),
            "over_all": auc(values[chosen], slices.is_bad[chosen]),
            "by_series": by_series,
        }
        if name in MEASURES:
            measures[name] |= {
                "within_interval": _interval([_mean(_by_series(slices, values, one)) for one in draws]),
                "over_all_interval": _interval([auc(values[one], slices.is_bad[one]) for one in draws]),
            }
    bad = slices.is_bad[chosen]
    return {
        "slices": len(chosen),
        "bad": int(bad.sum()),
        "bad_by_series": {
            str(name): int(bad[slices.series[chosen] == name].sum())
            for name in np.unique(slices.series[chosen])
        },
        "measures": measures,
    }


def _mean(by_series: Mapping[str, float]) -> float:
    return float(np.mean(list(by_series.values()))) if by_series else float("nan")


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


def _reliability(slices: Slices, which: NDArray[np.bool_]) -> dict[str, Any]:
    """Expected against actual Dice by tenths of these slices."""
    expected, dice = slices.measures[EXPECTED][which], slices.dice[which]
    bins = [
        {
            "slices": len(members),
            "expected": float(expected[members].mean()),
            "actual": float(dice[members].mean()),
            "actual_low": float(np.percentile(dice[members], 25)),
            "actual_high": float(np.percentile(dice[members], 75)),
        }
        for members in np.array_split(np.argsort(expected, kind="stable"), BINS)
    ]
    gaps = [abs(one["expected"] - one["actual"]) * one["slices"] for one in bins]
    return {
        "bins": bins,
        "mean_gap": sum(gaps) / len(expected),
        "mean_absolute_error": float(np.abs(expected - dice).mean()),
    }


def table(result: Mapping[str, Any]) -> str:
    """For people."""
    lines = [
        f"Finding slices with Dice < {BAD}: {result['model']} ({result['runtime']}), "
        f"series {', '.join(result['series'])}, seeds {', '.join(map(str, result['seeds']))}, "
        f"jitter {result['jitter_mm']} mm, {result['repeats']} repeats",
        f"{'slices':16}{'count':>7}{'bad':>6}  {'measure':24}{'AUC within a volume':>24}{'over all':>24}",
    ]
    for group, found in result["finding"].items():
        for name, one in found["measures"].items():
            lines.append(
                f"{group:16}{found['slices']:7}{found['bad']:6}  {name:24}"
                f"{_shown(one, 'within'):>24}{_shown(one, 'over_all'):>24}"
            )
    whole = result["finding"]["all"]
    shown = [name for name in MEASURES if name in whole["measures"]]
    lines.append(f"{'series':20}{'bad':>5}" + "".join(f"{name:>16}" for name in shown))
    for series, bad in whole["bad_by_series"].items():
        cells = (whole["measures"][name]["by_series"].get(series) for name in shown)
        lines.append(
            f"{series:20}{bad:5}" + "".join(f"{'-' if cell is None else f'{cell:.3f}':>16}" for cell in cells)
        )
    lines.append("Expected Dice, calibrated on the other patients, against the actual Dice:")
    lines.extend(
        f"  {group:16} mean gap of tenths {one['mean_gap']:.3f}, mean error of one slice {one['mean_absolute_error']:.3f}"
        for group, one in result["reliability"].items()
    )
    return "\n".join(lines)


def _shown(one: Mapping[str, Any], name: str) -> str:
    if f"{name}_interval" not in one:
        return f"{one[name]:.3f}{'':14}"
    low, high = one[f"{name}_interval"]
    return f"{one[name]:.3f} ({low:.3f}-{high:.3f})"


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
    for one in result["reliability"]["all"]["bins"]:
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
    parser.add_argument("--repeats", type=int, default=2, help="jittered decodings; 0 leaves out agreement")
    parser.add_argument("--test", action="store_true", help="look at the patients kept for a test, too")
    parser.add_argument("--slices", type=Path, help="JSON of the slices: read when it is there, else written")
    parser.add_argument("--plot", type=Path, help="SVG to write")
    parser.add_argument(
        "--calibration", type=Path, help="JSON to write: what crowdmask_ml expects of this model"
    )
    arguments = parser.parse_args()
    result = measure(
        seeds=arguments.seeds, repeats=arguments.repeats, test=arguments.test, kept=arguments.slices
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
