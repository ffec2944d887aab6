"""The density of fixations over one image's pixels: what a prediction consists of."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deepgaze2.density.center_bias import CenterBias
from deepgaze2.density.contours import equal_mass_levels
from deepgaze2.density.sampling import sample_fixations
from deepgaze2.density.scrolling import Scrolling
from deepgaze2.image.stimulus import Stimulus
from deepgaze2.image.viewport import in_words


@dataclass(frozen=True, eq=False)
class FixationDensity:
    """The density, and what is computed from it alone.

    Regions, pictures and files are made of this; `Prediction` adds the methods that make them.
    """

    log_density: NDArray[np.float32]
    stimulus: Stimulus
    center_bias: CenterBias
    model: str
    network_input_size: tuple[int, int]
    scrolling: Scrolling | None = None
    notes: tuple[str, ...] = ()

    @property
    def viewport(self) -> str:
        """What a screen shows of a page, such as `1280x800`; `none` of what is seen at once."""
        return in_words(self.scrolling.viewport) if self.scrolling else "none"

    @property
    def all_notes(self) -> list[str]:
        """What reading the image assumed, and what is to be said of how it was seen."""
        return [*self.stimulus.notes, *self.notes]

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
        return sample_fixations(self.log_density, n, seed)

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
