"""K readouts on a network's features as nodes of an ONNX graph; see `readout.numpy_readout`."""

from collections.abc import Mapping, Sequence

import numpy as np

from deepgaze2.export.graph import Value
from deepgaze2.export.grids import grid_in_group
from deepgaze2.readout.architecture import TapGroup
from deepgaze2.readout.grid import block_stride
from deepgaze2.readout.numpy_readout import LAYER_NORM_EPSILON, Readout

Size = tuple[Value, Value]
"""Height and width in pixels."""


def saliency(
    name: str, readout: Readout, maps: Sequence[Mapping[str, Value]], sizes: Sequence[Size]
) -> Value:
    """Return S of each readout on the grid, (K, gh, gw), nats.

    Parameters
    ----------
    name
        Of the network, for the names of weights.
    maps, sizes
        For each group of taps the layers by name and the network input's size. The grid belongs to
        the first.
    """
    hidden, start = None, 0
    for number, (group, named, size) in enumerate(
        zip(readout.architecture.groups, maps, sizes, strict=True)
    ):
        part = slice(start, start + group.channels)
        start += group.channels
        own = _product(f"{name}.readout.{number}", readout, part, _taps(group, named))
        down, across = (
            grid_in_group(main_px, px, group, readout.architecture.grid_block).interpolation(
                own.size(axis)
            )
            for main_px, px, axis in zip(sizes[0], size, (1, 2), strict=True)
        )
        on_grid = down @ (own @ across.transposed())
        hidden = on_grid if hidden is None else hidden + on_grid
    assert hidden is not None  # noqa: S101 (an architecture has groups)
    return _blurred(readout, _behind_the_first(readout, hidden))


def _taps(group: TapGroup, named: Mapping[str, Value]) -> Value:
    each = [
        named[tap.name] if tap.name in named else named[tap.relu_of].apply("Relu")
        for tap in group.taps
    ]
    return each[0].graph.add("Concat", *each, axis=1)


def _product(name: str, readout: Readout, part: slice, taps: Value) -> Value:
    """Return the first layers' product with a group's taps, without bias: (K·16, h, w)."""
    scaled = taps / readout.tap_deviation[part].reshape(1, -1, 1, 1)
    if readout.architecture.layer_norm:
        centered = scaled - scaled.apply("ReduceMean", axes=[1])
        variance = (centered * centered).apply("ReduceMean", axes=[1])
        scaled = centered / (variance + LAYER_NORM_EPSILON).apply("Sqrt")
    first = readout.weights[0][:, :, part]
    kernel = taps.graph.weights(name, first.reshape(-1, first.shape[2], 1, 1), half=False)
    return scaled.apply("Conv", kernel, kernel_shape=[1, 1]).apply("Squeeze", [0])


def _behind_the_first(readout: Readout, hidden: Value) -> Value:
    """Return all layers' output, (K, gh, gw), from the first's product, (K·16, gh, gw)."""
    rows, columns = hidden.size(1), hidden.size(2)
    layers = zip(readout.weights[1:], readout.biases[1:], strict=True)
    operation = {"relu": "Relu", "softplus": "Softplus"}[readout.architecture.activation]
    x = hidden.reshape(readout.n_models, readout.weights[0].shape[1], -1)
    x = x + readout.biases[0][:, :, None]
    for weights, biases in layers:
        x = x.graph.add("MatMul", weights, x.apply(operation)) + biases[:, :, None]
    if readout.architecture.final_relu:
        x = x.apply("Relu")
    return x.reshape(readout.n_models, rows, columns)


def _blurred(readout: Readout, maps: Value) -> Value:
    """Return the maps blurred, along columns and rows, edges replicated."""
    sigmas = readout.sigma_px.astype(float) / block_stride(readout.architecture.grid_block)
    reaches = np.maximum(1, np.ceil(4 * sigmas)).astype(int)
    most = int(reaches.max())
    distance = np.arange(-most, most + 1)
    kernels = np.exp(-0.5 * (distance / np.maximum(sigmas, 1e-6)[:, None]) ** 2)
    kernels[np.abs(distance) > reaches[:, None]] = 0
    kernels /= kernels.sum(axis=1, keepdims=True)
    padded = maps.at_axis(0).apply("Pad", [0, 0, most, most, 0, 0, most, most], mode="edge")
    for shape in ((-1, 1), (1, -1)):
        kernel = kernels.reshape(readout.n_models, 1, *shape)
        size = list(kernel.shape[2:])
        padded = padded.apply("Conv", kernel, group=readout.n_models, kernel_shape=size)
    return padded.apply("Squeeze", [0])
