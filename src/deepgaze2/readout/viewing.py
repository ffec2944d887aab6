"""What differs between laboratories: a few numbers that say how an image was looked at.

Kümmerer, Khanuja and Bethge (2025, "Modeling saliency dataset bias", arXiv 2505.10169) find
that most of what a model loses on another data set is due to these and the center bias.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from deepgaze2.readout.activations import FloatArray


@dataclass(frozen=True)
class Viewing:
    """How images were viewed, for each of K readouts.

    Attributes
    ----------
    sigma_px
        (K,) standard deviations of the final Gaussian blur, in network-input pixels: how far
        fixations spread around what attracts them.
    prior_weight
        (K,) factors of the center bias's log density.
    factor
        (K,) what saliency is multiplied by: above one people agree more.
    scale_factors
        (K, n_scales) what the first layer's products at each scale are multiplied by.
    """

    sigma_px: FloatArray
    prior_weight: FloatArray
    factor: FloatArray
    scale_factors: FloatArray

    def members(self, chosen: Sequence[int]) -> "Viewing":
        """Return those of the readouts with these numbers."""
        return Viewing(*(getattr(self, one.name)[list(chosen)] for one in fields(self)))


def average(viewings: Sequence[Viewing]) -> Viewing:
    """Return the mean over data sets: geometric, but for the center bias's weight."""

    def geometric(name: str) -> FloatArray:
        logarithms = [np.log(getattr(viewing, name)) for viewing in viewings]
        return np.asarray(np.exp(np.mean(logarithms, axis=0)), np.float32)

    weights = [viewing.prior_weight for viewing in viewings]
    return Viewing(
        sigma_px=geometric("sigma_px"),
        prior_weight=np.mean(weights, axis=0, dtype=np.float32),
        factor=geometric("factor"),
        scale_factors=geometric("scale_factors"),
    )
