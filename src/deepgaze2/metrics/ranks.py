"""Ranks of a few values in a large population, exactly: sort it and look them up."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from deepgaze2.errors import DataError
from deepgaze2.metrics.map_arrays import FloatArray, as_floats


def mean_ranks(
    values: ArrayLike, population: ArrayLike, weights: ArrayLike | None = None
) -> NDArray[np.float64]:
    """Return for each value the share of the population below it plus half the share equal to it.

    Parameters
    ----------
    values : float array (n,)
        Infinite values are allowed.
    population : float array of any shape
        Infinite values are allowed.
    weights : array of the population's shape, optional
        How often each member counts; by default once. Not negative.

    Returns
    -------
    float64 array (n,)
        0 to 1; NaN where the population is empty or weighs nothing.

    Raises
    ------
    DataError
        If a value or a member of the population is NaN.
    """
    below, equal = below_and_equal(values, population, weights)
    total = np.size(population) if weights is None else np.sum(weights, dtype=np.float64)
    with np.errstate(invalid="ignore"):
        return np.asarray((below + 0.5 * equal) / np.float64(total))


def below_and_equal(
    values: ArrayLike, population: ArrayLike, weights: ArrayLike | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return for each value how many of the population are below it, and how many equal it.

    Parameters, types and errors are those of `mean_ranks`; both results are (n,).
    """
    some: FloatArray = as_floats(np.asarray(values), "values")
    many: FloatArray = as_floats(np.asarray(population), "population").ravel()
    if some.dtype != many.dtype:
        some, many = some.astype(np.float64), many.astype(np.float64)
    if weights is None:
        ordered = np.sort(many)
        up_to = np.arange(many.size + 1, dtype=np.float64)
    else:
        order = np.argsort(many)
        ordered = many[order]
        up_to = np.concatenate([[0.0], np.cumsum(np.ravel(weights)[order], dtype=np.float64)])
    if np.isnan(some).any() or np.isnan(ordered[-1:]).any():  # NaN is sorted to the end
        raise DataError("ranks: NaN has none; give every pixel of the map a value")
    below = up_to[ordered.searchsorted(some)]
    return below, up_to[ordered.searchsorted(some, side="right")] - below
