"""How sure a model is of the masks of a volume: with a small random SAM, so the rules, not the quality."""

import json
import math
from dataclasses import replace
from importlib import resources
from pathlib import Path

import numpy as np
import pytest

from crowdmask.core.errors import ErrorCode, InvalidInput
from crowdmask.core.geometry import Box
from crowdmask.core.keyframes import BoxSource
from crowdmask.core.slicepack import SlicePack
from crowdmask.core.tracks import document_from_boxes
from crowdmask.core.uncertainty import Calibration
from crowdmask.core.windowing import Window
from crowdmask_ml.registry import MODELS
from crowdmask_ml.segmenter import Segmenter
from crowdmask_ml.uncertainty import UncertaintyResult, calibration_of, measure_uncertainty

SHAPE = (6, 40, 56)
BOX = Box(18, 8, 42, 27)


def measured(
    pack_path: Path,
    segmenter: Segmenter,
    *,
    repeats: int = 3,
    seed: int = 0,
    shape: tuple[int, int, int] = SHAPE,
) -> UncertaintyResult:
    documents = {
        1: document_from_boxes(shape, {2: [BOX], 3: [BOX]}, source=BoxSource.DRAWN),
        2: document_from_boxes(shape, {3: [Box(2, 3, 30, 38)]}, source=BoxSource.DRAWN),
    }
    with SlicePack.open(pack_path) as pack:
        return measure_uncertainty(
            pack,
            documents,
            segmenter,
            window=Window(-50, 250),
            spacing=(1.0, 2.0, 3.0),
            rng=np.random.default_rng(seed),
            repeats=repeats,
        )


def test_every_slice_with_a_box_is_judged_the_least_sure_first(pack_path: Path, small_sam: Segmenter) -> None:
    result = measured(pack_path, small_sam)
    assert sorted((entry.label, entry.slice) for entry in result.slices) == [(1, 2), (1, 3), (2, 3)]
    ious = [entry.predicted_iou for entry in result.slices]
    assert ious == sorted(ious)
    by_place = {(entry.label, entry.slice): entry for entry in result.slices}
    assert by_place[1, 2].area_mm2 == BOX.area * 2
    assert all(0 <= entry.agreement <= 1 for entry in result.slices)


def test_the_map_is_on_slices_with_a_box_and_from_0_to_100(pack_path: Path, small_sam: Segmenter) -> None:
    doubt = measured(pack_path, small_sam).map
    assert (doubt.shape, doubt.dtype) == (SHAPE, np.uint8)
    assert doubt.max() <= 100
    assert np.flatnonzero(doubt.any(axis=(1, 2))).tolist() == [2, 3]


def test_a_seed_gives_the_same_again(pack_path: Path, small_sam: Segmenter) -> None:
    one, again, other = (measured(pack_path, small_sam, seed=seed) for seed in (0, 0, 1))
    assert np.array_equal(one.map, again.map)
    assert not np.array_equal(one.map, other.map)
    assert [entry.agreement for entry in one.slices] == [entry.agreement for entry in again.slices]


def test_without_repeats_only_what_is_free_is_said(pack_path: Path, small_sam: Segmenter) -> None:
    result = measured(pack_path, small_sam, repeats=0)
    assert all(math.isnan(entry.agreement) for entry in result.slices)
    assert all(math.isfinite(entry.predicted_iou) for entry in result.slices)


def test_a_model_that_nobody_calibrated_has_no_expected_dice(pack_path: Path, small_sam: Segmenter) -> None:
    assert calibration_of(small_sam) is None
    result = measured(pack_path, small_sam)
    assert all(math.isnan(entry.expected_dice) for entry in result.slices)


def test_a_calibrated_model_has_one_by_slice_and_by_volume(
    pack_path: Path, small_sam: Segmenter, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Calibration(-1.0, 0.0, 0.2)
    monkeypatch.setattr("crowdmask_ml.uncertainty._calibrations", lambda: {small_sam.model_hash: made})
    result = measured(pack_path, small_sam)
    expected = [entry.expected_dice for entry in result.slices]
    assert expected == sorted(expected)
    assert expected[0] == pytest.approx(made.expected_dice(0.5, result.slices[0].area_mm2))
    of_label = [entry for entry in result.slices if entry.label == 1 and entry.voxels]
    if of_label:
        assert result.expected_dice[1] == pytest.approx(of_label[0].expected_dice)


def test_boxes_of_another_volume_are_refused(pack_path: Path, small_sam: Segmenter) -> None:
    with pytest.raises(InvalidInput) as refused:
        measured(pack_path, small_sam, shape=(7, 40, 56))
    assert refused.value.code is ErrorCode.VOLUME_MISMATCH


def test_the_calibration_in_the_package_is_of_known_models_and_says_where_it_comes_from(
    small_sam: Segmenter,
) -> None:
    text = resources.files("crowdmask_ml").joinpath("calibration.json").read_text(encoding="utf-8")
    known = {spec.sha256: spec for spec in MODELS.values()}
    documents = json.loads(text)
    assert documents
    for sha256, document in documents.items():
        made = Calibration.from_json(document)
        assert made.provenance["model"] == known[sha256].name
        assert {"series", "seeds", "slices", "command"} <= set(made.provenance)
        assert made.expected_dice(0.95, 2000) > made.expected_dice(0.6, 200)
        assert calibration_of(replace(small_sam, model_hash=sha256)) == made  # type: ignore[type-var]
