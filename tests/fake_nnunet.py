"""nnU-Net's commands for tests of what stands around them: they leave the files that nnU-Net leaves, and learn nothing."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from crowdmask.core import nifti

PLANNED = {
    "patch_size": [32, 32, 32],
    "batch_size": 2,
    "architecture": {
        "arch_kwargs": {
            "n_stages": 3,
            "strides": [[1, 1, 1], [2, 2, 2], [2, 2, 2]],
            "kernel_sizes": [[3, 3, 3]] * 3,
        }
    },
}


class FakeNnunet:
    """Takes the place of ``run_command``; ``commands``: what was asked for. A prediction is 1 where the image is bright."""

    def __init__(self) -> None:
        self.commands: list[str] = []

    def __call__(
        self, arguments: Sequence[str], *, environment: Mapping[str, str], log: Path, look: Callable[[], None]
    ) -> None:
        name, *options = arguments
        self.commands.append(" ".join(arguments))
        with log.open("a") as file:
            file.write(f"{name}\n")
        look()
        folders = {key: Path(environment[f"nnUNet_{key}"]) for key in ("raw", "preprocessed", "results")}
        {
            "nnUNetv2_plan_and_preprocess": _plan,
            "nnUNetv2_train": _train,
            "nnUNetv2_predict": _predict,
            "nnUNetv2_ensemble": _ensemble,
        }[name](options, folders)


def _values(options: Sequence[str], name: str) -> list[str]:
    """What follows an option."""
    after = options[options.index(name) + 1 :]
    end = next((n for n, option in enumerate(after) if option.startswith("-")), len(after))
    return list(after[:end])


def _plan(options: Sequence[str], folders: Mapping[str, Path]) -> None:
    (dataset,) = folders["raw"].iterdir()
    assert int(_values(options, "-d")[0]) == int(dataset.name[7:10])
    target = folders["preprocessed"] / dataset.name
    target.mkdir()
    plans = {"configurations": dict.fromkeys(_values(options, "-c"), PLANNED)}
    (target / "nnUNetPlans.json").write_text(json.dumps(plans))


def _trained(folders: Mapping[str, Path], dataset: str, options: Sequence[str], configuration: str) -> Path:
    (trainer,), (plans,) = _values(options, "-tr"), _values(options, "-p")
    return folders["results"] / dataset / f"{trainer}__{plans}__{configuration}"


def _train(options: Sequence[str], folders: Mapping[str, Path]) -> None:
    dataset, configuration, fold = options[:3]
    plans = json.loads((folders["preprocessed"] / dataset / "nnUNetPlans.json").read_text())
    assert configuration in plans["configurations"]
    folder = _trained(folders, dataset, options, configuration) / f"fold_{fold}"
    folder.mkdir(parents=True)
    (folder / "checkpoint_final.pth").touch()


def _predict(options: Sequence[str], folders: Mapping[str, Path]) -> None:
    (images,), (out,) = _values(options, "-i"), _values(options, "-o")
    trained = _trained(folders, _values(options, "-d")[0], options, _values(options, "-c")[0])
    for fold in _values(options, "-f"):
        assert (trained / f"fold_{fold}" / "checkpoint_final.pth").is_file()
    Path(out).mkdir(parents=True)
    for path in Path(images).iterdir():
        image = nifti.read_volume(path)
        predicted = (image.voxels > image.voxels.mean()).astype(np.uint8)
        case = Path(out) / path.name.replace("_0000.nii.gz", "")
        nifti.write_mask(case.with_name(f"{case.name}.nii.gz"), predicted, image.source)
        if "--save_probabilities" in options:
            np.savez(case.with_name(f"{case.name}.npz"), probabilities=predicted)
            case.with_name(f"{case.name}.pkl").touch()


def _ensemble(options: Sequence[str], folders: Mapping[str, Path]) -> None:
    del folders
    members, (out,) = [Path(member) for member in _values(options, "-i")], _values(options, "-o")
    names = [sorted(path.stem for path in member.glob("*.npz")) for member in members]
    assert names[0]
    assert all(other == names[0] for other in names)
    assert all((members[0] / f"{case}.pkl").is_file() for case in names[0])
    Path(out).mkdir(parents=True)
    for case in names[0]:
        (Path(out) / f"{case}.nii.gz").write_bytes((members[0] / f"{case}.nii.gz").read_bytes())
