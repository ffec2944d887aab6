"""From saliency and center bias to a probability density over the image's pixels.

log p_k = S_k + log p_baseline - log Z_k, and for the mixture log p = log mean_k p_k
(section 2.1; the mixture is section 2.2's).
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deepgaze2.density.center_bias import CenterBias
from deepgaze2.readout.grid import between, cell_centers_px, image_in_grid, interpolation_matrix
from deepgaze2.support.cores import available_cores, single_threaded_blas

FloatArray = NDArray[np.float32]

# Saliency further than this below a map's maximum is raised to it: exponentials in float32
# end at -87, and a density of e^-80 times the peak's is met in no data set.
_RANGE_NATS = 80.0
_BLOCK_ELEMENTS = 1 << 18


def mixture_log_density(
    saliency: FloatArray,
    log_center_bias: FloatArray,
    input_size: tuple[int, int],
    grid_block: int = 2,
    *,
    shares: NDArray[np.float64] | None = None,
) -> FloatArray:
    """Return the log density of a mixture of K models at the image's size.

    Each S_k is interpolated bilinearly from the readout's grid (centers aligned), the center
    bias added, the result normalized over all pixels, and the K densities are averaged.

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
    height, width = log_center_bias.shape
    upsampler = _Upsampler(saliency, width, height, input_size, grid_block)
    peak = log_center_bias.max()
    mixed = np.empty((height, width), np.float32)

    def partition_functions(block: _Exponentials) -> NDArray[np.float64]:
        total = np.zeros(len(saliency))
        for y, exponentials in block.rows():
            prior = np.exp(log_center_bias[y] - peak)
            total += (exponentials @ prior[:, :, None]).sum(axis=0, dtype=np.float64)[:, 0]
        return total

    def mix(block: _Exponentials) -> None:
        for y, exponentials in block.rows():
            row = np.log((scaled @ exponentials)[:, 0])
            row += log_center_bias[y]
            row -= peak
            mixed[y] = row

    with single_threaded_blas(), ThreadPoolExecutor(available_cores()) as pool:
        blocks = list(pool.map(upsampler.exponentials, upsampler.blocks()))
        z = sum(pool.map(partition_functions, blocks), np.zeros(len(saliency)))
        scaled = (1 / (z * len(z)) if shares is None else shares / z).astype(np.float32)[None]
        for _ in pool.map(mix, blocks):
            pass
    return mixed


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
    finite = np.maximum(prior, prior.max() - np.float32(_RANGE_NATS / 2))
    rows, columns = (
        interpolation_matrix(cell_centers_px(px, grid_block), px).astype(np.float32)
        for px in (height, width)
    )
    found: FloatArray = rows @ finite @ columns.T
    return found


@dataclass(frozen=True)
class _Strips:
    """Consecutive strips: the image rows between two neighboring rows of the grid.

    `cell` (n,) is the grid row above each strip, `start` (n,) its first image row and
    `count` (n,) its number of image rows.
    """

    cell: NDArray[np.intp]
    start: NDArray[np.intp]
    count: NDArray[np.intp]


@dataclass(frozen=True)
class _Exponentials:
    """exp(S_k - max S_k) on the image rows of n strips.

    Within a strip S_k is linear in y, so its exponential is a geometric sequence: its first
    row and their ratio, both (n, K, W), are all that is kept, then a multiplication a pixel.
    """

    strips: _Strips
    first: FloatArray
    ratio: FloatArray

    def rows(self) -> Iterator[tuple[NDArray[np.intp], FloatArray]]:
        """Yield the strips' first image rows, (n,), with exponentials (n, K, W), then the second...

        Later arrays are reused: each holds until the next is asked for.
        """
        yield self.strips.start, self.first
        current = self.first.copy() if self.strips.count.max() > 1 else self.first
        for row in range(1, self.strips.count.max()):
            current *= self.ratio
            active = self.strips.count > row
            if active.all():
                yield self.strips.start + row, current
            else:
                yield self.strips.start[active] + row, current[active]


class _Upsampler:
    """Brings saliency to the image's size, a few rows at a time."""

    def __init__(
        self,
        saliency: FloatArray,
        width: int,
        height: int,
        input_size: tuple[int, int],
        grid_block: int,
    ) -> None:
        peaks = saliency.max(axis=(1, 2), keepdims=True)
        shifted = np.maximum(saliency - peaks, np.float32(-_RANGE_NATS))
        self._saliency = np.ascontiguousarray(shifted.transpose(1, 0, 2))  # (h2, K, w2)
        cells = saliency.shape[2]
        x = np.clip(image_in_grid(width, input_size[0], grid_block), 0, cells - 1)
        self._left = np.minimum(x.astype(np.intp), max(cells - 2, 0))
        self._right = np.minimum(self._left + 1, cells - 1)
        self._weight = (x - self._left).astype(np.float32)
        self._y = image_in_grid(height, input_size[1], grid_block)

    def blocks(self) -> list[_Strips]:
        """Return all strips, cut into blocks of about a megabyte of exponentials."""
        cell = np.floor(self._y).astype(np.intp)
        start = np.flatnonzero(np.diff(cell, prepend=cell[0] - 1))
        count = np.diff(start, append=len(cell))
        step = max(1, _BLOCK_ELEMENTS // (self._saliency.shape[1] * len(self._weight)))
        return [
            _Strips(cell[start[i : i + step]], start[i : i + step], count[i : i + step])
            for i in range(0, len(start), step)
        ]

    def exponentials(self, strips: _Strips) -> _Exponentials:
        """Compute what the strips' rows are made from."""
        # Neighboring strips share a grid row, so bring each row to the image's width once.
        last = len(self._saliency) - 1
        below = strips.cell + 1
        used = np.unique([strips.cell, below])
        at_width = self._to_width(self._saliency[np.clip(used, 0, last)])
        first = at_width[np.searchsorted(used, strips.cell)]
        slope = at_width[np.searchsorted(used, below)] - first
        offset = (self._y[strips.start] - strips.cell).astype(np.float32)
        first += offset[:, None, None] * slope
        np.exp(first, out=first)
        if strips.count.max() > 1:
            slope *= np.float32(self._y[1] - self._y[0])
            np.exp(slope, out=slope)
        return _Exponentials(strips, first, ratio=slope)

    def _to_width(self, rows: FloatArray) -> FloatArray:
        """Interpolate (n, K, w2) to the image's width, edges replicated: (n, K, W)."""
        return between(rows, self._left, self._right, self._weight, axis=2)
