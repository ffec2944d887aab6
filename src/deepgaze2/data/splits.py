"""Splits for cross-validation: by image, so that no image is on two sides."""

import numpy as np
from numpy.typing import NDArray

from deepgaze2.data.table import Dataset
from deepgaze2.errors import DataError


def image_folds(n_images: int, k: int, seed: int) -> NDArray[np.intp]:
    """Divide images at random into `k` parts whose sizes differ by one at most.

    Parameters
    ----------
    n_images : int
        Number of images, at least `k`.
    k : int
        Number of parts, at least 2.
    seed : int
        Equal seeds give equal parts.

    Returns
    -------
    array (n_images,)
        The part, 0 to `k` - 1, of each image.

    Raises
    ------
    DataError
        If there are fewer images than parts, or fewer than two parts.
    """
    if not 2 <= k <= n_images:
        raise DataError(f"cannot divide {n_images} images into {k} parts; use 2 to {n_images}")
    return np.random.default_rng(seed).permutation(np.arange(n_images) % k)


def of_size(dataset: Dataset, width: int, height: int) -> Dataset:
    """Return the data set of the images of this size in pixels, and the fixations on them.

    Of MIT1003, 463 images are 1024 wide and 768 high; the paper is about those.

    Raises
    ------
    DataError
        If no image has this size.
    """
    chosen = (dataset.stimuli.width == width) & (dataset.stimuli.height == height)
    if not chosen.any():
        raise DataError(f"{dataset.name}: no image is {width} by {height} pixels; check the size")
    return dataset.select(chosen)
