"""The matrices against the libraries whose resampling they stand for."""

import numpy as np
import pytest
import torch
from PIL import Image

from crowdmask_ml.resampling import area_matrix, cubic_matrix, linear_matrix

SIZES = [(512, 256), (101, 212), (122, 256), (300, 256), (256, 101), (7, 3), (1, 5), (5, 1)]


def _noise(n: int) -> np.ndarray:
    return np.random.default_rng(n).uniform(0, 255, (n, n))


@pytest.mark.parametrize(("n_in", "n_out"), SIZES)
@pytest.mark.parametrize("antialias", [True, False])
def test_linear_equals_torch(n_in: int, n_out: int, antialias: bool) -> None:
    image = _noise(n_in)
    matrix = linear_matrix(n_in, n_out, antialias=antialias)
    expected = torch.nn.functional.interpolate(
        torch.from_numpy(image)[None, None],
        (n_out, n_out),
        mode="bilinear",
        align_corners=False,
        antialias=antialias,
    )[0, 0].numpy()
    np.testing.assert_allclose(matrix @ image @ matrix.T, expected, atol=1e-3)


def test_area_equals_pil_box_filter_and_block_means() -> None:
    image = _noise(512)
    matrix = area_matrix(512, 256)
    np.testing.assert_allclose(
        matrix @ image @ matrix.T, image.reshape(256, 2, 256, 2).mean(axis=(1, 3)), atol=1e-9
    )
    odd = _noise(300).astype(np.float32)
    matrix = area_matrix(300, 100)
    boxed = np.asarray(Image.fromarray(odd).resize((100, 100), Image.Resampling.BOX))
    np.testing.assert_allclose(matrix @ odd @ matrix.T, boxed, atol=1e-3)


def test_area_weighs_pixels_by_the_part_that_is_covered() -> None:
    np.testing.assert_allclose(area_matrix(3, 2), [[2 / 3, 1 / 3, 0], [0, 1 / 3, 2 / 3]])


@pytest.mark.parametrize("matrix", [linear_matrix, area_matrix, cubic_matrix])
@pytest.mark.parametrize(("n_in", "n_out"), SIZES)
def test_a_constant_image_stays_constant(matrix: object, n_in: int, n_out: int) -> None:
    weights = matrix(n_in, n_out)  # type: ignore[operator]
    assert weights.shape == (n_out, n_in)
    np.testing.assert_allclose(weights @ np.full(n_in, 7.0), 7.0)


def test_cubic_keeps_a_smooth_curve_better_than_linear() -> None:
    def curve(n: int) -> np.ndarray:
        return np.sin((np.arange(n) + 0.5) / n * 6)

    inside = slice(32, -32)  # away from the ends, which are mirrored
    cubic = np.abs(cubic_matrix(32, 128) @ curve(32) - curve(128))[inside].max()
    linear = np.abs(linear_matrix(32, 128) @ curve(32) - curve(128))[inside].max()
    assert cubic < linear / 10
