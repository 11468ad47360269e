"""What the card of a dataset is written from (``core.dataset_card``)."""

from dataclasses import dataclass

from crowdmask.core.completion import Completion
from crowdmask.core.labels import LabelSet


@dataclass(frozen=True, slots=True)
class Counted:
    """How often something was said or happened. ``what`` empty: nobody said."""

    what: str
    count: int


@dataclass(frozen=True, slots=True)
class Effort:
    """The time that people spent, with what it is divided by.

    Attributes:
        minutes: active ones, pauses left out, of all the work that is in the dataset.
        annotations: (person, volume, label) that it is of.
        boxes: that people drew or corrected in it.
    """

    minutes: float
    annotations: int
    boxes: int


@dataclass(frozen=True, slots=True)
class SliceCounts:
    """Slices of all volumes, once per label, by what the label on them rests on; each slice counts once.

    Attributes:
        drawn: a person drew or corrected a box there.
        confirmed: a box from elsewhere, which a person looked at and left.
        interpolated: a box between two drawn ones at which nobody looked.
        filled: filled in by completion between two pieces.
        guessed: guessed by completion beyond the ends.
        absent: a person said that the label is not there.
        unknown: nobody decided, and nothing was filled in.
    """

    drawn: int = 0
    confirmed: int = 0
    interpolated: int = 0
    filled: int = 0
    guessed: int = 0
    absent: int = 0
    unknown: int = 0


@dataclass(frozen=True, slots=True)
class AgreementFacts:
    """Mean overlap of two people's boxes (IoU), over the tasks that several people did."""

    box_iou: float
    tasks: int


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What made masks of boxes. ``window``: the grey values shown to it, as text; empty: each volume's own."""

    name: str
    sha256: str
    masks: int
    window: str = ""


@dataclass(frozen=True, slots=True)
class SplitFacts:
    """How the sides were drawn. ``folds`` 0: none were; ``without_patient``: volumes whose patient nobody stated."""

    folds: int
    seed: int
    without_patient: int


@dataclass(frozen=True)
class DatasetFacts:
    """All that a card says. None and empty: unknown.

    Attributes:
        dataset_name: nnU-Net's, ``DatasetNNN_Name``.
        crowdmask: the version that wrote it.
        channel_name: nnU-Net's, as ``CT``.
        training_volumes, test_volumes: how many went in.
        licences, modalities: of the volumes, as stated.
        reference_origins: of the reference masks that went in, as stated.
        qualifications: of the people, as stated; one entry per wording.
        label_rule: a sentence: which work became the labels.
        filters: a sentence for each condition that work or volumes had to meet.
        left_out: how many volumes fell out by each reason; one may fall out by several.
        volumes_left_out: how many fell out in all.
        boxes_by_source: words of ``BoxSource``; simulated ones are named in the text.
        overlap_rule, partial_rule: sentences: voxels that several labels claim; volumes that lack a label.
        overlapping_voxels: how many were claimed.
        citation: how the makers of the volumes want to be cited, as the project states it.
    """

    dataset_name: str
    project_name: str
    crowdmask: str
    channel_name: str
    labels: LabelSet
    training_volumes: int
    test_volumes: int
    licences: tuple[Counted, ...] = ()
    modalities: tuple[Counted, ...] = ()
    reference_origins: tuple[Counted, ...] = ()
    qualifications: tuple[Counted, ...] = ()
    label_rule: str = ""
    filters: tuple[str, ...] = ()
    left_out: tuple[Counted, ...] = ()
    volumes_left_out: int = 0
    effort: Effort | None = None
    slices: SliceCounts | None = None
    boxes_by_source: tuple[Counted, ...] = ()
    agreement: AgreementFacts | None = None
    models: tuple[ModelFacts, ...] = ()
    completion: Completion = Completion.NONE
    partial_rule: str = ""
    overlap_rule: str = ""
    overlapping_voxels: int | None = None
    split: SplitFacts | None = None
    citation: str = ""
