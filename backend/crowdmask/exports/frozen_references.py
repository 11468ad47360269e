"""What became of the references that datasets were frozen with.

A dataset names each by the hash of its file and keeps it. The project may have replaced or deleted it since.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from crowdmask.core.dataset_choice import LabelSource
from crowdmask.exports.selection import SelectedCase
from crowdmask.models import ReferenceMask, ReferenceOrigin, Volume


@dataclass(frozen=True)
class FrozenReference:
    """The reference of a case as its dataset holds it.

    Attributes:
        origin: who made it: as it is said now while the scan still has it, else as it was said then; None: not known.
        outdated: the scan has another one by now, or none.
    """

    origin: ReferenceOrigin | None
    outdated: bool


class References:
    """The references that the volumes of some projects have now."""

    def __init__(self, session: Session, project_ids: Collection[UUID]) -> None:
        rows = session.execute(
            sa.select(ReferenceMask.volume_id, ReferenceMask.source_sha256, ReferenceMask.origin)
            .join(Volume, Volume.id == ReferenceMask.volume_id)
            .where(Volume.project_id.in_(project_ids))
        )
        self._now: Mapping[str, tuple[str, ReferenceOrigin]] = {
            str(volume_id): (sha256, origin) for volume_id, sha256, origin in rows
        }

    def of(self, case: SelectedCase) -> FrozenReference:
        """What became of the case's reference."""
        sha256, origin = self._now.get(case.volume_id, (None, None))
        if case.reference is None or case.reference.mask_sha256 == sha256:
            return FrozenReference(origin, outdated=False)
        return FrozenReference(ReferenceOrigin(case.reference.origin), outdated=True)

    def outdated(self, cases: Iterable[SelectedCase]) -> list[str]:
        """The names of the volumes whose reference is another one by now, or gone."""
        return [case.volume_name for case in cases if self.of(case).outdated]


def holds_reference(case: SelectedCase) -> bool:
    """Whether labels of the case are those of its reference, and not of people's work."""
    return any(mask.source is LabelSource.REFERENCE for mask in case.masks)
