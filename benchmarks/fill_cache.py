"""What filling the cache of features takes beside the networks alone, for the default model.

    python benchmarks/fill_cache.py ../shared/data/osie

The networks alone run on images that were decoded and resized before, once for each view; filling
starts from image files and an empty cache. Both take the same engines, in turns of a few images, so
that whatever else the machine does slows both. Beside wall time the processor time of this process
is printed; with `taskset -c 0` it depends least on what else is running. The floor is what the
convolutions multiply and add, at the rate of a large matrix product; ncnn's Winograd convolutions
do fewer. A checksum of all files tells whether two versions cache the same bits.
"""

import argparse
import hashlib
import math
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deepgaze2.data.published.nus_vip import read_osie
from deepgaze2.features.backbone import StoredBackbone, stored_taps
from deepgaze2.features.cache import View
from deepgaze2.features.cache_filling import cache_features
from deepgaze2.features.cache_stores import Reading
from deepgaze2.features.engines import Engine, create_engine
from deepgaze2.features.network import Network
from deepgaze2.image.network_input import network_input, network_size
from deepgaze2.image.stimulus import read_stimulus
from deepgaze2.loading import backbones_of
from deepgaze2.store import named_card
from deepgaze2.support.cores import available_cores

IMAGES_AT_ONCE = 10
MATRIX = 2048  # of a matrix product that is large enough for the machine's full rate


@dataclass(frozen=True)
class Part:
    """One of the model's networks.

    Attributes
    ----------
    backbone
        The network, read at the model's layers.
    readings
        What the model reads of it.
    inputs
        For each image what the network sees of it, in each view.
    """

    backbone: StoredBackbone
    readings: list[Reading]
    inputs: list[list[NDArray[np.uint8]]]
    engine: Engine


def parts(paths: list[Path]) -> list[Part]:
    """Return the default model's networks, and the images as they see them."""
    card, found = named_card("default"), []
    stimuli = [read_stimulus(path) for path in paths]
    for branch, backbone in zip(card.branches, backbones_of("default", card), strict=True):
        assert isinstance(backbone, StoredBackbone)
        groups = branch.architecture.groups
        views = [View(round(card.longer_side_px * group.scale)) for group in groups]
        sides_px = sorted({view.longer_side_px for view in views})
        inputs = [
            [
                network_input(s.pixels, network_size(s.width, s.height, longer_side_px=side_px))
                for side_px in sides_px
            ]
            for s in stimuli
        ]
        readings = [
            Reading(backbone, group.names, view) for group, view in zip(groups, views, strict=True)
        ]
        found.append(Part(backbone, readings, inputs, create_engine(backbone)))
    return found


def multiply_adds(part: Part) -> int:
    """Return what the convolutions that are needed multiply and add, done directly."""
    images = chain.from_iterable(part.inputs)
    return sum(multiply_adds_for(part.backbone.network, *image.shape[1:]) for image in images)


def multiply_adds_for(network: Network, height_px: int, width_px: int) -> int:
    """Return what the convolutions that are needed for an image multiply and add."""
    needed, total = {node.name for node in network.needed_nodes()}, 0
    for node in network.convolutions():
        if node.name in needed:
            per_cell = math.prod(network.tensor_shapes[f"{node.name}.weight"])
            rows, columns = (network.cells(node.name, px) for px in (height_px, width_px))
            total += per_cell * rows * columns
    return total


def multiply_adds_per_s() -> float:
    """Return the rate of a large matrix product on all cores."""
    a, b = np.random.default_rng(0).random((2, MATRIX, MATRIX), np.float32)
    return MATRIX**3 / min(seconds(lambda: a @ b)[0] for _ in range(5))


def seconds(call: Callable[[], object]) -> tuple[float, float]:
    """Return how long a call takes, and for how long processors are at it."""
    began, began_process = time.perf_counter(), time.process_time()
    call()
    return time.perf_counter() - began, time.process_time() - began_process


def checksum(folder: Path) -> tuple[str, int]:
    """Return a checksum of all files and their names, and their bytes."""
    digest, size = hashlib.sha256(), 0
    for path in sorted(folder.rglob("*.npy")):
        content = path.read_bytes()
        digest.update(path.relative_to(folder).as_posix().encode() + content)
        size += len(content)
    return digest.hexdigest(), size


def run_networks(each: list[Part], images: slice) -> None:
    """Run the networks on some of the images."""
    for part in each:
        for image in chain.from_iterable(part.inputs[images]):
            part.engine.stored_features(image)


def measured(paths: list[Path], each: list[Part]) -> list[tuple[float, ...]]:
    """Fill an empty cache, in turns with the networks alone.

    Returns
    -------
    list of tuple
        For each turn the seconds, of wall time and of processors, of the networks alone, of filling
        and of finding all again.
    """
    readings = [reading for part in each for reading in part.readings]
    engines = {stored_taps(part.backbone): part.engine for part in each}
    turns: list[tuple[float, ...]] = []
    for begin in range(0, len(paths), IMAGES_AT_ONCE):
        images = slice(begin, begin + IMAGES_AT_ONCE)
        fill = partial(
            cache_features,
            paths[images],
            readings,
            make_engine=lambda backbone: engines[stored_taps(backbone)],
        )
        alone_s = seconds(partial(run_networks, each, images))
        turns.append((*alone_s, *seconds(fill), *seconds(fill)))
    return turns


def print_times(times: NDArray[np.float64], n_images: int) -> None:
    """Print the sums over all turns, and the range of each turn's ratio."""
    for name, (alone_s, fill_s, found_s) in (
        ("wall time", times[:, 0::2].T),
        ("processor time", times[:, 1::2].T),
    ):
        each = [s.sum() / n_images for s in (alone_s, fill_s, found_s)]
        ratios = fill_s / alone_s
        print(
            f"{name}: the networks alone {each[0]:.3f} s for an image, filling {each[1]:.3f} s,"
            f" {each[1] / each[0]:.3f} times as long; of {len(ratios)} turns the median is"
            f" {np.median(ratios):.3f}, from {ratios.min():.3f} to {ratios.max():.3f};"
            f" found again in {each[2] * 1e3:.1f} ms"
        )


def main() -> None:
    """Run all measurements."""
    data = os.environ.get("DEEPGAZE2_DATA", Path(__file__).parents[2] / "shared" / "data")
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("osie", type=Path, nargs="?", default=Path(data) / "osie")
    parser.add_argument("--images", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    stimuli = read_osie(arguments.osie).stimuli
    paths = [stimuli.path(i) for i in range(arguments.images)]
    each = parts(paths)
    run_networks(each, slice(1))  # a warm-up
    names = " and ".join(part.backbone.name for part in each)
    print(f"{available_cores()} cores, {len(paths)} images, {IMAGES_AT_ONCE} in a turn; {names}")
    turns = []
    for _ in range(arguments.rounds):
        with tempfile.TemporaryDirectory() as folder:
            os.environ["DEEPGAZE2_CACHE"] = folder
            turns += measured(paths, each)
            digest, size = checksum(Path(folder))
    print_times(np.array(turns), arguments.rounds * len(paths))
    floor_s = sum(map(multiply_adds, each)) / multiply_adds_per_s() / len(paths)
    print(f"the floor, by plain matrix products: {floor_s:.3f} s for an image")
    print(f"{size / len(paths) / 1e6:.1f} MB for an image; SHA-256 of all files {digest}")


if __name__ == "__main__":
    main()
