"""AIM: attention based on information maximization (Bruce and Tsotsos 2009, JoV 9(3):5).

A place is salient if what is seen there is rare in the image. Patches are described by
independent components of natural images, so that the likelihood of a patch is the product of
the likelihoods of its components, each read from a histogram over the image.
"""

from functools import cache

import numpy as np
import safetensors.numpy
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from deepgaze2.rivals.on_pixels.pixels import check_pixels
from deepgaze2.support.files import ASSETS

# Defaults of the authors' Matlab program of 2009.
_BINS = 256
_SMALLEST_LIKELIHOOD = 1e-6  # added to each
_SIGMA_PX = 8  # one degree of visual angle, as they have it
_RADIUS_PX = 15

_KEY = "basis"


def saliency(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return AIM's saliency map: self-information in nats, blurred.

    As the authors' program with its final blur: the responses of all components share one
    minimum and maximum, 256-bin histograms, Gaussian blur of 8 px (zero beyond the border). The
    basis is our own, see `scripts/package_aim_basis.py`; theirs may not be distributed. The
    image keeps its size; the authors' entry to the MIT benchmark was computed at half of it, with
    another basis. Takes about 70 bytes of memory per pixel.

    Parameters
    ----------
    pixels : uint8 array (height, width, 3)
        sRGB.

    Returns
    -------
    float32 array (height, width)
        The outermost 10 pixels, where patches would leave the image, have the minimum.

    Raises
    ------
    StimulusError
        If the image is smaller than 32 pixels on a side, or no uint8 (height, width, 3).
    """
    check_pixels(pixels)
    basis = load_basis()
    information = self_information(responses(pixels, basis))
    blurred = gaussian_filter(information, _SIGMA_PX, mode="constant", radius=_RADIUS_PX)
    margin = basis.shape[1] // 2
    return np.pad(blurred, margin, constant_values=blurred.min())


def responses(pixels: NDArray[np.uint8], basis: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the response of each component to each patch that lies inside the image.

    Parameters
    ----------
    pixels : uint8 array (height, width, 3)
    basis : float32 array (n_components, p, p, 3)
        Filters for pixels in 0..1, which are not mirrored.

    Returns
    -------
    float32 array (n_components, height - p + 1, width - p + 1)
    """
    n_components, side = basis.shape[:2]
    unmixing = basis.reshape(n_components, -1).T / np.float32(255)
    windows = sliding_window_view(pixels, (side, side), axis=(0, 1)).transpose(0, 1, 3, 4, 2)
    out = np.empty((n_components, *windows.shape[:2]), dtype=np.float32)
    for y, row in enumerate(windows):  # all patches at once would take 5 kB per pixel
        patches = row.reshape(len(row), -1).astype(np.float32)
        out[:, y] = (patches @ unmixing).T
    return out


def self_information(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return minus the log likelihood of each place's features under the image's histograms.

    Parameters
    ----------
    features : float32 array (n_features, h, w)

    Returns
    -------
    float32 array (h, w)
        Nats.
    """
    lowest, highest = features.min(), features.max()
    scale = (_BINS - 1) / (highest - lowest) if highest > lowest else np.float32(0)
    information = np.zeros(features.shape[1:], dtype=np.float32)
    for feature in features:
        bins = np.rint((feature - lowest) * scale).astype(np.uint8)
        likelihood = np.bincount(bins.ravel(), minlength=_BINS) / bins.size
        information -= np.log(likelihood + _SMALLEST_LIKELIHOOD).astype(np.float32)[bins]
    return information


@cache
def load_basis() -> NDArray[np.float32]:
    """Return the packaged filters (n_components, 21, 21, 3) for pixels in 0..1."""
    file = ASSETS / "rivals" / "aim_basis.safetensors"
    return safetensors.numpy.load(file.read_bytes())[_KEY].astype(np.float32)
