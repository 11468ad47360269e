"""Boxes in the forms of other tools: a table with a row per box, and COCO.

The boxes file (``core.boxes_file``) is the form that loses nothing; the text files of YOLO are in ``core.openlabeling``.
"""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from crowdmask.core.csv_text import cell
from crowdmask.core.geometry import Box
from crowdmask.core.labels import Label
from crowdmask.core.strict_json import number_json
from crowdmask.core.tracks import AnnotationDocument, boxes_by_slice

COLUMNS = (
    "volume", "label_index", "label", "slice", "x0", "y0", "x1", "y1", "track", "source", "confirmed", "annotator",
)  # fmt: skip
"""Of ``boxes_csv``. Slices and edges are those of the canonical grid, boxes half-open in voxel edges."""


@dataclass(frozen=True, eq=False)
class DrawnBoxes:
    """What one person made of one label in one volume.

    Attributes:
        volume: its name in the dataset.
        label: its number and name there.
        annotator: a pseudonym.
        document: on the canonical grid.
    """

    volume: str
    label: Label
    annotator: str
    document: AnnotationDocument


def boxes_csv(drawn: Iterable[DrawnBoxes]) -> Iterator[str]:
    """A heading and a line per box, of every slice that a track covers, with those interpolated between keyframes; one
    piece of text for each of ``drawn``.
    """
    yield _csv_text([COLUMNS])
    for one in drawn:
        yield _csv_text(
            [
                cell(one.volume), one.label.index, cell(one.label.name), z,
                *(number_json(edge) for edge in found.box.values),
                found.track_id, found.source.value, "yes" if found.confirmed else "no", cell(one.annotator),
            ]
            for z, boxes in boxes_by_slice(one.document).items()
            for found in boxes
        )  # fmt: skip


def coco(drawn: Sequence[DrawnBoxes]) -> dict[str, Any]:
    """The boxes as one COCO object detection document: an image per slice, a category per label.

    An image stands for each slice with a box or an absent mark. ``neg_category_ids`` (a word of LVIS) lists the labels that
    somebody marked absent on it: a label that is neither there nor boxed was not looked for, so the image is no background
    for it. Slices that nobody decided anything about are no images. Of a box, ``source``, ``confirmed`` and ``annotator``
    are added to COCO's own fields; several people's boxes of a label stand side by side.

    The same boxes give the same document, in whatever order they are given.
    """
    labels = {one.label.index: one.label.name for one in drawn}
    images: dict[tuple[str, int], dict[str, Any]] = {}
    annotations: list[dict[str, Any]] = []
    for volume in sorted({one.volume for one in drawn}):
        of_volume = sorted(
            (one for one in drawn if one.volume == volume), key=lambda one: (one.label.index, one.annotator)
        )
        boxes = [boxes_by_slice(one.document) for one in of_volume]
        depth, height, width = of_volume[0].document.shape
        for z in range(depth):
            absent = {one.label.index for one in of_volume if z in one.document.absent}
            found = [
                (one, box)
                for one, by_slice in zip(of_volume, boxes, strict=True)
                for box in by_slice.get(z, ())
            ]
            if not found and not absent:
                continue
            image_id = len(images) + 1
            images[volume, z] = {
                "id": image_id,
                # Numbered as the boxes are, on the canonical grid; the pictures are made by whoever needs them.
                "file_name": f"{volume}-slice{z:03d}.png",
                "width": width,
                "height": height,
                "volume": volume,
                "slice": z,
                "neg_category_ids": sorted(absent.difference(one.label.index for one, _ in found)),
            }
            for one, box in found:
                annotations.append(
                    {
                        "id": len(annotations) + 1,
                        "image_id": image_id,
                        "category_id": one.label.index,
                        "bbox": _corner_and_size(box.box),
                        "area": number_json(box.box.area),
                        "iscrowd": 0,
                        "source": box.source.value,
                        "confirmed": box.confirmed,
                        "annotator": one.annotator,
                    }
                )
    return {
        "categories": [{"id": index, "name": labels[index]} for index in sorted(labels)],
        "images": list(images.values()),
        "annotations": annotations,
    }


def _corner_and_size(box: Box) -> list[float]:
    return [number_json(value) for value in (box.x0, box.y0, box.width, box.height)]


def _csv_text(rows: Iterable[Iterable[object]]) -> str:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()
