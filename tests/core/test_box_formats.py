"""Boxes as a table and as COCO: every box, where it lies, and what nobody looked for."""

import csv
import io
import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from crowdmask import cli
from crowdmask.core.box_formats import COLUMNS, DrawnBoxes, boxes_csv, coco
from crowdmask.core.boxes_file import BoxesFile, read_boxes, write_boxes
from crowdmask.core.errors import CrowdmaskError
from crowdmask.core.geometry import Box
from crowdmask.core.intervals import Intervals
from crowdmask.core.labels import Label
from crowdmask.core.nifti import read_source_grid
from crowdmask.core.tracks import (
    BoxSource,
    Keyframe,
    Track,
    boxes_by_slice,
    document_from_boxes,
    document_from_tracks,
)

SHAPE = (6, 20, 30)
LIVER, SPLEEN = Label(1, "liver"), Label(4, "spleen")
TRACK = Track(
    "t1",
    1,
    3,
    {1: Keyframe(Box(2, 3, 10, 9), BoxSource.DRAWN), 3: Keyframe(Box(4, 4, 11, 9), BoxSource.EDITED)},
    Intervals(((2, 2),)),
)


def _drawn() -> list[DrawnBoxes]:
    liver = document_from_tracks(SHAPE, [TRACK], Intervals(((0, 0), (4, 5))))
    spleen = document_from_tracks(SHAPE, [], Intervals(((1, 1),)))
    return [
        DrawnBoxes("ct_1", LIVER, "annotator-1", liver),
        DrawnBoxes("ct_1", SPLEEN, "annotator-2", spleen),
    ]


def test_the_table_has_a_row_for_each_box_with_those_between_the_keyframes() -> None:
    rows = list(csv.DictReader(io.StringIO("".join(boxes_csv(_drawn())))))
    assert [tuple(row.values()) for row in rows] == [
        ("ct_1", "1", "liver", "1", "2", "3", "10", "9", "t1", "drawn", "no", "annotator-1"),
        ("ct_1", "1", "liver", "2", "3", "3.5", "10.5", "9", "t1", "interpolated", "yes", "annotator-1"),
        ("ct_1", "1", "liver", "3", "4", "4", "11", "9", "t1", "edited", "no", "annotator-1"),
    ]
    assert tuple(rows[0]) == COLUMNS


def test_a_name_is_no_formula_in_the_table() -> None:
    one = DrawnBoxes("=1+1", Label(1, "-a"), "annotator-1", _drawn()[0].document)
    row = next(csv.DictReader(io.StringIO("".join(boxes_csv([one])))))
    assert (row["volume"], row["label"]) == ("'=1+1", "'-a")


def test_coco_has_an_image_for_each_decided_slice_and_says_what_was_marked_absent() -> None:
    made = coco(_drawn())
    assert made["categories"] == [{"id": 1, "name": "liver"}, {"id": 4, "name": "spleen"}]
    assert [(image["slice"], image["neg_category_ids"]) for image in made["images"]] == [
        (0, [1]), (1, [4]), (2, []), (3, []), (4, [1]), (5, [1]),
    ]  # fmt: skip
    assert made["images"][1] == {
        "id": 2,
        "file_name": "ct_1-slice001.png",
        "width": 30,
        "height": 20,
        "volume": "ct_1",
        "slice": 1,
        "neg_category_ids": [4],
    }
    assert made["annotations"][1] == {
        "id": 2,
        "image_id": 3,
        "category_id": 1,
        "bbox": [3, 3.5, 7.5, 5.5],
        "area": 41.25,
        "iscrowd": 0,
        "source": "interpolated",
        "confirmed": True,
        "annotator": "annotator-1",
    }


def test_one_persons_absent_mark_does_not_stand_beside_anothers_box() -> None:
    absent = document_from_tracks(SHAPE, [], Intervals(((0, 5),)))
    made = coco([*_drawn()[:1], DrawnBoxes("ct_1", LIVER, "annotator-2", absent)])
    assert [image["neg_category_ids"] for image in made["images"]] == [[1], [], [], [], [1], [1]]


_EDGES = st.tuples(st.integers(0, 20), st.integers(1, 9)).map(lambda pair: (pair[0], pair[0] + pair[1]))
_BOXES = st.dictionaries(
    st.integers(0, 5),
    st.lists(
        st.tuples(_EDGES, st.tuples(st.integers(0, 10), st.integers(1, 9))).map(
            lambda edges: Box(edges[0][0], edges[1][0], edges[0][1], sum(edges[1]))
        ),
        min_size=1,
        max_size=3,
        unique=True,
    ),
)


@given(st.lists(st.tuples(st.sampled_from(["a", "b"]), st.sampled_from([LIVER, SPLEEN]), _BOXES), max_size=4))
def test_coco_is_whole_and_the_same_in_any_order(
    given_boxes: list[tuple[str, Label, dict[int, list[Box]]]],
) -> None:
    drawn = [
        DrawnBoxes(
            volume, label, f"annotator-{n}", document_from_boxes(SHAPE, boxes, source=BoxSource.IMPORTED)
        )
        for n, (volume, label, boxes) in enumerate(given_boxes)
    ]
    made = coco(drawn)
    assert coco(drawn[::-1]) == made
    json.dumps(made, allow_nan=False)
    for kind in ("categories", "images", "annotations"):
        ids = [one["id"] for one in made[kind]]
        assert len(set(ids)) == len(ids)
    images = {image["id"]: image for image in made["images"]}
    categories = {category["id"] for category in made["categories"]}
    found = []
    for annotation in made["annotations"]:
        image = images[annotation["image_id"]]
        assert annotation["category_id"] in categories
        x, y, width, height = annotation["bbox"]
        assert 0 <= x < x + width <= image["width"]
        assert 0 <= y < y + height <= image["height"]
        assert annotation["area"] == width * height > 0
        found.append(
            (annotation["annotator"], image["volume"], image["slice"], (x, y, x + width, y + height))
        )
    expected = [
        (one.annotator, one.volume, z, box.box.values)
        for one in drawn
        for z, boxes in boxes_by_slice(one.document).items()
        for box in boxes
    ]
    assert sorted(found) == sorted(expected)


def _boxes_file(folder: Path) -> tuple[Path, Path]:
    """A boxes file and a volume on its grid."""
    image = nib.Nifti1Image(np.zeros(SHAPE[::-1], np.uint8), np.diag([-2.0, -2.0, 3.0, 1.0]))
    nib.save(image, folder / "ct.nii.gz")
    grid = read_source_grid(folder / "ct.nii.gz").grid
    write_boxes(
        folder / "boxes.json",
        BoxesFile(grid, {1: document_from_tracks(SHAPE, [TRACK], Intervals(((0, 0), (4, 5))))}),
    )
    return folder / "boxes.json", folder / "ct.nii.gz"


def _run(*arguments: object) -> str:
    return CliRunner().invoke(cli.app, [*map(str, arguments)], catch_exceptions=False).stdout


def test_the_command_writes_each_form_and_openlabelings_is_read_back(tmp_path: Path) -> None:
    boxes, volume = _boxes_file(tmp_path)
    told = json.loads(
        _run("export-boxes", boxes, "--format", "csv", "--name", "ct 1", "--label", "1=liver", "-o",
             tmp_path / "boxes.csv", "--json")
    )  # fmt: skip
    assert told == {"output": str(tmp_path / "boxes.csv"), "boxes": 3}
    rows = list(csv.DictReader((tmp_path / "boxes.csv").open(newline="")))
    assert [(row["volume"], row["label"], row["slice"]) for row in rows] == [
        ("ct 1", "liver", "1"), ("ct 1", "liver", "2"), ("ct 1", "liver", "3"),
    ]  # fmt: skip
    _run("export-boxes", boxes, "--format", "coco", "-o", tmp_path / "coco.json")
    document = json.loads((tmp_path / "coco.json").read_text())
    assert document["categories"] == [{"id": 1, "name": "label 1"}]
    assert len(document["annotations"]) == 3
    _run("export-boxes", boxes, "--format", "openlabeling", "--volume", volume, "-o", tmp_path / "texts")
    _run(
        "import-boxes", tmp_path / "texts", volume, "--format", "openlabeling", "--label", "0=1", "-o",
        tmp_path / "again.json",
    )  # fmt: skip
    again = boxes_by_slice(read_boxes(tmp_path / "again.json").labels[1])
    assert [on_slice[0].box for on_slice in again.values()] == [
        Box(2, 3, 10, 9), Box(3, 3, 11, 9), Box(4, 4, 11, 9),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--format", "openlabeling", "-o", "texts"], "follow the axes"),
        (["--format", "csv", "-o", "boxes.csv", "--label", "liver"], "not a label and its name"),
        (["--format", "csv", "-o", "boxes.csv", "--label", "0=liver"], "not a label and its name"),
    ],
)
def test_the_command_says_what_it_lacks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    boxes, _ = _boxes_file(tmp_path)
    refused = CliRunner().invoke(cli.app, ["export-boxes", str(boxes), *arguments])
    assert isinstance(refused.exception, CrowdmaskError)
    assert words in refused.exception.message
    assert not (tmp_path / "texts").exists()
