"""Splits for cross-validation: by image, so that no image is on two sides."""

import numpy as np
from numpy.typing import NDArray

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
