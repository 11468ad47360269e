"""Weights are trusted by hash, then read as weights only; everything else is one clear refusal."""

import hashlib
import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from crowdmask.core.errors import Corrupt, ErrorCode, InvalidInput, Unavailable
from crowdmask_ml.checkpoints import models_folder
from crowdmask_ml.registry import MODELS, find_model, load_segmenter
from tests.ml.conftest import spec_like


class Hostile:
    """What unpickling it would do is to make a file."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.target),)


def test_a_missing_checkpoint_says_where_to_get_and_to_put_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CROWDMASK_MODELS", str(tmp_path))
    with pytest.raises(Unavailable) as caught:
        load_segmenter("sam-vit-b")
    assert caught.value.code is ErrorCode.CHECKPOINT_MISSING
    assert str(tmp_path / "sam_vit_b_01ec64.pth") in str(caught.value)
    assert "dl.fbaipublicfiles.com" in str(caught.value)


def test_a_named_checkpoint_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=r"nowhere\.pth") as caught:
        load_segmenter("litemedsam", checkpoint=tmp_path / "nowhere.pth")
    assert caught.value.code is ErrorCode.CHECKPOINT_MISSING


def test_a_wrong_hash_is_refused_with_both_hashes(small_checkpoint: Path) -> None:
    with pytest.raises(Corrupt) as caught:
        load_segmenter("medsam", checkpoint=small_checkpoint)
    assert caught.value.code is ErrorCode.CHECKPOINT_MISMATCH
    assert hashlib.sha256(small_checkpoint.read_bytes()).hexdigest() in caught.value.message
    assert MODELS["medsam"].sha256 in caught.value.message


def test_a_hostile_pickle_is_refused_by_its_hash_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "hostile.pth"
    torch.save({"model": Hostile(tmp_path / "ran")}, path)
    with pytest.raises(Corrupt, match="sha256"):
        load_segmenter("litemedsam", checkpoint=path)
    assert not (tmp_path / "ran").exists()


def test_a_hostile_pickle_with_the_expected_hash_runs_nothing(tmp_path: Path) -> None:
    path = tmp_path / "hostile.pth"
    torch.save({"model": Hostile(tmp_path / "ran")}, path)
    spec = spec_like("sam-vit-b", path)
    with pytest.raises(Corrupt, match="something else than weights"):
        spec.loader(spec, path)
    assert not (tmp_path / "ran").exists()


def test_a_truncated_file_with_the_expected_hash_is_refused(tmp_path: Path, small_checkpoint: Path) -> None:
    path = tmp_path / "short.pth"
    path.write_bytes(small_checkpoint.read_bytes()[:5000])
    spec = spec_like("sam-vit-b", path)
    with pytest.raises(Corrupt, match="something else than weights"):
        spec.loader(spec, path)


def test_weights_of_another_network_are_refused(small_checkpoint: Path) -> None:
    spec = replace(spec_like("sam-vit-b", small_checkpoint), loader=MODELS["litemedsam"].loader)
    with pytest.raises(Corrupt, match="do not fit") as caught:
        spec.loader(spec, small_checkpoint)
    assert caught.value.code is ErrorCode.CHECKPOINT_MISMATCH


def test_weights_kept_beside_an_optimiser_are_found(tmp_path: Path, small_checkpoint: Path) -> None:
    path = tmp_path / "training.pth"
    torch.save({"model": torch.load(small_checkpoint, weights_only=True), "epoch": 3}, path)
    spec = spec_like("sam-vit-b", path)
    assert spec.loader(spec, path).model_hash == spec.sha256


def test_an_unknown_model_is_refused_with_the_known_ones() -> None:
    with pytest.raises(InvalidInput, match="litemedsam, sam-vit-b") as caught:
        find_model("sam3")
    assert caught.value.code is ErrorCode.MODEL_UNKNOWN


def test_the_models_folder_follows_its_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROWDMASK_MODELS", str(tmp_path))
    assert models_folder() == tmp_path
    monkeypatch.delenv("CROWDMASK_MODELS")
    assert models_folder().parts[-2:] == ("crowdmask", "models")
