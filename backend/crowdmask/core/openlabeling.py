"""Boxes drawn with OpenLabeling on the PNG slices of a volume, brought onto the volume's grid and back.

OpenLabeling (the tool of Kulkarni et al., arXiv 2402.05713) keeps a text file per picture, in the form of YOLO: per box a
line ``class x_centre y_centre width height``, each but the class as a share of the picture. The pictures were made with
med2image: ``numpy.rot90`` of slice k of the array in the file's own order, so column = i and row = n_j - 1 - j.

One text file serves all classes, so it cannot say that a particular one was looked for: a slice without a box of a label
stays unknown for it. That a file is there at all is kept as a hint (``OpenLabelingBoxes.visited``).
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from crowdmask.core.errors import ErrorCode, InvalidInput
from crowdmask.core.geometry import Box
from crowdmask.core.keyframes import BoxSource
from crowdmask.core.tracks import AnnotationDocument, boxes_by_slice, document_from_boxes
from crowdmask.core.volume import Orientation

_FILE = re.compile(r"(?P<volume>.+)-slice(?P<slice>\d+)\.txt")
# A share is written with at least six digits: a pixel of a picture of 5000 is exact to this.
_EXACT_PIXELS = 0.01


@dataclass(frozen=True)
class OpenLabelingBoxes:
    """What a folder holds of one volume.

    Attributes:
        documents: by label, on the canonical grid, source ``imported``.
        visited: canonical slices that have a text file, with or without boxes.
    """

    documents: dict[int, AnnotationDocument]
    visited: tuple[int, ...]


def volumes_in(folder: Path) -> list[str]:
    """The names of the volumes that a folder has files ``NAME-sliceNNN.txt`` of."""
    return sorted({match["volume"] for path in folder.iterdir() if (match := _FILE.fullmatch(path.name))})


def read_openlabeling(
    folder: Path,
    volume: str,
    *,
    labels: Mapping[int, int],
    orientation: Orientation,
    file_shape: tuple[int, int, int],
) -> OpenLabelingBoxes:
    """Read the boxes of one volume; none is left out.

    Args:
        folder: holds ``VOLUME-sliceNNN.txt``, NNN counted from 0 along the file's last axis.
        volume: the name in front of ``-slice``.
        labels: the project's label of each class that may occur.
        orientation: how the file's axes become canonical.
        file_shape: (ni, nj, nk) of the volume in the file's own order; the pictures are ni wide and nj high.

    Raises:
        InvalidInput: ``boxes_file_invalid``: no files, a line that is no box, a class without a label, a box that is
            not in whole pixels or leaves the picture, a slice that the volume does not have. ``slice_axis_unsupported``:
            the file's last axis is not the one from feet to head.
    """
    _check_axial(orientation)
    nz, ny, nx = orientation.canonical_shape(file_shape)
    boxes: dict[int, dict[int, list[Box]]] = {}
    visited = []
    for path in sorted(folder.iterdir()):
        match = _FILE.fullmatch(path.name)
        if match is None or match["volume"] != volume:
            continue
        k = int(match["slice"])
        if k >= file_shape[2]:
            raise _invalid(path, f"is of slice {k}; the volume has the slices 0 to {file_shape[2] - 1}")
        z = nz - 1 - k if orientation.flips[2] else k
        visited.append(z)
        for number, line in enumerate(
            path.read_text(encoding="ascii", errors="replace").splitlines(), start=1
        ):
            if not line.strip():
                continue
            label, box = _box(path, number, line, labels, orientation, file_shape)
            boxes.setdefault(label, {}).setdefault(z, []).append(box)
    if not visited:
        raise InvalidInput(
            ErrorCode.BOXES_FILE_INVALID,
            f"{folder} has no files {volume}-sliceNNN.txt.",
            hint=f"It has those of: {', '.join(volumes_in(folder)) or 'no volume'}.",
        )
    documents = {
        label: document_from_boxes((nz, ny, nx), boxes[label], source=BoxSource.IMPORTED)
        for label in sorted(boxes)
    }
    return OpenLabelingBoxes(documents, tuple(sorted(visited)))


def openlabeling_files(
    volume: str,
    documents: Mapping[int, AnnotationDocument],
    *,
    classes: Mapping[int, int],
    orientation: Orientation,
    file_shape: tuple[int, int, int],
) -> dict[str, str]:
    """The boxes of one volume as OpenLabeling and YOLO keep them; ``read_openlabeling`` reads them back.

    The form knows whole pixels alone: an interpolated box grows to the whole voxels that hold it. Who drew a box, and
    whether it is confirmed, is lost. There is a file for each slice with a box, and an empty one for each slice that every
    document marks absent; a slice that somebody has still to look at has none, so that nobody learns background there.

    Args:
        volume: in front of ``-slice``; a name for files, as ``core.nnunet_layout.case_name`` gives.
        documents: by label, on the canonical grid.
        classes: the class of each label.
        orientation: how the axes of the volume's file become canonical.
        file_shape: (ni, nj, nk) of that file.

    Returns:
        By name ``VOLUME-sliceNNN.txt`` the text; slices in the file's order.

    Raises:
        InvalidInput: ``slice_axis_unsupported``, as for reading; ``boxes_file_invalid``: a label without a class, or
            boxes of a volume of another shape.
    """
    _check_axial(orientation)
    shape = orientation.canonical_shape(file_shape)
    lines: dict[int, list[str]] = {}
    for label, document in sorted(documents.items()):
        if label not in classes or document.shape != shape:
            raise InvalidInput(
                ErrorCode.BOXES_FILE_INVALID,
                f"The boxes of label {label} have no class."
                if label not in classes
                else f"The boxes of label {label} are of a volume of {document.shape}, not {shape}.",
            )
        for z, boxes in boxes_by_slice(document).items():
            found = lines.setdefault(z, [])
            found += [_line(classes[label], one.box, orientation, file_shape) for one in boxes]
    for z in range(shape[0]):
        if documents and all(z in document.absent for document in documents.values()):
            lines[z] = []
    last = shape[0] - 1
    by_file = {last - z if orientation.flips[2] else z: found for z, found in lines.items()}
    return {f"{volume}-slice{k:03d}.txt": "".join(found) for k, found in sorted(by_file.items())}


def _line(class_number: int, box: Box, orientation: Orientation, file_shape: tuple[int, int, int]) -> str:
    """The reverse of ``_box``."""
    # Interpolation may leave a whole edge a rounding error off, which must not cost a voxel.
    x0, y0 = (math.floor(round(edge, 6)) for edge in (box.x0, box.y0))
    x1, y1 = (math.ceil(round(edge, 6)) for edge in (box.x1, box.y1))
    ranges = {
        orientation.axes[0]: _along(0, {orientation.axes[0]: (x0, x1)}, orientation, file_shape),
        orientation.axes[1]: _along(1, {orientation.axes[1]: (y0, y1)}, orientation, file_shape),
    }
    ni, nj, _ = file_shape
    (left, right), (bottom, top) = ranges[0], (nj - edge for edge in ranges[1])
    shares = ((left + right) / 2 / ni, (top + bottom) / 2 / nj, (right - left) / ni, (bottom - top) / nj)
    return f"{class_number} {' '.join(f'{share:.10f}' for share in shares)}\n"


def _check_axial(orientation: Orientation) -> None:
    if orientation.axes[2] != 2:
        raise InvalidInput(
            ErrorCode.SLICE_AXIS_UNSUPPORTED,
            "The file's last axis, along which the pictures are cut, does not run between feet and head.",
            hint="Only axial slices can be imported from this form or written in it.",
        )


def _box(
    path: Path,
    number: int,
    line: str,
    labels: Mapping[int, int],
    orientation: Orientation,
    file_shape: tuple[int, int, int],
) -> tuple[int, Box]:
    """The label and the canonical box of a line."""
    try:
        name, *shares = line.split()
        class_number = int(name)
        x, y, width, height = (float(share) for share in shares)
    except ValueError:
        raise _invalid(path, f"has no box in line {number}: {line[:80]!r}") from None
    if class_number not in labels:
        raise _invalid(
            path, f"has a box of class {class_number} in line {number}, which no label was given for"
        )
    ni, nj, _ = file_shape
    left, right = (x - width / 2) * ni, (x + width / 2) * ni
    top, bottom = (y - height / 2) * nj, (y + height / 2) * nj
    edges = [left, top, right, bottom]
    if not all(abs(edge - round(edge)) <= _EXACT_PIXELS for edge in edges):
        raise _invalid(
            path,
            f"has a box in line {number} that is not in whole pixels of a picture of {ni} x {nj}: {edges}",
        )
    left, top, right, bottom = (round(edge) for edge in edges)
    if not (0 <= left < right <= ni and 0 <= top < bottom <= nj):
        raise _invalid(path, f"has a box in line {number} that leaves its picture of {ni} x {nj}: {edges}")
    ranges = {0: (left, right), 1: (nj - bottom, nj - top)}
    x0, x1 = _along(0, ranges, orientation, file_shape)
    y0, y1 = _along(1, ranges, orientation, file_shape)
    return labels[class_number], Box(x0, y0, x1, y1)


def _along(
    axis: int,
    ranges: Mapping[int, tuple[int, int]],
    orientation: Orientation,
    file_shape: tuple[int, int, int],
) -> tuple[int, int]:
    """A half-open range of a file's axis as the range of the canonical axis (0 = x, 1 = y) that it becomes."""
    file_axis = orientation.axes[axis]
    first, end = ranges[file_axis]
    n = file_shape[file_axis]
    return (n - end, n - first) if orientation.flips[axis] else (first, end)


def _invalid(path: Path, what: str) -> InvalidInput:
    return InvalidInput(
        ErrorCode.BOXES_FILE_INVALID,
        f"{path} {what}.",
        hint="Check that the boxes were drawn on this volume, and that every class has a label.",
    )
