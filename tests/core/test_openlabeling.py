"""Boxes of OpenLabeling: the exact transform, and the boxes that the paper's authors released."""

import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from crowdmask import cli
from crowdmask.core.boxes_file import read_boxes
from crowdmask.core.errors import CrowdmaskError, ErrorCode, InvalidInput
from crowdmask.core.geometry import Box
from crowdmask.core.intervals import Intervals
from crowdmask.core.nifti import orientation_of, read_label_map
from crowdmask.core.openlabeling import openlabeling_files, read_openlabeling, volumes_in
from crowdmask.core.simulate import damaged
from crowdmask.core.tracks import (
    AnnotationDocument,
    BoxSource,
    Keyframe,
    Track,
    boxes_by_slice,
    document_from_boxes,
    document_from_tracks,
)
from crowdmask.core.volume import Orientation

SHAPE = (20, 16, 5)
CLASSES = {0: 1, 1: 2, 2: 3, 5: 4, 7: 5}


def _line(class_number: int, left: int, top: int, right: int, bottom: int) -> str:
    width, height = SHAPE[:2]
    return (
        f"{class_number} {(left + right) / 2 / width:.10g} {(top + bottom) / 2 / height:.10g} "
        f"{(right - left) / width:.10g} {(bottom - top) / height:.10g}\n"
    )


@pytest.mark.parametrize("signs", [(1, 1, 1), (-1, 1, 1), (1, -1, 1), (-1, -1, -1)])
def test_a_box_lies_where_it_was_drawn_on_the_picture(tmp_path: Path, signs: tuple[int, int, int]) -> None:
    voxels = np.zeros(SHAPE, np.uint8)
    voxels[3:9, 2:12, 1] = 1
    picture = np.rot90(voxels[:, :, 1])  # as med2image makes it
    rows, columns = np.flatnonzero(picture.any(axis=1)), np.flatnonzero(picture.any(axis=0))
    edges = int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1
    (tmp_path / "a-slice001.txt").write_text(_line(3, *edges))
    orientation = orientation_of(np.diag([*signs, 1.0]).astype(float))
    found = read_openlabeling(tmp_path, "a", labels={3: 7}, orientation=orientation, file_shape=SHAPE)
    canonical = orientation.to_canonical(voxels)
    (z,) = np.flatnonzero(canonical.any(axis=(1, 2)))
    (on_slice,) = boxes_by_slice(found.documents[7]).items()
    assert on_slice[0] == z
    x0, y0, x1, y1 = (int(edge) for edge in on_slice[1][0].box.values)
    inside = np.zeros_like(canonical[z], dtype=bool)
    inside[y0:y1, x0:x1] = True
    assert np.array_equal(inside, canonical[z] == 1)


def test_a_visited_slice_without_a_box_stays_unknown(tmp_path: Path) -> None:
    (tmp_path / "a-slice002.txt").write_text("")
    (tmp_path / "a-slice003.txt").write_text(_line(0, 1, 1, 4, 4) + "\n")
    (tmp_path / "b-slice000.txt").write_text("")
    (tmp_path / "notes.txt").write_text("nothing")
    assert volumes_in(tmp_path) == ["a", "b"]
    found = read_openlabeling(
        tmp_path,
        "a",
        labels={0: 1},
        orientation=orientation_of(np.diag([-1.0, -1.0, 1.0, 1.0])),
        file_shape=SHAPE,
    )
    assert found.visited == (2, 3)
    assert list(boxes_by_slice(found.documents[1])) == [3]
    assert not found.documents[1].absent


@pytest.mark.parametrize(
    ("content", "word"),
    [
        ("0 0.5 0.5\n", "no box"),
        ("liver 0.5 0.5 0.1 0.1\n", "no box"),
        ("4 0.5 0.5 0.1 0.25\n", "class 4"),
        ("0 0.513 0.5 0.1 0.25\n", "whole pixels"),
        ("0 0.05 0.5 0.2 0.25\n", "leaves its picture"),
    ],
)
def test_a_line_that_is_no_box_of_this_volume_is_refused(tmp_path: Path, content: str, word: str) -> None:
    (tmp_path / "a-slice000.txt").write_text(content)
    with pytest.raises(InvalidInput) as refused:
        read_openlabeling(
            tmp_path, "a", labels={0: 1}, orientation=orientation_of(np.eye(4)), file_shape=SHAPE
        )
    assert refused.value.code is ErrorCode.BOXES_FILE_INVALID
    assert word in refused.value.message


def test_slices_along_another_axis_or_beyond_the_volume_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a-slice005.txt").write_text("")
    with pytest.raises(InvalidInput) as beyond:
        read_openlabeling(tmp_path, "a", labels={}, orientation=orientation_of(np.eye(4)), file_shape=SHAPE)
    assert beyond.value.code is ErrorCode.BOXES_FILE_INVALID
    sagittal = orientation_of(np.eye(4)[[2, 0, 1, 3]])
    with pytest.raises(InvalidInput) as other:
        read_openlabeling(tmp_path, "a", labels={}, orientation=sagittal, file_shape=SHAPE)
    assert other.value.code is ErrorCode.SLICE_AXIS_UNSUPPORTED


def test_the_command_needs_a_name_where_there_are_several_volumes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}-slice000.txt").write_text("")
    nib.save(nib.Nifti1Image(np.zeros(SHAPE, np.uint8), np.eye(4)), tmp_path / "v.nii.gz")
    arguments = [
        tmp_path,
        tmp_path / "v.nii.gz",
        "--format",
        "openlabeling",
        "--label",
        "0=1",
        "-o",
        tmp_path / "b.json",
    ]
    refused = CliRunner().invoke(cli.app, ["import-boxes", *map(str, arguments)])
    assert isinstance(refused.exception, CrowdmaskError)
    assert "2 volumes: a, b" in refused.exception.message


@pytest.mark.sample_data
def test_every_released_box_is_imported_and_holds_its_released_mask(
    sample_data: Path, tmp_path: Path
) -> None:
    released = sample_data / "openlabeling"
    lines = sum(
        1
        for path in (released / "prompt").iterdir()
        for line in path.read_text().splitlines()
        if line.strip()
    )
    imported, held = 0, []
    for number in (1, 2, 7, 10, 30):
        mask = released / "sam_labels" / f"label{number:04}.nii.gz"
        classes = [part for pair in CLASSES.items() for part in ("--label", "{}={}".format(*pair))]
        arguments = [
            released / "prompt",
            mask,
            "--format",
            "openlabeling",
            "--name",
            f"img{number:04}",
            *classes,
        ]
        arguments += ["--assume-affine", "-o", tmp_path / "boxes.json", "--json"]
        result = CliRunner().invoke(cli.app, ["import-boxes", *map(str, arguments)], catch_exceptions=False)
        counts = json.loads(result.stdout)["labels"]
        imported += sum(count["boxes"] for count in counts.values())
        voxels = read_label_map(mask, assume_affine=True).voxels
        for label, document in read_boxes(tmp_path / "boxes.json").labels.items():
            for z, on_slice in boxes_by_slice(document).items():
                inside = np.zeros(voxels.shape[1:], dtype=bool)
                for entry in on_slice:
                    x0, y0, x1, y1 = (int(edge) for edge in entry.box.values)
                    inside[y0:y1, x0:x1] = True
                made = voxels[z] == label
                if made.any():
                    held.append((made & inside).sum() / made.sum())
    assert imported == lines == 871
    assert np.mean(held) >= 0.97


@pytest.mark.sample_data
def test_the_real_holes_of_a_released_volume_can_damage_other_boxes(sample_data: Path) -> None:
    found = read_openlabeling(
        sample_data / "openlabeling" / "prompt",
        "img0007",
        labels=CLASSES,
        orientation=orientation_of(np.diag([-1.0, 1.0, 1.0, 1.0])),
        file_shape=(512, 512, 163),
    )
    drawn = boxes_by_slice(found.documents[5])
    presence = [z in drawn for z in range(min(drawn), max(drawn) + 1)]
    assert presence.count(False) == 15
    whole = {z: [Box(0, 0, 5, 5)] for z in range(20, 20 + len(presence))}
    assert sorted(damaged(whole, presence)) == [20 + int(z) for z in np.flatnonzero(presence)]


@given(st.data())
def test_boxes_that_were_written_are_read_back_the_same_whatever_the_axes_of_the_file(
    data: st.DataObject,
) -> None:
    depth = SHAPE[2]
    axes = data.draw(st.sampled_from([(0, 1, 2), (1, 0, 2)]))
    flips = data.draw(st.tuples(st.booleans(), st.booleans(), st.booleans()))
    orientation = Orientation(axes, flips)
    shape = orientation.canonical_shape(SHAPE)
    corner = st.tuples(st.integers(0, shape[2] - 1), st.integers(0, shape[1] - 1))
    box = corner.flatmap(
        lambda at: st.tuples(st.integers(at[0] + 1, shape[2]), st.integers(at[1] + 1, shape[1])).map(
            lambda end: Box(*at, *end)
        )
    )
    boxes = data.draw(
        st.dictionaries(
            st.integers(0, depth - 1), st.lists(box, min_size=1, max_size=3, unique=True), min_size=1
        )
    )
    document = document_from_boxes(shape, boxes, source=BoxSource.IMPORTED)
    files = openlabeling_files("a", {7: document}, classes={7: 3}, orientation=orientation, file_shape=SHAPE)
    with tempfile.TemporaryDirectory() as folder:
        for name, text in files.items():
            (Path(folder) / name).write_text(text)
        found = read_openlabeling(Path(folder), "a", labels={3: 7}, orientation=orientation, file_shape=SHAPE)
    assert _by_slice(found.documents) == _by_slice({7: document})


def test_an_interpolated_box_grows_to_whole_voxels_and_only_a_slice_absent_for_all_is_background() -> None:
    track = Track("t1", 1, 3, {z: Keyframe(Box(2, 2, 6, 5 + z), BoxSource.DRAWN) for z in (1, 3)})
    track = replace(
        track, keyframes={**track.keyframes, 2: Keyframe(Box(2.5, 2, 6.2, 7), BoxSource.INTERPOLATED)}
    )
    shape = (SHAPE[2], SHAPE[1], SHAPE[0])
    documents = {
        1: document_from_tracks(shape, [track], Intervals(((0, 0), (4, 4)))),
        2: document_from_tracks(shape, [], Intervals(((3, 4),))),
    }
    orientation = orientation_of(np.diag([-1.0, -1.0, 1.0, 1.0]))
    files = openlabeling_files(
        "a", documents, classes={1: 0, 2: 1}, orientation=orientation, file_shape=SHAPE
    )
    assert sorted(files) == ["a-slice001.txt", "a-slice002.txt", "a-slice003.txt", "a-slice004.txt"]
    assert files["a-slice004.txt"] == ""
    assert files["a-slice002.txt"] == "0 0.2250000000 0.7187500000 0.2500000000 0.3125000000\n"


def test_what_has_no_class_or_another_shape_is_not_written() -> None:
    document = document_from_boxes((5, 16, 20), {1: [Box(1, 1, 3, 3)]}, source=BoxSource.DRAWN)
    straight = orientation_of(np.diag([-1.0, -1.0, 1.0, 1.0]))
    with pytest.raises(InvalidInput, match="label 2 have no class"):
        openlabeling_files("a", {2: document}, classes={1: 0}, orientation=straight, file_shape=SHAPE)
    with pytest.raises(InvalidInput, match="are of a volume"):
        openlabeling_files("a", {2: document}, classes={2: 0}, orientation=straight, file_shape=(20, 17, 5))
    sagittal = orientation_of(np.eye(4)[[2, 0, 1, 3]])
    with pytest.raises(InvalidInput) as other:
        openlabeling_files("a", {2: document}, classes={2: 0}, orientation=sagittal, file_shape=SHAPE)
    assert other.value.code is ErrorCode.SLICE_AXIS_UNSUPPORTED


@pytest.mark.sample_data
def test_the_released_boxes_are_the_same_after_they_were_written_and_read_again(
    sample_data: Path, tmp_path: Path
) -> None:
    prompts = sample_data / "openlabeling" / "prompt"
    classes = {label: class_number for class_number, label in CLASSES.items()}
    boxes = 0
    for number in (1, 2, 7, 10, 30):
        name = f"img{number:04}"
        mask = nib.load(sample_data / "openlabeling" / "sam_labels" / f"label{number:04}.nii.gz")
        place: dict[str, Any] = {
            "orientation": orientation_of(np.diag([-1.0, -1.0, 1.0, 1.0])),
            "file_shape": mask.shape,
        }
        first = read_openlabeling(prompts, name, labels=CLASSES, **place)
        files = openlabeling_files(name, first.documents, classes=classes, **place)
        for file, text in files.items():
            (tmp_path / file).write_text(text)
            boxes += len(text.splitlines())
        again = read_openlabeling(tmp_path, name, labels=CLASSES, **place)
        assert _by_slice(again.documents) == _by_slice(first.documents)
    assert boxes == 871


def _by_slice(documents: dict[int, AnnotationDocument]) -> dict[tuple[int, int], list[Box]]:
    return {
        (label, z): sorted(one.box for one in on_slice)
        for label, document in documents.items()
        for z, on_slice in boxes_by_slice(document).items()
    }
