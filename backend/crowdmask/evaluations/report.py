"""The report on one or two sets of scores as one HTML file that needs nothing else: no script, no other file, no network.

Printing it gives the PDF.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape
from urllib.parse import urlencode
from uuid import UUID

from crowdmask import __version__
from crowdmask.core.comparison import SLICES_NOT_INDEPENDENT
from crowdmask.evaluations import pictures
from crowdmask.evaluations.schemas import (
    ComparisonAnswer,
    ScoreMean,
    ScoreSummary,
    SliceTestAnswer,
    WorstCase,
)
from crowdmask.evaluations.score_sets import ScoreName, ScoreSet, outdated_volumes
from crowdmask.evaluations.slices import SLICE_RULES
from crowdmask.evaluations.summary import comparison_answer, label_score, summary_answer
from crowdmask.evaluations.words import (
    ORIGIN_WORDS,
    SCORE_DEFINITIONS,
    SCORE_WORDS,
    p_words,
    score_words,
    set_words,
)
from crowdmask.models import ReferenceOrigin
from crowdmask.segmentations.schemas import AgreementAnswer, AgreementMeans, MeanAnswer

_PLOTTED = (ScoreName.VOLUME_DICE, ScoreName.SLICE_DICE, ScoreName.SLICE_DICE_ALL, ScoreName.HD95_MM)
_STYLE = """
body { max-width: 62rem; margin: 2rem auto; padding: 0 1rem; color: #14191f; background: #fff;
  font: 15px/1.45 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; }
h1 { line-height: 1.2; } h2 { margin-top: 2.2rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; margin: .6rem 0; font-variant-numeric: tabular-nums; }
caption { padding: .3rem 0; font-weight: 600; text-align: start; }
th, td { padding: .3rem .7rem; border-bottom: 1px solid #d3d9df; text-align: start; vertical-align: top; }
.number { text-align: end; white-space: nowrap; } th.number { white-space: normal; }
small, .note { color: #4f5a66; }
svg { max-width: 100%; height: auto; margin: .6rem 0; vertical-align: top; }
@page { margin: 14mm; }
@media print { body { max-width: none; margin: 0; padding: 0; font-size: 10px; } h2 { break-after: avoid; }
  table, svg { break-inside: avoid; } .wide { overflow: visible; } a { color: inherit; } .screen { display: none; } }
"""
_CAUTION = (
    "LiteMedSAM may have been trained on public CT of the abdomen: an absolute Dice on such scans is no evidence of how it "
    "does on new ones. Differences between two ways of labelling the same scans are."
)


@dataclass(frozen=True, slots=True)
class ReportFacts:
    """``address``: of the server, without a slash at the end, for links to the scans. ``agreement``: of the people of the
    project."""

    project_id: UUID
    project_name: str
    address: str
    made_at: datetime
    agreement: AgreementAnswer


def html_report(facts: ReportFacts, a: ScoreSet, b: ScoreSet | None = None) -> str:
    """The whole file; two sets are read with their slices.

    Raises:
        Conflict: ``scores_invalid`` when the two have no volume with the same label in common.
    """
    sets = [a] if b is None else [a, b]
    title = f"{facts.project_name}: {' and '.join(set_words(one) for one in sets)}"
    parts = [
        f"<h1>{escape(title)}</h1>",
        f'<p class="note">Made by Crowdmask {escape(__version__)} on {facts.made_at:%Y-%m-%d %H:%M} UTC. For research, not '
        'for diagnosis. <span class="screen">Print this page to make a PDF of it.</span></p>',
        *(_counts(one) for one in sets),
    ]
    if b is not None:
        parts += _comparison(comparison_answer(a, b))
    summaries = [summary_answer(one) for one in sets]
    for one, summary in zip(sets, summaries, strict=True):
        parts += [f"<h2>Means: {escape(set_words(one))}</h2>", _means(summary)]
    parts += ["<h2>Distributions</h2>", *(pictures.boxes(sets, name) for name in _PLOTTED)]
    parts.append(
        '<p class="note">Box: first to third quartile, with the median; whiskers to the last value within 1.5 times that '
        "range; every scan is a point.</p>"
    )
    for one, summary in zip(sets, summaries, strict=True):
        parts += [
            f"<h2>Volumes: {escape(set_words(one))}</h2>",
            _volumes(summary),
            pictures.volume_differences(one),
        ]
    for one, summary in zip(sets, summaries, strict=True):
        parts += [f"<h2>Lowest Dice of the volume: {escape(set_words(one))}</h2>", _worst(facts, summary)]
    parts += [_people(facts.agreement), _definitions()]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>\n<body>\n"
        + "\n".join(parts)
        + "\n</body></html>\n"
    )


def _counts(of: ScoreSet) -> str:
    n_volumes = len({one.volume_id for one in of.scored})
    labels = len({one.label for one in of.scored})
    undefined = sum(math.isnan(one.scores[ScoreName.VOLUME_DICE]) for one in of.scored)
    return (
        f"<p>{escape(set_words(of))}: {len(of.scored)} scores of {labels} organs in {n_volumes} scans; the Dice of the volume is "
        f"undefined for {undefined} of them.{_outdated(of)}</p>"
    )


def _outdated(of: ScoreSet) -> str:
    found = outdated_volumes(of)
    if not found:
        return ""
    return (
        f" In {found} scan{'' if found == 1 else 's'} they were computed with a reference that was replaced or deleted since: "
        "the one that the dataset was frozen with."
    )


def _comparison(found: ComparisonAnswer) -> list[str]:
    a, b = (escape(set_words(one)) for one in (found.a, found.b))
    parts = ["<h2>Side by side</h2>"]
    for name in ScoreName:
        rows = [
            [
                "Mean of the organs" if row.label_name is None else escape(row.label_name),
                _mean(name, row.a),
                _mean(name, row.b),
                str(row.pairs),
                escape(p_words(row.p)),
                escape(p_words(row.p_holm)),
                *([_over_slices(row.slices)] if name in SLICE_RULES else []),
                str(row.only_a + row.only_b),
            ]
            for row in found.rows
            if row.score is name
        ]
        over_slices = ("p over slices",) if name in SLICE_RULES else ()
        heads = ("Organ", a, b, "Pairs", "p", "p (Holm)", *over_slices, "Scans in one set only")
        parts.append(_table(SCORE_WORDS[name], heads, rows, found.origins))
    parts.append(
        '<p class="note">Only scans with a score in both sets count. p: two-sided Wilcoxon signed-rank test over the pairs, '
        "those without a difference dropped; Holm: corrected for the number of organs. <i>Mean of the organs</i>: for each "
        "scan, of the organs that both sets have a score for.</p>"
        f'<p class="note"><i>p over slices</i>: the same test over all slices on which both sets have a Dice, with n slices. '
        f"{SLICES_NOT_INDEPENDENT}{_scored_before(found.without_slices)}</p>"
    )
    return parts


def _over_slices(test: SliceTestAnswer | None) -> str:
    if test is None:
        return "–"
    return f"{escape(p_words(test.p))}<br><small>n = {test.pairs} slices of {test.volumes} scans</small>"


def _scored_before(count: int) -> str:
    if count == 0:
        return ""
    return (
        f" {count} of the scores were made by an earlier version, which kept nothing slice by slice: their scans are in no test "
        "over slices. Evaluate again to have them in."
    )


def _means(summary: ScoreSummary) -> str:
    """A line per organ and score: as narrow as paper is."""
    rows = [
        [
            escape(label.label_name),
            SCORE_WORDS[name],
            _interval(name, mean),
            _bootstrap(name, mean),
            str(mean.n),
            str(mean.undefined),
            escape(p_words(mean.shapiro_p)),
        ]
        for label in summary.means
        for name in ScoreName
        for mean in [label_score(label, name)]
    ]
    heads = ("Organ", "Score", "Mean ± 95 %", "Bootstrap", "n", "Undefined", "Shapiro-Wilk p")
    return _table("Means for each organ, with 95 % intervals", heads, rows, summary.origins, words=2)


def _volumes(summary: ScoreSummary) -> str:
    rows = [
        [
            escape(one.label_name),
            _millilitres(one.mean),
            _millilitres(one.low),
            _millilitres(one.high),
            str(one.n),
        ]
        for one in summary.volumes
    ]
    heads = ("Organ", "Mean difference", "Lower limit of agreement", "Upper limit of agreement", "Masks")
    return _table("Volume of the mask minus that of the reference, in ml", heads, rows, summary.origins)


def _worst(facts: ReportFacts, summary: ScoreSummary) -> str:
    rows = [
        [
            f'<a href="{escape(_link(facts, one))}">{escape(one.volume_name)}</a>',
            escape(one.label_name),
            escape(one.by),
            score_words(ScoreName.VOLUME_DICE, one.volume_dice),
            score_words(ScoreName.COVERAGE, one.coverage),
            score_words(ScoreName.HD95_MM, one.hd95_mm),
        ]
        for one in summary.worst
    ]
    heads = ("Scan", "Organ", "Boxes or training by", "Dice of the volume", "Coverage", "Distance, 95 % (mm)")
    return _table("With a low coverage slices were missed", heads, rows, summary.origins, words=3)


def _link(facts: ReportFacts, one: WorstCase) -> str:
    chosen = urlencode({"volume": str(one.volume_id), "label": one.label_index, "mask": str(one.mask_id)})
    return f"{facts.address}/admin/projects/{facts.project_id}/review?{chosen}"


def _people(found: AgreementAnswer) -> str:
    """How far people agree with each other, which says nothing of who is right."""
    alone = f"{found.tasks_alone} tasks were submitted by one person only: of them nothing is known."
    if not found.rows:
        return f'<h2>Agreement of people</h2><p class="note">{alone}</p>'
    heads = ("Pairs", "Boxes alike", "Same slices", "Ends apart (slices)", "Dice of masks")
    tables = (
        _grid(caption, (first, *heads), [_agreed(means) for means in all_means])
        for caption, first, all_means in (
            ("Every two people on the same task, by organ", "Organ", found.labels),
            ("Each person against the others", "Person", found.people),
        )
    )
    return (
        "<h2>Agreement of people</h2>"
        + "".join(tables)
        + '<p class="note">Means over pairs. Boxes alike: what both share of all that they cover, slice by slice where both '
        "have boxes. Same slices: of those that both decided, the share with the same answer. In brackets: of how many pairs "
        f"the mean is, where it is not of all. People who agree may still both be wrong. {alone}</p>"
    )


def _agreed(means: AgreementMeans) -> list[str]:
    def words(mean: MeanAnswer, digits: int) -> str:
        if mean.mean is None:
            return "–"
        return f"{mean.mean:.{digits}f}" + ("" if mean.n == means.pairs else f" ({mean.n})")

    return [
        escape(means.name),
        str(means.pairs),
        words(means.box_iou, 3),
        words(means.presence, 3),
        words(means.range_difference, 1),
        words(means.mask_dice, 3),
    ]


def _definitions() -> str:
    items = "".join(
        f"<li><b>{escape(SCORE_WORDS[name])}</b> (<code>{name.value}</code>): {escape(SCORE_DEFINITIONS[name])}</li>"
        for name in ScoreName
    )
    return (
        f"<h2>How the scores are defined</h2><p>P is the mask, R the reference.</p><ul>{items}</ul>"
        "<p>A mean is that of the defined values, one for each scan (several masks of one scan count as their mean), ± 1.96 · "
        "population standard deviation / √n; in brackets the 95 % interval of a bootstrap with 10,000 samples; n; how many "
        "values are undefined; and the p of a Shapiro-Wilk test that the values are normally distributed. Undefined values "
        "are left out and counted, never replaced. Limits of agreement: mean difference ± 1.96 · sample standard deviation "
        "(Bland and Altman).</p>"
    )


def _mean(name: ScoreName, mean: ScoreMean) -> str:
    undefined = f", {mean.undefined} undefined" if mean.undefined else ""
    interval = "" if mean.n < 2 else f"{_bootstrap(name, mean)}, "
    return f"{_interval(name, mean)}<br><small>{interval}n = {mean.n}{undefined}</small>"


def _interval(name: ScoreName, mean: ScoreMean) -> str:
    """One value alone has no interval."""
    if mean.mean is None:
        return "–"
    value = score_words(name, mean.mean)
    return value if mean.n < 2 else f"{value} ± {score_words(name, mean.ci)}"


def _bootstrap(name: ScoreName, mean: ScoreMean) -> str:
    return "–" if mean.n < 2 else f"[{score_words(name, mean.low)}, {score_words(name, mean.high)}]"


def _millilitres(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f}"


def _table(
    caption: str,
    heads: Sequence[str],
    rows: Iterable[Sequence[str]],
    origins: Sequence[ReferenceOrigin],
    *,
    words: int = 1,
) -> str:
    """As ``_grid``; who made the reference is said below."""
    reference = ", ".join(ORIGIN_WORDS[one] for one in origins) or "none"
    return (
        _grid(caption, heads, rows, words=words) + f'<p class="note">Reference: {reference}. {_CAUTION}</p>'
    )


def _grid(caption: str, heads: Sequence[str], rows: Iterable[Sequence[str]], *, words: int = 1) -> str:
    """Cells are HTML; the first ``words`` columns hold words, the others numbers."""
    kinds = ["" if at < words else ' class="number"' for at in range(len(heads))]
    head = "".join(f'<th scope="col"{kind}>{text}</th>' for kind, text in zip(kinds, heads, strict=True))
    body = "".join(
        "<tr>"
        + "".join(
            f'<th scope="row">{text}</th>' if at == 0 else f"<td{kinds[at]}>{text}</td>"
            for at, text in enumerate(row)
        )
        + "</tr>"
        for row in rows
    )
    return (
        f'<div class="wide"><table><caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )
