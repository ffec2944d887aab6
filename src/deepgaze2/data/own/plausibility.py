"""Whether positions are likely under the map they were read with, or far more under another.

People look at images, more at their middle, and hardly ever beside them. So what was recorded has
a likelihood under each map to the images, and that of the right one is the highest by far:
positions of a screen, read as the image's, leave a part of every image empty or fall beside it.
What lies around the center of the image under both maps tells nothing: neither mirroring nor
fractions of a screen with the image in its middle are seen here.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from math import erf, log, sqrt
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from deepgaze2.data.own.geometry import (
    Geometry,
    Maps,
    Numbers,
    Rectangles,
    Sizes,
    screen_rectangles,
)

_SCREENS = (
    (1920, 1080), (1024, 768), (1280, 1024), (1680, 1050), (1366, 768), (1280, 720), (1440, 900),
    (1600, 900), (1920, 1200), (2560, 1440), (1280, 800), (800, 600), (1600, 1200), (640, 480),
    (2560, 1600), (3840, 2160),
)  # fmt: skip
_SCALES = (1 / 4, 1 / 3, 0.4, 1 / 2, 0.6, 2 / 3, 3 / 4, 0.8, 1.25, 1.5, 2, 2.5, 3, 4)
_SQUARES = (224, 256, 384, 512, 640)
_PIXELS_PER_DEGREE = (15, 20, 25, 30, 35, 40, 50, 60, 80)
_HOW: dict[Literal["centered", "fit", "stretched"], str] = {
    "centered": "centered",
    "fit": "scaled to fit",
    "stretched": "stretched to fill it",
}

_SPREADS = (0.06, 0.1, 0.16, 0.25)  # standard deviations, as shares of width and height
_BESIDE = 0.02  # share of positions outside
_COMPARED_ROWS = 10_000
_LEAST_GAIN = 0.1  # nats per fixation
_GAIN_OF_ONE_IMAGE = 1.0
_NEAR_GAIN = 0.25
_LISTED = 3
_FEWEST_IMAGES = 4
_ROWS_PER_IMAGE = 5


@dataclass(frozen=True)
class Reading:
    """Another map that what was recorded may mean.

    Attributes
    ----------
    as_if : str
        Completes "as if recorded ...".
    stated : str
        What to state then; {x} and {y} stand for the names of these columns.
    rectangles : four float64 arrays (n,)
        Where in the recorded numbers the image of each row lies: x, y, width, height.
    exchanged : bool
        Whether x is y.
    """

    as_if: str
    stated: str
    rectangles: Rectangles
    exchanged: bool = False


@dataclass(frozen=True)
class Likelier:
    """The likeliest readings, and by how many nats per fixation the first beats the one taken.

    Those behind the first are nearly as likely as it, so that nobody can tell from positions.
    """

    readings: tuple[Reading, ...]
    gain: float


def can_compare(x: Numbers, y: Numbers, stimulus: Sizes) -> bool:
    """Tell whether there are enough images and positions to compare readings."""
    known = np.isfinite(x) & np.isfinite(y)
    seen = np.count_nonzero(np.bincount(stimulus[known]))
    return bool(min(seen, np.count_nonzero(known) / _ROWS_PER_IMAGE) >= _FEWEST_IMAGES)


def likelier(
    x: Numbers,
    y: Numbers,
    stimulus: Sizes,
    sizes: tuple[Sizes, Sizes],
    maps: Maps,
    geometry: Geometry,
) -> Likelier | None:
    """Return readings that are much likelier than the one taken, if there are any.

    Gains are means over images. The least that counts falls with their number n as 1 / sqrt(n),
    down to 0.1 nats. On subsets of four real recordings no reading gained more than 0.1 on 5
    images, and none anything on 12 or more.

    Parameters
    ----------
    x, y : float64 array (n,)
        As recorded, NaN where unknown.
    stimulus : int32 array (n,)
        The number of each one's image.
    sizes : two int32 arrays (n,)
        Width and height of each one's image, in pixels.
    maps : Maps
        What was taken, one for each position.
    geometry : Geometry
        The same, with nothing left to be guessed.
    """
    known = np.flatnonzero(np.isfinite(x) & np.isfinite(y) & np.isfinite(maps.x_scale))
    if len(known) > _COMPARED_ROWS:
        known = np.random.default_rng(0).choice(known, _COMPARED_ROWS, replace=False)
    x, y, width, height = x[known], y[known], sizes[0][known], sizes[1][known]
    _, image, rows = np.unique(stimulus[known], return_inverse=True, return_counts=True)
    n_images = min(len(rows), len(known) / _ROWS_PER_IMAGE)
    if n_images < _FEWEST_IMAGES:
        return None
    prior = _Prior(image, rows, log(_BESIDE / (_extent(x) * _extent(y))))
    taken = prior.log_likelihood(x, y, _taken(maps.of(known.astype(np.int32)), width, height))
    gains: list[tuple[float, Reading]] = []
    for reading in _readings(x, width.astype(np.float64), height.astype(np.float64), geometry):
        columns = (y, x) if reading.exchanged else (x, y)
        gains.append((prior.log_likelihood(*columns, reading.rectangles) - taken, reading))
    gains.sort(key=lambda pair: -round(pair[0], 6))  # the usual stay before the unusual
    best = gains[0][0]
    least = max(_LEAST_GAIN, _GAIN_OF_ONE_IMAGE / sqrt(n_images))
    if best <= least:
        return None
    nearly = max(best - max(least, _NEAR_GAIN), best / 2)  # never as little as what was taken
    near = [reading for gain, reading in gains if gain > nearly]
    return Likelier(tuple(near[:_LISTED]), best)


def _readings(x: Numbers, width: Numbers, height: Numbers, geometry: Geometry) -> Iterator[Reading]:
    """Yield what is compared, the usual before the unusual."""
    nought, one = np.zeros(len(x)), np.ones(len(x))
    plain = nought, nought, width, height
    pixels = "--coordinates pixels --origin"
    yield Reading("in pixels of the image", f"{pixels} top-left", plain)
    yield Reading("with x and y exchanged", "--column x={y} --column y={x}", plain, True)
    centers = "center-down (center-up if y grows upward)"
    middle = -width / 2, -height / 2, width, height
    yield Reading("in pixels from the center of the image", f"{pixels} {centers}", middle)
    for name, whole in (("normalized", one), ("percent", 100 * one)):
        word = "fractions" if name == "normalized" else name
        corner, middle = (nought, nought, whole, whole), (-whole / 2, -whole / 2, whole, whole)
        yield Reading(f"in {word} of the image", f"--coordinates {name}", corner)
        origin = f"--coordinates {name} --origin {centers}"
        yield Reading(f"in {word} of the image from its center", origin, middle)
    for size in _PIXELS_PER_DEGREE:
        w, h = width / size, height / size
        degrees = f"--coordinates degrees, --pixels-per-degree and --origin {centers}"
        yield Reading("in degrees", degrees, (-w / 2, -h / 2, w, h))
    yield from _screens(width, height, geometry)
    alike = bool((width == width[0]).all() and (height == height[0]).all())
    for scale in _SCALES:
        w, h = scale * width, scale * height
        stated = f"--shown 0,0,{w[0]:.0f},{h[0]:.0f}" if alike else "--screen and --shown"
        as_if = f"on images {scale:.3g} times as large"
        yield Reading(as_if, stated, (nought, nought, w, h))
    for side in _SQUARES:
        square = (nought, nought, side * one, side * one)
        yield Reading(f"on {side}x{side} pixels", f"--shown 0,0,{side},{side}", square)


def _screens(width: Numbers, height: Numbers, geometry: Geometry) -> Iterator[Reading]:
    """Yield images shown on screens of the usual sizes, in pixels from the origin stated."""
    from_center = (geometry.origin or "").startswith("center")
    in_pixels = "" if geometry.coordinates == "pixels" else "--coordinates pixels "
    for (across, down), how in product(_SCREENS, _HOW):
        screen = np.full_like(width, across), np.full_like(height, down)
        left, top, wide, high = screen_rectangles(how, *screen, width, height)
        if from_center:
            left, top = left - across / 2, top - down / 2
        stated = f"{in_pixels}--screen {across}x{down} --shown {how}"
        as_if = f"on a {across}x{down} screen, images {_HOW[how]}"
        yield Reading(as_if, stated, (left, top, wide, high))


def _taken(maps: Maps, width: Sizes, height: Sizes) -> Rectangles:
    """Return where in the recorded numbers images lie."""
    left, across = -maps.x_offset / maps.x_scale, width / maps.x_scale
    top, down = -maps.y_offset / maps.y_scale, height / maps.y_scale
    return left, top, across, down


def _extent(column: Numbers) -> float:
    low, high = np.quantile(column, [0.005, 0.995])
    return max(float(high - low), 1e-6)


@dataclass(frozen=True)
class _Prior:
    """A mixture: half Gaussian, half uniform in the images, low beside them.

    The Gaussian is as wide as makes positions likeliest, so that gaze which keeps to the center
    is not taken for one on a larger image.

    Attributes
    ----------
    image : int array (n,)
        The number of each position's image.
    rows : int array (n_images,)
        How many positions there are on each.
    beside : float
        The log density beside the image.
    """

    image: NDArray[np.intp]
    rows: NDArray[np.intp]
    beside: float

    def log_likelihood(self, x: Numbers, y: Numbers, rectangles: Rectangles) -> float:
        """Return the log density of what was recorded, in nats per fixation: the images' mean."""
        left, top, wide, high = rectangles
        p, q = (x - left) / wide - 0.5, (y - top) / high - 0.5
        inside = (abs(p) <= 0.5) & (abs(q) <= 0.5)
        squared = np.where(inside, p**2 + q**2, 0)
        log_area = np.log(np.abs(wide * high))
        best = -np.inf
        for spread in _SPREADS:
            within = erf(0.5 / spread / sqrt(2)) * spread * sqrt(2 * np.pi)
            gaussian = np.exp(-squared / (2 * spread**2)) / within**2
            density = log(1 - _BESIDE) + np.log(0.5 + 0.5 * gaussian) - log_area
            logs = np.where(inside, np.maximum(density, self.beside), self.beside)
            best = max(best, float((np.bincount(self.image, logs) / self.rows).mean()))
        return best
