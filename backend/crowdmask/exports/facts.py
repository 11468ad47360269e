"""The facts of a dataset's card, gathered from what was frozen and from the boxes."""

from collections import Counter
from collections.abc import Iterable, Mapping
from statistics import fmean
from typing import Any

from crowdmask.core.completion import Completion
from crowdmask.core.dataset_choice import DatasetChoice, LabelSource, OverlapRule, PartialRule
from crowdmask.core.dataset_facts import (
    AgreementFacts,
    Counted,
    DatasetFacts,
    Effort,
    ModelFacts,
    SliceCounts,
    SplitFacts,
)
from crowdmask.core.nnunet_layout import Split
from crowdmask.core.tracks import AnnotationDocument, SliceState, boxes_by_slice, slice_states
from crowdmask.core.windowing import Window
from crowdmask.exports.crowd import Documents
from crowdmask.exports.selection import Answer, SelectedMask, Selection
from crowdmask.segmentations.derived import Rule, combine

OVERLAP_RULES = {
    OverlapRule.SMALLEST_WINS: "a voxel claimed by several labels belongs to the one with the fewest voxels in the volume",
    OverlapRule.LABEL_ORDER: "a voxel claimed by several labels belongs to the one that comes last in the dataset",
}
CHOICE_RULES = {
    LabelSource.FIRST: "first submitted: a volume goes in when the task of every label has all the answers it needs (one "
    "more as soon as somebody says that the label is not in the volume) and the answers agree whether the label is there; "
    "of several masks, that of the answer submitted first is taken",
    LabelSource.MEDIAN: "median boxes: on each slice, the median of each edge of the boxes of all who answered the task, "
    "where at least half of those who decided the slice have a box",
    LabelSource.ANNOTATOR: "one annotator: the masks of one person's boxes",
    LabelSource.REFERENCE: "reference: the masks that came with the volumes",
}
PARTIAL_RULES = {
    PartialRule.DROP_VOLUME: "a volume with a slice on which a label is undecided is left out",
    PartialRule.DROP_LABEL: "a label that is undecided on any slice of any volume is not in the dataset",
    PartialRule.IGNORE: "slices on which a label is undecided are marked as nnU-Net's ignore where no other label lies",
}


def dataset_facts(selection: Selection, documents: Documents, overlapping: Mapping[str, int]) -> DatasetFacts:
    """
    Args:
        documents: of the answers.
        overlapping: voxels that several labels claimed, by case.
    """
    training, test = selection.of(Split.TRAINING), selection.of(Split.TEST)
    reasons = [part for volume in selection.left_out for part in volume.reason.split("; ")]
    answers = {answer.annotation_id: answer for mask in selection.masks() for answer in mask.answers}
    choice = selection.choice
    return DatasetFacts(
        dataset_name=selection.dataset_name,
        project_name=selection.project_name,
        crowdmask=selection.crowdmask,
        channel_name=selection.channel_name,
        labels=selection.labels,
        training_volumes=len(training),
        test_volumes=len(test),
        licences=_counted(case.licence for case in selection.cases),
        modalities=_counted(case.modality for case in selection.cases),
        reference_origins=_counted(
            case.reference.origin
            for case in selection.cases
            if case.reference and any(mask.source is LabelSource.REFERENCE for mask in case.masks)
        ),
        qualifications=_counted(selection.people.values()),
        label_rule=CHOICE_RULES[choice.source],
        filters=tuple(_filters(choice)),
        left_out=_counted(reasons),
        volumes_left_out=len(selection.left_out),
        effort=_effort(answers.values(), documents),
        slices=_slices(selection, documents),
        boxes_by_source=_counted(
            keyframe.source.value
            for document in documents.values()
            for track in document.tracks
            for keyframe in track.keyframes.values()
        ),
        agreement=_agreement(selection.masks()),
        models=_models(selection.masks()),
        completion=choice.completion or Completion.NONE,
        partial_rule=PARTIAL_RULES[choice.partial],
        overlap_rule=OVERLAP_RULES[choice.overlap_rule],
        overlapping_voxels=sum(overlapping.values()),
        split=SplitFacts(
            len(selection.folds), choice.seed, sum(not case.patient for case in selection.cases)
        ),
        citation=selection.citation,
    )


def _counted(words: Iterable[str]) -> tuple[Counted, ...]:
    """The most frequent first, then by the alphabet."""
    return tuple(
        Counted(what, count)
        for what, count in sorted(Counter(words).items(), key=lambda entry: (-entry[1], entry[0]))
    )


def _filters(choice: DatasetChoice) -> Iterable[str]:
    if choice.unfinished:
        yield "work that was not handed in counts as far as it was"
    if choice.accepted_only:
        yield "a reviewer had accepted the work"
    if choice.min_completeness:
        yield f"a person had decided at least {choice.min_completeness:.0%} of the slices of a task"
    if choice.min_annotators > 1:
        yield f"a task had at least {choice.min_annotators} answers"
    if choice.min_agreement is not None:
        yield f"the boxes of every two people overlapped by {choice.min_agreement:.2f} (IoU) on average"
    if choice.min_predicted_iou is not None:
        yield f"the model's own score of a mask was at least {choice.min_predicted_iou:.2f} on average"
    if choice.modalities:
        yield f"the volume's modality was {' or '.join(choice.modalities)}"
    if choice.confirmed_only:
        yield "a slice counted only when a person made or confirmed its boxes"


def _effort(answers: Iterable[Answer], documents: Documents) -> Effort | None:
    found = list(answers)
    if not found or any(answer.active_s is None for answer in found):
        return None
    boxes = sum(
        keyframe.source.is_person_made
        for document in documents.values()
        for track in document.tracks
        for keyframe in track.keyframes.values()
    )
    return Effort(round(sum(answer.active_s or 0.0 for answer in found) / 60, 1), len(found), boxes)


def _slices(selection: Selection, documents: Documents) -> SliceCounts | None:
    """Of the training masks that people's boxes made, once per label; None where there are none."""
    counts: Counter[str] = Counter()
    for case in selection.of(Split.TRAINING):
        for mask in case.masks:
            if mask.inputs:
                counts.update(
                    _rests_on(mask, [documents[one.annotation_id, one.revision] for one in mask.inputs])
                )
    return SliceCounts(**counts) if counts else None


def _rests_on(mask: SelectedMask, documents: list[AnnotationDocument]) -> Iterable[str]:
    """For each slice the field of ``SliceCounts`` that it belongs to."""
    document = combine(Rule.MEDIAN if len(documents) > 1 else Rule.SINGLE, documents)
    boxes = boxes_by_slice(document)
    added = {on_slice["slice"] for on_slice in _on_slices(mask) if on_slice.get("added_boxes")}
    for z, state in enumerate(slice_states(document)):
        if state is SliceState.ABSENT:
            yield "absent"
        elif z in mask.undecided:
            yield "unknown"
        elif state is SliceState.UNKNOWN:
            between = bool(boxes) and min(boxes) < z < max(boxes)
            yield "filled" if between and z in added else "guessed"
        elif state is SliceState.SUGGESTED:
            yield "interpolated"
        elif all(box.source.is_person_made for box in boxes[z]):
            yield "drawn"
        else:
            yield "confirmed"


def _agreement(masks: Iterable[SelectedMask]) -> AgreementFacts | None:
    found = [mask.agreement for mask in masks if mask.agreement is not None]
    return AgreementFacts(fmean(found), len(found)) if found else None


def _models(masks: Iterable[SelectedMask]) -> tuple[ModelFacts, ...]:
    used = Counter(
        (made["model"], made.get("model_sha256", ""), _window(made))
        for mask in masks
        if (made := mask.provenance) is not None and "model" in made
    )
    return tuple(
        ModelFacts(name, sha256, count, window) for (name, sha256, window), count in sorted(used.items())
    )


def _window(provenance: Mapping[str, Any]) -> str:
    if provenance.get("window") is None:
        return ""
    window = Window.from_json(provenance["window"])
    return f"{window.low:g} to {window.high:g}"


def _on_slices(mask: SelectedMask) -> Iterable[Mapping[str, Any]]:
    found: Iterable[Mapping[str, Any]] = (mask.provenance or {}).get("slices", ())
    return found
