"""Propagation beyond the ends, on a model that segments what is bright inside its boxes."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crowdmask.core.errors import CrowdmaskError, ErrorCode
from crowdmask.core.geometry import Box
from crowdmask.core.intervals import Intervals
from crowdmask.core.keyframes import BoxSource
from crowdmask.core.simulate import ideal_boxes
from crowdmask.core.tracks import (
    AnnotationDocument,
    SliceState,
    document_from_boxes,
    document_from_tracks,
    slice_states,
)
from crowdmask_ml.completion import CompletionParameters, propagated
from crowdmask_ml.reading import SlicePrediction

PARAMETERS = CompletionParameters()
BRIGHT = 100.0


class Bright:
    """Segments the voxels over half the brightness of the label, inside the boxes."""

    def __init__(self, voxels: np.ndarray) -> None:
        self.voxels = voxels.astype(np.float32)
        self.asked: list[int] = []

    def predict(self, z: int, boxes: Sequence[Box]) -> SlicePrediction:
        self.asked.append(z)
        logits = np.full(self.voxels.shape[1:], -5.0, np.float32)
        for box in boxes:
            region = np.s_[round(box.y0) : round(box.y1), round(box.x0) : round(box.x1)]
            logits[region] = np.where(self.voxels[z][region] > BRIGHT / 2, 5.0, -5.0)
        return SlicePrediction(logits, (0.9,) * len(boxes))

    def values(self, z: int) -> np.ndarray:
        return self.voxels[z]


def _phantom(shape: tuple[int, int, int] = (30, 60, 60), *, radius: float = 12.0) -> np.ndarray:
    """A bright ball in noise: radius in voxels, in the middle."""
    z, y, x = np.indices(shape) - (np.array(shape) / 2 - 0.5)[:, None, None, None]
    noise = np.random.default_rng(0).normal(0, 3, shape)
    return noise + np.where(z**2 + y**2 + x**2 <= radius**2, BRIGHT, 0)


def _document(
    voxels: np.ndarray, slices: Sequence[int], absent: Intervals | None = None
) -> AnnotationDocument:
    boxes = ideal_boxes(voxels > BRIGHT / 2)
    drawn = document_from_boxes(voxels.shape, {z: boxes[z] for z in slices}, source=BoxSource.DRAWN)
    return document_from_tracks(drawn.shape, drawn.tracks, absent or Intervals())


def _slices(found: Mapping[int, object]) -> list[int]:
    return sorted(found)


def test_missing_ends_are_found_and_it_stops_where_the_label_ends():
    voxels = _phantom()
    occupied = sorted(ideal_boxes(voxels > BRIGHT / 2))
    found = propagated(_document(voxels, occupied[4:-4]), Bright(voxels), PARAMETERS)
    assert set(found) <= set(occupied)
    # The last slice of a ball shrinks faster than the rule for an end allows.
    assert set(found) >= {*occupied[1:4], *occupied[-4:-1]}
    for on_slice in found.values():
        assert {entry.source for entry in on_slice} == {BoxSource.PROPAGATED}
        assert not any(entry.confirmed for entry in on_slice)


def test_nothing_is_added_where_nothing_is_missing():
    voxels = _phantom()
    occupied = sorted(ideal_boxes(voxels > BRIGHT / 2))
    assert propagated(_document(voxels, occupied), Bright(voxels), PARAMETERS) == {}


def test_propagation_never_passes_a_slice_marked_absent():
    voxels = _phantom()
    occupied = sorted(ideal_boxes(voxels > BRIGHT / 2))
    closed = Intervals(((occupied[2], occupied[2]), (occupied[-4], occupied[-4])))
    found = propagated(_document(voxels, occupied[4:-4], closed), Bright(voxels), PARAMETERS)
    assert _slices(found) == [occupied[3]]


def test_it_reaches_no_further_than_a_share_of_the_slices_with_boxes():
    voxels = np.random.default_rng(0).normal(0, 3, (30, 40, 40))
    voxels[:, 10:20, 10:20] += BRIGHT
    document = _document(voxels, range(10, 20))
    for reach, steps in ((0.0, 0), (0.1, 1), (0.35, 4), (1.0, 10)):
        found = propagated(document, Bright(voxels), replace(PARAMETERS, reach=reach))
        assert _slices(found) == [*range(10 - steps, 10), *range(20, 20 + steps)]


def test_it_stops_where_other_tissue_begins_although_the_model_goes_on():
    voxels = np.random.default_rng(0).normal(0, 3, (20, 40, 40))
    voxels[:, 10:20, 10:20] += BRIGHT
    voxels[13:, 10:20, 10:20] += BRIGHT
    assert _slices(propagated(_document(voxels, range(5, 12)), Bright(voxels), PARAMETERS)) == [3, 4, 12]


def test_it_stops_where_the_mask_leaks():
    voxels = np.random.default_rng(0).normal(0, 3, (20, 60, 60))
    voxels[:, 10:20, 10:20] += BRIGHT
    voxels[13, 8:24, 8:24] = BRIGHT
    found = propagated(_document(voxels, range(5, 12)), Bright(voxels), PARAMETERS)
    assert _slices(found) == [3, 4, 12]


def test_where_a_piece_splits_each_part_gets_a_box_and_where_two_join_they_get_one():
    voxels = np.random.default_rng(0).normal(0, 3, (12, 40, 60))
    voxels[:6, 10:20, 10:40] += BRIGHT
    voxels[6:, 10:20, 10:22] += BRIGHT
    voxels[6:, 10:20, 28:40] += BRIGHT
    model, parameters = Bright(voxels), replace(PARAMETERS, reach=0.5)
    splits = propagated(_document(voxels, range(6)), model, parameters)
    assert {z: len(on_slice) for z, on_slice in splits.items()} == {6: 2, 7: 2, 8: 2}
    joins = propagated(_document(voxels, range(6, 12)), model, replace(parameters, largest_growth=2.0))
    assert len(joins[4]) == 1
    (box,) = (entry.box for entry in joins[4])
    assert box.x0 <= 10
    assert box.x1 >= 40


def test_the_boxes_have_the_margin_that_the_drawn_ones_have():
    voxels = np.random.default_rng(0).normal(0, 3, (20, 40, 40))
    voxels[:, 10:20, 10:20] += BRIGHT
    drawn = {z: [Box(7, 7, 23, 23)] for z in range(5, 12)}
    document = document_from_boxes(voxels.shape, drawn, source=BoxSource.DRAWN)
    ((box,), *_) = [
        [entry.box for entry in on_slice]
        for on_slice in propagated(document, Bright(voxels), PARAMETERS).values()
    ]
    assert box == Box(7, 7, 23, 23)


def test_a_model_that_finds_nothing_adds_nothing():
    voxels = np.zeros((10, 20, 20))
    document = document_from_boxes(voxels.shape, {4: [Box(5, 5, 9, 9)]}, source=BoxSource.DRAWN)
    assert propagated(document, Bright(voxels), PARAMETERS) == {}
    assert propagated(document_from_tracks(voxels.shape, []), Bright(voxels), PARAMETERS) == {}


def test_what_the_watcher_raises_stops_it():
    voxels = _phantom()
    occupied = sorted(ideal_boxes(voxels > BRIGHT / 2))

    def cancel() -> None:
        raise CrowdmaskError(ErrorCode.JOB_CANCELLED, "Cancelled.")

    with pytest.raises(CrowdmaskError, match="Cancelled"):
        propagated(_document(voxels, occupied[4:-4]), Bright(voxels), PARAMETERS, watch=cancel)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_whatever_the_volume_boxes_are_added_on_unknown_slices_only(seed):
    rng = np.random.default_rng(seed)
    voxels = rng.choice([0.0, BRIGHT], (10, 12, 12), p=[0.4, 0.6]) + rng.normal(0, 3, (10, 12, 12))
    slices = rng.choice(10, 4, replace=False).tolist()
    absent = sorted({int(z) for z in rng.choice(10, 2)} - set(slices))
    document = _document(voxels, slices, Intervals.from_slices(absent))
    states = slice_states(document)
    generous = CompletionParameters(reach=1, smallest_persistence=0, smallest_overlap=0, largest_growth=99)
    for z, on_slice in propagated(document, Bright(voxels), generous).items():
        assert states[z] is SliceState.UNKNOWN
        for entry in on_slice:
            entry.box.check_inside((12, 12))
