"""What a study measures of the masks of its cases, and the tables that follow: the paper's, and those that it lacks.

Pure: masks and references come in as arrays, tables go out (``core.paper_tables``). A *way* is a model with a completion.
"""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crowdmask.core.comparison import SLICES_NOT_INDEPENDENT
from crowdmask.core.completeness import Completeness
from crowdmask.core.completion import Completion
from crowdmask.core.coverage import CoverageEstimate, LossSplit, split_loss
from crowdmask.core.metrics import Scores, score
from crowdmask.core.paper_tables import Arm, PaperTable, complete_rows, paper_table
from crowdmask.core.slice_overlap import SliceRule
from crowdmask.core.statistics import Values

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, order=True)
class Way:
    """One way to make masks from the boxes."""

    model: str
    completion: Completion

    @property
    def name(self) -> str:
        return f"{self.model}, {self.completion}"


@dataclass(frozen=True)
class LabelResult:
    """One label of one case, made in one way.

    Attributes:
        label: its name.
        scores: against the reference.
        split: of its loss.
        slices: Dice of each slice with a predicted voxel of the label.
    """

    case: str
    label: str
    way: Way
    scores: Scores
    split: LossSplit
    slices: Mapping[int, float]


@dataclass(frozen=True)
class BoxesResult:
    """The boxes of one label of one case, before any model.

    Attributes:
        slices: with a box.
        completeness: of the slices of the volume.
        coverage: share of the reference on slices with a box; NaN without a reference.
        estimate: the same from the masks of others, where there are such; see ``core.coverage``.
        in_boxes: share of the reference's (or, without one, those masks') voxels that lie in boxes; NaN where there is neither.
    """

    case: str
    label: str
    slices: int
    completeness: Completeness
    coverage: float
    estimate: CoverageEstimate | None
    in_boxes: float


def label_result(
    case: str, label: str, way: Way, predicted: Mask, reference: Mask, covered: Collection[int]
) -> LabelResult:
    """Measure one label of one mask, both boolean ``(z, y, x)``; ``covered``: slices on which the model had a box."""
    scores = score(predicted, reference)
    dice = scores.slices.dice(SliceRule.PREDICTED)
    slices = {int(z): float(dice[z]) for z in np.flatnonzero(~np.isnan(dice))}
    return LabelResult(case, label, way, scores, split_loss(predicted, reference, covered), slices)


def volume_columns(
    results: Sequence[LabelResult],
    way: Way,
    value: Callable[[LabelResult], float] = lambda result: result.scores.volume_dice,
) -> dict[str, Values]:
    """A column per label of one way; rows are the cases of ``results`` in ascending order, NaN where there is none."""
    cases = sorted({result.case for result in results})
    labels = list(dict.fromkeys(result.label for result in results))
    found = {(result.label, result.case): value(result) for result in results if result.way == way}
    return {
        label: np.array([found.get((label, case), math.nan) for case in cases], dtype=np.float64)
        for label in labels
    }


def slice_arms(results: Sequence[LabelResult], ways: Sequence[Way]) -> list[Arm]:
    """The Dice of each slice; rows are the slices with a prediction of anything in any way, NaN where there is none."""
    chosen = [result for result in results if result.way in ways]
    rows = sorted({(result.case, z) for result in chosen for z in result.slices})
    at = {row: n for n, row in enumerate(rows)}
    labels = list(dict.fromkeys(result.label for result in chosen))
    columns: dict[Way, dict[str, Values]] = {
        way: {label: np.full(len(rows), np.nan) for label in labels} for way in ways
    }
    for result in chosen:
        for z, dice in result.slices.items():
            columns[result.way][result.label][at[result.case, z]] = dice
    return [Arm(way.model, columns[way]) for way in ways]


def complete_cases(boxes: Sequence[BoxesResult]) -> frozenset[str]:
    """The paper's rule for a fully annotated volume: every label has a box, on however few slices."""
    partial = {one.case for one in boxes if not one.slices}
    return frozenset(one.case for one in boxes) - partial


def paper_results(
    results: Sequence[LabelResult], complete: Collection[str] | None = None
) -> list[PaperTable]:
    """Tables 2 and 3 (boxes as drawn), the slice Dice over all slices, completion, and the split of the loss.

    Args:
        results: of all cases, labels and ways.
        complete: cases with a box of every label, as ``complete_cases`` says; where others are there, the volume Dice
            of these alone has a table besides.
    """
    ways = list(dict.fromkeys(result.way for result in results))
    drawn = [way for way in ways if way.completion is Completion.NONE]
    tables: list[PaperTable] = []
    if drawn:
        slices = slice_arms(results, drawn)
        whole_rows = complete_rows(slices)
        n = len(next(iter(whole_rows[0].columns.values())))
        tables += [
            paper_table(
                "table2",
                "Table 2: volume Dice",
                [Arm(way.model, volume_columns(results, way)) for way in drawn],
                note="Rows of the statistics: volumes. Slices without a box count as the mask has them: empty.",
            ),
            paper_table(
                "table3",
                "Table 3: slice Dice, complete cases (slice_dice_complete_case)",
                whole_rows,
                note=f"{n} slices on which every model predicts every label. {SLICES_NOT_INDEPENDENT}",
            ),
            paper_table(
                "slice_dice",
                "Slice Dice on all slices with a prediction of the label (slice_dice)",
                slices,
                note=f"Rows of the statistics: slices. What the rule of Table 3 leaves out is in here. {SLICES_NOT_INDEPENDENT}",
            ),
        ]
        chosen = [result for result in results if complete is None or result.case in complete]
        if chosen and len(chosen) < len(results):
            tables.append(
                paper_table(
                    "table2_complete",
                    "Table 2 of volumes with a box of every label: volume Dice",
                    [Arm(way.model, volume_columns(chosen, way)) for way in drawn],
                    note="The paper's rule for complete volumes: presence, not slices.",
                )
            )
    for model in dict.fromkeys(way.model for way in ways):
        own = [way for way in ways if way.model == model]
        if len(own) > 1:
            tables.append(
                paper_table(
                    f"completion_{model}",
                    f"Boxes as drawn against completed in 3D: volume Dice of {model}",
                    [Arm(way.completion, volume_columns(results, way)) for way in own],
                    note="none: slices with a box; fill: also between two boxes; full: also beyond the ends.",
                )
            )
    tables += [_loss_table(results, way) for way in ways]
    return tables


def _loss_table(results: Sequence[LabelResult], way: Way) -> PaperTable:
    """The split of the loss of one way, a column for each part; they are no arms, so nothing is tested."""
    parts: dict[str, Callable[[LabelResult], float]] = {
        "volume Dice": lambda result: result.split.volume_dice,
        "coverage": lambda result: result.split.coverage,
        "Dice on slices with a box": lambda result: result.split.covered_dice,
        "loss": lambda result: result.split.loss,
        "of it: slices without a box": lambda result: result.split.unboxed,
        "of it: the model on slices with a box": lambda result: result.split.model,
        "of it: neither": lambda result: result.split.rest,
    }
    return paper_table(
        f"loss_{way.model}_{way.completion}",
        f"Where volume Dice is lost: {way.name}",
        [Arm(name, volume_columns(results, way, value)) for name, value in parts.items()],
        note="loss = 1 - volume Dice = the sum of the three parts (crowdmask.core.coverage says how they are told apart). "
        "A slice that completion gave a box counts as one with a box.",
        compared=False,
    )
