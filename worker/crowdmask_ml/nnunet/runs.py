"""One training of nnU-Net in a folder of its own: plan, train folds, go on after a kill, predict, ensemble.

Everything is done by nnU-Net's own commands (``crowdmask_ml.nnunet.command``). The folder holds nnU-Net's three:
``nnUNet_raw`` (a link to the dataset, which is never written to), ``nnUNet_preprocessed`` and ``nnUNet_results``; beside
them ``predictions`` and ``logs``.
"""

import json
import math
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crowdmask.core import nifti
from crowdmask.core.errors import Conflict, Corrupt, ErrorCode, InvalidInput, Unavailable
from crowdmask.core.files import write_whole
from crowdmask.core.nnunet_layout import FILE_ENDING
from crowdmask.core.training import Configuration, Device, TrainingSettings
from crowdmask_ml.nnunet.command import (
    EPOCHS,
    ITERATIONS,
    MIRRORING,
    PICTURE,
    THREADS,
    TRAINER,
    VALIDATION_ITERATIONS,
    run_command,
)
from crowdmask_ml.nnunet.epochs import Epoch, read_epochs

PLANS = "nnUNetPlans"
SPLITS_NAME = "splits_final.json"
OWN_FOLDS = 5
"""Folds that nnU-Net makes by itself where the dataset brings no splits."""

_OWNER_NAME = "run.json"
_CHECKPOINTS = ("checkpoint_final.pth", "checkpoint_latest.pth", "checkpoint_best.pth")
_SMALL_STAGES = 3
_SMALL_CHANNELS = (8, 16, 32)
_SMALL_PATCH = 32
_SMALL_BATCH = 8
_MOST_PROCESSES = 8
_PROBABILITIES = (".npz", ".pkl")
"""Endings of what nnU-Net writes beside a predicted label map on ``--save_probabilities``."""
_BYTES_PER_VOXEL = 5  # of a preprocessed case: float32 image, int8 label
_BYTES_PER_PROBABILITY = 4  # of each label in each test image, before they are compressed
_BYTES_PER_FOLD = 1_200_000_000  # three checkpoints of a network of nnU-Net's usual size, with its momentum
_BYTES_PER_SMALL_FOLD = 10_000_000

Look = Callable[[], None]
"""Called several times a second while a command runs; what it raises ends the command and is passed on."""


@dataclass(frozen=True, slots=True)
class Run:
    """One training. ``folder`` is the run's own; ``dataset`` is ``.../DatasetNNN_Name``, ``folds`` those to train."""

    folder: Path
    dataset: Path
    settings: TrainingSettings
    folds: tuple[int, ...]

    @property
    def preprocessed(self) -> Path:
        return self.folder / "nnUNet_preprocessed" / self.dataset.name

    @property
    def results(self) -> Path:
        """The label maps of the test images, by all configurations together."""
        return self.predictions(self.settings.result)

    def predictions(self, configuration: Configuration | None) -> Path:
        """Those by the networks of one configuration; None: the ensemble of all."""
        return self.folder / "predictions" / (configuration or "ensemble")

    def planned(self, configuration: Configuration) -> str:
        """A configuration as nnU-Net's plans of this run call it."""
        return f"{configuration}_small" if self.settings.small else configuration.value

    def log(self, *step: object) -> Path:
        """What a step printed; steps are ``plan``, ``train`` and ``predict`` with what they are for, ``ensemble``."""
        return self.folder / "logs" / f"{'-'.join(map(str, step))}.log"

    def fold_log(self, configuration: Configuration, fold: int) -> Path:
        return self.log("train", configuration, fold)

    def fold_folder(self, configuration: Configuration, fold: int) -> Path:
        trained = f"{TRAINER}__{PLANS}__{self.planned(configuration)}"
        return self.folder / "nnUNet_results" / self.dataset.name / trained / f"fold_{fold}"

    def checkpoint(self, configuration: Configuration, fold: int) -> Path | None:
        """Where the training of a fold would go on."""
        paths = (self.fold_folder(configuration, fold) / name for name in _CHECKPOINTS)
        return next((path for path in paths if path.is_file()), None)

    def epochs(self, configuration: Configuration, fold: int) -> tuple[Epoch, ...]:
        """Those of a fold that ended, over all its attempts."""
        log = self.fold_log(configuration, fold)
        return read_epochs(log.read_text(errors="replace")) if log.is_file() else ()


def plan(run: Run, *, look: Look) -> None:
    """Check the dataset by nnU-Net's own rules, plan, and preprocess it for the run's configurations. From the beginning.

    Raises:
        InvalidInput: ``option_invalid`` when nnU-Net plans no such configuration for this dataset, or a fold is not there.
        Unavailable: ``storage_full``, before anything is written.
        Conflict: ``name_taken`` when the folder belongs to another run.
        Corrupt: ``training_failed``, ``blob_missing`` when there is no such dataset.
    """
    _check_folds(run)
    _set_up(run)
    shutil.rmtree(run.preprocessed, ignore_errors=True)
    number = str(int(run.dataset.name[len("Dataset") :][:3]))
    processes = str(_processes(run.settings))
    _run(
        run,
        [
            *("nnUNetv2_plan_and_preprocess", "-d", number, "-c", *run.settings.configurations),
            *("--verify_dataset_integrity", "--no_pbar", "-npfp", processes, "-np", processes),
        ],
        log=run.log("plan"),
        look=look,
        plans=True,
    )
    plans_path = run.preprocessed / f"{PLANS}.json"
    plans = json.loads(plans_path.read_text(encoding="utf-8"))
    for configuration in run.settings.configurations:
        planned = plans["configurations"].get(configuration.value)
        if planned is None:
            raise InvalidInput(
                ErrorCode.OPTION_INVALID,
                f"nnU-Net plans no {configuration} for this dataset: its images are too small for it.",
                hint=f"Train {Configuration.FULLRES} or {Configuration.FLAT}.",
            )
        if run.settings.small:
            plans["configurations"][run.planned(configuration)] = _small(configuration, planned)
    if run.settings.small:
        with write_whole(plans_path) as file:
            file.write(json.dumps(plans, indent=1).encode())
    splits = run.dataset / SPLITS_NAME
    if splits.is_file():
        shutil.copyfile(splits, run.preprocessed / SPLITS_NAME)


def train(run: Run, configuration: Configuration, fold: int, *, look: Look) -> None:
    """Train one fold, or go on with it where an earlier attempt was ended; a fold that is trained is validated again.

    Raises:
        Corrupt: ``training_failed``, also when nothing was planned.
    """
    going_on = ["--c"] if run.checkpoint(configuration, fold) is not None else []
    _run(
        run,
        [
            *("nnUNetv2_train", run.dataset.name, run.planned(configuration), str(fold)),
            *("-tr", TRAINER, "-p", PLANS, "-device", run.settings.device.value, *going_on),
        ],
        log=run.fold_log(configuration, fold),
        look=look,
    )


def predict(run: Run, configuration: Configuration, *, look: Look) -> Path:
    """Predict the dataset's test images with a configuration's trained folds together; returns the folder of the label maps.

    A run with several configurations keeps the probabilities beside them, for ``ensemble``.

    Raises:
        Corrupt: ``training_failed``, also when a fold is not trained.
    """
    folder = run.predictions(configuration)
    shutil.rmtree(folder, ignore_errors=True)
    one_process = ["-npp", "0", "-nps", "0"] if run.settings.small else []
    mirroring = [] if run.settings.mirroring else ["--disable_tta"]
    probabilities = ["--save_probabilities"] if run.settings.result is None else []
    _run(
        run,
        [
            *("nnUNetv2_predict", "-i", str(run.dataset / "imagesTs"), "-o", str(folder)),
            *("-d", run.dataset.name, "-c", run.planned(configuration), "-tr", TRAINER, "-p", PLANS),
            *("-f", *map(str, run.folds), "-device", run.settings.device.value),
            *("--disable_progress_bar", *mirroring, *one_process, *probabilities),
        ],
        log=run.log("predict", configuration),
        look=look,
    )
    return folder


def ensemble(run: Run, *, look: Look) -> Path:
    """Average the probabilities of all configurations; returns the folder of the label maps.

    Where they are gone, because an earlier attempt had come to ``drop_probabilities``, the configuration predicts again.

    Raises:
        Corrupt: ``training_failed``.
    """
    for configuration in run.settings.configurations:
        if not _has_probabilities(run, configuration):
            predict(run, configuration, look=look)
    folder = run.predictions(None)
    shutil.rmtree(folder, ignore_errors=True)
    members = (str(run.predictions(configuration)) for configuration in run.settings.configurations)
    _run(
        run,
        ["nnUNetv2_ensemble", "-i", *members, "-o", str(folder), "-np", str(_processes(run.settings))],
        log=run.log("ensemble"),
        look=look,
    )
    return folder


def drop_probabilities(run: Run) -> None:
    """Free the space of what only ``ensemble`` reads: a number per voxel and label."""
    for configuration in run.settings.configurations:
        for name in _PROBABILITIES:
            for path in run.predictions(configuration).glob(f"*{name}"):
                path.unlink()


def _has_probabilities(run: Run, configuration: Configuration) -> bool:
    """Whether those of every predicted image are there."""
    predicted = [
        path.name.removesuffix(FILE_ENDING) for path in run.predictions(configuration).glob(f"*{FILE_ENDING}")
    ]
    return bool(predicted) and all(
        (run.predictions(configuration) / f"{case}{name}").is_file()
        for case in predicted
        for name in _PROBABILITIES
    )


def available_folds(dataset: Path) -> int:
    """How many folds the dataset's splits have; nnU-Net's own five where it brings none."""
    splits = dataset / SPLITS_NAME
    return len(json.loads(splits.read_text(encoding="utf-8"))) if splits.is_file() else OWN_FOLDS


def disk_need(run: Run) -> int:
    """About how many bytes the run will write: for each configuration its preprocessed cases, the checkpoints of its folds,
    and where there are several the probabilities of the test images."""
    per_fold = _BYTES_PER_SMALL_FOLD if run.settings.small else _BYTES_PER_FOLD
    need = _voxels(run.dataset / "imagesTr") * _BYTES_PER_VOXEL + per_fold * len(run.folds)
    if run.settings.result is None:
        labels = len(json.loads((run.dataset / "dataset.json").read_text(encoding="utf-8"))["labels"])
        need += _voxels(run.dataset / "imagesTs") * labels * _BYTES_PER_PROBABILITY
    return need * len(run.settings.configurations)


def _voxels(images: Path) -> int:
    """How many the images of a folder have."""
    return sum(math.prod(nifti.read_source_grid(path).grid.shape) for path in images.glob(f"*{FILE_ENDING}"))


def _check_folds(run: Run) -> None:
    if not (run.dataset / "dataset.json").is_file():
        raise Corrupt(
            ErrorCode.BLOB_MISSING,
            f"The dataset {run.dataset.name} is gone.",
            hint="Write it again: the same choice gives the same bytes.",
        )
    n_folds = available_folds(run.dataset)
    if not run.folds or not all(fold < n_folds for fold in run.folds):
        raise InvalidInput(
            ErrorCode.OPTION_INVALID,
            f"The folds {', '.join(map(str, run.folds))} are not all among the {n_folds} of {run.dataset.name}, "
            "which are numbered from 0.",
        )


def _set_up(run: Run) -> None:
    """Make the folders and say whose they are."""
    run.folder.mkdir(parents=True, exist_ok=True)
    owner = {"dataset": str(run.dataset), "settings": run.settings.to_json(), "folds": list(run.folds)}
    present = run.folder / _OWNER_NAME
    if not present.is_file():
        need, free = disk_need(run), shutil.disk_usage(run.folder).free
        if need > free:
            raise Unavailable(
                ErrorCode.STORAGE_FULL,
                f"The training needs about {need / 1e9:.1f} GB and {free / 1e9:.1f} GB are free.",
                hint="Make room, or train fewer folds.",
            )
        if any(run.folder.glob("nnUNet_*")):
            raise _taken(run)
        with write_whole(present) as file:
            file.write(json.dumps(owner, indent=1).encode())
    elif not _is_of(json.loads(present.read_text(encoding="utf-8")), run):
        raise _taken(run)
    for name in ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results", "logs"):
        (run.folder / name).mkdir(exist_ok=True)
    link = run.folder / "nnUNet_raw" / run.dataset.name
    if not link.is_symlink():
        link.symlink_to(run.dataset, target_is_directory=True)


def _is_of(owner: dict[str, Any], run: Run) -> bool:
    """Whether a folder that says so of itself is the run's."""
    return (owner["dataset"], TrainingSettings.from_json(owner["settings"]), tuple(owner["folds"])) == (
        str(run.dataset),
        run.settings,
        run.folds,
    )


def _taken(run: Run) -> Conflict:
    return Conflict(
        ErrorCode.NAME_TAKEN,
        f"{run.folder} belongs to another training.",
        hint="Nothing was written over. Name another folder, or move that one away.",
    )


def _small(configuration: Configuration, planned: dict[str, Any]) -> dict[str, Any]:
    """nnU-Net's plan with the first stages of its network only, few channels and a small patch."""
    architecture = planned["architecture"]
    kwargs = architecture["arch_kwargs"]
    stages = min(_SMALL_STAGES, kwargs["n_stages"])
    strides = kwargs["strides"][:stages]
    patch = []
    for axis, size in enumerate(planned["patch_size"]):
        step = 1
        for stride in strides:
            step *= stride[axis]
        patch.append(max(step, min(size, _SMALL_PATCH) // step * step))
    return {
        "inherits_from": configuration.value,
        "patch_size": patch,
        "batch_size": min(planned["batch_size"], _SMALL_BATCH),
        "architecture": {
            **architecture,
            "arch_kwargs": {
                **kwargs,
                "n_stages": stages,
                "features_per_stage": list(_SMALL_CHANNELS[:stages]),
                "strides": strides,
                "kernel_sizes": kwargs["kernel_sizes"][:stages],
                "n_conv_per_stage": [1] * stages,
                "n_conv_per_stage_decoder": [1] * (stages - 1),
            },
        },
    }


def _processes(settings: TrainingSettings) -> int:
    return 1 if settings.small else min(_MOST_PROCESSES, os.cpu_count() or 1)


def _run(run: Run, arguments: list[str], *, log: Path, look: Look, plans: bool = False) -> None:
    log.parent.mkdir(parents=True, exist_ok=True)
    run_command(arguments, environment=_environment(run, plans=plans), log=log, look=look)


def _environment(run: Run, *, plans: bool) -> dict[str, str]:
    """Where nnU-Net finds its folders, and how it behaves on a CPU."""
    settings = run.settings
    variables = {
        "PYTHONUNBUFFERED": "1",
        "nnUNet_raw": str(run.folder / "nnUNet_raw"),
        "nnUNet_preprocessed": str(run.folder / "nnUNet_preprocessed"),
        "nnUNet_results": str(run.folder / "nnUNet_results"),
        EPOCHS: str(settings.epochs),
        ITERATIONS: str(settings.iterations),
        VALIDATION_ITERATIONS: str(settings.validation_iterations),
        MIRRORING: "1" if settings.mirroring else "0",
        PICTURE: "0" if settings.small else "1",
        "nnUNet_def_n_proc": str(_processes(settings)),
    }
    if settings.small or settings.device is Device.CPU:
        variables |= {
            "nnUNet_compile": "f",
            "OMP_NUM_THREADS": "1",
            # Without workers that prepare batches: they cost more than they bring. Planning crashes on a 0.
            "nnUNet_n_proc_DA": "1" if plans else "0",
        }
    if settings.small:
        variables[THREADS] = "1"
    return variables
