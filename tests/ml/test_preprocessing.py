"""Where a slice lies in the network's square, and where its boxes do."""

import numpy as np
import pytest

from crowdmask_ml.preprocessing import InputFrame, Preprocessing


def _slice(rows: int, columns: int) -> np.ndarray:
    return np.random.default_rng(0).integers(10, 240, (1, rows, columns), dtype=np.uint8)


@pytest.mark.parametrize("rule", [Preprocessing.LITEMEDSAM, Preprocessing.SAM])
def test_the_longest_side_fills_the_square_and_the_rest_is_zero(rule: Preprocessing) -> None:
    frame = InputFrame((101, 122), 256, rule)
    assert frame.covered == (212, 256)
    prepared = frame.prepare(_slice(101, 122))
    assert prepared.shape == (1, 3, 256, 256)
    assert prepared.dtype == np.float32
    assert not prepared[:, :, 212:].any()
    assert prepared[:, :, :212].any(axis=(0, 1)).mean() > 0.99


def test_medsam_stretches_to_the_whole_square() -> None:
    prepared = InputFrame((60, 90), 128, Preprocessing.MEDSAM).prepare(_slice(60, 90))
    assert prepared[0, 0].min() == 0
    assert prepared[0, 0].max() == 1
    assert (prepared[0, 0, -1] > 0).all()


@pytest.mark.parametrize("rule", [Preprocessing.LITEMEDSAM, Preprocessing.MEDSAM])
def test_min_max_is_taken_per_slice_without_the_padding(rule: Preprocessing) -> None:
    two = np.concatenate([_slice(50, 80), _slice(50, 80) // 4])
    prepared = InputFrame((50, 80), 128, rule).prepare(two)
    np.testing.assert_allclose(prepared.max(axis=(1, 2, 3)), 1)
    rows, columns = InputFrame((50, 80), 128, rule).covered
    np.testing.assert_allclose(prepared[:, :, :rows, :columns].min(axis=(1, 2, 3)), 0)


@pytest.mark.parametrize("rule", list(Preprocessing))
def test_a_constant_slice_gives_finite_input(rule: Preprocessing) -> None:
    prepared = InputFrame((20, 30), 128, rule).prepare(np.full((1, 20, 30), 128, np.uint8))
    assert np.isfinite(prepared).all()


def test_a_prompt_names_the_centres_of_the_first_and_last_voxel() -> None:
    frame = InputFrame((64, 64), 64, Preprocessing.LITEMEDSAM)
    np.testing.assert_allclose(frame.prompts(np.array([[3.0, 5.0, 10.0, 6.0]])), [[3, 5, 9, 5]])
    # Half the size: voxel 0 is centred at 0.5, which is 0.25 in the square, which is pixel coordinate -0.25.
    frame = InputFrame((128, 128), 64, Preprocessing.LITEMEDSAM)
    np.testing.assert_allclose(
        frame.prompts(np.array([[0.0, 0.0, 128.0, 64.0]])), [[-0.25, -0.25, 63.25, 31.25]]
    )


def test_a_box_under_one_voxel_becomes_its_centre_and_never_turns_over() -> None:
    frame = InputFrame((512, 512), 256, Preprocessing.LITEMEDSAM)
    x0, y0, x1, y1 = frame.prompts(np.array([[10.2, 20.0, 10.6, 21.0]]))[0]
    assert x0 == pytest.approx(x1)
    assert y0 == pytest.approx(y1)


@pytest.mark.parametrize("rule", list(Preprocessing))
def test_a_bright_block_comes_back_where_it_was(rule: Preprocessing) -> None:
    """What the network sees, taken as its logits at a quarter of the resolution, lands on the same voxels."""
    image = np.zeros((1, 90, 120), np.uint8)
    image[0, 30:60, 20:100] = 255
    frame = InputFrame((90, 120), 256, rule)
    seen = frame.prepare(image)[:, 0]
    low = (seen - (seen.max() + seen.min()) / 2).reshape(1, 64, 4, 64, 4).mean(axis=(2, 4))
    back = frame.logits_on_slice(low.astype(np.float32))[0] > 0
    expected = image[0] > 0
    assert 2 * (back & expected).sum() / (back.sum() + expected.sum()) > 0.98
