"""The likelihood of fixations under converted saliency maps, and its exact gradient.

Everything is on grids of cells: maps are means over cells, fixations are counted per cell. The
parameters of a conversion (see `SaliencyConversion`) are one vector, in which the only
constraints are bounds.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deepgaze2.rivals.fitted.saliency_density import (
    FloatArray,
    SaliencyConversion,
    blur_exponent,
    center_distance,
    squared_offsets,
)

_N_KNOTS = 20
_N_CENTER_KNOTS = 12
_START_SIGMA_PX = 20.0  # at 0 the likelihood would not change with it
_SIGMA_BOUNDS_PX = (0.1, 1000.0)
_START_LOG_RANGE = 8.0
_LARGEST_STEP = 10.0  # nats between neighboring knots
_START_CENTER_BIAS = (1.1, 0.9)
_CENTER_BIAS_BOUNDS = (1e-6, 1000.0)
_START_ECCENTRICITY = np.sqrt(0.5)
_ECCENTRICITY_BOUNDS = (1e-4, 1 - 1e-4)


@dataclass(frozen=True, eq=False)
class Batch:
    """Images of one size.

    Attributes
    ----------
    spectra : float64 array (n, h, w)
        Orthonormal cosine transforms of the maps, which are in 0..1.
    shares : float64 array (n, h, w)
        Share of all fixations, those of other batches included, that falls into each cell.
    cells_per_px : tuple of float
        Rows and columns of the grid per pixel of the image.
    """

    spectra: FloatArray
    shares: FloatArray
    cells_per_px: tuple[float, float]


def start_and_bounds() -> tuple[FloatArray, list[tuple[float, float]]]:
    """Return where to start fitting, and the lower and upper bound of each parameter.

    Parameters are log sigma, the eccentricity, the logs of the center bias's knots, and the
    steps between the nonlinearity's log knots, which monotony keeps from being negative.
    """
    n_steps = _N_KNOTS - 1
    log_center_bias = np.log(np.linspace(*_START_CENTER_BIAS, _N_CENTER_KNOTS))
    steps = np.full(n_steps, _START_LOG_RANGE / n_steps)
    start = np.r_[np.log(_START_SIGMA_PX), _START_ECCENTRICITY, log_center_bias, steps]
    log_sigma_bounds, log_center_bounds = (
        (float(np.log(low)), float(np.log(high)))
        for low, high in (_SIGMA_BOUNDS_PX, _CENTER_BIAS_BOUNDS)
    )
    bounds = [log_sigma_bounds, _ECCENTRICITY_BOUNDS]
    bounds += [log_center_bounds] * _N_CENTER_KNOTS + [(0.0, _LARGEST_STEP)] * n_steps
    return start, bounds


def conversion_of(
    parameters: FloatArray, levels: Iterable[float], notes: tuple[str, ...] = ()
) -> SaliencyConversion:
    """Return the conversion with these parameters."""
    center_bias = np.exp(_log_center_bias(parameters))
    return SaliencyConversion(
        levels=tuple(levels),
        sigma_px=float(np.exp(parameters[0])),
        log_knots=tuple(_log_knots(parameters).tolist()),
        center_bias=tuple((center_bias / center_bias.mean()).tolist()),
        eccentricity=float(parameters[1]),
        notes=notes,
    )


def loss_and_gradient(parameters: FloatArray, batches: Iterable[Batch]) -> tuple[float, FloatArray]:
    """Return minus the mean log-likelihood over fixations, relative to uniform, and its gradient.

    In nats; the gradient has the parameters' shape.
    """
    parts = [_of_batch(parameters, batch) for batch in batches]
    return sum(loss for loss, _ in parts), np.sum([gradient for _, gradient in parts], axis=0)


def _of_batch(parameters: FloatArray, batch: Batch) -> tuple[float, FloatArray]:
    from scipy.fft import dctn, idctn

    h, w = batch.shares.shape[1:]
    eccentricity = parameters[1]
    exponent = blur_exponent((h, w), *(np.exp(parameters[0]) * np.array(batch.cells_per_px)))
    spectra = batch.spectra * np.exp(-exponent)
    f = _Interpolation(idctn(spectra, axes=(1, 2), norm="ortho"), np.exp(_log_knots(parameters)))
    distance = center_distance(h, w, eccentricity)
    c = _Interpolation(distance, np.exp(_log_center_bias(parameters)))

    density = f.values * c.values
    mass = density.sum(axis=(1, 2), keepdims=True)
    share = batch.shares.sum(axis=(1, 2), keepdims=True)
    loss = (share * np.log(mass / (h * w))).sum() - (batch.shares * np.log(density)).sum()

    by_log_density = density * (share / mass) - batch.shares
    by_f = by_log_density / f.values
    by_c = by_log_density.sum(axis=0) / c.values
    by_spectra = dctn(f.by_positions(by_f), axes=(1, 2), norm="ortho", overwrite_x=True)
    by_log_sigma = -2 * ((by_spectra * spectra).sum(axis=0) * exponent).sum()
    y2, x2 = squared_offsets(h, w)
    with np.errstate(invalid="ignore"):  # in the very center the distance is always 0
        by_eccentricity = np.nan_to_num(eccentricity * (y2 - x2) / distance)
    by_eccentricity *= c.by_positions(by_c)
    by_steps = -np.cumsum(f.by_knots(by_f) * f.knots)[:-1]
    by_log_center_bias = c.by_knots(by_c) * c.knots
    return float(loss), np.r_[by_log_sigma, by_eccentricity.sum(), by_log_center_bias, by_steps]


def _log_center_bias(parameters: FloatArray) -> FloatArray:
    return parameters[2 : 2 + _N_CENTER_KNOTS]


def _log_knots(parameters: FloatArray) -> FloatArray:
    steps = parameters[2 + _N_CENTER_KNOTS :]
    return np.append(-np.cumsum(steps[::-1])[::-1], 0.0)


class _Interpolation:
    """A piecewise-linear function over equidistant knots from 0 to 1, and its gradients."""

    values: FloatArray
    knots: FloatArray

    def __init__(self, positions: FloatArray, knots: FloatArray) -> None:
        n = len(knots) - 1
        self.knots = knots
        self._weight = np.clip(positions, 0, 1)
        self._weight *= n
        self._piece: NDArray[np.int32] = np.minimum(self._weight.astype(np.int32), n - 1)
        self._weight -= self._piece
        self.values = np.diff(knots)[self._piece]
        self.values *= self._weight
        self.values += knots[self._piece]

    def by_positions(self, by_values: FloatArray) -> FloatArray:
        """Return a gradient by the positions, from that by the values."""
        slopes = np.diff(self.knots) * (len(self.knots) - 1)
        return np.asarray(by_values * slopes[self._piece])

    def by_knots(self, by_values: FloatArray) -> FloatArray:
        """Return a gradient by the knots, from that by the values."""
        n = len(self.knots)
        piece = self._piece.ravel()
        upper = np.bincount(piece, (by_values * self._weight).ravel(), n)
        return np.asarray(np.bincount(piece, by_values.ravel(), n) - upper + np.roll(upper, 1))
