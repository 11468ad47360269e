"""The decoder in numpy against the published one in torch: the same masks and scores up to rounding."""

from pathlib import Path

import numpy as np
import pytest
from scipy.special import ndtr

from crowdmask.core import nifti
from crowdmask.core.phantom import abdominal_phantom
from crowdmask.core.volume import display_slice
from crowdmask.core.windowing import Window, apply_window
from crowdmask_ml.embeddings import StoredEmbedding
from crowdmask_ml.loading import load_segmenter
from crowdmask_ml.preprocessing import OUTSIDE, InputFrame, Preprocessing
from crowdmask_ml.runtimes.export import decoder_weights
from crowdmask_ml.runtimes.exported import ExportedSegmenter
from crowdmask_ml.runtimes.folded import FoldedDecoder
from crowdmask_ml.runtimes.torch_runtime import TorchSegmenter
from crowdmask_ml.runtimes.upscaling import gelu
from crowdmask_ml.segmenter import Embeddings, Prediction, Segmenter

# Stated in docs/models.md.
IOU_TOLERANCE = 1e-4
LOGIT_TOLERANCE = 1e-4  # of the largest
FOREGROUND_TOLERANCE = 1e-5  # share of voxels that may differ, by a logit that rounding moves over 0

BOXES = np.array([[20.0, 10.0, 40.0, 25.0], [2.0, 3.0, 50.0, 38.0], [0.0, 0.0, 5.5, 9.25], [30, 20, 31, 21]])


def _folded(reference: TorchSegmenter) -> Segmenter:
    """The reference's encoder with the decoder in numpy."""
    return ExportedSegmenter(
        name=reference.name,
        model_hash=reference.model_hash,
        input_size=reference.input_size,
        preprocessing=reference.preprocessing,
        mask_rule=reference.mask_rule,
        encoder=lambda image: image,
        decoder=FoldedDecoder(decoder_weights(reference.network)),
        runtime="test",
    )


def _assert_alike(expected: Prediction, found: Prediction) -> tuple[int, int]:
    """Voxels that differ, and foreground voxels."""
    np.testing.assert_allclose(found.predicted_iou, expected.predicted_iou, atol=IOU_TOLERANCE)
    computed = found.logits != OUTSIDE
    largest = np.abs(expected.logits).max()
    np.testing.assert_allclose(
        found.logits[computed], expected.logits[computed], atol=LOGIT_TOLERANCE * largest, rtol=0
    )
    masks = expected.logits > 0
    return int((masks != (found.logits > 0)).sum()), int(masks.sum())


@pytest.mark.parametrize("name", ["small_sam", "small_medsam"])
def test_a_small_random_sam_decodes_the_same(name: str, request: pytest.FixtureRequest) -> None:
    reference = request.getfixturevalue(name)
    image = np.random.default_rng(3).integers(0, 256, (1, 40, 56), dtype=np.uint8)
    embedding = reference.encode(image)
    expected = reference.decode(embedding, BOXES)
    found = _folded(reference).decode(embedding, BOXES)
    _assert_alike(expected, found)


def test_no_box_gives_no_mask(small_sam: TorchSegmenter) -> None:
    embedding = Embeddings(np.zeros((1, 256, 8, 8), np.float32), (40, 56))
    prediction = _folded(small_sam).decode(embedding, np.zeros((0, 4)))
    assert prediction.logits.shape == (0, 40, 56)
    assert prediction.predicted_iou.shape == (0,)


def test_the_gate_is_the_normal_distribution() -> None:
    x = np.linspace(-9, 9, 20001, dtype=np.float32)
    np.testing.assert_allclose(gelu(x.copy()), x * ndtr(x.astype(np.float64)), atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("size", [(40, 56), (56, 40), (300, 200)])
def test_a_part_of_the_square_gives_the_slice_the_values_of_the_whole(size: tuple[int, int]) -> None:
    frame = InputFrame(size, 128, Preprocessing.SAM)
    low = np.random.default_rng(0).normal(0, 3, (32, 32)).astype(np.float32)
    whole = frame.logits_on_slice(low[np.newaxis])[0]
    part = np.zeros(size, np.float32)
    frame.region_on_slice(low[4:20, 8:24], 4, 8, 32, out=part)
    inside = part != OUTSIDE
    assert 0.1 < inside.mean() < 0.5
    np.testing.assert_allclose(part[inside], whole[inside], atol=1e-5)


@pytest.fixture(scope="session")
def litemedsam() -> TorchSegmenter:
    segmenter = load_segmenter("litemedsam", runtime="torch")
    assert isinstance(segmenter, TorchSegmenter)
    return segmenter


def _compare_on(
    reference: TorchSegmenter, voxels: np.ndarray, labels: np.ndarray, slices: list[int]
) -> tuple[int, int, int]:
    """Boxes, voxels that differ and foreground voxels, over all labels with boxes as people draw them."""
    folded = _folded(reference)
    rng = np.random.default_rng(5)
    shown = apply_window(voxels, Window(-160, 240))
    boxes = differing = foreground = 0
    for z in slices:
        embedding = StoredEmbedding.quantise(reference.encode(display_slice(shown, z)[np.newaxis])).restore()
        drawn = []
        for label in range(1, int(labels.max()) + 1):
            ys, xs = np.nonzero(display_slice(labels, z) == label)
            if ys.size:
                edges = np.array([xs.min(), ys.min(), xs.max() + 1, ys.max() + 1], float)
                drawn.append(edges + rng.normal(0, 0.8, 4))
        different, inside = _assert_alike(
            reference.decode(embedding, np.array(drawn)), folded.decode(embedding, np.array(drawn))
        )
        boxes, differing, foreground = boxes + len(drawn), differing + different, foreground + inside
    return boxes, differing, foreground


@pytest.mark.slow
def test_the_default_model_decodes_the_phantom_the_same(litemedsam: TorchSegmenter) -> None:
    phantom = abdominal_phantom(np.random.default_rng(0))
    boxes, differing, foreground = _compare_on(litemedsam, phantom.voxels, phantom.labels, [20, 28, 36, 44])
    assert boxes >= 12
    assert differing <= FOREGROUND_TOLERANCE * foreground


@pytest.mark.slow
@pytest.mark.sample_data
def test_the_default_model_decodes_a_real_ct_the_same(litemedsam: TorchSegmenter, sample_data: Path) -> None:
    folder = sample_data / "abdomen_ct"
    image = nifti.read_volume(folder / "image.nii.gz")
    labels = nifti.read_label_map(folder / "labels.nii.gz")
    boxes, differing, foreground = _compare_on(
        litemedsam, image.voxels, labels.voxels, list(range(64, 112, 8))
    )
    assert boxes >= 20
    assert differing <= FOREGROUND_TOLERANCE * foreground
