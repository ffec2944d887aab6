"""From saliency and a center bias to log density as nodes of an ONNX graph; see `density`."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deepgaze2.density.center_bias import ZERO
from deepgaze2.density.mixture import RANGE_NATS
from deepgaze2.export.graph import Value
from deepgaze2.export.grids import grid_in_pixels, pixels_in_grid, pixels_in_template

_NO_MASS = float(ZERO / 1e10)
_LEAST = float(np.finfo(np.float32).min)


@dataclass(frozen=True)
class Prior:
    """A log center bias of any size, which spans the image: (h, w), nats, finite."""

    template: Value

    @classmethod
    def of(cls, log_center_bias: Value) -> "Prior":
        """Return that of the graph's input, where minus infinity is zero density."""
        return cls(log_center_bias.apply("Max", float(ZERO)))

    def at(self, height: Value, width: Value) -> Value:
        """Return it at pixels, (height, width), nats up to a constant."""
        rows, columns = (
            pixels_in_template(px, cells).interpolation(cells)
            for px, cells in (
                (height, self.template.size(0)),
                (width, self.template.size(1)),
            )
        )
        return rows @ (self.template @ columns.transposed())

    def on_grid(self, height: Value, width: Value, grid_block: int) -> Value:
        """Return it on the grid of a network input; see `mixture.prior_on_grid`."""
        prior = self.at(height, width)
        finite = prior.apply("Max", prior.largest(0, 1) - RANGE_NATS / 2)
        rows, columns = (grid_in_pixels(px, grid_block).interpolation(px) for px in (height, width))
        return rows @ finite @ columns.transposed()


def log_density(
    saliency: Value,
    prior: Prior,
    image_size: tuple[Value, Value],
    input_size: tuple[Value, Value],
    grid_block: int,
    shares: NDArray[np.float64],
) -> Value:
    """Return the mixture's log density, (H, W); see `mixture.mixture_log_density`.

    Sizes are heights and widths.
    """
    log_prior = prior.at(*image_size)
    rows, columns = (
        pixels_in_grid(px, seen, grid_block).interpolation(saliency.size(axis))
        for px, seen, axis in zip(image_size, input_size, (1, 2), strict=True)
    )
    density = (log_prior - log_prior.largest(0, 1)).apply("Exp")
    mass = rows.transposed() @ (density @ columns)
    mixed = _mixed_on_grid(saliency, mass, shares)
    found = rows @ (mixed @ columns.transposed()) + log_prior
    peak = found.largest(0, 1)
    found = found - (peak + (found - peak).apply("Exp").total().apply("Log"))
    return log_prior.apply("Less", _NO_MASS).apply("Where", -np.inf, found)


def _mixed_on_grid(saliency: Value, mass: Value, shares: NDArray[np.float64]) -> Value:
    """Return the log of the mean over k of exp(S_k) / Z_k, (gh, gw)."""
    n_models = len(shares)
    s, weights = saliency.reshape(n_models, -1), mass.reshape(1, -1)
    peaks = weights.apply("Greater", 0.0).apply("Where", s, _LEAST).largest(1)
    above = (s - peaks).apply("Clip", -RANGE_NATS, 0.0).apply("Exp")
    z = above @ weights.transposed()  # (K, 1)
    counted = z.graph.add("Div", shares[:, None], z)
    mixed = (counted.transposed() @ above).apply("Log")
    return mixed.reshape(saliency.size(1), saliency.size(2))
