"""Reading the masks that datasets asked for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from crowdmask.accounts.actor import Actor
from crowdmask.core.errors import ErrorCode, NotFound
from crowdmask.models import Account, Annotation, Assignment, DerivedMask, Label, Volume
from crowdmask.projects.policy import require_role
from crowdmask.projects.queries import takes_part
from crowdmask.segmentations.queries import told_of_slices
from crowdmask.segmentations.schemas import DerivedMaskAnswer
from crowdmask.volumes.queries import SEES_ALL


@dataclass(frozen=True, eq=False)
class VisibleDerived:
    """A finished mask that a dataset asked for, with the names that people know it by."""

    derived: DerivedMask
    volume: Volume
    label: Label

    @property
    def mask_sha256(self) -> str:
        assert self.derived.mask_sha256 is not None  # it is finished
        return self.derived.mask_sha256


def visible_derived(session: Session, actor: Actor, derived_mask_id: UUID) -> VisibleDerived:
    """The mask, if it is finished and the actor is admin, reviewer or researcher of its project.

    Raises:
        NotFound: ``not_found``.
    """
    row = session.execute(_derived(actor).where(DerivedMask.id == derived_mask_id)).one_or_none()
    if row is None:
        raise NotFound(ErrorCode.NOT_FOUND, f"There is no mask {derived_mask_id} that a dataset asked for.")
    return VisibleDerived(*row)


def derived_mask_answers(session: Session, actor: Actor, *, project_id: UUID) -> list[DerivedMaskAnswer]:
    """The finished masks that a project's datasets asked for, by volume name and label.

    Raises:
        NotFound, NotAllowed: the actor is no admin, reviewer or researcher of the project.
    """
    require_role(session, actor, project_id, *SEES_ALL)
    rows = session.execute(
        _derived(actor)
        .where(Volume.project_id == project_id)
        .order_by(Volume.name, Label.index, DerivedMask.created_at, DerivedMask.id)
    )
    found = [VisibleDerived(*row) for row in rows]
    names = _names(session, {UUID(str(input_)) for one in found for input_, _ in one.derived.inputs})
    return [_derived_answer(one, names) for one in found]


def _derived(actor: Actor) -> sa.Select[DerivedMask, Volume, Label]:
    return (
        sa.select(DerivedMask, Volume, Label)
        .join(Volume, Volume.id == DerivedMask.volume_id)
        .join(
            Label,
            sa.and_(Label.project_id == Volume.project_id, Label.index == DerivedMask.label_index),
        )
        .where(DerivedMask.mask_sha256.is_not(None), takes_part(actor, Volume.project_id, *SEES_ALL))
    )


def _names(session: Session, annotation_ids: set[UUID]) -> Mapping[UUID, str]:
    rows = session.execute(
        sa.select(Annotation.id, Account.name)
        .join(Assignment, Assignment.id == Annotation.assignment_id)
        .join(Account, Account.id == Assignment.account_id)
        .where(Annotation.id.in_(annotation_ids))
    )
    return dict(iter(rows))


def _derived_answer(one: VisibleDerived, names: Mapping[UUID, str]) -> DerivedMaskAnswer:
    derived = one.derived
    inputs: Sequence[UUID] = [UUID(str(annotation_id)) for annotation_id, _ in derived.inputs]
    return DerivedMaskAnswer(
        id=derived.id,
        volume_id=one.volume.id,
        volume_name=one.volume.name,
        label_index=one.label.index,
        label_name=one.label.name,
        rule=derived.rule,
        completion=derived.completion,
        annotators=list(dict.fromkeys(names[input_] for input_ in inputs if input_ in names)),
        model=derived.model,
        job_id=derived.job_id,
        mask_sha256=one.mask_sha256,
        seconds=derived.seconds or 0.0,
        has_uncertainty=derived.uncertainty_sha256 is not None,
        created_at=derived.created_at,
        **told_of_slices(derived.provenance or {}),
    )
