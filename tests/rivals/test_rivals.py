import sys
from subprocess import check_output

import numpy as np
import pytest
from numpy.typing import NDArray

from deepgaze2.errors import DeepGazeError, StimulusError
from deepgaze2.rivals import RIVALS, rival
from helpers.pop_out import PopOut, bright_spot, red_among_green, upright_among_level

NAMES = ("spectral-residual", "itti-koch", "aim")


def noise(height: int, width: int) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [(32, 32), (33, 150), (150, 47), (32, 2000)])
def test_images_of_any_size_give_a_finite_map_of_that_size(
    name: str, size: tuple[int, int]
) -> None:
    pixels = noise(*size)
    before = pixels.copy()
    saliency = rival(name)(pixels)
    assert saliency.shape == size
    assert saliency.dtype == np.float32
    assert np.isfinite(saliency).all()
    assert np.ptp(saliency) > 0
    np.testing.assert_array_equal(pixels, before)


@pytest.mark.parametrize("name", NAMES)
def test_gray_images_give_a_finite_map(name: str) -> None:
    saliency = rival(name)(noise(80, 60)[..., :1].repeat(3, axis=2))
    assert np.isfinite(saliency).all()
    assert np.ptp(saliency) > 0


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("color", [(0, 0, 0), (255, 255, 255), (77, 77, 77), (200, 13, 91)])
def test_constant_images_give_a_constant_map(name: str, color: tuple[int, int, int]) -> None:
    pixels = np.full((70, 90, 3), color, dtype=np.uint8)
    saliency = rival(name)(pixels)
    assert np.isfinite(saliency).all()
    inner = saliency[30:-30, 30:-30]  # AIM's blur takes what is beyond the border for zero
    np.testing.assert_allclose(inner, inner[0, 0], atol=1e-6)


@pytest.mark.parametrize("name", [*NAMES, "edn"])
@pytest.mark.parametrize(
    "pixels",
    [noise(31, 100), noise(100, 31), noise(40, 40)[..., 0], noise(40, 40).astype(np.float32)],
)
def test_refuses_what_is_no_image_or_too_small(name: str, pixels: NDArray[np.uint8]) -> None:
    with pytest.raises(StimulusError, match="give"):
        rival(name)(pixels)


@pytest.mark.parametrize(
    ("name", "pop_out"),
    [
        ("spectral-residual", bright_spot()),
        ("spectral-residual", upright_among_level()),
        ("itti-koch", bright_spot()),
        ("itti-koch", red_among_green()),
        ("itti-koch", upright_among_level()),
        ("aim", bright_spot()),
        ("aim", red_among_green()),
        ("aim", upright_among_level()),
    ],
)
def test_what_pops_out_has_the_maximum(name: str, pop_out: PopOut) -> None:
    assert pop_out.has_maximum_of(rival(name)(pop_out.pixels))


@pytest.mark.parametrize(("typed", "meant"), [("AIM", "aim"), ("itti", "itti-koch"), ("", "")])
def test_unknown_name_suggests_the_nearest(typed: str, meant: str) -> None:
    with pytest.raises(DeepGazeError, match=f"did you mean {meant}"):
        rival(typed)


def test_listing_rivals_imports_none_of_them() -> None:
    code = "import sys, deepgaze2.rivals; print([m for m in sys.modules if 'scipy' in m])"
    assert check_output([sys.executable, "-c", code], text=True).strip() == "[]"
    assert all(entry.module.startswith("deepgaze2.rivals.") for entry in RIVALS.values())
