"""Itti-Koch-Niebur saliency (1998, IEEE PAMI 20(11):1254-1259): the model as published there.

Center-surround differences between scales of intensity, two color opponencies and four
orientations (42 maps) are normalized so that maps with few peaks count more, and added.

Scores of "Itti-Koch" differ since programs do. This one follows the paper: maximum-based N(.),
result at a sixteenth of the image's size, no blur at the end, no winner-take-all. The iLab
toolkit and the SaliencyToolbox replace N(.) by repeated inhibition and attenuate borders; the
"Itti98" that comes with GBVS has other scales and squared differences, and blurs at the end,
which by itself raises AUC.
"""

from collections.abc import Iterable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import convolve1d, label, maximum, maximum_filter

from deepgaze2.readout.grid import interpolation_matrix
from deepgaze2.rivals.on_pixels.pixels import check_pixels

_Map: TypeAlias = NDArray[np.float64]

_CENTERS = (2, 3, 4)
_DELTAS = (3, 4)
_TOP = max(_CENTERS) + max(_DELTAS)
_RESULT = 4  # the scale at which maps are added
_ANGLES = tuple(np.deg2rad((0, 45, 90, 135)))
_DARKEST_HUE = 0.1  # of the image's brightest intensity; hue is not perceivable below
# The pyramid and the oriented filters are those of Greenspan et al. (1994), as the paper has it.
_LOW_PASS = np.array([1, 4, 6, 4, 1]) / 16
_WAVE_NUMBER = np.pi / 2  # radians per cell

# The paper averages "all its other local maxima". Those below a tenth of the highest are left
# out, since ripples of any size would otherwise decide how many there are.
_SMALLEST_PEAK = 0.1
_ROUNDING = 1e-9  # a map that stays below is zero but for rounding


def saliency(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the saliency map of Itti, Koch and Niebur (1998).

    Parameters
    ----------
    pixels : uint8 array (height, width, 3)
        sRGB.

    Returns
    -------
    float32 array (height, width)
        In 0..1, interpolated bilinearly from one cell per 16 pixels; zero everywhere if the
        image has one color. Coarse for images whose sides are below 256 pixels, which lack
        the largest scales.

    Raises
    ------
    StimulusError
        If the image is smaller than 32 pixels on a side, or no uint8 (height, width, 3).
    """
    check_pixels(pixels)
    rgb = pixels / 255
    intensity = rgb.mean(axis=2)
    intensities = pyramid(intensity)
    of_intensity = added(normalized(m) for m in center_surround(intensities))
    of_color = added(
        normalized(m)
        for opponency in opponencies(rgb, intensity)
        for m in center_surround(pyramid(opponency))
    )
    of_orientation = np.zeros_like(of_intensity)
    for angle in _ANGLES:
        responses = [oriented(level, angle) for level in intensities]
        of_orientation += normalized(added(normalized(m) for m in center_surround(responses)))
    conspicuities = (of_intensity, of_color, of_orientation)
    total = sum(normalized(m) for m in conspicuities) / 3
    return _at_image_pixels(np.asarray(total), *pixels.shape[:2]).astype(np.float32)


def opponencies(rgb: NDArray[np.float64], intensity: _Map) -> tuple[_Map, _Map]:
    """Return red minus green and blue minus yellow, of broadly tuned color channels.

    The channels are divided by intensity, and are zero where that is too low to see a hue.
    """
    is_bright = intensity > _DARKEST_HUE * intensity.max()
    hue = np.where(is_bright[..., None], rgb, 0) / np.where(is_bright, intensity, 1)[..., None]
    r, g, b = np.moveaxis(hue, -1, 0)
    red = np.maximum(r - (g + b) / 2, 0)
    green = np.maximum(g - (r + b) / 2, 0)
    blue = np.maximum(b - (r + g) / 2, 0)
    yellow = np.maximum((r + g) / 2 - np.abs(r - g) / 2 - b, 0)
    return red - green, blue - yellow


def pyramid(level: _Map) -> list[_Map]:
    """Return scales 0 to 8, each half as large as the one before: cell i is pixel 2^scale·i."""
    levels = [level]
    for _ in range(_TOP):
        levels.append(halved(levels[-1]))
    return levels


def halved(level: _Map) -> _Map:
    """Return every second cell of every second row, after a low-pass."""
    return _low_pass(level)[::2, ::2]


def oriented(level: _Map, angle: float) -> _Map:
    """Return the magnitude of a complex Gabor filter's response, for waves along an angle.

    The level's high frequencies are modulated down to zero by the wave and low-passed. `angle`
    is in radians, from rightward to downward.
    """
    y, x = np.indices(level.shape)
    wave = np.exp(1j * _WAVE_NUMBER * (x * np.cos(angle) + y * np.sin(angle)))
    modulated = (level - _low_pass(level)) * wave
    return np.hypot(_low_pass(modulated.real), _low_pass(modulated.imag))


def center_surround(levels: list[_Map]) -> Iterable[_Map]:
    """Yield the absolute differences of centers (scales 2, 3, 4) and surrounds 3 and 4 above.

    For colors the paper writes the surround's opponency the other way round (green minus red);
    taken literally a uniform red field would respond more than a red spot on green. As in all
    programs the surround is subtracted.
    """
    for center in _CENTERS:
        for delta in _DELTAS:
            surround = levels[center + delta]
            down, across = (
                interpolation_matrix(np.arange(n_center) / 2.0**delta, n_surround)
                for n_center, n_surround in zip(levels[center].shape, surround.shape, strict=True)
            )
            yield np.abs(levels[center] - down @ surround @ across.T)


def normalized(values: _Map) -> _Map:
    """Return N(.): scaled to 0..1 and multiplied by (1 - mean of the other local maxima)².

    One peak keeps its height; many alike vanish. A plateau counts as one local maximum.
    """
    largest = values.max()
    if largest < _ROUNDING:
        return np.zeros_like(values)
    scaled = values / largest
    is_peak = (scaled == maximum_filter(scaled, 3)) & (scaled > _SMALLEST_PEAK)
    plateaus, n_peaks = label(is_peak, np.ones((3, 3)))
    peaks = maximum(scaled, plateaus, np.arange(1, n_peaks + 1))
    mean_of_others = (np.sum(peaks) - 1) / max(n_peaks - 1, 1)
    return np.asarray(scaled * (1 - mean_of_others) ** 2)


def added(maps: Iterable[_Map]) -> _Map:
    """Return the sum of six or twelve center-surround maps, in their order, at scale 4."""
    scales = [center for center in _CENTERS for _ in _DELTAS]
    total = np.zeros(())
    for index, values in enumerate(maps):
        for _ in range(_RESULT - scales[index % len(scales)]):
            values = halved(values)
        total = total + values
    return total


def _low_pass(level: _Map) -> _Map:
    rows = convolve1d(level, _LOW_PASS, axis=0, mode="mirror")
    return np.asarray(convolve1d(rows, _LOW_PASS, axis=1, mode="mirror"))


def _at_image_pixels(values: _Map, height: int, width: int) -> _Map:
    down, across = (
        interpolation_matrix(np.arange(n_pixels) / 2.0**_RESULT, n_cells)
        for n_pixels, n_cells in zip((height, width), values.shape, strict=True)
    )
    return np.asarray(down @ values @ across.T)
