"""Pieces of kernel density estimates: histograms, exact blurs, maximum-likelihood mixtures."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import ndtr

_SMALLEST_GAIN = 1e-9  # nats per fixation: when a mixture's likelihood has converged
_MAX_EM_STEPS = 2000
_LOG_BANDWIDTH_TOLERANCE = 0.005


def blur_matrix(n_cells: int, sigma_cells: float) -> NDArray[np.float64]:
    """Return the Gaussian blur along an axis whose ends reflect, as a matrix.

    Column j is the mass that a Gaussian at the center of cell j puts into each cell; what
    falls beyond an end is folded back, so every column sums to one.

    Parameters
    ----------
    n_cells : int
        Number of cells along the axis.
    sigma_cells : float
        Standard deviation in cells, at most `n_cells`.

    Returns
    -------
    float64 array (n_cells, n_cells)
    """
    centers = np.arange(n_cells) + 0.5
    edges = np.arange(n_cells + 1)[:, None]
    periods = 2 * n_cells * np.arange(-3, 4)
    sources = np.concatenate([np.add.outer(periods, sign * centers) for sign in (1, -1)])
    blur = sum(np.diff(ndtr((edges - source) / sigma_cells), axis=0) for source in sources)
    return np.asarray(blur / np.sum(blur, axis=0))


def mixture_weights(log_densities: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the weights of a mixture of densities that maximize its likelihood, by EM.

    Parameters
    ----------
    log_densities : float64 array (n_components, n_fixations)
        Log density of each component at each fixation; at every fixation at least one is
        finite. Minus infinity is zero density.

    Returns
    -------
    float64 array (n_components,)
        Non-negative, sums to one.
    """
    largest = log_densities.max(axis=0)
    densities = np.exp(log_densities - largest)
    weights = np.full(len(densities), 1 / len(densities))
    before = -np.inf
    for _ in range(_MAX_EM_STEPS):
        mixture = weights @ densities
        likelihood = float(np.log(mixture).mean())
        if likelihood - before < _SMALLEST_GAIN:
            break
        before = likelihood
        weights = weights * (densities @ (1 / mixture)) / len(mixture)
    return np.asarray(weights / weights.sum())


def log_mixture(
    log_densities: NDArray[np.float64], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the log density (n_fixations,) of a mixture, see `mixture_weights`."""
    largest = log_densities.max(axis=0)
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(weights @ np.exp(log_densities - largest)) + largest)


def best_bandwidth(
    log_likelihood: Callable[[float], float], smallest: float, largest: float
) -> float:
    """Return the bandwidth with the highest likelihood, searched on a logarithmic scale.

    Accurate to half a percent where the likelihood has one maximum between the bounds.
    """
    found = minimize_scalar(
        lambda log_bandwidth: -log_likelihood(float(np.exp(log_bandwidth))),
        bounds=(np.log(smallest), np.log(largest)),
        method="bounded",
        options={"xatol": _LOG_BANDWIDTH_TOLERANCE},
    )
    return float(np.exp(found.x))
