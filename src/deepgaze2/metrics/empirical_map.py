"""Empirical maps: fixations blurred with a Gaussian, the ground truth of CC, KL and SIM.

A Gaussian is separable, so the blurred map of n fixations is the product of two thin
matrices, (height, n) and (n, width), each a row of the axis' blur matrix per fixation.
"""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike, NDArray

from deepgaze2.errors import DataError
from deepgaze2.metrics.map_arrays import Pixels, checked_pixels, distinct_pixels

_STRIP_ROWS = 64


def empirical_map(
    rows: ArrayLike, columns: ArrayLike, height: int, width: int, sigma_px: float
) -> NDArray[np.float64]:
    """Return the map of fixations, blurred with a Gaussian whose mass the borders reflect.

    Equal, to rounding, to scipy.ndimage.gaussian_filter with its defaults (mode "reflect",
    truncate 4) of the map of fixation counts, divided by the number of fixations: what the
    MIT/Tübingen benchmark uses, with 24 px (MIT300), 40 px (CAT2000) and 30 px
    (COCO-FreeView). One degree of visual angle is usual.

    Parameters
    ----------
    rows, columns : int array (n,)
        The fixations' pixels; repeats count.
    height, width : int
        Size of the image in pixels.
    sigma_px : float
        Standard deviation, above 0.

    Returns
    -------
    float64 array (height, width)
        Not negative, sums to one; all NaN without fixations.

    Raises
    ------
    DataError
        If a fixation lies outside the image, or sigma is not above 0.
    """
    at_rows, at_columns = checked_pixels(rows, columns, height, width)
    if not len(at_rows):
        return np.full((height, width), np.nan)
    order = np.argsort(at_rows)
    at_rows, at_columns = at_rows[order], at_columns[order]
    down = blurred_points(at_rows, height, sigma_px)
    across = blurred_points(at_columns, width, sigma_px) / len(order)
    blurred = np.empty((height, width))
    for start in range(0, height, _STRIP_ROWS):
        strip = slice(start, start + _STRIP_ROWS)
        reached = at_rows.searchsorted([start - _radius(sigma_px), strip.stop + _radius(sigma_px)])
        near = slice(*reached)  # no other Gaussian reaches the strip
        np.matmul(down[near, strip].T, across[near], out=blurred[strip])
    return blurred


def empirical_map_mit(
    rows: ArrayLike, columns: ArrayLike, height: int, width: int, *, cycles: float = 8
) -> NDArray[np.float64]:
    """Return the map of fixated pixels, low-pass filtered as in the old MIT benchmark.

    `antonioGaussian.m`: in a square of side N, the next power of two of the longer side,
    whose rest is zero and whose borders wrap around, frequencies are multiplied by a Gaussian
    that is one half at `cycles` per side, and the image's part is cut out. In space that is a
    Gaussian of N sqrt(ln 2 / (2 pi^2)) / cycles px, 24 px for N = 1024. Mass beyond the
    image's borders is lost. Each fixated pixel counts once.

    Parameters
    ----------
    rows, columns, height, width
        As in `empirical_map`.
    cycles : float
        Cutoff frequency per side of the square, above 0.

    Returns
    -------
    float64 array (height, width)
        Sums to one; all NaN without fixations.

    Raises
    ------
    DataError
        If a fixation lies outside the image.
    """
    at_rows, at_columns = checked_pixels(rows, columns, height, width)
    if not len(at_rows):
        return np.full((height, width), np.nan)
    at_rows, at_columns = distinct_pixels(at_rows, at_columns, width)
    side = 1 << (max(height, width) - 1).bit_length()
    frequencies = np.fft.rfftfreq(side, 1 / side)
    kernel = np.fft.irfft(np.exp(-np.square(frequencies / cycles) * np.log(2)), side)
    windows = sliding_window_view(np.tile(kernel, 2), side)
    blurred = windows[side - at_rows, :height].T @ windows[side - at_columns, :width]
    return np.asarray(blurred / blurred.sum())


def blurred_map(map_: NDArray[np.float64], sigma_px: float) -> NDArray[np.float64]:
    """Return a map blurred as `empirical_map` blurs fixations: to rounding, as SciPy does.

    In products of matrices: several times faster, and values far below the largest one keep
    their relative precision, which transforms would lose.

    Parameters
    ----------
    map_ : float64 array (height, width)
        Not empty, all values finite.
    sigma_px : float
        Standard deviation.

    Returns
    -------
    float64 array (height, width)
        Its sum is the map's.

    Raises
    ------
    DataError
        If sigma is not above 0.
    """
    return _blurred_down(_blurred_down(map_, sigma_px).T, sigma_px).T


def _blurred_down(map_: NDArray[np.float64], sigma_px: float) -> NDArray[np.float64]:
    """Return a map with each column blurred; a strip of rows needs only those within reach."""
    blurred = np.empty_like(map_)
    for start in range(0, len(map_), _STRIP_ROWS):
        rows = np.arange(start, min(start + _STRIP_ROWS, len(map_)))
        near = slice(max(start - _radius(sigma_px), 0), rows[-1] + 1 + _radius(sigma_px))
        blurred[rows] = blurred_points(rows, len(map_), sigma_px)[:, near] @ map_[near]
    return blurred


def blurred_points(points: Pixels, n_pixels: int, sigma_px: float) -> NDArray[np.float64]:
    """Return points on a line of pixels, each blurred with a Gaussian that the ends reflect.

    Parameters
    ----------
    points : int array (n,)
        0 to n_pixels - 1.
    n_pixels : int
        Length of the line.
    sigma_px : float
        Standard deviation. The Gaussian is cut at 4 sigma, as SciPy does.

    Returns
    -------
    float64 array (n, n_pixels)
        Rows sum to one.

    Raises
    ------
    DataError
        If sigma is not above 0.
    """
    check_sigma(sigma_px)
    offsets = np.arange(-_radius(sigma_px), _radius(sigma_px) + 1)
    kernel = np.exp(-0.5 * np.square(offsets / sigma_px))
    # A line that both ends reflect repeats after twice its length, and so does its kernel.
    period = 2 * n_pixels
    folded = np.bincount(offsets % period, kernel / kernel.sum(), period).astype(np.float64)
    windows = sliding_window_view(np.tile(folded, 2), n_pixels)
    return np.asarray(windows[period - points] + windows[points + 1])


def check_sigma(sigma_px: float) -> None:
    """Raise a DataError unless a standard deviation is above 0."""
    if not 0 < sigma_px < np.inf:
        raise DataError(f"sigma of {sigma_px} px: the Gaussian needs one above 0")


def _radius(sigma_px: float) -> int:
    """Return how many pixels a Gaussian reaches: 4 sigma, as in SciPy."""
    return int(4 * sigma_px + 0.5)
