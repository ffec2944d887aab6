"""DeepGaze I: its gradient, its density written out, and that it finds what made the fixations."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates
from scipy.optimize import check_grad

from deepgaze2.references.kde import reflecting_blur
from deepgaze2.rivals.fitted import deepgaze1
from deepgaze2.rivals.fitted.deepgaze1 import DeepGaze1, Layer, TrainingImage, fit_deepgaze1

CHANNELS = 6
WEIGHTS = np.array([0.0, 2.0, 0.0, -1.5, 0.0, 0.0])


def layer(seed: int, input_size: tuple[int, int] = (96, 64)) -> Layer:
    rng = np.random.default_rng(seed)
    shape = (CHANNELS, input_size[1] // 16, input_size[0] // 16)
    return Layer(rng.normal(3, 2, shape).astype(np.float16), input_size, 16, 7.5)


def prior(height: int, width: int) -> NDArray[np.float64]:
    y, x = np.mgrid[:height, :width]
    log = -(((x / width - 0.5) / 0.3) ** 2) - ((y / height - 0.5) / 0.3) ** 2
    return np.asarray(log - np.log(np.exp(log).sum()))


def sampled(model: DeepGaze1, seed: int, n: int) -> TrainingImage:
    """An image, twice as large as the network's input, with fixations drawn from a model."""
    features = layer(seed)
    log_density = model.log_density(features, prior(128, 192))
    p = np.exp(log_density.astype(np.float64)).ravel()
    drawn = np.random.default_rng(seed).choice(len(p), n, p=p / p.sum())
    return TrainingImage(features, prior(128, 192), *np.divmod(drawn, 192))


def test_the_density_is_what_the_formula_says() -> None:
    """Interpolated by SciPy at the centers of cells, blurred, interpolated, added, normalized."""
    features = layer(0)
    found = DeepGaze1(WEIGHTS, 9.0).log_density(features, prior(128, 192)).astype(np.float64)
    assert np.exp(found).sum() == pytest.approx(1, abs=1e-5)
    drive = np.tensordot(WEIGHTS, features.responses.astype(np.float64), 1)
    grid = [4 * np.arange(n // 4) + 1.5 for n in (64, 96)]
    cells = np.meshgrid(*[(g - 7.5) / 16 for g in grid], indexing="ij")
    sharp = map_coordinates(drive, cells, order=1, mode="nearest")
    blurred = reflecting_blur(16, 9 / 4) @ sharp @ reflecting_blur(24, 9 / 4).T
    image = [(np.arange(n) + 0.5) / 2 - 0.5 for n in (128, 192)]
    cells = np.meshgrid(*[(p - 1.5) / 4 for p in image], indexing="ij")
    expected = map_coordinates(blurred, cells, order=1, mode="nearest") + prior(128, 192)
    expected -= np.log(np.exp(expected).sum())
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_the_gradient_is_the_derivative() -> None:
    sample = deepgaze1._Sample(sampled(DeepGaze1(WEIGHTS, 9.0), 1, 50))
    start = np.append(np.random.default_rng(0).normal(size=CHANNELS), 2.0)

    def likelihood(p: NDArray[np.float64]) -> float:
        return sample.gradient(p[:-1], float(p[-1]))[0]

    def derivative(p: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.append(*sample.gradient(p[:-1], float(p[-1]))[1:])

    # The responses are multiplied in single precision.
    error = check_grad(likelihood, derivative, start, epsilon=1e-3)
    assert error < 0.01 * np.linalg.norm(derivative(start))


def test_a_penalty_falls_on_weights_that_are_not_sparse() -> None:
    even, single = np.ones(100), np.eye(100)[0]
    assert deepgaze1._penalty(even)[0] == pytest.approx(10)
    assert deepgaze1._penalty(single)[0] == pytest.approx(1, abs=1e-3)

    def penalty(w: NDArray[np.float64]) -> float:
        return deepgaze1._penalty(w)[0]

    def derivative(w: NDArray[np.float64]) -> NDArray[np.float64]:
        return deepgaze1._penalty(w)[1]

    assert check_grad(penalty, derivative, np.random.default_rng(0).normal(size=9)) < 1e-5


def test_fitting_finds_what_made_the_fixations() -> None:
    truth = DeepGaze1(WEIGHTS, 9.0)
    found = fit_deepgaze1([sampled(truth, seed, 300) for seed in range(30)])
    np.testing.assert_allclose(found.weights, WEIGHTS, atol=0.15)
    assert found.sigma_px == pytest.approx(9.0, rel=0.15)
    other = sampled(truth, 99, 2000)
    likelihoods = [
        model.log_density(other.layer, other.log_center_bias)[other.rows, other.columns].mean()
        for model in (truth, found, DeepGaze1(0 * WEIGHTS, 9.0))
    ]
    assert likelihoods[0] - likelihoods[1] < 0.02
    assert likelihoods[1] - likelihoods[2] > 0.3


def test_channels_that_never_change_are_left_alone() -> None:
    image = sampled(DeepGaze1(WEIGHTS, 9.0), 0, 50)
    image.layer.responses[2] = 4
    assert np.isfinite(fit_deepgaze1([image]).weights).all()
