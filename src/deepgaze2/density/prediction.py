"""A prediction: where people look in one image, as a probability density over its pixels."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, overload

import numpy as np
from numpy.typing import NDArray

from deepgaze2.density.files import save
from deepgaze2.density.fixation_density import FixationDensity
from deepgaze2.density.notebook import as_html
from deepgaze2.density.plot import draw
from deepgaze2.density.regions import Region, rectangle_mass
from deepgaze2.errors import RegionError

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True, eq=False)
class Prediction(FixationDensity):
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
        Width and height in pixels of the image that the network saw; of a page, of each screen.
    scrolling : Scrolling or None
        How a page is looked at that was predicted by screens.
    notes : tuple of str
        What was guessed, or is doubtful, about what is seen of the image at once.
    """

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
        return draw(self, ax)

    def _repr_html_(self) -> str:
        """Return what a notebook shows: the picture, and what was predicted with what."""
        return as_html(self)

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
        save(self, Path(path))
