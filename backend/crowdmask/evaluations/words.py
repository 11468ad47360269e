"""How reports call scores, sets of scores and references."""

from crowdmask.evaluations.schemas import ScoreSetName
from crowdmask.evaluations.score_sets import ScoreName, ScoreSet, ScoreSetKind
from crowdmask.models import ReferenceOrigin

SCORE_WORDS = {
    ScoreName.VOLUME_DICE: "Dice of the volume",
    ScoreName.SLICE_DICE: "Mean Dice, slices with a mask",
    ScoreName.SLICE_DICE_ALL: "Mean Dice, slices of either",
    ScoreName.HD95_MM: "Distance, 95 % (mm)",
    ScoreName.NSD_2MM: "Surface within 2 mm",
    ScoreName.COVERAGE: "Coverage",
    ScoreName.VOLUME_ERROR: "Volume error",
}
SCORE_DEFINITIONS = {
    ScoreName.VOLUME_DICE: "2 |P and R| / (|P| + |R|) over all voxels of the scan. Undefined when neither mask has a voxel.",
    ScoreName.SLICE_DICE: "the mean of the Dice of each slice on which the mask has something. A slice that was missed "
    "does not count. Undefined when the mask is empty.",
    ScoreName.SLICE_DICE_ALL: "the mean over the slices on which mask or reference has something. A slice that was missed "
    "counts 0. Undefined when both are empty.",
    ScoreName.HD95_MM: "the 95th percentile of the distances between the surfaces, the larger of the two directions, in "
    "mm. Undefined when one of them is empty.",
    ScoreName.NSD_2MM: "the share of both surfaces that lies within 2 mm of the other. Undefined when both are empty.",
    ScoreName.COVERAGE: "the share of the reference that lies on slices on which the mask has something. Undefined when "
    "the reference is empty.",
    ScoreName.VOLUME_ERROR: "(mask - reference) / reference, in voxels. Undefined when the reference is empty.",
}
ORIGIN_WORDS = {
    ReferenceOrigin.EXPERT: "expert",
    ReferenceOrigin.MODEL: "model",
    ReferenceOrigin.GENERATED: "generated",
    ReferenceOrigin.UNKNOWN: "not known",
}


def set_words(of: ScoreSet | ScoreSetName) -> str:
    """How people call a set of scores."""
    match of.kind:
        case ScoreSetKind.MASKS:
            return "All masks"
        case ScoreSetKind.PERSON:
            return f"Masks from the boxes of {of.name}"
        case ScoreSetKind.TRAINING:
            return f"Training {of.name}"


def score_words(name: ScoreName, value: float | None) -> str:
    """Three digits, millimetres with one; a dash where undefined."""
    if value is None:
        return "–"
    return f"{value:.1f}" if name is ScoreName.HD95_MM else f"{value:.3f}"


def p_words(p: float | None) -> str:
    """A p-value as papers print it."""
    if p is None:
        return "–"
    return "< 0.001" if p < 0.001 else f"{p:.3f}"
