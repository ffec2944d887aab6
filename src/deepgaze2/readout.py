"""The readout network: four 1×1 convolutions that turn features into saliency (section 2.1).

K readouts (the cross-validation models of a mixture) share one pass: their first layers are
stacked into one matrix, and since interpolation mixes positions while a 1×1 convolution
mixes channels, that layer is applied on the coarse grid of conv5 and only its few outputs are
interpolated. Both orders give the same numbers.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from deepgaze2.cores import available_cores
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


def normalized_taps(readout: Readout, vgg: Vgg, stored: tuple[FloatArray, ...]) -> FloatArray:
    """Return the readout's input, (channels, h5, w5), from the backbone's distinct tensors.

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
    if readout.layer_norm:
        taps -= taps.mean(axis=0)
        taps /= np.sqrt(np.mean(np.square(taps), axis=0) + LAYER_NORM_EPSILON)
    return taps


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
    taps = normalized_taps(readout, vgg, stored)
    channels, height5, width5 = taps.shape
    first = readout.weights[0].reshape(-1, channels)
    coarse = first @ taps.reshape(channels, -1)  # (K·16, h5·w5)
    coarse += readout.biases[0].reshape(-1, 1)

    coarse = coarse.reshape(readout.n_models, -1, height5, width5)

    width, height = input_size
    block = len(vgg.blocks)
    rows = interpolation_matrix(grid_in_block(height, block), height5).astype(np.float32)
    columns = interpolation_matrix(grid_in_block(width, block), width5).T.astype(np.float32)

    def one(k: int) -> FloatArray:
        # (16, h5, w5) -> (16, h2, w2); the wide product comes last, on contiguous rows.
        hidden = rows @ (coarse[k] @ columns)
        output = _pointwise(readout, k, hidden.reshape(len(hidden), -1))
        sigma_cells = float(readout.sigma_px[k]) / block_stride(READOUT_BLOCK)
        vertical = blur_matrix(len(rows), sigma_cells).astype(np.float32)
        horizontal = blur_matrix(columns.shape[1], sigma_cells).astype(np.float32)
        blurred: FloatArray = vertical @ output.reshape(hidden.shape[1:]) @ horizontal.T
        return blurred

    with ThreadPoolExecutor(available_cores()) as pool:
        return np.stack(list(pool.map(one, range(readout.n_models))))


_TILE = 4096  # positions: the widest layer's tile (32 channels, 0.5 MB) stays in the L2 cache


def _pointwise(readout: Readout, k: int, hidden: FloatArray) -> FloatArray:
    """Apply everything behind the first layer's interpolation to (16, n) inputs: (n,)."""
    output = np.empty(hidden.shape[1], np.float32)
    last = len(readout.weights) - 1
    for start in range(0, len(output), _TILE):
        x = np.maximum(hidden[:, start : start + _TILE], 0)
        for layer in range(1, last + 1):
            x = readout.weights[layer][k] @ x
            x += readout.biases[layer][k][:, None]
            if layer < last or readout.final_relu:
                np.maximum(x, 0, out=x)
        output[start : start + _TILE] = x[0]
    return output
