"""Folders in nnU-Net v2's raw layout: write, read, check.

``DatasetXXX_Name/`` holds ``dataset.json``, ``imagesTr/CASE_0000.nii.gz`` (one file per channel),
``labelsTr/CASE.nii.gz`` and the same for ``Ts``. nnU-Net pairs image and label voxel by voxel in file order, so a
label that lies on the same grid in another order is as wrong as a shifted one.

The checks are those of ``nnUNetv2_plan_and_preprocess --verify_dataset_integrity`` (nnU-Net 2), with its warnings
about origin and direction made errors. They need no nnU-Net installed.
"""

import gzip
import json
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crowdmask.core.errors import Conflict, CrowdmaskError, ErrorCode, InvalidInput
from crowdmask.core.files import write_whole
from crowdmask.core.labels import Label, LabelSet
from crowdmask.core.nifti import (
    NIFTI1_HEADER_BYTES,
    Image,
    read_label_map,
    read_source_grid,
    read_volume,
    write_mask,
    write_volume,
)
from crowdmask.core.nnunet_layout import CASE, FILE_ENDING, DatasetFolder, Split, case_name
from crowdmask.core.volume import is_sheared

__all__ = [
    "FILE_ENDING",
    "Case",
    "Dataset",
    "DatasetDescription",
    "DatasetFolder",
    "DatasetReport",
    "Split",
    "case_name",
    "check_dataset",
    "read_dataset",
    "write_case",
    "write_dataset_json",
]

_IMAGE = re.compile(r"(?P<case>.+)_(?P<channel>\d{4})\.nii\.gz")
_GZIP_MAGIC = b"\x1f\x8b"
_SHEARED = "the axes of the image are not at right angles, which SimpleITK, nnU-Net's reader, cannot take"
#: SimpleITK refuses an sform (unless a qform stands beside it) from a cosine of 1e-4 between two axes.
_SIMPLEITK_SHEAR = 5e-5


@dataclass(frozen=True, slots=True)
class DatasetDescription:
    """What ``dataset.json`` says. ``channel_names`` in channel order: nnU-Net normalises ``CT`` in its own way. ``ignores``:
    whether the integer after the last label marks voxels that nobody decided.
    """

    channel_names: tuple[str, ...]
    labels: LabelSet
    training_cases: int
    ignores: bool = False

    @property
    def ignore_index(self) -> int:
        """The integer of undecided voxels, where there may be any."""
        return len(self.labels.labels) + 1


@dataclass(frozen=True, slots=True)
class Case:
    """One case: a file per channel, and its label, which only a test case may lack."""

    name: str
    split: Split
    images: tuple[Path, ...]
    label: Path | None


@dataclass(frozen=True, slots=True)
class Dataset:
    """A dataset as it lies on disk; ``cases`` by split and name."""

    folder: DatasetFolder
    description: DatasetDescription
    cases: tuple[Case, ...]

    def of(self, split: Split) -> tuple[Case, ...]:
        return tuple(case for case in self.cases if case.split is split)


@dataclass(frozen=True, slots=True)
class DatasetReport:
    """What the check of a good dataset found.

    Attributes:
        dataset: what was read.
        training_cases, test_cases: how many.
        cases_with_label: training cases that hold the label, by label integer.
        empty_cases: training cases whose label is background only; allowed, worth a look.
    """

    dataset: Dataset
    training_cases: int
    test_cases: int
    cases_with_label: Mapping[int, int] = field(default_factory=dict)
    empty_cases: tuple[str, ...] = ()


def write_case(
    folder: DatasetFolder,
    case: str,
    *,
    image: Path,
    mask: NDArray[Any],
    split: Split = Split.TRAINING,
    assume_affine: bool = False,
    volume_index: int | None = None,
) -> bool:
    """Write image and label of one single-channel case.

    The image is copied byte for byte (an uncompressed file is only compressed) when nnU-Net can read it as it is,
    and the label is written on its grid. Otherwise (one volume of a 4D file, no orientation, a voxel size that
    contradicts the affine, voxels that are not finite) both are written anew on the canonical grid.

    Args:
        folder: of the dataset; sub-folders are made.
        case: name as ``case_name`` gives it.
        image: NIfTI file.
        mask: ``(z, y, x)`` on the canonical grid, integers 0..255.
        split: training or test.
        assume_affine, volume_index: as for ``nifti.read_volume``, as decided when the volume was imported.

    Returns:
        Whether the image kept its own grid.

    Raises:
        CrowdmaskError: whatever ``nifti.read_volume`` refuses.
        InvalidInput: ``dataset_invalid`` when the image's axes are not at right angles.
        Conflict: ``grid_mismatch`` when the mask's shape is not the image's.
    """
    volume = read_volume(image, assume_affine=assume_affine, volume_index=volume_index)
    if is_sheared(volume.grid.affine):
        raise _invalid(
            folder, f"case {case}: {_SHEARED}", hint="Leave the case out, or resample its image first."
        )
    if mask.shape != volume.grid.shape:
        raise Conflict(
            ErrorCode.GRID_MISMATCH,
            f"Case {case}: the mask has the shape {mask.shape} and the image {volume.grid.shape} (z, y, x).",
        )
    image_path, label_path = folder.image_path(case, split=split), folder.label_path(case, split=split)
    image_path.parent.mkdir(parents=True, exist_ok=True)
    label_path.parent.mkdir(parents=True, exist_ok=True)
    if volume_index is None and not assume_affine and _readable_as_it_is(volume):
        _copy_compressed(image, image_path)
        write_mask(label_path, mask, volume.source)
        return True
    write_volume(image_path, _writable(volume.voxels), volume.grid)
    write_mask(label_path, mask, read_source_grid(image_path))
    return False


def write_dataset_json(folder: DatasetFolder, description: DatasetDescription) -> Path:
    """Write ``dataset.json`` and return its path.

    Raises:
        InvalidInput: ``labels_invalid`` when a label has a name that nnU-Net keeps for itself.
    """
    for label in description.labels.labels:
        if label.name.casefold() in ("background", "ignore"):
            raise InvalidInput(
                ErrorCode.LABELS_INVALID,
                f"nnU-Net keeps the name {label.name!r} for itself.",
                hint="Give the label another name.",
            )
    content = {
        "channel_names": {str(number): name for number, name in enumerate(description.channel_names)},
        "labels": {"background": 0}
        | {label.name: label.index for label in description.labels.labels}
        | ({"ignore": description.ignore_index} if description.ignores else {}),
        "numTraining": description.training_cases,
        "file_ending": FILE_ENDING,
    }
    folder.path.mkdir(parents=True, exist_ok=True)
    text = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
    with write_whole(folder.description_path) as file:
        file.write(text.encode())
    return folder.description_path


def read_dataset(path: Path) -> Dataset:
    """Read ``dataset.json`` and the names of the files, without opening an image.

    Raises:
        InvalidInput: ``dataset_invalid``, naming the case or file, when something is missing, has a name that
            nnU-Net would not find, or when ``numTraining`` is not the number of training cases.
    """
    folder = DatasetFolder(Path(os.path.abspath(path)))
    description = _read_description(folder)
    training = _read_cases(folder, Split.TRAINING, channels=len(description.channel_names))
    test = _read_cases(folder, Split.TEST, channels=len(description.channel_names))
    if not training:
        raise _invalid(folder, "there is no training case in imagesTr")
    if len(training) != description.training_cases:
        raise _invalid(
            folder,
            f"dataset.json says {description.training_cases} training cases, there are {len(training)}",
        )
    return Dataset(folder, description, training + test)


def check_dataset(path: Path) -> DatasetReport:
    """Apply nnU-Net's integrity rules to a dataset folder, reading every file.

    Each training case has all its channels and a label; image and label have the same shape, spacing, origin and
    direction in file order; images hold no NaN; labels hold only the integers that ``dataset.json`` names.
    Test cases are checked likewise where they have a label.

    Raises:
        InvalidInput: ``dataset_invalid``, naming the first case that breaks a rule.
    """
    dataset = read_dataset(path)
    holders = dict.fromkeys((label.index for label in dataset.description.labels.labels), 0)
    empty = []
    for case in dataset.cases:
        present = _check_case(dataset, case)
        if case.split is not Split.TRAINING:
            continue
        for index in present:
            holders[index] += 1
        if not present:
            empty.append(case.name)
    return DatasetReport(
        dataset,
        training_cases=len(dataset.of(Split.TRAINING)),
        test_cases=len(dataset.of(Split.TEST)),
        cases_with_label=holders,
        empty_cases=tuple(empty),
    )


def _check_case(dataset: Dataset, case: Case) -> set[int]:
    """The labels that the case holds."""
    folder = dataset.folder
    where = f"case {case.name}"
    try:
        volumes = [read_volume(path) for path in case.images]
        label = read_label_map(case.label) if case.label is not None else None
    except CrowdmaskError as error:
        raise _invalid(folder, f"{where}: {error.message.rstrip('.')}") from error
    if any(is_sheared(volume.grid.affine) for volume in volumes):
        raise _invalid(folder, f"{where}: {_SHEARED}")
    for path, volume in zip(case.images, volumes, strict=True):
        if not np.isfinite(volume.voxels).all():
            raise _invalid(folder, f"{where}: {path.name} has voxels that are not finite")
        for other, what in ((volumes[0], case.images[0].name), (label, "the label")):
            if other is not None and (difference := _grid_difference(volume, other)):
                raise _invalid(folder, f"{where}: {path.name} and {what} differ in {difference}")
    if label is None:
        return set()
    present = {int(value) for value in np.unique(label.voxels)} - {0}
    description = dataset.description
    if description.ignores:
        present.discard(description.ignore_index)
    unexpected = sorted(present - {known.index for known in description.labels.labels})
    if unexpected:
        raise _invalid(folder, f"{where}: the label holds {unexpected[:5]}, which dataset.json does not name")
    return present


def _grid_difference(one: Image, other: Image) -> str:
    """What differs between two grids in file order; empty when nothing does."""
    if one.grid.shape != other.grid.shape:
        return f"shape ({one.grid.shape} and {other.grid.shape}, z, y, x)"
    if one.source.orientation != other.source.orientation:
        return "the order or direction of their axes"
    if not np.allclose(one.grid.spacing, other.grid.spacing):
        return f"spacing ({one.grid.spacing} and {other.grid.spacing} mm)"
    if not one.grid.matches(other.grid):
        return "origin or direction"
    return ""


def _read_description(folder: DatasetFolder) -> DatasetDescription:
    try:
        content = json.loads(folder.description_path.read_bytes())
    except FileNotFoundError:
        raise _invalid(folder, "there is no dataset.json") from None
    except (ValueError, RecursionError):
        raise _invalid(folder, "dataset.json is no JSON") from None
    if not isinstance(content, dict):
        raise _invalid(folder, "dataset.json is no JSON object")
    missing = [key for key in ("channel_names", "labels", "numTraining", "file_ending") if key not in content]
    if missing:
        raise _invalid(folder, f"dataset.json lacks {', '.join(missing)}")
    channels, labels, training = content["channel_names"], content["labels"], content["numTraining"]
    if content["file_ending"] != FILE_ENDING:
        raise _invalid(
            folder, f"dataset.json says files end in {content['file_ending']!r}, not in {FILE_ENDING}"
        )
    if "dataset" in content:
        raise _invalid(folder, "dataset.json lists files of its own; only imagesTr and labelsTr are read")
    if not isinstance(channels, dict) or sorted(channels) != sorted(str(n) for n in range(len(channels))):
        raise _invalid(folder, "channel_names in dataset.json are not numbered from 0")
    if not channels:
        raise _invalid(folder, "dataset.json names no channel")
    if not isinstance(training, int) or isinstance(training, bool):
        raise _invalid(folder, f"numTraining in dataset.json is {training!r}, not a whole number")
    names = tuple(str(channels[str(number)]) for number in range(len(channels)))
    ignored = labels.pop("ignore", None) if isinstance(labels, dict) else None
    description = DatasetDescription(names, _label_set(folder, labels), training, ignored is not None)
    if description.ignores and ignored != description.ignore_index:
        raise _invalid(
            folder,
            f"the label ignore in dataset.json is {ignored!r}; it has to be the highest, {description.ignore_index}",
        )
    return description


def _label_set(folder: DatasetFolder, labels: object) -> LabelSet:
    if not isinstance(labels, dict) or not all(type(value) is int for value in labels.values()):
        raise _invalid(folder, "labels in dataset.json are not names with one integer each")
    if labels.get("background") != 0:
        raise _invalid(folder, "labels in dataset.json have no background 0")
    foreground = sorted((value, name) for name, value in labels.items() if name != "background")
    if [value for value, _ in foreground] != list(range(1, len(foreground) + 1)):
        found = [value for value, _ in foreground]
        raise _invalid(folder, f"labels in dataset.json are not consecutive from 1: {found[:20]}")
    try:
        return LabelSet(tuple(Label(value, name) for value, name in foreground))
    except CrowdmaskError as error:
        raise _invalid(folder, f"labels in dataset.json: {error.message.rstrip('.')}") from error


def _read_cases(folder: DatasetFolder, split: Split, *, channels: int) -> tuple[Case, ...]:
    images: dict[str, dict[int, Path]] = {}
    for path in _files(folder.images(split)):
        match = _IMAGE.fullmatch(path.name)
        if match is None or not CASE.fullmatch(match["case"]):
            raise _invalid(folder, f"images{split}/{path.name} is not named CASE_0000.nii.gz")
        images.setdefault(match["case"], {})[int(match["channel"])] = path
    labels = {path.name.removesuffix(FILE_ENDING): path for path in _files(folder.labels(split))}
    for name in sorted(labels.keys() - images.keys()):
        raise _invalid(folder, f"case {name} has a label in labels{split} but no image")
    cases = []
    for name, files in sorted(images.items()):
        if sorted(files) != list(range(channels)):
            expected = f"{channels} channel{'s' * (channels != 1)} numbered from 0"
            raise _invalid(folder, f"case {name} has the channels {sorted(files)}, expected are {expected}")
        if split is Split.TRAINING and name not in labels:
            raise _invalid(folder, f"case {name} has no label in labels{split}")
        cases.append(Case(name, split, tuple(files[n] for n in range(channels)), labels.get(name)))
    return tuple(cases)


def _files(folder: Path) -> list[Path]:
    """The image files of a folder that nnU-Net would take; none when the folder does not exist."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.name.endswith(FILE_ENDING))


def _readable_as_it_is(volume: Image) -> bool:
    """Whether nnU-Net's reader (SimpleITK) takes the file, and takes it as we do.

    That is NIfTI-1, three axes at right angles, a usual scaling, finite voxels, and in pixdim, where SimpleITK looks
    for the voxel size, the one that the affine has.
    """
    unusual = {"squeezed", "single_slice", "scaling_ignored", "spacing_differs"}
    return (
        len(volume.source.header) == NIFTI1_HEADER_BYTES
        and not is_sheared(volume.grid.affine, _SIMPLEITK_SHEAR)
        and not any(notice.code in unusual for notice in volume.notices)
        and bool(np.isfinite(volume.voxels).all())
    )


def _writable(voxels: NDArray[Any]) -> NDArray[Any]:
    """The same values in a dtype that ``write_volume`` takes; those not finite as in the slice pack, the lowest."""
    if voxels.dtype.kind == "f":
        finite = np.isfinite(voxels)
        if not finite.all():
            voxels = np.where(finite, voxels, voxels[finite].min())
        return voxels.astype(np.float32, copy=False)
    for dtype in (np.uint8, np.int16, np.int32):
        limits = np.iinfo(dtype)
        if limits.min <= voxels.min() and voxels.max() <= limits.max:
            return voxels.astype(dtype, copy=False)
    return voxels.astype(np.float32)


def _copy_compressed(source: Path, target: Path) -> None:
    with source.open("rb") as read:
        compressed = read.read(2) == _GZIP_MAGIC
        read.seek(0)
        with write_whole(target) as written:
            if compressed:
                shutil.copyfileobj(read, written)
            else:  # no name and no time in it, so that the same image gives the same bytes
                with gzip.GzipFile(filename="", mode="wb", fileobj=written, mtime=0) as packed:
                    shutil.copyfileobj(read, packed)


def _invalid(folder: DatasetFolder, what: str, *, hint: str = "") -> InvalidInput:
    return InvalidInput(
        ErrorCode.DATASET_INVALID,
        f"{folder.path.name} is not a dataset that nnU-Net takes: {what}.",
        hint=hint,
    )
