"""What training minimizes: the negative log likelihood of fixations, for several readouts at once.

An image's features are read and widened once, and one matrix product applies the first layers of
all readouts that are trained on it; what comes behind is each readout's own.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from deepgaze2.readout.layout import Layout, layout
from deepgaze2.readout.torch_readout import ReadoutNetwork
from deepgaze2.readout.wide_features import WideFeatures
from deepgaze2.training.images import TrainingImage, load_features


class Objective:
    """The likelihood of the fixations on some images under K readouts.

    Densities are normalized over the network input's pixels. Values are sums over fixations, each
    counted with its image's weight, in nats.
    """

    def __init__(
        self, network: ReadoutNetwork, images: Sequence[TrainingImage], *, grid_block: int
    ) -> None:
        self.network = network
        self.images = images
        self._grid_block = grid_block
        self.masses = np.array([len(image.pixels) * image.weight for image in images], np.float64)

    def loss_and_gradient(
        self,
        parameters: Tensor,
        batch: Sequence[int] | NDArray[np.integer],
        seen: NDArray[np.bool_] | None = None,
        kept: Sequence[Sequence[Tensor]] | None = None,
    ) -> tuple[NDArray[np.float64], Tensor]:
        """Return the sums over the fixations on some images of -log p, and their gradients.

        Parameters
        ----------
        parameters
            (K, n_parameters).
        seen
            (K, n_images) whether a readout is to be differentiated on an image; None takes all.
        kept
            For each readout and group of taps one factor for each channel, such as dropout's.

        Returns
        -------
        array (K,), tensor (K, n_parameters)
        """
        mask = np.ones((len(parameters), len(self.images)), bool) if seen is None else seen
        step = _Step(self, parameters, batch, mask, kept)
        losses = np.zeros(len(parameters))
        for i in batch:
            # Image by image, so that an image's activations stay near the cache.
            step.add(i, losses)
        return losses, step.gradient()

    def drawn(self, dropout: float, generator: torch.Generator) -> list[Tensor]:
        """Draw the channels that are dropped in a step, at all places of its images."""
        return [
            (torch.rand(len(deviation), generator=generator) >= dropout).float() / (1 - dropout)
            for deviation in self.network.deviations
        ]

    def layout(self, i: int) -> Layout:
        """Return where an image's features, readout and density lie."""
        image = self.images[i]
        return layout(self.network.architecture, image.sizes, image.cells, self._grid_block)

    def features(self, i: int) -> WideFeatures:
        """Read an image's features."""
        return WideFeatures(self.network, load_features(self.images[i], self.network.architecture))

    def saliency(self, parameters: Tensor, i: int) -> Tensor:
        """Return the saliency maps of an image on the readouts' grid, nats: (K, gh, gw)."""
        with torch.no_grad():
            return torch.stack([saliency for saliency, _ in self._each(parameters, i)])

    def _each(self, parameters: Tensor, i: int) -> Iterator[tuple[Tensor, dict[str, Tensor]]]:
        """Yield each readout's saliency map of an image and its operators."""
        network, viewing, where = self.network, self.images[i].viewing, self.layout(i)
        readouts = [
            network.operators(network.named(vector), [(viewing, where)])
            for vector in parameters.float()
        ]
        products = self.features(i).products(*_first(network, readouts))
        width = network.first_width
        for k, operators in enumerate(readouts):
            own = [product[k * width : (k + 1) * width] for product in products]
            yield network.saliency(operators, own, where, viewing), operators

    def baseline(self, seen: NDArray[np.bool_] | slice = slice(None)) -> float:
        """Return the mean over the fixations on some images of -log p under the center bias."""
        return float(np.average(self._baselines[seen], weights=self.masses[seen]))

    @cached_property
    def _baselines(self) -> NDArray[np.float64]:
        """(n_images,) means over each image's fixations, once for all readouts."""
        return np.array([-_log_prior(image).mean() for image in self.images])

    def information_gains(self, parameters: Tensor, i: int) -> NDArray[np.float64]:
        """Return an image's mean gain over the center bias, bits per fixation: (K,)."""
        image, where = self.images[i], self.layout(i)
        with torch.no_grad():
            losses = [
                float(_loss(saliency, operators, image, where))
                for saliency, operators in self._each(parameters, i)
            ]
        mean = np.array(losses) / (len(image.pixels) * image.weight)
        return np.asarray((-_log_prior(image).mean() - mean) / math.log(2))


@dataclass(frozen=True)
class _Shared:
    """What a readout's images share: `operators`, made from its parameters, and `copies` of them.

    The former are differentiated once, by what the copies' gradients add up to.
    """

    leaf: Tensor
    operators: dict[str, Tensor]
    copies: dict[str, Tensor]

    def gradient(self) -> Tensor:
        learned = [name for name, copy in self.copies.items() if copy.grad is not None]
        if not learned:
            return torch.zeros_like(self.leaf)
        (found,) = torch.autograd.grad(
            [self.operators[name] for name in learned],
            self.leaf,
            [self.copies[name].grad for name in learned],
        )
        return found


class _Step:
    """One evaluation of several readouts on a few images."""

    def __init__(
        self,
        objective: Objective,
        parameters: Tensor,
        batch: Sequence[int] | NDArray[np.integer],
        seen: NDArray[np.bool_],
        kept: Sequence[Sequence[Tensor]] | None,
    ) -> None:
        self._objective, self._seen = objective, seen
        self._network = network = objective.network
        where = [(objective.images[i].viewing, objective.layout(i)) for i in batch]
        self._readouts = []
        for k, vector in enumerate(parameters):
            leaf = vector.detach().float().requires_grad_()
            factors = kept[k] if kept is not None else None
            operators = network.operators(network.named(leaf), where, factors)
            copies = {
                name: one.detach().requires_grad_(one.requires_grad)
                for name, one in operators.items()
            }
            self._readouts.append(_Shared(leaf, operators, copies))
        self._first, self._sums = _first(network, [one.copies for one in self._readouts])
        self._by_first = [torch.zeros_like(weight) for weight in self._first]
        self._by_sums = [torch.zeros_like(total) for total in self._sums]

    def add(self, i: int, losses: NDArray[np.float64]) -> None:
        """Add an image's losses and gradients."""
        objective, network, width = self._objective, self._network, self._network.first_width
        chosen = np.flatnonzero(self._seen[:, i]).tolist()
        if not chosen:
            return
        image, where, features = objective.images[i], objective.layout(i), objective.features(i)
        rows: Tensor | slice = slice(None)
        if len(chosen) < len(self._readouts):
            rows = (torch.tensor(chosen)[:, None] * width + torch.arange(width)).flatten()
        products = features.products(
            [weight[rows] for weight in self._first], [total[rows] for total in self._sums]
        )
        by_products = [torch.empty_like(product) for product in products]
        for n, k in enumerate(chosen):
            part = slice(n * width, (n + 1) * width)
            own = [product[part].requires_grad_() for product in products]
            operators = self._readouts[k].copies
            saliency = network.saliency(operators, own, where, image.viewing)
            loss = _loss(saliency, operators, image, where)
            loss.backward()  # type: ignore[no-untyped-call]
            losses[k] += float(loss.detach())
            for by_product, product in zip(by_products, own, strict=True):
                by_product[part] = product.grad  # type: ignore[assignment]
        features.add_gradients(by_products, rows, self._by_first, self._by_sums)

    def gradient(self) -> Tensor:
        """Return the gradients of what was added, (K, n_parameters)."""
        width = self._network.first_width
        for k, one in enumerate(self._readouts):
            part = slice(k * width, (k + 1) * width)
            for g, by_first in enumerate(self._by_first):
                one.copies[f"first{g}"].grad = by_first[part]
            for g, by_sums in enumerate(self._by_sums):
                one.copies[f"sum{g}"].grad = by_sums[part]
        return torch.stack([one.gradient() for one in self._readouts])


def _first(
    network: ReadoutNetwork, readouts: Sequence[dict[str, Tensor]]
) -> tuple[list[Tensor], list[Tensor]]:
    """Return the operators of the first layers, one readout below the other, for each group."""
    groups = range(len(network.deviations))
    with torch.no_grad():
        first = [torch.cat([one[f"first{g}"] for one in readouts]) for g in groups]
        if not network.architecture.layer_norm:
            return first, []
        return first, [torch.cat([one[f"sum{g}"] for one in readouts]) for g in groups]


def _loss(
    saliency: Tensor, operators: dict[str, Tensor], image: TrainingImage, where: Layout
) -> Tensor:
    """Return the sum over the fixations on one image of -log p, nats, times its weight."""
    weight = operators[f"prior_weight {image.viewing}"]
    loss: Tensor = _Loss.apply(saliency, weight, image, where)  # type: ignore[no-untyped-call]
    return loss


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
        ctx.where, ctx.weight = where, image.weight
        return loss * image.weight

    @staticmethod
    def backward(
        ctx: Any,  # noqa: ANN401
        gradient: Tensor,
    ) -> tuple[Tensor, Tensor | None, None, None]:
        excess, prior = ctx.saved_tensors
        gradient = gradient * ctx.weight
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
