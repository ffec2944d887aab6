import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import chisquare

from deepgaze2.density.center_bias import CenterBias
from deepgaze2.density.contours import equal_mass_levels
from deepgaze2.density.prediction import Prediction
from deepgaze2.errors import RegionError
from deepgaze2.image.stimulus import Stimulus


def _normalized(log_density: NDArray[np.floating]) -> NDArray[np.float32]:
    values = log_density.astype(np.float64)
    normalized: NDArray[np.float32] = (values - np.log(np.exp(values).sum())).astype(np.float32)
    return normalized


def _prediction(log_density: NDArray[np.float32]) -> Prediction:
    height, width = log_density.shape
    stimulus = Stimulus(np.zeros((height, width, 3), np.uint8), width, height, "photo.jpg")
    uniform = CenterBias("uniform", np.zeros((1, 1), np.float32))
    return Prediction(log_density, stimulus, uniform, "test", (width, height))


def _random(height: int, width: int, spread: float = 3, seed: int = 0) -> NDArray[np.float32]:
    return _normalized(np.random.default_rng(seed).normal(0, spread, (height, width)))


def test_size_and_density() -> None:
    prediction = _prediction(_random(3, 5))
    assert (prediction.width, prediction.height) == (5, 3)
    assert prediction.density.dtype == np.float32
    np.testing.assert_allclose(np.log(prediction.density), prediction.log_density, rtol=1e-5)


def test_samples_follow_the_density() -> None:
    prediction = _prediction(_random(7, 4, spread=1))
    n = 200_000
    x, y = prediction.sample(n, seed=1).T
    counts, _, _ = np.histogram2d(y, x, bins=(np.arange(8), np.arange(5)))
    assert counts.sum() == n  # a fixation belongs to pixel (floor x, floor y)
    expected = np.exp(prediction.log_density.astype(np.float64))
    assert chisquare(counts.ravel(), n * (expected / expected.sum()).ravel()).pvalue > 1e-3
    for offsets in (x % 1, y % 1):
        tenths = np.histogram(offsets, bins=10, range=(0, 1))[0]
        assert chisquare(tenths).pvalue > 1e-3


def test_same_seed_same_samples_and_more_continue_fewer() -> None:
    prediction = _prediction(_random(20, 30))
    hundred = prediction.sample(100, seed=5)
    assert hundred.dtype == np.float64
    assert hundred.tobytes() == prediction.sample(100, seed=5).tobytes()
    np.testing.assert_array_equal(hundred[:40], prediction.sample(40, seed=5))
    assert not np.array_equal(hundred, prediction.sample(100, seed=6))
    assert not np.array_equal(prediction.sample(100), prediction.sample(100))
    assert prediction.sample(0, seed=5).shape == (0, 2)


def test_samples_avoid_pixels_without_mass() -> None:
    log_density = np.full((9, 9), -np.inf, np.float32)
    log_density[4, 2] = log_density[6, 8] = np.log(0.5)
    pixels = np.floor(_prediction(log_density).sample(10_000, seed=0))
    assert {(float(x), float(y)) for x, y in pixels} == {(2, 4), (8, 6)}


@settings(max_examples=60)
@given(
    shape=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    n=st.integers(1, 9),
    spread=st.sampled_from([0.0, 0.1, 2.0, 10.0]),
    ties=st.booleans(),
    seed=st.integers(0, 99),
)
def test_contour_levels_cut_the_mass_in_equal_parts(
    shape: tuple[int, int], n: int, spread: float, ties: bool, seed: int
) -> None:
    values = np.random.default_rng(seed).normal(0, spread, shape)
    log_density = _normalized(values.round() if ties else values)
    levels = _prediction(log_density).contour_levels(n)
    p = np.exp(log_density.astype(np.float64))
    p /= p.sum()
    assert levels.shape == (n,)
    assert (np.diff(levels) >= 0).all()
    for k, level in enumerate(levels, start=1):
        assert p[log_density < level].sum() <= k / (n + 1) + 1e-9
        assert p[log_density <= level].sum() >= k / (n + 1) - 1e-9


def test_contour_levels_ignore_pixels_without_mass() -> None:
    log_density = np.full((10, 10), -np.inf, np.float32)
    log_density[0, :4] = np.log(0.25)
    np.testing.assert_allclose(_prediction(log_density).contour_levels(), np.log(0.25), rtol=1e-6)


def test_exact_and_quick_at_24_megapixels() -> None:
    """Float32 sums would lose the mass of small pixels: a ramp has a closed form."""
    height, width = 4000, 6000
    ramp = np.arange(1, height * width + 1, dtype=np.float64)
    log_density = np.log(2 * ramp / ramp.size / (ramp.size + 1)).astype(np.float32)
    log_density = log_density.reshape(height, width)
    start = time.process_time()
    levels = equal_mass_levels(log_density, 3)
    assert time.process_time() - start < 6
    # The mass below the share r of the ramp is r², so the levels lie at sqrt(k/4).
    expected = np.log(2 * np.sqrt([0.25, 0.5, 0.75]) / ramp.size)
    np.testing.assert_allclose(levels, expected, atol=1e-6)
    x, y = _prediction(log_density).sample(20_000, seed=0).T
    position = (np.floor(y) * width + np.floor(x)) / ramp.size
    assert np.quantile(position, 0.25) == pytest.approx(0.5, abs=0.01)
    assert np.quantile(position, 0.5) == pytest.approx(np.sqrt(0.5), abs=0.01)


def test_mass_of_rectangle_equals_mass_of_mask() -> None:
    prediction = _prediction(_random(12, 17))
    mask = np.zeros((12, 17), dtype=bool)
    mask[3:9, 5:16] = True
    expected = np.exp(prediction.log_density.astype(np.float64))[mask].sum()
    assert prediction.mass(mask=mask) == pytest.approx(expected)
    assert prediction.mass(5, 3, 11, 6) == pytest.approx(expected)
    assert prediction.mass(0, 0, 17, 12) == pytest.approx(1, abs=1e-5)


def test_mass_outside_the_image_is_refused() -> None:
    prediction = _prediction(_random(12, 17))
    with pytest.raises(RegionError, match="not inside the image of 17 by 12"):
        prediction.mass(10, 0, 8, 4)
    with pytest.raises(RegionError, match="no area"):
        prediction.mass(10, 0, 0, 4)


@pytest.mark.parametrize(
    "mask", [np.ones((17, 12), bool), np.ones((12, 17)), np.ones((12, 17, 1), bool)]
)
def test_mass_refuses_other_masks(mask: NDArray[np.bool_]) -> None:
    with pytest.raises(RegionError, match=r"bool array of shape \(12, 17\)"):
        _prediction(_random(12, 17)).mass(mask=mask)
