"""The readout network: four 1×1 convolutions that turn features into saliency (section 2.1).

K readouts (the cross-validation models of a mixture) share one pass: their first layers are
stacked into one matrix, and since interpolation mixes positions while a 1×1 convolution
mixes channels, that layer is applied on the coarse grid of the features and only its few
outputs are interpolated. Both orders give the same numbers.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial

import numpy as np

from deepgaze2.readout.activations import ACTIVATIONS, Activation, FloatArray
from deepgaze2.readout.architecture import Architecture, TapGroup
from deepgaze2.readout.grid import block_size, block_stride, blur_matrix, interpolation_matrix
from deepgaze2.readout.viewing import Viewing
from deepgaze2.support.cores import available_cores, single_threaded_blas

LAYER_NORM_EPSILON = 1e-5  # keeps a position without any activity finite


@dataclass(frozen=True)
class Readout:
    """Parameters of K readouts.

    Attributes
    ----------
    architecture
        Features, layers and nonlinearity, the same for all K.
    weights
        One (K, out, in) array per layer; the paper's widths are 16, 32, 2 and 1. The first
        layer's inputs are the channels of all groups of taps in their order.
    biases
        One (K, out) array per layer.
    sigma_px
        (K,) standard deviations of the final Gaussian blur, in network-input pixels.
    prior_weight
        (K,) factors of the center bias's log density; the paper's are one.
    tap_deviation
        (channels,) standard deviation of each tapped channel over a reference set of images:
        divided by it, features have unit variance.
    viewings
        How images were viewed in each of the data sets it was trained on, by name, if they were
        several; `sigma_px`, `prior_weight` and the weights are those of their average, which
        the viewings' factors are relative to.
    """

    architecture: Architecture
    weights: tuple[FloatArray, ...]
    biases: tuple[FloatArray, ...]
    sigma_px: FloatArray
    prior_weight: FloatArray
    tap_deviation: FloatArray
    viewings: Mapping[str, Viewing] = field(default_factory=dict)

    @property
    def n_models(self) -> int:
        """K, the number of readouts."""
        return len(self.sigma_px)

    def members(self, chosen: Sequence[int]) -> "Readout":
        """Return the readouts with these numbers, from 0, as a mixture of their own."""
        picked = list(chosen)
        return replace(
            self,
            weights=tuple(w[picked] for w in self.weights),
            biases=tuple(b[picked] for b in self.biases),
            sigma_px=self.sigma_px[picked],
            prior_weight=self.prior_weight[picked],
            viewings={name: one.members(picked) for name, one in self.viewings.items()},
        )

    def viewed(self, viewing: Viewing) -> "Readout":
        """Return the readouts for images that are viewed in a certain way, without `viewings`."""
        first, *others = self.weights
        scale = [
            np.repeat(viewing.scale_factors[:, self.architecture.scale_of(g)], group.channels)
            for g, group in enumerate(self.architecture.groups)
        ]
        by_channel = np.concatenate([s.reshape(self.n_models, 1, -1) for s in scale], axis=2)
        weights, biases = [first * by_channel, *others], list(self.biases)
        weights[-1] = weights[-1] * viewing.factor[:, None, None]
        biases[-1] = biases[-1] * viewing.factor[:, None]
        return replace(
            self,
            weights=tuple(weights),
            biases=tuple(biases),
            sigma_px=viewing.sigma_px,
            prior_weight=viewing.prior_weight,
            viewings={},
        )


def raw_taps(group: TapGroup, features: Mapping[str, FloatArray]) -> FloatArray:
    """Return a group's taps, (channels, h, w), from the distinct tensors by name.

    A tap that is the ReLU of a stored layer is derived from it here.
    """
    return np.concatenate(
        [
            features[tap.name] if tap.name in features else np.maximum(features[tap.relu_of], 0)
            for tap in group.taps
        ]
    )


def _first_layer(weights: FloatArray, layer_norm: bool, taps: FloatArray) -> FloatArray:
    """Apply the first layers of all readouts, without bias, to (channels, n): (K·16, n).

    Layer normalization subtracts a position's mean and divides by its deviation, which
    commutes with the matrix product: (W x - mean(x) W 1) / deviation(x).
    """
    outputs = weights @ taps
    if layer_norm:
        mean = taps.mean(axis=0)
        variance = np.einsum("cn,cn->n", taps, taps) / np.float32(len(taps)) - np.square(mean)
        outputs -= weights.sum(axis=1)[:, None] * mean
        outputs /= np.sqrt(np.maximum(variance, 0) + LAYER_NORM_EPSILON)
    return outputs


@dataclass(frozen=True)
class _Coarse:
    """The first layers' products on a group's grid, (K, 16, h, w), and the way to the readout's.

    `rows` is (gh, h) and `columns` (w, gw).
    """

    products: FloatArray
    rows: FloatArray
    columns: FloatArray

    def on_grid(self, k: int) -> FloatArray:
        """Return the k-th product interpolated, (16, gh, gw)."""
        interpolated: FloatArray = self.rows @ (self.products[k] @ self.columns)
        return interpolated


def saliency(
    readout: Readout,
    features: Sequence[Mapping[str, FloatArray]],
    sizes: Sequence[tuple[int, int]],
) -> FloatArray:
    """Return S, the blurred saliency of each readout on the readout's grid.

    Parameters
    ----------
    features
        For each group of taps the backbone's distinct tensors by name (see
        `backbone.stored_taps`), (channels, h, w).
    sizes
        For each group width and height of the network input in pixels. The first is the one
        that the grid belongs to.

    Returns
    -------
    array, (K, gh, gw)
        Saliency in nats: log density up to the center bias and a constant. For the paper's
        grid, conv2_1's, gh is ceil(height/2).
    """
    stride = block_stride(readout.architecture.grid_block)

    def blurred(k: int, output: FloatArray) -> FloatArray:
        return blur(output, float(readout.sigma_px[k]) / stride)

    return _each(readout, features, sizes, blurred)


def unblurred(
    readout: Readout,
    features: Sequence[Mapping[str, FloatArray]],
    sizes: Sequence[tuple[int, int]],
) -> FloatArray:
    """Return what each readout gives before its blur, (K, gh, gw); see `saliency`."""
    return _each(readout, features, sizes, lambda _, output: output)


def blur(output: FloatArray, sigma_cells: float) -> FloatArray:
    """Return a map, (gh, gw), blurred along both axes, edges replicated."""
    height, width = output.shape
    down: FloatArray = _blur(height, sigma_cells) @ output
    return down @ _blur(width, sigma_cells).T


def _each(
    readout: Readout,
    features: Sequence[Mapping[str, FloatArray]],
    sizes: Sequence[tuple[int, int]],
    finish: Callable[[int, FloatArray], FloatArray],
) -> FloatArray:
    width, height = (block_size(px, readout.architecture.grid_block) for px in sizes[0])

    def one(k: int) -> FloatArray:
        # (16, h, w) -> (16, gh, gw); the wide product comes last, on contiguous rows.
        hidden = coarse[0].on_grid(k)
        for group in coarse[1:]:
            hidden += group.on_grid(k)
        output = _pointwise(readout, k, hidden.reshape(len(hidden), -1))
        return finish(k, output.reshape(height, width))

    with single_threaded_blas(), ThreadPoolExecutor(available_cores()) as pool:
        coarse = _coarse(readout, features, sizes, pool)
        return np.stack(list(pool.map(one, range(readout.n_models))))


def _coarse(
    readout: Readout,
    features: Sequence[Mapping[str, FloatArray]],
    sizes: Sequence[tuple[int, int]],
    pool: ThreadPoolExecutor,
) -> list[_Coarse]:
    architecture = readout.architecture
    result, start = [], 0
    for group, stored, size in zip(architecture.groups, features, sizes, strict=True):
        taps = raw_taps(group, stored)
        channels, height, width = taps.shape
        part = slice(start, start + channels)
        start += channels
        taps /= readout.tap_deviation[part, None, None]
        weights = readout.weights[0][:, :, part].reshape(-1, channels)
        apply = partial(_first_layer, weights, architecture.layer_norm)
        parts = np.array_split(taps.reshape(channels, -1), available_cores(), axis=1)
        products = np.concatenate(list(pool.map(apply, parts)), axis=1)
        rows, columns = (
            interpolation_matrix(
                group.positions(main_px, px, architecture.grid_block), cells
            ).astype(np.float32)
            for main_px, px, cells in zip(
                reversed(sizes[0]), reversed(size), (height, width), strict=True
            )
        )
        shape = readout.n_models, -1, height, width
        result.append(_Coarse(products.reshape(shape), rows, np.ascontiguousarray(columns.T)))
    return result


@lru_cache(maxsize=64)  # the same for all images of one size
def _blur(cells: int, sigma_cells: float) -> FloatArray:
    return blur_matrix(cells, sigma_cells).astype(np.float32)


_TILE = 512  # positions whose activations stay in the cache


def _pointwise(readout: Readout, k: int, hidden: FloatArray) -> FloatArray:
    """Apply all behind the first layer's product to its interpolated (16, n) outputs: (n,)."""
    weights, biases = [w[k] for w in readout.weights], [b[k][:, None] for b in readout.biases]
    if len(weights) > 1:
        output = _layers(ACTIVATIONS[readout.architecture.activation], weights, biases, hidden)
    else:
        output = np.asarray(hidden[0] + biases[0][0])
    if readout.architecture.final_relu:
        np.maximum(output, 0, out=output)
    return output


def _layers(
    activation: Activation,
    weights: Sequence[FloatArray],
    biases: list[FloatArray],
    hidden: FloatArray,
) -> FloatArray:
    """Apply all layers after the first product, the nonlinearity between them, to (16, n): (n,)."""
    for layer in range(1, len(weights)) if activation.less_bias else ():
        biases[layer] = biases[layer] + weights[layer] @ biases[layer - 1]
    positions = hidden.shape[1]
    # Allocated once: fresh memory for each tile would cost more than the arithmetic.
    tiles = [np.empty((len(bias), min(_TILE, positions)), np.float32) for bias in biases]
    output = np.empty(positions, np.float32)
    for start in range(0, positions, _TILE):
        size = min(_TILE, positions - start)
        x = hidden[:, start : start + size]
        for layer in range(1, len(weights)):
            bias, out = biases[layer - 1], tiles[layer - 1][:, :size]
            if activation.less_bias:
                activation.less_bias(x, bias, out)
            else:
                out[:] = activation.numpy(np.add(x, bias, out=out))
            x = np.matmul(weights[layer], out, out=tiles[layer][:, :size])
        np.add(x[0], biases[-1][0], out=output[start : start + size])
    return output
