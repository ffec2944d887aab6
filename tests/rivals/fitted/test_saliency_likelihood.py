import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.fft import dctn
from scipy.linalg import expm
from scipy.special import logsumexp

from deepgaze2.rivals.fitted.saliency_density import SaliencyConversion
from deepgaze2.rivals.fitted.saliency_likelihood import (
    Batch,
    conversion_of,
    loss_and_gradient,
    start_and_bounds,
)

SHAPES = ((5, 7), (6, 4))
CELLS_PER_PX = ((0.25, 0.2), (0.5, 0.5))


def random_parameters(seed: int) -> NDArray[np.float64]:
    generator = np.random.default_rng(seed)
    start, bounds = start_and_bounds()
    start += generator.uniform(-0.2, 0.2, len(start))
    start[0] = np.log(generator.uniform(1, 8))
    lowest, highest = np.transpose(bounds)
    return np.asarray(np.clip(start, lowest, highest))


def unit_maps_and_shares() -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    generator = np.random.default_rng(3)
    maps = [generator.uniform(size=(3, *shape)) for shape in SHAPES]
    counts = [generator.poisson(2.0, size=(3, *shape)) for shape in SHAPES]
    n_fixations = sum(c.sum() for c in counts)
    return [(m, c / n_fixations) for m, c in zip(maps, counts, strict=True)]


def batches() -> list[Batch]:
    return [
        Batch(dctn(maps, axes=(1, 2), norm="ortho"), shares, cells_per_px)
        for (maps, shares), cells_per_px in zip(unit_maps_and_shares(), CELLS_PER_PX, strict=True)
    ]


def diffused(unit: NDArray[np.float64], sigmas: tuple[float, float]) -> NDArray[np.float64]:
    """Solve the heat equation on the grid: nothing flows over its borders."""
    matrices = []
    for n, sigma in zip(unit.shape, sigmas, strict=True):
        laplacian = np.eye(n, k=1) + np.eye(n, k=-1)
        laplacian -= np.diag(laplacian.sum(axis=1))
        matrices.append(expm(sigma**2 / 2 * laplacian))
    return np.asarray(matrices[0] @ unit @ matrices[1].T)


def log_density_by_definition(
    unit: NDArray[np.float64], conversion: SaliencyConversion, sigmas: tuple[float, float]
) -> NDArray[np.float64]:
    h, w = unit.shape
    blurred = diffused(unit, sigmas)
    a = conversion.eccentricity
    log_density = np.empty((h, w))
    for row in range(h):
        for column in range(w):
            x, y = (column + 0.5) / w * 2 - 1, (row + 0.5) / h * 2 - 1
            d = np.sqrt(x**2 / a**2 + y**2 / (1 - a**2)) / np.sqrt(1 / a**2 + 1 / (1 - a**2))
            f = np.interp(blurred[row, column], np.linspace(0, 1, 20), np.exp(conversion.log_knots))
            c = np.interp(d, np.linspace(0, 1, 12), conversion.center_bias)
            log_density[row, column] = np.log(f * c)
    return log_density - float(logsumexp(log_density))


def test_loss_is_the_likelihood_by_definition() -> None:
    parameters = random_parameters(1)
    conversion = conversion_of(parameters, [0.0, 1.0])
    expected = 0.0
    for (maps, shares), cells_per_px in zip(unit_maps_and_shares(), CELLS_PER_PX, strict=True):
        sigmas = (conversion.sigma_px * cells_per_px[0], conversion.sigma_px * cells_per_px[1])
        for unit, share in zip(maps, shares, strict=True):
            log_density = log_density_by_definition(unit, conversion, sigmas)
            expected -= (share * (log_density + np.log(unit.size))).sum()
    assert loss_and_gradient(parameters, batches())[0] == pytest.approx(expected, abs=1e-10)


def test_conversion_is_the_density_by_definition() -> None:
    conversion = conversion_of(random_parameters(2), [-1.0, 3.0])
    saliency = np.random.default_rng(4).uniform(-1.5, 3.5, size=(12, 9))
    unit = np.clip((saliency + 1) / 4, 0, 1)
    expected = log_density_by_definition(unit, conversion, (conversion.sigma_px,) * 2)
    np.testing.assert_allclose(conversion.log_density(saliency, 12, 9), expected, atol=1e-5)


@pytest.mark.parametrize("seed", range(3))
def test_gradient_is_that_of_finite_differences(seed: int) -> None:
    parameters, given = random_parameters(seed), batches()
    gradient = loss_and_gradient(parameters, given)[1]
    steps = 1e-6 * np.eye(len(parameters))
    differences = [
        loss_and_gradient(parameters + step, given)[0]
        - loss_and_gradient(parameters - step, given)[0]
        for step in steps
    ]
    np.testing.assert_allclose(gradient, np.array(differences) / 2e-6, atol=1e-8)
    assert np.abs(gradient).max() > 0.01


def test_parameters_stay_what_is_published() -> None:
    start, bounds = start_and_bounds()
    conversion = conversion_of(start, [0.0, 1.0])
    assert conversion.sigma_px == pytest.approx(20)
    np.testing.assert_allclose(conversion.log_knots, np.linspace(-8, 0, 20), atol=1e-12)
    np.testing.assert_allclose(conversion.center_bias, np.linspace(1.1, 0.9, 12))
    assert conversion.eccentricity == pytest.approx(0.5 * np.sqrt(2))
    lowest, highest = np.transpose(bounds)
    assert (lowest <= start).all()
    assert (start <= highest).all()
    assert (np.diff(conversion_of(lowest, [0.0, 1.0]).log_knots) >= 0).all()
