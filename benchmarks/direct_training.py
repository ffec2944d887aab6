"""The paper's training as one writes it down in PyTorch, to measure ours beside it.

The backbone sees each image anew, all 2560 channels are brought to the readout's grid, and autograd
does the rest. It holds for a VGG, whose cells are in the middle of their strides, and for sides of
the network's input that are multiples of 16, as OSIE's are.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from deepgaze2.features.backbone import StoredBackbone
from deepgaze2.readout.torch_readout import ReadoutNetwork
from deepgaze2.training.images import TrainingImage
from eager import plain_network


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
        What the backbone sees of each of these, RGB, 0 to 255, (3, height, width).
    """
    backbone_maps = plain_network(backbone)
    leaf = parameters.clone().requires_grad_()
    chosen = list(zip(inputs, images, strict=False))
    n_fixations = sum(len(image.pixels) for _, image in chosen)
    for seen, image in chosen:
        (group,) = network.architecture.groups
        with torch.no_grad():
            maps = backbone_maps(seen)
            taps = torch.cat([maps[tap] for tap in group.names], 1)
        taps = taps / torch.from_numpy(network.deviations[0])[:, None, None]
        s = _saliency(network.named(leaf), taps, group.stride_px, 2 ** (grid_block - 1))
        s = s + torch.from_numpy(image.log_center_bias)
        log_density = torch.log_softmax(s.flatten(), 0)
        loss = -log_density[torch.from_numpy(image.pixels).long()].sum() / n_fixations
        loss.backward()  # type: ignore[no-untyped-call]
    assert leaf.grad is not None
    return leaf.grad


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
