from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import norm

from deepgaze2.data import Dataset, image_folds, read_osie
from deepgaze2.errors import DataError
from deepgaze2.references.baseline import (
    GRID,
    center_bias_of,
    fit_center_bias,
    uniform_log_density,
)


def refitted_without(
    dataset: Dataset, folds: NDArray[np.intp], bandwidth: float, uniform_share: float
) -> list[NDArray[np.float32]]:
    """Return each image's map by the center bias of all other folds, the obvious slow way."""
    maps = []
    for i in range(len(dataset.stimuli)):
        others = dataset.select(folds != folds[i])
        center_bias = center_bias_of(others, bandwidth, uniform_share, "others")
        size = int(dataset.stimuli.height[i]), int(dataset.stimuli.width[i])
        maps.append(center_bias.log_density(*size))
    return maps


def at_fixations(dataset: Dataset, maps: list[NDArray[np.float32]]) -> NDArray[np.float64]:
    fixations = dataset.fixations
    pixels = zip(fixations.stimulus, *fixations.pixel(), strict=True)
    return np.array([maps[i][row, column] for i, row, column in pixels], np.float64)


@pytest.mark.parametrize("folds", [None, np.array([0, 1, 1, 0])])
def test_fit_equals_refitting_without_each_image(
    toy: Dataset, folds: NDArray[np.intp] | None
) -> None:
    fit = fit_center_bias(toy, folds)
    parts = np.arange(4) if folds is None else folds
    expected = refitted_without(toy, parts, fit.bandwidth, fit.uniform_share)
    for i, one in enumerate(expected):
        found = fit.log_density_map(i)
        np.testing.assert_allclose(found, one, atol=1e-5)
        assert np.exp(found.astype(np.float64)).sum() == pytest.approx(1, abs=1e-5)
    np.testing.assert_allclose(fit.log_density, at_fixations(toy, expected), atol=1e-5)
    own = [fit.log_density_map(i) for i in range(4)]
    np.testing.assert_array_equal(fit.log_density, at_fixations(toy, own))

    def mean_of(bandwidth: float, uniform_share: float) -> float:
        maps = refitted_without(toy, parts, bandwidth, uniform_share)
        return float(at_fixations(toy, maps).mean())

    for bandwidth in fit.bandwidth * np.array([0.5, 0.8, 1.25, 2]):
        assert mean_of(bandwidth, fit.uniform_share) < fit.log_density.mean()
    for uniform_share in (0.5 * fit.uniform_share, fit.uniform_share + 0.05):
        assert mean_of(fit.bandwidth, uniform_share) <= fit.log_density.mean() + 1e-5


def test_an_image_without_fixations_has_the_center_bias_of_all(toy: Dataset) -> None:
    fewer = toy.keep(toy.fixations.stimulus != 2)
    fit = fit_center_bias(fewer)
    expected = center_bias_of(fewer, fit.bandwidth, fit.uniform_share, "all").log_density(40, 30)
    np.testing.assert_allclose(fit.log_density_map(2), expected, atol=1e-6)
    assert fit.log_density.shape == (len(fewer.fixations),)


def test_template_is_the_kernel_density_estimate_on_the_unit_square(toy: Dataset) -> None:
    bandwidth, uniform_share = 0.08, 0.1
    template = center_bias_of(toy, bandwidth, uniform_share, "toy").template
    assert np.exp(template.astype(np.float64)).sum() == pytest.approx(1, abs=1e-6)
    fixations, stimuli = toy.fixations, toy.stimuli
    y = fixations.y / stimuli.height[fixations.stimulus]
    x = fixations.x / stimuli.width[fixations.stimulus]
    rows, columns = (
        reflected_gaussians(position, n_cells, bandwidth)
        for n_cells, position in zip(GRID, (y, x), strict=True)
    )
    kde = rows @ columns.T / len(fixations)
    expected = np.log((1 - uniform_share) * kde + uniform_share) - np.log(template.size)
    np.testing.assert_allclose(template, expected, atol=2e-3)


def reflected_gaussians(
    position: NDArray[np.float64], n_cells: int, bandwidth: float
) -> NDArray[np.float64]:
    """Evaluate at cells' centers the Gaussians of fixations moved to theirs."""
    centers = ((np.arange(n_cells) + 0.5) / n_cells)[:, None]
    source = (np.floor(position * n_cells) + 0.5) / n_cells
    left, right = norm.pdf(centers, -source, bandwidth), norm.pdf(centers, 2 - source, bandwidth)
    return np.asarray(norm.pdf(centers, source, bandwidth) + left + right)


@pytest.mark.slow
def test_osie_is_near_the_reference(shared_data: Path) -> None:
    dataset = read_osie(shared_data / "osie").without_first()
    fit = fit_center_bias(dataset, image_folds(600, 10, seed=0))
    bits = (fit.log_density - uniform_log_density(dataset)).mean() / np.log(2)
    assert bits == pytest.approx(0.49, abs=0.02)
    assert 0.02 < fit.bandwidth < 0.05
    assert fit.uniform_share < 0.01


def test_uniform_is_one_over_the_pixels(toy: Dataset) -> None:
    np.testing.assert_allclose(uniform_log_density(toy), -np.log(1200))


def test_what_cannot_be_fitted_is_refused(toy: Dataset) -> None:
    with pytest.raises(DataError, match="one image or fold only"):
        fit_center_bias(toy.select([2]))
    with pytest.raises(DataError, match="no fixations"):
        center_bias_of(toy.keep(np.zeros(len(toy.fixations), bool)), 0.1, 0.0, "empty")
    narrow = Dataset("narrow", toy.select([2, 2, 2, 2]).stimuli, toy.fixations)
    with pytest.raises(DataError, match="outside their stimulus"):
        fit_center_bias(narrow)
