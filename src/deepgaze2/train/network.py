"""The readout as a PyTorch module: K readouts trained side by side on the same features."""

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from deepgaze2.grid import block_stride, grid_in_block, interpolation_matrix
from deepgaze2.readout import LAYER_NORM_EPSILON, Readout

WIDTHS = (16, 32, 2, 1)  # section 2.1


@dataclass(frozen=True)
class TrainingGrid:
    """Where saliency is computed for an image while training.

    The readout is pointwise, so it may be evaluated on a coarser grid than conv2_1's: the
    same function at fewer places. Conv3_1's grid has a quarter of the places.

    Attributes
    ----------
    rows, columns
        Interpolation matrices from block 5 to the grid: (gh, h5) and (gw, w5).
    stride_px
        Distance of neighboring cells in network-input pixels.
    """

    rows: Tensor
    columns: Tensor
    stride_px: int

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the grid in cells."""
        return self.rows.shape[0], self.columns.shape[0]


def training_grid(
    input_size: tuple[int, int], features_shape: tuple[int, int], block: int
) -> TrainingGrid:
    """Return the grid of `block`'s cells for an input of (width, height) pixels."""
    width, height = input_size
    return TrainingGrid(
        rows=_interpolation(height, features_shape[0], block),
        columns=_interpolation(width, features_shape[1], block),
        stride_px=block_stride(block),
    )


def _interpolation(input_px: int, cells: int, block: int) -> Tensor:
    matrix = interpolation_matrix(grid_in_block(input_px, 5, block), cells)
    return torch.from_numpy(matrix.astype(np.float32))


class ReadoutNetwork(nn.Module):
    """K readouts with a learned blur each; see `deepgaze2.readout` for the same in NumPy."""

    def __init__(
        self,
        n_models: int,
        tap_deviation: NDArray[np.float32],
        *,
        layer_norm: bool = False,
        final_relu: bool = False,
        dropout: float = 0.0,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.layer_norm = layer_norm
        self.final_relu = final_relu
        self.dropout = dropout
        self.tap_deviation = torch.from_numpy(tap_deviation)
        generator = torch.Generator().manual_seed(seed)
        sizes = (len(tap_deviation), *WIDTHS)
        self.weights = nn.ParameterList()
        self.biases = nn.ParameterList()
        for layer, (inputs, outputs) in enumerate(pairwise(sizes)):
            weight = torch.randn(n_models, outputs, inputs, generator=generator)
            weight *= math.sqrt(2 / inputs)  # He et al. 2015
            bias = torch.zeros(n_models, outputs)
            if layer == 0:
                weight *= 0.3  # taps are correlated, so their sum varies more than He assumes
            if layer >= len(WIDTHS) - 2:
                # The two-unit layer dies easily, leaving the bare center bias: around that
                # bottleneck start with everything positive.
                weight.abs_()
                bias += 0.1
            self.weights.append(nn.Parameter(weight))
            self.biases.append(nn.Parameter(bias))
        self.log_sigma_px = nn.Parameter(torch.full((n_models,), math.log(10.0)))

    def forward(self, taps: Tensor, grid: TrainingGrid) -> Tensor:
        """Return S, (K, gh, gw), from one image's raw taps, (channels, h5, w5)."""
        channels, height5, width5 = taps.shape
        n_models, first, _ = self.weights[0].shape
        features = taps.reshape(channels, -1) / self.tap_deviation[:, None]
        if self.layer_norm:
            deviation, mean = torch.std_mean(features, dim=0, correction=0)
            features = (features - mean) / (deviation.square() + LAYER_NORM_EPSILON).sqrt()
        features = nn.functional.dropout(features, self.dropout, self.training)
        x = self.weights[0].reshape(-1, channels) @ features
        x = x.reshape(n_models, first, height5, width5)
        x = x + self.biases[0][:, :, None, None]
        x = torch.relu(grid.rows @ (x @ grid.columns.T)).reshape(n_models, first, -1)
        last = len(self.weights) - 1
        for layer in range(1, last + 1):
            x = torch.baddbmm(self.biases[layer][:, :, None], self.weights[layer], x)
            if layer < last or self.final_relu:
                x = torch.relu(x)
        sigma_cells = self.log_sigma_px.exp() / grid.stride_px
        height, width = grid.shape
        output = x.reshape(n_models, height, width)
        return (
            _blur_matrices(height, sigma_cells)
            @ output
            @ _blur_matrices(width, sigma_cells).transpose(1, 2)
        )

    def readout(self) -> Readout:
        """Return the parameters for prediction."""
        return Readout(
            weights=tuple(_array(weight) for weight in self.weights),
            biases=tuple(_array(bias) for bias in self.biases),
            sigma_px=np.exp(_array(self.log_sigma_px)),
            tap_deviation=self.tap_deviation.numpy(),
            layer_norm=self.layer_norm,
            final_relu=self.final_relu,
        )


def _array(parameter: Tensor) -> NDArray[np.float32]:
    array: NDArray[np.float32] = parameter.detach().numpy().copy()
    return array


def _blur_matrices(cells: int, sigma_cells: Tensor) -> Tensor:
    """Return (K, cells, cells) Gaussian blurs, edges replicated; see `grid.blur_matrix`."""
    reaches = torch.clamp(torch.ceil(4 * sigma_cells.detach()), min=1)
    reach = int(reaches.max())
    offsets = torch.arange(-reach, reach + 1)
    kernels = torch.exp(-0.5 * (offsets / sigma_cells[:, None]) ** 2)
    kernels = torch.where(offsets.abs() <= reaches[:, None], kernels, 0)
    kernels = kernels / kernels.sum(1, keepdim=True)
    targets = (torch.arange(cells)[:, None] + offsets).clamp(0, cells - 1)
    shape = (len(sigma_cells), cells, len(offsets))
    blank = kernels.new_zeros(len(sigma_cells), cells, cells)
    return blank.scatter_add(2, targets.expand(shape), kernels[:, None, :].expand(shape))
