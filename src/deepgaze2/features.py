"""The backbone's features of a set of images, computed once and kept on disk.

The backbone is frozen, so training never needs it again: one file per image, named by what it
depends on (the image's bytes, the backbone, the input's size), half floats.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from deepgaze2.backbone import Backbone
from deepgaze2.engines import Engine
from deepgaze2.files import cache_directory, written_atomically
from deepgaze2.network_input import network_input, network_size
from deepgaze2.stimulus import read_stimulus
from deepgaze2.vgg import Vgg

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class CachedFeatures:
    """Features of one image.

    Attributes
    ----------
    path
        A .npy file: the distinct tapped tensors, stacked along channels, float16.
    input_size
        Width and height of the network input in pixels.
    """

    path: Path
    input_size: tuple[int, int]

    def load(self) -> NDArray[np.float16]:
        """Return the (channels, h5, w5) tensor of the distinct taps."""
        features: NDArray[np.float16] = np.load(self.path)
        return features

    def load_tap(self, vgg: Vgg, tap: str) -> NDArray[np.float16]:
        """Return one of the distinct taps, (channels, h5, w5); only this part of it is read."""
        ends = np.cumsum(_stored_widths(vgg))
        place = vgg.stored_taps().index(tap)
        start = ends[place - 1] if place else 0
        return np.array(np.load(self.path, mmap_mode="r")[start : ends[place]])

    def load_taps(self, vgg: Vgg) -> "Tensor":
        """Return the readout's input, (channels, h5, w5), as float32."""
        import torch

        stacked = torch.from_numpy(self.load()).float()
        tensors = torch.split(stacked, _stored_widths(vgg))
        by_name = dict(zip(vgg.stored_taps(), tensors, strict=True))
        return torch.cat(
            [
                by_name[tap] if tap in by_name else by_name[tap.replace("relu", "conv")].relu()
                for tap in vgg.taps
            ]
        )


def cache_features(
    paths: list[Path], backbone: Backbone, engine: Engine, *, longer_side_px: int
) -> list[CachedFeatures]:
    """Compute what is not yet cached, with progress, and return every image's features.

    Interrupted, it goes on where it was: a file appears under its name only when whole.
    """
    folder = cache_directory() / "features" / f"{backbone.checksum[:16]}-{longer_side_px}px"
    cached = []
    for path in tqdm(paths, desc="features", unit="image", disable=None):
        stimulus = read_stimulus(path)
        size = network_size(stimulus.width, stimulus.height, longer_side_px=longer_side_px)
        digest = hashlib.sha256(stimulus.pixels.tobytes()).hexdigest()
        target = folder / f"{digest}-{size[0]}x{size[1]}.npy"  # the bytes leave the shape open
        if not target.exists():
            stored = engine.stored_features(network_input(stimulus.pixels, size))
            with written_atomically(target) as temporary:
                np.save(temporary, np.concatenate(stored).astype(np.float16))
        cached.append(CachedFeatures(target, size))
    return cached


def _stored_widths(vgg: Vgg) -> list[int]:
    shapes = vgg.conv_shapes()
    return [shapes[name.replace("relu", "conv")][0] for name in vgg.stored_taps()]


def tap_deviations(vgg: Vgg, images: list[CachedFeatures]) -> NDArray[np.float32]:
    """Return each tapped channel's standard deviation over all positions of a set of images.

    Dividing by it gives the unit variance of section 2.1. A channel that never changes has
    deviation zero; it is returned as one, so that dividing leaves it alone.
    """
    import torch

    channels = sum(vgg.tap_widths())
    total, squares = torch.zeros(channels).double(), torch.zeros(channels).double()
    count = 0
    for image in images:
        taps = image.load_taps(vgg).flatten(1).double()
        total += taps.sum(1)
        squares += taps.square().sum(1)
        count += taps.shape[1]
    deviation = (squares / count - (total / count).square()).clamp(min=0).sqrt()
    return torch.where(deviation > 1e-6, deviation, 1).float().numpy()
