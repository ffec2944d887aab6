"""The readout network: four 1×1 convolutions that turn features into saliency (section 2.1).

K readouts (the cross-validation models of a mixture) share one pass: their first layers are
stacked into one matrix, and since interpolation mixes positions while a 1×1 convolution
mixes channels, that layer is applied on the coarse grid of conv5 and only its few outputs are
interpolated. Both orders give the same numbers.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache, partial

import numpy as np
from numpy.typing import NDArray

from deepgaze2.cores import available_cores, single_threaded_blas
from deepgaze2.grid import (
    READOUT_BLOCK,
    block_stride,
    blur_matrix,
    grid_in_block,
    interpolation_matrix,
)
from deepgaze2.vgg import Vgg

FloatArray = NDArray[np.float32]

LAYER_NORM_EPSILON = 1e-5  # keeps a position without any activity finite


@dataclass(frozen=True)
class Readout:
    """Parameters of K readouts.

    Attributes
    ----------
    weights
        One (K, out, in) array per layer; the paper's widths are 16, 32, 2 and 1.
    biases
        One (K, out) array per layer.
    sigma_px
        (K,) standard deviations of the final Gaussian blur, in network-input pixels.
    tap_deviation
        (channels,) standard deviation of each tapped channel over a reference set of images:
        divided by it, features have unit variance.
    layer_norm
        Whether the features of each position are normalized across channels too, as in the
        DeepGaze models after this one; the paper's has no such step.
    final_relu
        Whether a ReLU follows the last layer too, as the paper's text reads.
    """

    weights: tuple[FloatArray, ...]
    biases: tuple[FloatArray, ...]
    sigma_px: FloatArray
    tap_deviation: FloatArray
    layer_norm: bool = False
    final_relu: bool = False

    @property
    def n_models(self) -> int:
        """K, the number of readouts."""
        return len(self.sigma_px)

    def member(self, k: int) -> "Readout":
        """Return the k-th readout alone."""
        return replace(
            self,
            weights=tuple(w[k : k + 1] for w in self.weights),
            biases=tuple(b[k : k + 1] for b in self.biases),
            sigma_px=self.sigma_px[k : k + 1],
        )


def unit_variance_taps(readout: Readout, vgg: Vgg, stored: tuple[FloatArray, ...]) -> FloatArray:
    """Return the taps with unit variance, (channels, h5, w5), from the distinct tensors.

    A tap behind the ReLU of a stored convolution is derived from it here.
    """
    by_name = dict(zip(vgg.stored_taps(), stored, strict=True))
    _, height, width = stored[0].shape
    scale = (1 / readout.tap_deviation)[:, None, None]
    taps = np.empty((len(scale), height, width), np.float32)
    start = 0
    for tap, channels in zip(vgg.taps, vgg.tap_widths(), strict=True):
        part = slice(start, start + channels)
        if tap in by_name:
            np.multiply(by_name[tap], scale[part], out=taps[part])
        else:
            np.maximum(by_name[tap.replace("relu", "conv")], 0, out=taps[part])
            taps[part] *= scale[part]
        start += channels
    return taps


def _first_layer(readout: Readout, taps: FloatArray) -> FloatArray:
    """Apply the first layers of all readouts, without bias, to (channels, n): (K·16, n).

    Layer normalization subtracts a position's mean and divides by its deviation, which
    commutes with the matrix product: (W x - mean(x) W 1) / deviation(x).
    """
    weights = readout.weights[0].reshape(-1, len(taps))
    outputs = weights @ taps
    if readout.layer_norm:
        mean = taps.mean(axis=0)
        variance = np.einsum("cn,cn->n", taps, taps) / np.float32(len(taps)) - np.square(mean)
        outputs -= weights.sum(axis=1)[:, None] * mean
        outputs /= np.sqrt(np.maximum(variance, 0) + LAYER_NORM_EPSILON)
    return outputs


def saliency(
    readout: Readout, vgg: Vgg, stored: tuple[FloatArray, ...], input_size: tuple[int, int]
) -> FloatArray:
    """Return S, the blurred saliency of each readout on the grid of conv2_1.

    Parameters
    ----------
    stored
        The backbone's distinct tapped tensors (see `Vgg.stored_taps`).
    input_size
        Width and height of the network input in pixels.

    Returns
    -------
    array, (K, ceil(height/2), ceil(width/2))
        Saliency in nats: log density up to the center bias and a constant.
    """
    taps = unit_variance_taps(readout, vgg, stored)
    channels, height5, width5 = taps.shape
    taps = taps.reshape(channels, -1)

    width, height = input_size
    block = len(vgg.blocks)
    rows = interpolation_matrix(grid_in_block(height, block), height5).astype(np.float32)
    columns = interpolation_matrix(grid_in_block(width, block), width5).T.astype(np.float32)

    def one(k: int) -> FloatArray:
        # (16, h5, w5) -> (16, h2, w2); the wide product comes last, on contiguous rows.
        hidden = rows @ (coarse[k] @ columns)
        output = _pointwise(readout, k, hidden.reshape(len(hidden), -1))
        sigma_cells = float(readout.sigma_px[k]) / block_stride(READOUT_BLOCK)
        vertical = _blur(len(rows), sigma_cells)
        horizontal = _blur(columns.shape[1], sigma_cells)
        blurred: FloatArray = vertical @ output.reshape(hidden.shape[1:]) @ horizontal.T
        return blurred

    cores = available_cores()
    with single_threaded_blas(), ThreadPoolExecutor(cores) as pool:
        parts = pool.map(partial(_first_layer, readout), np.array_split(taps, cores, axis=1))
        coarse = np.concatenate(list(parts), axis=1)
        coarse = coarse.reshape(readout.n_models, -1, height5, width5)
        return np.stack(list(pool.map(one, range(readout.n_models))))


@lru_cache(maxsize=64)  # the same for all images of one size
def _blur(cells: int, sigma_cells: float) -> FloatArray:
    return blur_matrix(cells, sigma_cells).astype(np.float32)


_TILE = 1024  # positions whose activations stay in the cache


def _pointwise(readout: Readout, k: int, hidden: FloatArray) -> FloatArray:
    """Apply all behind the first layer's product to its interpolated (16, n) outputs: (n,).

    relu(x + b) is computed as max(x, -b) + b: the sum is left to the next layer's bias,
    which saves a pass over the activations.
    """
    weights = [w[k] for w in readout.weights]
    biases = [readout.biases[0][k][:, None]]
    for layer in range(1, len(weights)):
        biases.append(readout.biases[layer][k][:, None] + weights[layer] @ biases[-1])
    positions = hidden.shape[1]
    output = np.empty(positions, np.float32)
    # Allocated once: fresh memory for each tile would cost more than the arithmetic.
    tiles = [np.empty((len(w), min(_TILE, positions)), np.float32) for w in weights]
    last = len(weights) - 1
    for start in range(0, positions, _TILE):
        size = min(_TILE, positions - start)
        x = np.maximum(hidden[:, start : start + size], -biases[0], out=tiles[0][:, :size])
        for layer in range(1, last + 1):
            x = np.matmul(weights[layer], x, out=tiles[layer][:, :size])
            if layer < last or readout.final_relu:
                np.maximum(x, -biases[layer], out=x)
        np.add(x[0], biases[last][0], out=output[start : start + size])
    return output
