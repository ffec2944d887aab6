"""A prediction: where people look in one image, as a probability density over its pixels."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, overload

import numpy as np
from numpy.typing import NDArray

from deepgaze2.density.center_bias import CenterBias
from deepgaze2.density.regions import Region, rectangle_mass
from deepgaze2.errors import RegionError
from deepgaze2.image.stimulus import Stimulus

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_BLOCK_PIXELS = 1 << 14


@dataclass(frozen=True, eq=False)
class Prediction:
    """The density of fixations over an image's pixels.

    Positions are in pixels: a fixation (x, y) belongs to pixel (floor x, floor y), and the
    image's top left corner is (0, 0).

    Attributes
    ----------
    log_density : float32 array (H, W)
        Natural log of each pixel's probability; its exponential sums to one. Minus infinity
        where the center bias has no mass.
    stimulus : Stimulus
        The image.
    center_bias : CenterBias
        The prior that the prediction contains.
    model : str
        Name of the model.
    network_input_size : tuple of int
        Width and height in pixels of the image that the network saw.
    """

    log_density: NDArray[np.float32]
    stimulus: Stimulus
    center_bias: CenterBias
    model: str
    network_input_size: tuple[int, int]

    @property
    def density(self) -> NDArray[np.float32]:
        """Probability of each pixel, (H, W)."""
        return np.exp(self.log_density)

    @property
    def width(self) -> int:
        """Width of the image in pixels."""
        return int(self.log_density.shape[1])

    @property
    def height(self) -> int:
        """Height of the image in pixels."""
        return int(self.log_density.shape[0])

    def sample(self, n: int, seed: int | None = None) -> NDArray[np.float64]:
        """Draw fixations independently from the density.

        Within a pixel they are uniform. The first m of n fixations are those that `sample(m)`
        gives for the same seed.

        Parameters
        ----------
        n : int
            Number of fixations.
        seed : int, optional
            The same seed gives the same fixations; None gives new ones each time.

        Returns
        -------
        float64 array (n, 2)
            x and y in pixels.
        """
        uniform = np.random.default_rng(seed).random((n, 4))
        row_mass = [np.exp(row, dtype=np.float64).sum() for row in self.log_density]
        rows = _invert(np.cumsum(row_mass), uniform[:, 0])
        columns = np.empty(n, np.intp)
        order = np.argsort(rows, kind="stable")
        for group in np.split(order, np.flatnonzero(np.diff(rows[order])) + 1):
            if group.size:
                row = np.exp(self.log_density[rows[group[0]]], dtype=np.float64)
                columns[group] = _invert(np.cumsum(row), uniform[group, 1])
        # Offsets in multiples of 2^-24 add exactly, so none rounds up into the next pixel.
        offsets = np.floor(uniform[:, 2:] * 2**24) / 2**24
        return np.stack([columns, rows], axis=1) + offsets

    def contour_levels(self, n: int = 3) -> NDArray[np.float32]:
        """Return the log densities of the contours that cut the mass into n + 1 equal parts.

        Parameters
        ----------
        n : int
            Number of contours; the paper's figures have 3.

        Returns
        -------
        float32 array (n,)
            Nats, ascending: the last encloses the smallest area, with 1/(n + 1) of the
            fixations. Parts are equal to within the mass of pixels of one log density.
        """
        return equal_mass_levels(self.log_density, n)

    @overload
    def mass(self, x: float, y: float, width: float, height: float) -> float: ...
    @overload
    def mass(self, *, mask: NDArray[np.bool_]) -> float: ...
    def mass(
        self,
        x: float = 0,
        y: float = 0,
        width: float = 0,
        height: float = 0,
        *,
        mask: NDArray[np.bool_] | None = None,
    ) -> float:
        """Return the expected share of fixations in a rectangle or mask.

        Parameters
        ----------
        x, y : float
            Left and top edge in pixels.
        width, height : float
            Size in pixels. A pixel that the rectangle covers in part counts by that part.
        mask : bool array (H, W)
            True where fixations count; instead of a rectangle.

        Returns
        -------
        float
            0..1.

        Raises
        ------
        RegionError
            If the rectangle has no area or is not inside the image, or the mask is not a
            bool array of the image's size.
        """
        if mask is None:
            region = Region("rectangle", x, y, width, height)
            return rectangle_mass(self.log_density, region.in_pixels(self.width, self.height))
        if mask.shape != self.log_density.shape or mask.dtype != np.bool_:
            raise RegionError(
                f"mask is {mask.dtype} of shape {mask.shape};"
                f" give a bool array of shape {self.log_density.shape}"
            )
        rows = zip(self.log_density, mask, strict=True)
        return float(sum(np.exp(row[inside], dtype=np.float64).sum() for row, inside in rows))

    def plot(self, ax: "Axes | None" = None) -> "Axes":
        """Draw the image under its density, with three contours that cut the mass in four.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; None makes a new pyplot figure.
        """
        from deepgaze2.density.plot import draw

        return draw(self, ax)

    def save(self, path: str | Path) -> None:
        """Write the prediction in the format that the path's suffix names.

        Pictures of the density over the image: `.png`, `.jpg`. The log density: `.npy`;
        with its metadata `.npz`, `.h5`; as a 32-bit float image `.tiff`. A summary in numbers:
        `.json`. The same prediction gives the same bytes.

        Raises
        ------
        OutputError
            If the suffix is unknown or the file cannot be written.
        """
        from deepgaze2.density.files import save

        save(self, Path(path))


def equal_mass_levels(log_density: NDArray[np.float32], n: int) -> NDArray[np.float32]:
    """Return the n ascending log densities that cut a density's mass into n + 1 equal parts.

    Pixels below level k hold at most k/(n + 1) of the mass, those up to and including it at
    least as much. Exact: all pixels are sorted; the mass is added in float64.
    """
    ordered = np.sort(log_density, axis=None)
    starts = range(0, ordered.size, _BLOCK_PIXELS)
    blocks = [ordered[start : start + _BLOCK_PIXELS] for start in starts]
    mass_below = np.cumsum([0.0, *(np.exp(block, dtype=np.float64).sum() for block in blocks)])
    targets = mass_below[-1] * np.arange(1, n + 1) / (n + 1)
    levels = np.empty(n, np.float32)
    for k, target in enumerate(targets):
        index = int(np.searchsorted(mass_below, target)) - 1
        within = mass_below[index] + np.cumsum(np.exp(blocks[index], dtype=np.float64))
        levels[k] = blocks[index][min(np.searchsorted(within, target), len(within) - 1)]
    return levels


def _invert(cumulative: NDArray[np.float64], uniform: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return the indices at which a cumulative mass first exceeds uniform shares of it."""
    indices: NDArray[np.intp] = np.searchsorted(cumulative, uniform * cumulative[-1], side="right")
    return indices
