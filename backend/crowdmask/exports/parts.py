"""Parts of a written dataset that are wanted without the whole zip."""

from enum import StrEnum
from pathlib import Path

from crowdmask.core.dataset_card import CARD_NAME
from crowdmask.core.errors import ErrorCode, NotFound
from crowdmask.exports.selection import CROWD_FOLDER, MANIFEST_NAME, Selection


class DatasetPart(StrEnum):
    """``boxes-files``: a zip of a boxes file for each case and person; the other boxes are of everybody in one file."""

    CARD = "card"
    MANIFEST = "manifest"
    BOXES_CSV = "boxes-csv"
    BOXES_COCO = "boxes-coco"
    BOXES_YOLO = "boxes-yolo"
    BOXES_FILES = "boxes-files"


_BOXES = {
    DatasetPart.BOXES_CSV: "boxes.csv",
    DatasetPart.BOXES_COCO: "boxes_coco.json",
    DatasetPart.BOXES_YOLO: "boxes_yolo.zip",
    DatasetPart.BOXES_FILES: "boxes",
}


def parts_of(selection: Selection) -> list[DatasetPart]:
    """What the folder holds when it is written; boxes only where somebody's work is in the dataset."""
    has_boxes = any(mask.answers for mask in selection.masks())
    return [part for part in DatasetPart if has_boxes or part not in _BOXES]


def part_path(folder: Path, part: DatasetPart) -> Path:
    """Where it lies: a file, or the folder of the boxes files.

    Raises:
        NotFound: ``not_found`` when the dataset has none.
    """
    if part in _BOXES:
        path = folder / CROWD_FOLDER / _BOXES[part]
    else:
        path = folder / (CARD_NAME if part is DatasetPart.CARD else MANIFEST_NAME)
    if not path.exists():
        raise NotFound(
            ErrorCode.NOT_FOUND,
            f"The dataset {folder.name} has no {part.value}.",
            hint="A dataset of references holds nobody's boxes.",
        )
    return path
