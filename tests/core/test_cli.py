"""The command ``crowdmask``, as a person or a script meets it: results, refusals, exit codes, and how it is stopped."""

import gzip
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from crowdmask import cli
from crowdmask.core.boxes_file import read_boxes
from crowdmask.core.nifti import read_label_map, write_mask, write_volume
from crowdmask.core.phantom import abdominal_phantom
from crowdmask.core.tracks import boxes_by_slice
from crowdmask.core.volume import Grid


@pytest.fixture(scope="module")
def reference(tmp_path_factory) -> Path:
    """The phantom's label map as a file."""
    phantom = abdominal_phantom(np.random.default_rng(0))
    path = tmp_path_factory.mktemp("cli") / "labels.nii.gz"
    write_volume(path, phantom.labels, phantom.grid)
    return path


@pytest.fixture
def run(monkeypatch, capsys):
    """Run ``crowdmask`` in this process: exit code, standard output, standard error."""

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["crowdmask", *(str(argument) for argument in arguments)])
        with pytest.raises(SystemExit) as left:
            cli.main()
        output = capsys.readouterr()
        return int(left.value.code or 0), output.out, output.err

    return run


@pytest.fixture(scope="module")
def lost(reference, tmp_path_factory) -> Path:
    """The same label map in a file that does not say how it lies, its axes right, anterior, superior."""
    labels = nib.as_closest_canonical(nib.load(reference))
    image = nib.Nifti1Image(np.asarray(labels.dataobj), None)
    image.header.set_zooms(labels.header.get_zooms())
    path = tmp_path_factory.mktemp("lost") / "labels.nii.gz"
    nib.save(image, path)
    return path


def _is_one_sentence(error: str) -> bool:
    lines = [line for line in error.splitlines() if ": note: " not in line]
    return len(lines) == 1 and lines[0].startswith("crowdmask: ") and "Traceback" not in error


def test_the_installed_command_simulates_and_evaluates(reference, tmp_path):
    command = Path(sys.executable).parent / "crowdmask"
    boxes = tmp_path / "boxes.json"
    made = subprocess.run(
        [command, "simulate", reference, "--label", "4", "-o", boxes], capture_output=True, text=True
    )
    assert (made.returncode, made.stderr) == (0, "")
    assert "label 4:" in made.stdout
    scored = subprocess.run(
        [command, "evaluate", reference, reference, "--json"], capture_output=True, text=True
    )
    assert (scored.returncode, scored.stderr) == (0, "")
    perfect = {
        "volume_dice": 1.0,
        "slice_dice": 1.0,
        "slice_dice_all": 1.0,
        "hd95_mm": 0.0,
        "nsd_2mm": 1.0,
        "coverage": 1.0,
        "volume_error": 0.0,
    }
    assert json.loads(scored.stdout) == {"labels": {str(index): perfect for index in range(1, 6)}}
    refused = subprocess.run(
        [command, "evaluate", reference, tmp_path / "no.nii.gz"], capture_output=True, text=True
    )
    assert (refused.returncode, refused.stdout) == (2, "")
    assert _is_one_sentence(refused.stderr)


def test_simulate_writes_the_boxes_it_counts(reference, tmp_path, run):
    boxes = tmp_path / "boxes.json"
    code, out, _ = run("simulate", reference, "--label", 5, "--label", 1, "-o", boxes, "--json")
    assert code == 0
    counts = json.loads(out)["labels"]
    assert list(counts) == ["1", "5"]
    written = read_boxes(boxes)
    assert sorted(written.labels) == [1, 5]
    assert written.grid.matches(read_label_map(reference).grid)
    for index, document in written.labels.items():
        on_slices = boxes_by_slice(document)
        assert counts[str(index)]["slices"] == len(on_slices)
        assert counts[str(index)]["boxes"] == sum(len(found) for found in on_slices.values())
        assert not document.absent
    stored = json.loads(boxes.read_text())
    assert not stored["labels"]["5"].get("absent")
    assert {source for track in stored["labels"]["1"]["tracks"] for source in track["source"].values()} == {
        "simulated"
    }


def test_a_seed_gives_the_same_boxes_again_whichever_labels_are_asked_for(reference, tmp_path, run):
    def boxes(name: str, *options: object) -> dict:
        path = tmp_path / name
        assert run("simulate", reference, "--annotator", "crowd", "-o", path, *options)[0] == 0
        return json.loads(path.read_text())["labels"]["4"]

    alone = boxes("a.json", "--label", 4)
    assert alone == boxes("b.json", "--label", 4, "--seed", 0)
    assert alone == boxes("c.json", "--label", 1, "--label", 4)
    assert alone != boxes("d.json", "--label", 4, "--seed", 1)
    assert alone != boxes("e.json", "--label", 4, "--jitter-mm", 9)


def test_the_holes_of_one_boxes_file_are_left_out_of_another(reference, tmp_path, run):
    holes, boxes = tmp_path / "holes.json", tmp_path / "boxes.json"
    draw = ("simulate", reference, "--label", 4)
    assert run(*draw, "--miss-inner", 0.25, "-o", holes)[0] == 0
    assert run(*draw, "--holes-of", holes, "-o", boxes)[0] == 0
    drawn, expected = (boxes_by_slice(read_boxes(path).labels[4]) for path in (boxes, holes))
    assert sorted(drawn) == sorted(expected)
    code, out, err = run("simulate", reference, "--label", 5, "--holes-of", holes, "-o", boxes)
    assert (code, out) == (2, "")
    assert _is_one_sentence(err)
    assert "label 5" in err


def test_one_loose_box_may_hold_all_regions_of_a_slice(reference, tmp_path, run):
    counts = {}
    for name, options in (("tight", ()), ("loose", ("--one-box", "--loose-mm", 6))):
        boxes = tmp_path / f"{name}.json"
        assert run("simulate", reference, "--label", 5, *options, "-o", boxes)[0] == 0
        counts[name] = {
            z: [one.box for one in found] for z, found in boxes_by_slice(read_boxes(boxes).labels[5]).items()
        }
    for z, loose in counts["loose"].items():
        assert len(loose) == 1
        assert all(loose[0].area > tight.area for tight in counts["tight"][z])


def test_an_undefined_score_is_null(reference, tmp_path, run):
    labels = read_label_map(reference)
    without_liver = np.where(labels.voxels == 4, 0, labels.voxels).astype(np.uint8)
    path = tmp_path / "without.nii.gz"
    write_mask(path, without_liver, labels.source)
    code, out, _ = run("evaluate", path, reference, "--json")
    assert code == 0
    liver = json.loads(out)["labels"]["4"]
    assert liver == {
        "volume_dice": 0.0,
        "slice_dice": None,
        "slice_dice_all": 0.0,
        "hd95_mm": None,
        "nsd_2mm": 0.0,
        "coverage": 0.0,
        "volume_error": -1.0,
    }


def test_evaluate_prints_a_table(reference, run):
    code, out, _ = run("evaluate", reference, reference)
    assert code == 0
    assert all(heading in out for heading in ("Dice", "HD95", "NSD", "coverage", "volume"))
    assert out.count("1.0000") == 20
    assert "…" not in out


def test_two_files_without_labels_are_said_to_hold_nothing(tmp_path, run):
    path = tmp_path / "empty.nii.gz"
    write_volume(path, np.zeros((2, 3, 4), dtype=np.uint8), Grid((2, 3, 4), np.diag([-1.0, -1.0, 1.0, 1.0])))
    assert run("evaluate", path, path)[:2] == (0, "Neither file holds a label: there is nothing to score.\n")
    assert json.loads(run("evaluate", path, path, "--json")[1]) == {"labels": {}}


@pytest.mark.sample_data
def test_a_flipped_file_is_scored_in_space(sample_data, tmp_path, run):
    """The reference of the DICOM series is stored with y flipped; written canonical it is the same mask."""
    flipped = sample_data / "abdomen_ct_dicom" / "labels_las.nii.gz"
    labels = read_label_map(flipped)
    canonical = tmp_path / "canonical.nii.gz"
    write_volume(canonical, labels.voxels, labels.grid)
    code, out, err = run("evaluate", canonical, flipped, "--json")
    assert code == 0
    assert {score["volume_dice"] for score in json.loads(out)["labels"].values()} == {1.0}
    assert "matched in space" in err


def test_an_unknown_label_is_refused_with_those_there_are(reference, tmp_path, run):
    code, out, err = run("simulate", reference, "--label", 9, "-o", tmp_path / "boxes.json")
    assert (code, out) == (2, "")
    assert _is_one_sentence(err)
    assert "label 9" in err
    assert "1, 2, 3, 4, 5" in err
    assert not (tmp_path / "boxes.json").exists()


def test_a_missing_file_is_refused_by_name(reference, tmp_path, run):
    for arguments in (
        ("simulate", tmp_path / "gone.nii.gz", "--label", 1, "-o", tmp_path / "boxes.json"),
        ("evaluate", tmp_path / "gone.nii.gz", reference),
        ("evaluate", reference, tmp_path / "gone.nii.gz"),
        ("evaluate", reference, tmp_path),
    ):
        code, out, err = run(*arguments)
        assert (code, out) == (2, "")
        assert _is_one_sentence(err)
        assert str(arguments[1]) in err or str(arguments[2]) in err


@pytest.mark.parametrize(
    "content",
    [b"", b"not an image at all" * 40, gzip.compress(b"still not" * 90, mtime=0)],
    ids=["empty", "text", "gz"],
)
def test_a_file_that_is_no_nifti_is_refused(reference, tmp_path, run, content):
    path = tmp_path / "wrong.nii.gz"
    path.write_bytes(content)
    code, out, err = run("evaluate", path, reference)
    assert (code, out) == (2, "")
    assert _is_one_sentence(err)


def test_another_grid_is_refused_with_both_files_named(reference, tmp_path, run):
    labels = read_label_map(reference)
    affine = labels.grid.affine.copy()
    affine[0, 3] += 3.0
    moved = tmp_path / "moved.nii.gz"
    write_volume(moved, labels.voxels, Grid(labels.grid.shape, affine))
    code, out, err = run("evaluate", moved, reference)
    assert (code, out) == (2, "")
    assert _is_one_sentence(err)
    assert str(moved) in err
    assert str(reference) in err


def test_an_output_that_cannot_be_written_is_refused(reference, tmp_path, run):
    (tmp_path / "folder").mkdir()
    for output in (tmp_path / "no" / "such" / "boxes.json", tmp_path / "folder"):
        code, out, err = run("simulate", reference, "--label", 4, "-o", output)
        assert (code, out) == (2, "")
        assert _is_one_sentence(err)
        assert str(output) in err


@pytest.mark.parametrize(
    "options",
    [
        ("--annotator", "expert"),
        ("--annotator", "crowd", "--jitter-mm", "-1"),
        ("--annotator", "crowd", "--jitter-mm", "1e300"),
        ("--loose-mm", "nan"),
        ("--miss-inner", "nan"),
    ],
    ids=str,
)
def test_an_option_out_of_range_is_refused(reference, tmp_path, run, options):
    code, out, err = run("simulate", reference, "--label", 4, "-o", tmp_path / "boxes.json", *options)
    assert (code, out) == (2, "")
    assert _is_one_sentence(err)


def test_the_boxes_never_replace_the_label_map_they_are_made_from(reference, tmp_path, run):
    before = reference.read_bytes()
    link = tmp_path / "boxes.json"
    link.symlink_to(reference)
    for output in (reference, link):
        code, out, err = run("simulate", reference, "--label", 4, "-o", output)
        assert (code, out) == (2, "")
        assert _is_one_sentence(err)
        assert "would replace" in err
    assert reference.read_bytes() == before
    assert link.is_symlink()


def test_a_link_at_the_output_keeps_pointing_and_its_file_is_written(reference, tmp_path, run):
    (tmp_path / "kept").mkdir()
    for target in (tmp_path / "kept" / "old.json", tmp_path / "kept" / "new.json"):
        link = tmp_path / target.name
        link.symlink_to(Path("kept") / target.name)
        if target.name == "old.json":
            target.write_text("older")
        assert run("simulate", reference, "--label", 4, "-o", link)[0] == 0
        assert link.is_symlink()
        assert sorted(read_boxes(target).labels) == [4]
    assert {path.name for path in (tmp_path / "kept").iterdir()} == {"old.json", "new.json"}


def test_a_pipe_at_the_output_is_refused_and_left_alone(reference, tmp_path, run):
    pipe, link, circle = tmp_path / "pipe", tmp_path / "link", tmp_path / "circle"
    os.mkfifo(pipe)
    link.symlink_to(pipe)
    circle.symlink_to(circle)
    for output in (pipe, link, circle):
        code, out, err = run("simulate", reference, "--label", 4, "-o", output)
        assert (code, out) == (2, "")
        assert _is_one_sentence(err)
        assert f"{output} cannot be written" in err
    assert pipe.is_fifo()
    assert link.readlink() == pipe
    assert circle.readlink() == circle


def test_the_ideal_annotator_takes_no_jitter(reference, tmp_path, run):
    boxes = tmp_path / "boxes.json"
    code, out, err = run("simulate", reference, "--label", 4, "-o", boxes, "--jitter-mm", "2.3")
    assert (code, out) == (2, "")
    assert _is_one_sentence(err)
    assert "--jitter-mm" in err
    assert not boxes.exists()


def test_a_file_without_orientation_is_used_only_when_told_to(reference, lost, tmp_path, run):
    boxes = tmp_path / "boxes.json"
    simulate = ("simulate", lost, "--label", 4, "-o", boxes)
    evaluate = ("evaluate", lost, lost, "--json")
    for arguments in (simulate, evaluate):
        code, out, err = run(*arguments)
        assert (code, out) == (2, "")
        assert _is_one_sentence(err)
        assert "--assume-affine" in err
    assert run(*simulate, "--assume-affine")[0] == 0
    straight = tmp_path / "straight.json"
    assert run("simulate", reference, "--label", 4, "-o", straight)[0] == 0
    assert dict(read_boxes(boxes).labels) == dict(read_boxes(straight).labels)
    code, out, err = run(*evaluate, "--assume-affine")
    assert code == 0
    assert {score["volume_dice"] for score in json.loads(out)["labels"].values()} == {1.0}
    assert "says nothing about its orientation" in err


def test_a_wrong_use_is_refused_with_one_sentence(reference, tmp_path, run):
    boxes = tmp_path / "boxes.json"
    for arguments, named in (
        (("simulate",), "REF.nii.gz"),
        (("simulate", reference, "--label", 4), "--output"),
        (("simulate", reference, "-o", boxes), "--label"),
        (("simulate", reference, "--label", "liver", "-o", boxes), "'--label'"),
        (("simulate", reference, "--label", 4, "-o", boxes, "--seed", "-1"), "--seed"),
        (("simulate", reference, "--label", 4, "-o", boxes, "--sede", "1"), "--sede"),
        (("evaluate", reference, reference, reference), "unexpected"),
        (("nonsense",), "nonsense"),
    ):
        code, out, err = run(*arguments)
        assert (code, out) == (2, ""), arguments
        assert _is_one_sentence(err), err
        assert named in err
    assert not boxes.exists()


def test_help_is_printed_when_asked_for_and_without_arguments(run):
    for arguments, expected in (((), 2), (("--help",), 0)):
        code, out, err = run(*arguments)
        assert (code, err) == (expected, "")
        assert "simulate" in out
        assert "evaluate" in out
    assert "--label" in run("simulate", "--help")[1]


@pytest.mark.parametrize(
    "arguments",
    [("migrate",), ("demo", "--no-serve"), ("export", "--project", "Abdomen")],
    ids=lambda arguments: arguments[0],
)
def test_a_place_that_cannot_be_the_data_folder_is_refused(tmp_path, run, arguments):
    file = tmp_path / "file"
    file.write_bytes(b"mine")
    for folder in (file, file / "below", Path("/proc/nope")):
        code, out, err = run(*arguments, "--data", folder)
        assert (code, out) == (2, "")
        assert _is_one_sentence(err), err
        assert str(folder) in err
    assert file.read_bytes() == b"mine"


@pytest.mark.parametrize(
    "url", ["nonsense", "", "oracle9://host/database", "postgresql+psycopg://ada:hush@host:hush/database"]
)
def test_an_unusable_address_of_the_database_is_refused(tmp_path, run, monkeypatch, url):
    monkeypatch.setenv("CROWDMASK_DATABASE_URL", url)
    code, out, err = run("migrate", "--data", tmp_path / "folder")
    assert (code, out) == (2, "")
    assert _is_one_sentence(err)
    assert "CROWDMASK_DATABASE_URL" in err
    assert "hush" not in err


def test_a_database_that_does_not_answer_is_no_refusal(tmp_path, run, monkeypatch):
    monkeypatch.setenv("CROWDMASK_DATABASE_URL", f"sqlite:///{tmp_path}/no/folder/x.sqlite3")
    code, out, err = run("migrate", "--data", tmp_path / "folder")
    assert (code, out) == (1, "")
    assert _is_one_sentence(err), err


def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path, run):
    file = tmp_path / "crowdmask.sqlite3"
    file.write_bytes(b"no database at all")
    code, out, err = run("migrate", "--data", tmp_path)
    assert (code, out) == (2, "")
    assert _is_one_sentence(err), err
    assert str(file) in err
    assert "backup" in err
    assert file.read_bytes() == b"no database at all"


def _processes_of(folder: Path) -> set[int]:
    """The ids of the processes that were started for a data folder."""
    wanted = f"CROWDMASK_DATA_DIR={folder}".encode()
    found = set()
    for environment in Path("/proc").glob("[0-9]*/environ"):
        try:
            if wanted in environment.read_bytes().split(b"\0"):
                found.add(int(environment.parent.name))
        except OSError:
            continue  # it has ended, or is not ours
    return found


@pytest.mark.slow
@pytest.mark.usefixtures("hang_up_is_heard")
@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs /proc to see other processes")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_command_that_is_told_to_end_stops_its_worker(tmp_path, number):
    phantom = abdominal_phantom(np.random.default_rng(0))
    volume, folder = tmp_path / "volume.nii.gz", tmp_path / "folder"
    write_volume(volume, phantom.voxels, phantom.grid)
    command = [Path(sys.executable).with_name("crowdmask"), "import", volume, "--project", "P"]
    started = subprocess.Popen(
        [*command, "--labels", "liver", "--data", folder], stderr=subprocess.PIPE, text=True
    )
    try:
        log = folder / "worker.log"
        while started.poll() is None and not (log.exists() and log.stat().st_size):
            time.sleep(0.02)
        assert _processes_of(folder)
        os.kill(started.pid, number)
        _, err = started.communicate()
    finally:
        started.kill()
    assert started.returncode == 128 + number
    assert "Traceback" not in err
    assert not _processes_of(folder)
