"""What the server tells, as values: each class is a view of one of its objects, read from the JSON of an answer."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from crowdmask.core.tracks import AnnotationDocument


@dataclass(frozen=True)
class ProjectLabel:
    index: int
    name: str


@dataclass(frozen=True)
class ProjectView:
    id: UUID
    name: str
    labels: tuple[ProjectLabel, ...]


@dataclass(frozen=True)
class ProjectSummary:
    """A project of mine in a list. ``role``: None for an operator who is no member."""

    id: UUID
    name: str
    role: str | None
    volumes: int
    tasks: int
    tasks_complete: int


@dataclass(frozen=True)
class VolumeView:
    """``shape``: (nz, ny, nx); None while the file is quarantined. ``pack_sha256``: once it is ready."""

    id: UUID
    name: str
    state: str
    shape: tuple[int, int, int] | None
    pack_sha256: str | None
    refusal: str | None
    notices: tuple[str, ...]


@dataclass(frozen=True)
class ReferenceView:
    id: UUID
    origin: str
    notices: tuple[str, ...]


@dataclass(frozen=True)
class AssignmentView:
    """A task that is mine."""

    id: UUID
    task_id: UUID
    volume_id: UUID
    label: ProjectLabel


@dataclass(frozen=True)
class AnnotationView:
    """My work on a task; ``volume_sha256``: of the slice pack that boxes are drawn on."""

    id: UUID
    revision: int
    state: str
    document: AnnotationDocument
    volume_sha256: str


@dataclass(frozen=True)
class SaveView:
    revision: int
    late: bool


@dataclass(frozen=True)
class MaskView:
    """``state``: none, queued, running, done or failed. ``segmentation_id``: once it is done."""

    state: str
    progress: float
    error: str | None
    segmentation_id: UUID | None
    seconds: float | None


@dataclass(frozen=True)
class MadeMaskView:
    """A mask of one label. ``kind``: person (submitted work), dataset (made for one, such as a consensus) or training (a
    prediction); ``by``: whose boxes, or which training."""

    kind: str
    id: UUID
    by: str
    volume_id: UUID
    volume_name: str
    label: ProjectLabel


@dataclass(frozen=True)
class ExportPreviewView:
    """What a dataset would hold. ``left_out``: why, by the volume's name; ``dropped_labels``: why, by label; ``problem``:
    why it cannot be split as chosen."""

    cases: tuple[str, ...]
    test_cases: tuple[str, ...]
    labels: tuple[str, ...]
    left_out: Mapping[str, str]
    dropped_labels: Mapping[str, str]
    masks_to_make: int
    problem: str | None


@dataclass(frozen=True)
class ExportView:
    """A dataset. ``state``: making, queued, running, done or failed; ``parts``: what can be downloaded alone once it is
    done."""

    id: UUID
    version: int
    dataset_name: str
    state: str
    progress: float
    error: str | None
    cases: tuple[str, ...]
    test_cases: tuple[str, ...]
    parts: tuple[str, ...]


@dataclass(frozen=True)
class EvaluationView:
    """One mask against its volume's reference; ``volume_dice`` is None where it is undefined or not yet computed."""

    segmentation_id: UUID
    volume_name: str
    label: ProjectLabel
    volume_dice: float | None
    evaluated: bool


@dataclass(frozen=True)
class AgreementView:
    """Two people's submitted work on the same task; None where a number is undefined, and ``mask_dice`` also while the masks
    are not compared. ``first_difference``, ``last_difference``: by how many slices ``other`` begins and ends later."""

    volume_name: str
    label: ProjectLabel
    one: str
    other: str
    box_iou: float | None
    presence: float | None
    first_difference: int | None
    last_difference: int | None
    mask_dice: float | None


@dataclass(frozen=True)
class ScoreSetView:
    """Scores that can be summed up and compared by their ``key``. ``name``: of the person or the training."""

    key: str
    kind: str
    name: str | None
    scores: int


@dataclass(frozen=True)
class MeanView:
    """``ci``: half of the 95 % interval; ``low``, ``high``: the bootstrap's; None where nothing is defined."""

    mean: float | None
    ci: float | None
    low: float | None
    high: float | None
    n: int
    undefined: int
    shapiro_p: float | None


@dataclass(frozen=True)
class ComparedView:
    """One score of a label in two sets; ``label`` None: the mean over a volume's labels. ``p``: Wilcoxon signed-rank.

    ``slices``: the same over single slices, for scores that they have; slices of one volume are not independent, so its p is
    too small.
    """

    score: str
    label: str | None
    a: MeanView
    b: MeanView
    p: float | None
    p_holm: float | None
    pairs: int
    slices: "SlicesView | None"


@dataclass(frozen=True, slots=True)
class SlicesView:
    """A test over the ``pairs`` slices of ``volumes`` volumes that have a score in both sets."""

    p: float | None
    pairs: int
    volumes: int


def compared_of(found: Any) -> ComparedView:
    return ComparedView(
        score=found["score"],
        label=found["label_name"],
        a=MeanView(**found["a"]),
        b=MeanView(**found["b"]),
        p=found["p"],
        p_holm=found["p_holm"],
        pairs=found["pairs"],
        slices=None
        if (test := found["slices"]) is None
        else SlicesView(test["p"], test["pairs"], test["volumes"]),
    )


def project_of(found: Any) -> ProjectView:
    labels = tuple(ProjectLabel(label["index"], label["name"]) for label in found["labels"])
    return ProjectView(UUID(found["id"]), found["name"], labels)


def summary_of(found: Any) -> ProjectSummary:
    return ProjectSummary(
        id=UUID(found["id"]),
        name=found["name"],
        role=found["role"],
        volumes=found["volumes"],
        tasks=found["tasks"],
        tasks_complete=found["tasks_complete"],
    )


def _notices(found: Any) -> tuple[str, ...]:
    return tuple(notice["text"] for notice in found["notices"])


def volume_of(found: Any) -> VolumeView:
    shape, pack, refusal = found["shape"], found["pack"], found["refusal"]
    return VolumeView(
        id=UUID(found["id"]),
        name=found["name"],
        state=found["state"],
        shape=None if shape is None else (shape[0], shape[1], shape[2]),
        pack_sha256=None if pack is None else pack["sha256"],
        refusal=None if refusal is None else refusal["text"],
        notices=_notices(found),
    )


def assignment_of(found: Any) -> AssignmentView:
    label = ProjectLabel(found["label"]["index"], found["label"]["name"])
    return AssignmentView(UUID(found["id"]), UUID(found["task_id"]), UUID(found["volume_id"]), label)


def annotation_of(found: Any) -> AnnotationView:
    return AnnotationView(
        id=UUID(found["id"]),
        revision=found["revision"],
        state=found["state"],
        document=AnnotationDocument.from_json(found["document"]),
        volume_sha256=found["volume_sha256"],
    )


def export_of(found: Any) -> ExportView:
    return ExportView(
        id=UUID(found["id"]),
        version=found["version"],
        dataset_name=found["dataset_name"],
        state=found["state"],
        progress=found["progress"],
        error=found["error"],
        cases=tuple(found["cases"]),
        test_cases=tuple(found["test_cases"]),
        parts=tuple(found["parts"]),
    )


def preview_of(found: Any) -> ExportPreviewView:
    return ExportPreviewView(
        cases=tuple(found["cases"]),
        test_cases=tuple(found["test_cases"]),
        labels=tuple(found["labels"]),
        left_out={one["volume_name"]: one["reason"] for one in found["left_out"]},
        dropped_labels={one["label"]: one["reason"] for one in found["dropped_labels"]},
        masks_to_make=found["masks_to_make"],
        problem=found["problem"],
    )


def agreement_of(found: Any) -> AgreementView:
    return AgreementView(
        volume_name=found["volume_name"],
        label=ProjectLabel(found["label_index"], found["label_name"]),
        one=found["one"],
        other=found["other"],
        box_iou=found["box_iou"],
        presence=found["presence"],
        first_difference=found["first_difference"],
        last_difference=found["last_difference"],
        mask_dice=found["mask_dice"],
    )
