"""Shuffled AUC: the AUC against where people look on other images.

Since fixations on other images share the center bias, a center bias alone is at chance.
`shuffled_auc` is exact and takes all other images' fixations; `shuffled_auc_mit` is that of
the old MIT benchmark, which samples ten images and is coarse.
"""

from threading import Lock

import numpy as np
from numpy.typing import ArrayLike, NDArray

from deepgaze2.data.dataset import Dataset
from deepgaze2.metrics.auc import area_over_ten_steps
from deepgaze2.metrics.map_arrays import (
    Pixels,
    checked_map,
    checked_pixels,
    distinct_pixels,
    finite_map,
)
from deepgaze2.metrics.ranks import mean_ranks

_SIZES_KEPT = 8
_DRAWS = 100


class NonFixations:
    """All other images' fixations, for each image of a data set.

    Coordinates are multiplied by the ratio of the two images' sizes, then truncated to
    pixels; repeats count. Per size of image one table of fixated pixels is made, from which
    each image's own fixations are taken off: memory does not grow with the number of images.
    Thread-safe.

    Parameters
    ----------
    dataset : Dataset
        All its fixations count, so drop first ones before.

    Raises
    ------
    DataError
        If fixations lie outside their stimulus.
    """

    def __init__(self, dataset: Dataset) -> None:
        dataset.refuse_outside()
        self._dataset = dataset
        self._of_size: dict[tuple[int, int], tuple[Pixels, Pixels, Pixels, Pixels]] = {}
        self._lock = Lock()

    def of(self, image: int) -> tuple[Pixels, Pixels, Pixels]:
        """Return rows, columns (m,) of pixels fixated on other images, and how often (m,).

        The rows are those that any image's fixations fall on: some may count 0 times.
        """
        width, height = self._size(image)
        pixels, rows, columns, total = self._table(height, width)
        own_rows, own_columns = self._dataset.fixations_on(image).pixel()
        counts = total.copy()
        np.subtract.at(counts, pixels.searchsorted(own_rows * width + own_columns), 1)
        return rows, columns, counts

    def of_some(self, image: int, *, n_images: int = 10, seed: int = 0) -> tuple[Pixels, Pixels]:
        """Return rows and columns of the fixations on some other images, drawn at random.

        With fewer than `n_images` other images all of them are taken.
        """
        n_others = len(self._dataset.stimuli) - 1
        rng = np.random.default_rng((seed, image))
        drawn = rng.choice(n_others, min(n_images, n_others), replace=False)
        others = drawn + (drawn >= image)
        chosen = np.flatnonzero(np.isin(self._dataset.fixations.stimulus, others))
        width, height = self._size(image)
        return self._scaled(chosen, height, width)

    def _size(self, image: int) -> tuple[int, int]:
        stimuli = self._dataset.stimuli
        return int(stimuli.width[image]), int(stimuli.height[image])

    def _scaled(
        self, chosen: NDArray[np.intp] | slice, height: int, width: int
    ) -> tuple[Pixels, Pixels]:
        fixations, stimuli = self._dataset.fixations[chosen], self._dataset.stimuli
        x = fixations.x * (width / stimuli.width)[fixations.stimulus]
        y = fixations.y * (height / stimuli.height)[fixations.stimulus]
        # rounding may carry the last fraction of a pixel over the edge
        return np.minimum(y.astype(np.intp), height - 1), np.minimum(x.astype(np.intp), width - 1)

    def _table(self, height: int, width: int) -> tuple[Pixels, Pixels, Pixels, Pixels]:
        """Return distinct fixated pixels, ascending, their rows and columns, and their counts."""
        with self._lock:
            if (height, width) not in self._of_size:
                if len(self._of_size) == _SIZES_KEPT:
                    self._of_size.pop(next(iter(self._of_size)))
                rows, columns = self._scaled(slice(None), height, width)
                counts = np.bincount(rows * width + columns, minlength=height * width)
                pixels = np.flatnonzero(counts)
                self._of_size[height, width] = (pixels, *np.divmod(pixels, width), counts[pixels])
            return self._of_size[height, width]


def shuffled_auc(
    saliency: ArrayLike,
    rows: ArrayLike,
    columns: ArrayLike,
    nonfixation_rows: ArrayLike,
    nonfixation_columns: ArrayLike,
    nonfixation_counts: ArrayLike | None = None,
) -> NDArray[np.float64]:
    """Return the shuffled AUC of each fixation, against given non-fixations.

    Positives are the fixations, negatives the non-fixations; repeats count in both, and a tie
    counts one half. With all other images' fixations, see `NonFixations`, this is
    pysaliency's and the MIT/Tübingen benchmark's sAUC (nonfixations="shuffled").

    Parameters
    ----------
    saliency : float array (H, W)
        Any scale, higher is more salient; minus infinity is allowed.
    rows, columns : int array (n,)
        The fixations' pixels.
    nonfixation_rows, nonfixation_columns : int array (m,)
        The non-fixations' pixels.
    nonfixation_counts : int array (m,), optional
        How often each non-fixation counts; by default once.

    Returns
    -------
    float64 array (n,)
        0 to 1, 0.5 is chance; exactly 0.5 for a constant map. Empty without fixations, NaN
        without non-fixations.

    Raises
    ------
    DataError
        If the map is NaN at a pixel that counts, or a pixel lies outside it.
    """
    map_ = checked_map(saliency)
    values = map_[checked_pixels(rows, columns, *map_.shape)]
    others = map_[checked_pixels(nonfixation_rows, nonfixation_columns, *map_.shape)]
    return mean_ranks(values, others, nonfixation_counts)


def shuffled_auc_mit(
    saliency: ArrayLike,
    rows: ArrayLike,
    columns: ArrayLike,
    other_rows: ArrayLike,
    other_columns: ArrayLike,
    *,
    seed: int = 0,
) -> float:
    """Return the shuffled AUC of the old MIT benchmark (`AUC_shuffled.m`).

    Positives are the n distinct fixated pixels. Negatives are n of the distinct pixels that
    are fixated on ten other images (all, if there are fewer), drawn without replacement; the
    result is the mean over 100 draws. Thresholds are 0, 0.1 ... 1 of the map's range.

    Parameters
    ----------
    saliency, rows, columns
        As in `shuffled_auc`, but all values finite.
    other_rows, other_columns : int array (m,)
        Pixels fixated on other images, see `NonFixations.of_some`.
    seed : int
        Of the draws.

    Returns
    -------
    float
        0 to 1; NaN without fixations or non-fixations, or for a constant map.

    Raises
    ------
    DataError
        As in `auc`, and if a value is infinite.
    """
    map_, _ = finite_map(saliency)
    height, width = map_.shape
    fixated = distinct_pixels(*checked_pixels(rows, columns, height, width), width)
    others = distinct_pixels(*checked_pixels(other_rows, other_columns, height, width), width)
    n_drawn = min(len(fixated[0]), len(others[0]))
    if n_drawn == 0:
        return float("nan")
    rng = np.random.default_rng(seed)
    drawn = rng.permuted(np.tile(map_[others], (_DRAWS, 1)), axis=1)[:, :n_drawn]
    return area_over_ten_steps(map_, map_[fixated], drawn)
