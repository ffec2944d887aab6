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
NetworkInput: TypeAlias = NDArray[np.uint8] | NDArray[np.float32]
"""What networks take: (3, height, width), RGB, 0..255."""

NETWORK_PIXELS_PER_DEGREE = 17.5
MAX_LONGER_SIDE_PX = 2048

REDUCING_GAP = 3
"""How many times as large an image must at least be left by averaging over whole blocks."""

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
    least_px = least_side_px(min_side_px)
    return max(least_px, round(width * scale)), max(least_px, round(height * scale))


def least_side_px(min_side_px: int) -> int:
    """Return the smallest side of a network input, for a network that takes `min_side_px`."""
    return max(_MIN_SIDE_PX, min_side_px)


def network_input(pixels: NDArray[np.uint8], size: Size) -> NDArray[np.uint8]:
    """Resize a stimulus with antialiasing to the network's size; see `network_inputs`."""
    return network_inputs(pixels, [size])[size]


def network_inputs(
    pixels: NDArray[np.uint8], sizes: Iterable[Size]
) -> dict[Size, NDArray[np.uint8]]:
    """Resize a stimulus with antialiasing to each size at which networks see it.

    Parameters
    ----------
    pixels : uint8 array, shape (height, width, 3)
    sizes
        (width, height) in network pixels, from `network_size`.

    Returns
    -------
    dict of uint8 arrays, shape (3, height, width)
        By size: RGB, contiguous.
    """
    image = Image.fromarray(pixels)  # a copy, which of 24 megapixels takes longer than resizing it
    inputs = {}
    for size in dict.fromkeys(sizes):
        channels_first = np.asarray(_resized(image, size)).transpose(2, 0, 1)
        inputs[size] = np.ascontiguousarray(channels_first)
    return inputs


def _resized(image: Image.Image, size: Size) -> Image.Image:
    # Means of whole blocks first where the image is over 6 times too large: half the time for 24
    # megapixels, and 0.3 gray levels on average from an exact cubic either way.
    factors = [
        max(1, px // (seen * REDUCING_GAP)) for px, seen in zip(image.size, size, strict=True)
    ]
    reduced = image.reduce((factors[0], factors[1])) if max(factors) > 1 else image
    right, bottom = (px / factor for px, factor in zip(image.size, factors, strict=True))
    # Rows, then columns: Pillow 13 takes tall images the other way round, and between the two
    # gray levels are rounded, so that log densities would differ by up to 0.02 nats.
    cubic, height = Image.Resampling.BICUBIC, reduced.height
    rows = reduced.resize((size[0], height), cubic, (0, 0, right, height))
    return rows.resize(size, cubic, (0, 0, size[0], bottom))
