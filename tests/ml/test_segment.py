"""From boxes to a mask, with a small random SAM: the rules, not the quality."""

import multiprocessing
import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from crowdmask.core.completion import Completion
from crowdmask.core.errors import CrowdmaskError, ErrorCode, InvalidInput
from crowdmask.core.geometry import Box
from crowdmask.core.keyframes import BoxSource, Keyframe, Track
from crowdmask.core.slicepack import SlicePack
from crowdmask.core.tracks import document_from_boxes, document_from_tracks, empty_document
from crowdmask.core.uncertainty import entropy_map
from crowdmask.core.windowing import Window
from crowdmask_ml.cache import SliceCache
from crowdmask_ml.completion import CompletionParameters
from crowdmask_ml.embeddings import StoredEmbedding
from crowdmask_ml.segment import MaskResult, Progress, segment_volume
from crowdmask_ml.segmenter import Segmenter
from tests.ml.conftest import spec_like

WINDOW = Window(-50, 250)
ONE = Box(18, 8, 42, 27)
OTHER = Box(2, 3, 30, 38)
SHAPE = (6, 40, 56)
AS_PREDICTED = CompletionParameters(smoothing=0)

Boxes = Mapping[int, Mapping[int, Sequence[Box]]]


def _segment(
    pack_path: Path,
    boxes: Boxes,
    segmenter: Segmenter,
    *,
    window: Window = WINDOW,
    cache: SliceCache | None = None,
    progress: Progress | None = None,
    completion: Completion = Completion.NONE,
    with_uncertainty: bool = False,
    parameters: CompletionParameters | None = None,
) -> MaskResult:
    documents = {
        label: document_from_boxes(SHAPE, on_slices, source=BoxSource.DRAWN)
        for label, on_slices in boxes.items()
    }
    with SlicePack.open(pack_path) as pack:
        return segment_volume(
            pack,
            documents,
            segmenter,
            window=window,
            completion=completion,
            parameters=parameters,
            cache=cache,
            with_uncertainty=with_uncertainty,
            progress=progress,
        )


def _logits(pack_path: Path, segmenter: Segmenter, z: int, box: Box) -> np.ndarray:
    from crowdmask.core.windowing import apply_window

    with SlicePack.open(pack_path) as pack:
        encoded = segmenter.encode(apply_window(pack.values(z), WINDOW)[None])
    embedding = StoredEmbedding.quantise(encoded).restore()
    return segmenter.decode(embedding, np.array([box.values])).logits[0]


def test_slices_without_a_box_stay_background_and_are_not_encoded(
    pack_path: Path, small_sam: Segmenter
) -> None:
    result = _segment(pack_path, {4: {1: [ONE], 4: [ONE]}}, small_sam)
    assert result.mask.dtype == np.uint8
    assert result.mask.shape == (6, 40, 56)
    assert set(np.unique(result.mask)) == {0, 4}
    assert np.flatnonzero(result.mask.any(axis=(1, 2))).tolist() == [1, 4]
    assert result.slices_encoded == 2


def test_no_boxes_give_an_empty_mask(pack_path: Path, small_sam: Segmenter) -> None:
    result = _segment(pack_path, {1: {}, 2: {}}, small_sam)
    assert not result.mask.any()
    assert result.slices == ()


def test_the_boxes_of_one_label_are_united(pack_path: Path, small_sam: Segmenter) -> None:
    both = _segment(pack_path, {1: {2: [ONE, OTHER]}}, small_sam).mask[2] == 1
    expected = (_logits(pack_path, small_sam, 2, ONE) > 0) | (_logits(pack_path, small_sam, 2, OTHER) > 0)
    assert np.array_equal(both, expected)
    assert both.any()


def test_where_labels_overlap_the_highest_logit_wins(pack_path: Path, small_sam: Segmenter) -> None:
    mask = _segment(pack_path, {7: {2: [ONE]}, 3: {2: [OTHER]}}, small_sam).mask[2]
    first, second = _logits(pack_path, small_sam, 2, ONE), _logits(pack_path, small_sam, 2, OTHER)
    assert ((first > 0) & (second > 0)).any()
    expected = np.where(np.maximum(first, second) > 0, np.where(first > second, 7, 3), 0)
    assert np.array_equal(mask, expected)


def test_at_a_tie_the_lower_label_wins(pack_path: Path, small_sam: Segmenter) -> None:
    mask = _segment(pack_path, {9: {2: [ONE]}, 2: {2: [ONE]}}, small_sam).mask
    assert set(np.unique(mask)) == {0, 2}


def test_a_label_alone_gives_the_same_bytes_as_among_others_where_they_do_not_meet(
    pack_path: Path, small_sam: Segmenter
) -> None:
    alone = _segment(pack_path, {1: {2: [ONE]}}, small_sam).mask
    among = _segment(pack_path, {1: {2: [ONE]}, 2: {0: [OTHER], 3: [ONE, OTHER]}}, small_sam).mask
    assert np.array_equal(alone[2], among[2])


def test_the_map_of_uncertainty_is_that_of_the_logits_and_of_several_labels_the_highest(
    pack_path: Path, small_sam: Segmenter
) -> None:
    boxes: Boxes = {7: {2: [ONE]}, 3: {2: [OTHER]}}
    result = _segment(pack_path, boxes, small_sam, with_uncertainty=True)
    assert result.uncertainty is not None
    assert result.uncertainty.shape == SHAPE
    assert np.flatnonzero(result.uncertainty.any(axis=(1, 2))).tolist() == [2]
    expected = [entropy_map(_logits(pack_path, small_sam, 2, box)) for box in (ONE, OTHER)]
    assert np.array_equal(result.uncertainty[2], np.maximum(*expected))
    plain = _segment(pack_path, boxes, small_sam)
    assert plain.uncertainty is None
    assert np.array_equal(plain.mask, result.mask)


def test_provenance_names_each_box_and_its_predicted_iou(pack_path: Path, small_sam: Segmenter) -> None:
    result = _segment(pack_path, {5: {3: [ONE, OTHER]}, 1: {3: [ONE], 0: [ONE]}}, small_sam)
    assert [(entry.slice, entry.label) for entry in result.slices] == [(0, 1), (3, 1), (3, 5)]
    assert result.slices[2].boxes == (ONE, OTHER)
    assert all(np.isfinite(entry.predicted_iou).all() for entry in result.slices)
    assert [len(entry.predicted_iou) for entry in result.slices] == [1, 1, 2]


def test_the_cache_changes_nothing_but_the_work(
    pack_path: Path, small_sam: Segmenter, tmp_path: Path
) -> None:
    boxes: Boxes = {1: {z: [ONE] for z in range(4)}, 2: {z: [OTHER] for z in range(2, 6)}}
    plain = _segment(pack_path, boxes, small_sam)
    cache = SliceCache(tmp_path / "slices")
    first = _segment(pack_path, {1: boxes[1]}, small_sam, cache=cache)
    assert first.slices_encoded == 4
    second = _segment(pack_path, boxes, small_sam, cache=cache)
    assert second.slices_encoded == 2
    assert np.array_equal(second.mask, plain.mask)
    assert second.slices == plain.slices


def test_a_damaged_cache_entry_is_computed_again(
    pack_path: Path, small_sam: Segmenter, tmp_path: Path
) -> None:
    cache = SliceCache(tmp_path / "slices")
    boxes: Boxes = {1: {2: [ONE], 3: [ONE]}}
    first = _segment(pack_path, boxes, small_sam, cache=cache)
    entries = {path: path.read_bytes() for path in (tmp_path / "slices").rglob("*") if path.is_file()}
    assert len(entries) == 4
    for entry, whole in entries.items():
        entry.write_bytes(whole[: len(whole) // 2])
    again = _segment(pack_path, boxes, small_sam, cache=cache)
    assert (again.slices_encoded, again.predictions_made) == (2, 2)
    assert np.array_equal(again.mask, first.mask)
    assert {entry: entry.read_bytes() for entry in entries} == entries


def test_of_a_new_revision_only_what_changed_is_computed(
    pack_path: Path, small_sam: Segmenter, tmp_path: Path
) -> None:
    cache = SliceCache(tmp_path / "slices")
    first = _segment(pack_path, {1: {z: [ONE] for z in range(5)}}, small_sam, cache=cache)
    assert (first.slices_encoded, first.predictions_made) == (5, 5)
    revised: Boxes = {1: {**{z: [ONE] for z in range(6)}, 2: [OTHER]}}
    second = _segment(pack_path, revised, small_sam, cache=cache)
    assert (second.slices_encoded, second.predictions_made) == (1, 2)
    assert np.array_equal(second.mask, _segment(pack_path, revised, small_sam).mask)


def test_another_window_is_another_embedding(pack_path: Path, small_sam: Segmenter, tmp_path: Path) -> None:
    cache = SliceCache(tmp_path / "slices")
    _segment(pack_path, {1: {2: [ONE]}}, small_sam, cache=cache)
    other = _segment(pack_path, {1: {2: [ONE]}}, small_sam, window=Window(0, 100), cache=cache)
    assert other.slices_encoded == 1


def test_progress_counts_the_slices_with_boxes(pack_path: Path, small_sam: Segmenter) -> None:
    calls: list[tuple[int, int]] = []
    _segment(
        pack_path,
        {1: {0: [ONE], 5: [ONE]}, 2: {5: [OTHER]}},
        small_sam,
        progress=lambda done, total: calls.append((done, total)),
    )
    assert calls == [(0, 2), (1, 2), (2, 2)]


def test_what_progress_raises_stops_the_work(pack_path: Path, small_sam: Segmenter, tmp_path: Path) -> None:
    def cancel(done: int, total: int) -> None:
        if done == 2:
            raise CrowdmaskError(ErrorCode.JOB_CANCELLED, "Cancelled.")

    boxes: Boxes = {1: {z: [ONE] for z in range(6)}}
    with pytest.raises(CrowdmaskError, match="Cancelled"):
        _segment(pack_path, boxes, small_sam, cache=SliceCache(tmp_path / "slices"), progress=cancel)
    assert len(list((tmp_path / "slices").rglob("*.embedding"))) == 2


def _segment_and_be_killed(pack_path: Path, checkpoint: Path, folder: Path) -> None:
    def kill(done: int, total: int) -> None:
        if (done, total) == (KILLED_AT, len(TO_KILL[1])):
            os.kill(os.getpid(), signal.SIGKILL)

    spec = spec_like("sam-vit-b", checkpoint)
    _segment(pack_path, TO_KILL, spec.loader(spec, checkpoint), cache=SliceCache(folder), progress=kill)


KILLED_AT = 4
TO_KILL: Boxes = {1: {z: [ONE] for z in range(6)}, 2: {z: [OTHER] for z in range(6)}}


def test_after_a_kill_the_work_goes_on_with_the_next_slice(
    pack_path: Path, small_sam: Segmenter, small_checkpoint: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "slices"
    process = multiprocessing.get_context("spawn").Process(
        target=_segment_and_be_killed, args=(pack_path, small_checkpoint, folder)
    )
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    rest = _segment(pack_path, TO_KILL, small_sam, cache=SliceCache(folder))
    assert rest.slices_encoded == 6 - KILLED_AT
    assert rest.predictions_made == 2 * (6 - KILLED_AT)
    whole = _segment(pack_path, TO_KILL, small_sam)
    assert (whole.slices_encoded, whole.predictions_made) == (6, 12)
    assert np.array_equal(rest.mask, whole.mask)
    assert rest.slices == whole.slices


@pytest.mark.parametrize("label", [0, 256])
def test_a_label_that_a_mask_cannot_hold_is_refused(
    pack_path: Path, small_sam: Segmenter, label: int
) -> None:
    with pytest.raises(InvalidInput) as caught:
        _segment(pack_path, {label: {0: [ONE]}}, small_sam)
    assert caught.value.code is ErrorCode.LABEL_UNKNOWN


def test_what_was_drawn_on_another_volume_is_refused(pack_path: Path, small_sam: Segmenter) -> None:
    with SlicePack.open(pack_path) as pack, pytest.raises(InvalidInput, match=r"\(6, 40, 57\)") as caught:
        segment_volume(pack, {1: empty_document((6, 40, 57))}, small_sam, window=WINDOW)
    assert caught.value.code is ErrorCode.GRID_MISMATCH


def test_between_its_keyframes_a_track_is_segmented_with_its_own_interpolation(
    pack_path: Path, small_sam: Segmenter
) -> None:
    moved = Box(ONE.x0 + 4, ONE.y0, ONE.x1 + 4, ONE.y1)
    keyframes = {1: Keyframe(ONE, BoxSource.DRAWN), 3: Keyframe(moved, BoxSource.DRAWN)}
    document = document_from_tracks(SHAPE, [Track("t1", 1, 3, keyframes)])
    with SlicePack.open(pack_path) as pack:
        result = segment_volume(pack, {1: document}, small_sam, window=WINDOW)
    assert [entry.sources for entry in result.slices] == [
        (BoxSource.DRAWN,),
        (BoxSource.INTERPOLATED,),
        (BoxSource.DRAWN,),
    ]
    halfway = Box(ONE.x0 + 2, ONE.y0, ONE.x1 + 2, ONE.y1)
    assert np.array_equal(result.mask[2] == 1, _logits(pack_path, small_sam, 2, halfway) > 0)
    assert not any(entry.completed for entry in result.slices)


def test_fill_adds_the_slices_between_two_tracks_and_leaves_the_others_as_they_were(
    pack_path: Path, small_sam: Segmenter
) -> None:
    drawn: Boxes = {1: {0: [ONE], 1: [ONE], 4: [ONE]}}
    without = _segment(pack_path, drawn, small_sam)
    filled = _segment(pack_path, drawn, small_sam, completion=Completion.FILL)
    assert [(entry.slice, entry.completed) for entry in filled.slices] == [
        (0, False),
        (1, False),
        (2, True),
        (3, True),
        (4, False),
    ]
    known = [0, 1, 4, 5]
    assert np.array_equal(filled.mask[known], without.mask[known])
    assert filled.mask[2].any()
    (added,) = (entry for entry in filled.slices if entry.slice == 2)
    assert (added.boxes, added.sources, added.confirmed) == ((ONE,), (BoxSource.INTERPOLATED,), (False,))


def test_what_completion_adds_takes_no_voxel_from_a_label_that_was_drawn_there(
    pack_path: Path, small_sam: Segmenter
) -> None:
    drawn: Boxes = {1: {1: [OTHER], 3: [OTHER]}, 2: {2: [ONE]}}
    mask = _segment(pack_path, drawn, small_sam, completion=Completion.FILL, parameters=AS_PREDICTED).mask[2]
    first, second = _logits(pack_path, small_sam, 2, OTHER) > 0, _logits(pack_path, small_sam, 2, ONE) > 0
    assert (first & second).any()
    assert np.array_equal(mask, np.where(second, 2, np.where(first, 1, 0)))


def test_smoothing_and_dropping_pieces_change_the_slices_that_were_added_and_no_other(
    pack_path: Path, small_sam: Segmenter
) -> None:
    drawn: Boxes = {1: {0: [ONE], 1: [OTHER], 4: [ONE]}, 2: {2: [OTHER], 5: [OTHER]}}
    plain = _segment(pack_path, drawn, small_sam, completion=Completion.FILL, parameters=AS_PREDICTED)
    drawn_slices = {1: [0, 1, 4], 2: [2, 5]}
    for changed in (replace(AS_PREDICTED, smoothing=0.7), replace(AS_PREDICTED, smallest_piece=1.0)):
        made = _segment(pack_path, drawn, small_sam, completion=Completion.FILL, parameters=changed)
        assert made.slices == plain.slices
        assert made.parameters == changed
        assert not np.array_equal(made.mask, plain.mask)
        for label, slices in drawn_slices.items():
            assert np.array_equal(made.mask[slices] == label, plain.mask[slices] == label)


def test_an_added_slice_takes_after_its_neighbours_when_smoothed(
    pack_path: Path, small_sam: Segmenter
) -> None:
    drawn: Boxes = {1: {1: [ONE], 3: [ONE]}}
    parameters = CompletionParameters(smoothing=0.7)
    made = _segment(pack_path, drawn, small_sam, completion=Completion.FILL, parameters=parameters)
    weight = np.exp(-0.5 / 0.7**2)
    beside, own, after = (_logits(pack_path, small_sam, z, ONE) for z in (1, 2, 3))
    assert np.array_equal(made.mask[2] == 1, own + weight * (beside + after) > 0)


def test_full_without_a_cache_does_nothing_twice(pack_path: Path, small_sam: Segmenter) -> None:
    result = _segment(
        pack_path, {1: {2: [ONE], 3: [ONE]}, 2: {2: [OTHER]}}, small_sam, completion=Completion.FULL
    )
    assert result.slices_encoded <= SHAPE[0]
