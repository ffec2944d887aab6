"""The gold standard: how well the other subjects' fixations on an image predict a subject's.

An isotropic Gaussian kernel density estimate of the other subjects' fixations on the same
image, mixed with the baseline and a uniform density (Kümmerer, Wallis, Bethge 2015).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deepgaze2.data.table import Dataset, Fixations
from deepgaze2.errors import DataError
from deepgaze2.evaluate.baseline import uniform_log_density
from deepgaze2.evaluate.kde import best_bandwidth, log_mixture, mixture_weights

_BANDWIDTHS_PX = (1.0, 300.0)


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

    def components(bandwidth_px: float) -> NDArray[np.float64]:
        return np.vstack([other_subjects_log_density(dataset, bandwidth_px), fallback])

    has_others = ~np.isnan(other_subjects_log_density(dataset, _BANDWIDTHS_PX[1]))
    if not has_others.any():
        raise DataError(
            f"{dataset.name}: no image was seen by two subjects; a gold standard needs it"
        )

    def log_likelihood(bandwidth_px: float) -> float:
        logs = components(bandwidth_px)[:, has_others]
        return float(log_mixture(logs, mixture_weights(logs)).mean())

    bandwidth_px = best_bandwidth(log_likelihood, *_BANDWIDTHS_PX)
    logs = components(bandwidth_px)
    weights = mixture_weights(logs[:, has_others])
    log_density = np.empty(len(has_others))
    log_density[has_others] = log_mixture(logs[:, has_others], weights)
    alone = log_mixture(fallback[:, ~has_others], weights[1:] / weights[1:].sum())
    log_density[~has_others] = alone
    return GoldStandard(bandwidth_px, weights, log_density)


def other_subjects_log_density(dataset: Dataset, bandwidth_px: float) -> NDArray[np.float64]:
    """Return the kernel density estimate of the other subjects' fixations, at each fixation.

    The Gaussians, centered at the fixations' coordinates, are evaluated at the centers of
    pixels, and their sum is normalized over the image's pixels. Viewings of the same image by
    one person, see `Dataset.person`, do not predict one another.

    Parameters
    ----------
    dataset : Dataset
        All fixations inside their stimuli.
    bandwidth_px : float
        Standard deviation in pixels.

    Returns
    -------
    float64 array (n_fixations,)
        Nats per pixel; NaN where no other subject looked at the image.

    Raises
    ------
    DataError
        If fixations lie outside their stimulus.
    """
    dataset.refuse_outside()
    log_density = np.empty(len(dataset.fixations))
    person = dataset.person()
    for stimulus, (width, height) in enumerate(
        zip(dataset.stimuli.width.tolist(), dataset.stimuli.height.tolist(), strict=True)
    ):
        fixations = dataset.fixations_on(stimulus)
        rows = slice(dataset.offsets[stimulus], dataset.offsets[stimulus + 1])
        log_density[rows] = _on_one_image(fixations, person[rows], height, width, bandwidth_px)
    return log_density


def _on_one_image(
    fixations: Fixations, person: NDArray[np.intp], height: int, width: int, sigma_px: float
) -> NDArray[np.float64]:
    row, column = fixations.pixel()
    exponent = np.square((column + 0.5)[:, None] - fixations.x)
    exponent += np.square((row + 0.5)[:, None] - fixations.y)
    exponent *= -0.5 / sigma_px**2
    others = (person[:, None] != person).astype(np.float64)
    # log-sum-exp: far from everyone else, narrow kernels are smaller than any float
    exponent[others == 0] = -np.inf
    mass = others @ (
        _mass_inside(fixations.x, width, sigma_px) * _mass_inside(fixations.y, height, sigma_px)
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        largest = exponent.max(axis=1, initial=-np.inf)
        total = np.exp(exponent - largest[:, None]).sum(axis=1)
        return np.asarray(np.log(total) + largest - np.log(mass))


def _mass_inside(
    position: NDArray[np.float64], n_pixels: int, sigma_px: float
) -> NDArray[np.float64]:
    """Return the sum of a Gaussian of height one, at each position, over an axis' pixels."""
    distance = (np.arange(n_pixels) + 0.5) - position[:, None]
    return np.asarray(np.exp(np.square(distance) * (-0.5 / sigma_px**2)).sum(axis=1))
