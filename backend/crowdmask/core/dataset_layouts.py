"""Datasets as they are published: which images, references and boxes a folder holds, whatever its layout. Opens no image.

Known layouts:

* ``nnunet``: nnU-Net v2, ``imagesTr/CASE_0000.nii.gz``, ``labelsTr/CASE.nii.gz`` (and ``Ts``), ``dataset.json``;
* ``msd``: Medical Segmentation Decathlon, ``imagesTr/CASE.nii.gz`` (several channels in one file), ``labelsTr``;
* ``btcv``: ``img/imgNNNN.nii.gz`` and ``label/labelNNNN.nii.gz``, as the challenge gives them out;
* ``released``: what Kulkarni et al. (arXiv 2402.05713) released of theirs, ``prompt/imgNNNN-sliceNNN.txt`` and
  ``sam_labels/labelNNNN.nii.gz``, without images and references.

Of each a part may be missing; what can be done with the rest is for the caller to say.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Any

from crowdmask.core.errors import CrowdmaskError, ErrorCode, InvalidInput
from crowdmask.core.labels import Label
from crowdmask.core.nnunet_layout import Split

_NUMBERED = re.compile(r"(?:img|label)(?P<number>\d{4})")
_ENDINGS = (".nii.gz", ".nii")
_HINT = (
    "Give a folder in the layout of nnU-Net v2 or of the Medical Segmentation Decathlon (dataset.json, imagesTr, "
    "labelsTr), of BTCV (img, label), or the released prompts and masks (prompt, sam_labels)."
)

BTCV_LABELS = (
    Label(1, "spleen"),
    Label(2, "right kidney"),
    Label(3, "left kidney"),
    Label(6, "liver"),
    Label(8, "aorta"),
)
"""The five of its thirteen organs that the paper uses."""
RELEASED_LABELS = tuple(Label(number, label.name) for number, label in enumerate(BTCV_LABELS, start=1))


class Layout(StrEnum):
    """See the module."""

    NNUNET = "nnunet"
    MSD = "msd"
    BTCV = "btcv"
    RELEASED = "released"


@dataclass(frozen=True, slots=True)
class PublishedCase:
    """One volume.

    Attributes:
        name: also what the files of its prompts begin with.
        split: training or test.
        image: None when it is not there.
        volume_index: which volume of ``image``; None when the layout has one per file.
        reference: label map of the dataset's authors; None when it is not there.
        released: label map that others made from boxes, without a geometry of its own.
    """

    name: str
    split: Split
    image: Path | None
    volume_index: int | None = None
    reference: Path | None = None
    released: Path | None = None


@dataclass(frozen=True, slots=True)
class PublishedDataset:
    """What a folder holds.

    Attributes:
        labels: in ascending order of their integers, which may have gaps.
        cases: training before test, each by name.
        modality: of the chosen channel, as nnU-Net wants it named; ``CT`` is normalised in its own way.
        prompts: folder of boxes in OpenLabeling's form, when the layout has one.
        prompt_classes: label of each class of such boxes, where it is known.
    """

    folder: Path
    layout: Layout
    labels: tuple[Label, ...]
    cases: tuple[PublishedCase, ...]
    modality: str = "CT"
    prompts: Path | None = None
    prompt_classes: Mapping[int, int] = field(default_factory=lambda: MappingProxyType({}))


def read_published(folder: Path, *, channel: int = 0) -> PublishedDataset:
    """Tell the layout of a folder and list its cases.

    Args:
        folder: of the dataset; of BTCV also the one that holds ``Training``.
        channel: which one of images that have several.

    Raises:
        InvalidInput: ``dataset_invalid`` when it is in none of the layouts, or a description cannot be read.
    """
    if (folder / "dataset.json").is_file():
        description = _description(folder)
        if "channel_names" in description:
            return _nnunet(folder, description, channel)
        return _msd(folder, description, channel)
    for place in (folder, folder / "Training", folder / "RawData" / "Training"):
        if (place / "img").is_dir() or (place / "label").is_dir():
            return _btcv(place)
    if (folder / "prompt").is_dir():
        return _released(folder)
    raise _invalid(folder, "is in no layout that can be read", hint=_HINT)


def _nnunet(folder: Path, description: Mapping[str, Any], channel: int) -> PublishedDataset:
    if str(channel) not in description["channel_names"]:
        raise _invalid(folder, f"has no channel {channel}; it has {', '.join(description['channel_names'])}")
    suffix = f"_{channel:04d}"
    cases: list[PublishedCase] = []
    for split in Split:
        images = {
            name.removesuffix(suffix): path
            for name, path in _files(folder / f"images{split}").items()
            if name.endswith(suffix)
        }
        cases += _paired(split, images, _files(folder / f"labels{split}"), None)
    return _dataset(
        folder,
        Layout.NNUNET,
        _labels(folder, description, swapped=False),
        cases,
        modality=str(description["channel_names"][str(channel)]),
    )


def _msd(folder: Path, description: Mapping[str, Any], channel: int) -> PublishedDataset:
    modalities = description.get("modality", {"0": ""})
    if not isinstance(modalities, dict) or str(channel) not in modalities:
        raise _invalid(folder, f"has no channel {channel}; dataset.json names the modalities {modalities}")
    index = channel if len(modalities) > 1 else None
    cases: list[PublishedCase] = []
    for split in Split:
        images, labels = _files(folder / f"images{split}"), _files(folder / f"labels{split}")
        cases += _paired(split, images, labels, index)
    return _dataset(
        folder,
        Layout.MSD,
        _labels(folder, description, swapped=True),
        cases,
        modality=str(modalities[str(channel)]),
    )


def _btcv(folder: Path) -> PublishedDataset:
    images, labels = _numbered(folder / "img"), _numbered(folder / "label")
    cases = _paired(Split.TRAINING, images, labels, None)
    classes = {label - 1: label for label in range(1, 14)}
    return _dataset(folder, Layout.BTCV, BTCV_LABELS, cases, classes=classes)


def _released(folder: Path) -> PublishedDataset:
    masks = _numbered(folder / "sam_labels")
    prompted = {path.name.partition("-slice")[0] for path in (folder / "prompt").glob("*-slice*.txt")}
    cases = [
        PublishedCase(name, Split.TRAINING, None, released=masks.get(name))
        for name in sorted({*masks, *prompted})
    ]
    classes = {
        original.index - 1: label.index for original, label in zip(BTCV_LABELS, RELEASED_LABELS, strict=True)
    }
    return _dataset(
        folder, Layout.RELEASED, RELEASED_LABELS, cases, prompts=folder / "prompt", classes=classes
    )


def _dataset(
    folder: Path,
    layout: Layout,
    labels: tuple[Label, ...],
    cases: Iterable[PublishedCase],
    *,
    modality: str = "CT",
    prompts: Path | None = None,
    classes: Mapping[int, int] = MappingProxyType({}),
) -> PublishedDataset:
    listed = tuple(cases)
    if not listed:
        raise _invalid(folder, f"has the layout of {layout} but holds no case", hint=_HINT)
    return PublishedDataset(folder, layout, labels, listed, modality, prompts, classes)


def _paired(
    split: Split, images: Mapping[str, Path], labels: Mapping[str, Path], volume_index: int | None
) -> list[PublishedCase]:
    return [
        PublishedCase(name, split, images.get(name), volume_index, labels.get(name))
        for name in sorted({*images, *labels})
    ]


def _files(folder: Path) -> dict[str, Path]:
    """NIfTI files by their names without ending; hidden ones, which archives of other systems leave behind, are none."""
    if not folder.is_dir():
        return {}
    return {
        path.name.removesuffix(ending): path
        for path in sorted(folder.iterdir())
        for ending in _ENDINGS
        if path.name.endswith(ending) and not path.name.startswith(".")
    }


def _numbered(folder: Path) -> dict[str, Path]:
    """Files ``imgNNNN`` or ``labelNNNN`` by ``imgNNNN``; files of another form are not of the dataset."""
    return {
        f"img{match['number']}": path
        for name, path in _files(folder).items()
        if (match := _NUMBERED.fullmatch(name))
    }


def _description(folder: Path) -> dict[str, Any]:
    try:
        content = json.loads((folder / "dataset.json").read_bytes())
    except (ValueError, RecursionError):
        raise _invalid(folder, "has a dataset.json that is no JSON") from None
    if not isinstance(content, dict) or not isinstance(content.get("labels"), dict):
        raise _invalid(folder, "has a dataset.json that names no labels")
    return content


def _labels(folder: Path, description: Mapping[str, Any], *, swapped: bool) -> tuple[Label, ...]:
    """``swapped``: the decathlon writes integer: name, nnU-Net name: integer."""
    found = []
    for key, value in description["labels"].items():
        name, number = (value, key) if swapped else (key, value)
        try:
            index = int(number)
            if index > 0 and str(name) != "ignore":
                found.append(Label(index, str(name)))
        except (TypeError, ValueError, CrowdmaskError) as error:
            raise _invalid(
                folder, f"has a dataset.json with the label {name!r}: {number!r} ({error})"
            ) from None
    if not found:
        raise _invalid(folder, "has a dataset.json that names no label but the background")
    return tuple(sorted(found, key=lambda label: label.index))


def _invalid(folder: Path, what: str, *, hint: str = "") -> InvalidInput:
    return InvalidInput(ErrorCode.DATASET_INVALID, f"{folder} {what}.", hint=hint)
