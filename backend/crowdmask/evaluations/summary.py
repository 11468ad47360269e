"""What the scores of many masks come to, by label."""

import math
from collections.abc import Sequence

from crowdmask.core.statistics import Summary, summary
from crowdmask.evaluations.schemas import LabelMeans, ScoreMean
from crowdmask.evaluations.score_sets import ScoredLabel, ScoreName, by_volume, labels_of
from crowdmask.models import ReferenceOrigin


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


def defined(value: float) -> float | None:
    """None for NaN, which JSON does not know."""
    return None if math.isnan(value) else value
