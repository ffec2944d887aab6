"""AUC: how well a map's values tell fixated pixels from others.

Three definitions are in use, and their numbers must not be mixed. `auc` is exact, has no
parameters and depends on the order of the values alone. `auc_judd` and `auc_borji` are those
of the old MIT benchmark, as coded in its `AUC_Judd.m` and `AUC_Borji.m`.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from deepgaze2.metrics.map_arrays import (
    checked_map,
    checked_pixels,
    distinct_pixels,
    finite_map,
)
from deepgaze2.metrics.ranks import below_and_equal, mean_ranks

_JITTER = 1e-7
_DRAWS = 100
_STEPS = 10


def auc(saliency: ArrayLike, rows: ArrayLike, columns: ArrayLike) -> NDArray[np.float64]:
    """Return the AUC of each fixation, against all pixels of the image.

    Positives are the fixations (repeats count), negatives all pixels, fixated ones included;
    a tie counts one half. One fixation's value is the share of pixels below its own plus half
    the share equal to it; the mean over fixations is the area under the ROC curve with every
    distinct value as a threshold. This is pysaliency's and the MIT/Tübingen benchmark's AUC
    (nonfixations="uniform"), averaged there over the fixations of an image, then over images.

    Parameters
    ----------
    saliency : float array (H, W)
        Any scale, higher is more salient; minus infinity is allowed.
    rows, columns : int array (n,)
        The fixations' pixels.

    Returns
    -------
    float64 array (n,)
        0 to 1, 0.5 is chance; exactly 0.5 for a constant map. Empty without fixations.

    Raises
    ------
    DataError
        If the map contains NaN, or a fixation lies outside it.
    """
    map_ = checked_map(saliency)
    return mean_ranks(map_[checked_pixels(rows, columns, *map_.shape)], map_)


def auc_judd(saliency: ArrayLike, rows: ArrayLike, columns: ArrayLike, *, seed: int = 0) -> float:
    """Return the AUC of Judd et al. (2009), as the MIT benchmark computes it.

    Positives are the distinct fixated pixels, negatives all others. To break ties, uniform
    noise from [0, 1e-7) is added first, whatever the map's scale: bring densities, which are
    about 1e-6, to a scale of 0 to 1 before, or noise decides. Thresholds are the n fixated
    values: at the i-th largest the true positive rate is i / n and the false positive rate
    (pixels at or above it - i) / (pixels - n). The area is the trapezoids' between these
    points, (0, 0) and (1, 1).

    Parameters
    ----------
    saliency, rows, columns
        As in `auc`.
    seed : int
        Of the noise.

    Returns
    -------
    float
        0 to 1; NaN without fixations, or if every pixel is fixated.

    Raises
    ------
    DataError
        As in `auc`.
    """
    map_ = checked_map(saliency)
    fixated = distinct_pixels(*checked_pixels(rows, columns, *map_.shape), map_.shape[1])
    n_fixated, n_others = len(fixated[0]), map_.size - len(fixated[0])
    if not (n_fixated and n_others):
        return float("nan")
    jittered = map_ + np.random.default_rng(seed).random(map_.shape) * _JITTER
    below, _ = below_and_equal(np.sort(jittered[fixated])[::-1], jittered)
    hits = np.arange(1, n_fixated + 1)
    false_alarms = (map_.size - below - hits) / n_others
    return _area(false_alarms, hits / n_fixated)


def auc_borji(saliency: ArrayLike, rows: ArrayLike, columns: ArrayLike, *, seed: int = 0) -> float:
    """Return the AUC of Borji et al. (2013), as the MIT benchmark computes it.

    Positives are the n distinct fixated pixels, negatives n pixels drawn uniformly, with
    replacement, from the whole image; the result is the mean over 100 draws. The map is first
    brought to 0 to 1 by its minimum and maximum; thresholds are 0, 0.1, 0.2 ... 1. That is
    coarse: maps that are equalized gain, and a map with one high peak is close to chance.

    Parameters
    ----------
    saliency, rows, columns
        As in `auc`, but all values finite.
    seed : int
        Of the draws.

    Returns
    -------
    float
        0 to 1; NaN with fewer than two distinct fixated pixels, or for a constant map.

    Raises
    ------
    DataError
        As in `auc`, and if a value is infinite.
    """
    map_, _ = finite_map(saliency)
    fixated = distinct_pixels(*checked_pixels(rows, columns, *map_.shape), map_.shape[1])
    if len(fixated[0]) < 2:
        return float("nan")
    drawn = np.random.default_rng(seed).integers(map_.size, size=(_DRAWS, len(fixated[0])))
    return area_over_ten_steps(map_, map_[fixated], map_.ravel()[drawn])


def area_over_ten_steps(
    saliency: NDArray[np.float64],
    positives: NDArray[np.float64],
    negatives: NDArray[np.float64],
) -> float:
    """Return the mean area under the ROC curves of several draws of negatives.

    Thresholds are 0, 0.1 ... 1 of the map's range; values equal to a threshold are above it.

    Parameters
    ----------
    saliency : float64 array (H, W)
        The map that gives the range; NaN is returned if it is constant.
    positives : float64 array (n,)
    negatives : float64 array (n_draws, m)
    """
    low, high = saliency.min(), saliency.max()
    if low == high:
        return float("nan")
    thresholds = np.arange(_STEPS + 1) / _STEPS

    def shares_above(values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return (n_draws, 11), the share of each row at or above each threshold."""
        level = thresholds.searchsorted((values - low) / (high - low), side="right")
        is_above = level[:, None, :] > np.arange(_STEPS + 1)[:, None]
        return np.asarray(is_above.mean(axis=2))[:, ::-1]

    hits = shares_above(positives[None])[0]
    return float(np.mean([_area(alarms, hits) for alarms in shares_above(negatives)]))


def _area(false_alarms: NDArray[np.float64], hits: NDArray[np.float64]) -> float:
    """Return the trapezoids' area below points of a ROC curve and its two ends."""
    x, y = np.concatenate([[0], false_alarms, [1]]), np.concatenate([[0], hits, [1]])
    return float(np.diff(x) @ (y[1:] + y[:-1]) / 2)
