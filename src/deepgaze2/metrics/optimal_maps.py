"""The map that a density hands in for each metric (Kümmerer, Wallis, Bethge 2018).

No map is best in all metrics, but a density says which map is expected to be best in each:

| metric | map |
|---|---|
| IG, NSS | the density |
| AUC | the density, or anything that orders pixels as it does; `equalized` where 8 bits are left |
| shuffled AUC | `shuffled_auc_map` |
| CC, KL divergence | `blurred_density` |
| SIM | `similarity_map` |
| EMD | no recipe is known |
"""

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from deepgaze2.density.sampling import indices_at
from deepgaze2.errors import DataError
from deepgaze2.metrics.empirical_map import blurred_map, blurred_points, check_sigma
from deepgaze2.metrics.map_arrays import checked_map
from deepgaze2.readout.grid import interpolation_matrix

_MAX_LOG_MASS = 1e-3
_CELLS_PER_SIGMA = 4
_MAX_CELLS = 512


def equalized(saliency: ArrayLike) -> NDArray[np.float64]:
    """Return the map with each pixel replaced by its rank: equally many pixels at every level.

    AUC and shuffled AUC do not change, and survive rounding to 8 bits.

    Parameters
    ----------
    saliency : float array (H, W)
        Minus infinity is allowed.

    Returns
    -------
    float64 array (H, W)
        Between 0 and 1: the share of pixels below each, plus half the share equal to it.

    Raises
    ------
    DataError
        If the map contains NaN.
    """
    from scipy.stats import rankdata

    map_ = checked_map(saliency)
    return np.asarray((rankdata(map_).reshape(map_.shape) - 0.5) / map_.size)


def shuffled_auc_map(
    log_density: ArrayLike, log_nonfixation_density: ArrayLike
) -> NDArray[np.float64]:
    """Return the map that is expected to be best in shuffled AUC: the ratio of two densities.

    Parameters
    ----------
    log_density : float array (H, W)
        Nats; its exponential sums to one.
    log_nonfixation_density : float array (H, W)
        Nats: where fixations on other images fall. A center bias at the image's size, or, as
        the MIT/Tübingen benchmark does, the log of the mean density that the model predicts
        for all other images. Finite where the density is above zero.

    Returns
    -------
    float64 array (H, W)
        Log of the ratio; minus infinity where the density is zero.

    Raises
    ------
    DataError
        If either is no density, or the sizes differ.
    """
    log_p, log_q = _checked_density(log_density), _checked_density(log_nonfixation_density)
    if log_p.shape != log_q.shape:
        raise DataError(f"densities have shapes {log_p.shape} and {log_q.shape}; resize one")
    if np.isneginf(log_q[~np.isneginf(log_p)]).any():
        raise DataError("non-fixations' density: zero where fixations are predicted; mix a uniform")
    return np.where(np.isneginf(log_p), -np.inf, log_p - np.maximum(log_q, np.finfo(float).min))


def blurred_density(
    log_density: ArrayLike, sigma_px: float, *, border: Literal["reflect", "zero"] = "reflect"
) -> NDArray[np.float64]:
    """Return the map that is expected to be best in CC and KL divergence.

    The density is blurred as the empirical map is: since blurring is linear, that is the mean
    of the empirical maps of fixations drawn from the density, which is best in KL divergence,
    and all but best in CC.

    Parameters
    ----------
    log_density : float array (H, W)
        Nats; its exponential sums to one.
    sigma_px : float
        Standard deviation of the empirical map's Gaussian.
    border
        `reflect` for empirical maps whose borders reflect, like `empirical_map`'s. `zero`
        is what the MIT/Tübingen benchmark's code does to models' densities, although its
        empirical maps reflect; it loses the mass that leaves the image.

    Returns
    -------
    float64 array (H, W)
        Sums to one.

    Raises
    ------
    DataError
        If it is no density, or sigma is not above 0.
    """
    from scipy.ndimage import gaussian_filter

    check_sigma(sigma_px)
    density = np.exp(_checked_density(log_density))
    if border == "reflect":
        blurred = blurred_map(density, sigma_px)
    else:
        blurred = gaussian_filter(density, sigma_px, mode="constant")
    return np.asarray(blurred / blurred.sum())


def similarity_map(
    log_density: ArrayLike,
    sigma_px: float,
    n_fixations: int,
    *,
    n_samples: int = 400,
    seed: int = 0,
) -> NDArray[np.float64]:
    """Return the map with the highest expected similarity (SIM) to an empirical map.

    Maximizes the mean, over empirical maps e of fixations drawn from the density, of
    sum_x min(q(x), e(x)) over maps q that sum to one. This is concave, a sum over pixels, and
    has one constraint, so q(x) is a quantile of the e(x), of the one level for all pixels at
    which q sums to one. The benchmark's projected gradient climbs to the same maximum.
    Quantiles vary as slowly as the Gaussian and are computed every sigma / 4 px (at most 512
    times a side), then interpolated.

    Parameters
    ----------
    log_density : float array (H, W)
        Nats; its exponential sums to one.
    sigma_px : float
        Standard deviation of the empirical map's Gaussian.
    n_fixations : int
        Fixations per image in the data: the fewer, the more of the map's mass goes to where
        the density is high. The benchmark takes 260 (MIT300), 448 (CAT2000), 154
        (COCO-FreeView).
    n_samples, seed : int
        Number of sets of fixations drawn, and the seed of the draws.

    Returns
    -------
    float64 array (H, W)
        Sums to one.

    Raises
    ------
    DataError
        If it is no density, sigma is not above 0, or there are no fixations or samples.
    """
    check_sigma(sigma_px)
    log_p = _checked_density(log_density)
    if n_fixations < 1 or n_samples < 1:
        raise DataError(f"{n_samples} samples of {n_fixations} fixations: draw at least one of one")
    shares = np.random.default_rng(seed).random((n_samples, n_fixations))
    positions = np.divmod(indices_at(shares, np.cumsum(np.exp(log_p))), log_p.shape[1])
    axes = [_cells(n_pixels, sigma_px) for n_pixels in log_p.shape]
    # what a point spreads to a cell is what the cell would spread to it
    down, across = (
        blurred_points(cells, n_pixels, sigma_px).T[at]
        for at, n_pixels, cells in zip(positions, log_p.shape, axes, strict=True)
    )
    down /= np.einsum("sn,sn->s", down.sum(axis=2), across.sum(axis=2))[:, None, None]
    coarse = best_shared_mass(down, across)
    by_row, by_column = (
        _interpolation(n_pixels, cells) for n_pixels, cells in zip(log_p.shape, axes, strict=True)
    )
    fine = by_row @ coarse @ by_column.T
    return np.asarray(fine / fine.sum())


def best_shared_mass(down: NDArray[np.float64], across: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the map q of mass 1 that maximizes the mean of sum_x min(q(x), e_s(x)), exactly.

    Where q(x) lies between the k-th smallest of S values e_s(x) and the next, more mass there
    is shared with S - k of them. So all pixels' q lie between the same two, and as far between
    them as the mass says.

    Parameters
    ----------
    down, across : float64 arrays (S, n, h) and (S, n, w)
        The maps e_s = down[s].T @ across[s], each of mass 1.

    Returns
    -------
    float64 array (h, w)
        Sums to one.
    """
    maps = (down.transpose(0, 2, 1) @ across).astype(np.float32)
    ordered = np.ascontiguousarray(maps.transpose(1, 2, 0))
    ordered.sort(axis=2)
    # if all pixels' q are the k-th smallest, they sum to mass[k]
    mass = np.concatenate([[0.0], ordered.sum(axis=(0, 1), dtype=np.float64)])
    level = int(np.clip(mass.searchsorted(1.0, side="right") - 1, 0, len(down) - 1))
    share = min((1 - mass[level]) / (mass[level + 1] - mass[level]), 1.0)
    lower = ordered[..., level - 1].astype(np.float64) if level else 0.0
    return np.asarray(lower + share * (ordered[..., level] - lower))


def _checked_density(log_density: ArrayLike) -> NDArray[np.float64]:
    log_p = checked_map(log_density, "log density").astype(np.float64, copy=False)
    with np.errstate(over="ignore"):
        mass = float(np.exp(log_p).sum())
    if not abs(mass - 1) < _MAX_LOG_MASS:
        raise DataError(
            f"log density: its exponential sums to {mass:.6g}, not 1; give nats per pixel, less"
            " scipy.special.logsumexp of them"
        )
    return log_p


def _cells(n_pixels: int, sigma_px: float) -> NDArray[np.intp]:
    """Return the pixels, evenly spaced, at which a map blurred with sigma is computed."""
    n_cells = int(np.ceil(n_pixels * _CELLS_PER_SIGMA / max(sigma_px, _CELLS_PER_SIGMA)))
    n_cells = min(n_cells, _MAX_CELLS)
    return ((np.arange(n_cells) + 0.5) * n_pixels / n_cells).astype(np.intp)


def _interpolation(n_pixels: int, cells: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return linear interpolation from some pixels to all, as a matrix (n_pixels, cells)."""
    positions = np.interp(np.arange(n_pixels), cells, np.arange(len(cells)))
    return interpolation_matrix(positions, len(cells))
