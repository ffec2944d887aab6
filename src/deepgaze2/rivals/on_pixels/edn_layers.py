"""The three layers of eDN's networks: local normalization, filter bank and pooling.

Maps are float32 arrays (h, w, n), channels last. Every layer sees zeros beyond the border,
whatever the values inside, and none but pooling changes h and w. The operations are those of
SThor 2012 (https://github.com/nsf-ri-ubicv/sthor), the library that eDN was built on.
"""

import numpy as np
import scipy.ndimage
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Maps = NDArray[np.float32]

_EPSILON = 1e-4
"""Added to norms, and to the threshold that they are compared with."""

_STRIDE = 2
"""Of all poolings."""


def normalized_locally(
    maps: Maps, size: int, threshold: float, stretch: float, remove_mean: bool
) -> Maps:
    """Divide by the Euclidean norm of the window around each cell, where that is large.

    The window spans all channels. With norm L = |window| + 1e-4, or of the window less its
    mean, the result is x / L where stretch * L reaches threshold + 1e-4, else stretch * x.

    Parameters
    ----------
    maps : float32 array (h, w, n)
    size : int
        Height and width of the window in cells; odd.
    threshold, stretch : float
        See above.
    remove_mean : bool
        Subtract the window's mean from x, and from the window before its norm.

    Returns
    -------
    float32 array (h, w, n)
    """
    squares = _window_sums(np.einsum("ijk,ijk->ij", maps, maps), size)
    if remove_mean:
        n_values = size * size * maps.shape[2]
        sums = _window_sums(maps.sum(axis=2), size)
        maps = maps - (sums / n_values).astype(np.float32)[:, :, None]
        squares = np.maximum(squares - sums**2 / n_values, 0)
    norms = stretch * (np.sqrt(squares) + _EPSILON)
    gain = stretch / np.where(norms < threshold + _EPSILON, 1, norms)
    return maps * gain.astype(np.float32)[:, :, None]


def filtered(
    maps: Maps, filters: NDArray[np.float32], lowest: float | None, highest: float | None
) -> Maps:
    """Correlate with a bank of filters and clip the responses.

    Parameters
    ----------
    maps : float32 array (h, w, n)
    filters : float32 array (m, size, size, n)
        Odd size, in cells.
    lowest, highest : float or None
        Bounds of the responses; None does not bound.

    Returns
    -------
    float32 array (h, w, m)
    """
    height, width, n_channels = maps.shape
    n_filters, size = filters.shape[:2]
    padded = _padded(maps, size)
    # One row of windows after the other: copying whole windows takes `size` times the memory.
    rows = sliding_window_view(padded, size, axis=1).transpose(0, 1, 3, 2)
    rows = np.ascontiguousarray(rows).reshape(-1, width, size * n_channels)
    kernels = filters.reshape(n_filters, size, size * n_channels).transpose(1, 2, 0)
    out = np.zeros((height * width, n_filters), dtype=np.float32)
    for y in range(size):
        out += rows[y : y + height].reshape(height * width, -1) @ np.ascontiguousarray(kernels[y])
    if lowest is not None or highest is not None:
        np.clip(out, lowest, highest, out=out)
    return out.reshape(height, width, n_filters)


def pooled(maps: Maps, size: int, order: int) -> Maps:
    """Return the root of the sum of powers over windows around every second cell.

    Parameters
    ----------
    maps : float32 array (h, w, n)
    size : int
        Height and width of the windows in cells; odd.
    order : 1, 2 or 10
        Power and root. Order 1 is a plain sum that keeps signs.

    Returns
    -------
    float32 array (ceil(h / 2), ceil(w / 2), n)
        Of windows around the cells (0, 0), (0, 2) ...
    """
    height, width = ((length + 1) // _STRIDE for length in maps.shape[:2])
    powers = _padded(_power(maps, order), size)
    columns = powers[:, : _STRIDE * width - 1 : _STRIDE].copy()
    for x in range(1, size):
        columns += powers[:, x : x + _STRIDE * width - 1 : _STRIDE]
    sums = columns[: _STRIDE * height - 1 : _STRIDE].copy()
    for y in range(1, size):
        sums += columns[y : y + _STRIDE * height - 1 : _STRIDE]
    if order > 1:
        np.power(sums, np.float32(1 / order), out=sums)
    return sums


def _power(maps: Maps, order: int) -> Maps:
    if order == 1:
        return maps
    squares = np.square(maps)
    return squares if order == 2 else np.square(np.square(squares)) * squares


def _padded(maps: Maps, size: int) -> Maps:
    border = (size // 2, size // 2)
    return np.pad(maps, (border, border, (0, 0)))


def _window_sums(values: Maps, size: int) -> NDArray[np.float64]:
    sums = values.astype(np.float64)
    for axis in (0, 1):
        scipy.ndimage.correlate1d(sums, np.ones(size), axis, output=sums, mode="constant")
    return sums
