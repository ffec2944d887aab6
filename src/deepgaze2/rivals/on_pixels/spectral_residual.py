"""Spectral residual saliency (Hou and Zhang 2007, CVPR).

What is common to all images is the smooth part of the log amplitude spectrum; what differs
from it, the residual, together with the phase, is transformed back to where it comes from.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import gaussian_filter, uniform_filter

from deepgaze2.rivals.on_pixels.pixels import check_pixels

# The paper's section 2.3 and the program that its authors published.
_WIDTH_PX = 64
_SMOOTHING_CELLS = 3
_SIGMA_CELLS = 2.5
_RADIUS_CELLS = 5

# Amplitudes below are rounding errors: 8-bit gray alone leaves about 0.05 in a 64×48 spectrum.
_SMALLEST_AMPLITUDE = 1e-4


def saliency(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the spectral residual's saliency map.

    As published: gray, 64 px wide, log amplitude minus its mean over 3×3 frequencies (border
    replicated), squared magnitude of the transform back, Gaussian blur of 2.5 cells cut off at 5
    (zero beyond the border), scaled to 0..1; then bilinear to the image's size. Versions
    at full size, without the square or with another blur are not the published one.

    Parameters
    ----------
    pixels : uint8 array (height, width, 3)
        sRGB.

    Returns
    -------
    float32 array (height, width)
        In 0..1; zero everywhere if the image is of one gray level.

    Raises
    ------
    StimulusError
        If the image is smaller than 32 pixels on a side, or no uint8 (height, width, 3).
    """
    check_pixels(pixels)
    height, width = pixels.shape[:2]
    gray = Image.fromarray(pixels).convert("L")
    darkest, brightest = gray.getextrema()
    if darkest == brightest:
        return np.zeros((height, width), dtype=np.float32)
    small_height = max(1, round(height * _WIDTH_PX / width))
    small = gray.convert("F").resize((_WIDTH_PX, small_height), Image.Resampling.BICUBIC)
    energy = residual_energy(np.asarray(small, dtype=np.float64) / 255)
    blurred = gaussian_filter(energy, _SIGMA_CELLS, mode="constant", radius=_RADIUS_CELLS)
    scaled = (blurred - blurred.min()) / np.ptp(blurred)
    enlarged = Image.fromarray(scaled.astype(np.float32)).resize(
        (width, height), Image.Resampling.BILINEAR
    )
    return np.asarray(enlarged)


def residual_energy(gray: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return where the spectral residual comes from: equations 3 to 5 without the blur.

    Parameters
    ----------
    gray : float64 array (h, w)
        Gray levels in 0..1.

    Returns
    -------
    float64 array (h, w)
        Squared magnitude, not negative.
    """
    spectrum = np.fft.fft2(gray)
    log_amplitude = np.log(np.maximum(np.abs(spectrum), _SMALLEST_AMPLITUDE))
    average = uniform_filter(log_amplitude, _SMOOTHING_CELLS, mode="nearest")
    # exp(residual) with the spectrum's phase, where the residual is log amplitude - average
    return np.asarray(np.abs(np.fft.ifft2(spectrum * np.exp(-average))) ** 2)
