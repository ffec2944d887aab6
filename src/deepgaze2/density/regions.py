"""Regions of an image: the share of fixations each is expected to receive."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from deepgaze2.density.fixation_density import FixationDensity
from deepgaze2.errors import RegionError
from deepgaze2.image.stimulus import printable

_SLACK_PX = 1e-6  # rounding when percentages become pixels


@dataclass(frozen=True)
class Region:
    """A rectangle of an image.

    Attributes
    ----------
    name : str
        What the rectangle shows, such as `logo`.
    x, y : float
        Left and top edge. The image's top left corner is (0, 0).
    width, height : float
        Size of the rectangle; edges need not fall on pixel borders.
    percent : bool
        The four numbers are percentages of the image's width and height, else pixels.
    """

    name: str
    x: float
    y: float
    width: float
    height: float
    percent: bool = False

    def in_pixels(self, image_width: int, image_height: int) -> "Region":
        """Return the same region of an image of this size, in pixels.

        Raises
        ------
        RegionError
            If the region has no area or is not inside the image.
        """
        sx, sy = (image_width / 100, image_height / 100) if self.percent else (1.0, 1.0)
        x, y, width, height = self.x * sx, self.y * sy, self.width * sx, self.height * sy
        numbers = f"{x:g},{y:g},{width:g},{height:g}"
        if not (width > 0 and height > 0):
            raise RegionError(f"region {self.name}:{numbers} has no area; give x,y,width,height")
        if not (
            min(x, y) >= -_SLACK_PX
            and x + width <= image_width + _SLACK_PX
            and y + height <= image_height + _SLACK_PX
        ):
            raise RegionError(
                f"region {self.name}:{numbers} is not inside the image of {image_width} by"
                f" {image_height} pixels; move or shrink it"
            )
        return Region(self.name, x, y, width, height)


@dataclass(frozen=True)
class RegionShare:
    """How much of the attention a region is expected to get.

    Attributes
    ----------
    name : str
        The region's name.
    share : float
        Expected share of fixations, 0..1.
    center_bias_share : float
        The share that the center bias alone gives the region, whatever it shows.
    ratio : float
        `share / center_bias_share`; above one, the region's content attracts fixations. NaN
        where the center bias has no mass.
    """

    name: str
    share: float
    center_bias_share: float
    ratio: float

    def as_json(self) -> dict[str, str | float | None]:
        """Return the entries, ready for JSON: a ratio that is no number is None."""
        return asdict(self) | {"ratio": self.ratio if math.isfinite(self.ratio) else None}


def parse_region(text: str) -> Region:
    """Read a region from `name:x,y,width,height`.

    The numbers are pixels, or all four are percentages of the image's size, as in
    `logo:75%,0%,25%,10%`.

    Raises
    ------
    RegionError
        If the text has another form.
    """
    name, _, numbers = text.rpartition(":")
    parts = [part.strip() for part in numbers.split(",")]
    percent = all(part.endswith("%") for part in parts)
    try:
        values = [float(part.removesuffix("%") if percent else part) for part in parts]
    except ValueError:
        values = []
    if not name.strip() or len(values) != 4 or not all(map(math.isfinite, values)):
        raise RegionError(
            f"region {text!r} is not name:x,y,width,height;"
            " give four pixel numbers or four percentages, as in logo:10,20,300,80"
        )
    x, y, width, height = values
    return Region(printable(name.strip()), x, y, width, height, percent)


def region_shares(prediction: FixationDensity, regions: Sequence[Region]) -> list[RegionShare]:
    """Return each region's expected share of fixations, with and without the image's content.

    Raises
    ------
    RegionError
        If a region is not inside the image.
    """
    width, height = prediction.width, prediction.height
    in_pixels = [region.in_pixels(width, height) for region in regions]
    center_bias = prediction.center_bias.log_density(height, width)
    shares = []
    for region in in_pixels:
        share = rectangle_mass(prediction.log_density, region)
        expected = rectangle_mass(center_bias, region)
        shares.append(
            RegionShare(region.name, share, expected, share / expected if expected else math.nan)
        )
    return shares


def rectangle_mass(log_density: NDArray[np.float32], region: Region) -> float:
    """Return the mass of a density in a rectangle; pixels count by their covered area.

    Parameters
    ----------
    log_density : array (H, W)
        Nats.
    region : Region
        In pixels, inside the image.
    """
    across = covered_shares(region.x, region.width, log_density.shape[1])
    down = covered_shares(region.y, region.height, log_density.shape[0])
    columns = slice(int(np.argmax(across > 0)), len(across) - int(np.argmax(across[::-1] > 0)))
    return float(
        sum(
            down[row] * (np.exp(log_density[row, columns], dtype=np.float64) @ across[columns])
            for row in np.flatnonzero(down)
        )
    )


def covered_shares(start: float, length: float, n_pixels: int) -> NDArray[np.float64]:
    """Return which share of each pixel of a line is covered, (n_pixels,), 0..1."""
    pixel = np.arange(n_pixels)
    covered = np.minimum(pixel + 1, start + length) - np.maximum(pixel, start)
    return covered.clip(0, 1)
