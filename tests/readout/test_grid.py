"""Where cells lie: against receptive fields counted pixel by pixel, linear ramps and SciPy."""

from itertools import takewhile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter1d

from deepgaze2.features.network import Convolution, MaxPooling, Network
from deepgaze2.features.networks.vgg import VGG16, VGG19
from deepgaze2.readout.grid import (
    between,
    block_size,
    block_stride,
    blur_matrix,
    cell_centers_px,
    image_in_grid,
    interpolation_matrix,
    scaled_grid,
)

sizes = st.integers(16, 700)


def receptive_field(vgg: Network, block: int, cell: int) -> tuple[int, int]:
    """First and last input pixel that the first convolution of a block sees at a cell."""
    low, high = cell - 1, cell + 1
    before = list(takewhile(lambda node: node.name != f"conv{block}_1", vgg.nodes))
    for node in reversed(before):
        if isinstance(node.operation, MaxPooling):
            low, high = 2 * low, 2 * high + 1
        elif isinstance(node.operation, Convolution):
            low, high = low - 1, high + 1
    return low, high


@pytest.mark.parametrize("vgg", [VGG16, VGG19])
@pytest.mark.parametrize("block", [1, 2, 3, 4, 5])
def test_cells_lie_at_the_centers_of_their_receptive_fields(vgg: Network, block: int) -> None:
    centers = cell_centers_px(500, block)
    for cell, center in enumerate(centers):
        assert center == sum(receptive_field(vgg, block, cell)) / 2
    tap = vgg.tap(f"relu{block}_1")
    assert (tap.stride_px, tap.offset_px) == (centers[1] - centers[0], centers[0])


def test_the_documents_examples() -> None:
    np.testing.assert_array_equal(cell_centers_px(64, 2)[:3], [0.5, 2.5, 4.5])
    np.testing.assert_array_equal(cell_centers_px(64, 5)[:3], [7.5, 23.5, 39.5])
    cells = np.arange(block_size(384, 2))
    np.testing.assert_array_equal(scaled_grid(384, 384, 16, 7.5, 2), (cells - 3.5) / 8)


@given(input_px=st.integers(1, 5000), block=st.integers(1, 5))
def test_sizes_are_those_of_ceil_mode_pooling(input_px: int, block: int) -> None:
    size = block_size(input_px, block)
    assert size == -(-input_px // 2 ** (block - 1))
    assert len(cell_centers_px(input_px, block)) == size
    assert block_stride(block) == 2 ** (block - 1)


@given(
    input_px=sizes,
    scaled_px=sizes,
    block=st.integers(1, 5),
    grid_block=st.integers(1, 5),
    slope=st.floats(-3, 3),
)
def test_a_ramp_over_the_image_stays_where_it_is(
    input_px: int, scaled_px: int, block: int, grid_block: int, slope: float
) -> None:
    """Interpolation by the ratio of sizes would stretch it where ceil-mode pooling matters."""
    coarse = (cell_centers_px(scaled_px, block) + 0.5) / scaled_px  # as shares of the image
    fine = (cell_centers_px(input_px, grid_block) + 0.5) / input_px
    stride_px = 2 ** (block - 1)
    positions = scaled_grid(input_px, scaled_px, stride_px, (stride_px - 1) / 2, grid_block)
    expected = slope * np.clip(fine, coarse[0], coarse[-1]) + 1
    found = interpolation_matrix(positions, len(coarse)) @ (slope * coarse + 1)
    np.testing.assert_allclose(found, expected, atol=1e-9)


@given(input_px=sizes, image_px=st.integers(1, 3000), grid_block=st.integers(1, 5))
def test_image_pixels_and_the_networks_input_cover_the_same_extent(
    input_px: int, image_px: int, grid_block: int
) -> None:
    """A position's fraction of the image is its fraction of the network input."""
    in_grid = image_in_grid(image_px, input_px, grid_block)
    stride = 2 ** (grid_block - 1)
    input_coordinate = stride * in_grid + (stride - 1) / 2
    fraction = (input_coordinate + 0.5) / input_px
    np.testing.assert_allclose(fraction, (np.arange(image_px) + 0.5) / image_px, atol=1e-12)


@given(
    positions=st.lists(st.floats(-20, 30), min_size=1, max_size=20),
    values=st.lists(st.floats(-5, 5), min_size=1, max_size=12),
)
def test_interpolation_is_numpys(positions: list[float], values: list[float]) -> None:
    matrix = interpolation_matrix(np.array(positions), len(values))
    np.testing.assert_allclose(matrix.sum(1), 1, atol=1e-12)
    assert (matrix >= 0).all()
    expected = np.interp(positions, np.arange(len(values)), values)
    np.testing.assert_allclose(matrix @ values, expected, atol=1e-9)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_interpolation_of_an_axis_is_the_matrixs(axis: int) -> None:
    rng = np.random.default_rng(axis)
    values = rng.normal(size=(5, 5, 5)).astype(np.float32)
    positions = rng.uniform(0, 4, 9)
    lower = positions.astype(np.intp)
    weight = (positions - lower).astype(np.float32)
    found = between(values, lower, lower + 1, weight, axis)
    expected = np.tensordot(interpolation_matrix(positions, 5), values, (1, axis))
    np.testing.assert_allclose(found, np.moveaxis(expected, 0, axis), atol=1e-6)


@settings(max_examples=200)
@given(cells=st.integers(1, 60), sigma=st.floats(0.05, 40), seed=st.integers(0, 99))
def test_the_blur_is_scipys(cells: int, sigma: float, seed: int) -> None:
    matrix = blur_matrix(cells, sigma)
    np.testing.assert_allclose(matrix.sum(1), 1, atol=1e-12)
    signal = np.random.default_rng(seed).normal(size=cells)
    radius = max(1, int(np.ceil(4 * sigma)))
    expected = gaussian_filter1d(signal, sigma, mode="nearest", radius=radius)
    np.testing.assert_allclose(matrix @ signal, expected, atol=1e-9)


def test_no_blur_at_all_is_the_identity() -> None:
    np.testing.assert_array_equal(blur_matrix(7, 0.0), np.eye(7))
