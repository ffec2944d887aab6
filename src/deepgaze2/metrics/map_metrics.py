"""NSS, CC, KL divergence and SIM: metrics that depend on a map's values, not on ranks alone.

Toolboxes disagree in details that change numbers. The plain names are the MIT/Tübingen
benchmark's definitions of today (pysaliency); `_mit` and `_floored` name the others. Each
metric wants a map of its own, see `optimal_maps`: one map cannot be best in all of them.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from deepgaze2.errors import DataError
from deepgaze2.metrics.map_arrays import (
    checked_pixels,
    distinct_pixels,
    finite_map,
    is_constant,
)

_EPS = 2.0**-52
_BLOCK_PIXELS = 1 << 15  # a quarter of a megabyte: temporary arrays stay in the cache
_FLOOR = 1e-20


def nss(saliency: ArrayLike, rows: ArrayLike, columns: ArrayLike) -> NDArray[np.float64]:
    """Return the normalized scanpath saliency of each fixation (Peters et al. 2005).

    The map's value at the fixation, less the map's mean, in units of the map's population
    standard deviation (divided by the number of pixels); repeats count (pysaliency). See
    `nss_mit` for the other definition.

    Parameters
    ----------
    saliency : float array (H, W)
        Finite, higher is more salient.
    rows, columns : int array (n,)
        The fixations' pixels.

    Returns
    -------
    float64 array (n,)
        Standard deviations; 0 is chance, and what a constant map gets. Empty without fixations.

    Raises
    ------
    DataError
        If a value is NaN or infinite, or a fixation lies outside the map.
    """
    map_, total = finite_map(saliency)
    values = map_[checked_pixels(rows, columns, *map_.shape)]
    if is_constant(map_):
        return np.zeros(len(values))
    mean, squares = total / map_.size, 0.0
    for (block,) in _blocks(map_):
        deviation = block - mean
        squares += float(deviation @ deviation)
    return np.asarray((values - mean) / np.sqrt(squares / map_.size))


def nss_mit(saliency: ArrayLike, rows: ArrayLike, columns: ArrayLike) -> float:
    """Return the normalized scanpath saliency of the old MIT benchmark (`NSS.m`).

    As `nss`, but with the sample standard deviation (divided by the number of pixels less
    one), and averaged over the distinct fixated pixels.

    Parameters and errors are those of `nss`.

    Returns
    -------
    float
        NaN without fixations, and for a constant map, as in Matlab.
    """
    map_, _ = finite_map(saliency)
    fixated = distinct_pixels(*checked_pixels(rows, columns, *map_.shape), map_.shape[1])
    if not len(fixated[0]) or is_constant(map_):
        return float("nan")
    return float(nss(map_, *fixated).mean() * np.sqrt((map_.size - 1) / map_.size))


def cc(saliency: ArrayLike, empirical: ArrayLike) -> float:
    """Return Pearson's correlation of a map with an empirical map.

    Parameters
    ----------
    saliency : float array (H, W)
        Finite, any scale.
    empirical : float array (H, W)
        See `empirical_map`.

    Returns
    -------
    float
        -1 to 1; 0 for a constant map. NaN if the empirical map is constant, or NaN for want
        of fixations.

    Raises
    ------
    DataError
        If a value of the map is NaN or infinite, or the sizes differ.
    """
    pair = _pair(saliency, empirical)
    if pair is None or is_constant(pair.truth):
        return float("nan")
    if is_constant(pair.map_):
        return 0.0
    products = np.zeros(3)
    mean, true_mean = pair.sum_ / pair.map_.size, pair.true_sum / pair.map_.size
    for block, true_block in _blocks(pair.map_, pair.truth):
        x, y = block - mean, true_block - true_mean
        products += x @ y, x @ x, y @ y
    return float(products[0] / np.sqrt(products[1]) / np.sqrt(products[2]))


def kl_divergence(saliency: ArrayLike, empirical: ArrayLike) -> float:
    """Return the Kullback-Leibler divergence of a map from an empirical map, as benchmarks do.

    sum q log(e + q / (p + e)) over pixels with e = 2^-52, where p and q are the map and the
    empirical map, each divided by its sum (`KLdiv.m`, pysaliency's MIT_KLDiv). A map with
    negative values is raised to a minimum of 0 first. Where a map has zeros, e decides:
    toolboxes with another e differ strongly. See `kl_divergence_floored`.

    Parameters
    ----------
    saliency, empirical
        As in `cc`. The empirical map is not negative.

    Returns
    -------
    float
        Nats; 0 is best. A map of zeros counts as uniform. NaN if the empirical map is.

    Raises
    ------
    DataError
        As in `cc`, and if the empirical map is negative or all zero.
    """
    pair = _densities(saliency, empirical)
    if pair is None:
        return float("nan")
    total = 0.0
    for block, true_block in _blocks(pair.map_, pair.truth):
        ratio = block + _EPS * pair.sum_
        np.divide(true_block, ratio, out=ratio)
        ratio *= pair.sum_ / pair.true_sum
        ratio += _EPS
        total += float(true_block @ np.log(ratio, out=ratio))
    return total / pair.true_sum


def kl_divergence_floored(saliency: ArrayLike, empirical: ArrayLike) -> float:
    """Return the Kullback-Leibler divergence of a map from an empirical map, pysaliency's default.

    sum q log(q / p), where p and q are the map and the empirical map, 1e-20 added to every
    pixel, each then divided by its sum (`image_based_kl_divergence`). A map with negative
    values is raised to a minimum of 0 before.

    Parameters, result and errors are those of `kl_divergence`.
    """
    pair = _densities(saliency, empirical)
    if pair is None:
        return float("nan")
    p, q = pair.map_ + _FLOOR, pair.truth + _FLOOR
    return float(np.vdot(q, np.log(q / p)) / q.sum() + np.log(p.sum() / q.sum()))


def similarity(saliency: ArrayLike, empirical: ArrayLike) -> float:
    """Return the similarity (SIM) of a map and an empirical map: the mass that they share.

    sum min(p, q), where p and q are the map and the empirical map, each divided by its sum
    (pysaliency). A map with negative values is raised to a minimum of 0 first. See
    `similarity_mit` for the other definition.

    Parameters
    ----------
    saliency, empirical
        As in `kl_divergence`.

    Returns
    -------
    float
        0 to 1. A map of zeros counts as uniform. NaN if the empirical map is.

    Raises
    ------
    DataError
        As in `kl_divergence`.
    """
    pair = _densities(saliency, empirical)
    if pair is None:
        return float("nan")
    scale = pair.true_sum / pair.sum_
    shared = 0.0
    for block, true_block in _blocks(pair.map_, pair.truth):
        scaled = block * scale
        shared += float(np.minimum(scaled, true_block, out=scaled).sum())
    return shared / pair.true_sum


def similarity_mit(saliency: ArrayLike, empirical: ArrayLike) -> float:
    """Return the similarity (SIM) of the old MIT benchmark (`similarity.m`).

    As `similarity`, but both maps are brought to 0 to 1 by their minimum and maximum before
    they are divided by their sums, so that a map's lowest value counts for nothing.

    Parameters and errors are those of `similarity`.

    Returns
    -------
    float
        0 to 1. NaN if a map is constant, or the empirical map is NaN.
    """
    pair = _pair(saliency, empirical)
    if pair is None or is_constant(pair.map_) or is_constant(pair.truth):
        return float("nan")
    return similarity(pair.map_ - pair.map_.min(), pair.truth - pair.truth.min())


@dataclass(frozen=True)
class _Pair:
    """A map and the empirical map, (H, W) each, and their sums."""

    map_: NDArray[np.float64]
    sum_: float
    truth: NDArray[np.float64]
    true_sum: float


def _pair(saliency: ArrayLike, empirical: ArrayLike) -> _Pair | None:
    """Check two maps; None where the empirical one is NaN, for want of fixations."""
    map_, total = finite_map(saliency)
    if np.shape(empirical) != map_.shape:
        raise DataError(
            f"empirical map: has shape {np.shape(empirical)} but the saliency map {map_.shape};"
            " resize the saliency map to the image"
        )
    if np.isnan(np.asarray(empirical)[0, 0]):
        return None
    return _Pair(map_, total, *finite_map(empirical, "empirical map"))


def _densities(saliency: ArrayLike, empirical: ArrayLike) -> _Pair | None:
    """Check two maps that are compared as densities: not negative, with mass."""
    pair = _pair(saliency, empirical)
    if pair is None:
        return None
    if pair.truth.min() < -_EPS or pair.true_sum <= 0:
        raise DataError("empirical map: negative or all zero; make it with empirical_map()")
    low = pair.map_.min()
    if low < 0:
        raised = pair.map_ - low
        pair = replace(pair, map_=raised, sum_=float(raised.sum()))
    if is_constant(pair.map_):
        return replace(pair, map_=np.ones_like(pair.map_), sum_=float(pair.map_.size))
    return pair


def _blocks(*maps: NDArray[np.float64]) -> Iterator[tuple[NDArray[np.float64], ...]]:
    """Yield the maps' pixels, flat, a block of each at a time."""
    flat = [map_.ravel() for map_ in maps]
    for start in range(0, maps[0].size, _BLOCK_PIXELS):
        yield tuple(map_[start : start + _BLOCK_PIXELS] for map_ in flat)
