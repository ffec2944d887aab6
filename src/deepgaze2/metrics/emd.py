"""Earth mover's distance between two maps: how far mass must be moved to turn one into the other.

An exact optimum, by linear programming. Slower than the other metrics by far.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from deepgaze2.errors import DataError
from deepgaze2.metrics.map_arrays import finite_map

SHRINK = 32
"""Pixels per cell, on either axis."""


def emd(saliency: ArrayLike, empirical: ArrayLike) -> float:
    """Return the earth mover's distance of the old MIT benchmark (`EMD.m`).

    Both maps are shrunk by 32, ceil(H / 32) by ceil(W / 32) cells, with Matlab's bicubic
    antialiased `imresize`; what that makes negative is set to zero; each is divided by its
    sum. The distance is the least mean Euclidean distance, in cells, over which the one's
    mass can be moved to become the other. Both maps are shrunk alike: Matlab's code resizes
    the saliency map to the other's cells instead, which differs by less than a cell where a
    side is no multiple of 32, and would not give a map the distance 0 to itself.

    Parameters
    ----------
    saliency, empirical : float array (H, W)
        Finite, not negative.

    Returns
    -------
    float
        Cells of 32 px; 0 is best. NaN if the empirical map is NaN, for want of fixations.

    Raises
    ------
    DataError
        If a map is negative, or has no mass, or the sizes differ.
    """
    if np.shape(empirical) != np.shape(saliency):
        raise DataError(
            f"maps have shapes {np.shape(saliency)} and {np.shape(empirical)}; resize one"
        )
    if np.isnan(np.min(empirical)):
        return float("nan")
    return transport_cost(*(_shrunk(finite_map(map_)[0]) for map_ in (saliency, empirical)))


def transport_cost(source: NDArray[np.float64], target: NDArray[np.float64]) -> float:
    """Return the earth mover's distance of two densities on a grid, in cells, exactly.

    Since the distance is a metric, mass that both share stays where it is. The rest is a
    linear program with a variable for each pair of a cell that gives and a cell that takes.

    Parameters
    ----------
    source, target : float64 array (h, w)
        Not negative, sum to one.
    """
    from scipy.optimize import linprog
    from scipy.sparse import eye_array, kron, vstack

    surplus = source - target
    givers, takers = np.argwhere(surplus > 0), np.argwhere(surplus < 0)
    if not (len(givers) and len(takers)):
        return 0.0
    supply, demand = surplus[surplus > 0], -surplus[surplus < 0]
    demand *= supply.sum() / demand.sum()  # equal but for rounding
    distance = np.linalg.norm(givers[:, None] - takers, axis=2)
    leaves = kron(eye_array(len(givers)), np.ones((1, len(takers))))
    arrives = kron(np.ones((1, len(givers))), eye_array(len(takers)))
    # The last constraint follows from the others. The solver's tolerances are absolute, for
    # numbers about 1.
    constraints: Any = vstack([leaves, arrives]).tocsr()[:-1]  # SciPy's stubs know dense ones only
    found = linprog(
        distance.ravel(),
        A_eq=constraints,
        b_eq=np.concatenate([supply, demand])[:-1] * source.size,
        method="highs-ds",
    )
    if found.fun is None:
        raise RuntimeError(f"the linear program was not solved: {found.message}")
    return float(found.fun / source.size)


def _shrunk(map_: NDArray[np.float64]) -> NDArray[np.float64]:
    if map_.min() < 0:
        raise DataError("map: negative values are no mass; subtract the minimum first")
    down, across = (_shrinking(n_pixels) for n_pixels in map_.shape)
    cells = np.maximum(down @ map_ @ across.T, 0)
    if not (mass := cells.sum()) > 0:
        raise DataError("map: has no mass; give one that is positive somewhere")
    return np.asarray(cells / mass)


def _shrinking(n_pixels: int) -> NDArray[np.float64]:
    """Return Matlab's bicubic antialiased resize to 1/32 along an axis, (cells, n_pixels)."""
    n_cells = -(-n_pixels // SHRINK)
    centers = (np.arange(n_cells) + 0.5) * SHRINK - 0.5
    pixels = np.arange(-2 * SHRINK, n_cells * SHRINK + 2 * SHRINK)
    weights = _cubic(np.abs(pixels - centers[:, None]) / SHRINK)
    mirrored = pixels % (2 * n_pixels)  # the borders reflect
    mirrored = np.minimum(mirrored, 2 * n_pixels - 1 - mirrored)
    matrix = np.zeros((n_cells, n_pixels))
    np.add.at(matrix, (np.arange(n_cells)[:, None], mirrored), weights)
    return np.asarray(matrix / matrix.sum(axis=1, keepdims=True))


def _cubic(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Keys' cubic kernel at distances x >= 0."""
    near = 1.5 * x**3 - 2.5 * x**2 + 1
    far = -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    return np.where(x <= 1, near, np.where(x <= 2, far, 0))
