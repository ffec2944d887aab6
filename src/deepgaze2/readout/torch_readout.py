"""The readout as a differentiable function of one flat vector of parameters."""

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from deepgaze2.readout.activations import ACTIVATIONS
from deepgaze2.readout.architecture import Architecture
from deepgaze2.readout.layout import Layout
from deepgaze2.readout.numpy_readout import LAYER_NORM_EPSILON, Readout

_FIRST_SIGMA_PX = 10.0


class ReadoutNetwork:
    """A readout of a given architecture; see `numpy_readout.py` for the same in NumPy.

    It holds no parameters: they are a flat float32 vector, which any optimizer can work on.

    Parameters
    ----------
    architecture
        Its features, layers and nonlinearity.
    deviations
        For each group of taps (channels,) standard deviations, divided by which the features
        have unit variance.
    learn_sigma, learn_prior_weight
        Whether the blur's width and the center bias's weight are parameters. Otherwise they
        stay at 10 network-input pixels and 1.
    """

    def __init__(
        self,
        architecture: Architecture,
        deviations: Sequence[NDArray[np.float32]],
        *,
        learn_sigma: bool = True,
        learn_prior_weight: bool = False,
    ) -> None:
        self.architecture = architecture
        self.deviations = tuple(deviations)
        first, *_ = architecture.widths
        self.shapes: dict[str, tuple[int, ...]] = {
            f"first{g}": (first, len(deviation)) for g, deviation in enumerate(deviations)
        }
        self.shapes["bias0"] = (first,)
        for layer, (inputs, outputs) in enumerate(pairwise(architecture.widths), 1):
            self.shapes[f"weight{layer}"] = (outputs, inputs)
            self.shapes[f"bias{layer}"] = (outputs,)
        if learn_sigma:
            self.shapes["log_sigma_px"] = ()
        if learn_prior_weight:
            self.shapes["prior_weight"] = ()

    @property
    def n_parameters(self) -> int:
        """Length of the vector of parameters."""
        return sum(math.prod(shape) for shape in self.shapes.values())

    def initial(self, seed: int) -> NDArray[np.float32]:
        """Return parameters to start from, after He et al. (2015)."""
        generator = torch.Generator().manual_seed(seed)
        widths = self.architecture.widths
        values = {name: torch.zeros(shape) for name, shape in self.shapes.items()}
        total = sum(map(len, self.deviations))
        for name, shape in self.shapes.items():
            if name.startswith("first"):
                # Taps are correlated, so their sum varies more than He et al. assume.
                scale = 0.3 * math.sqrt(2 / total)
                values[name] = scale * torch.randn(shape, generator=generator)
            elif name.startswith("weight"):
                values[name] = math.sqrt(2 / shape[1]) * torch.randn(shape, generator=generator)
        for layer in range(max(1, len(widths) - 2), len(widths)):
            # The two-unit layer dies easily, leaving the bare center bias: around that
            # bottleneck start with everything positive.
            values[f"weight{layer}"].abs_()
            values[f"bias{layer}"] += 0.1
        if "log_sigma_px" in values:
            values["log_sigma_px"] += math.log(_FIRST_SIGMA_PX)
        if "prior_weight" in values:
            values["prior_weight"] += 1
        flat: NDArray[np.float32] = torch.cat([v.flatten() for v in values.values()]).numpy()
        return flat

    def named(self, parameters: Tensor) -> dict[str, Tensor]:
        """Return the vector's parts by name, as views."""
        sizes = [math.prod(shape) for shape in self.shapes.values()]
        parts = torch.split(parameters, sizes)
        return {
            name: part.view(shape)
            for (name, shape), part in zip(self.shapes.items(), parts, strict=True)
        }

    def operators(
        self,
        parameters: dict[str, Tensor],
        layouts: Iterable[Layout],
        kept: Sequence[Tensor] | None = None,
    ) -> dict[str, Tensor]:
        """Return, by name, the matrices and biases that all images of these layouts share.

        Parameters
        ----------
        parameters
            By name.
        kept
            For each group of taps one factor for each channel, such as dropout's 0 or 1.25.
        """
        found = {name: p for name, p in parameters.items() if name.startswith(("weight", "bias"))}
        for g, deviation in enumerate(self.deviations):
            weight = parameters[f"first{g}"]
            if kept is not None:
                weight = weight * kept[g]
            found[f"first{g}"] = weight / torch.from_numpy(deviation)
            if self.architecture.layer_norm:
                found[f"sum{g}"] = weight.sum(1, keepdim=True)
        sigma_px = self.sigma_px(parameters)
        for cells, stride_px in {(n, one.stride_px) for one in layouts for n in one.shape}:
            found[f"blur{cells}"] = blur_matrix(cells, sigma_px / stride_px)
        found["prior_weight"] = self.prior_weight(parameters)
        return found

    def saliency(
        self,
        operators: dict[str, Tensor],
        features: Sequence[Sequence[Tensor]],
        layout: Layout,
    ) -> Tensor:
        """Return S, (gh, gw), nats, on the layout's grid.

        Parameters
        ----------
        features
            For each group its raw taps, (channels, h, w), float16.
        """
        x = operators["bias0"][:, None, None]
        for g, (taps, (rows, columns)) in enumerate(zip(features, layout.groups, strict=True)):
            x = x + rows @ (self._product(operators, g, taps) @ columns.T)
        x = x.flatten(1)
        activation = ACTIVATIONS[self.architecture.activation].torch
        for layer in range(1, len(self.architecture.widths)):
            x = activation(x)
            x = torch.addmm(operators[f"bias{layer}"][:, None], operators[f"weight{layer}"], x)
        if self.architecture.final_relu:
            x = torch.relu(x)
        vertical, horizontal = (operators[f"blur{cells}"] for cells in layout.shape)
        return vertical @ x.view(layout.shape) @ horizontal.T

    def _product(self, operators: dict[str, Tensor], g: int, taps: Sequence[Tensor]) -> Tensor:
        """Apply a first layer, without bias, to the normalized features: (16, h, w).

        Layer normalization subtracts a position's mean and divides by its deviation, which
        commutes with the matrix product; so the features are not touched.
        """
        product: Tensor = _Product.apply(operators[f"first{g}"], *taps)  # type: ignore[no-untyped-call]
        if self.architecture.layer_norm:
            mean, norm = _moments(taps, torch.from_numpy(self.deviations[g]))
            product = (product - operators[f"sum{g}"] * mean) * norm
        return product.view(-1, *taps[0].shape[1:])

    def sigma_px(self, parameters: dict[str, Tensor]) -> Tensor:
        """Return the blur's standard deviation in network-input pixels."""
        if "log_sigma_px" in parameters:
            return parameters["log_sigma_px"].exp()
        return torch.tensor(_FIRST_SIGMA_PX)

    def prior_weight(self, parameters: dict[str, Tensor]) -> Tensor:
        """Return the factor of the center bias's log density."""
        return parameters.get("prior_weight", torch.ones(()))


class _Product(torch.autograd.Function):
    """The product of a matrix and the channels of all taps, differentiated by the matrix.

    Taps are widened one by one, so that each is near the cache when it is multiplied.
    """

    @staticmethod
    def forward(ctx: Any, weight: Tensor, *taps: Tensor) -> Tensor:  # noqa: ANN401
        ctx.save_for_backward(*taps)
        product = weight.new_zeros(len(weight), taps[0][0].numel())
        for part, tap in zip(torch.split(weight, [len(t) for t in taps], 1), taps, strict=True):
            product.addmm_(part, tap.flatten(1).to(weight.dtype))
        return product

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        taps = ctx.saved_tensors
        parts = [gradient @ tap.flatten(1).to(gradient.dtype).T for tap in taps]
        return torch.cat(parts, 1), *(None for _ in taps)


def _moments(taps: Sequence[Tensor], deviation: Tensor) -> tuple[Tensor, Tensor]:
    """Return each position's mean and inverse deviation across channels of unit variance."""
    with torch.no_grad():
        scale = 1 / (deviation * len(deviation))
        mean, squares = deviation.new_zeros(2, taps[0][0].numel())
        sizes = [len(tap) for tap in taps]
        for tap, first, second in zip(
            taps, torch.split(scale, sizes), torch.split(scale / deviation, sizes), strict=True
        ):
            x = tap.flatten(1).to(deviation.dtype)
            mean += first @ x
            squares += second @ x.square()
        variance = (squares - mean.square()).clamp(min=0)
        return mean, (variance + LAYER_NORM_EPSILON).rsqrt()


def blur_matrix(cells: int, sigma_cells: Tensor) -> Tensor:
    """Return `grid.blur_matrix` as a tensor, differentiable by sigma."""
    reach = max(1, math.ceil(4 * float(sigma_cells.detach())))
    offsets = torch.arange(-reach, reach + 1)
    kernel = torch.exp(-0.5 * (offsets / sigma_cells) ** 2)
    kernel = kernel / kernel.sum()
    targets = (torch.arange(cells)[:, None] + offsets).clamp(0, cells - 1)
    return kernel.new_zeros(cells, cells).scatter_add(1, targets, kernel.expand(targets.shape))


def readout_of(network: ReadoutNetwork, vectors: Sequence[NDArray[np.float32]]) -> Readout:
    """Return trained parameter vectors as one mixture for prediction."""
    named = [network.named(torch.from_numpy(vector)) for vector in vectors]

    def stacked(name: str) -> NDArray[np.float32]:
        return np.stack([parameters[name].numpy() for parameters in named])

    architecture = network.architecture
    layers = range(1, len(architecture.widths))
    first = [stacked(f"first{g}") for g in range(len(architecture.groups))]
    return Readout(
        architecture=architecture,
        weights=(np.concatenate(first, axis=2), *(stacked(f"weight{n}") for n in layers)),
        biases=tuple(stacked(f"bias{n}") for n in (0, *layers)),
        sigma_px=np.stack([network.sigma_px(p).numpy() for p in named]),
        prior_weight=np.stack([network.prior_weight(p).numpy() for p in named]),
        tap_deviation=np.concatenate(network.deviations),
    )


def parameters_of(network: ReadoutNetwork, readout: Readout, k: int) -> NDArray[np.float32]:
    """Return the k-th readout of a mixture as a vector to go on training from."""
    first = np.split(
        readout.weights[0][k], np.cumsum([len(d) for d in network.deviations])[:-1], axis=1
    )
    values: dict[str, NDArray[np.float32]] = {f"first{g}": w for g, w in enumerate(first)}
    values |= {f"weight{n}": w[k] for n, w in enumerate(readout.weights) if n}
    values |= {f"bias{n}": b[k] for n, b in enumerate(readout.biases)}
    values["log_sigma_px"] = np.log(readout.sigma_px[k])
    values["prior_weight"] = readout.prior_weight[k]
    return np.concatenate([np.ravel(values[name]) for name in network.shapes]).astype(np.float32)
