"""nnU-Net's own commands as we run them: their output, their ends, and one whole small run with an interruption."""

import json
import math
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from importlib.util import find_spec
from multiprocessing.context import SpawnContext
from pathlib import Path

import numpy as np
import pytest

from crowdmask.core import nifti, nnunet
from crowdmask.core.errors import Conflict, Corrupt, ErrorCode, InvalidInput, Unavailable
from crowdmask.core.training import Configuration, Device, TrainingSettings
from crowdmask_ml.nnunet import runs
from crowdmask_ml.nnunet.command import TRAINER, log_tail, one_process_is_a_thread, run_command
from crowdmask_ml.nnunet.epochs import read_epochs
from crowdmask_ml.nnunet.runs import SPLITS_NAME, Run
from tests.conftest import missing
from tests.fake_nnunet import FakeNnunet
from tests.waiting import eventually

FULL = Configuration.FULLRES
SMALL = TrainingSettings((FULL,), (0,), epochs=3, iterations=4, device=Device.CPU, small=True)


@pytest.fixture
def _nnunet() -> None:
    if find_spec("nnunetv2") is None:
        missing("nnU-Net (the extra train)")


@pytest.fixture
def dataset(sample_data: Path, tmp_path: Path) -> Path:
    """Four real training cases in two folds, and one test case."""
    source = sample_data / "nnunet" / "Dataset904_HippoMini"
    if not source.is_dir():
        missing("the sample data nnunet/Dataset904_HippoMini")
    folder = tmp_path / "dataset" / source.name
    cases = {}
    for split, n in (("Tr", 4), ("Ts", 1)):
        labels = sorted((source / f"labels{split}").iterdir())[:n]
        images = [f"{label.name.removesuffix('.nii.gz')}_0000.nii.gz" for label in labels]
        for path in [*labels, *(source / f"images{split}" / name for name in images)]:
            target = folder / path.parent.name / path.name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
        cases[split] = [label.name.removesuffix(".nii.gz") for label in labels]
    description = json.loads((source / "dataset.json").read_text())
    (folder / "dataset.json").write_text(json.dumps(description | {"numTraining": 4}))
    first, second = cases["Tr"][:2], cases["Tr"][2:]
    splits = [{"train": first, "val": second}, {"train": second, "val": first}]
    (folder / SPLITS_NAME).write_text(json.dumps(splits))
    nnunet.check_dataset(folder)
    return folder


class Enough(Exception):
    """Somebody does not want the run any more."""


@pytest.mark.slow
@pytest.mark.usefixtures("_nnunet")
def test_a_run_plans_trains_goes_on_after_an_interruption_and_predicts(dataset: Path, tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in dataset.rglob("*") if path.is_file()}
    run = Run(tmp_path / "run", dataset, SMALL, (0,))
    runs.plan(run, look=lambda: None)
    assert (run.preprocessed / SPLITS_NAME).read_bytes() == (dataset / SPLITS_NAME).read_bytes()

    def until_an_epoch_is_kept() -> None:
        if (run.fold_folder(FULL, 0) / "checkpoint_latest.pth").is_file():
            raise Enough

    with pytest.raises(Enough):
        runs.train(run, FULL, 0, look=until_an_epoch_is_kept)
    first_attempt = run.fold_log(FULL, 0).read_text()
    assert "Training done." not in first_attempt

    runs.train(run, FULL, 0, look=lambda: None)
    second_attempt = run.fold_log(FULL, 0).read_text().removeprefix(first_attempt)
    assert "Epoch 0\n" not in second_attempt.replace(" \n", "\n")
    assert [epoch.number for epoch in run.epochs(FULL, 0)] == [0, 1, 2]
    assert all(len(epoch.pseudo_dice) == 2 for epoch in run.epochs(FULL, 0))
    assert run.checkpoint(FULL, 0) == run.fold_folder(FULL, 0) / "checkpoint_final.pth"
    assert not list(run.folder.rglob("*.partial"))

    folder = runs.predict(run, FULL, look=lambda: None)
    (image,) = (dataset / "imagesTs").iterdir()
    predicted = nifti.read_label_map(folder / image.name.replace("_0000", ""))
    assert np.allclose(predicted.grid.affine, nifti.read_volume(image).grid.affine, atol=1e-4)
    assert {path: path.read_bytes() for path in before} == before


def test_configurations_are_ensembled_from_probabilities_that_are_kept_no_longer(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = FakeNnunet()
    monkeypatch.setattr(runs, "run_command", fake)
    both = (Configuration.FLAT, FULL)
    run = Run(tmp_path / "run", dataset, replace(SMALL, configurations=both), (0, 1))
    runs.plan(run, look=lambda: None)
    for configuration in both:
        for fold in (0, 1):
            runs.train(run, configuration, fold, look=lambda: None)
        runs.predict(run, configuration, look=lambda: None)
    assert runs.ensemble(run, look=lambda: None) == run.results == run.folder / "predictions" / "ensemble"
    runs.drop_probabilities(run)
    (image,) = (dataset / "imagesTs").iterdir()
    case = image.name.replace("_0000", "")
    kept = {str(path.relative_to(run.folder / "predictions")) for path in run.folder.glob("predictions/*/*")}
    assert kept == {f"2d/{case}", f"3d_fullres/{case}", f"ensemble/{case}"}
    assert sum("--save_probabilities" in command for command in fake.commands) == 2
    assert "-c 2d 3d_fullres --verify_dataset_integrity" in fake.commands[0]
    assert "-c 3d_fullres_small" in fake.commands[-2]
    assert " -f 0 1 " in fake.commands[-2]

    # The same step once more, as after a result that could not be recorded: it needs them again.
    done = len(fake.commands)
    runs.ensemble(run, look=lambda: None)
    again = [command.partition(" ")[0] for command in fake.commands[done:]]
    assert again == ["nnUNetv2_predict", "nnUNetv2_predict", "nnUNetv2_ensemble"]


def test_a_folder_of_another_run_is_left_alone(dataset: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    (folder / "nnUNet_results").mkdir(parents=True)
    with pytest.raises(Conflict) as refused:
        runs.plan(Run(folder, dataset, SMALL, (0,)), look=lambda: None)
    assert refused.value.code is ErrorCode.NAME_TAKEN
    (folder / "nnUNet_results").rmdir()
    owner = {"dataset": "another", "settings": SMALL.to_json(), "folds": [0]}
    (folder / "run.json").write_text(json.dumps(owner))
    with pytest.raises(Conflict):
        runs.plan(Run(folder, dataset, SMALL, (0,)), look=lambda: None)


def test_a_folder_from_before_there_were_several_configurations_is_still_the_runs_own(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "run_command", FakeNnunet())
    run = Run(tmp_path / "run", dataset, SMALL, (0,))
    settings = {**SMALL.to_json(), "configuration": "3d_fullres"}
    del settings["configurations"]
    run.folder.mkdir()
    (run.folder / "run.json").write_text(
        json.dumps({"dataset": str(dataset), "settings": settings, "folds": [0]})
    )
    runs.plan(run, look=lambda: None)
    assert (run.preprocessed / "nnUNetPlans.json").is_file()


def test_several_configurations_need_as_much_more_room(dataset: Path, tmp_path: Path) -> None:
    one = Run(tmp_path / "run", dataset, SMALL, (0,))
    both = replace(one, settings=replace(SMALL, configurations=(Configuration.FLAT, FULL)))
    (image,) = (dataset / "imagesTs").iterdir()
    probabilities = math.prod(nifti.read_source_grid(image).grid.shape) * 3 * 4  # background and two labels
    assert runs.disk_need(both) == 2 * (runs.disk_need(one) + probabilities)


def test_a_fold_or_a_dataset_that_is_not_there_is_refused(dataset: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="the 2 of"):
        runs.plan(Run(tmp_path / "run", dataset, SMALL, (2,)), look=lambda: None)
    with pytest.raises(Corrupt) as refused:
        runs.plan(Run(tmp_path / "run", tmp_path / "Dataset001_Gone", SMALL, (0,)), look=lambda: None)
    assert refused.value.code is ErrorCode.BLOB_MISSING
    assert not (tmp_path / "run").exists()


def test_a_disk_that_is_too_small_is_known_before_anything_is_written(dataset: Path, tmp_path: Path) -> None:
    # More folds than any disk has room for; each could be real.
    (dataset / SPLITS_NAME).write_text(json.dumps([{}] * 1_000_000))
    run = Run(tmp_path / "run", dataset, TrainingSettings(), tuple(range(1_000_000)))
    with pytest.raises(Unavailable, match="GB are free") as refused:
        runs.plan(run, look=lambda: None)
    assert refused.value.code is ErrorCode.STORAGE_FULL
    assert not any(run.folder.iterdir())


@pytest.mark.usefixtures("_nnunet")
def test_what_nnunet_said_last_is_the_reason_of_a_failure(dataset: Path, tmp_path: Path) -> None:
    run = Run(tmp_path / "run", dataset, SMALL, (0,))
    with pytest.raises(Corrupt, match=r"nnUNetv2_train ended with 1: .*Dataset904") as failed:
        runs.train(run, FULL, 0, look=lambda: None)  # nothing was planned
    assert failed.value.code is ErrorCode.TRAINING_FAILED


PARENT = """
import sys
from pathlib import Path
from crowdmask_ml.nnunet.command import run_command
run_command(["nnUNetv2_train", "1", "2d", "0"], environment={}, log=Path(sys.argv[1]), look=lambda: None)
"""


@pytest.mark.parametrize(("processes", "is_here"), [(1, True), (2, False)])
def test_a_pool_of_one_process_is_a_thread_of_ours(
    monkeypatch: pytest.MonkeyPatch, processes: int, is_here: bool
) -> None:
    monkeypatch.setattr(SpawnContext, "Pool", SpawnContext.Pool)  # put back afterwards
    one_process_is_a_thread()
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        (worked_in,) = pool.starmap(os.getpid, [()])
    assert (worked_in == os.getpid()) is is_here


@pytest.mark.usefixtures("_nnunet")
def test_nnunet_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT, str(tmp_path / "log")])
    try:
        while not (children := _children(parent.pid)):
            assert parent.poll() is None
            time.sleep(0.02)
        time.sleep(1.0)  # it is loading torch
    finally:
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    eventually(lambda: not any(_runs(child) for child in children), "the end of nnU-Net after its parent's")


@pytest.mark.usefixtures("_nnunet")
def test_nobody_wants_it_any_more_so_it_ends(tmp_path: Path) -> None:
    looks = []

    def look() -> None:
        looks.append(1)
        if len(looks) == 3:
            raise Enough

    with pytest.raises(Enough):
        run_command(["nnUNetv2_train", "1", "2d", "0"], environment={}, log=tmp_path / "log", look=look)


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _runs(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False


PRINTED = """
2026-01-02 10:00:00.179404: Epoch 0
2026-01-02 10:00:00.179404: Current learning rate: 0.01
2026-01-02 10:00:01.753628: train_loss 1.5515
2026-01-02 10:00:01.753736: val_loss -0.2107
2026-01-02 10:00:01.753772: Pseudo dice [np.float32(0.1238), np.float32(nan)]
2026-01-02 10:00:01.753816: Epoch time: 0.48 s
2026-01-02 10:00:01.753816: Yayy! New best EMA pseudo Dice: 0.1440
2026-01-02 10:00:01.800000: Epoch 1
2026-01-02 10:00:01.853628: train_loss nan
This run was killed here, and begins anew:
2026-01-02 10:01:00.179404: Epoch 1
2026-01-02 10:01:01.753628: train_loss 1.2e-05
2026-01-02 10:01:01.753736: val_loss inf
2026-01-02 10:01:01.753772: Pseudo dice [0.5, 0.25]
2026-01-02 10:01:01.753816: Epoch time: 61.0 s
"""


def test_epochs_are_read_from_what_nnunet_prints() -> None:
    first, second = read_epochs(PRINTED)
    assert (first.number, first.train_loss, first.val_loss) == (0, 1.5515, -0.2107)
    assert (first.pseudo_dice, first.seconds) == ((0.1238, None), 0.48)
    assert (second.number, second.train_loss, second.val_loss) == (1, 1.2e-05, None)
    assert (second.pseudo_dice, second.seconds) == ((0.5, 0.25), 61.0)
    assert json.loads(json.dumps(first.to_json()))["pseudo_dice"] == [0.1238, None]


def test_the_end_of_a_log_begins_with_a_whole_line_and_keeps_no_progress_bars(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert log_tail(log) == ""
    log.write_bytes(b"x" * 50 + b"\nfirst\n 10%\r 50%\r100%\nlast\0\n")
    assert log_tail(log, 30) == "first\n100%\nlast"


@pytest.mark.usefixtures("_nnunet")
def test_our_trainer_has_the_name_that_its_folders_have() -> None:
    from crowdmask_ml.nnunet.trainer import CrowdmaskTrainer

    assert CrowdmaskTrainer.__name__ == TRAINER
