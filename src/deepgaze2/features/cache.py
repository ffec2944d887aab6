"""The backbone's features of a set of images, computed once and kept on disk.

The backbone is frozen, so training never needs it again. One file holds one tapped tensor of one
image, in half precision, and its path is all that the tensor depends on:

    features/<network>-<checksum>/<longer side>px[-mirrored]/<tap>/<pixels>-<width>x<height>.npy

below the cache folder. <pixels> are 32 digits of the SHA-256 of the decoded image and its shape,
<width> and <height> those of the network's input. Which engine computed a tensor is not part of
it: on the CPU they differ by far less than half precision rounds. `feature_file` says what is in
a file, `cache_contents` how old ones are removed.
"""

import hashlib
import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deepgaze2.errors import DataError, ModelError
from deepgaze2.features.backbone import Backbone, stored_taps
from deepgaze2.features.cache_admin import remove_leftovers
from deepgaze2.features.cache_files import read_feature_map, verify, write_feature_map
from deepgaze2.features.engines import Engine, create_engine
from deepgaze2.image.network_input import network_input, network_size
from deepgaze2.image.stimulus import Stimulus, read_stimulus
from deepgaze2.support.cores import available_cores
from deepgaze2.support.files import cache_directory, claimed
from deepgaze2.support.progress import Progress


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


def cache_features(
    paths: list[Path],
    backbone: Backbone,
    taps: tuple[str, ...],
    view: View = View(),
    *,
    engine: Engine | None = None,
) -> list[ImageFeatures]:
    """Compute what is not yet cached, with progress, and return every image's features.

    Interrupted or killed, it goes on where it was. Several processes may fill the same cache at
    once: each computes the images that no other is at. Damaged files are reported on stderr
    and computed anew.

    Parameters
    ----------
    paths
        Image files.
    taps
        Names of layers. A layer and its own ReLU are stored as one tensor.
    engine
        Made for `backbone.with_taps(taps)`. None takes the fastest here, made only if anything
        is missing, and for what is missing.

    Raises
    ------
    StimulusError
        If an image cannot be read; all are read before anything is computed.
    ModelError
        If there is no such tap, or a feature is too large for half precision (65504).
    OutputError
        If a file cannot be written, as when the disk is full.
    OSError
        If nothing at all may be written to the cache.
    """
    store = _Store(_folder(backbone, view), view, backbone, stored_taps(backbone, taps))
    found = []
    with ThreadPoolExecutor(available_cores()) as pool:
        each = pool.map(lambda path: store.find(store.key(read_stimulus(path))), paths)
        with Progress("cached features", len(paths), delay_s=2) as progress:
            for one in each:
                found.append(one)
                for path in one.damaged:
                    progress.write(f"note: {path}: is damaged; it is computed anew")
                progress.update()
    features = [one.features for one in found]
    waiting = {i: paths[i] for i, one in enumerate(found) if one.missing}
    if waiting:
        remove_leftovers()
        computed = store.taps
        if engine is None:
            missing = {tap for one in found for tap in one.missing}
            computed = tuple(tap for tap in store.taps if tap in missing)
            engine = _fastest_engine(backbone, computed)
        for i, completed in _completed(waiting, store, engine, computed):
            features[i] = completed
    return features


def _folder(backbone: Backbone, view: View) -> Path:
    name = re.sub(r"[^\w.-]", "_", backbone.name)  # of a user's network there may be a colon in it
    network = f"{name}-{backbone.checksum[:16]}"
    seen = f"{view.longer_side_px}px{'-mirrored' if view.mirrored else ''}"
    return cache_directory() / "features" / network / seen


def _fastest_engine(backbone: Backbone, taps: tuple[str, ...]) -> Engine:
    backbone = backbone.with_taps(taps)
    if find_spec("torch"):
        import torch

        if torch.cuda.is_available():
            return create_engine(backbone, device="cuda")
    return create_engine(backbone)


@dataclass(frozen=True)
class _Found:
    """Where an image's tensors are or are to be, which of them are not, and damaged files."""

    features: ImageFeatures
    missing: tuple[str, ...]
    damaged: tuple[Path, ...]


@dataclass(frozen=True)
class _Key:
    """What the names of an image's files are made of, and the size of the network's input."""

    name: str
    size: tuple[int, int]


@dataclass(frozen=True)
class _Store:
    """The files of one backbone and view, and the distinct tensors wanted."""

    folder: Path
    view: View
    backbone: Backbone
    taps: tuple[str, ...]

    def key(self, stimulus: Stimulus) -> _Key:
        size = network_size(
            *(stimulus.width, stimulus.height),
            longer_side_px=self.view.longer_side_px,
            min_side_px=self.backbone.min_side_px,
        )
        digest = hashlib.sha256(str(stimulus.pixels.shape).encode())  # the bytes leave it open
        digest.update(stimulus.pixels.tobytes())
        return _Key(f"{digest.hexdigest()[:32]}-{size[0]}x{size[1]}", size)

    def find(self, key: _Key) -> _Found:
        files, missing, damaged = {}, [], []
        for tap in self.taps:
            before = self.backbone.relu_inputs.get(tap, tap)  # a ReLU can be had from either
            for name in dict.fromkeys((before, tap)):
                path = self.folder / name / f"{key.name}.npy"
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
        return _Found(
            ImageFeatures(files, key.size, self.backbone.relu_inputs),
            tuple(missing),
            tuple(damaged),
        )

    def input(self, stimulus: Stimulus, key: _Key) -> NDArray[np.float32]:
        pixels = stimulus.pixels[:, ::-1] if self.view.mirrored else stimulus.pixels
        return network_input(pixels, key.size)


def _completed(
    waiting: dict[int, Path], store: _Store, engine: Engine, computed: tuple[str, ...]
) -> Iterator[tuple[int, ImageFeatures]]:
    """Compute the missing features; images that another process is at are left for the end."""
    queue = deque((i, False) for i in waiting)
    with Progress("features", len(waiting)) as progress:
        while queue:
            i, insist = queue.popleft()
            stimulus = read_stimulus(waiting[i])
            key = store.key(stimulus)
            with claimed(store.folder / key.name) as ours:
                if not (ours or insist):
                    queue.append((i, True))
                    continue
                found = store.find(key)  # others may have been here meanwhile
                if found.missing:
                    tensors = engine.stored_features(store.input(stimulus, key))
                    for tap, tensor in zip(computed, tensors, strict=True):
                        if tap in found.missing:
                            write_feature_map(found.features.files[tap], _half(tensor, tap))
            yield i, found.features
            progress.update()


def _half(features: NDArray[np.float32], tap: str) -> NDArray[np.float16]:
    with np.errstate(over="ignore"):  # what overflows is infinite, which is refused next
        half = features.astype(np.float16)
    if not np.isfinite(half).all():
        raise ModelError(
            f"{tap}: reaches {np.abs(features).max():.6g}, too much for half precision (65504);"
            " leave this layer out"
        )
    return half


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
