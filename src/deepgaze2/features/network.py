"""A convolutional network as data: a graph of few kinds of nodes, and where each one's cells look.

The frozen network is described once; the engines run the description, the importers name its
tensors by it, and the readout asks it how many channels a layer has and where its cells lie.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeAlias

from deepgaze2.errors import ModelError

IMAGE = "image"
"""The name of the network's input, (3, h, w)."""

_LARGEST_MIN_SIDE_PX = 4096


@dataclass(frozen=True)
class Convolution:
    """A convolution with bias and zero padding.

    Attributes
    ----------
    channels
        Of its output.
    kernel, stride, padding
        In cells of its input, the same along both axes.
    """

    channels: int
    kernel: int = 3
    stride: int = 1
    padding: int = 1


@dataclass(frozen=True)
class MaxPooling:
    """The largest of kernel × kernel cells; what is padded never is.

    Attributes
    ----------
    ceil
        Whether a window that is cut by the right or lower edge counts.
    """

    kernel: int
    stride: int
    padding: int = 0
    ceil: bool = False


@dataclass(frozen=True)
class Relu:
    """The rectifier."""


@dataclass(frozen=True)
class Addition:
    """The sum of its inputs, which have one shape."""


Operation: TypeAlias = Convolution | MaxPooling | Relu | Addition


@dataclass(frozen=True)
class Node:
    """One step of a network.

    Attributes
    ----------
    name
        The layer's name, by which it is read and its tensors are stored.
    operation
        What it does.
    inputs
        Names of the nodes before it, or `IMAGE`.
    """

    name: str
    operation: Operation
    inputs: tuple[str, ...]


@dataclass(frozen=True)
class Tap:
    """A layer that a readout sees.

    Attributes
    ----------
    name
        The layer's name.
    channels
        Number of its feature maps.
    stride_px
        Distance of neighboring cells in pixels of the network input.
    offset_px
        Where the first cell looks on the network input, pixel p having coordinate p: at the center
        of its receptive field, unless the network learned otherwise.
    relu_of
        If it is a ReLU, the layer before it: where that is at hand, the ReLU need not be kept.
    """

    name: str
    channels: int
    stride_px: float
    offset_px: float
    relu_of: str = ""


@dataclass(frozen=True)
class PlusReading:
    """How the recipe `plus` reads a network.

    Attributes
    ----------
    scales
        Sizes of the input, relative to the model's own, at which the taps are read.
    finer
        Layers of a smaller stride that are read besides at the first of them.
    widths
        Of the readout's layers.
    """

    scales: tuple[float, ...] = (1.0, 0.5, 0.25)
    finer: tuple[str, ...] = ()
    widths: tuple[int, ...] = (16, 32, 2, 1)


@dataclass(frozen=True)
class Network:
    """A network's structure; its weights are elsewhere.

    Attributes
    ----------
    name
        The network's name in files and on the command line.
    nodes
        Each behind those that it reads.
    taps
        The layers that are read where nothing else is said, in the order of the readout's input
        channels.
    plus
        How the recipe `plus` reads it.
    past_center_px
        How far past the centers of their receptive fields trained cells look, right and down: the
        stride of their layer, in pixels of the input, and how many of these.
    """

    name: str
    nodes: tuple[Node, ...]
    taps: tuple[str, ...]
    plus: PlusReading = PlusReading()
    past_center_px: tuple[tuple[float, float], ...] = ()

    @cached_property
    def node(self) -> dict[str, Node]:
        """The nodes by name."""
        return {node.name: node for node in self.nodes}

    @cached_property
    def _geometry(self) -> dict[str, Tap]:
        known = {IMAGE: Tap(IMAGE, 3, 1.0, 0.0)}
        for node in self.nodes:
            before, step = known[node.inputs[0]], node.operation
            if isinstance(step, Convolution | MaxPooling):
                middle = (step.kernel - 1) / 2 - step.padding
                known[node.name] = Tap(
                    node.name,
                    step.channels if isinstance(step, Convolution) else before.channels,
                    before.stride_px * step.stride,
                    before.offset_px + before.stride_px * middle,
                )
            else:
                relu_of = before.name if isinstance(step, Relu) else ""
                known[node.name] = replace(before, name=node.name, relu_of=relu_of)
        return known

    def tap(self, name: str) -> Tap:
        """Return what there is to know of a layer.

        Raises
        ------
        ModelError
            If there is no such layer.
        """
        if name not in self.node:
            raise ModelError(
                f"{name}: {self.name} has no such layer to read features from; there are"
                f" {', '.join(self.node)}"
            )
        centered = self._geometry[name]
        past_px = dict(self.past_center_px).get(centered.stride_px, 0.0)
        return replace(centered, offset_px=centered.offset_px + past_px)

    @cached_property
    def relu_inputs(self) -> Mapping[str, str]:
        """Of each ReLU the layer before it."""
        return {name: tap.relu_of for name, tap in self._geometry.items() if tap.relu_of}

    @cached_property
    def tensor_shapes(self) -> dict[str, tuple[int, ...]]:
        """The shapes of the convolutions' kernels and biases, by their names in files."""
        shapes: dict[str, tuple[int, ...]] = {}
        for node in self.nodes:
            step, before = node.operation, self._geometry[node.inputs[0]]
            if not isinstance(step, Convolution):
                continue
            size = step.kernel, step.kernel
            shapes[f"{node.name}.weight"] = step.channels, before.channels, *size
            shapes[f"{node.name}.bias"] = (step.channels,)
        return shapes

    def convolutions(self) -> tuple[Node, ...]:
        """Return the nodes that have weights, in order."""
        return tuple(node for node in self.nodes if isinstance(node.operation, Convolution))

    def cells(self, name: str, input_px: int) -> int:
        """Return the number of a layer's cells along an axis; 0 or less of too small an input."""
        node = self.node.get(name)
        if node is None:
            return input_px
        cells, step = self.cells(node.inputs[0], input_px), node.operation
        if isinstance(step, Convolution | MaxPooling):
            beyond = cells + 2 * step.padding - step.kernel
            is_ceil = isinstance(step, MaxPooling) and step.ceil
            return (-(-beyond // step.stride) if is_ceil else beyond // step.stride) + 1
        return cells

    @cached_property
    def min_side_px(self) -> int:
        """The smallest side of an input that leaves every tap a cell."""
        sides = range(1, _LARGEST_MIN_SIDE_PX)
        return next(px for px in sides if all(self.cells(tap, px) > 0 for tap in self.taps))

    def stored_taps(self) -> tuple[str, ...]:
        """Return the distinct tensors behind the taps, in order.

        A layer and its own ReLU, both tapped, are one tensor: that before the ReLU.
        """
        return distinct(self.taps, self.relu_inputs)

    def needed_nodes(self) -> tuple[Node, ...]:
        """Return the nodes that the stored taps depend on, in order."""
        needed = set(self.stored_taps())
        for node in reversed(self.nodes):
            if node.name in needed:
                needed.update(node.inputs)
        return tuple(node for node in self.nodes if node.name in needed)


def distinct(taps: tuple[str, ...], relu_inputs: Mapping[str, str]) -> tuple[str, ...]:
    """Return the layers to keep for some taps: no ReLU of a layer that is among them, too."""
    sources = (before if (before := relu_inputs.get(tap)) in taps else tap for tap in taps)
    return tuple(dict.fromkeys(source for source in sources if source))
