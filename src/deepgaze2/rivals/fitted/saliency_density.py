"""Any saliency map becomes a density: rescaling, blur, monotone nonlinearity, center bias.

A saliency map has no scale, so fixations have no likelihood under it. A conversion gives it
one (Kümmerer, Wallis, Bethge 2015): its parameters are shared by all maps of a model, and
fitted to fixations on other images than it is applied to (`deepgaze2.rivals.fitted.saliency_fit`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from deepgaze2.errors import DataError
from deepgaze2.metrics.map_arrays import checked_map

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class SaliencyConversion:
    """How the saliency maps of one model become densities.

    A density is proportional to f(blur(s)) c(d), where s is the saliency map rescaled to
    0..1 by `levels`, f and c are piecewise linear over equidistant knots from 0 to 1, and d is
    the distance from the center, sqrt(x^2 / a^2 + y^2 / (1 - a^2)) with x and y from -1 to 1,
    divided by its value in the corner. `SaliencyConversion(**dataclasses.asdict(...))` is the
    same conversion, also when it has been through JSON.

    Attributes
    ----------
    levels : tuple of float
        Saliency, increasing, that is rescaled to equidistant values from 0 to 1; linear in
        between, clipped beyond. Two levels are the range of the maps.
    sigma_px : float
        Standard deviation of the Gaussian blur, in pixels of the image.
    log_knots : tuple of float (20,)
        Natural logarithm of f at its knots, never decreasing; the last is 0.
    center_bias : tuple of float (12,)
        c at its knots, from the center to the corner, positive; their mean is 1.
    eccentricity : float
        a, between 0 and 1: above 0.71 the center bias is wider than high, as a share of the image.
    notes : tuple of str
        What was done to the maps that it was fitted to, in plain sentences for the user.
    """

    levels: tuple[float, ...]
    sigma_px: float
    log_knots: tuple[float, ...]
    center_bias: tuple[float, ...]
    eccentricity: float
    notes: tuple[str, ...] = ()

    def log_density(
        self, saliency: ArrayLike, height: int, width: int, *, name: str = "saliency map"
    ) -> NDArray[np.float32]:
        """Return the log density over the pixels of the image that a saliency map is about.

        Parameters
        ----------
        saliency : float array (h, w)
            Any size, higher is more salient; it spans the whole image. Infinite values are
            clipped to the map's own finite ones.
        height, width : int
            Size of the image in pixels.
        name : str
            Names the map in error messages.

        Returns
        -------
        float32 array (height, width)
            Nats; its exponential sums to one.

        Raises
        ------
        DataError
            If the map is not two-dimensional, contains NaN or has no finite value.
        """
        unit = resized(rescaled(clipped_to_finite(saliency, name), self.levels), height, width)
        blurred = blur(unit, self.sigma_px, self.sigma_px)
        density = _piecewise_linear(blurred, np.exp(self.log_knots))
        distance = center_distance(height, width, self.eccentricity)
        density *= _piecewise_linear(distance, np.asarray(self.center_bias))
        density /= density.sum()
        return np.log(density, out=density).astype(np.float32)


def clipped_to_finite(saliency: ArrayLike, name: str) -> FloatArray:
    """Return a saliency map (h, w) with infinite values clipped to its finite ones.

    Raises
    ------
    DataError
        As `checked_map`, and if it has no finite value.
    """
    values = checked_map(saliency, name).astype(np.float64, copy=False)
    finite = np.isfinite(values)
    if finite.all():
        return values
    if not finite.any():
        raise DataError(f"{name}: has no finite value; compute it again")
    return np.clip(values, values[finite].min(), values[finite].max())


def rescaled(values: FloatArray, levels: Sequence[float]) -> FloatArray:
    """Return values at the scale on which increasing levels are equidistant from 0 to 1."""
    return np.interp(values, levels, np.linspace(0, 1, len(levels)))


def resized(values: FloatArray, height: int, width: int) -> FloatArray:
    """Return a map at another size, in single precision: bilinear, averaging where it shrinks."""
    from PIL import Image

    if values.shape == (height, width):
        return values
    image = Image.fromarray(values.astype(np.float32))
    return np.asarray(image.resize((width, height), Image.Resampling.BILINEAR), np.float64)


def blur(values: FloatArray, sigma_rows: float, sigma_columns: float) -> FloatArray:
    """Blur maps (..., h, w) by a Gaussian, at reflecting borders; sigma in rows and columns.

    It is the discrete Gaussian (Lindeberg 1990), which is positive and of exactly this variance
    at any sigma. Cosines are what it leaves alone but for a factor, so its cost does
    not depend on sigma.
    """
    from scipy.fft import dctn, idctn

    spectra = dctn(values, axes=(-2, -1), norm="ortho")
    spectra *= np.exp(-blur_exponent(values.shape[-2:], sigma_rows, sigma_columns))
    return np.asarray(idctn(spectra, axes=(-2, -1), norm="ortho", overwrite_x=True))


def blur_exponent(shape: tuple[int, ...], sigma_rows: float, sigma_columns: float) -> FloatArray:
    """Return minus the log of the blur's factor (h, w) for each cosine; it grows with sigma^2."""
    by_row, by_column = (
        sigma**2 * (1 - np.cos(np.pi * np.arange(n) / n))
        for n, sigma in zip(shape, (sigma_rows, sigma_columns), strict=True)
    )
    return np.asarray(by_row[:, None] + by_column)


def center_distance(height: int, width: int, eccentricity: float) -> FloatArray:
    """Return the elliptical distance (height, width) of each cell's center, 1 in the corner."""
    y2, x2 = squared_offsets(height, width)
    return np.asarray(np.sqrt(x2 * (1 - eccentricity**2) + y2 * eccentricity**2))


def squared_offsets(height: int, width: int) -> tuple[FloatArray, FloatArray]:
    """Return y^2 (height, 1) and x^2 (1, width) of cells' centers, 1 at the image's edges."""
    y2, x2 = (np.square((2 * np.arange(n) + 1) / n - 1) for n in (height, width))
    return y2[:, None], x2[None]


def _piecewise_linear(positions: FloatArray, knots: FloatArray) -> FloatArray:
    return np.interp(positions, np.linspace(0, 1, len(knots)), knots)
