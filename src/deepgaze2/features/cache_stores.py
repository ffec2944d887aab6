"""Where in the cache of features an image's tensors are, and which of them are not there yet."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from deepgaze2.errors import DataError
from deepgaze2.features.backbone import Backbone, stored_taps
from deepgaze2.features.cache import ImageFeatures, View
from deepgaze2.features.cache_files import verify
from deepgaze2.image.network_input import network_size
from deepgaze2.support.files import cache_directory


@dataclass(frozen=True)
class Reading:
    """Some layers of a network that sees images in one way.

    Attributes
    ----------
    taps
        Names of layers. A layer and its own ReLU are stored as one tensor.
    """

    backbone: Backbone
    taps: tuple[str, ...]
    view: View


@dataclass(frozen=True)
class Found:
    """An image in a store.

    Attributes
    ----------
    input_size
        Width and height of the network's input.
    files
        Where each tensor is or is to be, by tap.
    missing
        Taps that are to be computed.
    damaged
        Files that are, too, but cannot be used.
    """

    input_size: tuple[int, int]
    files: Mapping[str, Path]
    missing: tuple[str, ...]
    damaged: tuple[Path, ...]


def part_of(found: Found, reading: Reading) -> ImageFeatures:
    """Return what one reading wants of all that its store has of an image."""
    relu_inputs = reading.backbone.relu_inputs
    files = {}
    for tap in stored_taps(reading.backbone, reading.taps):
        before = relu_inputs.get(tap, tap)  # which another reading may want itself
        name = before if before in found.files else tap
        files[name] = found.files[name]
    return ImageFeatures(files, found.input_size, relu_inputs)


@dataclass(frozen=True, eq=False)
class Store:
    """The files of one backbone and view.

    Attributes
    ----------
    folder
        Where they are.
    min_side_px
        The smallest side of the network's input.
    taps
        The distinct tensors that are wanted.
    """

    folder: Path
    min_side_px: int
    backbone: Backbone
    view: View
    taps: tuple[str, ...]

    @property
    def network(self) -> Path:
        """The folder of all views of the network."""
        return self.folder.parent

    def input_size(self, width: int, height: int) -> tuple[int, int]:
        """Return width and height of the network's input for an image."""
        px = self.view.longer_side_px
        return network_size(width, height, longer_side_px=px, min_side_px=self.min_side_px)

    def claim_path(self, digest: str, input_size: tuple[int, int]) -> Path:
        """Return what a process claims that computes an image, see `files.claimed`."""
        return self.folder / _name(digest, input_size)

    def find(self, digest: str, input_size: tuple[int, int]) -> Found:
        """Look for an image's tensors, and verify them.

        Parameters
        ----------
        digest
            Of the image's pixels and their shape.
        input_size
            Width and height of the network's input.
        """
        files, missing, damaged = {}, [], []
        for tap in self.taps:
            before = self.backbone.relu_inputs.get(tap, tap)  # a ReLU can be had from either
            for name in dict.fromkeys((before, tap)):
                path = self.folder / name / f"{_name(digest, input_size)}.npy"
                if not path.exists():
                    continue
                try:
                    verify(path)
                except DataError:
                    damaged.append(path)
                else:
                    files[name] = path
                    break
            else:
                files[tap] = path
                missing.append(tap)
        return Found(input_size, files, tuple(missing), tuple(damaged))


def _name(digest: str, input_size: tuple[int, int]) -> str:
    return f"{digest}-{input_size[0]}x{input_size[1]}"


def stores_of(readings: Sequence[Reading]) -> list[Store]:
    """Return each reading's store; readings of the same network and view share one."""
    places = [(_folder(r.backbone, r.view), r.backbone.min_side_px) for r in readings]
    shared: dict[tuple[Path, int], Store] = {}
    for place, reading in zip(places, readings, strict=True):
        others = shared[place].taps if place in shared else ()
        taps = stored_taps(reading.backbone, (*others, *reading.taps))
        shared[place] = Store(*place, reading.backbone, reading.view, taps)
    return [shared[place] for place in places]


def _folder(backbone: Backbone, view: View) -> Path:
    name = re.sub(r"[^\w.-]", "_", backbone.name)  # of a user's network there may be a colon in it
    network = f"{name}-{backbone.checksum[:16]}"
    seen = f"{view.longer_side_px}px{'-mirrored' if view.mirrored else ''}"
    return cache_directory() / "features" / network / seen
