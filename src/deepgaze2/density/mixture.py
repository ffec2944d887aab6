"""From saliency and center bias to a probability density over the image's pixels.

log p_k = S_k + log p_baseline - log Z_k, and for the mixture log p = log mean_k p_k (section
2.1; the mixture is section 2.2's). The mean is taken on the readout's grid, where the S_k are, and
its log is interpolated, instead of each S_k: of one model that is the same, of several nearly
(docs/model.md says how nearly).
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from deepgaze2.density.center_bias import CenterBias
from deepgaze2.readout.grid import (
    block_size,
    cell_centers_px,
    image_in_grid,
    interpolation_matrix,
)
from deepgaze2.support.cores import available_cores, single_threaded_blas

FloatArray = NDArray[np.float32]

RANGE_NATS = 80.0
"""Saliency further than this below a map's maximum is raised to it.

Exponentials in float32 end at -87, and a density of e^-80 times the peak's is met in no data set.
"""

_BLOCK_PIXELS = 1 << 18  # whose values stay near the cache


def mixture_log_density(
    saliency: FloatArray,
    log_center_bias: FloatArray,
    input_size: tuple[int, int],
    grid_block: int = 2,
    *,
    shares: NDArray[np.float64] | None = None,
) -> FloatArray:
    """Return the log density of a mixture of K models at the image's size.

    On the readout's grid each exp(S_k) is divided by its mean over the center bias, and the log of
    the mean over k is taken (`mixed_on_grid`). That is interpolated bilinearly (centers aligned),
    the center bias added, and the result normalized over all pixels.

    Parameters
    ----------
    saliency
        (K, gh, gw), nats, on the readout's grid.
    log_center_bias
        (H, W), nats, at the image's size.
    input_size
        Width and height of the network input in pixels.
    grid_block
        The VGG block whose grid saliency has.
    shares
        (K,) what each model counts in the average; their sum is one. None: all alike.

    Returns
    -------
    array, (H, W)
        Natural log of the probability of each pixel; `exp` of it sums to one.
    """
    with single_threaded_blas(), ThreadPoolExecutor(available_cores()) as pool:
        where = _Pixels.of(log_center_bias.shape, input_size, grid_block)
        mass = _mass_on_grid(log_center_bias, where, pool)
        across = mixed_on_grid(saliency, mass, shares) @ where.columns.T  # (gh, W)
        found = np.empty_like(log_center_bias)

        def interpolate(band: _Band) -> float:
            rows = found[band.rows]
            np.matmul(band.weights, across[band.cells], out=rows)
            rows += log_center_bias[band.rows]
            return float(rows.max())

        peak = np.float32(max(pool.map(interpolate, where.bands)))

        def partition_function(band: _Band) -> float:
            above = found[band.rows] - peak
            return float(np.exp(above, out=above).sum(dtype=np.float64))

        log_z = peak + np.float32(np.log(sum(pool.map(partition_function, where.bands))))

        def normalize(band: _Band) -> None:
            found[band.rows] -= log_z

        for _ in pool.map(normalize, where.bands):
            pass
    return found


def mixed_on_grid(
    saliency: FloatArray, mass: FloatArray, shares: NDArray[np.float64] | None = None
) -> FloatArray:
    """Return the log of the mean over k of exp(S_k) / Z_k, (gh, gw).

    Parameters
    ----------
    saliency
        (K, gh, gw), nats.
    mass
        (gh, gw) what each cell counts for in Z_k = sum of mass · exp(S_k): the center bias's mass
        around it, up to a common factor.
    shares
        (K,) what each model counts in the mean; None: all alike.
    """
    s, weights = saliency.reshape(len(saliency), -1), mass.ravel()
    # A cell without mass has no pixel where a density is possible: any value will do for it.
    peaks = s.max(axis=1, keepdims=True, where=weights > 0, initial=-np.inf)
    above = np.clip(s - peaks, -RANGE_NATS, 0)
    np.exp(above, out=above)
    z = above @ weights
    counted = np.full(len(z), 1 / len(z)) if shares is None else shares
    mixed: FloatArray = np.log((counted / z).astype(np.float32) @ above)
    return mixed.reshape(mass.shape)


def weighted_prior(
    saliency: FloatArray,
    prior_weight: FloatArray,
    center_bias: CenterBias,
    input_size: tuple[int, int],
    grid_block: int = 2,
) -> FloatArray:
    """Add to each S_k what the prior's weight w_k changes: (w_k - 1) log p_baseline.

    Center biases are smooth, so the saliency's grid is fine enough for it. Where the
    center bias is zero the prediction is zero whatever the weight.
    """
    if np.all(prior_weight == 1):
        return saliency
    on_grid = prior_on_grid(center_bias, input_size, grid_block)
    weighted: FloatArray = saliency + (prior_weight - 1)[:, None, None] * on_grid
    return weighted


def prior_on_grid(
    center_bias: CenterBias, input_size: tuple[int, int], grid_block: int
) -> FloatArray:
    """Return a center bias's log density, finite, at the cells of the readout's grid: (gh, gw)."""
    width, height = input_size
    prior = center_bias.log_density(height, width)
    finite = np.maximum(prior, prior.max() - np.float32(RANGE_NATS / 2))
    rows, columns = (
        interpolation_matrix(cell_centers_px(px, grid_block), px).astype(np.float32)
        for px in (height, width)
    )
    found: FloatArray = rows @ finite @ columns.T
    return found


@dataclass(frozen=True)
class _Band:
    """Some of the image's rows: which, between which of the grid's, and the interpolation's part.

    `weights` is (rows, cells).
    """

    rows: slice
    cells: slice
    weights: FloatArray


@dataclass(frozen=True)
class _Pixels:
    """Where an image's pixels lie among the grid's cells.

    `bands` are all rows, and `columns` is (W, gw).
    """

    shape: tuple[int, int]
    bands: tuple[_Band, ...]
    columns: FloatArray

    @classmethod
    def of(
        cls, image_shape: tuple[int, ...], input_size: tuple[int, int], grid_block: int
    ) -> "_Pixels":
        height, width = image_shape
        rows, columns = (block_size(px, grid_block) for px in reversed(input_size))
        y = image_in_grid(height, input_size[1], grid_block)
        x = image_in_grid(width, input_size[0], grid_block)
        bands = tuple(_bands(y, rows, max(1, _BLOCK_PIXELS // width)))
        return cls((rows, columns), bands, interpolation_matrix(x, columns).astype(np.float32))


def _bands(y: NDArray[np.float64], cells: int, step: int) -> Iterator[_Band]:
    """Cut the rows of an image, at y among the grid's, into bands; most of a matrix is zeros."""
    for start, stop in pairwise([*range(0, len(y), step), len(y)]):
        first, last = (int(np.clip(y[i], 0, cells - 1)) for i in (start, stop - 1))
        used = slice(first, min(last + 2, cells))
        weights = interpolation_matrix(y[start:stop] - first, used.stop - first)
        yield _Band(slice(start, stop), used, weights.astype(np.float32))


def _mass_on_grid(
    log_center_bias: FloatArray, where: _Pixels, pool: ThreadPoolExecutor
) -> FloatArray:
    """Return the center bias's mass around each of the grid's cells, up to a factor, (gh, gw).

    A pixel's is divided among the cells around it by the weights of their interpolation, so that
    a sum over cells is that over pixels of what is interpolated.
    """
    peak = log_center_bias.max()

    def of(band: _Band) -> FloatArray:
        prior = log_center_bias[band.rows] - peak
        np.exp(prior, out=prior)
        found: FloatArray = (band.weights.T @ prior) @ where.columns
        return found

    mass = np.zeros(where.shape, np.float32)
    for band, own in zip(where.bands, pool.map(of, where.bands), strict=True):
        mass[band.cells] += own
    return mass
