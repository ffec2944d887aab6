"""What training minimizes: the mean negative log likelihood of fixations."""

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from deepgaze2.train.images import TrainingImage, load_features
from deepgaze2.train.layout import Layout, layout
from deepgaze2.train.network import ReadoutNetwork


class Objective:
    """The likelihood of the fixations on some images under a readout.

    Densities are normalized over the network input's pixels. Values are means over fixations,
    in nats.
    """

    def __init__(
        self, network: ReadoutNetwork, images: Sequence[TrainingImage], *, grid_block: int
    ) -> None:
        self.network = network
        self.images = images
        self._grid_block = grid_block
        self.n_fixations = np.array([len(image.pixels) for image in images])

    def value_and_gradient(
        self,
        parameters: Tensor,
        batch: Sequence[int] | NDArray[np.integer],
        *,
        dropout: float = 0.0,
        generator: torch.Generator | None = None,
    ) -> tuple[float, Tensor]:
        """Return the mean over the fixations on some images and its gradient."""
        leaf = parameters.detach().float().requires_grad_()
        kept = self._kept(dropout, generator) if dropout else None
        n_fixations = int(self.n_fixations[batch].sum())
        value, gradient = 0.0, torch.zeros_like(leaf)
        for i in batch:
            # Image by image, so that an image's activations stay near the cache.
            loss = self._loss(self.network.named(leaf), i, kept) / n_fixations
            gradient += torch.autograd.grad(loss, leaf)[0]
            value += float(loss.detach())
        return value, gradient

    def _kept(self, dropout: float, generator: torch.Generator | None) -> list[Tensor]:
        """Draw the channels that are dropped in this step, at all places of its images."""
        return [
            (torch.rand(len(deviation), generator=generator) >= dropout).float() / (1 - dropout)
            for deviation in self.network.deviations
        ]

    def _loss(
        self, parameters: dict[str, Tensor], i: int, kept: Sequence[Tensor] | None = None
    ) -> Tensor:
        """Return the sum over the fixations on one image of -log p, nats."""
        image = self.images[i]
        s = self._log_density(parameters, image, kept)
        pixels = torch.from_numpy(image.pixels).long()
        return torch.logsumexp(s, 0) * len(pixels) - s[pixels].sum()

    def _log_density(
        self,
        parameters: dict[str, Tensor],
        image: TrainingImage,
        kept: Sequence[Tensor] | None = None,
    ) -> Tensor:
        """Return the log density over the network input's pixels, up to a constant, flat."""
        saliency, where = self._saliency(parameters, image, kept)
        rows, columns = where.density
        weight = self.network.prior_weight(parameters)
        prior = torch.from_numpy(image.log_center_bias)
        return (rows @ (saliency @ columns.T) + weight * prior).flatten()

    def _saliency(
        self,
        parameters: dict[str, Tensor],
        image: TrainingImage,
        kept: Sequence[Tensor] | None = None,
    ) -> tuple[Tensor, Layout]:
        architecture = self.network.architecture
        where = layout(architecture, image.sizes, self._grid_block)
        features = load_features(image, architecture)
        return self.network.saliency(parameters, features, where, kept), where

    def saliency(self, parameters: Tensor, i: int) -> Tensor:
        """Return the saliency map of an image on the readout's grid, nats."""
        with torch.no_grad():
            return self._saliency(self.network.named(parameters.float()), self.images[i])[0]

    def baseline(self) -> float:
        """Return the mean over all fixations of -log p under the center bias alone, nats."""
        total = sum(-_log_prior(image).sum() for image in self.images)
        return float(total / self.n_fixations.sum())

    def information_gains(self, parameters: Tensor, batch: Sequence[int]) -> NDArray[np.float64]:
        """Return each image's mean gain over the center bias, bits per fixation."""
        gains = []
        with torch.no_grad():
            named = self.network.named(parameters.float())
            for i in batch:
                image = self.images[i]
                baseline = float(_log_prior(image).sum())
                gains.append((-baseline - float(self._loss(named, i))) / len(image.pixels))
        return np.array(gains) / math.log(2)


def _log_prior(image: TrainingImage) -> NDArray[np.float64]:
    """Return the center bias's log density at the fixations of an image, nats."""
    prior = image.log_center_bias
    peak = prior.max()
    log_z = peak + np.log(np.exp(prior - peak).sum(dtype=np.float64))
    at_fixations: NDArray[np.float64] = prior.ravel()[image.pixels] - log_z
    return at_fixations
