"""What training minimizes: the mean negative log likelihood of fixations."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from deepgaze2.readout.layout import Layout, layout
from deepgaze2.readout.torch_readout import ReadoutNetwork
from deepgaze2.training.images import TrainingImage, load_features


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
        layouts = {i: self._layout(i) for i in batch}
        kept = self._kept(dropout, generator) if dropout else None
        shared = self.network.operators(self.network.named(leaf), layouts.values(), kept)
        # What images share is differentiated once, by what its copy's gradients add up to.
        copies = {
            name: one.detach().requires_grad_(one.requires_grad) for name, one in shared.items()
        }
        total = 0.0
        for i in batch:
            # Image by image, so that an image's activations stay near the cache.
            loss = self._loss(copies, i)
            loss.backward()  # type: ignore[no-untyped-call]
            total += float(loss.detach())
        learned = [name for name, copy in copies.items() if copy.grad is not None]
        (gradient,) = torch.autograd.grad(
            [shared[name] for name in learned], leaf, [copies[name].grad for name in learned]
        )
        n_fixations = int(self.n_fixations[batch].sum())
        return total / n_fixations, gradient / n_fixations

    def _kept(self, dropout: float, generator: torch.Generator | None) -> list[Tensor]:
        """Draw the channels that are dropped in this step, at all places of its images."""
        return [
            (torch.rand(len(deviation), generator=generator) >= dropout).float() / (1 - dropout)
            for deviation in self.network.deviations
        ]

    def _layout(self, i: int) -> Layout:
        image = self.images[i]
        return layout(self.network.architecture, image.sizes, image.cells, self._grid_block)

    def _saliency(self, operators: dict[str, Tensor], i: int) -> Tensor:
        features = load_features(self.images[i], self.network.architecture)
        return self.network.saliency(operators, features, self._layout(i))

    def _loss(self, operators: dict[str, Tensor], i: int) -> Tensor:
        """Return the sum over the fixations on one image of -log p, nats."""
        saliency, weight = self._saliency(operators, i), operators["prior_weight"]
        loss: Tensor = _Loss.apply(saliency, weight, self.images[i], self._layout(i))  # type: ignore[no-untyped-call]
        return loss

    def _operators(self, parameters: Tensor, batch: Sequence[int]) -> dict[str, Tensor]:
        named = self.network.named(parameters.float())
        return self.network.operators(named, map(self._layout, batch))

    def saliency(self, parameters: Tensor, i: int) -> Tensor:
        """Return the saliency map of an image on the readout's grid, nats."""
        with torch.no_grad():
            return self._saliency(self._operators(parameters, [i]), i)

    def baseline(self) -> float:
        """Return the mean over all fixations of -log p under the center bias alone, nats."""
        total = sum(-_log_prior(image).sum() for image in self.images)
        return float(total / self.n_fixations.sum())

    def information_gains(self, parameters: Tensor, batch: Sequence[int]) -> NDArray[np.float64]:
        """Return each image's mean gain over the center bias, bits per fixation."""
        gains = []
        with torch.no_grad():
            operators = self._operators(parameters, batch)
            for i in batch:
                baseline = _log_prior(self.images[i])
                gains.append((-baseline.sum() - float(self._loss(operators, i))) / len(baseline))
        return np.array(gains) / math.log(2)


class _Loss(torch.autograd.Function):
    """The sum over the fixations on one image of -log p, from S and the prior's weight.

    Its derivative by the log density at a pixel, before that is normalized, is the number of
    fixations expected there less that of those observed.
    """

    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401
        saliency: Tensor,
        prior_weight: Tensor,
        image: TrainingImage,
        where: Layout,
    ) -> Tensor:
        prior, pixels = torch.from_numpy(image.log_center_bias), torch.from_numpy(image.pixels)
        across = saliency @ where.density_columns.T
        s = prior * prior_weight
        for band in where.density_bands:
            s[band.rows].addmm_(band.weights, across[band.columns])
        peak, at_fixations = s.max(), s.flatten()[pixels.long()].sum()
        expected = s.sub_(peak).exp_()
        z = expected.sum()
        loss = (peak + z.log()) * len(pixels) - at_fixations
        expected *= len(pixels) / z
        expected.view(-1).index_add_(0, pixels, torch.full(pixels.shape, -1.0))
        ctx.save_for_backward(expected, prior)
        ctx.where = where
        return loss

    @staticmethod
    def backward(
        ctx: Any,  # noqa: ANN401
        gradient: Tensor,
    ) -> tuple[Tensor, Tensor | None, None, None]:
        excess, prior = ctx.saved_tensors
        columns = ctx.where.density_columns
        across = excess.new_zeros(ctx.where.shape[0], len(columns))
        for band in ctx.where.density_bands:
            across[band.columns].addmm_(band.weights.T, excess[band.rows])
        by_weight = gradient * (excess * prior).sum() if ctx.needs_input_grad[1] else None
        return gradient * (across @ columns), by_weight, None, None


def _log_prior(image: TrainingImage) -> NDArray[np.float64]:
    """Return the center bias's log density at the fixations of an image, nats."""
    prior = image.log_center_bias
    peak = prior.max()
    log_z = peak + np.log(np.exp(prior - peak).sum(dtype=np.float64))
    at_fixations: NDArray[np.float64] = prior.ravel()[image.pixels] - log_z
    return at_fixations
