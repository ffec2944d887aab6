"""A network of a user's own, as `python:helpers.own_network.small` names it: random weights."""

from collections import OrderedDict

import torch
from torch import Tensor, nn


def small() -> nn.Module:
    """Two strides of 2 and one of 4; its last layer is no map."""
    generator = torch.Generator().manual_seed(3)
    network = nn.Sequential(
        OrderedDict(
            conv1=nn.Conv2d(3, 12, 5, stride=2, padding=2),
            act1=nn.ReLU(inplace=True),
            pool=nn.MaxPool2d(2, ceil_mode=True),
            conv2=nn.Conv2d(12, 16, 3, stride=4, padding=1),
            norm2=nn.BatchNorm2d(16),
            act2=nn.ReLU(inplace=True),
            conv3=nn.Conv2d(16, 16, 3, padding=1),
            mean=nn.AdaptiveAvgPool2d(1),
            flat=nn.Flatten(),
            classes=nn.Linear(16, 10),
        )
    )
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.3)
    return network


class Oblong(nn.Module):
    """Strides that differ by direction."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, stride=(2, 4), padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Convolve."""
        convolved: Tensor = self.conv(x)
        return convolved


def oblong() -> nn.Module:
    """See `Oblong`."""
    return Oblong()


def no_network() -> str:
    """Return something else."""
    return "a network"


def failing() -> nn.Module:
    """Fail, as code of users does."""
    raise OSError("weights.pth is missing")


class Gated(nn.Module):
    """Squeeze-and-excitation: channels are weighed by what the whole image says."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, stride=2, padding=1)
        self.squeeze = nn.AdaptiveAvgPool2d(1)
        self.excite = nn.Conv2d(4, 4, 1)
        self.next = nn.Conv2d(4, 4, 3, stride=2, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Weigh channels between two convolutions."""
        x = self.conv(x)
        following: Tensor = self.next(x * torch.sigmoid(self.excite(self.squeeze(x))))
        return following


def gated() -> nn.Module:
    """See `Gated`."""
    return Gated()


def demanding() -> nn.Module:
    """Like AlexNet's beginning without padding: small images leave it no cell."""
    return nn.Sequential(nn.Conv2d(3, 4, 11, 4), nn.MaxPool2d(3, 2), nn.Conv2d(4, 4, 7, 2))


class OfThirtyTwo(nn.Module):
    """Takes no sides but multiples of 32."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, stride=2, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Refuse, or convolve."""
        assert x.shape[-1] % 32 == x.shape[-2] % 32 == 0, "sides must be multiples of 32"
        assert x.device == self.conv.weight.device
        convolved: Tensor = self.conv(x)
        return convolved


def of_thirty_two() -> nn.Module:
    """See `OfThirtyTwo`."""
    return OfThirtyTwo()


def in_no_file() -> nn.Module:
    """A class made at run time, as notebooks do."""
    return type("InNoFile", (Gated,), {"__module__": "builtins"})()  # type: ignore[no-any-return]
