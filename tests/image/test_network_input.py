import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from deepgaze2.errors import StimulusError
from deepgaze2.image.examples import example_paths
from deepgaze2.image.network_input import network_input, network_size
from deepgaze2.image.stimulus import read_stimulus

SIDES = st.integers(1, 30_000)


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ((1024, 768), (512, 384)),
        ((768, 1024), (384, 512)),
        ((6000, 4000), (512, 341)),
        ((3, 5000), (16, 512)),
        ((1, 1), (512, 512)),
    ],
)
def test_without_geometry_the_longer_side_is_512(
    image: tuple[int, int], expected: tuple[int, int]
) -> None:
    assert network_size(*image) == expected


@given(SIDES, SIDES, st.integers(16, 2048))
def test_size_keeps_the_aspect_ratio_to_half_a_pixel(width: int, height: int, longer: int) -> None:
    w, h = network_size(width, height, longer_side_px=longer)
    assert max(w, h) == longer
    scale = longer / max(width, height)
    assert abs(w - width * scale) <= 0.5 + 1e-6 or w == 16
    assert abs(h - height * scale) <= 0.5 + 1e-6 or h == 16


def test_known_geometry_gives_17_5_pixels_per_degree() -> None:
    assert network_size(1024, 768, pixels_per_degree=35) == (512, 384)
    assert network_size(1024, 768, pixels_per_degree=17.5) == (1024, 768)
    assert network_size(1000, 500, pixels_per_degree=70) == (250, 125)
    assert network_size(1000, 10, pixels_per_degree=1e9) == (16, 16)


@pytest.mark.parametrize("value", [0.0, -35.0, math.nan, math.inf])
def test_impossible_geometry_is_refused(value: float) -> None:
    with pytest.raises(StimulusError, match=r"pixels_per_degree=.*give at least 8\.75"):
        network_size(1024, 768, pixels_per_degree=value)


@given(SIDES, SIDES, st.floats(1e-3, 300))
def test_limit_is_2048_and_the_advised_value_is_accepted(w: int, h: int, ppd: float) -> None:
    try:
        seen = network_size(w, h, pixels_per_degree=ppd)
    except StimulusError as error:
        assert 17.5 / ppd * max(w, h) > 2048
        advised = re.search(r"at least ([\d.]+)", str(error))
        assert advised is not None
        seen = network_size(w, h, pixels_per_degree=float(advised[1]))
    assert max(seen) <= 2048


def _cubic_weights(n_in: int, n_out: int) -> NDArray[np.float64]:
    """Antialiased cubic convolution (a = -1/2), one row per output pixel."""
    step = n_in / n_out
    stretch = max(step, 1.0)
    centers = (np.arange(n_out) + 0.5) * step
    x = np.abs((np.arange(n_in) + 0.5 - centers[:, None]) / stretch)
    near = 1.5 * x**3 - 2.5 * x**2 + 1
    far = -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    weights = np.where(x < 1, near, np.where(x < 2, far, 0))
    return np.asarray(weights / weights.sum(1, keepdims=True))


@pytest.mark.parametrize("longer_side_px", [90, 200, 512, 1100])
def test_resize_matches_an_exact_cubic_in_float64(longer_side_px: int) -> None:
    pixels = next(read_stimulus(p).pixels for p in example_paths() if p.stem == "raccoon")
    height, width = pixels.shape[:2]
    size = network_size(width, height, longer_side_px=longer_side_px)
    rows, columns = _cubic_weights(height, size[1]), _cubic_weights(width, size[0])
    exact = np.clip([rows @ pixels[..., c] @ columns.T for c in range(3)], 0, 255)
    difference = np.abs(network_input(pixels, size) - exact)
    assert difference.mean() < 0.4
    assert difference.max() < 4


@pytest.mark.parametrize(("width", "height"), [(90, 900), (193, 568), (568, 193), (700, 650)])
def test_gray_levels_are_rounded_along_rows_then_along_columns(width: int, height: int) -> None:
    """Whatever order Pillow would take for a shape: predictions must not depend on its version."""
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    size = network_size(width, height)
    rows, columns = _cubic_weights(height, size[1]), _cubic_weights(width, size[0])
    narrow = (np.floor(pixels[..., c] @ columns.T + 0.5).clip(0, 255) for c in range(3))
    expected = [np.floor(rows @ one + 0.5).clip(0, 255) for one in narrow]
    assert (network_input(pixels, size) != expected).mean() < 1e-3  # weights are rounded, too


def test_input_is_contiguous_rgb_planes_and_unchanged_at_its_own_size() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (37, 53, 3), dtype=np.uint8)
    image = network_input(pixels, (53, 37))
    assert image.dtype == np.uint8
    assert image.flags.c_contiguous
    np.testing.assert_array_equal(image, pixels.transpose(2, 0, 1))
