"""Where cells of different layers lie: the receptive-field center rule.

Cell i of a layer lies at network-input coordinate stride·i + offset, where pixel p has
coordinate p; the layers themselves say which (`features.network.Tap`). Cells of the readout's
own grid are those of a block b of VGG, in which every convolution has padding 1: the stride is
2^(b-1), the offset (2^(b-1) - 1)/2. Maps are aligned by these centers, never by the ratio of two
sizes, which ceil-mode pooling makes inexact.
"""

import numpy as np
from numpy.typing import NDArray


def block_stride(block: int) -> int:
    """Return the distance of neighboring cells of a block, in network-input pixels."""
    return 1 << (block - 1)


def block_size(input_px: int, block: int) -> int:
    """Return the number of cells of a block along one axis (ceil-mode pooling)."""
    for _ in range(block - 1):
        input_px = (input_px + 1) // 2
    return input_px


def cell_centers_px(input_px: int, block: int) -> NDArray[np.float64]:
    """Return the coordinates of a block's cells along one axis of the network input."""
    stride = block_stride(block)
    return stride * np.arange(float(block_size(input_px, block))) + (stride - 1) / 2


def scaled_grid(
    input_px: int, scaled_px: int, stride_px: float, offset_px: float, grid_block: int
) -> NDArray[np.float64]:
    """Return, for each cell of the readout's grid, its coordinate among a layer's cells.

    The grid is that of block `grid_block` of a network input of `input_px`; the layer
    belongs to one of `scaled_px`, which shows the same image. For equal inputs, from
    conv2_1's grid to VGG's block 5 this is (u - 3.5)/8: interpolation by exactly 8 with half-pixel
    centers.
    """
    centers_px = (cell_centers_px(input_px, grid_block) + 0.5) * (scaled_px / input_px) - 0.5
    return (centers_px - offset_px) / stride_px


def image_in_grid(image_px: int, input_px: int, grid_block: int) -> NDArray[np.float64]:
    """Return, for each image pixel along one axis, its coordinate among a block's cells."""
    centers_px = (np.arange(image_px) + 0.5) * (input_px / image_px) - 0.5
    stride = block_stride(grid_block)
    return (centers_px - (stride - 1) / 2) / stride


def interpolation_matrix(positions: NDArray[np.float64], cells: int) -> NDArray[np.float64]:
    """Return the (len(positions), cells) matrix of linear interpolation, edges replicated."""
    clamped = np.clip(positions, 0, cells - 1)
    lower = np.minimum(clamped.astype(np.intp), max(cells - 2, 0))
    weight = clamped - lower
    matrix = np.zeros((len(positions), cells))
    rows = np.arange(len(positions))
    matrix[rows, lower] = 1 - weight
    matrix[rows, np.minimum(lower + 1, cells - 1)] += weight
    return matrix


def between(
    values: NDArray[np.float32],
    lower: NDArray[np.intp],
    upper: NDArray[np.intp],
    weight: NDArray[np.float32],
    axis: int,
) -> NDArray[np.float32]:
    """Return the linear interpolation from `lower` to `upper` cells of an axis, by the weights.

    The same as `interpolation_matrix`, for images: there a matrix would be mostly zeros.
    """
    low = values.take(lower, axis)
    found = values.take(upper, axis)
    found -= low
    found *= np.expand_dims(weight, tuple(range(1, values.ndim - axis)))
    found += low
    return found


def blur_matrix(cells: int, sigma_cells: float) -> NDArray[np.float64]:
    """Return the (cells, cells) matrix of a Gaussian blur along one axis, edges replicated.

    The kernel is sampled at whole cells up to 4 sigma (at least one cell) and sums to one.
    """
    reach = max(1, int(np.ceil(4 * sigma_cells)))
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / max(sigma_cells, 1e-6)) ** 2)
    kernel /= kernel.sum()
    # Row i of an unbounded blur, cut at the edges; what falls outside goes to the edge cells.
    cell = np.arange(cells)
    offset = cell - cell[:, None] + reach
    inside = (offset >= 0) & (offset <= 2 * reach)
    matrix = np.where(inside, kernel[np.clip(offset, 0, 2 * reach)], 0)
    below = np.concatenate([[0], np.cumsum(kernel)])  # mass of all smaller offsets
    matrix[:, 0] += below[np.clip(reach - cell, 0, 2 * reach + 1)]
    matrix[:, -1] += below[np.clip(reach - cell[::-1], 0, 2 * reach + 1)]
    return matrix
