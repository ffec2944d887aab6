"""The gold standard: how well the other subjects' fixations on an image predict a subject's.

An isotropic Gaussian kernel density estimate of the other subjects' fixations on the same
image, mixed with the baseline and a uniform density (Kümmerer, Wallis, Bethge 2015).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deepgaze2.data.dataset import Dataset, Fixations
from deepgaze2.errors import DataError
from deepgaze2.references.baseline import uniform_log_density
from deepgaze2.references.kde import best_mixture, gaussian_sums, kernel_density_map, log_mixture

BANDWIDTHS_PX = (1.0, 300.0)
"""Between which the kernel's standard deviation is searched."""


@dataclass(frozen=True, eq=False)
class GoldStandard:
    """The gold standard of a data set, scored leave-one-subject-out.

    Attributes
    ----------
    bandwidth_px : float
        Standard deviation of the kernel in pixels of the stimulus.
    weights : float64 array (3,)
        Shares of the kernel density estimate, the baseline and the uniform density.
    log_density : float64 array (n_fixations,)
        Nats per pixel at each fixation, predicted from the other subjects.
    """

    bandwidth_px: float
    weights: NDArray[np.float64]
    log_density: NDArray[np.float64]

    def log_density_without(
        self, person: int, dataset: Dataset, image: int, baseline: NDArray[np.floating]
    ) -> NDArray[np.float64]:
        """Return what all other people predict for one, over an image's pixels.

        At that person's fixations it is `log_density`.

        Parameters
        ----------
        person : int
            Who is left out, as `Dataset.person` numbers them.
        dataset : Dataset
            With the fixations on the image.
        image : int
            Index into the data set's stimuli.
        baseline : float array (height, width)
            Log density over the image, for example `CenterBiasFit.log_density_map`.

        Returns
        -------
        float64 array (height, width)
            Nats; its exponential sums to one. Without others, the baseline and the uniform
            density alone.
        """
        rows = slice(*dataset.offsets[image : image + 2].tolist())
        others = dataset.person[rows] != person
        return self.log_density_joint(dataset.fixations[rows][others], baseline)

    def log_density_joint(
        self, on_image: Fixations, baseline: NDArray[np.floating]
    ) -> NDArray[np.float64]:
        """Return what these fixations on an image predict, over its pixels.

        Given all fixations on the image it has seen what it is to predict: for pictures, and
        as an upper bound (`joint_log_density`). Baseline and result are those of
        `log_density_without`.
        """
        height, width = baseline.shape
        logs = np.full((3, height * width), -np.log(height * width))
        logs[1] = baseline.ravel()
        weights = self.weights
        if len(on_image):
            density = kernel_density_map(
                on_image.x, on_image.y, height, width, self.bandwidth_px
            ).ravel()
            with np.errstate(divide="ignore"):
                logs[0] = np.log(density)
        else:
            logs, weights = logs[1:], weights[1:] / weights[1:].sum()
        return log_mixture(logs, weights).reshape(height, width)


def fit_gold_standard(dataset: Dataset, baseline_log_density: NDArray[np.float64]) -> GoldStandard:
    """Fit one bandwidth and one set of weights by leave-one-subject-out likelihood.

    Where a subject is alone on an image there is no estimate to learn from: those fixations
    are left out of the fit, and scored by the baseline and the uniform density alone.

    Parameters
    ----------
    dataset : Dataset
        Without first fixations, like the baseline's.
    baseline_log_density : float64 array (n_fixations,)
        Nats per pixel at each fixation, for example `CenterBiasFit.log_density`.

    Returns
    -------
    GoldStandard

    Raises
    ------
    DataError
        If fixations lie outside their stimulus, no image has two subjects, or the baseline
        has another number of fixations.
    """
    if baseline_log_density.shape != (len(dataset.fixations),):
        raise DataError(
            f"{dataset.name}: {len(dataset.fixations)} fixations, but a baseline for"
            f" {len(baseline_log_density)}; fit the baseline on the same data set"
        )
    fallback = np.stack([baseline_log_density, uniform_log_density(dataset)])
    has_others = ~np.isnan(other_subjects_log_density(dataset, BANDWIDTHS_PX[1]))
    if not has_others.any():
        raise DataError(
            f"{dataset.name}: no image was seen by two subjects; a gold standard needs it"
        )

    def components(bandwidth_px: float) -> NDArray[np.float64]:
        logs = np.vstack([other_subjects_log_density(dataset, bandwidth_px), fallback])
        return logs[:, has_others]

    bandwidth_px, weights, fitted = best_mixture(components, *BANDWIDTHS_PX)
    log_density = log_mixture(fallback, weights[1:] / weights[1:].sum())
    log_density[has_others] = fitted
    return GoldStandard(bandwidth_px, weights, log_density)


def people_per_image(dataset: Dataset) -> NDArray[np.intp]:
    """Return how many people looked at each stimulus, (n_stimuli,), see `Dataset.person`."""
    pairs = np.unique(np.stack([dataset.fixations.stimulus, dataset.person]), axis=1)
    return np.bincount(pairs[0], minlength=len(dataset.stimuli))


def joint_log_density(
    gold: GoldStandard, dataset: Dataset, baseline_log_density: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the optimistic gold standard: predicted from all subjects, also the own.

    It has seen each fixation that it predicts: an upper bound, not what a model is measured
    by. Bandwidth and weights are the leave-one-subject-out ones.

    Parameters
    ----------
    gold : GoldStandard
        Fitted to the data set.
    dataset, baseline_log_density
        As in `fit_gold_standard`.

    Returns
    -------
    float64 array (n_fixations,)
        Nats per pixel: `GoldStandard.log_density_joint` of all fixations, at each of them.
    """
    kde = kernel_log_density(
        dataset, gold.bandwidth_px, lambda rows: np.ones((1, rows.stop - rows.start), np.bool_)
    )
    logs = np.stack([kde, baseline_log_density, uniform_log_density(dataset)])
    return log_mixture(logs, gold.weights)


def other_subjects_log_density(dataset: Dataset, bandwidth_px: float) -> NDArray[np.float64]:
    """Return the kernel density estimate of the other subjects' fixations, at each fixation.

    `kernel_log_density` of the other subjects; NaN where no other looked at the image. Viewings
    of the same image by one person, see `Dataset.person`, do not predict one another.
    """
    person = dataset.person

    def others(rows: slice) -> NDArray[np.bool_]:
        return np.asarray(person[rows, None] != person[rows])

    return kernel_log_density(dataset, bandwidth_px, others)


def kernel_log_density(
    dataset: Dataset, bandwidth_px: float, sources: Callable[[slice], NDArray[np.bool_]]
) -> NDArray[np.float64]:
    """Return a kernel density estimate of chosen fixations on the same image, at each fixation.

    The Gaussians, centered at the fixations' coordinates, are evaluated at the centers of
    pixels, and their sum is normalized over the image's pixels.

    Parameters
    ----------
    dataset : Dataset
        All fixations inside their stimuli.
    bandwidth_px : float
        Standard deviation in pixels.
    sources : function
        From the rows of an image's n fixations to whether each (row) is predicted from each
        (column), (n, n) or the same for all, (1, n).

    Returns
    -------
    float64 array (n_fixations,)
        Nats per pixel; NaN where there is nothing to predict from.

    Raises
    ------
    DataError
        If fixations lie outside their stimulus.
    """
    dataset.refuse_outside()
    x, y = dataset.fixations.x, dataset.fixations.y
    row, column = dataset.fixations.pixel()
    mass = _masses(dataset, bandwidth_px)
    log_density = np.empty(len(x))
    for stimulus in np.flatnonzero(np.diff(dataset.offsets)):
        rows = slice(*dataset.offsets[stimulus : stimulus + 2].tolist())
        chosen = sources(rows)
        exponent = np.square((column[rows] + 0.5)[:, None] - x[rows])
        exponent += np.square((row[rows] + 0.5)[:, None] - y[rows])
        exponent *= -0.5 / bandwidth_px**2
        np.copyto(exponent, -np.inf, where=~chosen)
        with np.errstate(divide="ignore"):
            log_density[rows] = _log_sum_exp(exponent) - np.log(chosen @ mass[rows])
    return log_density


def _masses(dataset: Dataset, sigma_px: float) -> NDArray[np.float64]:
    """Return the sum of each fixation's Gaussian over its image's pixels, (n_fixations,)."""
    fixations, stimuli = dataset.fixations, dataset.stimuli
    mass = np.ones(len(fixations))
    for position, sizes in ((fixations.x, stimuli.width), (fixations.y, stimuli.height)):
        size = sizes[fixations.stimulus]
        for n_pixels in np.unique(size).tolist():
            chosen = size == n_pixels
            mass[chosen] *= gaussian_sums(position[chosen], n_pixels, sigma_px)
    return mass


def _log_sum_exp(exponent: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the log of each row's sum of exponentials, in place; far kernels underflow alone."""
    with np.errstate(divide="ignore", invalid="ignore"):
        largest = exponent.max(axis=1)
        exponent -= largest[:, None]
        return np.asarray(np.log(np.exp(exponent, out=exponent).sum(axis=1)) + largest)
