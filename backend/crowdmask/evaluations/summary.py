"""What the scores of many masks come to, by label."""

import math
from collections.abc import Iterable, Sequence

import numpy as np

from crowdmask.core.comparison import (
    SLICES_NOT_INDEPENDENT,
    Compared,
    SliceTest,
    compare_columns,
    compare_mean_slices,
    compare_slices,
    mean_of_columns,
)
from crowdmask.core.statistics import Summary, Values, bland_altman, defined, summary
from crowdmask.evaluations.schemas import (
    ComparedLabel,
    ComparisonAnswer,
    LabelMeans,
    PooledSlices,
    ScoreMean,
    ScoreSetName,
    ScoreSummary,
    SliceTestAnswer,
    VolumeDifference,
    WorstCase,
)
from crowdmask.evaluations.score_sets import (
    Label,
    ScoredLabel,
    ScoreName,
    ScoreSet,
    by_volume,
    columns_of,
    labels_of,
    outdated_volumes,
)
from crowdmask.evaluations.slices import SLICE_RULES, dice_of_slices
from crowdmask.models import ReferenceOrigin

N_WORST = 12


def label_means(scored: Sequence[ScoredLabel]) -> list[LabelMeans]:
    """The means of each label that has scores, by its number."""
    return [
        LabelMeans(
            label_index=label.index,
            label_name=label.name,
            **{
                name.value: score_mean(summary(by_volume(scored, label, name).values())) for name in ScoreName
            },
        )
        for label in labels_of(scored)
    ]


def label_score(means: LabelMeans, name: ScoreName) -> ScoreMean:
    """One of the label's means."""
    found: ScoreMean = getattr(means, name.value)
    return found


def summary_answer(made: ScoreSet) -> ScoreSummary:
    """What a set of scores comes to."""
    return ScoreSummary(
        set=ScoreSetName.model_validate(made),
        origins=origins(made.scored),
        means=label_means(made.scored),
        volumes=[_difference(made.scored, label) for label in labels_of(made.scored)],
        worst=worst_cases(made.scored),
        outdated_references=outdated_volumes(made),
    )


def worst_cases(scored: Iterable[ScoredLabel]) -> list[WorstCase]:
    """Those with the lowest Dice of the volume."""
    dice = ScoreName.VOLUME_DICE
    known = sorted(
        (one for one in scored if not math.isnan(one.scores[dice])),
        key=lambda one: (one.scores[dice], one.volume_name, one.label.index),
    )
    return [
        WorstCase(
            mask_id=one.mask_id,
            volume_id=one.volume_id,
            volume_name=one.volume_name,
            label_index=one.label.index,
            label_name=one.label.name,
            by=one.by,
            volume_dice=one.scores[dice],
            coverage=defined(one.scores[ScoreName.COVERAGE]),
            hd95_mm=defined(one.scores[ScoreName.HD95_MM]),
        )
        for one in known[:N_WORST]
    ]


def comparison_answer(a: ScoreSet, b: ScoreSet) -> ComparisonAnswer:
    """Two sets side by side: for each score its labels, then the mean over a volume's labels where there are several.

    The sets were read with their slices.

    Raises:
        Conflict: ``scores_invalid`` when they have no volume with the same label in common.
    """
    rows = []
    for name in ScoreName:
        left, right = columns_of(a.scored, name), columns_of(b.scored, name)
        found = compare_columns(left, right)
        tests, mean_test = _slice_tests(a, b, name)
        rows += [_compared(name, heading, one, tests.get(heading)) for heading, one in found.items()]
        mean_a, mean_b = mean_of_columns(left, right)
        if len(found) > 1 and mean_a:
            rows.append(_compared(name, None, compare_columns({"": mean_a}, {"": mean_b})[""], mean_test))
    return ComparisonAnswer(
        a=ScoreSetName.model_validate(a),
        b=ScoreSetName.model_validate(b),
        origins=origins([*a.scored, *b.scored]),
        rows=rows,
        without_slices=sum(one.slices is None for one in (*a.scored, *b.scored)),
        outdated_references=outdated_volumes(a, b),
    )


def _slice_tests(a: ScoreSet, b: ScoreSet, name: ScoreName) -> tuple[dict[str, SliceTest], SliceTest | None]:
    """By label, and of the mean over a slice's labels; nothing for scores that no slice has."""
    if name not in SLICE_RULES:
        return {}, None
    left, right = (dice_of_slices(one.scored, SLICE_RULES[name]) for one in (a, b))
    return compare_slices(left, right), compare_mean_slices(left, right)


def _compared(
    name: ScoreName, label_name: str | None, found: Compared, slices: SliceTest | None
) -> ComparedLabel:
    return ComparedLabel(
        score=name,
        label_name=label_name,
        a=score_mean(found.a),
        b=score_mean(found.b),
        p=defined(found.p),
        p_holm=None if label_name is None else defined(found.p_holm),
        pairs=found.pairs,
        only_a=found.only_a,
        only_b=found.only_b,
        slices=None if slices is None else _slices(slices),
    )


def comparison_rows(found: ComparisonAnswer) -> list[list[object]]:
    """A line per score and label under a heading; an undefined number is an empty cell."""
    of_set = ("mean", "ci", "low", "high", "n", "undefined")
    heading = [
        "score",
        "label",
        *(f"{side}_{part}" for side in "ab" for part in of_set),
        "pairs",
        "p",
        "p_holm",
    ]
    heading += ["only_a", "only_b", "slices", "volumes_of_slices", "slices_a_mean", "slices_a_ci"]
    heading += ["slices_b_mean", "slices_b_ci", "p_over_slices", "remark"]
    rows: list[list[object]] = [list(heading)]
    for row in found.rows:
        name = "mean of the labels" if row.label_name is None else row.label_name
        cells: list[object] = [row.score, name]
        cells += [getattr(side, part) for side in (row.a, row.b) for part in of_set]
        cells += [row.pairs, row.p, row.p_holm, row.only_a, row.only_b]
        test = row.slices
        if test is None:
            cells += [None] * 8
        else:
            cells += [test.pairs, test.volumes, test.a.mean, test.a.ci, test.b.mean, test.b.ci, test.p]
            cells.append(SLICES_NOT_INDEPENDENT)
        rows.append(cells)
    return rows


def _slices(found: SliceTest) -> SliceTestAnswer:
    a, b = (PooledSlices(mean=defined(one.mean), ci=defined(one.ci)) for one in (found.a, found.b))
    return SliceTestAnswer(a=a, b=b, p=defined(found.p), pairs=found.pairs, volumes=found.cases)


def volumes(scored: Iterable[ScoredLabel], label: Label) -> tuple[Values, Values]:
    """Predicted and reference volumes of a label in ml, mask by mask."""
    pairs = [(one.predicted_ml, one.reference_ml) for one in scored if one.label == label]
    predicted, reference = np.array(pairs, dtype=np.float64).reshape(-1, 2).T
    return predicted, reference


def _difference(scored: Iterable[ScoredLabel], label: Label) -> VolumeDifference:
    found = bland_altman(*volumes(scored, label))
    return VolumeDifference(
        label_index=label.index,
        label_name=label.name,
        mean=defined(found.mean),
        low=defined(found.low),
        high=defined(found.high),
        n=found.n,
    )


def origins(scored: Sequence[ScoredLabel]) -> list[ReferenceOrigin]:
    """Who made the references behind the scores, each once."""
    found = {one.origin for one in scored}
    return [origin for origin in ReferenceOrigin if origin in found]


def score_mean(made: Summary) -> ScoreMean:
    """As the API answers it: null where undefined."""
    return ScoreMean(
        mean=defined(made.mean.mean),
        ci=defined(made.mean.ci),
        low=defined(made.low),
        high=defined(made.high),
        n=made.mean.n,
        undefined=made.mean.undefined,
        shapiro_p=defined(made.shapiro_p),
    )
