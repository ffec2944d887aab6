"""The baseline: a center bias estimated from the fixations on all other images.

A Gaussian kernel density estimate over the unit square (every image stretched to it,
its borders reflecting), mixed with a uniform density:
p = (1 - uniform_share) * KDE + uniform_share * uniform; a known center bias may stand in the
uniform density's place, for data sets that are too small to say much themselves.

On an image, it is that template brought to the image's size as any `CenterBias` is; every
likelihood is read off that density over the pixels.
"""

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from deepgaze2.data.dataset import Dataset
from deepgaze2.density.center_bias import CenterBias
from deepgaze2.errors import DataError
from deepgaze2.references.kde import best_mixture, reflecting_blur

GRID = (144, 192)
"""Cells of the unit square, rows and columns."""

_BANDWIDTHS = (0.003, 0.3)


@dataclass(frozen=True, eq=False)
class CenterBiasFit:
    """A center bias fitted by cross-validation over images.

    Attributes
    ----------
    bandwidth : float
        Standard deviation of the kernel, as a fraction of the image's width and height.
    uniform_share : float
        Weight of the uniform density, 0 to 1, or of `rest` in its place.
    dataset : Dataset
        What it was fitted to.
    folds : int array (n_stimuli,)
        Each image's fold: itself, unless others were given.
    rest : CenterBias, optional
        What stands in the uniform density's place.
    """

    bandwidth: float
    uniform_share: float
    dataset: Dataset
    folds: NDArray[np.integer]
    rest: CenterBias | None = None

    @cached_property
    def log_density(self) -> NDArray[np.float64]:
        """The baseline's cross-validated log-likelihoods, (n_fixations,).

        Nats per pixel: at each fixation's pixel, the value of its image's `log_density_map`.
        """
        log_density = np.empty(len(self.dataset.fixations))
        seen = np.diff(self.dataset.offsets) > 0
        for fold in np.unique(self.folds[seen]):
            center_bias = self.without(fold)
            maps: dict[tuple[int, int], NDArray[np.float32]] = {}  # of the last size only
            for image in np.flatnonzero(seen & (self.folds == fold)).tolist():
                size = self._size(image)
                if size not in maps:
                    maps = {size: center_bias.log_density(*size)}
                rows = slice(*self.dataset.offsets[image : image + 2])
                log_density[rows] = maps[size][self.dataset.fixations_on(image).pixel()]
        return log_density

    def log_density_map(self, image: int) -> NDArray[np.float32]:
        """Return the baseline over an image's pixels, without the fixations of its fold.

        Parameters
        ----------
        image : int
            Index into the data set's stimuli.

        Returns
        -------
        float32 array (height, width)
            Nats; its exponential sums to one.
        """
        return self.without(self.folds[image]).log_density(*self._size(image))

    def without(self, fold: int) -> CenterBias:
        """Return the center bias of all fixations but a fold's."""
        rows, columns = self._cells
        offsets = self.dataset.offsets
        images = np.flatnonzero(self.folds == fold)
        ranges = (np.arange(offsets[image], offsets[image + 1]) for image in images)
        own = np.concatenate([np.arange(0), *ranges])
        others = self._histogram - _histogram(rows[own], columns[own])
        return self._of(others, f"{self.dataset.name} without {fold}")

    def of_all(self, name: str) -> CenterBias:
        """Return the center bias of all fixations, for use on other images."""
        return self._of(self._histogram, name)

    def _of(self, histogram: NDArray[np.float64], name: str) -> CenterBias:
        return _center_bias(histogram, self.bandwidth, self.uniform_share, name, self.rest)

    @cached_property
    def _cells(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        return _cells(self.dataset)

    @cached_property
    def _histogram(self) -> NDArray[np.float64]:
        return _histogram(*self._cells)

    def _size(self, image: int) -> tuple[int, int]:
        stimuli = self.dataset.stimuli
        return int(stimuli.height[image]), int(stimuli.width[image])


def fit_center_bias(
    dataset: Dataset, folds: NDArray[np.integer] | None = None, rest: CenterBias | None = None
) -> CenterBiasFit:
    """Fit bandwidth and uniform share by maximum cross-validated likelihood.

    That is the likelihood of the fixations' cells in the unit square, which spares a map for
    each image and bandwidth.

    Parameters
    ----------
    dataset : Dataset
        All fixations count: drop first fixations before, with `without_first()`.
    folds : int array (n_stimuli,), optional
        Each fold is predicted from all the others; by default each image is a fold.
    rest : CenterBias, optional
        A known center bias in the uniform density's place.

    Returns
    -------
    CenterBiasFit

    Raises
    ------
    DataError
        If fixations lie outside their stimulus, or fewer than two folds have fixations.
    """
    if folds is None:
        folds = np.arange(len(dataset.stimuli))
    fold = folds[dataset.fixations.stimulus]
    if np.unique(fold).size < 2:
        raise DataError(f"{dataset.name}: fixations on one image or fold only; need two or more")
    cells = _cells(dataset)
    at_rest = np.log(_rest(rest)[cells] * GRID[0] * GRID[1])

    def components(bandwidth: float) -> NDArray[np.float64]:
        kde = _cross_validated(cells, fold, bandwidth)
        with np.errstate(divide="ignore"):
            return np.stack([np.log(kde * GRID[0] * GRID[1]), at_rest])

    bandwidth, weights, _ = best_mixture(components, *_BANDWIDTHS)
    return CenterBiasFit(bandwidth, float(weights[1]), dataset, folds, rest)


def fold_center_biases(dataset: Dataset, folds: NDArray[np.integer]) -> list[CenterBias]:
    """Return, for each fold, the center bias of all *other* folds' fixations.

    Bandwidth and uniform share are fitted once, across the folds.
    """
    fitted = fit_center_bias(dataset, folds)
    return [fitted.without(fold) for fold in range(folds.max() + 1)]


def center_bias_of(
    dataset: Dataset, bandwidth: float, uniform_share: float, name: str
) -> CenterBias:
    """Return the center bias of all a data set's fixations, for use on other images.

    Parameters
    ----------
    dataset : Dataset
        At least one fixation, all inside their stimuli.
    bandwidth, uniform_share : float
        As in `CenterBiasFit`.
    name : str
        Name of the center bias.

    Raises
    ------
    DataError
        If there are no fixations, or some lie outside their stimulus.
    """
    if not len(dataset.fixations):
        raise DataError(f"{dataset.name}: no fixations to estimate a center bias from")
    return _center_bias(_histogram(*_cells(dataset)), bandwidth, uniform_share, name)


def uniform_log_density(dataset: Dataset) -> NDArray[np.float64]:
    """Return the uniform density's log at each fixation: minus log of its stimulus' pixels."""
    width = dataset.stimuli.width.astype(np.float64)
    return np.asarray(-np.log(width * dataset.stimuli.height)[dataset.fixations.stimulus])


def _cells(dataset: Dataset) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    dataset.refuse_outside()
    fixations, stimuli = dataset.fixations, dataset.stimuli
    rows = fixations.y * GRID[0] / stimuli.height[fixations.stimulus]
    columns = fixations.x * GRID[1] / stimuli.width[fixations.stimulus]
    return rows.astype(np.intp), columns.astype(np.intp)


def _histogram(rows: NDArray[np.intp], columns: NDArray[np.intp]) -> NDArray[np.float64]:
    counts = np.bincount(rows * GRID[1] + columns, minlength=GRID[0] * GRID[1])
    return counts.reshape(GRID).astype(np.float64)


def _rest(rest: CenterBias | None) -> NDArray[np.float64]:
    """Return what stands beside the KDE, over the cells."""
    if rest is None:
        return np.full(GRID, 1 / (GRID[0] * GRID[1]))
    return np.exp(rest.log_density(*GRID), dtype=np.float64)


def _center_bias(
    histogram: NDArray[np.float64],
    bandwidth: float,
    uniform_share: float,
    name: str,
    rest: CenterBias | None = None,
) -> CenterBias:
    by_row, by_column = _blurs(bandwidth)
    kde = by_row @ histogram @ by_column.T / histogram.sum()
    density = (1 - uniform_share) * kde + uniform_share * _rest(rest)
    with np.errstate(divide="ignore"):
        return CenterBias(name, np.log(density).astype(np.float32))


@lru_cache(maxsize=1)
def _blurs(bandwidth: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return reflecting_blur(GRID[0], bandwidth * GRID[0]), reflecting_blur(
        GRID[1], bandwidth * GRID[1]
    )


def _cross_validated(
    cells: tuple[NDArray[np.intp], NDArray[np.intp]], fold: NDArray[np.integer], bandwidth: float
) -> NDArray[np.float64]:
    """Return the mass that all other folds' KDE gives to the cell of each fixation."""
    by_row, by_column = _blurs(bandwidth)
    total = _histogram(*cells)
    mass = np.empty(len(fold))
    in_fold_order = np.argsort(fold, kind="stable")
    ends = np.flatnonzero(np.diff(fold[in_fold_order])) + 1
    for chosen in np.split(in_fold_order, ends):
        rows, columns = cells[0][chosen], cells[1][chosen]
        others = total - _histogram(rows, columns)
        # the blurred histogram, at the cells of the fixations only
        at_rows = by_row[rows] @ others
        mass[chosen] = np.einsum("ij,ij->i", at_rows, by_column[columns]) / (
            len(fold) - len(chosen)
        )
    return mass
