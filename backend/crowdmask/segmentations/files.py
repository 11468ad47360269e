"""Masks as files and as bits for a viewer. A mask whose bytes have changed is never given out."""

from dataclasses import dataclass
from pathlib import Path

from crowdmask.core.errors import ErrorCode, NotFound
from crowdmask.core.nnunet_layout import case_name
from crowdmask.core.region import mask_bits
from crowdmask.infra.storage import LocalStorage
from crowdmask.segmentations.derived_queries import VisibleDerived
from crowdmask.segmentations.queries import VisibleMask


@dataclass(frozen=True)
class StoredMask:
    """A mask's file, whoever made it.

    Attributes:
        sha256: of the file, a NIfTI on the grid of the volume's source.
        name: what the browser saves it as: letters that every file system takes, and nobody's name.
        value: the integer that is the mask; None: all that is not 0.
        affine_assumed: whether the file lacks an orientation, as its volume's does.
        uncertainty_sha256: of its map; None where there is none.
    """

    sha256: str
    name: str
    value: int | None = None
    affine_assumed: bool = False
    uncertainty_sha256: str | None = None

    @property
    def version(self) -> str:
        """Unlike that of every other mask; labels of one file differ."""
        return self.sha256 if self.value is None else f"{self.sha256}-{self.value}"


def of_segmentation(mask: VisibleMask) -> StoredMask:
    """The file of submitted work's mask."""
    return StoredMask(
        mask.segmentation.mask_sha256,
        _name(mask.volume.name, mask.label.name),
        affine_assumed=mask.volume.affine_assumed,
        uncertainty_sha256=mask.segmentation.uncertainty_sha256,
    )


def of_derived(mask: VisibleDerived) -> StoredMask:
    """The file of a mask that a dataset asked for."""
    return StoredMask(
        mask.mask_sha256,
        _name(mask.volume.name, mask.label.name, mask.derived.rule, mask.derived.completion),
        affine_assumed=mask.volume.affine_assumed,
        uncertainty_sha256=mask.derived.uncertainty_sha256,
    )


def checked_path(storage: LocalStorage, mask: StoredMask) -> Path:
    """The stored file of a mask, after reading it whole and finding it unchanged.

    Raises:
        Corrupt: ``blob_missing``, ``blob_corrupt``.
    """
    return storage.verify(mask.sha256)


def canonical_bits(storage: LocalStorage, mask: StoredMask) -> bytes:
    """The mask on the canonical grid, as ``core.region.mask_bits``.

    Raises:
        Corrupt: ``blob_missing``, ``blob_corrupt``.
    """
    # Imported here: a server starts without nibabel.
    from crowdmask.core.nifti import read_label_map

    # A mask lies on its source's grid: without orientation where the source has none.
    voxels = read_label_map(checked_path(storage, mask), assume_affine=mask.affine_assumed).voxels
    return mask_bits(voxels > 0 if mask.value is None else voxels == mask.value)


def uncertainty_path(storage: LocalStorage, mask: StoredMask) -> Path:
    """The stored map of a mask's uncertainty, as ``core.region.map_bytes``.

    Raises:
        NotFound: ``not_found`` where an earlier version made the mask.
        Corrupt: ``blob_missing``, ``blob_corrupt``.
    """
    if mask.uncertainty_sha256 is None:
        raise NotFound(
            ErrorCode.NOT_FOUND,
            f"The mask {mask.name} has no map of its uncertainty: it was made before there were any.",
            hint="Have it made again: an admin can run its job again on the page of jobs.",
        )
    return storage.verify(mask.uncertainty_sha256)


def _name(*parts: str) -> str:
    return "_".join(case_name(part) for part in parts) + ".nii.gz"
