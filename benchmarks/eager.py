"""Networks and predictions as one writes them in PyTorch: no shortcut, maps one by one."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from deepgaze2.branch import Branch
from deepgaze2.features.backbone import StoredBackbone
from deepgaze2.features.network import IMAGE, Addition, Convolution, MaxPooling
from deepgaze2.image.network_input import network_input, network_size
from deepgaze2.model import Model
from deepgaze2.readout.activations import ACTIVATIONS
from deepgaze2.readout.grid import blur_matrix, image_in_grid, interpolation_matrix
from deepgaze2.readout.numpy_readout import LAYER_NORM_EPSILON, Readout

Size = tuple[int, int]
"""Width and height in pixels."""
Pixels = NDArray[np.uint8]
"""An image, (height, width, 3)."""


def plain_network(
    backbone: StoredBackbone, device: str = "cpu"
) -> Callable[[Tensor], dict[str, Tensor]]:
    """Return what computes all maps of a network, (1, channels, h, w), of an image, (3, h, w)."""
    mean = torch.from_numpy(backbone.input_mean)[:, None, None].to(device)
    kernels = {k: torch.from_numpy(v).float().to(device) for k, v in backbone.kernels.items()}
    biases = {name: torch.from_numpy(one).to(device) for name, one in backbone.biases.items()}

    def maps(image: Tensor) -> dict[str, Tensor]:
        found = {IMAGE: (image - mean)[None]}
        for node in backbone.network.nodes:
            (x, *others), step, name = [found[i] for i in node.inputs], node.operation, node.name
            if isinstance(step, Convolution):
                x = functional.conv2d(x, kernels[name], biases[name], step.stride, step.padding)
            elif isinstance(step, MaxPooling):
                x = functional.max_pool2d(
                    x, step.kernel, step.stride, step.padding, ceil_mode=step.ceil
                )
            elif isinstance(step, Addition):
                x = sum(others, x)
            else:
                x = functional.relu(x)
            found[name] = x
        return found

    return maps


def eager_prediction(model: Model, size: Size) -> Callable[[Pixels], NDArray[np.float32]]:
    """Return what computes the log density of images of one size."""
    prior = torch.from_numpy(model.center_bias.log_density(size[1], size[0]))
    each = [_saliency(branch, model.card.longer_side_px, size) for branch in model.branches]
    total = sum(branch.share for branch in model.branches)

    def predict(pixels: Pixels) -> NDArray[np.float32]:
        logs = []
        with torch.inference_mode():
            for branch, saliency in zip(model.branches, each, strict=True):
                readout = branch.readout
                share = np.log(branch.share / total / readout.n_models)
                for s, weight in zip(saliency(pixels), readout.prior_weight, strict=True):
                    exponents = (s + float(weight) * prior).flatten()
                    logs.append(torch.log_softmax(exponents, 0) + share)
            mixed = torch.logsumexp(torch.stack(logs), 0)
            return mixed.reshape(prior.shape).numpy()

    return predict


def _saliency(branch: Branch, longer_side_px: int, size: Size) -> Callable[[Pixels], list[Tensor]]:
    """Return what computes S of each readout on a network at the image's pixels."""
    readout, architecture = branch.readout, branch.readout.architecture
    assert isinstance(branch.backbone, StoredBackbone)
    network, block = plain_network(branch.backbone), architecture.grid_block
    sizes = [
        network_size(*size, longer_side_px=round(longer_side_px * group.scale))
        for group in architecture.groups
    ]
    widths = [group.channels for group in architecture.groups]
    deviations = torch.split(torch.from_numpy(readout.tap_deviation)[:, None, None], widths)

    def on_grid(pixels: Pixels) -> Tensor:
        features = []
        for group, own, deviation in zip(architecture.groups, sizes, deviations, strict=True):
            found = network(torch.from_numpy(network_input(pixels, own)))
            taps = torch.cat([found[tap][0] for tap in group.names]) / deviation
            if architecture.layer_norm:
                spread, mean = torch.std_mean(taps, dim=0, correction=0)
                taps = (taps - mean) / (spread.square() + LAYER_NORM_EPSILON).sqrt()
            sides = zip(sizes[0][::-1], own[::-1], taps.shape[1:], strict=True)
            rows, columns = (
                _matrix(group.positions(main, side, block), cells) for main, side, cells in sides
            )
            features.append(rows @ (taps @ columns.T))
        return torch.cat(features)[None]  # (1, channels, gh, gw)

    def saliency(pixels: Pixels) -> list[Tensor]:
        features = on_grid(pixels)
        sides = zip(size[::-1], sizes[0][::-1], features.shape[2:], strict=True)
        rows, columns = (
            _matrix(image_in_grid(image_px, input_px, block), cells)
            for image_px, input_px, cells in sides
        )
        each = (_on_grid(readout, k, features) for k in range(readout.n_models))
        return [rows @ s @ columns.T for s in each]

    return saliency


def _on_grid(readout: Readout, k: int, features: Tensor) -> Tensor:
    """Return S of the k-th readout on the readouts' grid, (gh, gw)."""
    architecture, z = readout.architecture, features
    activation = ACTIVATIONS[architecture.activation].torch
    for layer, (w, b) in enumerate(zip(readout.weights, readout.biases, strict=True)):
        kernel = torch.from_numpy(w[k])[..., None, None]
        z = functional.conv2d(z, kernel, torch.from_numpy(b[k]))
        if layer < len(readout.weights) - 1:
            z = activation(z)
    sigma = float(readout.sigma_px[k]) / 2 ** (architecture.grid_block - 1)
    vertical, horizontal = (
        torch.from_numpy(blur_matrix(cells, sigma).astype(np.float32)) for cells in z.shape[2:]
    )
    return vertical @ z[0, 0] @ horizontal.T


def _matrix(positions: NDArray[np.float64], cells: int) -> Tensor:
    return torch.from_numpy(interpolation_matrix(positions, cells).astype(np.float32))
