"""How the gold standard grows with the number of subjects that it learns from, and its limit.

A gold standard from few subjects is a lower bound of what can be predicted. Its information
gain with k other subjects is described by a - b k^-c, of which a is the gain with infinitely
many.
"""

from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import ArrayLike, NDArray

from deepgaze2.data.dataset import Dataset
from deepgaze2.errors import DataError
from deepgaze2.metrics.information import by_group, information_gain
from deepgaze2.metrics.intervals import resampled_sums
from deepgaze2.references.baseline import uniform_log_density
from deepgaze2.references.gold_standard import BANDWIDTHS_PX, kernel_log_density, people_per_image
from deepgaze2.references.kde import best_mixture

_EXPONENTS = np.geomspace(0.05, 5, 300)
_FEWEST_POINTS = 4  # one more than the curve's parameters


@dataclass(frozen=True, eq=False)
class GoldCurve:
    """Information gain over the baseline by number of other subjects, and its limit.

    Attributes
    ----------
    n_others : int array (n_points,)
        Number k of other subjects, from 1.
    bits : float64 array (n_points,)
        Mean information gain per fixation with k others.
    interval : float64 array (n_points, 2)
        Bootstrap intervals of `bits`, over images.
    bandwidth_px : float64 array (n_points,)
        Standard deviation of the kernel, fitted for each k.
    weights : float64 array (n_points, 3)
        Shares of kernels, baseline and uniform density, fitted for each k.
    limit : float
        a: bits with infinitely many others.
    limit_interval : (float, float)
        Its bootstrap interval over images. It tells nothing of whether the curve has that form
        beyond the numbers measured.
    scale, exponent : float
        b, in bits, and c.
    images : int
        Images with enough subjects, all of which enter every point.
    """

    n_others: NDArray[np.intp]
    bits: NDArray[np.float64]
    interval: NDArray[np.float64]
    bandwidth_px: NDArray[np.float64]
    weights: NDArray[np.float64]
    limit: float
    limit_interval: tuple[float, float]
    scale: float
    exponent: float
    images: int

    def at(self, n_others: ArrayLike) -> NDArray[np.float64]:
        """Return the fitted bits at any numbers of others."""
        k = np.asarray(n_others, dtype=np.float64)
        return np.asarray(self.limit - self.scale * k**-self.exponent)


def gold_curve(
    dataset: Dataset,
    baseline_log_density: NDArray[np.float64],
    *,
    n_others: int | None = None,
    level: float = 0.95,
    n_resamples: int = 10_000,
    seed: int = 0,
) -> GoldCurve:
    """Measure the gold standard with 1, 2, ... other subjects and extrapolate it.

    For each subject on each image the others stand in a random order, and the first k predict.
    Bandwidth and weights are fitted anew for each k, since few subjects need a broader kernel;
    they are not fitted again for each bootstrap resample.

    Parameters
    ----------
    dataset, baseline_log_density
        As for `fit_gold_standard`.
    n_others : int, optional
        Most others; images with fewer are left out. By default what half of all fixations have.
    level : float
        Share of resamples inside the intervals, 0 to 1.
    n_resamples, seed : int
        Number of resamples, and the seed of the orders and of the resamples.

    Raises
    ------
    DataError
        If fixations lie outside their stimulus, or too few images have enough subjects.
    """
    most, enough = _most_others(dataset, n_others)
    chosen = dataset.select(enough)
    baseline = baseline_log_density[enough[dataset.fixations.stimulus]]
    fits = _fits(chosen, baseline, most, seed)
    gains = [information_gain(log_density, baseline) for _, _, log_density in fits]
    terms = [by_group(gain, chosen.fixations.stimulus) for gain in gains]
    terms_per_k = np.column_stack([*(sums for sums, _ in terms), terms[0][1]])
    resampled = resampled_sums(terms_per_k, n_resamples=n_resamples, seed=seed)
    samples = resampled[:, :-1] / resampled[:, -1:]
    tails = [(1 - level) / 2, (1 + level) / 2]
    k, bits = np.arange(1, most + 1), np.mean(gains, axis=1)
    limit, scale, exponent = (float(parameter[0]) for parameter in fit_power_law(k, bits[None]))
    low, high = np.quantile(fit_power_law(k, samples)[0], tails).tolist()
    return GoldCurve(
        n_others=k,
        bits=bits,
        interval=np.quantile(samples, tails, axis=0).T,
        bandwidth_px=np.array([bandwidth for bandwidth, _, _ in fits]),
        weights=np.array([weights for _, weights, _ in fits]),
        limit=limit,
        limit_interval=(low, high),
        scale=scale,
        exponent=exponent,
        images=len(chosen.stimuli),
    )


def _most_others(dataset: Dataset, n_others: int | None) -> tuple[int, NDArray[np.bool_]]:
    """Return the largest number of others, and which images have as many."""
    stimulus = dataset.fixations.stimulus
    others = people_per_image(dataset) - 1
    most = n_others or int(np.median(others[stimulus])) if len(stimulus) else 0
    enough = others >= most
    if most < _FEWEST_POINTS or not enough.any():
        raise DataError(
            f"{dataset.name}: a curve needs images that {max(most, _FEWEST_POINTS) + 1} subjects"
            " looked at; there are too few subjects"
        )
    return most, enough


def fit_power_law(
    k: NDArray[np.integer], values: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Fit a - b k^-c by least squares, many curves at once.

    For a given c it is a linear fit; c is the best of 300 from 0.05 to 5, in equal ratios.

    Parameters
    ----------
    k : int array (n_points,)
        At least four different numbers.
    values : float64 array (n_curves, n_points)

    Returns
    -------
    a, b, c : float64 array (n_curves,)
    """
    best = np.full(len(values), np.inf)
    fitted = np.empty((3, len(values)))
    for exponent in _EXPONENTS:
        power = k.astype(np.float64) ** -exponent
        centered = power - power.mean()
        slope = values @ centered / (centered @ centered)
        intercept = values.mean(axis=1) - slope * power.mean()
        error = np.square(values - intercept[:, None] - slope[:, None] * power).sum(axis=1)
        better = error < best
        best[better] = error[better]
        fitted[:, better] = intercept[better], -slope[better], np.full(better.sum(), exponent)
    return fitted[0], fitted[1], fitted[2]


def _fits(
    dataset: Dataset, baseline: NDArray[np.float64], most: int, seed: int
) -> list[tuple[float, NDArray[np.float64], NDArray[np.float64]]]:
    """Return for each k up to `most` what `best_mixture` does."""
    fallback = np.stack([baseline, uniform_log_density(dataset)])
    orders = _random_orders(dataset, seed)

    def components(bandwidth_px: float, k: int) -> NDArray[np.float64]:
        kde = kernel_log_density(dataset, bandwidth_px, lambda rows: orders[rows.start] < k)
        return np.vstack([kde, fallback])

    return [best_mixture(partial(components, k=k), *BANDWIDTHS_PX) for k in range(1, most + 1)]


def _random_orders(dataset: Dataset, seed: int) -> dict[int, NDArray[np.intp]]:
    """Draw for each subject on an image an order of the others.

    Returns, for the first row of each image's n fixations, the place (n, n) that the subject of
    each fixation (column) has among the others of each (row), from 0; oneself comes last.
    """
    generator = np.random.default_rng(seed)
    person = dataset.person  # several viewings by one count as one subject
    places = {}
    for image in range(len(dataset.stimuli)):
        start, end = dataset.offsets[image : image + 2].tolist()
        names, number = np.unique(person[start:end], return_inverse=True)
        drawn = generator.random((len(names), len(names)))
        np.fill_diagonal(drawn, np.inf)
        places[start] = drawn.argsort(axis=1).argsort(axis=1)[number[:, None], number]
    return places
