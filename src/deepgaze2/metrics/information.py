"""Information gain: how many bits per fixation a density is ahead of a baseline.

Values stay one per fixation until they are averaged: over all fixations, as in the paper, over
images, or by group (image, subject, order). Means of images and groups come as sums and
counts, of which `intervals` makes error bars.
"""

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from deepgaze2.errors import DataError

Average = Literal["fixations", "images"]
"""What weighs the same: each fixation (the paper) or each image that has fixations."""


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


def bits_over_uniform(log_density: ArrayLike, n_pixels: ArrayLike) -> NDArray[np.float64]:
    """Return each fixation's log-likelihood relative to a uniform density, in bits.

    The information gain over uniform: log2 p + log2 of the image's number of pixels.

    Parameters
    ----------
    log_density : float array (n_fixations,)
        Nats per pixel.
    n_pixels : int or int array (n_fixations,)
        Pixels of each fixation's image.

    Returns
    -------
    float64 array (n_fixations,)
        Minus infinity where the density is zero.
    """
    uniform = -np.log(np.asarray(n_pixels, dtype=np.float64))
    return information_gain(log_density, np.broadcast_to(uniform, np.shape(log_density)))


def by_group(
    values: ArrayLike, group: NDArray[np.integer], n_groups: int = 0
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the sum and the number of the values in each group.

    Parameters
    ----------
    values : float array (n_fixations,)
        Bits, or any other score of each fixation.
    group : int array (n_fixations,)
        Group of each fixation, from 0: image, subject or order in the scanpath.
    n_groups : int
        Number of groups, if more than the fixations' greatest.

    Returns
    -------
    sums, counts : float64 array (n_groups,)
        Their ratio is the group's mean. Minus infinity in a group makes its sum minus infinity.
    """
    sums = np.bincount(group, np.asarray(values, dtype=np.float64), n_groups)
    counts = np.bincount(group, minlength=n_groups)
    return sums.astype(np.float64), counts.astype(np.float64)


def mean_per_image(
    values: NDArray[np.floating], stimulus: NDArray[np.integer], n_images: int
) -> NDArray[np.float64]:
    """Return the mean (n_images,) of the values of each image's fixations, NaN without any."""
    sums, counts = by_group(values, stimulus, n_images)
    with np.errstate(invalid="ignore"):
        return sums / counts


def terms_per_image(
    values: ArrayLike, image: NDArray[np.integer], n_images: int, average: Average = "fixations"
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return each image's share in an average: sum(numerator) / sum(denominator).

    Parameters
    ----------
    values : float array (n_fixations,)
        Bits, or any other score of each fixation.
    image : int array (n_fixations,)
        Number of each fixation's image.
    n_images : int
        Number of images.
    average : "fixations" or "images"
        Whether each fixation weighs the same, or each image that has fixations.

    Returns
    -------
    numerator, denominator : float64 array (n_images,)
        Sums and counts, or means and ones; both 0 for an image without fixations.

    Raises
    ------
    DataError
        If the average has another name.
    """
    sums, counts = by_group(values, image, n_images)
    if average == "fixations":
        return sums, counts
    if average == "images":
        return sums / np.maximum(counts, 1), np.minimum(counts, 1)
    raise DataError(f"average {average}: unknown; take fixations or images")
