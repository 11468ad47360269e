"""What one task gives a dataset: a mask, or the reason why there is none."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean

from sqlalchemy.orm import Session

from crowdmask.annotations.queries import document_at
from crowdmask.core.completion import Completion, undecided
from crowdmask.core.dataset_choice import DatasetChoice, LabelSource
from crowdmask.core.distribution import slots_needed
from crowdmask.core.intervals import NO_SLICES, Intervals
from crowdmask.core.labels import Label as LabelName
from crowdmask.core.tracks import AnnotationDocument, empty_document
from crowdmask.exports.answers import AskedFor, Given, Place
from crowdmask.exports.selection import Answer, SelectedMask
from crowdmask.models import Annotation, Project, ReferenceMask, Volume
from crowdmask.models.base import JsonDict
from crowdmask.segmentations.derived import Rule, Wish, combine, made_masks
from crowdmask.volumes.queries import grid_of


@dataclass(frozen=True)
class Decision:
    """What is known of one label in one volume.

    Attributes:
        label: the label's name.
        mask: None when nothing may be taken; ``reason`` says why.
        must_wait: whether the answer is there and its mask is not: it would be wrong to go on without it.
        n_slices: of the volume.
    """

    label: str
    mask: SelectedMask | None = None
    reason: str = ""
    must_wait: bool = False
    n_slices: int = 0

    @property
    def incomplete(self) -> str:
        """Why not every slice is decided; empty when each is."""
        if self.mask is None:
            return self.reason
        left = len(self.mask.undecided)
        return f"{self.label} is undecided on {left} of {self.n_slices} slices" if left else ""

    def selected(self, label_index: int, volume: Volume) -> SelectedMask:
        """The mask as the dataset's label ``label_index``; where there is none, every slice is undecided."""
        if self.mask is not None:
            return replace(self.mask, label_index=label_index)
        everything = Intervals(((0, grid_of(volume).shape[0] - 1),))
        return SelectedMask(label_index, 0, LabelSource.FIRST, undecided=everything)


@dataclass
class Decider:
    """Decides task by task, and remembers which masks have to be made.

    Attributes:
        choice: with the completion that holds.
        model: makes the masks that are not there.
        wishes: masks made for datasets, by key.
    """

    session: Session
    project: Project
    choice: DatasetChoice
    model: str
    asked: Mapping[Place, AskedFor]
    agreements: Mapping[Place, float]
    wishes: dict[str, tuple[Volume, Wish]] = field(default_factory=dict)

    def decide(self, volume: Volume, label: LabelName, reference: ReferenceMask | None) -> Decision:
        """What the label gives in this volume."""
        if self.choice.source is LabelSource.REFERENCE:
            if reference is None:
                return Decision(label.name, reason="it has no reference mask")
            mask = SelectedMask(0, label.index, LabelSource.REFERENCE, mask_sha256=reference.source_sha256)
            return Decision(label.name, mask)
        task = self.asked.get((volume.id, label.index))
        if task is None:
            return Decision(label.name, reason=f"no task for {label.name}")
        given = self._counted(task.given)
        reason = self._unanswered(label, task, given) or self._in_dispute(volume, label, given)
        if reason:
            return Decision(label.name, reason=reason)
        return self._mask(volume, label, given)

    def _counted(self, given: Sequence[Given]) -> Sequence[Given]:
        if self.choice.accepted_only:
            given = [one for one in given if one.accepted]
        if self.choice.source is not LabelSource.ANNOTATOR:
            return given
        return [one for one in given if str(one.account_id) == self.choice.annotator]

    def _unanswered(self, label: LabelName, task: AskedFor, given: Sequence[Given]) -> str:
        """Why there are too few answers; empty when there are enough."""
        needed = self.choice.min_annotators
        if not self.choice.unfinished and self.choice.source is not LabelSource.ANNOTATOR:
            needed = max(needed, slots_needed(task.overlap, sum(one.absent for one in given)))
        if len(given) >= max(needed, 1):
            return ""
        kind = "accepted answer" if self.choice.accepted_only else "answer"
        if self.choice.source is LabelSource.ANNOTATOR:
            return f"{label.name} has no {kind} of the chosen annotator"
        return f"{label.name} has {len(given)} of {max(needed, 1)} {kind}s"

    def _in_dispute(self, volume: Volume, label: LabelName, given: Sequence[Given]) -> str:
        """Why the answers differ too much; empty when they do not."""
        absent = sum(one.absent for one in given)
        disputed = 0 < absent < len(given)
        if self.choice.source is LabelSource.MEDIAN:
            disputed = 2 * absent == len(given)
        if disputed:
            return f"annotators disagree whether {label.name} is in the volume"
        asked = self.choice.min_agreement
        if asked is None or absent:
            return ""
        agreed = self.agreements.get((volume.id, label.index), math.nan)
        if math.isnan(agreed):
            return f"the agreement on {label.name} is not known: it has {len(given)} answer{'s' * (len(given) != 1)}"
        if agreed < asked:
            return f"the boxes of {label.name} agree by {agreed:.2f}, {asked:.2f} is asked for"
        return ""

    def _mask(self, volume: Volume, label: LabelName, given: Sequence[Given]) -> Decision:
        is_median = self.choice.source is LabelSource.MEDIAN and len(given) > 1
        used = given if is_median else given[:1]
        rule = Rule.SINGLE
        if is_median:
            rule = Rule.MEDIAN_CONFIRMED if self.choice.confirmed_only else Rule.MEDIAN
        n_slices = grid_of(volume).shape[0]
        left = NO_SLICES
        if not all(one.submitted for one in used):
            document = combine(rule, [self._document(one, volume) for one in used])
            open_slices = len(undecided(document, Completion.NONE, confirmed_only=self.choice.confirmed_only))
            share = 1 - open_slices / n_slices
            if share < self.choice.min_completeness:
                reason = f"{label.name} is decided on {share:.0%} of the slices, {self.choice.min_completeness:.0%} are asked for"
                return Decision(label.name, reason=reason)
            left = undecided(document, self._completion, confirmed_only=self.choice.confirmed_only)
            if len(left) == n_slices:
                return Decision(label.name, reason=f"{label.name} is undecided on every slice")
        mask = SelectedMask(
            0,
            label.index,
            self.choice.source,
            inputs=tuple(self._answer(one) for one in used),
            others=tuple(self._answer(one) for one in given if one not in used),
            undecided=left,
            agreement=self._agreement(volume, label),
        )
        own = used[0].mask if not is_median and used[0].submitted else None
        if own is not None and self.choice.model in (None, own.model):
            mask = replace(mask, mask_sha256=own.mask_sha256, provenance=own.provenance)
            provenance: JsonDict | None = own.provenance
        elif not is_median and used[0].submitted and self.choice.model is None:
            return Decision(label.name, reason=f"no mask yet for {label.name}", must_wait=True)
        else:
            key, provenance = self._wish(volume, label, rule, used)
            mask = replace(mask, derived_key=key)
        doubt = self._in_doubt(label, provenance)
        if doubt:
            return Decision(label.name, reason=doubt)
        return Decision(label.name, mask, n_slices=n_slices)

    @property
    def _completion(self) -> Completion:
        assert self.choice.completion is not None  # the one that holds
        return self.choice.completion

    def _document(self, one: Given, volume: Volume) -> AnnotationDocument:
        """Of submitted work only that every slice is decided is needed here, but for a median with unfinished work."""
        if one.document is not None:
            return one.document
        if one.absent:
            shape = grid_of(volume).shape
            return replace(empty_document(shape), absent=Intervals(((0, shape[0] - 1),)))
        return document_at(self.session, self.session.get_one(Annotation, one.annotation_id), one.revision)

    def _answer(self, one: Given) -> Answer:
        """Under the account's id: pseudonyms are given when it is known whose work goes in."""
        return Answer(
            annotation_id=str(one.annotation_id),
            revision=one.revision,
            annotator=str(one.account_id),
            submitted=one.submitted,
            mask_sha256=None if one.mask is None else one.mask.mask_sha256,
        )

    def _agreement(self, volume: Volume, label: LabelName) -> float | None:
        agreed = self.agreements.get((volume.id, label.index), math.nan)
        return None if math.isnan(agreed) else agreed

    def _wish(
        self, volume: Volume, label: LabelName, rule: Rule, used: Sequence[Given]
    ) -> tuple[str, JsonDict | None]:
        """The key of the mask to be made, and its provenance when it is there."""
        inputs = tuple((one.annotation_id, one.revision) for one in used)
        complete = all(one.submitted for one in used)
        completion = Completion.NONE if complete else self._completion
        wish = Wish(label.index, rule, inputs, completion, self.model)
        key = wish.key(self.project, volume)
        self.wishes[key] = (volume, wish)
        made = made_masks(self.session, [key]).get(key) if self.choice.min_predicted_iou is not None else None
        return key, None if made is None else made.provenance

    def _in_doubt(self, label: LabelName, provenance: JsonDict | None) -> str:
        """Why the model's own score is too low; empty when it is not."""
        asked = self.choice.min_predicted_iou
        if asked is None:
            return ""
        if provenance is None:
            return f"the model's score of {label.name} is not known before its mask is made"
        scores = [score for on_slice in provenance["slices"] for score in on_slice["predicted_iou"]]
        if scores and fmean(scores) < asked:
            return f"the model's score of {label.name} is {fmean(scores):.2f}, {asked:.2f} is asked for"
        return ""
