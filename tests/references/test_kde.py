import math
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, gaussian_filter1d
from scipy.optimize import minimize
from scipy.stats import norm

from deepgaze2.references.kde import (
    best_mixture,
    gaussian_sums,
    kernel_density_map,
    log_mixture,
    mixture_weights,
    reflecting_blur,
)


@given(st.integers(1, 50), st.floats(0.01, 1))
def test_blur_keeps_mass_and_is_symmetric(n_cells: int, share: float) -> None:
    blur = reflecting_blur(n_cells, share * n_cells)
    np.testing.assert_allclose(blur.sum(axis=0), 1)
    np.testing.assert_allclose(blur, blur.T, atol=1e-12)
    assert (blur >= 0).all()


def test_blur_agrees_with_scipy_on_a_fine_grid() -> None:
    impulses = np.zeros(200)
    impulses[[0, 3, 90, 199]] = 1, 2, 3, 4
    expected = gaussian_filter1d(impulses, 12.0, mode="reflect", truncate=10)
    np.testing.assert_allclose(reflecting_blur(200, 12.0) @ impulses, expected, atol=2e-4)


def test_no_blur_and_complete_blur() -> None:
    np.testing.assert_allclose(reflecting_blur(9, 1e-3), np.eye(9), atol=1e-12)
    # folded at both ends, a Gaussian as wide as the axis is flat but for exp(-pi^2/2) of a cosine
    assert np.abs(reflecting_blur(9, 9.0) * 9 - 1).max() < 2 * np.exp(-(np.pi**2) / 2)


@given(st.integers(0, 10_000))
def test_mixture_weights_meet_the_conditions_of_the_maximum(seed: int) -> None:
    generator = np.random.default_rng(seed)
    logs = generator.normal(scale=2, size=(3, 400)) - 500  # too small for exp
    weights = mixture_weights(logs)
    assert weights.sum() == pytest.approx(1)
    ratio = np.exp(logs - log_mixture(logs, weights)).mean(axis=1)
    # Karush-Kuhn-Tucker: 1 where a weight is positive, at most 1 elsewhere
    assert ratio.max() < 1 + 2e-3
    np.testing.assert_allclose(ratio[weights > 0.01], 1, atol=1e-3)


def test_mixture_weights_recover_a_known_mixture() -> None:
    density = np.array([[0.7, 0.2, 0.1, 0.0], [0.1, 0.1, 0.3, 0.5]])
    counts = np.round(10_000 * np.array([0.3, 0.7]) @ density).astype(int)
    with np.errstate(divide="ignore"):
        logs = np.log(np.repeat(density, counts, axis=1))
    np.testing.assert_allclose(mixture_weights(logs), [0.3, 0.7], atol=1e-3)


def test_log_mixture_is_minus_infinity_where_no_weighted_component_is() -> None:
    logs = np.log([[0.5, 0.5], [0.25, 1e-300]])
    logs[0, 1] = -np.inf
    np.testing.assert_allclose(
        log_mixture(logs, np.array([0.5, 0.5])), np.log([0.375, 0.5e-300]), rtol=1e-12
    )
    assert log_mixture(logs, np.array([1.0, 0.0]))[1] == -np.inf


@given(
    st.integers(1, 60),
    st.floats(0.2, 100),
    st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=9),
)
def test_sums_of_gaussians(n_pixels: int, sigma: float, shares: list[float]) -> None:
    position = np.minimum(np.array(shares) * n_pixels, np.nextafter(n_pixels, 0))
    expected = [
        sum(math.exp(-((i + 0.5 - x) ** 2) / (2 * sigma**2)) for i in range(n_pixels))
        for x in position
    ]
    np.testing.assert_allclose(gaussian_sums(position, n_pixels, sigma), expected, rtol=1e-12)


def test_sums_at_many_positions_take_little_memory() -> None:
    position = np.random.default_rng(0).uniform(0, 100, 500_000)
    tracemalloc.start()
    sums = gaussian_sums(position, 100, 9.0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 6 * position.nbytes
    inside = norm.cdf((100 - position) / 9) - norm.cdf(-position / 9)
    np.testing.assert_allclose(sums, 9 * np.sqrt(2 * np.pi) * inside, rtol=1e-3)


def test_a_map_of_kernels_is_a_blurred_histogram() -> None:
    """At pixels' centers far from the border, where scipy's reflection adds nothing."""
    rows, columns = np.array([30, 32, 32, 41]), np.array([40, 38, 38, 50])
    histogram = np.zeros((80, 90))
    np.add.at(histogram, (rows, columns), 1)
    expected = gaussian_filter(histogram, 3.0, truncate=9) / 4
    found = kernel_density_map(columns + 0.5, rows + 0.5, 80, 90, 3.0)
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_a_map_of_kernels_sums_to_one_at_the_border() -> None:
    assert kernel_density_map(np.array([0.0, 3]), np.array([5.9, 1]), 6, 9, 4.0).sum() == (
        pytest.approx(1)
    )


@given(st.integers(0, 10_000))
def test_weights_agree_with_an_optimizer(seed: int) -> None:
    logs = np.random.default_rng(seed).normal(scale=2, size=(3, 300))
    densities = np.exp(logs)

    def cost(free: NDArray[np.float64]) -> float:
        weights = np.exp(free - free.max())
        return -float(np.log(weights / weights.sum() @ densities).mean())

    best = -minimize(cost, np.zeros(3), tol=1e-12).fun
    assert log_mixture(logs, mixture_weights(logs)).mean() == pytest.approx(best, abs=1e-5)


def test_best_mixture_finds_bandwidth_and_weights() -> None:
    """70% of a normal distribution of standard deviation 14 and 30% of the uniform on 200."""
    positions = norm.ppf((np.arange(700) + 0.5) / 700, scale=14).tolist()
    x = np.array([*positions, *((np.arange(300) + 0.5) / 1.5 - 100)])

    def components(sigma: float) -> NDArray[np.float64]:
        return np.stack([norm.logpdf(x, scale=sigma), np.full(1000, -np.log(200))])

    bandwidth, weights, log_density = best_mixture(components, 1, 300)
    assert bandwidth == pytest.approx(14, rel=0.02)
    np.testing.assert_allclose(weights, [0.7, 0.3], atol=0.01)
    np.testing.assert_allclose(
        np.exp(log_density), weights @ np.exp(components(bandwidth)), rtol=1e-9
    )
