"""Volumes with real files behind them, as the jobs leave them."""

from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from crowdmask.accounts.actor import Actor
from crowdmask.core import nifti
from crowdmask.core.slicepack import PackSummary, write_pack
from crowdmask.core.volume import Grid
from crowdmask.infra.storage import LocalStorage
from crowdmask.models import Volume
from crowdmask.volumes import service
from crowdmask.volumes.intake import receive

GRID = Grid(shape=(4, 12, 17), affine=np.array([[-2.0, 0, 0, 9], [0, -2, 0, 8], [0, 0, 3, 7], [0, 0, 0, 1]]))


def add_ready_volume(
    session: Session,
    admin: Actor,
    storage: LocalStorage,
    folder: Path,
    *,
    project_id: UUID,
    name: str = "ct",
    voxels: NDArray[Any] | None = None,
) -> tuple[Volume, PackSummary]:
    """Received and ingested; without ``voxels`` noise as in a CT."""
    if voxels is None:
        voxels = np.random.default_rng(len(name)).integers(-1000, 1000, GRID.shape, dtype=np.int16)
    nifti.write_volume(folder / "image.nii.gz", voxels, GRID)
    received = receive(folder / "image.nii.gz", storage)
    volume = service.add_volume(session, admin, project_id=project_id, name=name, received=received)
    return volume, ingest(session, storage, folder, volume)


def ingest(session: Session, storage: LocalStorage, folder: Path, volume: Volume) -> PackSummary:
    """What the job ``ingest`` does."""
    image = nifti.read_volume(storage.path(volume.source_sha256), assume_affine=volume.affine_assumed)
    summary = write_pack(folder / "made.pack", image.voxels)
    storage.put_file(folder / "made.pack")
    service.record_pack(session, volume_id=volume.id, summary=summary)
    return summary
