"""Boxes for the slices that nobody has looked at, offered to who works on them: those that completion would add to the mask.

Nothing is written into the annotation. The client may offer what is answered; taking it is the person's operation, and the
slices are suggested until the person has looked at them.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from crowdmask.accounts.actor import Actor
from crowdmask.annotations.queries import document_of
from crowdmask.core.completion import Completion, filled, open_ends
from crowdmask.core.errors import ErrorCode, NotFound
from crowdmask.core.geometry import Box
from crowdmask.core.keyframes import BoxSource, Keyframe
from crowdmask.core.lifecycle import AnnotationState, JobState
from crowdmask.core.operations import AddTrack
from crowdmask.core.tracks import AnnotationDocument, link
from crowdmask.models import Annotation, Assignment, DerivedMask, Job, Label, Project, Task, Volume
from crowdmask.segmentations.derived import Rule, Wish, request_mask
from crowdmask.segmentations.schemas import SuggestionAnswer

_WORKED_ON = (AnnotationState.OPEN, AnnotationState.RETURNED)
_ASKED: Mapping[JobState, Literal["queued", "running", "failed"]] = {
    JobState.QUEUED: "queued",
    JobState.RUNNING: "running",
}


@dataclass(frozen=True, eq=False)
class _Open:
    """Own work as it is saved; ``wish``: the mask whose completion is suggested, None where nothing can be."""

    annotation: Annotation
    document: AnnotationDocument
    project: Project
    volume: Volume
    wish: Wish | None


def request_suggestion(
    session: Session, actor: Actor, *, annotation_id: UUID, default_model: str
) -> SuggestionAnswer:
    """Have boxes found for the slices of open work that nobody has looked at. Asking again has a failed attempt tried again,
    and finds what is found.

    Raises:
        NotFound: ``not_found``, also for somebody else's annotation.
    """
    work = _open(session, actor, annotation_id, default_model)
    if work.wish is not None:
        # Somebody waits for it.
        request_mask(session, work.wish, project=work.project, volume=work.volume, priority=0)
    return _answer(session, work)


def suggestion(
    session: Session, actor: Actor, *, annotation_id: UUID, default_model: str
) -> SuggestionAnswer:
    """The boxes for the annotation as it is saved, or how far a worker is with finding them.

    Raises:
        NotFound: ``not_found``, also for somebody else's annotation.
    """
    return _answer(session, _open(session, actor, annotation_id, default_model))


def operations(document: AnnotationDocument, on_slices: Sequence[Mapping[str, Any]]) -> tuple[AddTrack, ...]:
    """The boxes that completion added, as tracks to be added to the document they were made for.

    Args:
        on_slices: the slices of a mask's provenance.
    """
    sources = {(z, box): source for z, box, source in _added(on_slices)}
    boxes: dict[int, list[Box]] = {}
    for z, box in sources:
        boxes.setdefault(z, []).append(box)
    taken = {track.id for track in document.tracks}
    names = (name for n in range(1, len(taken) + len(sources) + 2) if (name := f"suggested-{n}") not in taken)
    return tuple(
        AddTrack(
            name,
            track.first,
            track.last,
            {z: Keyframe(one.box, sources[z, one.box]) for z, one in track.keyframes.items()},
        )
        for name, track in zip(names, link(boxes, source=BoxSource.PROPAGATED), strict=False)
    )


def _added(on_slices: Sequence[Mapping[str, Any]]) -> Iterator[tuple[int, Box, BoxSource]]:
    for one in on_slices:
        for values, source in zip(one["added_boxes"], one["sources"], strict=False):
            yield int(one["slice"]), Box.from_values(values), BoxSource(source)


def _open(session: Session, actor: Actor, annotation_id: UUID, model: str) -> _Open:
    row = session.execute(
        sa.select(Annotation, Label.index, Project, Volume)
        .join(Assignment, Assignment.id == Annotation.assignment_id)
        .join(Task, Task.id == Assignment.task_id)
        .join(Label, Label.id == Task.label_id)
        .join(Volume, Volume.id == Task.volume_id)
        .join(Project, Project.id == Volume.project_id)
        .where(Annotation.id == annotation_id, Assignment.account_id == actor.account_id)
    ).one_or_none()
    if row is None:
        raise NotFound(ErrorCode.NOT_FOUND, f"There is no annotation {annotation_id}.")
    annotation, label_index, project, volume = row
    document = document_of(annotation)
    wish = None
    if annotation.state in _WORKED_ON and (filled(document) or open_ends(document)):
        inputs = ((annotation.id, annotation.revision),)
        wish = Wish(label_index, Rule.SINGLE, inputs, Completion.FULL, model)
    return _Open(annotation, document, project, volume, wish)


def _answer(session: Session, work: _Open) -> SuggestionAnswer:
    found: tuple[AddTrack, ...] = ()
    state: Literal["none", "queued", "running", "done", "failed"] = "done"
    job: Job | None = None
    if work.wish is not None:
        mask, job = session.execute(
            sa.select(DerivedMask, Job)
            .outerjoin(Job, Job.id == DerivedMask.job_id)
            .where(DerivedMask.key == work.wish.key(work.project, work.volume))
        ).one_or_none() or (None, None)
        if mask is None or (mask.provenance is None and job is None):
            state = "none"
        elif mask.provenance is not None:
            found = operations(work.document, mask.provenance["slices"])
        elif job is not None:
            state = _ASKED.get(job.state, "failed")
    return SuggestionAnswer(
        revision=work.annotation.revision,
        state=state,
        progress=1.0 if state == "done" else job.progress if job is not None else 0.0,
        error=job.error_text if job is not None and state != "done" else None,
        operations=[operation.to_json() for operation in found],
    )
