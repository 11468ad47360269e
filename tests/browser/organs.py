"""The real CT with the reference of three organs, and the boxes that people would draw around them."""

from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np

from crowdmask.core.nifti import read_label_map
from tests.browser.workspace import Box

LABELS = ("right kidney", "left kidney", "liver")
_IN_THE_SAMPLE = (2, 3, 4)


@dataclass(frozen=True)
class Organs:
    """``boxes``: label -> slice -> the smallest box around all of it."""

    ct: Path
    reference: Path
    boxes: dict[str, dict[int, Box]]


def organs_of(sample_data: Path, folder: Path, *, only: slice | None = None) -> Organs:
    """The CT of the sample data, or some of its slices (of the file's last axis), and its labels numbered from 1."""
    source = sample_data / "abdomen_ct"
    ct, labels = nib.load(source / "image.nii.gz"), nib.load(source / "labels.nii.gz")
    if only is not None:
        ct, labels = ct.slicer[:, :, only], labels.slicer[:, :, only]
    given = np.asarray(labels.dataobj)
    numbered = np.zeros(given.shape, np.uint8)
    for number, integer in enumerate(_IN_THE_SAMPLE, start=1):
        numbered[given == integer] = number
    nib.save(ct, folder / "ct.nii.gz")
    nib.save(nib.Nifti1Image(numbered, labels.affine, labels.header), folder / "labels.nii.gz")
    voxels = read_label_map(folder / "labels.nii.gz").voxels
    boxes = {name: _boxes(voxels == number) for number, name in enumerate(LABELS, start=1)}
    return Organs(folder / "ct.nii.gz", folder / "labels.nii.gz", boxes)


def _boxes(mask: np.ndarray) -> dict[int, Box]:
    found = {}
    for z in np.flatnonzero(mask.any(axis=(1, 2))):
        rows, columns = np.flatnonzero(mask[z].any(axis=1)), np.flatnonzero(mask[z].any(axis=0))
        found[int(z)] = (
            int(columns[0]),
            int(rows[0]),
            int(columns[-1]) + 1,
            int(rows[-1]) + 1,
        )
    return found
