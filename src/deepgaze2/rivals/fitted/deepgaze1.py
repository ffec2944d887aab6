"""DeepGaze I (Kümmerer, Theis, Bethge 2015): features, a linear readout, a blur, a center bias.

s = G_sigma * sum_k w_k r_k + log center bias, and the density is its softmax over the image. The
responses r_k of a network's last convolution, before its ReLU, are standardized over the training
images; weights and sigma maximize the likelihood of fixations less a penalty for weights that are
not sparse, lambda |w|_1 / |w|_2. The published model has AlexNet; any layer will do here.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import log_softmax

from deepgaze2.features.cache import channel_deviations
from deepgaze2.readout.grid import block_stride, cell_centers_px, interpolation_matrix
from deepgaze2.references.kde import reflecting_blur
from deepgaze2.support.cores import available_cores, single_threaded_blas

SPARSITY = 0.001
_START_SIGMA_PX = 8.0
_MAX_STEPS = 80
_GRID_BLOCK = 3  # densities are fitted on a grid of every fourth pixel of the network's input
_STRIDE_PX = block_stride(_GRID_BLOCK)


@dataclass(frozen=True)
class Layer:
    """One layer's responses to one image.

    Attributes
    ----------
    responses : float array (channels, h, w)
        Before the ReLU; half precision is enough.
    input_size : tuple of int
        Width and height of the network input in pixels.
    stride_px, offset_px : float
        Cell i lies at stride_px * i + offset_px of the network input.
    """

    responses: NDArray[np.floating]
    input_size: tuple[int, int]
    stride_px: float
    offset_px: float

    def interpolation(self, axis: int, positions_px: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the matrix that interpolates rows (axis 0) or columns (1) at these positions."""
        cells = (positions_px - self.offset_px) / self.stride_px
        return interpolation_matrix(cells, self.responses.shape[1 + axis])


@dataclass(frozen=True)
class TrainingImage:
    """One image with its fixations.

    Attributes
    ----------
    layer : Layer
        The network's responses.
    log_center_bias : float array (H, W)
        The image's prior in nats.
    rows, columns : int array (n,)
        Each fixation's pixel.
    """

    layer: Layer
    log_center_bias: NDArray[np.floating]
    rows: NDArray[np.integer]
    columns: NDArray[np.integer]


@dataclass(frozen=True, eq=False)
class DeepGaze1:
    """A fitted model.

    Attributes
    ----------
    weights : float64 array (channels,)
        Of responses as they are; what standardizing subtracts cancels in the softmax.
    sigma_px : float
        The blur in pixels of the network input.
    """

    weights: NDArray[np.float64]
    sigma_px: float

    def log_density(
        self, layer: Layer, log_center_bias: NDArray[np.floating]
    ) -> NDArray[np.float32]:
        """Return the density of fixations over an image's pixels, (H, W), nats."""
        drive = np.tensordot(self.weights, layer.responses.astype(np.float64), 1)
        rows, columns = (
            _resampling(layer, axis, n, self.sigma_px)
            for axis, n in enumerate(log_center_bias.shape)
        )
        return np.asarray(log_softmax(rows @ drive @ columns.T + log_center_bias), dtype=np.float32)


def _resampling(layer: Layer, axis: int, image_px: int, sigma_px: float) -> NDArray[np.float64]:
    """Return the matrix from a layer's cells to an image's pixels: interpolated, blurred."""
    input_px = layer.input_size[1 - axis]
    centers_px = (np.arange(image_px) + 0.5) * (input_px / image_px) - 0.5
    grid_px = cell_centers_px(input_px, _GRID_BLOCK)
    to_image = interpolation_matrix((centers_px - grid_px[0]) / _STRIDE_PX, len(grid_px))
    blur = reflecting_blur(len(grid_px), sigma_px / _STRIDE_PX)
    return np.asarray(to_image @ blur @ layer.interpolation(axis, grid_px))


class _Sample:
    """A training image on the grid on which densities are fitted."""

    def __init__(self, image: TrainingImage) -> None:
        self.responses = image.layer.responses
        shape = image.log_center_bias.shape
        cells, self.interpolations, chosen = [], [], []
        for axis, positions in enumerate((image.rows, image.columns)):
            input_px = image.layer.input_size[1 - axis]
            grid_px = cell_centers_px(input_px, _GRID_BLOCK)
            scale = shape[axis] / input_px
            self.interpolations.append(image.layer.interpolation(axis, grid_px))
            nearest = ((positions + 0.5) / scale - 0.5 - grid_px[0]) / _STRIDE_PX
            cells.append(np.clip(np.rint(nearest), 0, len(grid_px) - 1).astype(np.intp))
            chosen.append(np.clip((grid_px + 0.5) * scale, 0, shape[axis] - 1).astype(np.intp))
        self.log_center_bias = image.log_center_bias[np.ix_(*chosen)].astype(np.float64)
        self.n_fixations = len(image.rows)
        counts = np.bincount(
            cells[0] * self.log_center_bias.shape[1] + cells[1],
            minlength=self.log_center_bias.size,
        )
        self.counts = counts.reshape(self.log_center_bias.shape).astype(np.float64)

    def gradient(
        self, weights: NDArray[np.float64], sigma_cells: float
    ) -> tuple[float, NDArray[np.float64], float]:
        """Return the summed log-likelihood and its derivatives by weights and by sigma."""
        responses = self.responses.astype(np.float32).reshape(len(self.responses), -1)
        drive = (weights.astype(np.float32) @ responses).reshape(self.responses.shape[1:])
        by_row, by_column = self.interpolations
        blurs = [_blur_and_slope(len(matrix), sigma_cells) for matrix in self.interpolations]
        sharp = by_row @ drive @ by_column.T
        across = sharp @ blurs[1][0].T
        log_density = log_softmax(blurs[0][0] @ across + self.log_center_bias)
        residual = self.counts - self.n_fixations * np.exp(log_density)
        slope = blurs[0][1] @ across + blurs[0][0] @ (sharp @ blurs[1][1].T)
        back = (by_row.T @ blurs[0][0].T) @ residual @ (blurs[1][0] @ by_column)
        by_weights = responses @ back.ravel().astype(np.float32)
        likelihood = float((self.counts * log_density).sum())
        return likelihood, by_weights.astype(np.float64), float((residual * slope).sum())


@lru_cache(maxsize=32)  # the same for all images of one size
def _blur_and_slope(
    cells: int, sigma_cells: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return a blur's matrix and its derivative by sigma."""
    step = 1e-4 * sigma_cells
    higher, lower = (
        reflecting_blur(cells, sigma_cells + step),
        reflecting_blur(cells, sigma_cells - step),
    )
    return (higher + lower) / 2, (higher - lower) / (2 * step)


def fit_deepgaze1(images: Sequence[TrainingImage], *, sparsity: float = SPARSITY) -> DeepGaze1:
    """Fit weights and blur by maximum penalized likelihood (L-BFGS), in nats per fixation.

    Parameters
    ----------
    images : sequence of TrainingImage
        Each with at least one fixation; all of one layer.
    sparsity : float
        Lambda, the weight of |w|_1 / |w|_2.

    Returns
    -------
    DeepGaze1
    """
    deviation = channel_deviations(image.layer.responses for image in images)
    samples = [_Sample(image) for image in images]
    n_fixations = sum(sample.n_fixations for sample in samples)
    start = np.append(1e-3 * np.ones(len(deviation)), np.log(_START_SIGMA_PX / _STRIDE_PX))

    with single_threaded_blas(), ThreadPoolExecutor(available_cores()) as pool:

        def loss(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
            weights, sigma_cells = parameters[:-1], float(np.exp(parameters[-1]))
            total, slope = 0.0, np.zeros(len(parameters))
            raw = weights / deviation
            for one in pool.map(lambda sample: sample.gradient(raw, sigma_cells), samples):
                total += one[0]
                slope[:-1] += one[1] / deviation
                slope[-1] += one[2] * sigma_cells
            penalty, penalty_slope = _penalty(weights)
            slope /= -n_fixations
            slope[:-1] += sparsity * penalty_slope
            return -total / n_fixations + sparsity * penalty, slope

        found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": _MAX_STEPS})
    return DeepGaze1(found.x[:-1] / deviation, float(np.exp(found.x[-1])) * _STRIDE_PX)


def _penalty(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
    """Return |w|_1 / |w|_2 and its derivative; the corner at zero is rounded off."""
    magnitude = np.sqrt(np.square(weights) + 1e-12)
    norm = float(np.sqrt(np.square(weights).sum() + 1e-12))
    ratio = float(magnitude.sum()) / norm
    return ratio, weights / magnitude / norm - ratio * weights / norm**2
