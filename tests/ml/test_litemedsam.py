"""The default model with its real weights."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch

from crowdmask.core.geometry import Box
from crowdmask.core.slicepack import SlicePack, write_pack
from crowdmask.core.tracks import BoxSource, document_from_boxes
from crowdmask.core.windowing import Window
from crowdmask_ml.loading import load_segmenter
from crowdmask_ml.models.tinyvit import rearranged
from crowdmask_ml.registry import MODELS
from crowdmask_ml.segment import segment_volume
from crowdmask_ml.segmenter import MaskRule

pytestmark = pytest.mark.slow


def test_the_installed_weights_are_the_ones_we_trust() -> None:
    from crowdmask_ml.models.litemedsam import get_asset_path

    found = hashlib.sha256(Path(get_asset_path()).read_bytes()).hexdigest()
    assert found == MODELS["litemedsam"].sha256


def test_the_rearranged_encoder_is_the_same_network() -> None:
    """Features of noise, as many values as one likes, to a hundred-thousandth of the largest."""
    encoder = load_segmenter("litemedsam", runtime="torch").network.image_encoder
    again = rearranged(encoder)
    names = [type(module).__name__ for module in again.modules()]
    assert not {"TinyViTBlock", "PatchMerging"} & set(names)
    assert names.count("_Block") == 10
    assert names.count("_Merging") == 3
    image = torch.from_numpy(np.random.default_rng(0).normal(size=(1, 3, 256, 256)).astype(np.float32))
    with torch.inference_mode():
        expected, found = encoder(image), again(image)
    assert (found - expected).abs().max() < 1e-5 * expected.abs().max()


def test_ellipses_in_noise_are_found_from_loose_boxes(tmp_path: Path) -> None:
    """Two organs at their own brightness on a slice that is not square; the boxes are 2 voxels loose."""
    rows, columns = np.mgrid[0:180, 0:240]
    one = ((rows - 70) / 35) ** 2 + ((columns - 60) / 25) ** 2 < 1
    two = ((rows - 110) / 22) ** 2 + ((columns - 170) / 40) ** 2 < 1
    voxels = np.random.default_rng(2).normal(-90, 12, (1, 180, 240))
    voxels[0, one] += 150
    voxels[0, two] += 190
    path = tmp_path / "volume.pack"
    write_pack(path, voxels.astype(np.int16))
    segmenter = load_segmenter("litemedsam")
    with SlicePack.open(path) as pack:
        result = segment_volume(
            pack,
            {
                label: document_from_boxes(pack.shape, {0: [box]}, source=BoxSource.DRAWN)
                for label, box in ((1, Box(33, 33, 87, 107)), (2, Box(128, 86, 212, 134)))
            },
            segmenter,
            window=Window(-160, 240),
        )
    for label, expected in ((1, one), (2, two)):
        found = result.mask[0] == label
        assert 2 * (found & expected).sum() / (found.sum() + expected.sum()) > 0.95
    assert segmenter.mask_rule is MaskRule.FIRST
    assert all(iou > 0.8 for entry in result.slices for iou in entry.predicted_iou)
