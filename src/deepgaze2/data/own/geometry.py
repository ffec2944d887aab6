"""From what was recorded to pixels of the image: one affine map for each image.

A program may write positions in pixels, fractions, percent or degrees, of the screen or of the
image, counted from a corner or the center; the image may lie anywhere on the screen, at any size.
`Geometry` says which, and `maps_to_images` undo it.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from deepgaze2.data.own.conventions import Coordinates
from deepgaze2.errors import DataError

Origin = Literal["top-left", "bottom-left", "center-down", "center-up"]
Shown = Literal["centered", "fit", "stretched"] | tuple[float, float, float, float]
Screen = tuple[int, int] | Literal["none"]
Numbers = NDArray[np.float64]
Sizes = NDArray[np.int32]
Rectangles = tuple[Numbers | float, Numbers | float, Numbers | float, Numbers | float]

_UPWARD = ("bottom-left", "center-up")
RECTANGLE_ROLES = ("shown_x", "shown_y", "shown_width", "shown_height")


@dataclass(frozen=True)
class Geometry:
    """What positions are counted in, and where on the screen images were shown.

    Attributes
    ----------
    coordinates : {"pixels", "normalized", "percent", "degrees", "height", "norm"}, optional
        Guessed if not stated. Fractions and percent are of the screen, or of the image where no
        screen is stated. PsychoPy's height counts x and y in heights of the screen, its norm each
        in half the screen's width and height.
    base : {0, 1}, optional
        What the first pixel is called; guessed if not stated.
    origin : {"top-left", "bottom-left", "center-down", "center-up"}, optional
        Where positions are counted from, and whether y grows down or up from the center.
    screen : (int, int) or "none", optional
        Width and height in pixels of the screen that positions are counted on. "none" says that
        they are the image's own, however unlikely they look.
    shown : {"centered", "fit", "stretched"} or (x, y, width, height), optional
        Whether images were shown pixel by pixel at the center, as large as the screen allows with
        their proportions kept, or filling it; or in which rectangle of the screen, in pixels from
        its top left.
    pixels_per_degree : float, optional
        Of the screen, or of the image where no screen is stated; needed for degrees.
    """

    coordinates: Coordinates | None = None
    base: Literal[0, 1] | None = None
    origin: Origin | None = None
    screen: Screen | None = None
    shown: Shown | None = None
    pixels_per_degree: float | None = None

    def checked(self, place: str, *, recorded: bool) -> "Geometry":
        """Refuse what contradicts itself or leaves something open.

        Parameters
        ----------
        place : str
            The table's name, for messages.
        recorded : bool
            Whether columns hold the rectangles in which images were shown.

        Raises
        ------
        DataError
            It names the option that is missing or too many.
        """
        has_screen = isinstance(self.screen, tuple)
        if self.coordinates in ("height", "norm") and not has_screen:
            reason = (
                f"{self.coordinates} is PsychoPy's unit of the screen; state --screen, such as"
                " 1920x1080, and --shown (fractions from 0 to 1 are --coordinates normalized)"
            )
        elif recorded and self.shown is not None:
            reason = "columns say where images were shown; leave out --shown"
        elif has_screen and self.shown is None and not recorded:
            reason = (
                "a screen alone does not say where images were on it; state --shown centered, fit,"
                " stretched or X,Y,WIDTH,HEIGHT"
            )
        elif not has_screen and (self.shown is not None or recorded) and self._needs_screen():
            reason = (
                "how images were shown says nothing without the screen; state --screen, such as"
                " 1920x1080"
            )
        elif self.coordinates == "degrees" and self.origin is None:
            reason = (
                "degrees of what origin? State --origin center-up if y grows upward,"
                " center-down, top-left or bottom-left"
            )
        elif self.pixels_per_degree is not None and self.coordinates != "degrees":
            reason = "--pixels-per-degree goes with --coordinates degrees; leave it out or add that"
        elif isinstance(self.shown, tuple) and not (
            min(self.shown[2:]) > 0 and np.isfinite(self.shown).all()
        ):
            reason = "an image shown has a width and a height; state --shown X,Y,WIDTH,HEIGHT"
        elif isinstance(self.screen, tuple) and min(self.screen) < 1:
            reason = "a screen has pixels; state --screen, such as 1920x1080"
        else:
            return self
        raise DataError(f"{place}: {reason}")

    def _needs_screen(self) -> bool:
        from_corner = self.origin in (None, "top-left")
        placed = not isinstance(self.shown, str)
        return self.screen == "none" or not (
            placed and from_corner and self.coordinates in (None, "pixels", "degrees")
        )


@dataclass(frozen=True)
class Maps:
    """Affine maps from what was recorded to pixels of images, one each.

    Attributes
    ----------
    x_scale, x_offset, y_scale, y_offset : float64 array (n,)
        A position is scale times what was recorded, plus offset.
    """

    x_scale: Numbers
    x_offset: Numbers
    y_scale: Numbers
    y_offset: Numbers

    def of(self, chosen: Sizes) -> "Maps":
        """Return the maps with these numbers."""
        return Maps(*(column[chosen] for column in self._columns()))

    def apply(self, x: Numbers, y: Numbers) -> None:
        """Change positions in place."""
        x *= self.x_scale
        x += self.x_offset
        y *= self.y_scale
        y += self.y_offset

    def _columns(self) -> tuple[Numbers, Numbers, Numbers, Numbers]:
        return self.x_scale, self.x_offset, self.y_scale, self.y_offset


def maps_to_images(
    width: Sizes,
    height: Sizes,
    geometry: Geometry,
    rectangles: Rectangles | None = None,
    pixels_per_degree: Numbers | float | None = None,
    *,
    whole: bool = False,
) -> Maps:
    """Return the maps that undo a geometry.

    Parameters
    ----------
    width, height : int32 array (n,)
        Of images, in pixels.
    geometry : Geometry
        Checked, and with nothing left to be guessed.
    rectangles : four float64 arrays (n,), optional
        Where on the screen each image was: x, y, width, height in pixels.
    pixels_per_degree : float64 array (n,) or float, optional
        Needed for degrees.
    whole : bool
        Whether positions are the numbers of pixels, so that the last one is the size less one.
    """
    frame_width, frame_height = frame_of(width, height, geometry)
    columns = []
    shown = rectangles or screen_rectangles(
        geometry.shown, frame_width, frame_height, width, height
    )
    for start, extent, frame, size, from_below in (
        (shown[0], shown[2], frame_width, width, False),
        (shown[1], shown[3], frame_height, height, geometry.origin in _UPWARD),
    ):
        counted_in = frame_height if geometry.coordinates == "height" else frame
        unit = _pixels_per_unit(geometry.coordinates, counted_in, pixels_per_degree)
        scale, offset = unit, np.full(len(frame), -float(geometry.base or 0))
        if from_below:
            scale, offset = -scale, -offset
        if geometry.origin == "bottom-left" and from_below:
            offset += frame - int(whole)
        elif (geometry.origin or "").startswith("center"):
            offset += frame / 2
        zoom = size / np.asarray(extent, np.float64)
        columns += [scale * zoom, (offset - start) * zoom]
    return Maps(columns[0], columns[1], columns[2], columns[3])


def frame_of(width: Sizes, height: Sizes, geometry: Geometry) -> tuple[Sizes, Sizes]:
    """Return the sizes of what positions are counted in: screens, or else images."""
    if isinstance(geometry.screen, tuple):
        return np.full_like(width, geometry.screen[0]), np.full_like(height, geometry.screen[1])
    return width, height


def _pixels_per_unit(
    coordinates: Coordinates | None, size: Sizes, pixels_per_degree: Numbers | float | None
) -> Numbers:
    if coordinates == "degrees":
        return np.broadcast_to(np.asarray(pixels_per_degree, np.float64), size.shape)
    if coordinates == "pixels":
        return np.ones(len(size))
    return size / {"percent": 100, "norm": 2}.get(coordinates or "", 1)


def screen_rectangles(
    shown: Shown | None,
    screen_width: NDArray[Any],
    screen_height: NDArray[Any],
    width: NDArray[Any],
    height: NDArray[Any],
) -> Rectangles:
    """Return where on their screens (n,) images (n,) lie: x, y, width, height in pixels.

    None means that the image is the screen.
    """
    if isinstance(shown, tuple):
        return shown
    if shown is None:
        return 0.0, 0.0, width.astype(np.float64), height.astype(np.float64)
    if shown == "stretched":
        return 0.0, 0.0, screen_width.astype(np.float64), screen_height.astype(np.float64)
    wide, high = width.astype(np.float64), height.astype(np.float64)
    if shown == "fit":
        scale = np.minimum(screen_width / width, screen_height / height)
        wide, high = scale * wide, scale * high
    return (screen_width - wide) / 2, (screen_height - high) / 2, wide, high
