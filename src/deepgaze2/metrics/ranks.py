"""Ranks of a few values in a large population, exactly and without sorting it.

A monotone linear function sends every number to one of 16,384 buckets. Counting buckets is
enough for all members of the population but those that share a bucket with a value; these few
are compared. The floor of a linear function in floating point is monotone, rounding included,
so the counts are exact.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from deepgaze2.errors import DataError
from deepgaze2.metrics.map_arrays import FloatArray, as_floats

_BUCKETS = 1 << 14
_BLOCK = 1 << 16  # half a megabyte: temporary arrays stay in the cache


def mean_ranks(
    values: ArrayLike, population: ArrayLike, weights: ArrayLike | None = None
) -> NDArray[np.float64]:
    """Return for each value the share of the population below it plus half the share equal to it.

    Parameters
    ----------
    values : float array (n,)
        Infinite values are allowed.
    population : float array of any shape
        Infinite values are allowed. Float arrays are not copied.
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
    if np.isnan(some).any() or (many.size and np.isnan(many.min())):
        raise DataError("ranks: NaN has none; give every pixel of the map a value")
    often = None if weights is None else np.asarray(weights).ravel()
    distinct, inverse = np.unique(some, return_inverse=True)
    below, equal = _below_and_equal(distinct, many, often)
    return below[inverse], equal[inverse]


_Counts = tuple[NDArray[np.float64], NDArray[np.float64]]


def _below_and_equal(
    distinct: FloatArray, population: FloatArray, weights: NDArray[np.generic] | None
) -> _Counts:
    finite = distinct[np.isfinite(distinct)]
    with np.errstate(all="ignore"):
        width = (finite[-1:] - finite[:1]) / (_BUCKETS - 4)
        scale = 1 / width
        # the first and last buckets are for what is below or above all values
        origin = finite[:1] - 1.5 * width
    if not (scale.size and 0 < scale < np.inf and np.isfinite(origin)):
        return _by_search(distinct, population, weights)

    def buckets(numbers: FloatArray) -> NDArray[np.intp]:
        with np.errstate(over="ignore", under="ignore"):
            scaled = numbers - origin
            scaled *= scale
        return np.clip(scaled, 0, _BUCKETS - 1, out=scaled).astype(np.intp)

    shared = buckets(distinct)
    is_shared = np.zeros(_BUCKETS, np.bool_)
    is_shared[shared] = True
    counts = np.zeros(_BUCKETS)
    compared = []
    for start in range(0, population.size, _BLOCK):
        block = slice(start, start + _BLOCK)
        bucket = buckets(population[block])
        counts += np.bincount(bucket, None if weights is None else weights[block], _BUCKETS)
        compared.append(start + np.flatnonzero(is_shared[bucket]))
    chosen = np.concatenate(compared)
    below, equal = _by_search(
        distinct, population[chosen], None if weights is None else weights[chosen]
    )
    counts[shared] = 0
    return below + np.cumsum(counts)[shared], equal


def _by_search(
    distinct: FloatArray, population: FloatArray, weights: NDArray[np.generic] | None
) -> _Counts:
    """Look every member of the population up among the distinct values, which are sorted."""
    below, equal = np.zeros((2, distinct.size + 1))
    padded = np.append(distinct, distinct.dtype.type(np.nan))  # equal to none
    for start in range(0, population.size, _BLOCK):
        block = slice(start, start + _BLOCK)
        often = None if weights is None else weights[block]
        position = distinct.searchsorted(population[block])
        is_equal = padded[position] == population[block]
        # a member is below the values from `position` on, or from the next if it equals that
        below += np.bincount(position, often, below.size)
        of_equal = None if often is None else often[is_equal]
        equal += np.bincount(position[is_equal], of_equal, equal.size)
    return np.cumsum(below)[:-1] - equal[:-1], equal[:-1]
