"""An image's features in single precision, and the first layers' products with them."""

from collections.abc import Sequence

import torch
from torch import Tensor

from deepgaze2.readout.numpy_readout import LAYER_NORM_EPSILON
from deepgaze2.readout.torch_readout import ReadoutNetwork


class WideFeatures:
    """The features of an image in single precision, read once for any number of readouts.

    Layer normalization subtracts a position's mean and divides by its deviation, which
    commutes with the matrix product; so the features themselves are not touched.

    Parameters
    ----------
    network
        Its architecture and deviations count.
    taps
        For each group its raw taps, (channels, h, w), float16 as stored or wider.
    """

    def __init__(self, network: ReadoutNetwork, taps: Sequence[Sequence[Tensor]]) -> None:
        self._matrices = [_widened(group) for group in taps]
        self._moments = (
            [
                _moments(matrix, torch.from_numpy(deviation))
                for matrix, deviation in zip(self._matrices, network.deviations, strict=True)
            ]
            if network.architecture.layer_norm
            else None
        )

    def products(self, first: Sequence[Tensor], sums: Sequence[Tensor]) -> list[Tensor]:
        """Return the first layer's products, (rows, cells) for each group.

        Parameters
        ----------
        first, sums
            For each group (rows, channels) weights and, with layer normalization, (rows,) their
            sums: the operators `first` and `sum` of one readout, or of several, one below
            the other.
        """
        found = [weight @ matrix for weight, matrix in zip(first, self._matrices, strict=True)]
        if self._moments is not None:
            for product, total, (mean, norm) in zip(found, sums, self._moments, strict=True):
                product.addr_(total, mean, alpha=-1).mul_(norm)
        return found

    def add_gradients(
        self,
        by_products: Sequence[Tensor],
        rows: Tensor | slice,
        by_first: Sequence[Tensor],
        by_sums: Sequence[Tensor],
    ) -> None:
        """Add a loss's gradients by `first` and `sums` to some rows, from those by the products.

        The latter are overwritten.
        """
        for g, by_product in enumerate(by_products):
            if self._moments is not None:
                mean, norm = self._moments[g]
                by_product.mul_(norm)
                by_sums[g][rows] -= by_product @ mean
            if isinstance(rows, slice):
                by_first[g][rows].addmm_(by_product, self._matrices[g].T)
            else:
                by_first[g][rows] += by_product @ self._matrices[g].T


def _widened(taps: Sequence[Tensor]) -> Tensor:
    """Return a group's taps, one below the other, (channels, cells)."""
    dtype = torch.promote_types(taps[0].dtype, torch.float32)
    matrix = torch.empty(sum(map(len, taps)), taps[0][0].numel(), dtype=dtype)
    for part, tap in zip(torch.split(matrix, [len(tap) for tap in taps]), taps, strict=True):
        part.copy_(tap.flatten(1))
    return matrix


def _moments(features: Tensor, deviation: Tensor) -> tuple[Tensor, Tensor]:
    """Return each position's mean and inverse deviation across channels of unit variance."""
    scale = (1 / (deviation * len(deviation))).to(features.dtype)
    mean = scale @ features
    squares = (scale / deviation) @ features.square()
    variance = (squares - mean.square()).clamp(min=0)
    return mean, (variance + LAYER_NORM_EPSILON).rsqrt()
