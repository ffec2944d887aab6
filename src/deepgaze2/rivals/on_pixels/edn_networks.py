"""eDN's six networks: their published shapes, and their filters from the random seed.

The shapes were found by an automatic search (Vig et al. 2014); the filters are not trained.
Source: slmBestDescrCombi.pkl of https://github.com/coxlab/edn-cvpr2014.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deepgaze2.rivals.on_pixels.edn_layers import Maps, filtered, normalized_locally, pooled

_SEED = 42
_N_COLORS = 3


@dataclass(frozen=True)
class Normalization:
    """Parameters of `normalized_locally`."""

    size: int
    threshold: float
    stretch: float
    remove_mean: bool = False


@dataclass(frozen=True)
class Layer:
    """Filter bank with its bounds, pooling and normalization.

    Attributes
    ----------
    n_filters, filter_size : int
        Filters are `filter_size` cells high and wide and span all channels.
    lowest, highest : float or None
        Bounds of their responses.
    pool_size, pool_order : int
        See `pooled`.
    normalization : Normalization
    """

    n_filters: int
    filter_size: int
    lowest: float | None
    highest: float | None
    pool_size: int
    pool_order: int
    normalization: Normalization


@dataclass(frozen=True)
class Network:
    """Two or three layers after a first normalization of the image.

    Attributes
    ----------
    color : str
        What it sees, "rgb" or "yuv".
    normalization : Normalization
        Of the image.
    layers : tuple of Layer
    """

    color: str
    normalization: Normalization
    layers: tuple[Layer, ...]


NETWORKS = (
    Network(
        "rgb",
        Normalization(7, 1.0, 10.0),
        (
            Layer(32, 3, None, None, 3, 10, Normalization(7, 1.0, 1.0)),
            Layer(16, 7, None, 1, 5, 10, Normalization(9, 1.0, 10.0)),
            Layer(128, 9, 0, None, 9, 10, Normalization(9, 0.1, 1.0)),
        ),
    ),
    Network(
        "yuv",
        Normalization(3, 10.0, 0.1),
        (
            Layer(32, 5, None, 1, 9, 10, Normalization(3, 10.0, 0.1)),
            Layer(32, 7, 0, 1, 7, 10, Normalization(7, 10.0, 1.0)),
            Layer(128, 5, None, 1, 9, 1, Normalization(3, 10.0, 0.1, remove_mean=True)),
        ),
    ),
    Network(
        "yuv",
        Normalization(3, 10.0, 10.0),
        (
            Layer(32, 5, None, 1, 9, 10, Normalization(3, 10.0, 0.1)),
            Layer(32, 7, 0, 1, 7, 10, Normalization(5, 10.0, 1.0)),
            Layer(128, 5, None, None, 9, 1, Normalization(5, 10.0, 0.1, remove_mean=True)),
        ),
    ),
    Network(
        "yuv",
        Normalization(7, 0.1, 0.1),
        (
            Layer(16, 5, None, None, 3, 2, Normalization(5, 1.0, 1.0)),
            Layer(64, 9, 0, 1, 9, 10, Normalization(7, 1.0, 0.1)),
        ),
    ),
    Network(
        "rgb",
        Normalization(7, 1.0, 1.0),
        (
            Layer(16, 3, None, None, 7, 10, Normalization(7, 0.1, 1.0, remove_mean=True)),
            Layer(64, 7, 0, None, 9, 10, Normalization(9, 0.1, 0.1, remove_mean=True)),
            Layer(256, 7, None, 1, 9, 2, Normalization(9, 10.0, 0.1, remove_mean=True)),
        ),
    ),
    Network(
        "rgb",
        Normalization(9, 10.0, 10.0),
        (
            Layer(32, 9, None, None, 7, 1, Normalization(5, 1.0, 0.1)),
            Layer(32, 5, 0, None, 7, 10, Normalization(7, 10.0, 0.1, remove_mean=True)),
            Layer(128, 7, None, None, 9, 2, Normalization(7, 10.0, 0.1)),
        ),
    ),
)


def network_maps(network: Network, image: Maps) -> Maps:
    """Return a network's feature maps of an image.

    Parameters
    ----------
    network : Network
    image : float32 array (h, w, 3)
        In the network's color space, 0 to 255.

    Returns
    -------
    float32 array (ceil(h / 2**k), ceil(w / 2**k), n)
        One map per filter of the last of the network's k layers.
    """
    maps = _normalized(image, network.normalization)
    for layer in network.layers:
        filters = random_filters(layer.n_filters, layer.filter_size, maps.shape[2])
        maps = filtered(maps, filters, layer.lowest, layer.highest)
        maps = pooled(maps, layer.pool_size, layer.pool_order)
        maps = _normalized(maps, layer.normalization)
    return maps


def random_filters(n_filters: int, size: int, n_channels: int) -> NDArray[np.float32]:
    """Return the filters that eDN draws for a layer of this shape.

    Every layer starts the legacy generator again at seed 42, whose stream NumPy keeps for
    ever, and draws all filters at once, uniform in [0, 1), channels fastest. Each filter then
    gets zero mean and unit norm over all of its values, in float64.

    Parameters
    ----------
    n_filters, size, n_channels : int

    Returns
    -------
    float32 array (n_filters, size, size, n_channels)
    """
    generator = np.random.RandomState(_SEED)
    filters = generator.uniform(size=(n_filters, size, size, n_channels))
    filters -= filters.mean(axis=(1, 2, 3), keepdims=True)
    filters /= np.sqrt((filters**2).sum(axis=(1, 2, 3), keepdims=True))
    return filters.astype(np.float32)


def _normalized(maps: Maps, normalization: Normalization) -> Maps:
    return normalized_locally(
        maps,
        normalization.size,
        normalization.threshold,
        normalization.stretch,
        normalization.remove_mean,
    )
