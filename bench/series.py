"""The series of the sample data that the benchmarks of the engine use: volume, reference labels, window.

The folder is found through ``CROWDMASK_SAMPLE_DATA`` (default: ``shared/data`` beside the checkout). The labels of the
abdomens are the output of a model (TotalSegmentator), those of the sarcoma were drawn by an expert; both are a
*reference*. Attribution: abdomen CT and MR from TotalSegmentator's test fixtures (Wasserthal et al., Radiology: AI 2023,
doi:10.1148/ryai.230024, Apache-2.0); sarcoma from TCIA Soft-tissue-Sarcoma (Vallieres et al. 2015,
doi:10.7937/K9/TCIA.2015.7GO2GSKS, CC BY 3.0); hippocampus from the Medical Segmentation Decathlon (Antonelli et al. 2022,
doi:10.1038/s41467-022-30695-9, CC BY-SA 4.0).
"""

import os
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crowdmask.core.metrics import labels_present
from crowdmask.core.nifti import Image, read_label_map, read_volume
from crowdmask.core.slicepack import SlicePack, write_pack
from crowdmask.core.volume import Grid, check_same_grid
from crowdmask.core.windowing import Window, default_window

TOP = Path(__file__).parents[1]
ABDOMEN = {1: "spleen", 2: "right kidney", 3: "left kidney", 4: "liver", 5: "aorta"}
TUMOUR = {1: "tumour"}


@dataclass(frozen=True, eq=False)
class Series:
    """One volume with its reference.

    Attributes:
        name: of the series.
        voxels: ``(z, y, x)`` canonical, the volume's own unit.
        labels: ``(z, y, x)`` label map on the same grid.
        grid: of both.
        organs: name of each label that the reference holds, by integer.
        patient: who was scanned: series of one patient are not independent.
    """

    name: str
    voxels: NDArray[Any]
    labels: NDArray[Any]
    grid: Grid
    organs: Mapping[int, str]
    patient: str

    @contextmanager
    def pack(self) -> Iterator[tuple[SlicePack, Window]]:
        """The volume as the engine reads it, and the window it is shown with when nobody chose one."""
        with tempfile.TemporaryDirectory(prefix="crowdmask-bench-") as folder:
            path = Path(folder) / "volume.pack"
            summary = write_pack(path, self.voxels)
            window = default_window(
                finite_minimum=summary.finite_minimum,
                percentile_low=summary.percentile_low,
                percentile_high=summary.percentile_high,
            )
            with SlicePack.open(path) as opened:
                yield opened, window


_FILES = {
    "abdomen_ct": ("abdomen_ct/image.nii.gz", "abdomen_ct/labels.nii.gz", ABDOMEN),
    "abdomen_ct_dicom": ("abdomen_ct_dicom/series.zip", "abdomen_ct_dicom/labels_las.nii.gz", ABDOMEN),
    "abdomen_mr": ("abdomen_mr/image.nii.gz", "abdomen_mr/labels.nii.gz", ABDOMEN),
    "sarcoma_ct": ("sarcoma_001/CT_image.nii.gz", "sarcoma_001/CT_mask.nii.gz", TUMOUR),
    "sarcoma_pet": ("sarcoma_001/PET_image.nii.gz", "sarcoma_001/PET_mask.nii.gz", TUMOUR),
    "sarcoma_mr": ("sarcoma_001/MR_T1_image.nii.gz", "sarcoma_001/MR_T1_mask.nii.gz", TUMOUR),
}
SERIES = tuple(_FILES)
_SETS = {"Dataset904_HippoMini": {1: "anterior", 2: "posterior"}, "Dataset905_STSMini": TUMOUR}


def sample_data() -> Path:
    """The folder of sample data; ends the program when there is none."""
    folder = Path(os.environ.get("CROWDMASK_SAMPLE_DATA") or TOP.parent / "shared" / "data")
    if not folder.is_dir():
        sys.exit("Set CROWDMASK_SAMPLE_DATA to a folder of sample data.")
    return folder


def load_series(name: str) -> Series:
    """One of ``SERIES``."""
    patient = "sarcoma" if name.startswith("sarcoma") else name
    image_name, labels_name, names = _FILES[name]
    folder = sample_data()
    if image_name.endswith(".zip"):
        with tempfile.TemporaryDirectory(prefix="crowdmask-bench-") as temporary:
            image = read_volume(_dicom_as_nifti(folder / image_name, Path(temporary)))
    else:
        image = read_volume(folder / image_name)
    return _series(name, patient, image, folder / labels_name, names)


def load_cases(part: str) -> Iterator[Series]:
    """Hippocampus MR and sarcoma CT crops, drawn by experts: those that the nnU-Net sets train on (``Tr``), or test (``Ts``)."""
    for name, names in _SETS.items():
        for path in sorted((sample_data() / "nnunet" / name / f"images{part}").glob("*_0000.nii.gz")):
            case = path.name.removesuffix("_0000.nii.gz")
            labels = path.parents[1] / f"labels{part}" / f"{case}.nii.gz"
            yield _series(case, case, read_volume(path), labels, names)


def _series(name: str, patient: str, image: Image, labels: Path, names: Mapping[int, str]) -> Series:
    reference = read_label_map(labels)
    check_same_grid(image.grid, reference.grid, image_name=name, label_name=str(labels))
    organs = {label: names[label] for label in sorted(labels_present(reference.voxels))}
    return Series(name, image.voxels, reference.voxels.astype(np.uint8), image.grid, organs, patient)


def _dicom_as_nifti(archive: Path, folder: Path) -> Path:
    """The one series of a zip of DICOM files, written as NIfTI by an implementation that is not ours."""
    import SimpleITK

    with zipfile.ZipFile(archive) as files:
        for number, member in enumerate(files.infolist()):
            if not member.is_dir():
                (folder / f"{number}.dcm").write_bytes(files.read(member))
    reader = SimpleITK.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder)))
    path = folder / "series.nii.gz"
    SimpleITK.WriteImage(reader.Execute(), str(path))
    return path
