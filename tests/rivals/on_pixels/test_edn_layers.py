"""Each layer against plain loops and SciPy's correlation, in float64."""

import numpy as np
import pytest
import scipy.signal
from numpy.typing import NDArray

from deepgaze2.rivals.on_pixels.edn_layers import filtered, normalized_locally, pooled


def windows(maps: NDArray[np.float32], size: int) -> NDArray[np.float64]:
    """Return the window around each cell, zeros beyond the border: (h, w, size, size, n)."""
    height, width, n_channels = maps.shape
    out = np.zeros((height, width, size, size, n_channels))
    for i, j, y, x in np.ndindex(out.shape[:4]):
        row, column = i + y - size // 2, j + x - size // 2
        if 0 <= row < height and 0 <= column < width:
            out[i, j, y, x] = maps[row, column]
    return out


def random_maps(shape: tuple[int, int, int], scale: float = 1) -> NDArray[np.float32]:
    return np.random.default_rng(sum(shape)).normal(0.2, scale, shape).astype(np.float32)


@pytest.mark.parametrize("remove_mean", [True, False])
@pytest.mark.parametrize("stretch", [0.1, 1.0, 10.0])
@pytest.mark.parametrize("shape", [(7, 6, 3), (4, 9, 1)])
def test_normalization_divides_by_norms_from_the_threshold_on(
    shape: tuple[int, int, int], stretch: float, remove_mean: bool
) -> None:
    maps = random_maps(shape) * np.linspace(0, 2, shape[1], dtype=np.float32)[:, None]
    threshold = 2.5 * stretch
    expected = np.empty(shape)
    divided = []
    for i, j in np.ndindex(shape[:2]):
        window = windows(maps, 3)[i, j]
        mean = window.mean() if remove_mean else 0.0
        norm = stretch * (np.linalg.norm(window - mean) + 1e-4)
        divided.append(norm >= threshold + 1e-4)
        expected[i, j] = stretch * (maps[i, j] - mean) / (norm if divided[-1] else 1)
    assert set(divided) == {True, False}
    found = normalized_locally(maps, 3, threshold, stretch, remove_mean)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_normalization_of_a_constant_window_is_finite() -> None:
    maps = np.full((7, 7, 2), 0.3, dtype=np.float32)
    found = normalized_locally(maps, 3, 0.0, 1.0, remove_mean=True)
    np.testing.assert_allclose(found[2:5, 2:5], 0, atol=1e-3)


@pytest.mark.parametrize(
    ("lowest", "highest"), [(None, None), (0.0, None), (None, 1.0), (0.0, 1.0)]
)
def test_filter_bank_is_a_clipped_correlation(lowest: float | None, highest: float | None) -> None:
    maps = random_maps((8, 11, 3))
    filters = np.random.default_rng(5).normal(size=(4, 5, 5, 3)).astype(np.float32)
    expected = np.zeros((8, 11, 4))
    for number, kernel in enumerate(filters):
        for channel in range(3):
            expected[:, :, number] += scipy.signal.correlate(
                maps[:, :, channel].astype(np.float64), kernel[:, :, channel], mode="same"
            )
    assert expected.min() < 0
    assert expected.max() > 1
    low, high = -np.inf if lowest is None else lowest, np.inf if highest is None else highest
    np.testing.assert_allclose(
        filtered(maps, filters, lowest, highest), expected.clip(low, high), atol=1e-5
    )


@pytest.mark.parametrize("order", [1, 2, 10])
@pytest.mark.parametrize("shape", [(7, 10, 3), (8, 5, 1)])
def test_pooling_is_the_root_of_the_sum_of_powers_at_every_second_cell(
    shape: tuple[int, int, int], order: int
) -> None:
    maps = random_maps(shape)
    sums = (windows(maps, 5) ** order).sum(axis=(2, 3))[::2, ::2]
    expected = sums if order == 1 else sums ** (1 / order)
    found = pooled(maps, 5, order)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
