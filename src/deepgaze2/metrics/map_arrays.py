"""What all metrics ask of their arrays: maps without NaN, fixations inside them."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from deepgaze2.errors import DataError

FloatArray = NDArray[np.floating]
Pixels = NDArray[np.intp]

_EVERY = 997  # a few hundred pixels tell almost every map from a constant one


def checked_map(saliency: ArrayLike, name: str = "saliency map") -> FloatArray:
    """Return a map as float32 where that holds its type's numbers, else as float64.

    Float arrays of either type are not copied. Infinite values are allowed.

    Raises
    ------
    DataError
        If it is not two-dimensional, empty, or no array of real numbers, or has a NaN.
    """
    floats = _two_dimensional(saliency, name)
    if np.isnan(floats.min()):
        raise DataError(f"{name}: contains NaN; give every pixel a value")
    return floats


def finite_map(
    saliency: ArrayLike, name: str = "saliency map"
) -> tuple[NDArray[np.float64], float]:
    """Return a map as float64, without copying where it is one, and the sum of its values.

    Raises
    ------
    DataError
        As `checked_map`, and if a value is infinite.
    """
    array = _two_dimensional(saliency, name).astype(np.float64, copy=False)
    total = float(array.sum())
    if not np.isfinite(total):
        raise DataError(
            f"{name}: contains NaN or infinity; for this metric every pixel needs a finite value"
        )
    return array, total


def _two_dimensional(saliency: ArrayLike, name: str) -> FloatArray:
    array = np.asarray(saliency)
    if array.ndim != 2 or array.size == 0:
        raise DataError(f"{name}: has shape {array.shape}; give a non-empty (H, W) array")
    return as_floats(array, name)


def as_floats(array: NDArray[np.generic], name: str) -> FloatArray:
    """Return an array as float32 or float64; a DataError if its numbers are not real."""
    if array.dtype.kind not in "buif":
        raise DataError(f"{name}: holds {array.dtype} values; give real numbers")
    if np.can_cast(array.dtype, np.float32):
        return array.astype(np.float32, copy=False)
    return array.astype(np.float64, copy=False)


def checked_pixels(
    rows: ArrayLike, columns: ArrayLike, height: int, width: int
) -> tuple[Pixels, Pixels]:
    """Return rows and columns (n,) of pixels as integer arrays.

    Raises
    ------
    DataError
        If they are no integers, of unequal length, or outside the image.
    """
    checked = []
    for name, given, n_pixels in (("row", rows, height), ("column", columns, width)):
        array = np.asarray(given)
        if array.ndim != 1 or (array.size and array.dtype.kind not in "iu"):
            raise DataError(f"fixations: give {name}s as a list of integers, floor of the position")
        if array.size and (array.min() < 0 or array.max() >= n_pixels):
            raise DataError(
                f"fixations: {name}s go from {array.min()} to {array.max()}, the map's from 0 to"
                f" {n_pixels - 1}; drop the fixations outside the image"
            )
        checked.append(array.astype(np.intp, copy=False))
    if len(checked[0]) != len(checked[1]):
        raise DataError(
            f"fixations: {len(checked[0])} rows but {len(checked[1])} columns; give one of each"
        )
    return checked[0], checked[1]


def distinct_pixels(rows: Pixels, columns: Pixels, width: int) -> tuple[Pixels, Pixels]:
    """Return each fixated pixel once, in the order of reading."""
    distinct_rows, distinct_columns = np.divmod(np.unique(rows * width + columns), width)
    return distinct_rows, distinct_columns


def is_constant(map_: NDArray[np.float64]) -> bool:
    """Tell whether all values are exactly equal; rounding makes no deviation of 0 in that case."""
    some = map_.ravel()[::_EVERY]
    return bool((some == some[0]).all() and map_.min() == map_.max())
