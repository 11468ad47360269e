"""The adapters against the code of the models themselves."""

from pathlib import Path

import numpy as np
import pytest
import torch
from segment_anything import SamPredictor, sam_model_registry

from crowdmask_ml.models.sam import build_network
from crowdmask_ml.preprocessing import InputFrame, Preprocessing
from crowdmask_ml.registry import VIT_B, VIT_H, VIT_L, VitArchitecture
from crowdmask_ml.segmenter import MaskRule, Segmenter
from tests.ml.conftest import SMALL_INPUT, SMALL_VIT

BOXES = np.array([[20.0, 10.0, 40.0, 25.0], [2.0, 3.0, 50.0, 38.0], [0.0, 0.0, 5.5, 9.25]])


def _slices(n: int, rows: int, columns: int) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (n, rows, columns), dtype=np.uint8)


def _network(checkpoint: Path) -> torch.nn.Module:
    network = build_network(SMALL_VIT, input_size=SMALL_INPUT)
    network.load_state_dict(torch.load(checkpoint, weights_only=True))
    return network.eval()


@pytest.mark.parametrize(("official", "architecture"), [("vit_b", VIT_B), ("vit_l", VIT_L), ("vit_h", VIT_H)])
def test_our_sam_has_exactly_the_parameters_of_the_official_one(
    official: str, architecture: VitArchitecture
) -> None:
    with torch.device("meta"):
        expected = sam_model_registry[official]().state_dict()
        built = build_network(architecture, input_size=1024).state_dict()
    assert {name: value.shape for name, value in built.items()} == {
        name: value.shape for name, value in expected.items()
    }


def test_sam_equals_the_official_predictor(small_checkpoint: Path, small_sam: Segmenter) -> None:
    image = _slices(1, 40, 56)
    predictor = SamPredictor(_network(small_checkpoint))
    colour = torch.from_numpy(np.repeat(image[:, None], 3, axis=1)).float()
    frame = InputFrame((40, 56), SMALL_INPUT, Preprocessing.SAM)
    assert frame.covered == predictor.transform.get_preprocess_shape(40, 56, SMALL_INPUT)
    # Not by its apply_image_torch, which takes the batch and the channels for the size.
    resized = torch.nn.functional.interpolate(colour, frame.covered, mode="bilinear", antialias=True)
    predictor.set_torch_image(resized, (40, 56))
    masks, ious, _ = predictor.predict_torch(
        None, None, boxes=torch.from_numpy(frame.prompts(BOXES)), multimask_output=True, return_logits=True
    )
    best = ious.argmax(dim=1)
    prediction = small_sam.decode(small_sam.encode(image), BOXES)
    expected = masks[torch.arange(len(BOXES)), best].numpy()
    np.testing.assert_allclose(prediction.logits, expected, atol=2e-3 * np.abs(expected).max())
    np.testing.assert_allclose(prediction.predicted_iou, ious.max(dim=1).values.numpy(), atol=1e-3)
    assert small_sam.mask_rule is MaskRule.BEST_OF_THREE


def test_medsam_takes_mask_0_of_a_min_max_image(small_checkpoint: Path, small_medsam: Segmenter) -> None:
    image = _slices(1, SMALL_INPUT, SMALL_INPUT)
    network = _network(small_checkpoint)
    span = image[0].astype(np.float32) - image.min()
    colour = torch.from_numpy(np.repeat((span / span.max())[None], 3, axis=0))[None]
    inner = BOXES + np.array([0.5, 0.5, -0.5, -0.5])
    with torch.inference_mode():
        sparse, dense = network.prompt_encoder(
            points=None, boxes=torch.from_numpy(inner - 0.5).float(), masks=None
        )
        low, iou = network.mask_decoder(
            image_embeddings=network.image_encoder(colour),
            image_pe=network.prompt_encoder.get_dense_pe(),
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
            multimask_output=False,
        )
        expected = torch.nn.functional.interpolate(low, (SMALL_INPUT, SMALL_INPUT), mode="bilinear")[:, 0]
    prediction = small_medsam.decode(small_medsam.encode(image), BOXES)
    np.testing.assert_allclose(prediction.logits, expected.numpy(), atol=2e-3 * float(expected.abs().max()))
    np.testing.assert_allclose(prediction.predicted_iou, iou[:, 0].numpy(), atol=1e-3)


@pytest.mark.parametrize("name", ["small_sam", "small_medsam"])
def test_a_slice_is_encoded_the_same_alone_and_among_others(
    name: str, request: pytest.FixtureRequest
) -> None:
    segmenter: Segmenter = request.getfixturevalue(name)
    images = _slices(3, 33, 47)
    together = segmenter.encode(images)
    assert together.size == (33, 47)
    for image, embedding in zip(images, together, strict=True):
        assert np.array_equal(segmenter.encode(image[None]).features, embedding.features)


def test_a_box_is_decoded_the_same_alone_and_among_others(small_sam: Segmenter) -> None:
    embedding = small_sam.encode(_slices(1, 40, 56))
    together = small_sam.decode(embedding, BOXES)
    for index, box in enumerate(BOXES):
        alone = small_sam.decode(embedding, box[None])
        assert np.array_equal(alone.logits[0], together.logits[index])
    assert not np.array_equal(together.logits[0], together.logits[1])


def test_no_box_gives_no_mask(small_sam: Segmenter) -> None:
    prediction = small_sam.decode(small_sam.encode(_slices(1, 40, 56)), np.zeros((0, 4)))
    assert prediction.logits.shape == (0, 40, 56)
    assert prediction.predicted_iou.shape == (0,)
