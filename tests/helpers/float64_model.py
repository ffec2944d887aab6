"""The whole chain from network input to log density, the slow obvious way, in float64.

Nothing is shared with the package but the descriptions of the data (`Network`, `Backbone`,
`Readout`) and the nonlinearities' PyTorch form: every map is brought to
the readout's grid before the readout sees it.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from deepgaze2.features.backbone import StoredBackbone
from deepgaze2.features.network import IMAGE, Addition, Convolution, MaxPooling
from deepgaze2.readout.activations import ACTIVATIONS
from deepgaze2.readout.numpy_readout import Readout

Array = NDArray[np.float64]

LAYER_NORM_EPSILON = 1e-5


def convolution(
    maps: Array, kernel: ArrayLike, bias: ArrayLike, stride: int = 1, padding: int = 1
) -> Array:
    """Cross-correlation of (in, h, w) maps with (out, in, k, k), zero padding."""
    weights = np.asarray(kernel, np.float64)
    padded = np.pad(maps, ((0, 0), (padding, padding), (padding, padding)))
    size = weights.shape[-1]
    rows, columns = ((n - size) // stride + 1 for n in padded.shape[1:])
    result = np.zeros((len(weights), rows, columns))
    for dy in range(size):
        for dx in range(size):
            shifted = padded[
                :, dy : dy + stride * rows : stride, dx : dx + stride * columns : stride
            ]
            shifted = shifted[:, :rows, :columns]
            result += np.einsum("oi,ihw->ohw", weights[:, :, dy, dx], shifted)
    return result + np.asarray(bias, np.float64)[:, None, None]


def max_pool(maps: Array, size: int = 2, stride: int = 2, padding: int = 0, *, ceil: bool) -> Array:
    """Windows of size × size; with `ceil` one that is cut by the right or lower edge counts too."""
    pads = ((0, 0), (padding, padding), (padding, padding))
    padded = np.pad(maps, pads, constant_values=-np.inf)
    beyond = [n - size for n in padded.shape[1:]]
    rows, columns = (-(-n // stride) + 1 if ceil else n // stride + 1 for n in beyond)
    result = np.empty((len(maps), rows, columns))
    for y in range(rows):
        for x in range(columns):
            top, left = stride * y, stride * x
            window = padded[:, top : top + size, left : left + size]
            result[:, y, x] = window.max(axis=(1, 2))
    return result


def feature_maps(backbone: StoredBackbone, image: ArrayLike) -> dict[str, Array]:
    """Every layer's output, by name, for a (3, h, w) RGB image, 0..255."""
    mean = np.asarray(backbone.input_mean, np.float64)
    found = {IMAGE: np.asarray(image, np.float64) - mean[:, None, None]}
    for node in backbone.network.nodes:
        maps, *others = (found[name] for name in node.inputs)
        step = node.operation
        if isinstance(step, Convolution):
            kernel, bias = backbone.kernels[node.name], backbone.biases[node.name]
            found[node.name] = convolution(maps, kernel, bias, step.stride, step.padding)
        elif isinstance(step, MaxPooling):
            found[node.name] = max_pool(
                maps, step.kernel, step.stride, step.padding, ceil=step.ceil
            )
        elif isinstance(step, Addition):
            found[node.name] = sum(others, maps)
        else:
            found[node.name] = np.maximum(maps, 0)
    return found


def sample(row: Array, position: float) -> Array:
    """Read the last axis of an array at a fractional index, linearly, its edges replicated."""
    last = row.shape[-1] - 1
    position = min(max(position, 0.0), float(last))
    low = int(np.floor(position))
    share = position - low
    return np.asarray((1 - share) * row[..., low] + share * row[..., min(low + 1, last)])


def resample(maps: Array, y_positions: ArrayLike, x_positions: ArrayLike) -> Array:
    """Bilinear interpolation of the last two axes at fractional rows and columns."""
    wide = np.stack([sample(maps, x) for x in np.asarray(x_positions)], axis=-1)
    tall = [sample(wide.swapaxes(-1, -2), y) for y in np.asarray(y_positions)]
    return np.stack(tall, axis=-2)


def cell_centers(input_px: int, block: int) -> Array:
    """Coordinates of a block's cells on its network input: stride times i, plus (stride - 1)/2."""
    stride = 2 ** (block - 1)
    return np.asarray(np.arange(-(-input_px // stride)) * stride + (stride - 1) / 2)


def among_cells(input_px: ArrayLike, block: int) -> Array:
    """Fractional indices among a block's cells of coordinates on its network input."""
    stride = 2 ** (block - 1)
    return np.asarray((np.asarray(input_px, np.float64) - (stride - 1) / 2) / stride)


def aligned(
    maps: Array,
    stride: float,
    offset: float,
    seen: tuple[int, int],
    grid_block: int,
    main: tuple[int, int],
) -> Array:
    """Maps of an input of size `seen` on the grid of the main input: (channels, gh, gw).

    Both inputs show the same image: a place is the same share of both.
    """
    positions = []
    for axis in (1, 0):  # sizes are (width, height)
        share = (cell_centers(main[axis], grid_block) + 0.5) / main[axis]
        positions.append((share * seen[axis] - 0.5 - offset) / stride)
    return resample(maps, *positions)


def layer_normalized(features: Array) -> Array:
    """Zero mean and unit variance over the channels of each position."""
    centered = features - features.mean(axis=0)
    return np.asarray(centered / np.sqrt(features.var(axis=0) + LAYER_NORM_EPSILON))


def gaussian_blur(image: Array, sigma_cells: float) -> Array:
    """Blur rows, then columns, edges replicated; the kernel ends at 4 sigma."""
    reach = max(1, int(np.ceil(4 * sigma_cells)))
    offsets = np.arange(-reach, reach + 1)
    kernel = np.exp(-(offsets**2) / (2 * sigma_cells**2))
    kernel /= kernel.sum()

    def along_last_axis(values: Array) -> Array:
        padded = np.pad(values, ((0, 0), (reach, reach)), mode="edge")
        return np.array([np.convolve(row, kernel, mode="valid") for row in padded])

    return along_last_axis(along_last_axis(image).T).T


def saliency(
    readout: Readout, maps: Sequence[dict[str, Array]], sizes: Sequence[tuple[int, int]]
) -> Array:
    """S of each readout on the readout's grid, (K, gh, gw).

    `maps` holds the layers by name, and `sizes` the network input's width and height, for each
    group of taps. Layer normalization is not linear: as the package defines it, it normalizes the
    features of a group at the group's own positions, before they are brought to the grid.
    """
    architecture = readout.architecture
    deviations = np.asarray(readout.tap_deviation, np.float64)
    features, used = [], 0
    for group, named, size in zip(architecture.groups, maps, sizes, strict=True):
        taps = np.concatenate([named[name] for name in group.names])
        taps = taps / deviations[used : used + len(taps), None, None]
        used += len(taps)
        if architecture.layer_norm:
            taps = layer_normalized(taps)
        # VGG's block b: stride 2^(b-1), the first cell's center half of it less half a pixel.
        block = int(group.names[0].removeprefix("conv").removeprefix("relu").split("_")[0])
        stride = 2 ** (block - 1)
        offset = (stride - 1) / 2
        features.append(aligned(taps, stride, offset, size, architecture.grid_block, sizes[0]))
    assert used == len(deviations)
    together = np.concatenate(features)
    return np.stack([one_saliency(readout, k, together) for k in range(readout.n_models)])


def activated(name: str, x: Array) -> Array:
    """Return a nonlinearity by its PyTorch form, of which prediction uses nothing."""
    return np.asarray(ACTIVATIONS[name].torch(torch.from_numpy(x)).numpy())


def one_saliency(readout: Readout, k: int, features: Array) -> Array:
    """S of the k-th readout from all features on the readout's grid."""
    x = features
    architecture = readout.architecture
    last = len(readout.weights) - 1
    for layer, (weights, biases) in enumerate(zip(readout.weights, readout.biases, strict=True)):
        x = np.einsum("oi,ihw->ohw", weights[k].astype(np.float64), x)
        x = x + biases[k].astype(np.float64)[:, None, None]
        if layer < last:
            x = activated(architecture.activation, x)
        elif architecture.final_relu:
            x = np.maximum(x, 0)
    return gaussian_blur(x[0], float(readout.sigma_px[k]) / 2 ** (architecture.grid_block - 1))


def among_pixels(
    image_shape: tuple[int, ...], input_size: tuple[int, int], grid_block: int
) -> tuple[Array, Array]:
    """Fractional rows and columns, among a block's cells, of an image's pixels."""
    # Pixel p's center, in network-input coordinates, then among cells.
    y, x = (
        among_cells((np.arange(pixels) + 0.5) * seen / pixels - 0.5, grid_block)
        for pixels, seen in zip(image_shape, reversed(input_size), strict=True)
    )
    return y, x


def log_density(
    maps: Array,
    log_prior: ArrayLike,
    input_size: tuple[int, int],
    grid_block: int = 2,
    shares: ArrayLike | None = None,
) -> Array:
    """The mixture's log density at image size from (K, gh, gw) saliency maps.

    Mixed on the grid: each map's Z sums over the pixels what is interpolated of its exponential.
    `shares` (K,) are what each counts, relative to the others; None: all alike.
    """
    log_prior = np.asarray(log_prior, np.float64)
    counted = np.ones(len(maps)) if shares is None else np.asarray(shares, np.float64)
    y, x = among_pixels(log_prior.shape, input_size, grid_block)
    mixed = np.full(maps.shape[1:], -np.inf)
    for one, share in zip(maps, counted, strict=True):
        interpolated = resample(np.exp(one - one.max()), y, x)
        log_z = one.max() + np.log((interpolated * np.exp(log_prior)).sum())
        mixed = np.logaddexp(mixed, np.log(share) + one - log_z)
    unnormalized = resample(mixed, y, x) + log_prior
    return np.asarray(unnormalized - log_sum_exp(unnormalized))


def full_size_log_density(
    maps: Array,
    log_prior: ArrayLike,
    input_size: tuple[int, int],
    grid_block: int = 2,
    prior_weight: ArrayLike | None = None,
    shares: ArrayLike | None = None,
) -> Array:
    """The same by the paper's equations: each map is interpolated, then all are averaged."""
    log_prior = np.asarray(log_prior, np.float64)
    weights = np.ones(len(maps)) if prior_weight is None else np.asarray(prior_weight, np.float64)
    counted = np.ones(len(maps)) if shares is None else np.asarray(shares, np.float64)
    y, x = among_pixels(log_prior.shape, input_size, grid_block)
    mixed = np.full(log_prior.shape, -np.inf)
    for one, weight, share in zip(maps, weights, counted, strict=True):
        unnormalized = resample(one, y, x) + weight * log_prior
        mixed = np.logaddexp(mixed, np.log(share) + unnormalized - log_sum_exp(unnormalized))
    return np.asarray(mixed - np.log(counted.sum()))


def log_sum_exp(values: Array) -> float:
    """Log of the sum of exponentials of all values."""
    peak = values.max()
    return float(peak + np.log(np.exp(values - peak).sum()))
