"""The whole chain from network input to log density, the slow obvious way, in float64.

Nothing is shared with the package but the descriptions of the data (`Vgg`, `Backbone`,
`Readout`): every map is brought to conv2_1's grid before the readout sees it.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from deepgaze2.backbone import Backbone
from deepgaze2.readout import Readout
from deepgaze2.vgg import Vgg

Array = NDArray[np.float64]

LAYER_NORM_EPSILON = 1e-5


def convolution(maps: Array, kernel: ArrayLike, bias: ArrayLike) -> Array:
    """3×3 cross-correlation of (in, h, w) maps, zero padding 1."""
    weights = np.asarray(kernel, np.float64)
    _, height, width = maps.shape
    padded = np.pad(maps, ((0, 0), (1, 1), (1, 1)))
    result = np.zeros((len(weights), height, width))
    for dy in range(3):
        for dx in range(3):
            shifted = padded[:, dy : dy + height, dx : dx + width]
            result += np.einsum("oi,ihw->ohw", weights[:, :, dy, dx], shifted)
    return result + np.asarray(bias, np.float64)[:, None, None]


def max_pool(maps: Array) -> Array:
    """2×2 windows, stride 2; a window that is cut by the right or lower edge counts too."""
    channels, height, width = maps.shape
    result = np.empty((channels, -(-height // 2), -(-width // 2)))
    for y in range(result.shape[1]):
        for x in range(result.shape[2]):
            window = maps[:, 2 * y : 2 * y + 2, 2 * x : 2 * x + 2]
            result[:, y, x] = window.max(axis=(1, 2))
    return result


def feature_maps(backbone: Backbone, image: ArrayLike) -> dict[str, Array]:
    """Every convolution's output and its ReLU, by name, for a (3, h, w) RGB image, 0..255."""
    mean = np.asarray(backbone.input_mean, np.float64)
    maps = np.asarray(image, np.float64) - mean[:, None, None]
    found = {}
    for block, widths in enumerate(backbone.vgg.blocks, 1):
        if block > 1:
            maps = max_pool(maps)
        for layer in range(1, len(widths) + 1):
            name = f"{block}_{layer}"
            maps = convolution(
                maps, backbone.kernels[f"conv{name}"], backbone.biases[f"conv{name}"]
            )
            found[f"conv{name}"] = maps
            maps = np.maximum(maps, 0)
            found[f"relu{name}"] = maps
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


def readout_grid(input_px: int) -> Array:
    """Network-input coordinates of conv2_1's cells: 2i + 0.5."""
    return np.arange(-(-input_px // 2), dtype=np.float64) * 2 + 0.5


def aligned_features(vgg: Vgg, maps: dict[str, Array], input_size: tuple[int, int]) -> Array:
    """The tapped maps on conv2_1's grid: (channels, h2, w2). Conv5's cells are at 16i + 7.5."""
    stride = 2 ** (len(vgg.blocks) - 1)
    first = (stride - 1) / 2
    width, height = input_size
    y, x = ((readout_grid(n) - first) / stride for n in (height, width))
    return resample(np.concatenate([maps[tap] for tap in vgg.taps]), y, x)


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


def saliency(readout: Readout, vgg: Vgg, maps: dict[str, Array], size: tuple[int, int]) -> Array:
    """S of each readout on conv2_1's grid: (K, h2, w2).

    Layer normalization is not linear: as the package defines it, it normalizes the features
    of conv5's positions, before they are brought to the finer grid.
    """
    deviation = np.asarray(readout.tap_deviation, np.float64)[:, None, None]
    normalized = np.concatenate([maps[tap] for tap in vgg.taps]) / deviation
    if readout.layer_norm:
        normalized = layer_normalized(normalized)
    ends = np.cumsum(vgg.tap_widths())[:-1]
    named = dict(zip(vgg.taps, np.split(normalized, ends), strict=True))
    features = aligned_features(vgg, named, size)
    return np.stack([one_saliency(readout, k, features) for k in range(readout.n_models)])


def one_saliency(readout: Readout, k: int, features: Array) -> Array:
    """S of the k-th readout from features on conv2_1's grid."""
    x = features
    last = len(readout.weights) - 1
    for layer, (weights, biases) in enumerate(zip(readout.weights, readout.biases, strict=True)):
        x = np.einsum("oi,ihw->ohw", weights[k].astype(np.float64), x)
        x = x + biases[k].astype(np.float64)[:, None, None]
        if layer < last or readout.final_relu:
            x = np.maximum(x, 0)
    return gaussian_blur(x[0], float(readout.sigma_px[k]) / 2)


def log_density(maps: Array, log_prior: ArrayLike, input_size: tuple[int, int]) -> Array:
    """The mixture's log density at image size from (K, h2, w2) saliency maps."""
    log_prior = np.asarray(log_prior, np.float64)
    (height, width), (input_width, input_height) = log_prior.shape, input_size
    # Pixel p's center, in network-input coordinates, then among cells at 2i + 0.5.
    y = ((np.arange(height) + 0.5) * input_height / height - 0.5 - 0.5) / 2
    x = ((np.arange(width) + 0.5) * input_width / width - 0.5 - 0.5) / 2
    mixed = np.full((height, width), -np.inf)
    for one in maps:
        unnormalized = resample(one, y, x) + log_prior
        mixed = np.logaddexp(mixed, unnormalized - log_sum_exp(unnormalized))
    return np.asarray(mixed - np.log(len(maps)))


def log_sum_exp(values: Array) -> float:
    """Log of the sum of exponentials of all values."""
    peak = values.max()
    return float(peak + np.log(np.exp(values - peak).sum()))
