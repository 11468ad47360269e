"""A study's results as files: every table as Markdown, CSV and JSON, and one page that holds them all."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crowdmask.core.csv_text import csv_text
from crowdmask.core.errors import ErrorCode
from crowdmask.core.files import write_whole
from crowdmask.core.paper_tables import (
    PaperTable,
    markdown_rows,
    rounded,
    table_csv,
    table_json,
    table_markdown,
)
from crowdmask.core.statistics import defined
from crowdmask.core.study import BoxesResult, LabelResult, Way, volume_columns


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A case that nothing, or not everything, could be made of, and why."""

    case: str
    code: ErrorCode
    reason: str


@dataclass(frozen=True)
class StudyReport:
    """Attributes:
    conditions: what was run on what, for people: name and value.
    notes: what a reader has to know beside the tables.
    """

    conditions: Mapping[str, str]
    notes: Sequence[str]
    tables: Sequence[PaperTable]
    boxes: Sequence[BoxesResult]
    results: Sequence[LabelResult]
    left_out: Sequence[LeftOut]


def report_markdown(report: StudyReport) -> str:
    """The page."""
    parts = ["# The paper, reproduced\n"]
    parts.append(markdown_rows(["condition", "value"], [[*pair] for pair in report.conditions.items()]))
    parts += ["".join(f"- {note}\n" for note in report.notes)] if report.notes else []
    parts += [table_markdown(table) for table in report.tables]
    if report.boxes:
        parts.append(
            f"### Completeness of the boxes, slice by slice\n\n{_boxes_markdown(report.boxes)}\n{_BOXES_NOTE}\n"
        )
    if report.left_out:
        rows = [[one.case, one.code.value, one.reason] for one in report.left_out]
        parts.append(f"### Left out\n\n{markdown_rows(['case', 'code', 'why'], rows)}")
    return "\n".join(parts)


def report_json(report: StudyReport) -> dict[str, Any]:
    return {
        "conditions": dict(report.conditions),
        "notes": list(report.notes),
        "tables": [table_json(table) for table in report.tables],
        "boxes": [_boxes_json(one) for one in report.boxes],
        "scores": [_result_json(one) for one in report.results],
        "left_out": [
            {"case": one.case, "code": one.code.value, "reason": one.reason} for one in report.left_out
        ],
    }


def write_report(folder: Path, report: StudyReport) -> None:
    """Write ``report.md``, ``results.json``, ``tables/``, and the scores per case as ``crowdmask compare`` reads them.

    Raises:
        Unavailable: ``storage_full``.
        OSError: a file cannot be written.
    """
    (folder / "tables").mkdir(parents=True, exist_ok=True)
    (folder / "scores").mkdir(exist_ok=True)
    _write(folder / "report.md", report_markdown(report))
    _write(folder / "results.json", json.dumps(report_json(report), indent=1, allow_nan=False) + "\n")
    for table in report.tables:
        _write(folder / "tables" / f"{table.key}.md", table_markdown(table))
        _write(folder / "tables" / f"{table.key}.csv", table_csv(table))
        content = json.dumps(table_json(table), indent=1, allow_nan=False)
        _write(folder / "tables" / f"{table.key}.json", content + "\n")
    if report.boxes:
        _write(folder / "tables" / "boxes.csv", csv_text([_BOXES_HEADING, *map(_boxes_row, report.boxes)]))
    for way in dict.fromkeys(result.way for result in report.results):
        _write(folder / "scores" / f"{way.model}_{way.completion}.csv", scores_csv(report.results, way))


def scores_csv(results: Sequence[LabelResult], way: Way) -> str:
    """Volume Dice of one way: a row per case, a column per label."""
    columns = volume_columns(results, way)
    cases = sorted({result.case for result in results})
    rows = [[case, *(rounded(values[n]) for values in columns.values())] for n, case in enumerate(cases)]
    return csv_text([["case", *columns], *rows])


_BOXES_HEADING = (
    "case", "label", "slices", "boxes", "holes", "slices_in_holes", "unverified_ends", "slices_in_ends", "coverage",
    "estimated_coverage", "in_boxes",
)  # fmt: skip
_BOXES_NOTE = (
    "Holes: runs of slices without a box between two with one (slices); unverified ends: slices beyond the first and the "
    "last box that nobody said anything about. Coverage: share of the reference on slices with a box; with ~ an estimate "
    "from the masks on the other slices, which cannot know where an organ ends. In boxes: share of the reference's (without "
    "one: the released masks') voxels inside the boxes."
)


def _boxes_row(one: BoxesResult) -> tuple[object, ...]:
    found = one.completeness
    return (
        one.case,
        one.label,
        one.slices,
        found.boxes,
        len(found.holes),
        _length(found.holes),
        len(found.unverified_ends),
        _length(found.unverified_ends),
        rounded(one.coverage),
        rounded(one.estimate.coverage) if one.estimate else "",
        rounded(one.in_boxes),
    )


def _boxes_markdown(boxes: Sequence[BoxesResult]) -> str:
    rows = []
    for one in boxes:
        holes = ", ".join(_run(*run) for run in one.completeness.holes) or "none"
        if not math.isnan(one.coverage):
            coverage = f"{one.coverage:.1%}"
        elif one.estimate is not None and not math.isnan(one.estimate.coverage):
            coverage = f"~{one.estimate.coverage:.1%}"
        else:
            coverage = "-"
        inside = "-" if math.isnan(one.in_boxes) else f"{one.in_boxes:.1%}"
        ends = str(_length(one.completeness.unverified_ends))
        rows.append(
            [one.case, one.label, str(one.slices), str(one.completeness.boxes), holes, ends, coverage, inside]
        )
    heading = ["case", "label", "slices", "boxes", "holes", "slices beyond the ends", "coverage", "in boxes"]
    return markdown_rows(heading, rows)


def _boxes_json(one: BoxesResult) -> dict[str, Any]:
    estimate = one.estimate
    return {
        "case": one.case,
        "label": one.label,
        "slices": one.slices,
        "completeness": one.completeness.to_json(),
        "coverage": defined(one.coverage),
        "estimate": None
        if estimate is None
        else {
            "coverage": defined(estimate.coverage),
            "boxed_voxels": estimate.boxed,
            "hole_voxels": estimate.holes,
            "end_voxels": estimate.ends,
        },
        "in_boxes": defined(one.in_boxes),
    }


def _result_json(one: LabelResult) -> dict[str, Any]:
    return {
        "case": one.case,
        "label": one.label,
        "model": one.way.model,
        "completion": one.way.completion.value,
        "volume_dice": defined(one.scores.volume_dice),
        "slice_dice": defined(one.scores.slice_dice),
        "slice_dice_all": defined(one.scores.slice_dice_all),
        "volume_error": defined(one.scores.volume_error),
        "coverage": defined(one.split.coverage),
        "covered_dice": defined(one.split.covered_dice),
        "loss_unboxed": defined(one.split.unboxed),
        "loss_model": defined(one.split.model),
        "loss_rest": defined(one.split.rest),
    }


def _run(first: int, last: int) -> str:
    return str(first) if first == last else f"{first}-{last}"


def _length(runs: Sequence[tuple[int, int]]) -> int:
    return sum(last - first + 1 for first, last in runs)


def _write(path: Path, text: str) -> None:
    with write_whole(path) as file:
        file.write(text.encode())
