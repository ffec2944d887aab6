"""What each readout of a mixture says alone: how far they agree."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from deepgaze2.density.center_bias import CenterBias
from deepgaze2.density.mixture import FloatArray, mixture_log_density
from deepgaze2.density.regions import Region, covered_shares

_LONGER_SIDE_PX = 512


def member_log_densities(
    saliency: FloatArray,
    center_bias: CenterBias,
    image_size: tuple[int, int],
    input_size: tuple[int, int],
    grid_block: int,
) -> FloatArray:
    """Return the log density of each of K models, on a raster that spans the image.

    Saliency is no finer than the readout's grid, so the raster, of 512 pixels at most on its longer
    side, shows all of it, and memory does not grow with the image.

    Parameters
    ----------
    saliency
        (K, gh, gw), nats, on the readout's grid, with what the center bias's weights change.
    center_bias
        The prior.
    image_size
        Width and height of the image in pixels.
    input_size
        Width and height of the network input in pixels.
    grid_block
        The VGG block whose grid saliency has.

    Returns
    -------
    array, (K, h, w)
        Nats; the exponential of each sums to one.
    """
    scale = min(1, _LONGER_SIDE_PX / max(image_size))
    width, height = (max(1, round(side * scale)) for side in image_size)
    prior = center_bias.log_density(height, width)
    members = np.empty((len(saliency), height, width), np.float32)
    for k in range(len(saliency)):
        members[k] = mixture_log_density(saliency[k : k + 1], prior, input_size, grid_block)
    return members


def member_shares(
    log_densities: FloatArray, regions: Sequence[Region], image_size: tuple[int, int]
) -> NDArray[np.float64]:
    """Return the share of fixations that each model alone expects in each region.

    Parameters
    ----------
    log_densities
        (K, h, w), as `member_log_densities` returns them.
    regions
        In pixels of the image, inside it.
    image_size
        Width and height of the image in pixels.

    Returns
    -------
    array, (len(regions), K)
        0..1.
    """
    _, height, width = log_densities.shape
    sx, sy = width / image_size[0], height / image_size[1]
    densities = np.exp(log_densities)
    return np.array(
        [
            (densities @ covered_shares(region.x * sx, region.width * sx, width))
            @ covered_shares(region.y * sy, region.height * sy, height)
            for region in regions
        ]
    ).reshape(len(regions), len(log_densities))
