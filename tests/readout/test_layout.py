"""Interpolation to the density's pixels, cut into bands, is the whole matrix."""

import numpy as np
import pytest

from deepgaze2.readout.grid import image_in_grid, interpolation_matrix
from deepgaze2.readout.layout import layout
from helpers.small_models import PAPER16


@pytest.mark.parametrize("height", [33, 64, 200, 384])
@pytest.mark.parametrize("grid_block", [2, 3])
def test_bands_make_up_the_matrix(height: int, grid_block: int) -> None:
    where = layout(PAPER16, ((48, height),), ((-(-height // 16), 3),), grid_block)
    expected = interpolation_matrix(image_in_grid(height, height, grid_block), where.shape[0])
    found = np.zeros_like(expected)
    for band in where.density_bands:
        found[band.rows, band.columns] += band.weights.numpy()
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert len(where.density_bands) == -(-height // 64)
