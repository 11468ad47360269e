"""The boxes file: exact there and back, and refused at the right place."""

import json
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crowdmask.core.boxes_file import BoxesFile, boxes_text, parse_boxes, read_boxes, write_boxes
from crowdmask.core.errors import Conflict, CrowdmaskError, ErrorCode, InvalidInput
from crowdmask.core.geometry import Box
from crowdmask.core.intervals import Intervals
from crowdmask.core.tracks import (
    BoxSource,
    Keyframe,
    Track,
    boxes_by_slice,
    document_from_tracks,
    empty_document,
)
from crowdmask.core.volume import Grid

SHAPE = (112, 50, 60)
AFFINE = np.array([[-0.8, 0, 0, 20.1], [0, -0.8, 0.001, 20], [0, 0, 3, -1 / 3], [0, 0, 0, 1]])
GRID = Grid(SHAPE, AFFINE)
SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "boxes.schema.json").read_text())
MANUAL = (Path(__file__).parents[2] / "docs" / "boxes-file.md").read_text()


def kf(x0: float, source: BoxSource = BoxSource.DRAWN) -> Keyframe:
    return Keyframe(Box(x0, 3, x0 + 10, 13.5), source)


def sample() -> BoxesFile:
    first = Track("t1", 40, 77, {40: kf(0), 77: kf(1 / 3, BoxSource.IMPORTED)}, Intervals(((41, 76),)))
    second = Track("t2", 50, 50, {50: kf(20, BoxSource.SIMULATED)})
    liver = document_from_tracks(SHAPE, [first, second], Intervals(((0, 39), (78, 111))))
    return BoxesFile(GRID, {200: empty_document(SHAPE), 4: liver})


def written() -> dict:
    return json.loads(boxes_text(sample()))


def same(one: BoxesFile, other: BoxesFile) -> bool:
    return (
        one.labels == other.labels
        and one.grid.shape == other.grid.shape
        and np.array_equal(one.grid.affine, other.grid.affine)
    )


def refused(change: dict | str, tmp_path: Path) -> CrowdmaskError:
    path = tmp_path / "boxes.json"
    path.write_text(change if isinstance(change, str) else json.dumps(change))
    with pytest.raises(InvalidInput) as error:
        read_boxes(path)
    return error.value


def test_a_boxes_file_comes_back_exactly(tmp_path):
    path = tmp_path / "boxes.json"
    write_boxes(path, sample())
    assert same(read_boxes(path), sample())
    assert list(read_boxes(path).labels) == [4, 200]


def test_the_same_boxes_give_the_same_bytes_and_leave_nothing_else(tmp_path):
    for name in ("a.json", "b.json"):
        write_boxes(tmp_path / name, sample())
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    write_boxes(tmp_path / "b.json", read_boxes(tmp_path / "a.json"))
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.json", "b.json"]


def test_written_files_follow_the_schema_of_the_docs():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.validate(written(), SCHEMA)


def test_the_example_of_the_docs_can_be_read():
    example = json.loads(MANUAL.split("```json\n")[1].split("```")[0])
    jsonschema.validate(example, SCHEMA)
    file = parse_boxes(json.dumps(example))
    assert list(file.labels[4].tracks[0].keyframes) == [40, 77]
    short = json.loads("{" + MANUAL.split("```json\n")[2].split("```")[0] + "}")
    example["labels"] = short
    jsonschema.validate(example, SCHEMA)
    assert [(track.first, track.last) for track in parse_boxes(json.dumps(example)).labels[4].tracks] == [
        (40, 41),
        (41, 41),
    ]


def test_the_schema_knows_every_source():
    known = SCHEMA["$defs"]["track"]["properties"]["source"]["additionalProperties"]["enum"]
    assert known == [source.value for source in BoxSource]


def test_source_confirmed_and_absent_may_be_left_out():
    document = written()
    document["labels"] = {"4": {"tracks": [{"first": 1, "last": 3, "keyframes": {"2": [0, 0, 5, 5]}}]}}
    track = parse_boxes(json.dumps(document)).labels[4].tracks[0]
    assert track.keyframes[2].source is BoxSource.IMPORTED
    assert not track.confirmed


def test_the_short_form_is_linked_to_tracks():
    document = written()
    document["labels"] = {
        "4": {"boxes": {"3": [[0, 0, 5, 5], [20, 0, 25, 5]], "4": [[21, 0, 26, 5]]}, "absent": [[5, 9]]}
    }
    jsonschema.validate(document, SCHEMA)
    liver = parse_boxes(json.dumps(document)).labels[4]
    assert [(track.first, track.last) for track in liver.tracks] == [(3, 3), (3, 4)]
    assert {on.source for found in boxes_by_slice(liver).values() for on in found} == {BoxSource.IMPORTED}
    assert liver.absent.ranges == ((5, 9),)


def test_a_file_for_another_grid_is_refused():
    file = sample()
    file.check_matches(GRID)
    moved = AFFINE.copy()
    moved[0, 3] += 0.05
    file.check_matches(Grid(SHAPE, moved))
    moved[0, 3] += 1
    for other in (Grid(SHAPE, moved), Grid((111, 50, 60), AFFINE)):
        with pytest.raises(Conflict, match=r"ct\.nii\.gz") as error:
            file.check_matches(other, image_name="ct.nii.gz")
        assert error.value.code is ErrorCode.GRID_MISMATCH
        assert error.value.hint == "Use the boxes file that was made for this image."


def put(document: dict, place: str, value: object) -> dict:
    """Put a value at "labels/4/tracks/0/first", or take it away when it is ``...``."""
    at: object = document
    *path, last = place.split("/")
    for part in path:
        at = at[int(part)] if isinstance(at, list) else at[part]
    key = int(last) if isinstance(at, list) else last
    if value is ...:
        del at[key]
    else:
        at[key] = value
    return document


TRACK = "labels/4/tracks/0"


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        ("version", 2, "boxes.json.version is 2"),
        ("version", "1", "boxes.json.version must be a whole number"),
        ("version", True, "boxes.json.version must be a whole number"),
        ("version", ..., "boxes.json lacks version"),
        ("volume", ..., "boxes.json lacks volume"),
        ("labels", [], "boxes.json.labels must be an object"),
        ("author", "me", "boxes.json has an unknown field 'author'"),
        ("volume/shape", [112, 50], "boxes.json.volume.shape must have 3"),
        ("volume/shape", [112, 50, 0], "boxes.json.volume"),
        ("volume/shape", [112, 50, 60.5], "boxes.json.volume.shape[2] must be a whole"),
        ("volume/affine", [[1, 0, 0, 0]], "boxes.json.volume.affine must have 4"),
        ("volume/affine/0", [1, 0, 0, "0"], "boxes.json.volume.affine[0][3] must be a number"),
        ("volume/affine/0", [0, 0, 0, 0], "boxes.json.volume"),
        ("volume/spacing", 3, "boxes.json.volume has an unknown field"),
        ("labels/0", {"tracks": []}, "boxes.json.labels.0 is not a label"),
        ("labels/256", {"tracks": []}, "boxes.json.labels.256 is not a label"),
        ("labels/liver", {"tracks": []}, "boxes.json.labels has the key 'liver'"),
        ("labels/04", {"tracks": []}, "boxes.json.labels has the key '04'"),
        ("labels/4", {}, "boxes.json.labels.4 must have either tracks or boxes"),
        ("labels/4", {"tracks": [], "boxes": {}}, "boxes.json.labels.4 must have either tracks or boxes"),
        ("labels/4", {"tracks": [], "hidden": 1}, "boxes.json.labels.4 has an unknown field"),
        (
            "labels/4/absent",
            [[0, 40]],
            "boxes.json.labels.4: The slices 40 to 40 are marked absent but covered",
        ),
        ("labels/4/absent", [[0, 39], [78, 112]], "boxes.json.labels.4: 78 to 112 is not a range"),
        ("labels/4/absent", [[39, 0]], "boxes.json.labels.4.absent[0] runs backwards"),
        ("labels/4/absent", [[-1, 3]], "boxes.json.labels.4.absent[0][0] must be from 0"),
        (f"{TRACK}/first", 78, "boxes.json.labels.4.tracks[0]: Track t1 cannot run"),
        (f"{TRACK}/first", 41, "boxes.json.labels.4.tracks[0]: Slice 40 lies outside"),
        (f"{TRACK}/last", 112, "boxes.json.labels.4: 40 to 112 is not a range"),
        (
            TRACK,
            {"first": 1, "last": 2, "keyframes": {}},
            "boxes.json.labels.4.tracks[0]: Track t1 has no box",
        ),
        (f"{TRACK}/keyframes/4x", [0, 0, 5, 5], "boxes.json.labels.4.tracks[0].keyframes has the key '4x'"),
        (f"{TRACK}/keyframes/40", [0, 0, 0, 5], "boxes.json.labels.4.tracks[0].keyframes.40: The box"),
        (f"{TRACK}/keyframes/40", [0, 0, 5], "boxes.json.labels.4.tracks[0].keyframes.40 must have 4"),
        (f"{TRACK}/keyframes/40", [0, 0, 61, 5], "boxes.json.labels.4: Track t1, slice 40: The box"),
        (
            f"{TRACK}/keyframes/40",
            [0, 0, True, 5],
            "boxes.json.labels.4.tracks[0].keyframes.40[2] must be a number",
        ),
        (
            f"{TRACK}/keyframes/40",
            [0, 0, 10**400, 5],
            "boxes.json.labels.4.tracks[0].keyframes.40[2] must be a fin",
        ),
        (f"{TRACK}/source/41", "drawn", "boxes.json.labels.4.tracks[0].source.41 is the source of a slice"),
        (f"{TRACK}/source/40", "guessed", "boxes.json.labels.4.tracks[0].source.40 is 'guessed'"),
        (f"{TRACK}/confirmed", [[39, 41]], "boxes.json.labels.4.tracks[0]: Slice 39 lies outside"),
        (f"{TRACK}/id", "a", "boxes.json.labels.4.tracks[0] has an unknown field 'id'"),
        ("labels/4", {"boxes": {"3": [[0, 0, 5, 5]] * 201}}, "boxes.json.labels.4.boxes.3 has 201 boxes"),
        (
            "labels/4",
            {"boxes": {str(z): [[0, 0, 5, 5]] * 100 for z in range(101)}},
            "boxes.json.labels.4.boxes has 10100 boxes",
        ),
    ],
)
def test_what_is_wrong_is_refused_at_its_place(place, value, said, tmp_path):
    error = refused(put(written(), place, value), tmp_path)
    assert error.code is ErrorCode.BOXES_FILE_INVALID
    assert error.message.startswith(said)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty"),
        (" \n", "is empty"),
        ("[]", "must be an object"),
        ("null", "must be an object"),
        ("{", "is not valid JSON"),
        ('{"version": 1, "version": 1}', "'version' is given twice"),
        ('{"version": NaN}', "NaN is not a JSON number"),
        ('{"version": -Infinity}', "-Infinity is not a JSON number"),
        ('{"version": 1' + "0" * 5000 + "}", "is not valid JSON"),
        ("[" * 200_000, "is nested too deeply"),
    ],
)
def test_what_is_no_json_is_refused(text, said, tmp_path):
    error = refused(text, tmp_path)
    assert error.code is ErrorCode.BOXES_FILE_INVALID
    assert said in error.message
    assert error.message.startswith("boxes.json")


def test_an_infinite_edge_written_as_1e999_is_refused(tmp_path):
    text = boxes_text(sample()).replace("[0, 3, 10, 13.5]", "[0, 3, 1e999, 13.5]")
    assert "must be a finite number" in refused(text, tmp_path).message


def test_another_slice_axis_is_refused_with_its_own_code(tmp_path):
    error = refused(put(written(), "volume/slice_axis", "x"), tmp_path)
    assert error.code is ErrorCode.SLICE_AXIS_UNSUPPORTED


def test_a_file_that_is_not_text_is_refused(tmp_path):
    path = tmp_path / "boxes.json"
    path.write_bytes(b"\x1f\x8b\x08\x00\xff\xfe")
    with pytest.raises(InvalidInput, match="UTF-8"):
        read_boxes(path)


def test_a_file_that_is_too_large_is_refused_without_reading_all_of_it(tmp_path):
    path = tmp_path / "boxes.json"
    with path.open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(InvalidInput, match="64 MiB") as error:
        read_boxes(path)
    assert error.value.code is ErrorCode.FILE_TOO_LARGE


def test_a_missing_file_and_a_folder_are_refused_in_one_sentence(tmp_path):
    for path in (tmp_path / "no.json", tmp_path):
        with pytest.raises(InvalidInput, match="cannot be read") as error:
            read_boxes(path)
        assert error.value.code is ErrorCode.BOXES_FILE_INVALID


def test_a_mark_of_byte_order_is_accepted(tmp_path):
    path = tmp_path / "boxes.json"
    path.write_text("\ufeff" + boxes_text(sample()), encoding="utf-8")
    assert same(read_boxes(path), sample())


@pytest.mark.parametrize("labels", [{0: SHAPE}, {256: SHAPE}, {True: SHAPE}, {4: (111, 50, 60)}])
def test_boxes_that_could_not_be_read_cannot_be_written(labels):
    with pytest.raises(InvalidInput) as error:
        BoxesFile(GRID, {index: empty_document(shape) for index, shape in labels.items()})
    assert error.value.code is ErrorCode.BOXES_FILE_INVALID


@st.composite
def documents(draw: st.DrawFn):
    cuts = sorted(draw(st.sets(st.integers(0, 111), min_size=4, max_size=8)))
    edge = st.floats(0, 40, allow_nan=False)
    tracks, absent = [], []
    for first, last in zip(cuts[::2], cuts[1::2], strict=False):
        if draw(st.booleans()):
            absent.append((first, last))
            continue
        on = draw(st.sets(st.integers(first, last), min_size=1, max_size=5))
        keyframes = {}
        for z in on:
            x0, y0 = draw(edge), draw(edge)
            keyframes[z] = Keyframe(Box(x0, y0, x0 + 2.5, y0 + 1), draw(st.sampled_from(list(BoxSource))))
        confirmed = Intervals.from_slices(draw(st.sets(st.integers(first, last), max_size=4)))
        tracks.append(Track(f"t{len(tracks) + 1}", first, last, keyframes, confirmed))
    return document_from_tracks(SHAPE, tracks, Intervals.of(absent))


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.integers(1, 255), documents(), max_size=3))
def test_whatever_can_be_written_is_read_back_exactly_and_follows_the_schema(labels):
    file = BoxesFile(GRID, labels)
    text = boxes_text(file)
    assert same(parse_boxes(text), file)
    jsonschema.validate(json.loads(text), SCHEMA)
