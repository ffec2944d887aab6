"""The readout as a differentiable function of one flat vector of parameters."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from deepgaze2.readout.activations import ACTIVATIONS
from deepgaze2.readout.architecture import Architecture
from deepgaze2.readout.layout import Layout
from deepgaze2.readout.numpy_readout import Readout
from deepgaze2.readout.viewing import Viewing, average

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
    n_viewings
        How many data sets it is trained on. Each has a blur, a weight of the center bias, and,
        if there are several, a factor on saliency and one on the first layer's products at each
        scale of its own: what laboratories differ in. All else is shared.
    """

    def __init__(
        self,
        architecture: Architecture,
        deviations: Sequence[NDArray[np.float32]],
        *,
        learn_sigma: bool = True,
        learn_prior_weight: bool = False,
        n_viewings: int = 1,
    ) -> None:
        self.architecture = architecture
        self.deviations = tuple(deviations)
        self.n_viewings = n_viewings
        self.first_width, *_ = architecture.widths
        self.shapes: dict[str, tuple[int, ...]] = {
            f"first{g}": (self.first_width, len(one)) for g, one in enumerate(deviations)
        }
        self.shapes["bias0"] = (self.first_width,)
        for layer, (inputs, outputs) in enumerate(pairwise(architecture.widths), 1):
            self.shapes[f"weight{layer}"] = (outputs, inputs)
            self.shapes[f"bias{layer}"] = (outputs,)
        if learn_sigma:
            self.shapes["log_sigma_px"] = (n_viewings,)
        if learn_prior_weight:
            self.shapes["prior_weight"] = (n_viewings,)
        if n_viewings > 1:
            self.shapes["log_factor"] = (n_viewings,)
            if len(architecture.scales) > 1:
                self.shapes["log_scale"] = (n_viewings, len(architecture.scales))

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

    def viewing(self, parameters: Mapping[str, Tensor], number: int | None) -> dict[str, Tensor]:
        """Return what one data set has of its own: logarithms, but for the center bias's weight.

        None returns the mean over all data sets, for images of another one.
        """
        found = {
            "log_sigma_px": torch.full((), math.log(_FIRST_SIGMA_PX)),
            "prior_weight": torch.ones(()),
            "log_factor": torch.zeros(()),
            "log_scale": torch.zeros(len(self.architecture.scales)),
        }
        for name in found.keys() & self.shapes.keys():
            each = parameters[name]
            found[name] = each.mean(0) if number is None else each[number]
        return found

    def operators(
        self,
        parameters: Mapping[str, Tensor],
        where: Iterable[tuple[int | None, Layout]],
        kept: Sequence[Tensor] | None = None,
    ) -> dict[str, Tensor]:
        """Return, by name, what all images of these viewings and layouts share.

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
                found[f"sum{g}"] = weight.sum(1)
        for number, layout in dict.fromkeys(where):
            own = self.viewing(parameters, number)
            sigma_px = own["log_sigma_px"].exp()
            for cells in layout.shape:
                found[f"blur{cells} {number}"] = blur_matrix(cells, sigma_px / layout.stride_px)
            found[f"prior_weight {number}"] = own["prior_weight"]
            if self.n_viewings > 1:
                found[f"factor {number}"] = own["log_factor"].exp()
                found[f"scale {number}"] = own["log_scale"].exp()
        return found

    def saliency(
        self,
        operators: Mapping[str, Tensor],
        products: Sequence[Tensor],
        layout: Layout,
        number: int | None = 0,
    ) -> Tensor:
        """Return S, (gh, gw), nats, on the layout's grid.

        Parameters
        ----------
        products
            For each group the first layer's products with its features, (16, cells); see
            `wide_features.py`.
        number
            Which data set's viewing it is seen in.
        """
        x = operators["bias0"][:, None, None]
        for g, (product, (rows, columns)) in enumerate(zip(products, layout.groups, strict=True)):
            if self.n_viewings > 1:
                product = product * operators[f"scale {number}"][self.architecture.scale_of(g)]
            across = product.view(-1, columns.shape[1]) @ columns.T
            x = x + rows @ across.view(len(product), rows.shape[1], -1)
        x = x.flatten(1)
        activation = ACTIVATIONS[self.architecture.activation].torch
        for layer in range(1, len(self.architecture.widths)):
            x = activation(x)
            x = torch.addmm(operators[f"bias{layer}"][:, None], operators[f"weight{layer}"], x)
        if self.architecture.final_relu:
            x = torch.relu(x)
        if self.n_viewings > 1:
            x = x * operators[f"factor {number}"]
        vertical, horizontal = (operators[f"blur{cells} {number}"] for cells in layout.shape)
        return vertical @ x.view(layout.shape) @ horizontal.T


def blur_matrix(cells: int, sigma_cells: Tensor) -> Tensor:
    """Return `grid.blur_matrix` as a tensor, differentiable by sigma."""
    reach = max(1, math.ceil(4 * float(sigma_cells.detach())))
    offsets = torch.arange(-reach, reach + 1)
    kernel = torch.exp(-0.5 * (offsets / sigma_cells) ** 2)
    kernel = kernel / kernel.sum()
    targets = (torch.arange(cells)[:, None] + offsets).clamp(0, cells - 1)
    return kernel.new_zeros(cells, cells).scatter_add(1, targets, kernel.expand(targets.shape))


def readout_of(
    network: ReadoutNetwork, vectors: Sequence[NDArray[np.float32]], names: Sequence[str] = ()
) -> Readout:
    """Return trained parameter vectors as one mixture for prediction.

    Parameters
    ----------
    names
        Of the data sets, whose viewings are kept; the mixture itself has their mean.
    """
    named = [network.named(torch.from_numpy(vector)) for vector in vectors]

    def stacked(name: str) -> NDArray[np.float32]:
        return np.stack([parameters[name].numpy() for parameters in named])

    architecture = network.architecture
    layers = range(1, len(architecture.widths))
    first = [stacked(f"first{g}") for g in range(len(architecture.groups))]
    viewings = [_viewing(network, named, number) for number in range(network.n_viewings)]
    readout = Readout(
        architecture=architecture,
        weights=(np.concatenate(first, axis=2), *(stacked(f"weight{n}") for n in layers)),
        biases=tuple(stacked(f"bias{n}") for n in (0, *layers)),
        sigma_px=viewings[0].sigma_px,
        prior_weight=viewings[0].prior_weight,
        tap_deviation=np.concatenate(network.deviations),
    )
    if network.n_viewings == 1:
        return readout
    mean = average(viewings)
    relative = {
        name: replace(
            viewing,
            factor=viewing.factor / mean.factor,
            scale_factors=viewing.scale_factors / mean.scale_factors,
        )
        for name, viewing in zip(names, viewings, strict=True)
    }
    return replace(readout.viewed(mean), viewings=relative)


def _viewing(
    network: ReadoutNetwork, named: Sequence[Mapping[str, Tensor]], number: int
) -> Viewing:
    own = [network.viewing(parameters, number) for parameters in named]

    def stacked(name: str) -> NDArray[np.float32]:
        return np.stack([one[name].numpy() for one in own])

    learned = "log_sigma_px" in network.shapes
    constant = np.full(len(named), _FIRST_SIGMA_PX, np.float32)  # not but for rounding
    return Viewing(
        sigma_px=np.exp(stacked("log_sigma_px")) if learned else constant,
        prior_weight=stacked("prior_weight"),
        factor=np.exp(stacked("log_factor")),
        scale_factors=np.exp(stacked("log_scale")),
    )


def parameters_of(network: ReadoutNetwork, readout: Readout, k: int) -> NDArray[np.float32]:
    """Return the k-th readout of a mixture as a vector to go on training from.

    All data sets begin with its own viewing.
    """
    first = np.split(
        readout.weights[0][k], np.cumsum([len(d) for d in network.deviations])[:-1], axis=1
    )
    values: dict[str, NDArray[np.float32]] = {f"first{g}": w for g, w in enumerate(first)}
    values |= {f"weight{n}": w[k] for n, w in enumerate(readout.weights) if n}
    values |= {f"bias{n}": b[k] for n, b in enumerate(readout.biases)}
    values["log_sigma_px"] = np.log(readout.sigma_px[k])
    values["prior_weight"] = readout.prior_weight[k]
    values |= {name: np.zeros((), np.float32) for name in ("log_factor", "log_scale")}
    parts = [np.broadcast_to(values[name], shape).ravel() for name, shape in network.shapes.items()]
    return np.concatenate(parts).astype(np.float32)


def carried_over(
    network: ReadoutNetwork, other: ReadoutNetwork, parameters: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return parameters for a network that differs in its data sets alone.

    Each of these begins with the average viewing of the others.
    """
    if network.n_viewings == other.n_viewings == 1:
        return parameters
    names = [str(number) for number in range(network.n_viewings)]
    return parameters_of(other, readout_of(network, [parameters], names), 0)
