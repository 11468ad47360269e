"""Reading the masks that datasets asked for."""

from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from crowdmask.accounts.actor import Actor
from crowdmask.core.errors import ErrorCode, NotFound
from crowdmask.models import DerivedMask, Label, Volume
from crowdmask.projects.queries import takes_part
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
    row = session.execute(visible_derived_masks(actor).where(DerivedMask.id == derived_mask_id)).one_or_none()
    if row is None:
        raise NotFound(ErrorCode.NOT_FOUND, f"There is no mask {derived_mask_id} that a dataset asked for.")
    return VisibleDerived(*row)


def visible_derived_masks(actor: Actor) -> sa.Select[DerivedMask, Volume, Label]:
    """Finished ones with their names, of projects where the actor sees all."""
    return (
        sa.select(DerivedMask, Volume, Label)
        .join(Volume, Volume.id == DerivedMask.volume_id)
        .join(
            Label,
            sa.and_(Label.project_id == Volume.project_id, Label.index == DerivedMask.label_index),
        )
        .where(DerivedMask.mask_sha256.is_not(None), takes_part(actor, Volume.project_id, *SEES_ALL))
    )
