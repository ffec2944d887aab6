"""Where an image's features, readout and density lie relative to each other while training."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from deepgaze2.readout.architecture import Architecture
from deepgaze2.readout.grid import block_stride, image_in_grid, interpolation_matrix

_BAND_ROWS = 64  # each product is small, but most of the zeros are left out


@dataclass(frozen=True)
class Band:
    """Some rows of an interpolation matrix, without the columns that are zero in all of them.

    Attributes
    ----------
    rows, columns
        Which rows and columns of the matrix these are.
    weights
        The values that the matrix has there.
    """

    rows: slice
    columns: slice
    weights: Tensor


@dataclass(frozen=True, eq=False)
class Layout:
    """Interpolation matrices of one size of network input.

    Attributes
    ----------
    groups
        For each group of taps, from its cells to the readout's: (gh, h) and (gw, w).
    shape
        Rows and columns of the readout's cells, gh and gw.
    density_bands, density_columns
        From the readout's cells to the network input's pixels, where the density is
        normalized: (height, gh), cut into bands, and (width, gw).
    stride_px
        Distance of the readout's cells in pixels of the network input.
    """

    groups: tuple[tuple[Tensor, Tensor], ...]
    shape: tuple[int, int]
    density_bands: tuple[Band, ...]
    density_columns: Tensor
    stride_px: int


@lru_cache(maxsize=256)  # a data set has few sizes of images
def layout(
    architecture: Architecture,
    sizes: tuple[tuple[int, int], ...],
    cells: tuple[tuple[int, int], ...],
    grid_block: int,
) -> Layout:
    """Return the layout for network inputs of (width, height) `sizes`, one for each group.

    The first group's size is the one that densities have. `cells` are rows and columns of each
    group's features.
    """
    groups = []
    for group, size, (height, width) in zip(architecture.groups, sizes, cells, strict=True):
        groups.append(
            (
                _matrix(group.positions(sizes[0][1], size[1], grid_block), height),
                _matrix(group.positions(sizes[0][0], size[0], grid_block), width),
            )
        )
    rows, columns = groups[0][0].shape[0], groups[0][1].shape[0]
    width, height = sizes[0]
    return Layout(
        groups=tuple(groups),
        shape=(rows, columns),
        density_bands=_bands(_matrix(image_in_grid(height, height, grid_block), rows)),
        density_columns=_matrix(image_in_grid(width, width, grid_block), columns),
        stride_px=block_stride(grid_block),
    )


def _bands(matrix: Tensor) -> tuple[Band, ...]:
    bands = []
    for start in range(0, len(matrix), _BAND_ROWS):
        rows = slice(start, start + _BAND_ROWS)
        used = matrix[rows].any(0).nonzero()
        columns = slice(int(used[0]), int(used[-1]) + 1)
        bands.append(Band(rows, columns, matrix[rows, columns].contiguous()))
    return tuple(bands)


def _matrix(positions: NDArray[np.float64], cells: int) -> Tensor:
    return torch.from_numpy(interpolation_matrix(positions, cells).astype(np.float32))
