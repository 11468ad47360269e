"""Sets of scores slice by slice, for those that were read with their slices."""

from collections.abc import Hashable, Sequence

import numpy as np

from crowdmask.core.comparison import mean_by_slice, padded
from crowdmask.core.errors import Conflict, ErrorCode, InvalidInput
from crowdmask.core.score_table import ScoreTable
from crowdmask.core.slice_overlap import SliceRule
from crowdmask.core.statistics import Values
from crowdmask.evaluations.score_sets import ScoredLabel, ScoreName, headings, labels_of

SLICE_RULES = {ScoreName(rule.value): rule for rule in SliceRule}
"""The scores that a single slice has as well, and which slices have them."""


def slice_rule(name: ScoreName) -> SliceRule:
    """Which slices have this score.

    Raises:
        InvalidInput: ``option_invalid`` for a score that a single slice has none of.
    """
    if name not in SLICE_RULES:
        raise InvalidInput(
            ErrorCode.OPTION_INVALID,
            f"A single slice has no {name.value}.",
            hint=f"Ask for {' or '.join(SLICE_RULES)}.",
        )
    return SLICE_RULES[name]


def check_has_slices(scored: Sequence[ScoredLabel]) -> None:
    """Refuse to make a table of slices of scores that have none.

    Raises:
        Conflict: ``scores_invalid`` when there are scores, and all of them are of an earlier version.
    """
    if scored and all(one.slices is None for one in scored):
        raise Conflict(
            ErrorCode.SCORES_INVALID,
            f"None of the {len(scored)} scores has slices: an earlier version made them.",
            hint="Evaluate again: the scores stay as they are and get their slices.",
        )


def dice_of_slices(scored: Sequence[ScoredLabel], rule: SliceRule) -> dict[str, dict[Hashable, Values]]:
    """The Dice of each slice by the label's heading and the volume; where several people boxed it the mean, slice by slice,
    of those that are defined. A volume with a mask whose slices are not known is left out."""
    columns: dict[str, dict[Hashable, Values]] = {}
    for label, heading in headings(labels_of(scored)).items():
        found: dict[Hashable, list[Values]] = {}
        incomplete = set()
        for one in scored:
            if one.label != label:
                continue
            if one.slices is None:
                incomplete.add(one.volume_id)
            else:
                found.setdefault(one.volume_id, []).append(one.slices.dice(rule))
        columns[heading] = {
            volume_id: mean_by_slice(values)
            for volume_id, values in found.items()
            if volume_id not in incomplete
        }
    return columns


def slice_table(scored: Sequence[ScoredLabel], rule: SliceRule) -> ScoreTable:
    """A row per slice on which a label has a Dice, and a column per label, called ``<label>_<score>``."""
    check_has_slices(scored)
    names = {one.volume_id: one.volume_name for one in scored}
    columns = dice_of_slices(scored, rule)
    cases: list[str] = []
    slices: list[int] = []
    values: dict[str, list[float]] = {heading: [] for heading in columns}
    for volume_id in sorted(names, key=lambda one: names[one]):
        dense = padded([of.get(volume_id, np.empty(0)) for of in columns.values()])
        for z in np.flatnonzero(~np.isnan(dense).all(axis=0)).tolist():
            cases.append(names[volume_id])
            slices.append(z)
            for heading, value in zip(columns, dense[:, z].tolist(), strict=True):
                values[heading].append(value)
    return ScoreTable(
        tuple(cases),
        {f"{heading}_{rule}": np.array(column) for heading, column in values.items()},
        tuple(slices),
    )


def slice_rows(scored: Sequence[ScoredLabel]) -> list[list[object]]:
    """Every slice with a voxel of mask or reference, a line for each mask or prediction, under a heading."""
    check_has_slices(scored)
    rows: list[list[object]] = [
        [
            "case",
            "slice",
            "label_index",
            "label",
            "by",
            "mask_voxels",
            "reference_voxels",
            "both_voxels",
            "dice",
        ]
    ]
    for one in scored:
        if one.slices is None:
            continue
        of_mask = (one.volume_name, one.label.index, one.label.name, one.by)
        counts = zip(one.slices.predicted, one.slices.reference, one.slices.both, strict=True)
        rows += [
            [*of_mask[:1], z, *of_mask[1:], mask, reference, both, 2 * both / (mask + reference)]
            for z, (mask, reference, both) in enumerate(counts, start=one.slices.first)
            if mask + reference
        ]
    return rows
