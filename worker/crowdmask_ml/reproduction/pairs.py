"""The paper's comparison by nnU-Net: the same volumes with the reference's labels and with masks from boxes, trained alike.

One rule of the paper is kept here and nowhere else: ``background-as-in-the-paper``. Slices that nobody boxed are background
in its training masks, although nobody said that the organ is not there. Datasets of the platform never do that.
"""

import hashlib
import json
import shutil
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crowdmask.core import splits
from crowdmask.core.errors import ErrorCode, InvalidInput
from crowdmask.core.files import write_whole
from crowdmask.core.labels import Label, LabelSet
from crowdmask.core.metrics import volume_dice
from crowdmask.core.nifti import read_label_map
from crowdmask.core.nnunet import DatasetDescription, write_case, write_dataset_json
from crowdmask.core.nnunet_layout import FILE_ENDING, DatasetFolder, Split, case_name
from crowdmask.core.paper_tables import Arm, PaperTable, paper_table
from crowdmask.core.training import TrainingSettings
from crowdmask_ml.nnunet import runs

BACKGROUND_AS_IN_THE_PAPER = "background-as-in-the-paper"
REFERENCE = "reference labels"
MANIFEST_NAME = "crowdmask_manifest.json"
_FIRST_NUMBER = 701
_FOLDS = 5
_SHORT_HASH = 12


@dataclass(frozen=True)
class PairCase:
    """A case with both kinds of labels.

    Attributes:
        test: whether it is tested on instead of trained on; then ``masks`` are not used.
        masks: by way, such as ``litemedsam, none``.
    """

    name: str
    test: bool
    image: Path
    volume_index: int | None
    reference: Path
    masks: Mapping[str, Path]


@dataclass(frozen=True)
class PairDataset:
    """One arm of the comparison as an nnU-Net dataset.

    Attributes:
        arm: ``REFERENCE`` or a way.
        complete: whether only volumes with a box of every label train.
        labels: by their integers in the dataset.
        trained, tested: names of cases in the dataset, ascending.
        sha256: of its manifest.
    """

    arm: str
    complete: bool
    folder: Path
    labels: LabelSet
    trained: tuple[str, ...]
    tested: tuple[str, ...]
    sha256: str


def write_pairs(
    out: Path,
    cases: Sequence[PairCase],
    labels: Sequence[Label],
    *,
    merged: Mapping[int, int],
    modality: str,
    complete: Collection[str],
    seed: int = 0,
) -> list[PairDataset]:
    """Write a dataset per arm, all volumes and (where that is fewer) the complete ones; the same cases and folds in each.

    Args:
        out: folder of the datasets.
        cases: those that train and those that test.
        labels: they get the integers 1, 2, 3, ... in their order.
        merged: integers of a reference that are read as others.
        modality: ``CT`` is normalised by nnU-Net in its own way.
        complete: names of cases with a box of every label.
        seed: of the folds.

    Raises:
        InvalidInput: ``dataset_invalid`` with fewer than two volumes to train on; what ``nnunet.write_case`` refuses.
    """
    training = [case for case in cases if not case.test]
    whole = [case for case in training if case.name in complete]
    ways = list(dict.fromkeys(way for case in training for way in case.masks))
    sets = [(False, training)]
    if 1 < len(whole) < len(training):
        sets.append((True, whole))
    if len(training) < 2:
        raise InvalidInput(
            ErrorCode.DATASET_INVALID,
            f"nnU-Net cannot be trained on {len(training)} volume(s) with an image and a reference.",
            hint="Take more cases, or fewer for the test.",
        )
    tested = [case for case in cases if case.test]
    written: list[PairDataset] = []
    for is_complete, chosen in sets:
        for arm in (REFERENCE, *ways):
            number = _FIRST_NUMBER + len(written)
            name = f"{arm} complete" if is_complete else arm
            folder = DatasetFolder.named(out, number=number, name=name)
            shutil.rmtree(folder.path, ignore_errors=True)
            names = _write_cases(folder, arm, [*chosen, *tested], labels, merged)
            written.append(
                _described(
                    folder,
                    arm,
                    names,
                    chosen,
                    tested,
                    labels,
                    complete=is_complete,
                    modality=modality,
                    seed=seed,
                )
            )
    return written


def _write_cases(
    folder: DatasetFolder,
    arm: str,
    cases: Sequence[PairCase],
    labels: Sequence[Label],
    merged: Mapping[int, int],
) -> dict[str, str]:
    """The name in the dataset of each case."""
    names: dict[str, str] = {}
    for case in cases:
        names[case.name] = case_name(case.name, names.values())
        from_reference = case.test or arm == REFERENCE
        voxels = read_label_map(case.reference if from_reference else case.masks[arm]).voxels
        write_case(
            folder,
            names[case.name],
            image=case.image,
            mask=_renumbered(voxels, labels, merged if from_reference else {}),
            split=Split.TEST if case.test else Split.TRAINING,
            volume_index=case.volume_index,
        )
    return names


def _described(
    folder: DatasetFolder,
    arm: str,
    names: Mapping[str, str],
    trained: Sequence[PairCase],
    tested: Sequence[PairCase],
    labels: Sequence[Label],
    *,
    complete: bool,
    modality: str,
    seed: int,
) -> PairDataset:
    in_dataset = LabelSet.from_names(label.name for label in labels)
    write_dataset_json(folder, DatasetDescription((modality,), in_dataset, len(trained)))
    train_names = tuple(sorted(names[case.name] for case in trained))
    folds = splits.split(
        [splits.SplitCase(name) for name in train_names], folds=min(_FOLDS, len(train_names)), seed=seed
    )
    _write_json(folder.path / runs.SPLITS_NAME, folds.to_splits_final())
    files = sorted(path for path in folder.path.rglob(f"*{FILE_ENDING}"))
    manifest = {
        "arm": arm,
        "complete_only": complete,
        "partial": None if arm == REFERENCE else BACKGROUND_AS_IN_THE_PAPER,
        "labels": {label.name: {"here": n, "source": label.index} for n, label in enumerate(labels, start=1)},
        "cases": {names[case.name]: case.name for case in (*trained, *tested)},
        "sha256": {
            str(path.relative_to(folder.path)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in files
        },
    }
    digest = _write_json(folder.path / MANIFEST_NAME, manifest)
    return PairDataset(
        arm,
        complete,
        folder.path,
        in_dataset,
        train_names,
        tuple(sorted(names[case.name] for case in tested)),
        digest,
    )


def predictions_of(
    dataset: PairDataset, folder: Path, settings: TrainingSettings, *, watch: Callable[[str], None]
) -> Path:
    """Train nnU-Net on a dataset and predict its test images; what an earlier call has finished is not done again.

    Args:
        folder: of all trainings; each has one of its own, by the dataset's and the settings' hash.
        watch: told what begins.

    Raises:
        InvalidInput: ``dataset_invalid`` without a test case.
        CrowdmaskError: as ``nnunet.runs``.
    """
    if not dataset.tested:
        raise InvalidInput(
            ErrorCode.DATASET_INVALID,
            "There is no case to test nnU-Net on: one that is not trained on, with a reference.",
            hint="Name some with --test-case.",
        )
    settings_hash = hashlib.sha256(json.dumps(settings.to_json()).encode()).hexdigest()
    own = f"{dataset.folder.name}-{dataset.sha256[:_SHORT_HASH]}-{settings_hash[:_SHORT_HASH]}"
    folds = settings.folds or tuple(range(runs.available_folds(dataset.folder)))
    run = runs.Run(folder.absolute() / own, dataset.folder.absolute(), settings, folds)
    _once(run.folder / "planned", lambda: runs.plan(run, look=_look), watch, f"{dataset.arm}: plan")
    for configuration in settings.configurations:
        for fold in folds:
            train = partial(runs.train, run, configuration, fold, look=_look)
            title = f"{dataset.arm}: train fold {fold} of {configuration}"
            _once(run.folder / f"trained-{configuration}-{fold}", train, watch, title)
        predict = partial(runs.predict, run, configuration, look=_look)
        title = f"{dataset.arm}: predict by {configuration}"
        _once(run.folder / f"predicted-{configuration}", predict, watch, title)
    if settings.result is None:
        _once(
            run.folder / "ensembled",
            lambda: runs.ensemble(run, look=_look),
            watch,
            f"{dataset.arm}: ensemble",
        )
        runs.drop_probabilities(run)
    return run.results


def trained_tables(
    predicted: Sequence[tuple[PairDataset, Path]], settings: TrainingSettings
) -> list[PaperTable]:
    """Tables 4 (trained on all volumes) and 5 (on complete ones): volume Dice of predictions on the test cases."""
    tables = []
    for complete, key, title in (
        (False, "table4", "Table 4: nnU-Net trained on all volumes, volume Dice"),
        (True, "table5", "Table 5: nnU-Net trained on complete volumes, volume Dice"),
    ):
        arms = [Arm(one.arm, _columns(one, folder)) for one, folder in predicted if one.complete is complete]
        if not arms:
            continue
        first = next(one for one, _ in predicted if one.complete is complete)
        size = "a tiny network that learns nothing of use, " if settings.small else ""
        note = (
            f"{size}{' + '.join(settings.configurations)}, {settings.epochs} epochs of {settings.iterations} iterations, trained on "
            f"{len(first.trained)} volumes, tested on {len(first.tested)}. Slices without a box are background in the "
            f"training masks ({BACKGROUND_AS_IN_THE_PAPER})."
        )
        tables.append(paper_table(key, title, arms, note=note[0].upper() + note[1:]))
    return tables


def _columns(dataset: PairDataset, predictions: Path) -> dict[str, NDArray[np.float64]]:
    folder = DatasetFolder(dataset.folder)
    columns: dict[str, list[float]] = {label.name: [] for label in dataset.labels.labels}
    for case in dataset.tested:
        made = read_label_map(predictions / f"{case}{FILE_ENDING}").voxels
        reference = read_label_map(folder.label_path(case, split=Split.TEST)).voxels
        for label in dataset.labels.labels:
            columns[label.name].append(volume_dice(made == label.index, reference == label.index))
    return {name: np.array(values, dtype=np.float64) for name, values in columns.items()}


def _renumbered(
    voxels: NDArray[Any], labels: Sequence[Label], merged: Mapping[int, int]
) -> NDArray[np.uint8]:
    """The labels as 1, 2, 3, ... in their order; everything else is background."""
    found = np.zeros(voxels.shape, dtype=np.uint8)
    for number, label in enumerate(labels, start=1):
        counted = {value for value in (label.index, *merged) if merged.get(value, value) == label.index}
        found[np.isin(voxels, list(counted))] = number
    return found


def _once(marker: Path, work: Callable[[], object], watch: Callable[[str], None], title: str) -> None:
    if marker.is_file():
        return
    watch(title)
    work()
    marker.write_bytes(b"")


def _write_json(path: Path, content: object) -> str:
    """The sha256 of what was written."""
    text = (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode()
    with write_whole(path) as file:
        file.write(text)
    return hashlib.sha256(text).hexdigest()


def _look() -> None:
    """Nobody asks for an end but by a signal."""
