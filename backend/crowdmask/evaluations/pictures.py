"""Plots of sets of scores."""

from collections.abc import Sequence
from enum import StrEnum

import numpy as np

from crowdmask.core.plots import BoxGroup, Panel, bland_altman_plot, box_plot
from crowdmask.evaluations.score_sets import ScoreName, ScoreSet, columns_of, headings, labels_of
from crowdmask.evaluations.summary import volumes
from crowdmask.evaluations.words import SCORE_WORDS, set_words


class Plot(StrEnum):
    """``boxes``: one score's values by label, of one or two sets; ``volumes``: predicted against reference volumes."""

    BOXES = "boxes"
    VOLUMES = "volumes"


def boxes(sets: Sequence[ScoreSet], name: ScoreName) -> str:
    """Box plots as SVG, a group for each label of any set, a value for each volume."""
    columns = [columns_of(one.scored, name) for one in sets]
    labels = list(dict.fromkeys(heading for found in columns for heading in found))
    groups = [
        BoxGroup(
            label,
            tuple(np.array(list(found.get(label, {}).values()), dtype=np.float64) for found in columns),
        )
        for label in labels
    ]
    return box_plot(f"{SCORE_WORDS[name]}, by organ", groups, [set_words(one) for one in sets])


def volume_differences(of: ScoreSet) -> str:
    """Predicted minus reference volume over their mean, as SVG, a panel for each label."""
    labels = labels_of(of.scored)
    panels = [Panel(heading, *volumes(of.scored, label)) for label, heading in headings(labels).items()]
    return bland_altman_plot(f"Volume of mask and reference: {set_words(of)}", panels, "ml")
