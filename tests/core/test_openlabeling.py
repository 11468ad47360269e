"""Boxes of OpenLabeling: the exact transform, and the boxes that the paper's authors released."""

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from typer.testing import CliRunner

from crowdmask import cli
from crowdmask.core.boxes_file import read_boxes
from crowdmask.core.errors import CrowdmaskError, ErrorCode, InvalidInput
from crowdmask.core.geometry import Box
from crowdmask.core.nifti import orientation_of, read_label_map
from crowdmask.core.openlabeling import read_openlabeling, volumes_in
from crowdmask.core.simulate import damaged
from crowdmask.core.tracks import boxes_by_slice

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
