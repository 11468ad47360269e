"""Answers of evaluations."""

from uuid import UUID

from crowdmask.evaluations.score_sets import ScoreName, ScoreSetKind
from crowdmask.models import ReferenceOrigin
from crowdmask.web.forms import Answer, Time


class EvaluationRow(Answer):
    """One mask against its reference. A score is null where it is undefined, or ``evaluated_at`` is null: not yet done.

    ``hd95_mm``: 95th percentile of the distances between the surfaces; ``nsd_2mm``: share of the surfaces within 2 mm;
    ``coverage``: share of the reference on slices with a prediction; ``volume_error``: (predicted - reference) / reference;
    ``predicted_ml``, ``reference_ml``: the volumes in millilitres.
    """

    segmentation_id: UUID
    volume_id: UUID
    volume_name: str
    label_index: int
    label_name: str
    annotator: str
    model: str
    reference_origin: ReferenceOrigin
    volume_dice: float | None
    slice_dice: float | None
    slice_dice_all: float | None
    hd95_mm: float | None
    nsd_2mm: float | None
    coverage: float | None
    volume_error: float | None
    predicted_ml: float | None
    reference_ml: float | None
    slices_predicted: int | None
    slices_reference: int | None
    evaluated_at: Time | None


class ScoreMean(Answer):
    """The mean of the ``n`` defined values of a score, one per volume; ``undefined``: how many are not.

    ``ci``: half of the 95 % interval of the normal approximation (population standard deviation); ``low`` and ``high``:
    the 95 % bootstrap interval; ``shapiro_p``: of the test that the values are normally distributed.
    """

    mean: float | None
    ci: float | None
    low: float | None
    high: float | None
    n: int
    undefined: int
    shapiro_p: float | None


class LabelMeans(Answer):
    """The means of a label. Several masks of one volume count as one value, their mean."""

    label_index: int
    label_name: str
    volume_dice: ScoreMean
    slice_dice: ScoreMean
    slice_dice_all: ScoreMean
    hd95_mm: ScoreMean
    nsd_2mm: ScoreMean
    coverage: ScoreMean
    volume_error: ScoreMean


class EvaluationAnswer(Answer):
    """``pending``: masks with a reference that are not evaluated yet; ``without_reference``: masks that have none;
    ``without_slices``: scores of masks and of trainings that an earlier version made, which kept nothing slice by slice:
    they are made anew when one evaluates again.

    ``means`` are of what is evaluated, ``origins`` say who made the references behind them.
    """

    rows: list[EvaluationRow]
    means: list[LabelMeans]
    origins: list[ReferenceOrigin]
    pending: int
    without_reference: int
    without_slices: int


class ScoreSetName(Answer):
    """``key`` is what ``of``, ``a`` and ``b`` take. ``name``: of the person or the training; null for all masks."""

    key: str
    kind: ScoreSetKind
    name: str | None


class ScoreSetAnswer(ScoreSetName):
    """``scores``: how many masks or predictions have been scored."""

    scores: int


class PooledSlices(Answer):
    """Mean and 95 % interval over all slices of all volumes, taken for independent as in the paper."""

    mean: float | None
    ci: float | None


class SliceTestAnswer(Answer):
    """Two sets slice by slice: ``p`` of a two-sided Wilcoxon signed-rank test over the ``pairs`` slices, of ``volumes``
    volumes, where both have a Dice. Slices of one volume are not independent, so it is too small; it stands beside the
    p over volumes.
    """

    a: PooledSlices
    b: PooledSlices
    p: float | None
    pairs: int
    volumes: int


class ComparedLabel(Answer):
    """One score of a label in both sets, over the volumes that both have. ``label_name`` null: the mean over a volume's
    labels, of those that both sets define.

    ``p``: two-sided Wilcoxon signed-rank test over the ``pairs`` volumes where both are defined, those without a
    difference dropped; ``p_holm``: corrected for the number of labels; ``only_a``, ``only_b``: volumes left out.
    ``slices``: the same over single slices; null for scores that a slice has none of, and where no slices were kept.
    """

    score: ScoreName
    label_name: str | None
    a: ScoreMean
    b: ScoreMean
    p: float | None
    p_holm: float | None
    pairs: int
    only_a: int
    only_b: int
    slices: SliceTestAnswer | None


class ComparisonAnswer(Answer):
    """Two sets of scores side by side. Labels are matched by name. ``without_slices``: scores of either set that an earlier
    version made without slices; their volumes are in no test over slices. ``outdated_references``: volumes with a score of a
    reference that they no longer have: there the two sides may be measured with different ones."""

    a: ScoreSetName
    b: ScoreSetName
    origins: list[ReferenceOrigin]
    rows: list[ComparedLabel]
    without_slices: int
    outdated_references: int


class VolumeDifference(Answer):
    """Predicted minus reference volume of a label in ml (Bland and Altman): mean, and limits of agreement (± 1.96 ·
    sample standard deviation) over ``n`` masks."""

    label_index: int
    label_name: str
    mean: float | None
    low: float | None
    high: float | None
    n: int


class WorstCase(Answer):
    """A mask or prediction with a low Dice. ``by``: whose boxes or which training. ``mask_id``: what the page of the review
    takes as ``mask``."""

    mask_id: UUID
    volume_id: UUID
    volume_name: str
    label_index: int
    label_name: str
    by: str
    volume_dice: float
    coverage: float | None
    hd95_mm: float | None


class ScoreSummary(Answer):
    """What a set of scores comes to. ``worst``: those with the lowest Dice of the volume, the lowest first.
    ``outdated_references``: volumes with a score of a reference that they no longer have."""

    set: ScoreSetName
    origins: list[ReferenceOrigin]
    means: list[LabelMeans]
    volumes: list[VolumeDifference]
    worst: list[WorstCase]
    outdated_references: int


class DatasetName(Answer):
    id: UUID
    version: int
    dataset_name: str


class ReferenceUses(Answer):
    """What depends on a reference. ``scores``: of masks against it, which are deleted with it; ``datasets``: that hold its
    labels, and keep them; ``trainings``: on these, by name, with scores against it, which stay and are marked."""

    scores: int
    datasets: list[DatasetName]
    trainings: list[str]


class EvaluateAnswer(Answer):
    jobs: int
