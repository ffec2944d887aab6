"""How far scores can be trusted: bootstrap intervals over images, paired comparisons.

Images are the unit, since the fixations on one image are not independent.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from deepgaze2.errors import DataError
from deepgaze2.metrics.information import Average, terms_per_image

_BLOCK_DRAWS = 1 << 16  # at once: little memory, and fastest
_ROUNDING = 1e-9  # of the observed sum: sums in another order differ by rounding


def resampled_sums(
    values: NDArray[np.floating], *, n_resamples: int = 10_000, seed: int = 0
) -> NDArray[np.float64]:
    """Return the sums of bootstrap resamples of the images.

    A resample draws as many images as there are, with replacement. Memory does not grow with
    the number of draws.

    Parameters
    ----------
    values : float array (n_images, n_columns)
        All columns are summed over the same draws.
    n_resamples, seed : int
        Number of resamples, and the seed that makes them repeatable.

    Returns
    -------
    float64 array (n_resamples, n_columns)
        Infinite where a drawn value is, NaN where both infinities are drawn.
    """
    generator = np.random.default_rng(seed)
    n_images = len(values)
    finite = np.isfinite(values)
    infinite = np.flatnonzero(~finite.all(axis=1))
    # a product with how often each image was drawn; 0 times infinity is not a number, though
    numbers, others = np.where(finite, values, 0), np.where(finite, 0, values)[infinite]
    parts = []
    for n in _block_sizes(n_resamples, n_images):
        drawn = generator.integers(n_images, size=(n, n_images)) + n_images * np.arange(n)[:, None]
        times = np.bincount(drawn.ravel(), minlength=n * n_images).reshape(n, n_images)
        sums = times.astype(np.float64) @ numbers
        for image, other in zip(infinite, others, strict=True):
            with np.errstate(invalid="ignore"):
                sums[times[:, image] > 0] += other
        parts.append(sums)
    return np.concatenate(parts)


def bootstrap_interval(
    numerator: NDArray[np.floating],
    denominator: NDArray[np.floating],
    *,
    level: float = 0.95,
    n_resamples: int = 10_000,
    seed: int = 0,
) -> tuple[float, float]:
    """Return a bootstrap interval, over images, of sum(numerator) / sum(denominator).

    The interval lies between percentiles of the resampled ratios (Efron 1979). Images where
    both are zero, as without fixations, are not drawn.

    Parameters
    ----------
    numerator, denominator : float array (n_images,)
        For a mean, `terms_per_image`; for the information gain explained, the model's and the
        gold standard's numerators.
    level : float
        Share of resamples inside the interval, 0 to 1.
    n_resamples, seed : int
        Number of resamples, and the seed that makes them repeatable.

    Returns
    -------
    low, high : float
        Minus infinity where that many resamples have it; NaN without images.
    """
    terms = np.column_stack([numerator, denominator])
    terms = terms[(terms != 0).any(axis=1)]
    if not len(terms):
        return np.nan, np.nan
    sums = resampled_sums(terms, n_resamples=n_resamples, seed=seed)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = sums[:, 0] / sums[:, 1]
    # percentiles that are resamples, since one cannot interpolate beside an infinite one
    tails = [(1 - level) / 2, (1 + level) / 2]
    low, high = np.quantile(ratios, tails, method="inverted_cdf")
    return float(low), float(high)


@dataclass(frozen=True, eq=False)
class PairedComparison:
    """Two models, a and b, on the same fixations; positive where a is better.

    Attributes
    ----------
    differences : float64 array (n_images,)
        Mean of a - b on each image; NaN without fixations.
    difference : float
        The average over fixations or images. Minus infinity if a gives a fixation no density.
    interval : (float, float)
        Its bootstrap interval over images.
    images, images_won : int
        Images with fixations, and those of them on which a is better.
    p_value : float
        Two-sided sign-flip test: the chance of so large an average if on each image the
        models could as well be exchanged. 1 where the difference is infinite.
    """

    differences: NDArray[np.float64]
    difference: float
    interval: tuple[float, float]
    images: int
    images_won: int
    p_value: float


def compare_models(
    values_a: ArrayLike,
    values_b: ArrayLike,
    image: NDArray[np.integer],
    n_images: int,
    *,
    average: Average = "fixations",
    level: float = 0.95,
    n_resamples: int = 10_000,
    seed: int = 0,
) -> PairedComparison:
    """Compare two models by their scores at the same fixations.

    Parameters
    ----------
    values_a, values_b : float array (n_fixations,)
        Bits, or another score of which more is better.
    image : int array (n_fixations,)
        Number of each fixation's image.
    n_images : int
        Number of images.
    average : "fixations" or "images"
        What weighs the same in the average.
    level : float
        Share of resamples inside the interval, 0 to 1.
    n_resamples, seed : int
        Resamples of the interval and, at most, exchanges of the test; the test is exact if
        the images can be exchanged in no more ways.

    Raises
    ------
    DataError
        If the two do not belong to the same number of fixations.
    """
    a, b = np.asarray(values_a, dtype=np.float64), np.asarray(values_b, dtype=np.float64)
    if a.shape != b.shape:
        raise DataError(
            f"scores have shapes {a.shape} and {b.shape}; give both at the same fixations"
        )
    with np.errstate(invalid="ignore"):
        difference = a - b
    terms = terms_per_image(difference, image, n_images, average)
    means, seen = terms_per_image(difference, image, n_images, "images")
    with np.errstate(invalid="ignore"):
        mean = terms[0].sum() / terms[1].sum()
    return PairedComparison(
        differences=np.where(seen > 0, means, np.nan),
        difference=float(mean),
        interval=bootstrap_interval(*terms, level=level, n_resamples=n_resamples, seed=seed),
        images=int(seen.sum()),
        images_won=int((means > 0).sum()),
        p_value=sign_flip_p_value(terms[0][seen > 0], n_permutations=n_resamples, seed=seed),
    )


def sign_flip_p_value(
    differences: NDArray[np.floating], *, n_permutations: int = 10_000, seed: int = 0
) -> float:
    """Return the two-sided p-value of a sum of differences under flips of their signs.

    Parameters
    ----------
    differences : float array (n_images,)
        One per image.
    n_permutations : int
        All flips are tried if there are no more, else this many random ones, in which the
        observed one counts too (Phipson and Smyth 2010).
    seed : int
        Makes the random flips repeatable.

    Returns
    -------
    float
        In (0, 1]; NaN if the sum is not a number or there are no images.
    """
    generator = np.random.default_rng(seed)
    n_images = len(differences)
    exact = 2**n_images <= n_permutations
    n_flips = 2**n_images if exact else n_permutations
    with np.errstate(invalid="ignore"):
        observed = abs(differences.sum())
    if np.isnan(observed) or not n_images:
        return np.nan
    as_large, done = 0, 0
    for n in _block_sizes(n_flips, n_images):
        if exact:
            flips = np.arange(done, done + n)[:, None] >> np.arange(n_images) & 1
        else:
            flips = generator.integers(2, size=(n, n_images), dtype=np.int8)
        with np.errstate(invalid="ignore"):
            sums = np.abs((1.0 - 2.0 * flips) @ differences)
        as_large += int(np.count_nonzero(~(sums < observed * (1 - _ROUNDING))))
        done += n
    return as_large / n_flips if exact else (as_large + 1) / (n_flips + 1)


def _block_sizes(n_rows: int, n_columns: int) -> Iterator[int]:
    """Yield numbers of rows that sum to all and hold few enough values."""
    rows_at_once = max(1, _BLOCK_DRAWS // max(n_columns, 1))
    for start in range(0, n_rows, rows_at_once):
        yield min(rows_at_once, n_rows - start)
