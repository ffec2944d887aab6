"""What a readout is made of: which features it sees and how its layers follow one another."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepgaze2.features.vgg import Vgg
from deepgaze2.readout.grid import (
    ALEXNET_OFFSET_PX,
    alexnet_size,
    block_size,
    block_stride,
    scaled_grid,
)

ALEXNET_TAP = "conv5"
"""AlexNet's last convolution, which DeepGaze I reads."""


@dataclass(frozen=True)
class TapGroup:
    """Tapped layers that share one grid: those of one block, of one view of the image.

    Attributes
    ----------
    taps
        Names of the layers, `convB_L` or `reluB_L`, all of one block B; or AlexNet's `conv5`
        alone, whose stride is that of block 5.
    scale
        Size of the network input, relative to the model's own.
    """

    taps: tuple[str, ...]
    scale: float = 1.0

    @property
    def block(self) -> int:
        """The VGG block of the taps."""
        return int(self.taps[0][4])

    @property
    def stride_px(self) -> int:
        """Distance of neighboring cells in pixels of this group's network input."""
        return block_stride(self.block)

    def shape(self, input_size: tuple[int, int]) -> tuple[int, int]:
        """Return height and width of the grid for a network input of (width, height)."""
        width, height = input_size
        if self.taps == (ALEXNET_TAP,):
            return alexnet_size(height), alexnet_size(width)
        return block_size(height, self.block), block_size(width, self.block)

    def positions(self, main_px: int, input_px: int, grid_block: int) -> NDArray[np.float64]:
        """Return, for each cell of the readout's grid, its coordinate among the group's cells.

        Along an axis on which the readout's network input has `main_px` and the group's
        `input_px`; see `grid.scaled_grid`.
        """
        positions = scaled_grid(main_px, input_px, self.block, grid_block)
        if self.taps == (ALEXNET_TAP,):
            positions -= (ALEXNET_OFFSET_PX - (self.stride_px - 1) / 2) / self.stride_px
        return positions

    def channels(self, vgg: Vgg) -> int:
        """Return the number of features at one place."""
        return sum(vgg.tap_width(tap) for tap in self.taps)


@dataclass(frozen=True)
class Architecture:
    """A readout's structure; its parameters are elsewhere.

    Attributes
    ----------
    groups
        The features. The first layer is a product for each group on the group's own grid;
        the products are interpolated and summed.
    widths
        Output channels of each 1×1 convolution, the last being 1; (1,) is a linear readout.
    activation
        What stands between the layers: a name of `activations.ACTIVATIONS`.
    layer_norm
        Whether the features of a group are normalized across its channels at each position.
    final_relu
        Whether a ReLU follows the last layer too, as the paper's text reads.
    grid_block
        The VGG block on whose grid the layers after the first are applied; the paper's is
        conv2_1's, 2.
    """

    groups: tuple[TapGroup, ...]
    widths: tuple[int, ...] = (16, 32, 2, 1)
    activation: str = "relu"
    layer_norm: bool = False
    final_relu: bool = False
    grid_block: int = 2

    @property
    def taps(self) -> tuple[str, ...]:
        """All tapped layers, each once."""
        return tuple(dict.fromkeys(tap for group in self.groups for tap in group.taps))


def paper_architecture(vgg: Vgg) -> Architecture:
    """Return the architecture of section 2.1 on a network."""
    return Architecture((TapGroup(vgg.taps),))


def architecture_from(values: dict[str, Any]) -> Architecture:
    """Return the architecture that `dataclasses.asdict` made a dictionary of.

    Raises
    ------
    TypeError, KeyError
        If it is not one.
    """
    groups = tuple(TapGroup(tuple(group["taps"]), group["scale"]) for group in values["groups"])
    return Architecture(**values | {"groups": groups, "widths": tuple(values["widths"])})
