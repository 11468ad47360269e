"""Predictions as they are kept: exactly what was computed, for exactly these boxes."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from crowdmask.core.errors import Corrupt, ErrorCode
from crowdmask.core.geometry import Box
from crowdmask.core.slicepack import SlicePack
from crowdmask.core.windowing import Window
from crowdmask_ml import reading
from crowdmask_ml.cache import SliceCache
from crowdmask_ml.reading import SlicePrediction, SliceReader
from crowdmask_ml.runtimes.torch_runtime import TorchSegmenter
from crowdmask_ml.segmenter import MaskRule, Segmenter

WINDOW = Window(-50, 250)
BOX = Box(18, 8, 42, 27)


def _prediction(part: tuple[slice, slice], boxes: int = 2) -> SlicePrediction:
    rng = np.random.default_rng(0)
    logits = np.full((40, 56), -20, np.float32)
    logits[part] = rng.normal(0, 5, logits[part].shape)
    return SlicePrediction(logits, tuple(rng.uniform(size=boxes)))


@pytest.mark.parametrize(
    "part",
    [
        np.s_[8:27, 18:42],
        np.s_[:, :],
        np.s_[0:1, 0:1],
        np.s_[39:40, 55:56],
        np.s_[0:0, 0:0],
    ],
    ids=["around a box", "everywhere", "first voxel", "last voxel", "nowhere"],
)
def test_bytes_there_and_back_are_the_same_prediction_to_the_bit(part: tuple[slice, slice]) -> None:
    made = _prediction(part)
    read = SlicePrediction.from_bytes(made.to_bytes())
    assert read.logits.dtype == np.float32
    assert read.logits.tobytes() == made.logits.tobytes()
    assert read.predicted_iou == made.predicted_iou


def test_only_the_part_around_the_boxes_is_kept() -> None:
    assert len(_prediction(np.s_[8:27, 18:42]).to_bytes()) < 100 + 4 * 19 * 24


@pytest.mark.parametrize("damage", ["empty", "short", "longer", "other", "part beyond the slice"])
def test_damaged_bytes_are_refused(damage: str) -> None:
    whole = _prediction(np.s_[8:27, 18:42]).to_bytes()
    rows = 8  # where the header says how many rows the slice has
    damaged = {
        "empty": b"",
        "short": whole[:-4],
        "longer": whole + b"x",
        "other": b"\0" * 1000,
        "part beyond the slice": whole[:rows] + (20).to_bytes(4, "little") + whole[rows + 4 :],
    }[damage]
    with pytest.raises(Corrupt) as caught:
        SlicePrediction.from_bytes(damaged)
    assert caught.value.code is ErrorCode.BLOB_CORRUPT


def test_kept_predictions_are_for_these_boxes_this_slice_and_this_code(
    pack_path: Path, small_sam: Segmenter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with SlicePack.open(pack_path) as pack:

        def reader(segmenter: Segmenter = small_sam, window: Window = WINDOW) -> SliceReader:
            return SliceReader(
                pack, segmenter, window, SliceCache(tmp_path / "slices"), keeps_predictions=True
            )

        reader().predict(2, [BOX])
        assert reader().keeps(2, [BOX])
        assert not reader().keeps(2, [replace(BOX, x0=BOX.x0 + 0.25)])
        assert not reader().keeps(2, [BOX, BOX])
        assert not reader().keeps(3, [BOX])
        assert not reader(window=Window(-50, 251)).keeps(2, [BOX])
        other_rule = (
            MaskRule.FIRST if small_sam.mask_rule is MaskRule.BEST_OF_THREE else MaskRule.BEST_OF_THREE
        )
        assert isinstance(small_sam, TorchSegmenter)
        assert not reader(replace(small_sam, mask_rule=other_rule)).keeps(2, [BOX])
        monkeypatch.setattr(reading, "_code", lambda: "of another state of the library")
        assert not reader().keeps(2, [BOX])


def test_labels_decoded_together_are_as_each_alone(
    pack_path: Path, small_sam: Segmenter, tmp_path: Path
) -> None:
    """Some of them kept from before, one twice, with one and with two boxes."""
    prompts = [[BOX], [BOX, Box(3, 4, 20, 16)], [Box(30, 20, 50, 36)], [BOX]]
    with SlicePack.open(pack_path) as pack:
        alone = [SliceReader(pack, small_sam, WINDOW, None).predict(2, boxes) for boxes in prompts]
        cache = SliceCache(tmp_path / "slices")
        SliceReader(pack, small_sam, WINDOW, cache, keeps_predictions=True).predict(2, prompts[1])
        reader = SliceReader(pack, small_sam, WINDOW, cache, keeps_predictions=True)
        found = reader.predict_each(2, prompts)
    assert reader.decoded == 2
    for one, other in zip(alone, found, strict=True):
        assert one.logits.tobytes() == other.logits.tobytes()
        assert one.predicted_iou == other.predicted_iou


def test_a_reader_that_is_not_told_to_keeps_no_predictions(
    pack_path: Path, small_sam: Segmenter, tmp_path: Path
) -> None:
    with SlicePack.open(pack_path) as pack:
        reader = SliceReader(pack, small_sam, WINDOW, SliceCache(tmp_path / "slices"))
        reader.predict(2, [BOX])
    assert not reader.keeps(2, [BOX])
    assert not list((tmp_path / "slices").rglob("*.prediction"))
