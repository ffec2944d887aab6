"""Pieces of kernel density estimates: Gaussians on grids, exact blurs, mixtures, their fit."""

from collections.abc import Callable

import numpy as np
from numpy.polynomial import chebyshev
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import ndtr

_SMALLEST_GAIN = 1e-9  # nats per fixation: when a mixture's likelihood has converged
_MAX_EM_STEPS = 2000
_LOG_BANDWIDTH_TOLERANCE = 0.005
_BLOCK_POSITIONS = 1 << 16  # at once: little memory, and fastest


def reflecting_blur(n_cells: int, sigma_cells: float) -> NDArray[np.float64]:
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


def gaussians(position: NDArray[np.float64], n_pixels: int, sigma_px: float) -> NDArray[np.float64]:
    """Return Gaussians of height one at the centers of an axis' pixels, (n, n_pixels)."""
    distance = np.arange(n_pixels) + 0.5 - position[:, None]
    return np.asarray(np.exp(np.square(distance) * (-0.5 / sigma_px**2)))


def gaussian_sums(
    position: NDArray[np.float64], n_pixels: int, sigma_px: float
) -> NDArray[np.float64]:
    """Return the sums (n,) of `gaussians` at positions within the axis, 0 to below n_pixels.

    Within a pixel the sum is a smooth function of the position, so a few Chebyshev nodes per
    pixel give it to rounding.
    """
    n_nodes = 8 + int(np.ceil(8 / sigma_px))
    nodes = chebyshev.chebpts1(n_nodes)
    distance = np.arange(1 - n_pixels, n_pixels)[:, None] - nodes / 2
    below = np.zeros((2 * n_pixels, n_nodes))
    np.cumsum(np.exp(np.square(distance) * (-0.5 / sigma_px**2)), axis=0, out=below[1:])
    # a node of pixel m has the pixels from m to its left to n - 1 - m to its right
    sums = below[: n_pixels - 1 : -1] - below[n_pixels - 1 :: -1]
    coefficients = np.linalg.solve(chebyshev.chebvander(nodes, n_nodes - 1), sums.T).T
    of_positions = np.empty(len(position))
    for start in range(0, len(position), _BLOCK_POSITIONS):
        block = slice(start, start + _BLOCK_POSITIONS)
        pixel = position[block].astype(np.intp)
        basis = chebyshev.chebvander(2 * (position[block] - pixel) - 1, n_nodes - 1)
        np.einsum("ij,ij->i", coefficients[pixel], basis, out=of_positions[block])
    return of_positions


def kernel_density_map(
    x: NDArray[np.float64], y: NDArray[np.float64], height: int, width: int, sigma_px: float
) -> NDArray[np.float64]:
    """Return the Gaussian kernel density estimate over an image's pixels.

    Parameters
    ----------
    x, y : float64 array (n,)
        Pixels of the image; at least one position.
    height, width : int
        Size of the image in pixels.
    sigma_px : float
        Standard deviation in pixels.

    Returns
    -------
    float64 array (height, width)
        The sum of Gaussians at the pixels' centers, divided by its sum over the pixels.
    """
    by_row, by_column = gaussians(y, height, sigma_px), gaussians(x, width, sigma_px)
    mass = by_row.sum(axis=1) @ by_column.sum(axis=1)
    return np.asarray(by_row.T @ by_column / mass)


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


def best_mixture(
    components: Callable[[float], NDArray[np.float64]], smallest: float, largest: float
) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
    """Fit a mixture's bandwidth and weights by maximum likelihood.

    The bandwidth is searched on a logarithmic scale, to half a percent where the likelihood
    has one maximum between the bounds; each bandwidth has the weights that are best for it.

    Parameters
    ----------
    components : function
        From a bandwidth to log densities (n_components, n_fixations), see `mixture_weights`.
    smallest, largest : float
        Bounds of the bandwidth.

    Returns
    -------
    bandwidth : float
    weights : float64 array (n_components,)
    log_density : float64 array (n_fixations,)
        The fitted mixture's.
    """

    def fitted(log_bandwidth: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        logs = components(float(np.exp(log_bandwidth)))
        weights = mixture_weights(logs)
        return weights, log_mixture(logs, weights)

    found = minimize_scalar(
        lambda log_bandwidth: -float(fitted(log_bandwidth)[1].mean()),
        bounds=(np.log(smallest), np.log(largest)),
        method="bounded",
        options={"xatol": _LOG_BANDWIDTH_TOLERANCE},
    )
    return float(np.exp(found.x)), *fitted(found.x)
