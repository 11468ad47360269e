"""Reference masks as files, and as a viewer asks for them."""

from pathlib import Path
from typing import NamedTuple
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from crowdmask.accounts.actor import Actor
from crowdmask.core.errors import ErrorCode, NotFound
from crowdmask.core.nnunet_layout import case_name
from crowdmask.core.region import mask_bits
from crowdmask.infra.storage import LocalStorage
from crowdmask.models import ReferenceMask, Volume
from crowdmask.projects.queries import takes_part
from crowdmask.volumes.queries import SEES_ALL

_GZIP = b"\x1f\x8b"


def visible_reference(session: Session, actor: Actor, volume_id: UUID) -> ReferenceMask:
    """The reference that came with a volume, for those who see all of its project.

    Raises:
        NotFound: ``not_found``, no such volume for the actor, or it has no reference.
    """
    reference = session.scalar(
        sa.select(ReferenceMask)
        .join(Volume, Volume.id == ReferenceMask.volume_id)
        .where(Volume.id == volume_id, takes_part(actor, Volume.project_id, *SEES_ALL))
    )
    if reference is None:
        raise NotFound(ErrorCode.NOT_FOUND, f"There is no reference of a volume {volume_id}.")
    return reference


class ReferenceFile(NamedTuple):
    """A stored reference and what a browser saves it as."""

    path: Path
    name: str
    media_type: str


def reference_file(session: Session, storage: LocalStorage, reference: ReferenceMask) -> ReferenceFile:
    """The reference as it was uploaded, unchanged.

    Raises:
        Corrupt: ``blob_missing``, ``blob_corrupt``.
    """
    path = storage.verify(reference.source_sha256)
    volume = session.get_one(Volume, reference.volume_id)
    with path.open("rb") as file:
        is_packed = file.read(2) == _GZIP
    name = f"{case_name(volume.name)}_reference.nii"
    if is_packed:
        return ReferenceFile(path, f"{name}.gz", "application/gzip")
    return ReferenceFile(path, name, "application/octet-stream")


def reference_bits(storage: LocalStorage, reference: ReferenceMask, label_index: int) -> bytes:
    """One label of a reference on the canonical grid, as ``core.region.mask_bits``.

    Raises:
        Corrupt: ``blob_missing``, ``blob_corrupt``.
    """
    # Imported here: a server starts without nibabel.
    from crowdmask.core.nifti import read_label_map

    path = storage.verify(reference.source_sha256)
    return mask_bits(read_label_map(path, assume_affine=reference.affine_assumed).voxels == label_index)
