import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter1d

from deepgaze2.evaluate.kde import best_bandwidth, blur_matrix, log_mixture, mixture_weights


@given(st.integers(1, 50), st.floats(0.01, 1))
def test_blur_keeps_mass_and_is_symmetric(n_cells: int, share: float) -> None:
    blur = blur_matrix(n_cells, share * n_cells)
    np.testing.assert_allclose(blur.sum(axis=0), 1)
    np.testing.assert_allclose(blur, blur.T, atol=1e-12)
    assert (blur >= 0).all()


def test_blur_agrees_with_scipy_on_a_fine_grid() -> None:
    impulses = np.zeros(200)
    impulses[[0, 3, 90, 199]] = 1, 2, 3, 4
    expected = gaussian_filter1d(impulses, 12.0, mode="reflect", truncate=10)
    np.testing.assert_allclose(blur_matrix(200, 12.0) @ impulses, expected, atol=2e-4)


def test_no_blur_and_complete_blur() -> None:
    np.testing.assert_allclose(blur_matrix(9, 1e-3), np.eye(9), atol=1e-12)
    # folded at both ends, a Gaussian as wide as the axis is flat but for exp(-pi^2/2) of a cosine
    assert np.abs(blur_matrix(9, 9.0) * 9 - 1).max() < 2 * np.exp(-(np.pi**2) / 2)


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


def test_best_bandwidth_finds_the_maximum() -> None:
    assert best_bandwidth(lambda b: -(np.log(b / 14.0) ** 2), 1, 300) == pytest.approx(14, rel=0.01)
