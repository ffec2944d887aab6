"""An image with its fixations, ready for the likelihood."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from deepgaze2.features.cache import ImageFeatures
from deepgaze2.readout.architecture import Architecture

_CACHE_DEPTH = 4  # network, view, layer, image


@dataclass(frozen=True)
class TrainingImage:
    """One image, as the network sees it.

    Attributes
    ----------
    features
        The cached features, for each group of taps.
    log_center_bias
        (height, width) log prior at the network input's pixels, in nats, up to a constant. It
        is shared by all images of one size and part.
    pixels
        (n_fixations,) the fixations' pixels of the network input, row by row.
    viewing
        Number of the data set whose viewing it is seen in; None takes the mean over all.
    weight
        What each of its fixations counts.
    """

    features: tuple[ImageFeatures, ...]
    log_center_bias: NDArray[np.float32]
    pixels: NDArray[np.int32]
    viewing: int | None = 0
    weight: float = 1.0

    @property
    def sizes(self) -> tuple[tuple[int, int], ...]:
        """Width and height of each group's network input."""
        return tuple(features.input_size for features in self.features)

    @cached_property
    def cells(self) -> tuple[tuple[int, int], ...]:
        """Rows and columns of each group's features."""
        shapes = [features.shape(next(iter(features.files))) for features in self.features]
        return tuple((height, width) for _, height, width in shapes)

    @property
    def names(self) -> list[str]:
        """Paths of its features in the cache, which tell what they depend on."""
        files = [path for features in self.features for path in features.files.values()]
        return ["/".join(path.parts[-_CACHE_DEPTH:]) for path in files]


@dataclass(frozen=True)
class TrainingSet:
    """Images for K readouts that are trained at once.

    Attributes
    ----------
    images
        All n images.
    seen
        (K, n) whether a readout is trained on an image.
    held_out
        (K, n) whether it is scored on an image; the score may decide when its training stops.
    mirrored
        The same images, mirrored; empty if they are not wanted.
    all_seen
        (K', n) `seen` of all readouts that share minibatches, of which these may be a part; None
        if these are all.
    """

    images: Sequence[TrainingImage]
    seen: NDArray[np.bool_]
    held_out: NDArray[np.bool_]
    mirrored: Sequence[TrainingImage] = ()
    all_seen: NDArray[np.bool_] | None = None

    @property
    def drawn_for(self) -> NDArray[np.bool_]:
        """(K', n) which images each readout sees that minibatches are drawn for."""
        return self.seen if self.all_seen is None else self.all_seen

    def part(self, readouts: Sequence[int]) -> "TrainingSet":
        """Return the images for some of the readouts, in the minibatches that all share."""
        chosen = list(readouts)
        held_out = self.held_out[chosen]
        met = np.flatnonzero(self.drawn_for.any(0) | held_out.any(0)).tolist()
        return TrainingSet(
            [self.images[i] for i in met],
            self.seen[chosen][:, met],
            held_out[:, met],
            [self.mirrored[i] for i in met] if self.mirrored else (),
            self.drawn_for[:, met],
        )


def fixated_pixels(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    image_size: tuple[int, int],
    input_size: tuple[int, int],
) -> NDArray[np.int32]:
    """Return the number of the network-input pixel that each fixation lies in.

    Parameters
    ----------
    x, y
        (n,) image pixels.
    image_size, input_size
        Width and height.
    """
    column, row = (
        np.clip((position * (input_px / image_px)).astype(np.int32), 0, input_px - 1)
        for position, image_px, input_px in zip((x, y), image_size, input_size, strict=True)
    )
    return row * np.int32(input_size[0]) + column


def load_features(image: TrainingImage, architecture: Architecture) -> list[list[Tensor]]:
    """Read an image's features: each group's taps, (channels, h, w), float16 as stored."""
    return [
        [torch.from_numpy(tap) for tap in features.tensors(group.names)]
        for features, group in zip(image.features, architecture.groups, strict=True)
    ]
