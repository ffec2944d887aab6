"""From what was recorded to pixels of the image: one affine map for each image.

A program may write positions in pixels, fractions, percent or degrees, of the screen or of the
image, counted from a corner or the center; the image may lie anywhere on the screen, at any size.
`Geometry` says which, and `to_image` undoes it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from deepgaze2.data.dataset import Stimuli
from deepgaze2.data.own.conventions import Coordinates, to_pixels
from deepgaze2.data.own.rows import Rows
from deepgaze2.errors import DataError

Origin = Literal["top-left", "bottom-left", "center-down", "center-up"]
Shown = Literal["centered", "fit", "stretched"] | tuple[float, float, float, float]
Screen = tuple[int, int] | Literal["none"]
Numbers = NDArray[np.float64]
Sizes = NDArray[np.int32]
Rectangles = tuple[Numbers | float, Numbers | float, Numbers | float, Numbers | float]

RECTANGLE_ROLES = ("shown_x", "shown_y", "shown_width", "shown_height")


@dataclass(frozen=True)
class Geometry:
    """What positions are counted in, and where on the screen images were shown.

    Attributes
    ----------
    coordinates : {"pixels", "normalized", "percent", "degrees"}, optional
        Guessed if not stated. Fractions and percent are of the screen, or of the image where no
        screen is stated.
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
        if recorded and self.shown is not None:
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
        elif isinstance(self.shown, tuple) and not min(self.shown[2:]) > 0:
            reason = "an image shown has a width and a height; state --shown X,Y,WIDTH,HEIGHT"
        else:
            return self
        raise DataError(f"{place}: {reason}")

    def _needs_screen(self) -> bool:
        from_corner = self.origin in (None, "top-left")
        placed = not isinstance(self.shown, str)
        return self.screen == "none" or not (
            placed and from_corner and self.coordinates in (None, "pixels", "degrees")
        )


def to_image(
    x: Numbers,
    y: Numbers,
    width: Sizes,
    height: Sizes,
    geometry: Geometry,
    rectangles: Rectangles | None = None,
    pixels_per_degree: Numbers | float | None = None,
) -> list[str]:
    """Change what was recorded in place to pixels of the image, from its top left corner.

    Parameters
    ----------
    x, y : float64 array (n,)
        NaN where unknown.
    width, height : int32 array (n,)
        Of the image of each fixation, in pixels.
    geometry : Geometry
        Checked.
    rectangles : four float64 arrays (n,), optional
        Where on the screen each fixation's image was: x, y, width, height in pixels.
    pixels_per_degree : float64 array (n,) or float, optional
        Needed for degrees.

    Returns
    -------
    list of str
        Sentences that say what was assumed.
    """
    on_screen = geometry.shown is not None or rectangles is not None
    frame_width, frame_height = width, height
    if isinstance(geometry.screen, tuple):
        frame_width, frame_height = (np.full_like(width, side) for side in geometry.screen)
    elif on_screen:  # its size does not matter: nothing is counted in it or from its far sides
        coordinates = geometry.coordinates or "pixels"
        geometry = replace(geometry, coordinates=coordinates, base=geometry.base or 0)
    numbers = geometry.coordinates in (None, "pixels") and _are_whole(y)
    notes = to_pixels(
        x,
        y,
        frame_width,
        frame_height,
        coordinates=geometry.coordinates,
        base=geometry.base,
        pixels_per_degree=pixels_per_degree,
        centered=(geometry.origin or "").startswith("center"),
    )
    last = frame_height - 1 if numbers else frame_height  # numbers of pixels end one before it
    if geometry.origin == "bottom-left":
        np.subtract(last, y, out=y)
    elif geometry.origin is not None and geometry.origin.startswith("center"):
        x += frame_width / 2
        y *= -1 if geometry.origin == "center-up" else 1
        y += frame_height / 2
    if on_screen:
        left, top, wide, high = rectangles or _rectangles(
            geometry.shown, frame_width, frame_height, width, height
        )
        for column, start, shown, size in ((x, left, wide, width), (y, top, high, height)):
            column -= start
            column *= size / np.asarray(shown)
    return notes


def _are_whole(numbers: Numbers) -> bool:
    return bool((numbers == np.floor(numbers))[np.isfinite(numbers)].all())


def _rectangles(
    shown: Shown | None, screen_width: Sizes, screen_height: Sizes, width: Sizes, height: Sizes
) -> Rectangles:
    """Return where on their screens images lie: x, y, width, height in pixels."""
    if isinstance(shown, tuple):
        return shown
    if shown == "stretched":
        return 0.0, 0.0, screen_width.astype(np.float64), screen_height.astype(np.float64)
    wide, high = width.astype(np.float64), height.astype(np.float64)
    if shown == "fit":
        scale = np.minimum(screen_width / width, screen_height / height)
        wide, high = scale * wide, scale * high
    return (screen_width - wide) / 2, (screen_height - high) / 2, wide, high


def place_in_images(
    rows: Rows, stimuli: Stimuli, stimulus: Sizes, columns: Mapping[str, str], geometry: Geometry
) -> list[str]:
    """Change x and y of a table's rows in place to pixels of their images.

    Parameters
    ----------
    rows : Rows
        Its numbers may have the roles of `RECTANGLE_ROLES`.
    stimuli : Stimuli
        Its `pixels_per_degree` hold for degrees of the image if none are stated.
    stimulus : int32 array (n,)
        The index of each row's image.
    columns : mapping of str to str
        The table's column for each role.
    geometry : Geometry
        As the user states it.

    Returns
    -------
    list of str
        Sentences that say what was assumed.

    Raises
    ------
    DataError
        If what is stated contradicts itself or leaves something open.
    """
    width, height = stimuli.width[stimulus], stimuli.height[stimulus]
    geometry, notes = told_by_names(geometry, columns)
    given = [rows.numbers[role] for role in RECTANGLE_ROLES if role in rows.numbers]
    rectangles = (given[0], given[1], given[2], given[3]) if len(given) == 4 else None
    geometry.checked(rows.place(0), recorded=rectangles is not None)
    per_degree: Numbers | float | None = geometry.pixels_per_degree
    if geometry.coordinates == "degrees" and per_degree is None:
        per_degree = stimuli.pixels_per_degree[stimulus]
        if geometry.screen is not None or not np.isfinite(per_degree).all():
            raise DataError(f"{rows.place(0)}: how large is a degree? State --pixels-per-degree")
    return notes + to_image(
        rows.numbers["x"], rows.numbers["y"], width, height, geometry, rectangles, per_degree
    )


def told_by_names(geometry: Geometry, columns: Mapping[str, str]) -> tuple[Geometry, list[str]]:
    """Return the geometry with what the columns' names tell and is not stated, and a sentence.

    Pupil Labs' `norm_pos_y` is a fraction of the height that counts from the bottom; Gazepoint's
    `FPOGX` one of the screen's width.
    """
    x, y = columns["x"], columns["y"]
    coordinates = geometry.coordinates or "normalized"
    if geometry.origin is None and _letters(y) == "normposy":
        note = (
            f"{y!r} counts from the bottom, as Pupil Labs writes it (state --origin top-left if"
            " it does not)."
        )
        return replace(geometry, origin="bottom-left", coordinates=coordinates), [note]
    if geometry.screen is None and geometry.shown is None and _letters(x) == "fpogx":
        note = (
            f"{x!r} is a fraction of the screen's width: images are taken to have filled the"
            " screen; if they did not, state --screen and --shown."
        )
        return replace(geometry, coordinates=coordinates), [note]
    return geometry, []


def _letters(name: str) -> str:
    return "".join(filter(str.isalpha, name.casefold()))
