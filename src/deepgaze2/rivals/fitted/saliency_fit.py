"""Fits the conversion of a model's saliency maps to densities, by maximum likelihood.

Maps are reduced to a coarse grid of at most 100 cells, and to a sample of images: 33 parameters
need no more.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from deepgaze2.errors import DataError
from deepgaze2.rivals.fitted.saliency_density import (
    FloatArray,
    SaliencyConversion,
    clipped_to_finite,
    rescaled,
    resized,
)
from deepgaze2.rivals.fitted.saliency_likelihood import (
    Batch,
    conversion_of,
    loss_and_gradient,
    start_and_bounds,
)
from deepgaze2.support.cores import single_threaded_blas

_GRID_CELLS = 100
_KEPT_PX = 400  # on the longer side of a map: its scale is fitted before it is reduced to the grid
_LEVELS = np.linspace(-3.5, 3.5, 101)
_SAMPLED_PX = 4096  # of each map, to find the levels
_IMAGES_AT_ONCE = 8  # their arrays stay in the processor's cache
_SMALLEST_GAIN = 1e-7  # relative, of an iteration: a tenth of it changed less than 1e-5 bits
_MAX_ITERATIONS = 1000


@dataclass(frozen=True, eq=False)
class FixatedMap:
    """A saliency map and the fixations on its image.

    Attributes
    ----------
    name : str
        Names the map in error messages.
    saliency : float array (h, w), or a function without arguments that returns it
        As in `SaliencyConversion.log_density`.
    height, width : int
        Size of the image in pixels.
    rows, columns : int array (n_fixations,)
        Pixels of the image that were fixated; may be empty.
    """

    name: str
    saliency: ArrayLike | Callable[[], ArrayLike]
    height: int
    width: int
    rows: NDArray[np.integer]
    columns: NDArray[np.integer]


def fit_saliency_conversion(
    maps: Sequence[FixatedMap], *, n_images: int = 100, seed: int = 0
) -> SaliencyConversion:
    """Fit a conversion by maximum likelihood, averaged over fixations.

    Maps are rescaled by quantiles of all maps' values to a normal distribution, so that an
    increasing function of all maps hardly changes the densities. (Others rescale by minimum and
    maximum, which judges maps with few high values too low.)

    One fixation is added, spread evenly over all images, so that no saliency gets zero density.

    Parameters
    ----------
    maps : sequence of FixatedMap
        A model's maps. Those without fixations are not used.
    n_images : int
        How many of them to fit to, drawn at random; only those are computed.
    seed : int
        Of the draw of images.

    Raises
    ------
    DataError
        If no map has fixations, fixations lie outside their image, or a map is not
        two-dimensional, contains NaN or has no finite value.
    """
    drawn = _drawn(maps, np.arange(len(maps)), n_images, np.random.default_rng(seed))
    return _fit([_reduced(maps[i]) for i in drawn])


def cross_fitted(
    maps: Sequence[FixatedMap],
    folds: NDArray[np.integer],
    *,
    n_images: int = 100,
    seed: int = 0,
) -> dict[int, SaliencyConversion]:
    """Fit, for each fold, a conversion to maps and fixations of all other folds.

    The images are drawn once, equally many from each fold, so that few maps are computed.

    Parameters
    ----------
    maps : sequence of FixatedMap
        A model's maps.
    folds : int array (n_maps,)
        The fold of each map, see `deepgaze2.data.splits.image_folds`.
    n_images, seed
        As in `fit_saliency_conversion`; `n_images` are those that one fold's conversion sees.

    Returns
    -------
    dict of int to SaliencyConversion
        By fold: map i becomes a density by `conversions[folds[i]].log_density(...)`.

    Raises
    ------
    DataError
        If there are fewer than two folds, and as `fit_saliency_conversion` does.
    """
    numbers = np.unique(folds).tolist()
    if len(numbers) < 2:
        raise DataError("conversions are fitted on other folds; give at least two folds")
    generator = np.random.default_rng(seed)
    n_per_fold = -(-n_images // (len(numbers) - 1))
    reduced = {
        fold: [
            _reduced(maps[i])
            for i in _drawn(maps, np.flatnonzero(folds == fold), n_per_fold, generator)
        ]
        for fold in numbers
    }
    return {
        fold: _fit([r for other in numbers if other != fold for r in reduced[other]])
        for fold in numbers
    }


@dataclass(frozen=True, eq=False)
class _Reduced:
    """A map at 400 pixels at most, and fixation counts (h, w) on the grid of the likelihood."""

    values: NDArray[np.float32]
    counts: FloatArray
    size_px: tuple[int, int]
    is_clipped: bool


def _drawn(
    maps: Sequence[FixatedMap],
    members: NDArray[np.intp],
    n_images: int,
    generator: np.random.Generator,
) -> list[int]:
    fixated = [i for i in members.tolist() if len(maps[i].rows)]
    return sorted(generator.permutation(fixated)[:n_images].astype(int).tolist())


def _reduced(fixated: FixatedMap) -> _Reduced:
    given = fixated.saliency() if callable(fixated.saliency) else fixated.saliency
    values = clipped_to_finite(given, fixated.name)
    kept = resized(values, *_at_most(_KEPT_PX, values.shape))
    is_clipped = bool(np.isinf(given).any())
    size_px = (fixated.height, fixated.width)
    return _Reduced(kept.astype(np.float32), _counts(fixated), size_px, is_clipped)


def _counts(fixated: FixatedMap) -> FloatArray:
    h, w = _at_most(_GRID_CELLS, (fixated.height, fixated.width))
    rows, columns = np.asarray(fixated.rows), np.asarray(fixated.columns)
    inside = (rows >= 0) & (rows < fixated.height) & (columns >= 0) & (columns < fixated.width)
    if not inside.all():
        raise DataError(
            f"{fixated.name}: {np.count_nonzero(~inside)} fixations lie outside the image of"
            f" {fixated.width} by {fixated.height} pixels; drop them"
        )
    cell_row = (2 * rows + 1) * h // (2 * fixated.height)
    cell_column = (2 * columns + 1) * w // (2 * fixated.width)
    counts = np.bincount(cell_row * w + cell_column, minlength=h * w)
    return counts.reshape(h, w).astype(np.float64)


def _at_most(longest: int, size: tuple[int, ...]) -> tuple[int, int]:
    shrink = min(1.0, longest / max(size))
    return max(1, round(size[0] * shrink)), max(1, round(size[1] * shrink))


def _fit(maps: Sequence[_Reduced]) -> SaliencyConversion:
    from scipy.optimize import minimize

    if not maps:
        raise DataError("no map has fixations to fit a conversion to; give some that have")
    levels = _levels(maps)
    batches = _batches(maps, levels)
    start, bounds = start_and_bounds()
    with single_threaded_blas():  # the optimizer's products are tiny
        found = minimize(
            loss_and_gradient,
            start,
            args=(batches,),
            jac=True,
            method="L-BFGS-B",
            bounds=bounds,
            options={"maxiter": _MAX_ITERATIONS, "ftol": _SMALLEST_GAIN, "maxcor": len(start)},
        )
    n_clipped = sum(m.is_clipped for m in maps)
    note = f"{n_clipped} of {len(maps)} maps had infinite values, clipped to their finite ones"
    return conversion_of(found.x, levels, (note,) if n_clipped else ())


def _levels(maps: Sequence[_Reduced]) -> list[float]:
    from scipy.special import ndtr

    sampled = [m.values.ravel()[:: -(-m.values.size // _SAMPLED_PX)] for m in maps]
    # order statistics, which an increasing function of the maps leaves in place
    quantiles = np.quantile(np.concatenate(sampled), ndtr(_LEVELS), method="inverted_cdf")
    return [float(value) for value in np.unique(quantiles)]


def _batches(maps: Sequence[_Reduced], levels: Sequence[float]) -> list[Batch]:
    from scipy.fft import dctn

    by_size: defaultdict[tuple[int, int], list[_Reduced]] = defaultdict(list)
    for m in maps:
        by_size[m.size_px].append(m)
    n_fixations = sum(m.counts.sum() for m in maps)
    n_cells = sum(m.counts.size for m in maps)
    batches = []
    for (height, width), same in by_size.items():
        h, w = same[0].counts.shape
        for begin in range(0, len(same), _IMAGES_AT_ONCE):
            some = same[begin : begin + _IMAGES_AT_ONCE]
            units = [resized(rescaled(m.values.astype(np.float64), levels), h, w) for m in some]
            counts = np.stack([m.counts for m in some])
            shares = (counts + 1 / n_cells) / (n_fixations + 1)
            spectra = dctn(np.stack(units), axes=(1, 2), norm="ortho")
            batches.append(Batch(spectra, shares, (h / height, w / width)))
    return batches
