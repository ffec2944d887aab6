from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from deepgaze2.errors import DataError
from deepgaze2.metrics.empirical_map import blurred_map, empirical_map, empirical_map_mit
from helpers.metric_maps import FIXATIONS, HEIGHT, WIDTH


def counts(rows: Any, columns: Any, height: int, width: int) -> NDArray[np.float64]:
    map_ = np.zeros((height, width))
    np.add.at(map_, (rows, columns), 1)
    return map_


@given(FIXATIONS, st.floats(0.05, 30))
def test_equals_scipys_filter_of_the_counts(fixations: Any, sigma_px: float) -> None:
    rows, columns = fixations
    found = empirical_map(rows, columns, HEIGHT, WIDTH, sigma_px)
    expected = gaussian_filter(counts(rows, columns, HEIGHT, WIDTH), sigma_px)
    assert_allclose(found, expected / expected.sum(), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("sigma_px", [3, 24, 200])
def test_equals_scipys_filter_on_a_large_image(sigma_px: float) -> None:
    rng = np.random.default_rng(0)
    rows, columns = rng.integers(0, 300, 50), rng.integers(0, 400, 50)
    rows[:2], columns[:2] = (0, 299), (0, 399)
    found = empirical_map(rows, columns, 300, 400, sigma_px)
    expected = gaussian_filter(counts(rows, columns, 300, 400), sigma_px) / 50
    assert_allclose(found, expected, rtol=1e-11, atol=1e-18)
    assert found.sum() == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (7, 130), (200, 64), (150, 65)])
@pytest.mark.parametrize("sigma_px", [0.05, 3, 24, 200])
def test_a_blurred_map_is_scipys(height: int, width: int, sigma_px: float) -> None:
    map_ = np.exp(np.random.default_rng(0).normal(scale=20, size=(height, width)))
    map_[: height // 2, : width // 3] = 0
    expected = gaussian_filter(map_, sigma_px)
    assert_allclose(blurred_map(map_, sigma_px), expected, rtol=1e-12)
    assert_allclose(blurred_map(map_.T, sigma_px), expected.T, rtol=1e-12)


@pytest.mark.parametrize(("height", "width", "side"), [(50, 64, 64), (65, 30, 128)])
def test_mit_equals_filtering_in_the_frequency_domain(height: int, width: int, side: int) -> None:
    rng = np.random.default_rng(0)
    rows, columns = rng.integers(0, height, 20), rng.integers(0, width, 20)
    binary = np.minimum(counts(rows, columns, height, width), 1)
    frequency = np.fft.fftfreq(side, 1 / side)
    low_pass = 0.5 ** (np.add.outer(frequency**2, frequency**2) / 8**2)  # 1/2 at 8 cycles
    filtered = np.fft.ifft2(np.fft.fft2(binary, (side, side)) * low_pass).real[:height, :width]
    found = empirical_map_mit(np.tile(rows, 2), np.tile(columns, 2), height, width)
    assert_allclose(found, filtered / filtered.sum(), atol=1e-15)


def test_mit_is_a_gaussian_of_24_px() -> None:
    found = empirical_map_mit([500], [500], 1000, 1024)
    expected = gaussian_filter(counts([500], [500], 1000, 1024), 0.0234 * 1024, truncate=8)
    assert np.abs(found - expected).max() < 0.01 * expected.max()


def test_without_fixations_and_outside() -> None:
    assert np.isnan(empirical_map([], [], 4, 5, 2)).all()
    assert np.isnan(empirical_map_mit([], [], 4, 5)).all()
    with pytest.raises(DataError, match="outside the image"):
        empirical_map([4], [0], 4, 5, 2)
    with pytest.raises(DataError, match="outside the image"):
        empirical_map_mit([0], [5], 4, 5)
    for sigma_px in (0, -1, np.inf, np.nan):
        with pytest.raises(DataError, match="sigma"):
            empirical_map([0], [0], 4, 5, sigma_px)
