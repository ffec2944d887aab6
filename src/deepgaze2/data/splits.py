"""Splits for cross-validation, by image or by groups of images that are alike."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from deepgaze2.errors import DataError
from deepgaze2.image.stimulus import read_stimulus

_CELLS = 16
_MAX_DIFFERENT_BITS = 30
_BLOCK = 512  # images compared with all others at a time


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


def group_folds(
    groups: ArrayLike, k: int, seed: int, there: ArrayLike | None = None
) -> NDArray[np.intp]:
    """Divide images at random into `k` parts of similar size that split no group.

    The largest groups are dealt out first, each to the part with fewest images so far.

    Parameters
    ----------
    groups : array_like (n_images,)
        What group each image belongs to, such as a scene or one of `near_duplicates`.
    k : int
        Number of parts, at least 2.
    seed : int
        Equal seeds give equal parts.
    there : array_like (n, k), optional
        Images that are in the parts already, counted in n ways, which all count the new ones too:
        where the first is equal, the next decides. Parts may then stay empty.

    Returns
    -------
    array (n_images,)
        The part, 0 to `k` - 1, of each image.

    Raises
    ------
    DataError
        If there are fewer groups than parts, or fewer than two parts.
    """
    _, group, sizes = np.unique(np.asarray(groups), return_inverse=True, return_counts=True)
    if there is None and not 2 <= k <= len(sizes):
        raise DataError(f"cannot divide {len(sizes)} groups into {k} parts; use 2 to {len(sizes)}")
    shuffled = np.random.default_rng(seed).permutation(len(sizes))
    n_in_part = np.zeros((1, k), np.intp) if there is None else np.array(there, np.intp)
    part_of_group = np.empty(len(sizes), np.intp)
    for number in shuffled[np.argsort(-sizes[shuffled], kind="stable")]:
        part_of_group[number] = np.lexsort(n_in_part[::-1])[0]
        n_in_part[:, part_of_group[number]] += sizes[number]
    return part_of_group[group]


def near_duplicates(paths: Sequence[Path]) -> NDArray[np.intp]:
    """Group images that are alike but for size, compression, brightness or mirroring.

    Images are reduced to 16 by 17 gray cells, of which each is brighter than its right neighbor
    or not; those that differ in at most 30 of these 256 bits, also if one is mirrored, are
    one group, and so are chains of them. Of OSIE's 600 images that were compared, two are
    the same photograph, and all others differ in 57 bits or more.

    Returns
    -------
    array (n_images,)
        A number for each image, equal for those of one group.

    Raises
    ------
    StimulusError
        If an image cannot be read.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    n_bits = _CELLS**2
    gradients = np.array([_gradients(path) for path in paths]).reshape(-1, 2, n_bits)
    as_is, mirrored = gradients[:, 0], gradients[:, 1]
    links = [np.zeros((0, 2), np.intp)]
    for begin in range(0, len(paths), _BLOCK):
        block = as_is[begin : begin + _BLOCK]
        agreement = np.maximum(block @ as_is.T, block @ mirrored.T)  # equal bits less others
        links.append(np.argwhere(agreement >= n_bits - 2 * _MAX_DIFFERENT_BITS))
        links[-1][:, 0] += begin
    i, j = np.concatenate(links).T
    graph = coo_array((np.ones(len(i), bool), (i, j)), shape=(len(paths), len(paths)))
    return np.asarray(connected_components(graph, directed=False)[1], dtype=np.intp)


def _gradients(path: Path) -> NDArray[np.float32]:
    """Return 1 where a cell is brighter than its right neighbor, -1 where it is darker, else 0.

    As is and mirrored. Equal cells say nothing: screens with the same background are not alike.
    """
    gray = Image.fromarray(read_stimulus(path).pixels).convert("L")
    cells = np.asarray(gray.resize((_CELLS + 1, _CELLS), Image.Resampling.BOX), dtype=np.int16)
    signs = [-np.sign(np.diff(c, axis=1)).ravel() for c in (cells, cells[:, ::-1])]
    return np.array(signs, dtype=np.float32)
