"""The boxes file: boxes and absent slices of one volume as JSON, to bring in and take along.

Described for people in ``docs/boxes-file.md``, for programs in ``docs/boxes.schema.json``.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from crowdmask.core.errors import CrowdmaskError, ErrorCode, InvalidInput
from crowdmask.core.files import write_whole
from crowdmask.core.geometry import Box
from crowdmask.core.intervals import NO_SLICES, Intervals
from crowdmask.core.keyframes import box_json
from crowdmask.core.labels import MAX_LABELS
from crowdmask.core.strict_json import Json, number_json
from crowdmask.core.tracks import (
    MAX_KEYFRAMES,
    AnnotationDocument,
    BoxSource,
    Keyframe,
    Track,
    document_from_tracks,
    link,
)
from crowdmask.core.volume import Grid, check_same_grid, check_slice_axis

VERSION = 1
MAX_BYTES = 64 * 2**20
MAX_BOXES_ON_SLICE = 200
"""Of one label in the short form, whose boxes have to be compared with all of the next slice."""


@dataclass(frozen=True, eq=False)
class BoxesFile:
    """What a boxes file says.

    Attributes:
        grid: canonical grid of the volume the boxes were drawn on.
        labels: label index 1..255 -> its boxes; each document has the grid's shape. Ascending.
        slice_axis: "z", the only one so far.
    """

    grid: Grid
    labels: Mapping[int, AnnotationDocument]
    slice_axis: str = "z"

    def __post_init__(self) -> None:
        check_slice_axis(self.slice_axis)
        for index, document in self.labels.items():
            if isinstance(index, bool) or not 1 <= index <= MAX_LABELS:
                raise InvalidInput(
                    ErrorCode.BOXES_FILE_INVALID, f"A label's number must be 1 to {MAX_LABELS}, not {index}."
                )
            if document.shape != self.grid.shape:
                raise InvalidInput(
                    ErrorCode.BOXES_FILE_INVALID,
                    f"The boxes of label {index} are of a volume of {document.shape}, not {self.grid.shape}.",
                )
        object.__setattr__(self, "labels", MappingProxyType(dict(sorted(self.labels.items()))))

    def check_matches(self, image: Grid, *, image_name: str = "the image") -> None:
        """Refuse boxes that were drawn on another grid than the image's.

        Raises:
            Conflict: ``grid_mismatch`` with both grids.
        """
        check_same_grid(
            image,
            self.grid,
            image_name=image_name,
            label_name="the boxes file",
            hint="Use the boxes file that was made for this image.",
        )


def read_boxes(path: Path) -> BoxesFile:
    """Read and check a boxes file.

    Raises:
        InvalidInput: ``boxes_file_invalid`` naming the place, ``file_too_large``, or ``slice_axis_unsupported``.
    """
    name = path.name
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise InvalidInput(
            ErrorCode.BOXES_FILE_INVALID, f"{name} cannot be read: {error.strerror}."
        ) from error
    if len(content) > MAX_BYTES:
        raise InvalidInput(
            ErrorCode.FILE_TOO_LARGE,
            f"{name} is larger than {MAX_BYTES // 2**20} MiB, too large for a boxes file.",
        )
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InvalidInput(ErrorCode.BOXES_FILE_INVALID, f"{name} is not a text file in UTF-8.") from None
    if not text.strip():
        raise InvalidInput(ErrorCode.BOXES_FILE_INVALID, f"{name} is empty.")
    return parse_boxes(text, name=name)


def parse_boxes(text: str, *, name: str = "boxes file") -> BoxesFile:
    """Read the text of a boxes file; ``name`` stands in front of every place in a refusal.

    Raises:
        InvalidInput: as ``read_boxes``.
    """
    with _as_file_error():
        file = Json.parse(text, name, ErrorCode.BOXES_FILE_INVALID)
        # The version first: a later one may have fields that this one does not know.
        version = dict(file.entries()).get("version")
        if version is None:
            raise file.refusal("lacks version", hint="Is it a boxes file?")
        if version.integer() != VERSION:
            raise version.refusal(f"is {version.value}; only version {VERSION} can be read")
        fields = file.fields("version", "volume", "labels")
        grid = _read_grid(fields["volume"])
        labels: dict[int, AnnotationDocument] = {}
        for index, label in fields["labels"].indexed():
            if not 1 <= index <= MAX_LABELS:
                raise label.refusal(f"is not a label: their numbers are 1 to {MAX_LABELS}")
            labels[index] = _read_label(label, grid.shape)
        return BoxesFile(grid, labels)


def write_boxes(path: Path, boxes: BoxesFile) -> None:
    """Write a boxes file, whole or not at all; the same boxes give the same bytes.

    Raises:
        Unavailable: ``storage_full``.
    """
    with write_whole(path) as file:
        file.write(boxes_text(boxes).encode("utf-8"))


def boxes_text(boxes: BoxesFile) -> str:
    """The text of a boxes file. Track ids and the label's range are not part of it; absent slices are."""
    document = {
        "version": VERSION,
        "volume": {
            "shape": list(boxes.grid.shape),
            "affine": [[number_json(value) for value in row] for row in boxes.grid.affine.tolist()],
            "slice_axis": boxes.slice_axis,
        },
        "labels": {str(index): _label_json(label) for index, label in boxes.labels.items()},
    }
    return json.dumps(document, allow_nan=False) + "\n"


def _label_json(document: AnnotationDocument) -> dict[str, Any]:
    found: dict[str, Any] = {"tracks": [_track_json(track) for track in document.tracks]}
    if document.absent:
        found["absent"] = document.absent.to_json()
    return found


def _track_json(track: Track) -> dict[str, Any]:
    found: dict[str, Any] = {
        "first": track.first,
        "last": track.last,
        "keyframes": {str(z): box_json(keyframe.box) for z, keyframe in track.keyframes.items()},
    }
    sources = {
        str(z): keyframe.source.value
        for z, keyframe in track.keyframes.items()
        if keyframe.source is not BoxSource.IMPORTED
    }
    if sources:
        found["source"] = sources
    if track.confirmed:
        found["confirmed"] = track.confirmed.to_json()
    return found


def _read_grid(volume: Json) -> Grid:
    fields = volume.fields("shape", "affine", "slice_axis")
    with fields["slice_axis"].located():
        check_slice_axis(fields["slice_axis"].text())
    nz, ny, nx = (element.integer() for element in fields["shape"].elements(3))
    affine = [[value.number() for value in row.elements(4)] for row in fields["affine"].elements(4)]
    with volume.located():
        return Grid.from_json({"shape": [nz, ny, nx], "affine": affine})


def _read_label(label: Json, shape: tuple[int, int, int]) -> AnnotationDocument:
    fields = label.fields(optional=("tracks", "boxes", "absent"))
    if ("tracks" in fields) == ("boxes" in fields):
        raise label.refusal("must have either tracks or boxes")
    tracks = _read_tracks(fields["tracks"]) if "tracks" in fields else _read_short_form(fields["boxes"])
    absent = Intervals.from_json(fields["absent"]) if "absent" in fields else NO_SLICES
    with label.located():
        return document_from_tracks(shape, tracks, absent)


def _read_tracks(tracks: Json) -> tuple[Track, ...]:
    return tuple(_read_track(track, f"t{n}") for n, track in enumerate(tracks.elements(), start=1))


def _read_track(track: Json, track_id: str) -> Track:
    fields = track.fields("first", "last", "keyframes", optional=("source", "confirmed"))
    boxes = {z: value.box() for z, value in fields["keyframes"].indexed()}
    sources = {}
    if "source" in fields:
        for z, value in fields["source"].indexed():
            if z not in boxes:
                raise value.refusal("is the source of a slice without a keyframe")
            sources[z] = value.member(BoxSource)
    keyframes = {z: Keyframe(box, sources.get(z, BoxSource.IMPORTED)) for z, box in boxes.items()}
    confirmed = Intervals.from_json(fields["confirmed"]) if "confirmed" in fields else NO_SLICES
    with track.located():
        return Track(track_id, fields["first"].integer(), fields["last"].integer(), keyframes, confirmed)


def _read_short_form(boxes: Json) -> tuple[Track, ...]:
    found: dict[int, list[Box]] = {}
    for z, on_slice in boxes.indexed():
        elements = on_slice.elements()
        if len(elements) > MAX_BOXES_ON_SLICE:
            raise on_slice.refusal(f"has {len(elements)} boxes; {MAX_BOXES_ON_SLICE} are allowed")
        found[z] = [element.box() for element in elements]
    n_boxes = sum(map(len, found.values()))
    if n_boxes > MAX_KEYFRAMES:
        raise boxes.refusal(f"has {n_boxes} boxes; {MAX_KEYFRAMES} are allowed")
    return link(found, source=BoxSource.IMPORTED)


@contextmanager
def _as_file_error() -> Iterator[None]:
    """Whatever is wrong inside a boxes file is one code: the caller can only mend the file."""
    try:
        yield
    except CrowdmaskError as error:
        if error.code is ErrorCode.SLICE_AXIS_UNSUPPORTED:
            raise
        raise InvalidInput(ErrorCode.BOXES_FILE_INVALID, error.message, hint=error.hint) from None
