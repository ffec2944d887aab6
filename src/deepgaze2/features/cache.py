"""The backbone's features of a set of images, computed once and kept on disk.

The backbone is frozen, so training never needs it again. One file holds one tapped tensor of one
image, in half precision, and its path is all that the tensor depends on:

    features/<network>-<checksum>/<longer side>px[-mirrored]/<tap>/<pixels>-<width>x<height>.npy

below the cache folder. <pixels> are 32 digits of the SHA-256 of the decoded image and its shape,
<width> and <height> those of the network's input. Which engine computed a tensor is not part of
it: on the CPU they differ by far less than half precision rounds. `cache_filling` computes what is
not there yet, `cache_files` says what is in a file, `cache_admin` how old ones are removed.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deepgaze2.features.cache_files import read_feature_map, verify


@dataclass(frozen=True)
class View:
    """How the network sees an image.

    Attributes
    ----------
    longer_side_px
        Longer side of the network input in pixels.
    mirrored
        Whether left and right are swapped.
    """

    longer_side_px: int = 512
    mirrored: bool = False


@dataclass(frozen=True)
class ImageFeatures:
    """Features of one image.

    Attributes
    ----------
    files
        Where each tensor is stored, by tap. A ReLU's may be missing if that before it is there.
    input_size
        Width and height of the network input in pixels.
    relu_inputs
        Of each ReLU the layer before it.
    """

    files: dict[str, Path]
    input_size: tuple[int, int]
    relu_inputs: Mapping[str, str] = field(default_factory=dict)

    def shape(self, tap: str) -> tuple[int, ...]:
        """Return a tap's shape, (channels, h, w), by its file's head; see `tensor`."""
        return verify(self.files[self._stored(tap)]).shape

    def _stored(self, tap: str) -> str:
        return tap if tap in self.files else self.relu_inputs[tap]

    def tensor(self, tap: str) -> NDArray[np.float16]:
        """Read a tap, (channels, h, w).

        A ReLU behind a stored layer is computed.

        Raises
        ------
        DataError
            If the file was damaged or removed since `cache_features` returned.
        """
        (features,) = self.tensors([tap])
        return features

    def tensors(self, taps: Sequence[str]) -> list[NDArray[np.float16]]:
        """Read several taps, each file once; see `tensor`."""
        stored = [self._stored(tap) for tap in taps]
        read = {name: read_feature_map(self.files[name]) for name in dict.fromkeys(stored)}
        return [
            read[name] if name == tap else _rectified(read[name])
            for tap, name in zip(taps, stored, strict=True)
        ]


def _rectified(features: NDArray[np.float16]) -> NDArray[np.float16]:
    # Half floats are negative exactly where the same bits as integers are, and NumPy compares
    # integers 15 times as fast.
    rectified: NDArray[np.float16] = np.maximum(features.view("<i2"), 0).view("<f2")
    return rectified


def tap_deviations(images: Sequence[ImageFeatures], taps: Sequence[str]) -> NDArray[np.float32]:
    """Return each tapped channel's standard deviation over all positions of a set of images.

    Dividing by it gives the unit variance of section 2.1; see `channel_deviations`.

    Parameters
    ----------
    images
        At least one.
    taps
        Layers that `cache_features` was asked for.

    Returns
    -------
    float32 array, shape (channels of all taps,)
        In the order of the taps.
    """
    deviations = [channel_deviations(image.tensor(tap) for image in images) for tap in taps]
    return np.concatenate(deviations).astype(np.float32)


def channel_deviations(features: Iterable[NDArray[np.floating]]) -> NDArray[np.float64]:
    """Return each channel's standard deviation over all positions of (channels, h, w) arrays.

    A channel that never changes gets a one, so that dividing leaves it alone.
    """
    count, total, squares = 0, np.float64(0), np.float64(0)
    for one in features:
        values = one.reshape(len(one), -1).astype(np.float64)
        count += values.shape[1]
        total = total + values.sum(axis=1)
        squares = squares + np.square(values, out=values).sum(axis=1)
    deviation = np.sqrt(np.maximum(squares / count - np.square(total / count), 0))
    return np.where(deviation > 1e-6, deviation, 1)
