"""Masks that datasets ask for and no submission made: of several people's boxes, of unfinished work, completed, or by another
model. The same wish is made once, whoever asks."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from crowdmask import jobs
from crowdmask.annotations.queries import document_at
from crowdmask.core.completion import RULES_VERSION, Completion
from crowdmask.core.consensus import median_document
from crowdmask.core.errors import ErrorCode, NotFound
from crowdmask.core.lifecycle import JobState
from crowdmask.core.tracks import AnnotationDocument
from crowdmask.models import Annotation, DerivedMask, Job, JobKind, Project, Queue, Volume
from crowdmask.models.base import JsonDict
from crowdmask.segmentations.queries import SegmentRequest
from crowdmask.volumes.queries import window_of

DERIVED_PRIORITY = 50
"""Behind the masks that annotators wait for, before slices that are encoded ahead."""


class Rule(StrEnum):
    """How one document is made of the inputs: the only one as it is; the median boxes; the median of what was confirmed."""

    SINGLE = "single"
    MEDIAN = "median"
    MEDIAN_CONFIRMED = "median-confirmed"


@dataclass(frozen=True)
class Wish:
    """What a derived mask is made from. ``inputs``: annotations and their revisions, in the order of their submission."""

    label_index: int
    rule: Rule
    inputs: tuple[tuple[UUID, int], ...]
    completion: Completion
    model: str

    def key(self, project: Project, volume: Volume) -> str:
        """The hash of what is asked for. With which weights and runtime it was made says the mask's provenance: a mask that is
        there is taken. But one dataset must not mix rules of completion, so these are asked for by their version."""
        depends_on: JsonDict = {
            "pack": volume.pack_sha256,
            "window": window_of(project, volume).to_json(),
            "label": self.label_index,
            "rule": self.rule,
            "inputs": [[str(annotation_id), revision] for annotation_id, revision in self.inputs],
            "completion": self.completion,
            "model": self.model,
        }
        if self.completion is not Completion.NONE:
            depends_on["completion_rules"] = RULES_VERSION
        return hashlib.sha256(json.dumps(depends_on, sort_keys=True).encode()).hexdigest()


def combine(rule: Rule, documents: list[AnnotationDocument]) -> AnnotationDocument:
    """The one document that a rule makes of the inputs' documents."""
    if rule is Rule.SINGLE:
        (document,) = documents
        return document
    return median_document(documents, confirmed_only=rule is Rule.MEDIAN_CONFIRMED)


def request_mask(
    session: Session, wish: Wish, *, project: Project, volume: Volume, priority: int = DERIVED_PRIORITY
) -> DerivedMask:
    """The row of a wish, with its job: a new one, or the one that is there. A job that failed is tried again."""
    key = wish.key(project, volume)
    row = session.scalar(sa.select(DerivedMask).where(DerivedMask.key == key))
    if row is None:
        row = DerivedMask(
            key=key,
            volume_id=volume.id,
            label_index=wish.label_index,
            rule=wish.rule,
            inputs=[[str(annotation_id), revision] for annotation_id, revision in wish.inputs],
            completion=wish.completion,
            model=wish.model,
        )
        session.add(row)
        session.flush()
    if row.mask_sha256 is None:
        job = jobs.enqueue(
            session,
            JobKind.SEGMENT,
            {"derived_mask_id": str(row.id)},
            idem_key=derived_job_key(key),
            queue=Queue.GPU,
            project_id=project.id,
            priority=priority,
        )
        if job.state in (JobState.DEAD, JobState.CANCELLED):
            jobs.retry(session, job.id)
        row.job_id = job.id
    return row


def derived_job_key(key: str) -> str:
    """The key of the job that makes a derived mask."""
    return f"segment:derived:{key}"


def derived_request(session: Session, derived_mask_id: UUID) -> SegmentRequest:
    """Gather the inputs of the job that makes a derived mask.

    Raises:
        NotFound: ``not_found`` when it, one of its annotations or the slice pack is gone.
    """
    row = session.get(DerivedMask, derived_mask_id)
    if row is None:
        raise NotFound(ErrorCode.NOT_FOUND, f"There is no derived mask {derived_mask_id}.")
    volume = session.get_one(Volume, row.volume_id)
    project = session.get_one(Project, volume.project_id)
    if volume.pack_sha256 is None:
        raise NotFound(ErrorCode.NOT_FOUND, f"The volume {volume.id} has no slice pack yet.")
    documents = []
    for annotation_id, revision in row.inputs:
        annotation = session.get(Annotation, UUID(str(annotation_id)))
        if annotation is None:
            raise NotFound(ErrorCode.NOT_FOUND, f"There is no annotation {annotation_id}.")
        documents.append(document_at(session, annotation, int(revision)))
    return SegmentRequest(
        label_index=row.label_index,
        document=combine(Rule(row.rule), documents),
        window=window_of(project, volume),
        source_sha256=volume.source_sha256,
        pack_sha256=volume.pack_sha256,
        affine_assumed=volume.affine_assumed,
        completion=row.completion,
        model=row.model,
        origin={"rule": row.rule, "inputs": row.inputs},
    )


def record_derived(
    session: Session,
    *,
    derived_mask_id: UUID,
    mask_sha256: str,
    provenance: JsonDict,
    seconds: float,
    uncertainty_sha256: str | None = None,
) -> DerivedMask:
    """Keep a derived mask. Made again, it replaces the row's content."""
    row = session.get_one(DerivedMask, derived_mask_id, with_for_update=True)
    row.mask_sha256, row.provenance, row.seconds = mask_sha256, provenance, seconds
    row.uncertainty_sha256 = uncertainty_sha256
    session.flush()
    return row


@dataclass(frozen=True)
class DerivedState:
    """How far the masks of a dataset are. ``error``: of a job that has failed, or what one waits for."""

    made: int
    failed: bool
    error: str | None


def made_masks(session: Session, keys: Iterable[str]) -> Mapping[str, DerivedMask]:
    """The finished ones among these, by key."""
    rows = session.scalars(
        sa.select(DerivedMask).where(DerivedMask.key.in_(list(keys)), DerivedMask.mask_sha256.is_not(None))
    )
    return {row.key: row for row in rows}


def derived_state(session: Session, keys: Iterable[str]) -> DerivedState:
    """How far these masks are."""
    rows = session.execute(
        sa.select(DerivedMask, Job)
        .outerjoin(Job, Job.id == DerivedMask.job_id)
        .where(DerivedMask.key.in_(list(keys)))
    ).all()
    waiting = [job for mask, job in rows if mask.mask_sha256 is None and job is not None]
    dead = [job for job in waiting if job.state in (JobState.DEAD, JobState.CANCELLED)]
    said = [job.error_text for job in (dead or waiting) if job.error_text]
    if dead and not said:
        said = ["A mask's job was cancelled."]
    return DerivedState(
        made=sum(mask.mask_sha256 is not None for mask, _ in rows),
        failed=bool(dead),
        error=said[0] if said else None,
    )
