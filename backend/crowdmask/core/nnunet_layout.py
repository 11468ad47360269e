"""Names and places of an nnU-Net v2 raw dataset: no file is opened here.

Names reach nnU-Net's command lines and other people's file systems, so only ``[A-Za-z0-9_]`` is used; the names
that people gave stand in the manifest of an export.
"""

import re
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Self

from crowdmask.core.errors import ErrorCode, InvalidInput

FILE_ENDING = ".nii.gz"
CASE = re.compile(r"[A-Za-z0-9_]+")
_FOLDER = re.compile(r"Dataset(?P<number>\d{3})_(?P<name>[A-Za-z0-9_]+)")
_LONGEST_NAME = 60
# Names that Windows keeps for devices, with any ending.
_DEVICE = re.compile(r"(?i)(con|prn|aux|nul|(com|lpt)[0-9])")


class Split(StrEnum):
    """Ending of the folders of training and of test cases."""

    TRAINING = "Tr"
    TEST = "Ts"


@dataclass(frozen=True, slots=True)
class DatasetFolder:
    """Where each file of a dataset lies. ``path`` ends in ``DatasetXXX_Name``; nothing has to exist yet."""

    path: Path

    def __post_init__(self) -> None:
        if not _FOLDER.fullmatch(self.path.name):
            raise InvalidInput(
                ErrorCode.DATASET_INVALID,
                f"{self.path.name[:80]!r} is no nnU-Net dataset folder's name.",
                hint="Call it Dataset, three digits, underscore and a name, as in Dataset042_Abdomen.",
            )

    @classmethod
    def named(cls, parent: Path, *, number: int, name: str) -> Self:
        """The folder ``DatasetXXX_Name`` in ``parent``; what nnU-Net cannot take in ``name`` becomes ``_``.

        Raises:
            InvalidInput: ``dataset_invalid`` when ``number`` is not in 1..999.
        """
        if not 1 <= number <= 999:
            raise InvalidInput(ErrorCode.DATASET_INVALID, f"The dataset number {number} is not in 1..999.")
        return cls(parent / f"Dataset{number:03d}_{_slug(name)[:_LONGEST_NAME].strip('_') or 'Unnamed'}")

    @property
    def description_path(self) -> Path:
        return self.path / "dataset.json"

    def images(self, split: Split) -> Path:
        return self.path / f"images{split}"

    def labels(self, split: Split) -> Path:
        return self.path / f"labels{split}"

    def image_path(self, case: str, *, split: Split = Split.TRAINING, channel: int = 0) -> Path:
        return self.images(split) / f"{_checked_case(case)}_{channel:04d}{FILE_ENDING}"

    def label_path(self, case: str, *, split: Split = Split.TRAINING) -> Path:
        return self.labels(split) / f"{_checked_case(case)}{FILE_ENDING}"


def case_name(text: str, taken: Collection[str] = ()) -> str:
    """A name of ``[A-Za-z0-9_]`` made of any text, unlike all in ``taken`` whatever the case of its letters."""
    stem = _slug(text)[:_LONGEST_NAME].strip("_") or "case"
    if _DEVICE.fullmatch(stem):
        stem = f"case_{stem}"
    used = {name.casefold() for name in taken}
    name, number = stem, 1
    while name.casefold() in used:
        number += 1
        name = f"{stem}_{number}"
    return name


def _slug(text: str) -> str:
    ascii_text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9]+", "_", ascii_text).strip("_")


def _checked_case(case: str) -> str:
    if not CASE.fullmatch(case):
        raise InvalidInput(
            ErrorCode.DATASET_INVALID,
            f"{case[:80]!r} cannot name a case.",
            hint="Use letters, digits and underscores only.",
        )
    return case
