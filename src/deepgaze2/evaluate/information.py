"""Information gain: how many bits per fixation a density is ahead of a baseline."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from deepgaze2.errors import DataError


def information_gain(log_p_model: ArrayLike, log_p_baseline: ArrayLike) -> NDArray[np.float64]:
    """Return the information gain of each fixation.

    Parameters
    ----------
    log_p_model, log_p_baseline : float array (n_fixations,)
        Log density in nats at each fixation's pixel.

    Returns
    -------
    float64 array (n_fixations,)
        Bits. Minus infinity where the model gives a fixation no density, NaN where neither does.

    Raises
    ------
    DataError
        If the two do not belong to the same number of fixations.
    """
    model = np.asarray(log_p_model, dtype=np.float64)
    baseline = np.asarray(log_p_baseline, dtype=np.float64)
    if model.shape != baseline.shape:
        raise DataError(
            f"log densities have shapes {model.shape} and {baseline.shape};"
            " give both at the same fixations"
        )
    with np.errstate(invalid="ignore"):
        return np.asarray((model - baseline) / np.log(2))


def information_gain_explained(ig_model: ArrayLike, ig_gold: ArrayLike) -> float:
    """Return the share of the gold standard's information gain that a model reaches.

    The ratio of mean information gains, never the mean of ratios (Kümmerer et al. 2015).

    Parameters
    ----------
    ig_model, ig_gold : float array (n_fixations,)
        Bits over the same baseline, see `information_gain`.
    """
    model = np.asarray(ig_model, dtype=np.float64)
    return float(model.mean() / np.asarray(ig_gold, dtype=np.float64).mean())


def sum_per_image(
    values: NDArray[np.floating], stimulus: NDArray[np.integer], n_images: int
) -> NDArray[np.float64]:
    """Return the sum (n_images,) of the values of each image's fixations, 0 without any."""
    return np.asarray(np.bincount(stimulus, values, n_images), dtype=np.float64)


def mean_per_image(
    values: NDArray[np.floating], stimulus: NDArray[np.integer], n_images: int
) -> NDArray[np.float64]:
    """Return the mean (n_images,) of the values of each image's fixations, NaN without any."""
    with np.errstate(invalid="ignore"):
        return sum_per_image(values, stimulus, n_images) / np.bincount(stimulus, minlength=n_images)


def bootstrap_interval(
    numerator: NDArray[np.floating],
    denominator: NDArray[np.floating],
    *,
    level: float = 0.95,
    n_resamples: int = 10_000,
    seed: int = 0,
) -> tuple[float, float]:
    """Return a bootstrap interval, over images, of sum(numerator) / sum(denominator).

    Images are drawn with replacement, since the fixations on one image are not independent;
    the interval lies between percentiles of the resampled ratios.

    Parameters
    ----------
    numerator, denominator : float array (n_images,)
        Sums of each image's information gain and its number of fixations give the mean over
        fixations; mean gains and ones the mean over images; sums of the model's and the gold
        standard's gains the information gain explained.
    level : float
        Share of resamples inside the interval, 0 to 1.
    n_resamples, seed : int
        Number of resamples, and the seed that makes them repeatable.

    Returns
    -------
    low, high : float
    """
    generator = np.random.default_rng(seed)
    n_images = len(numerator)
    ratios = np.empty(n_resamples)
    for i in range(n_resamples):
        drawn = generator.integers(n_images, size=n_images)
        ratios[i] = numerator[drawn].sum() / denominator[drawn].sum()
    low, high = np.quantile(ratios, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
