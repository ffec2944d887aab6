"""What a readout is made of: which features it sees and how its layers follow one another."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from deepgaze2.features.network import Tap
from deepgaze2.readout.activations import ACTIVATIONS
from deepgaze2.readout.grid import scaled_grid

_MOST_BLOCKS = 6  # whose cells, 32 pixels wide, are wider than any network's that is read
_LARGEST_SCALE = 8.0


class Layers(Protocol):
    """A network that says what its layers are: a described one or a backbone."""

    @property
    def taps(self) -> tuple[str, ...]:
        """The layers that are read where nothing else is said."""

    def tap(self, name: str) -> Tap:
        """Return what there is to know of a layer."""


@dataclass(frozen=True)
class TapGroup:
    """Tapped layers that share one grid, of one view of the image.

    Attributes
    ----------
    taps
        The layers, all of one stride and offset.
    scale
        Size of the network input, relative to the model's own.
    """

    taps: tuple[Tap, ...]
    scale: float = 1.0

    def __post_init__(self) -> None:
        """Refuse layers that have no grid in common, and scales that are none."""
        if len({(tap.stride_px, tap.offset_px) for tap in self.taps}) > 1:
            raise ValueError(f"layers {', '.join(self.names)} are not on one grid")
        if not 0 < self.scale <= _LARGEST_SCALE or not all(t.stride_px > 0 for t in self.taps):
            raise ValueError(f"scale {self.scale} or a stride is out of range")

    @property
    def names(self) -> tuple[str, ...]:
        """The layers' names."""
        return tuple(tap.name for tap in self.taps)

    @property
    def stride_px(self) -> float:
        """Distance of neighboring cells in pixels of this group's network input."""
        return self.taps[0].stride_px

    def positions(self, main_px: int, input_px: int, grid_block: int) -> NDArray[np.float64]:
        """Return, for each cell of the readout's grid, its coordinate among the group's cells.

        Along an axis on which the readout's network input has `main_px` and the group's
        `input_px`; see `grid.scaled_grid`.
        """
        offset_px = self.taps[0].offset_px
        return scaled_grid(main_px, input_px, self.stride_px, offset_px, grid_block)

    @property
    def channels(self) -> int:
        """The number of features at one place."""
        return sum(tap.channels for tap in self.taps)


def tap_groups(
    layers: Layers, names: Sequence[str], scales: Sequence[float] = (1.0,)
) -> tuple[TapGroup, ...]:
    """Return layers as an architecture takes them: a group for each scale and grid.

    Raises
    ------
    ModelError
        If there is no such layer.
    """
    grids: dict[tuple[float, float], list[Tap]] = {}
    for tap in map(layers.tap, names):
        grids.setdefault((tap.stride_px, tap.offset_px), []).append(tap)
    return tuple(TapGroup(tuple(taps), scale) for scale in scales for taps in grids.values())


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

    def __post_init__(self) -> None:
        """Refuse what no readout can have.

        Raises
        ------
        ValueError
            One line that names the value.
        """
        if self.activation not in ACTIVATIONS:
            known = ", ".join(ACTIVATIONS)
            raise ValueError(f"activation {self.activation!r} is unknown; there are {known}")
        if not self.widths or self.widths[-1] != 1 or min(self.widths) < 1:
            raise ValueError(f"widths {self.widths} are not positive numbers that end with 1")
        if not 1 <= self.grid_block <= _MOST_BLOCKS:
            raise ValueError(f"grid_block {self.grid_block} is none of 1 to {_MOST_BLOCKS}")
        if not self.groups or not all(group.taps for group in self.groups):
            raise ValueError("groups of taps are missing")

    @property
    def scales(self) -> tuple[float, ...]:
        """The scales at which the image is seen, each once."""
        return tuple(dict.fromkeys(group.scale for group in self.groups))

    def scale_of(self, group: int) -> int:
        """Return the number, in `scales`, of a group's scale."""
        return self.scales.index(self.groups[group].scale)

    @property
    def taps(self) -> tuple[str, ...]:
        """Names of all tapped layers, each once."""
        return tuple(dict.fromkeys(name for group in self.groups for name in group.names))


def paper_architecture(layers: Layers) -> Architecture:
    """Return the architecture of section 2.1 on a network."""
    return Architecture(tap_groups(layers, layers.taps))
