"""What filling the cache of features takes beside the network alone, with `deepgaze2-plus`' taps.

    python benchmarks/fill_cache.py ../shared/data/osie

The network alone runs on images that were decoded and resized before, once for each view; filling
starts from image files and an empty cache. Both take the same engine, in turns of a few images, so
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
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deepgaze2.data.published.nus_vip import read_osie
from deepgaze2.features.backbone import StoredBackbone, find_stored_backbone
from deepgaze2.features.cache import View
from deepgaze2.features.cache_filling import cache_features
from deepgaze2.features.cache_stores import Reading
from deepgaze2.features.engines import Engine, create_engine
from deepgaze2.image.network_input import network_input, network_size
from deepgaze2.image.stimulus import read_stimulus
from deepgaze2.support.cores import available_cores
from deepgaze2.training.recipes import plus_recipe

IMAGES_AT_ONCE = 10
MATRIX = 2048  # of a matrix product that is large enough for the machine's full rate


def wanted(backbone: StoredBackbone) -> list[Reading]:
    """Return what `deepgaze2-plus` reads."""
    recipe = plus_recipe(backbone)
    return [
        Reading(backbone, group.names, View(round(recipe.longer_side_px * group.scale)))
        for group in recipe.architecture.groups
    ]


def network_inputs(paths: list[Path], readings: list[Reading]) -> list[NDArray[np.float32]]:
    """Return what the network sees of each image, in each view."""
    sides_px = sorted({reading.view.longer_side_px for reading in readings})
    return [
        network_input(s.pixels, network_size(s.width, s.height, longer_side_px=side_px))
        for s in map(read_stimulus, paths)
        for side_px in sides_px
    ]


def multiply_adds(backbone: StoredBackbone, inputs: list[NDArray[np.float32]]) -> int:
    """Return what the convolutions that are needed multiply and add, done directly."""
    network, total = backbone.network, 0
    needed = {node.name for node in network.needed_nodes()}
    for node in network.convolutions():
        if node.name in needed:
            per_cell = math.prod(network.tensor_shapes[f"{node.name}.weight"])
            for image in inputs:
                rows, columns = (network.cells(node.name, px) for px in image.shape[1:])
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


def measured(
    paths: list[Path], readings: list[Reading], inputs: list[NDArray[np.float32]], engine: Engine
) -> list[tuple[float, ...]]:
    """Fill an empty cache, in turns with the network alone.

    Returns
    -------
    list of tuple
        For each turn the seconds, of wall time and of processors, of the network alone, of filling
        and of finding all again.
    """
    n_views = len(inputs) // len(paths)
    turns: list[tuple[float, ...]] = []
    for begin in range(0, len(paths), IMAGES_AT_ONCE):
        part = slice(begin, begin + IMAGES_AT_ONCE)
        seen = inputs[part.start * n_views : part.stop * n_views]
        fill = partial(cache_features, paths[part], readings, make_engine=lambda _: engine)
        alone_s = seconds(partial(list, map(engine.stored_features, seen)))
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
            f"{name}: the network alone {each[0]:.3f} s for an image, filling {each[1]:.3f} s,"
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
    backbone = find_stored_backbone("vgg16")
    readings = wanted(backbone)
    backbone = backbone.with_taps(tuple(tap for reading in readings for tap in reading.taps))
    inputs, engine = network_inputs(paths, readings), create_engine(backbone)
    for image in inputs[:2]:
        engine.stored_features(image)
    print(f"{available_cores()} cores, {len(paths)} images, {IMAGES_AT_ONCE} in a turn")
    turns = []
    for _ in range(arguments.rounds):
        with tempfile.TemporaryDirectory() as folder:
            os.environ["DEEPGAZE2_CACHE"] = folder
            turns += measured(paths, readings, inputs, engine)
            digest, size = checksum(Path(folder))
    print_times(np.array(turns), arguments.rounds * len(paths))
    floor_s = multiply_adds(backbone, inputs) / multiply_adds_per_s() / len(paths)
    print(f"the floor, by plain matrix products: {floor_s:.3f} s for an image")
    print(f"{size / len(paths) / 1e6:.1f} MB for an image; SHA-256 of all files {digest}")


if __name__ == "__main__":
    main()
