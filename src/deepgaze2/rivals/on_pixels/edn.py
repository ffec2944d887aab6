"""eDN: an ensemble of deep networks with random filters (Vig, Dorr and Cox 2014).

E. Vig, M. Dorr, D. Cox, "Large-Scale Optimization of Hierarchical Features for Saliency
Prediction in Natural Images", CVPR 2014. Parameters and procedure are those of the authors'
published code, https://github.com/coxlab/edn-cvpr2014 (MIT license): 832 random features,
whitened and weighted by a linear support vector machine trained on MIT1003.
"""

import numpy as np
import safetensors.numpy
import scipy.ndimage
from numpy.typing import NDArray
from PIL import Image

from deepgaze2.rivals.on_pixels.edn_networks import NETWORKS, network_maps
from deepgaze2.rivals.on_pixels.pixels import check_pixels
from deepgaze2.support.files import ASSETS

_LONGER_PIXELS, _SHORTER_PIXELS = 512, 384
_BLUR_PIXELS = 30.0


def saliency(pixels: NDArray[np.uint8], *, center: bool = True) -> NDArray[np.float32]:
    """Return eDN's saliency map of an image.

    Parameters
    ----------
    pixels : uint8 array (H, W, 3)
        RGB.
    center : bool
        Whether the distance to the image's center is one more feature. Both machines were
        published; the one with the center is what the published program takes by default.

    Returns
    -------
    float32 array (H, W)
        The machine's decision, interpolated by cubic splines and blurred by a Gaussian of 30
        pixels. Higher is more salient.

    Raises
    ------
    StimulusError
        If the array is no 8-bit color image, or a side is shorter than 32 pixels.
    """
    check_pixels(pixels)
    small = scaled(pixels)
    weights, mean, deviation = _machine(center)
    coefficients = weights / deviation
    height, width = (-(-length // 8) for length in small.shape[:2])
    decision = np.full((height, width), -coefficients @ mean)
    if center:
        decision += coefficients[0] * _zoomed(center_distance(*small.shape[:2]), height, width)
        coefficients = coefficients[1:]
    start = 0
    for network in NETWORKS:
        image = small if network.color == "rgb" else yuv(small)
        maps = network_maps(network, image.astype(np.float32))
        stop = start + maps.shape[2]
        # Weighting before interpolation, which is linear, spares interpolating each map.
        decision += _zoomed(maps @ coefficients[start:stop], height, width)
        start = stop
    large = _zoomed(decision, *pixels.shape[:2]).astype(np.float32)
    return scipy.ndimage.gaussian_filter(large, _BLUR_PIXELS)


def scaled(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the image at the size that the networks see: about 512 by 384 pixels.

    Both sides are multiplied by the mean of 512 / longer and 384 / shorter, then truncated.
    Interpolation is bicubic at points, without averaging the pixels between them, as
    resizing did in the Python Imaging Library at the time of the training.

    Parameters
    ----------
    pixels : uint8 array (H, W, 3)

    Returns
    -------
    uint8 array (h, w, 3)
    """
    height, width = pixels.shape[:2]
    scale = (_LONGER_PIXELS / max(height, width) + _SHORTER_PIXELS / min(height, width)) / 2
    size = (int(width * scale), int(height * scale))
    if size == (width, height):
        return pixels
    matrix = (width / size[0], 0, 0, 0, height / size[1], 0)
    image = Image.fromarray(pixels).transform(
        size, Image.Transform.AFFINE, matrix, Image.Resampling.BICUBIC
    )
    return np.asarray(image)


def yuv(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Stretch an image's values to 0 to 255, all channels alike, and convert it to YCbCr.

    Parameters
    ----------
    pixels : uint8 array (h, w, 3)
        RGB.

    Returns
    -------
    uint8 array (h, w, 3)
        Luma and the two color differences, as in JPEG.
    """
    lowest, highest = int(pixels.min()), int(pixels.max())
    stretched = (pixels - lowest) * (255 / max(highest - lowest, 1)) + 0.4999
    return np.asarray(Image.fromarray(stretched.astype(np.uint8)).convert("YCbCr"))


def center_distance(height: int, width: int) -> NDArray[np.float64]:
    """Return each pixel's distance to the center, rounded down, in shares of the largest.

    Returns
    -------
    float64 array (height, width)
    """
    y = np.arange(height)[:, None] - height // 2
    x = np.arange(width) - width // 2
    distance = np.floor(np.hypot(y, x))
    return np.asarray(distance / distance.max())


def _machine(center: bool) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return the weights, and the features' means and standard deviations for whitening."""
    file = ASSETS / "rivals" / "edn.safetensors"
    arrays = safetensors.numpy.load(file.read_bytes())
    prefix = "center_" if center else ""
    return arrays[f"{prefix}weights"], arrays[f"{prefix}mean"], arrays[f"{prefix}deviation"]


def _zoomed(values: NDArray[np.float64], height: int, width: int) -> NDArray[np.float64]:
    """Interpolate by cubic splines such that the corner cells stay in the corners."""
    if values.shape == (height, width):
        return values
    zoom = (height / values.shape[0], width / values.shape[1])
    return np.asarray(scipy.ndimage.zoom(values, zoom, mode="mirror"))
