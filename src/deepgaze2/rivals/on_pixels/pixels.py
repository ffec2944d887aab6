"""The check of what rivals are given."""

import numpy as np
from numpy.typing import NDArray

from deepgaze2.errors import StimulusError

MIN_SIDE_PX = 32


def check_pixels(pixels: NDArray[np.uint8]) -> None:
    """Refuse what is not an 8-bit color image of at least 32 by 32 pixels.

    Raises
    ------
    StimulusError
        If the array has another type or shape, or a side is too short.
    """
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
        raise StimulusError(
            f"array: {pixels.dtype} of shape {pixels.shape} are no pixels; "
            "give uint8 (height, width, 3)"
        )
    height, width = pixels.shape[:2]
    if min(height, width) < MIN_SIDE_PX:
        raise StimulusError(
            f"array: {width} x {height} pixels are too few; "
            f"give an image of at least {MIN_SIDE_PX} on each side"
        )
