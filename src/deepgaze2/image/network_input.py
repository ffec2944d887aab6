"""What the network sees of a stimulus: its size in network pixels, and the resize to it."""

import math
from collections.abc import Iterable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from deepgaze2.errors import StimulusError

Size: TypeAlias = tuple[int, int]
"""Width and height in pixels."""

NETWORK_PIXELS_PER_DEGREE = 17.5
MAX_LONGER_SIDE_PX = 2048

# One cell of the last block. Below it the layers see nothing but padding, and pooling a side
# of one cell is not defined alike in all engines.
_MIN_SIDE_PX = 16


def network_size(
    width: int,
    height: int,
    *,
    pixels_per_degree: float | None = None,
    longer_side_px: int = 512,
    min_side_px: int = 1,
) -> tuple[int, int]:
    """Return the (width, height) of the network input for an image of `width` × `height` px.

    Parameters
    ----------
    width, height : int
        Size of the whole image in pixels.
    pixels_per_degree : float, optional
        Image pixels per degree of visual angle. If given, the network sees
        17.5 px/degree, the resolution of the paper's halved MIT1003 images.
    longer_side_px : int
        Longer side of the network input where `pixels_per_degree` is not known.
    min_side_px : int
        The smallest side that the network takes, if that is more than 16.

    Returns
    -------
    tuple of int
        Width and height, each at least 16 or `min_side_px`: extremely long images are stretched
        to that.

    Raises
    ------
    StimulusError
        If `pixels_per_degree` is not a positive number, or so small that the longer
        side would exceed 2048 px.
    """
    longer = max(width, height)
    if pixels_per_degree is None:
        scale = longer_side_px / longer
    else:
        least = NETWORK_PIXELS_PER_DEGREE * longer / MAX_LONGER_SIDE_PX
        advice = f"give at least {math.ceil(least * 100) / 100:.2f} for an image of this size"
        if not (math.isfinite(pixels_per_degree) and pixels_per_degree > 0):
            raise StimulusError(f"pixels_per_degree={pixels_per_degree}: is not positive; {advice}")
        if pixels_per_degree < least:
            seen = NETWORK_PIXELS_PER_DEGREE / pixels_per_degree * longer
            raise StimulusError(
                f"pixels_per_degree={pixels_per_degree:g}: the network would see {seen:.0f} px on "
                f"the longer side, over the limit of {MAX_LONGER_SIDE_PX}; {advice}"
            )
        scale = NETWORK_PIXELS_PER_DEGREE / pixels_per_degree
    least_px = max(_MIN_SIDE_PX, min_side_px)
    return max(least_px, round(width * scale)), max(least_px, round(height * scale))


def network_input(pixels: NDArray[np.uint8], size: Size) -> NDArray[np.float32]:
    """Resize a stimulus with antialiasing to the network's size; see `network_inputs`."""
    return network_inputs(pixels, [size])[size]


def network_inputs(
    pixels: NDArray[np.uint8], sizes: Iterable[Size]
) -> dict[Size, NDArray[np.float32]]:
    """Resize a stimulus with antialiasing to each size at which networks see it.

    Parameters
    ----------
    pixels : uint8 array, shape (height, width, 3)
    sizes
        (width, height) in network pixels, from `network_size`.

    Returns
    -------
    dict of float32 arrays, shape (3, height, width)
        By size: RGB, 0..255, contiguous.
    """
    image = Image.fromarray(pixels)  # a copy, which of 24 megapixels takes longer than resizing it
    inputs = {}
    for size in dict.fromkeys(sizes):
        # reducing_gap averages whole blocks first where the image is over 6 times too large: half
        # the time for 24 megapixels, and 0.3 gray levels on average from an exact cubic either way.
        resized = image.resize(size, Image.Resampling.BICUBIC, reducing_gap=3.0)
        channels_first = np.asarray(resized).transpose(2, 0, 1)
        inputs[size] = np.ascontiguousarray(channels_first, dtype=np.float32)
    return inputs
