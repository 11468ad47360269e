"""Folders of published datasets, with what is usually wrong with them."""

import json
from pathlib import Path

import pytest

from crowdmask.core.dataset_layouts import Layout, read_published
from crowdmask.core.errors import ErrorCode, InvalidInput
from crowdmask.core.nnunet_layout import Split


def _touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")


def _describe(folder: Path, **content: object) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "dataset.json").write_text(json.dumps(content))


def test_the_decathlon_names_labels_by_integer_and_holds_channels_in_one_file(tmp_path: Path) -> None:
    _describe(tmp_path, modality={"0": "T2", "1": "ADC"}, labels={"0": "background", "2": "TZ", "1": "PZ"})
    _touch(
        tmp_path,
        "imagesTr/p_01.nii.gz",
        "imagesTr/._p_01.nii.gz",
        "labelsTr/p_01.nii.gz",
        "imagesTs/p_02.nii.gz",
    )
    found = read_published(tmp_path, channel=1)
    assert found.layout is Layout.MSD
    assert [(label.index, label.name) for label in found.labels] == [(1, "PZ"), (2, "TZ")]
    assert [(case.name, case.split, case.volume_index) for case in found.cases] == [
        ("p_01", Split.TRAINING, 1),
        ("p_02", Split.TEST, 1),
    ]
    assert found.cases[0].reference == tmp_path / "labelsTr" / "p_01.nii.gz"
    assert found.cases[1].reference is None


def test_one_modality_needs_no_volume_index(tmp_path: Path) -> None:
    _describe(tmp_path, modality={"0": "CT"}, labels={"0": "background", "1": "liver"})
    _touch(tmp_path, "imagesTr/liver_0.nii.gz")
    assert read_published(tmp_path).cases[0].volume_index is None


def test_nnunet_names_labels_by_name_and_has_a_file_per_channel(tmp_path: Path) -> None:
    _describe(
        tmp_path, channel_names={"0": "CT", "1": "PET"}, labels={"background": 0, "gtv": 1, "ignore": 2}
    )
    _touch(
        tmp_path, "imagesTr/a_0000.nii.gz", "imagesTr/a_0001.nii.gz", "labelsTr/a.nii.gz", "labelsTs/b.nii.gz"
    )
    found = read_published(tmp_path, channel=1)
    assert found.layout is Layout.NNUNET
    assert [label.name for label in found.labels] == ["gtv"]
    assert found.cases[0].image == tmp_path / "imagesTr" / "a_0001.nii.gz"
    # Where the image is missing the reference still says something about boxes.
    assert (found.cases[1].name, found.cases[1].image) == ("b", None)


@pytest.mark.parametrize("inside", ["", "Training", "RawData/Training"])
def test_btcv_pairs_by_number_and_keeps_its_own_integers(tmp_path: Path, inside: str) -> None:
    _touch(
        tmp_path / inside,
        "img/img0002.nii.gz",
        "label/label0002.nii.gz",
        "label/label0007.nii.gz",
        "img/notes.nii.gz",
    )
    found = read_published(tmp_path)
    assert found.layout is Layout.BTCV
    assert {label.name: label.index for label in found.labels} == {
        "spleen": 1,
        "right kidney": 2,
        "left kidney": 3,
        "liver": 6,
        "aorta": 8,
    }
    assert [(case.name, case.image is not None, case.reference is not None) for case in found.cases] == [
        ("img0002", True, True),
        ("img0007", False, True),
    ]
    assert found.prompt_classes[7] == 8


def test_the_released_prompts_and_masks_are_a_dataset_without_images(tmp_path: Path) -> None:
    _touch(
        tmp_path, "prompt/img0001-slice000.txt", "prompt/img0002-slice000.txt", "sam_labels/label0001.nii.gz"
    )
    found = read_published(tmp_path)
    assert found.layout is Layout.RELEASED
    assert [(case.name, case.image, case.released is not None) for case in found.cases] == [
        ("img0001", None, True),
        ("img0002", None, False),
    ]
    assert found.prompt_classes == {0: 1, 1: 2, 2: 3, 5: 4, 7: 5}


@pytest.mark.parametrize(
    ("description", "channel", "word"),
    [
        (None, 0, "no layout"),
        ("{", 0, "no JSON"),
        ('{"channel_names": {"0": "CT"}}', 0, "no labels"),
        ('{"channel_names": {"0": "CT"}, "labels": {"background": 0, "a": 1}}', 3, "channel 3"),
        ('{"modality": {"0": "CT"}, "labels": {"0": "background", "1": "a"}}', 1, "channel 1"),
        ('{"channel_names": {"0": "CT"}, "labels": {"background": 0, "whole": [1, 2]}}', 0, "whole"),
        ('{"channel_names": {"0": "CT"}, "labels": {"background": 0}}', 0, "background"),
        ('{"channel_names": {"0": "CT"}, "labels": {"background": 0, "a": 1}}', 0, "no case"),
    ],
)
def test_a_folder_that_is_no_dataset_says_why(
    tmp_path: Path, description: str | None, channel: int, word: str
) -> None:
    if description is not None:
        (tmp_path / "dataset.json").write_text(description)
    with pytest.raises(InvalidInput) as refused:
        read_published(tmp_path, channel=channel)
    assert refused.value.code is ErrorCode.DATASET_INVALID
    assert word in refused.value.message
