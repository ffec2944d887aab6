import json
from dataclasses import asdict

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter

from deepgaze2.errors import DataError
from deepgaze2.rivals.fitted.saliency_density import SaliencyConversion, blur, resized

CONVERSION = SaliencyConversion(
    levels=(0.0, 1.0, 4.0),
    sigma_px=3.0,
    log_knots=tuple(np.linspace(-4, 0, 20).tolist()),
    center_bias=tuple(np.linspace(1.5, 0.5, 12).tolist()),
    eccentricity=0.75,
)
MAP = np.random.default_rng(0).uniform(0, 4, size=(30, 40))


@pytest.mark.parametrize("sigma", [1.5, 6.0, 30.0])
def test_blur_is_gaussian_with_reflecting_borders(sigma: float) -> None:
    expected = gaussian_filter(MAP, sigma, mode="reflect", truncate=8)
    np.testing.assert_allclose(blur(MAP, sigma, sigma), expected, atol=0.2 * MAP.std() / sigma**3)


def test_blur_never_leaves_the_range_and_vanishes_with_sigma() -> None:
    edge = np.repeat([[0.0], [1.0]], 8, axis=0) * np.ones(16)
    for sigma in (0.1, 0.3, 0.7):
        assert blur(edge, sigma, sigma).min() > -1e-12
    np.testing.assert_allclose(blur(MAP, 1e-6, 1e-6), MAP, atol=1e-9)


@pytest.mark.parametrize("shape", [(30, 40), (12, 16), (60, 90), (1, 1), (7, 300)])
def test_density_has_the_images_size_and_sums_to_one(shape: tuple[int, int]) -> None:
    saliency = np.random.default_rng(1).uniform(0, 4, size=shape)
    log_density = CONVERSION.log_density(saliency, 30, 40)
    assert log_density.shape == (30, 40)
    assert log_density.dtype == np.float32
    assert np.exp(log_density.astype(np.float64)).sum() == pytest.approx(1, abs=1e-6)


def test_small_maps_are_interpolated_from_cell_to_cell() -> None:
    ramp = np.arange(10.0)[None].repeat(4, axis=0)
    expected = np.interp((np.arange(40) + 0.5) / 4 - 0.5, np.arange(10), np.arange(10.0))
    np.testing.assert_allclose(resized(ramp, 8, 40), expected[None].repeat(8, axis=0), atol=1e-5)
    assert resized(MAP, 3, 4).mean() == pytest.approx(MAP.mean(), rel=0.01)


def test_levels_are_linear_in_between_and_clip_beyond() -> None:
    saliency = np.array([[-9.0, 0.0, 0.5], [2.5, 4.0, 99.0]])
    as_unit = np.array([[0.0, 0.0, 0.25], [0.75, 1.0, 1.0]])
    unit = SaliencyConversion(**{**asdict(CONVERSION), "levels": (0.0, 1.0)})
    np.testing.assert_allclose(
        CONVERSION.log_density(saliency, 2, 3), unit.log_density(as_unit, 2, 3), atol=1e-6
    )


def test_json_and_back_is_the_same_conversion() -> None:
    read = SaliencyConversion(**json.loads(json.dumps(asdict(CONVERSION))))
    np.testing.assert_array_equal(
        read.log_density(MAP, 30, 40), CONVERSION.log_density(MAP, 30, 40)
    )


def test_eight_bits_change_little() -> None:
    smooth = gaussian_filter(MAP, 4)
    levels = (float(smooth.min()), float(smooth.max()))
    exact = SaliencyConversion(**{**asdict(CONVERSION), "levels": levels})
    gray = np.rint(255 * (smooth - levels[0]) / (levels[1] - levels[0])).astype(np.uint8)
    coded = SaliencyConversion(**{**asdict(CONVERSION), "levels": (0.0, 255.0)})
    difference = coded.log_density(np.asarray(Image.fromarray(gray)), 30, 40)
    difference = difference - exact.log_density(smooth, 30, 40)
    assert np.abs(difference).max() < 0.02


def test_infinite_values_count_as_the_lowest_finite() -> None:
    holes = MAP.copy()
    holes[3, 4] = -np.inf
    filled = MAP.copy()
    filled[3, 4] = np.delete(MAP.ravel(), 3 * 40 + 4).min()
    np.testing.assert_array_equal(
        CONVERSION.log_density(holes, 30, 40), CONVERSION.log_density(filled, 30, 40)
    )


@pytest.mark.parametrize(
    ("saliency", "problem"),
    [
        (np.full((2, 2), np.nan), "contains NaN"),
        (np.full((2, 2), -np.inf), "no finite value"),
        (np.zeros(4), "shape"),
        (np.zeros((0, 4)), "shape"),
        (np.array([["a"]]), "real numbers"),
    ],
)
def test_what_is_no_map_is_refused_by_name(saliency: object, problem: str) -> None:
    with pytest.raises(DataError, match=f"^a.png: .*{problem}"):
        CONVERSION.log_density(saliency, 30, 40, name="a.png")  # type: ignore[arg-type]
