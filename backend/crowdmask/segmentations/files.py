"""Masks as files and as bits for a viewer. A mask whose bytes have changed is never given out."""

from pathlib import Path

from crowdmask.core.nnunet_layout import case_name
from crowdmask.core.region import mask_bits
from crowdmask.infra.storage import LocalStorage
from crowdmask.segmentations.queries import VisibleMask


def checked_path(storage: LocalStorage, mask: VisibleMask) -> Path:
    """The stored file of a mask, after reading it whole and finding it unchanged.

    Raises:
        Corrupt: ``blob_missing``, ``blob_corrupt``.
    """
    return storage.verify(mask.segmentation.mask_sha256)


def download_name(mask: VisibleMask) -> str:
    """What the browser saves it as: volume and label in letters that every file system takes, and nobody's name."""
    return f"{case_name(mask.volume.name)}_{case_name(mask.label.name)}.nii.gz"


def canonical_bits(storage: LocalStorage, mask: VisibleMask) -> bytes:
    """The mask on the canonical grid, as ``core.region.mask_bits``.

    Raises:
        Corrupt: ``blob_missing``, ``blob_corrupt``.
    """
    # Imported here: a server starts without nibabel.
    from crowdmask.core.nifti import read_label_map

    # A mask lies on its source's grid: without orientation where the source has none.
    image = read_label_map(checked_path(storage, mask), assume_affine=mask.volume.affine_assumed)
    return mask_bits(image.voxels > 0)
