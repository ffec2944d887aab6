"""Images in which one thing stands out, and where it is."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_SPACING_PX = 48
_TARGET = (2, 3)  # row and column of the odd one among 5 × 6


@dataclass(frozen=True)
class PopOut:
    """An image (240, 288, 3) and the rectangle of its target."""

    pixels: NDArray[np.uint8]
    rows: slice
    columns: slice

    def has_maximum_of(self, saliency: NDArray[np.float32]) -> bool:
        """Whether the map's highest values are within a bar's length of the target."""
        y, x = np.unravel_index(np.argmax(saliency), saliency.shape)
        near_y = self.rows.start - 24 <= y < self.rows.stop + 24
        return bool(near_y and self.columns.start - 24 <= x < self.columns.stop + 24)


def _bars(is_upright: bool, color: tuple[int, int, int], odd: tuple[int, int, int]) -> PopOut:
    pixels = np.full((5 * _SPACING_PX, 6 * _SPACING_PX, 3), 100, dtype=np.uint8)
    rows, columns = slice(0), slice(0)
    for row in range(5):
        for column in range(6):
            is_odd = (row, column) == _TARGET
            height, width = (24, 8) if is_upright or is_odd else (8, 24)
            top = row * _SPACING_PX + (_SPACING_PX - height) // 2
            left = column * _SPACING_PX + (_SPACING_PX - width) // 2
            bar = slice(top, top + height), slice(left, left + width)
            pixels[bar] = odd if is_odd else color
            if is_odd:
                rows, columns = bar
    return PopOut(pixels, rows, columns)


def red_among_green() -> PopOut:
    return _bars(True, (40, 160, 40), (160, 40, 40))


def upright_among_level() -> PopOut:
    return _bars(False, (200, 200, 200), (200, 200, 200))


def bright_spot() -> PopOut:
    pixels = np.full((240, 288, 3), 60, dtype=np.uint8)
    rows, columns = slice(104, 120), slice(152, 168)
    pixels[rows, columns] = 220
    return PopOut(pixels, rows, columns)
