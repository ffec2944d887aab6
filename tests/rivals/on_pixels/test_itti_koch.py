import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.signal import convolve2d

from deepgaze2.rivals.on_pixels.itti_koch import (
    center_surround,
    halved,
    normalized,
    opponencies,
    oriented,
    pyramid,
    saliency,
)
from helpers.pop_out import red_among_green


def odd_sized() -> NDArray[np.uint8]:
    """Halved eight times, both ends of 257 and 513 stay pixels: mirroring is exact."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (33, 65, 3), dtype=np.uint8)
    return coarse.repeat(8, axis=0).repeat(8, axis=1)[4:261, 4:517]


def test_mirrored_images_give_mirrored_maps() -> None:
    pixels = odd_sized()
    found = saliency(pixels)
    np.testing.assert_allclose(saliency(pixels[:, ::-1]), found[:, ::-1], atol=1e-6)
    np.testing.assert_allclose(saliency(pixels[::-1]), found[::-1], atol=1e-6)
    np.testing.assert_allclose(saliency(pixels.transpose(1, 0, 2)), found.T, atol=1e-6)


def test_halving_is_a_binomial_filter_mirrored_at_the_border() -> None:
    level = np.random.default_rng(1).random((9, 12))
    kernel = np.array([1, 4, 6, 4, 1]) / 16
    padded = np.pad(level, 2, mode="reflect")
    expected = convolve2d(padded, np.outer(kernel, kernel), mode="valid")[::2, ::2]
    np.testing.assert_allclose(halved(level), expected)


def test_opponencies_are_the_papers() -> None:
    colors = {
        (1.0, 0.0, 0.0): (3.0, 0.0),  # hue is relative to the mean of r, g, b
        (0.0, 1.0, 0.0): (-3.0, 0.0),
        (0.0, 0.0, 1.0): (0.0, 3.0),
        (1.0, 1.0, 0.0): (0.0, -1.5),
        (0.6, 0.6, 0.6): (0.0, 0.0),
        (0.09, 0.0, 0.0): (0.0, 0.0),  # too dark beside the others
    }
    rgb = np.array([list(colors)])
    found = np.stack(opponencies(rgb, rgb.mean(axis=2)), axis=-1)
    np.testing.assert_allclose(found[0], list(colors.values()), atol=1e-12)


def test_center_surround_interpolates_the_surround_at_the_center() -> None:
    levels = pyramid(np.random.default_rng(2).random((257, 257)))
    found = list(center_surround(levels))
    assert [m.shape for m in found] == [(65, 65)] * 2 + [(33, 33)] * 2 + [(17, 17)] * 2
    center, surround = levels[4], levels[7]  # 17 and 3 cells
    columns = np.stack([np.interp(np.arange(17) / 8, np.arange(3), row) for row in surround])
    expected = np.stack(
        [np.interp(np.arange(17) / 8, np.arange(3), column) for column in columns.T], axis=1
    )
    np.testing.assert_allclose(found[4], np.abs(center - expected), atol=1e-12)


def test_oriented_filters_prefer_their_own_wave() -> None:
    y, x = np.indices((41, 41))
    angles = np.deg2rad([0, 45, 90, 135])
    for angle in angles:
        wave = np.cos(np.pi / 2 * (x * np.cos(angle) + y * np.sin(angle)))
        responses = [oriented(wave, other)[20, 20] for other in angles]
        assert angles[np.argmax(responses)] == angle
        assert max(responses) > 2 * sorted(responses)[-2]


def test_normalization_by_hand() -> None:
    values = np.zeros((9, 9))
    values[1, 1], values[4, 4], values[7, 1], values[7, 7] = 8, 4, 2, 0.5  # the last: a ripple
    values[1, 2] = 8  # one plateau, one maximum
    np.testing.assert_allclose(normalized(values), values / 8 * (1 - (0.5 + 0.25) / 2) ** 2)


def test_one_peak_stays_and_equal_peaks_vanish() -> None:
    values = np.zeros((9, 9))
    values[2, 2] = 5
    assert normalized(values).max() == 1
    values[6, 6] = 5
    assert normalized(values).max() == 0


def test_color_pops_out_only_in_color() -> None:
    pop_out = red_among_green()
    gray = pop_out.pixels.mean(axis=2, keepdims=True).round().astype(np.uint8).repeat(3, axis=2)
    assert np.ptp(gray[pop_out.rows, pop_out.columns]) == 0
    assert not pop_out.has_maximum_of(saliency(gray))


@pytest.mark.parametrize("factor", [2, 3])
def test_brightness_of_the_whole_image_does_not_matter(factor: int) -> None:
    pixels = odd_sized() // 4
    np.testing.assert_allclose(saliency(pixels * np.uint8(factor)), saliency(pixels), atol=1e-6)
