"""The paper's training as one writes it down in PyTorch, to measure ours beside it.

The backbone sees each image anew, all 2560 channels are brought to the readout's grid, and autograd
does the rest. Sides of the network's input must be multiples of 16, as OSIE's are.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from deepgaze2.features.backbone import StoredBackbone
from deepgaze2.features.network import Convolution, MaxPooling
from deepgaze2.readout.torch_readout import ReadoutNetwork
from deepgaze2.training.images import TrainingImage


def direct_gradient(
    network: ReadoutNetwork,
    parameters: Tensor,
    backbone: StoredBackbone,
    inputs: Sequence[Tensor],
    images: Sequence[TrainingImage],
    grid_block: int,
) -> Tensor:
    """Return the gradient of the mean of -log p over the fixations on the first images.

    Parameters
    ----------
    inputs
        What the backbone sees of each of these, (3, height, width).
    """
    leaf = parameters.clone().requires_grad_()
    chosen = list(zip(inputs, images, strict=False))
    n_fixations = sum(len(image.pixels) for _, image in chosen)
    for seen, image in chosen:
        (group,) = network.architecture.groups
        taps = _features(backbone, seen[None], group.names)
        taps = taps / torch.from_numpy(network.deviations[0])[:, None, None]
        s = _saliency(network.named(leaf), taps, group.stride_px, 2 ** (grid_block - 1))
        s = s + torch.from_numpy(image.log_center_bias)
        log_density = torch.log_softmax(s.flatten(), 0)
        loss = -log_density[torch.from_numpy(image.pixels).long()].sum() / n_fixations
        loss.backward()  # type: ignore[no-untyped-call]
    assert leaf.grad is not None
    return leaf.grad


def _features(backbone: StoredBackbone, x: Tensor, taps: tuple[str, ...]) -> Tensor:
    """Return the tapped channels, (1, channels, h, w)."""
    found: dict[str, Tensor] = {}
    with torch.no_grad():
        for node in backbone.network.nodes:
            if isinstance(node.operation, MaxPooling):
                x = functional.max_pool2d(x, 2, ceil_mode=True)
            elif isinstance(node.operation, Convolution):
                kernel = torch.from_numpy(backbone.kernels[node.name]).float()
                x = functional.conv2d(
                    x, kernel, torch.from_numpy(backbone.biases[node.name]), padding=1
                )
            else:
                x = functional.relu(x)
            found[node.name] = x
    return torch.cat([found[tap] for tap in taps], 1)


def _saliency(
    parameters: dict[str, Tensor], taps: Tensor, taps_stride_px: float, stride_px: int
) -> Tensor:
    """Return S at the network input's pixels, (height, width)."""
    x = functional.interpolate(taps, scale_factor=taps_stride_px / stride_px, mode="bilinear")
    x = functional.conv2d(x, parameters["first0"][..., None, None], parameters["bias0"])
    for layer in (1, 2, 3):
        weight, bias = parameters[f"weight{layer}"], parameters[f"bias{layer}"]
        x = functional.conv2d(functional.relu(x), weight[..., None, None], bias)
    sigma = parameters["log_sigma_px"].exp() / stride_px
    reach = math.ceil(4 * float(sigma.detach()))
    kernel = torch.exp(-0.5 * (torch.arange(-reach, reach + 1) / sigma) ** 2)
    kernel = kernel / kernel.sum()
    x = functional.pad(x, (reach,) * 4, mode="replicate")
    x = functional.conv2d(x, kernel[None, None, :, None])
    x = functional.conv2d(x, kernel[None, None, None])
    return functional.interpolate(x, scale_factor=stride_px, mode="bilinear")[0, 0]
