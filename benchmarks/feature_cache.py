"""What the cache of features costs and gives, on 40 OSIE images; takes about a minute.

    python benchmarks/feature_cache.py ../shared/data/osie

What half precision does to features and to the log density; verifying; and reading, from disk and
from memory, beside what training takes in; `fill_cache.py` measures filling. Everything is kept in
a temporary folder. Reading from disk is measured where the system can be told to forget a file, as
on Linux.
"""

import argparse
import hashlib
import os
import tempfile
import time
import zlib
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import deepgaze2
from deepgaze2.data.published.nus_vip import read_osie
from deepgaze2.features import cache_files as feature_file
from deepgaze2.features.backbone import StoredBackbone, find_stored_backbone
from deepgaze2.features.cache import ImageFeatures, View
from deepgaze2.features.cache_files import read_feature_map
from deepgaze2.features.cache_filling import cache_features
from deepgaze2.features.cache_stores import Reading
from deepgaze2.features.engines import Engine, create_engine
from deepgaze2.image.examples import example_paths
from deepgaze2.image.network_input import NetworkInput, network_input, network_size
from deepgaze2.image.stimulus import read_stimulus
from deepgaze2.support.cores import available_cores

LARGEST_OF = 4  # images on which every layer of blocks 2 to 5 is looked at
TRAINING_IMAGES_PER_S = 110  # what training on two cores takes in


def seconds(call: Callable[[], object]) -> float:
    """Return how long a call takes."""
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def inputs(paths: list[Path]) -> list[NDArray[np.uint8]]:
    """Return what the network sees of each image."""
    stimuli = [read_stimulus(path) for path in paths]
    return [network_input(s.pixels, network_size(s.width, s.height)) for s in stimuli]


def largest_values(backbone: StoredBackbone, paths: list[Path]) -> None:
    """Print how near each block comes to the largest half float."""
    names = [node.name for node in backbone.network.convolutions()]
    taps = tuple(name for name in names if not name.startswith("conv1"))
    engine = create_engine(backbone.with_taps(taps))
    largest = np.zeros(len(taps))
    for image in inputs(paths):
        largest = np.maximum(largest, [np.abs(t).max() for t in engine.stored_features(image)])
    values = ", ".join(f"{tap} {value:.0f}" for tap, value in zip(taps, largest, strict=True))
    print(f"largest values (half precision ends at 65504): {values}")


class HalfPrecision:
    """An engine whose features go through float16, as through the cache."""

    def __init__(self, engine: Engine) -> None:
        self.engine, self.name, self.device = engine, engine.name, engine.device

    def stored_features(self, image: NetworkInput) -> tuple[NDArray[np.float32], ...]:
        """See `Engine.stored_features`."""
        tensors = self.engine.stored_features(image)
        return tuple(tensor.astype(np.float16).astype(np.float32) for tensor in tensors)


def rounding() -> None:
    """Print what half precision does to features, and to the packaged model's log density."""
    exact = deepgaze2.load()
    branches = [replace(one, engine=HalfPrecision(one.engine)) for one in exact.branches]
    half = replace(exact, branches=tuple(branches))
    for branch in exact.branches:
        errors = []
        for image in inputs(example_paths()):
            for tensor in branch.engine.stored_features(image):
                rounded = tensor.astype(np.float16).astype(np.float32)
                errors.append(np.linalg.norm(rounded - tensor) / np.linalg.norm(tensor))
        name = branch.backbone.name
        print(f"half precision, features of {name}: relative error {max(errors):.2e}")
    differences = [
        np.abs(half.predict(path).log_density - exact.predict(path).log_density)
        for path in example_paths()
    ]
    print(
        f"half precision, log density of {exact.card.name} on {len(differences)} photos: at most"
        f" {max(d.max() for d in differences):.2e} nats,"
        f" {np.mean([d.mean() for d in differences]):.2e} on average"
    )


def checksums(content: bytes) -> None:
    """Print how fast the checksums of Python's library are."""
    candidates: dict[str, Callable[[bytes], object]] = {
        "CRC-32": zlib.crc32,
        "SHA-256": hashlib.sha256,
        "BLAKE2b": hashlib.blake2b,
    }
    for name, checksum in candidates.items():
        best_s = min(seconds(partial(checksum, content)) for _ in range(5))
        print(f"  {name}: {len(content) / best_s / 1e6:.0f} MB/s")


def reading(features: list[ImageFeatures]) -> None:
    """Print how fast features are verified and read, beside what training needs."""
    files = [path for image in features for path in image.files.values()]
    size = sum(path.stat().st_size for path in files)
    print(f"{size / len(features) / 1e6:.2f} MB per image")

    def read() -> None:
        for path in files:
            read_feature_map(path)

    def verify() -> None:
        feature_file._verified.clear()  # as in a process that meets them for the first time
        for path in files:
            read_feature_map(path)

    for name, call in (("verified", verify), ("read from memory", read)):
        call_s = min(seconds(call) for _ in range(3))
        rate = size / call_s
        print(f"{name}: {rate / 1e6:.0f} MB/s; 600 images in {600 * call_s / len(features):.1f} s")
    if hasattr(os, "posix_fadvise"):
        for path in files:
            with path.open("rb") as stream:
                os.fsync(stream.fileno())
                os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        print(f"read from disk: {size / seconds(read) / 1e6:.0f} MB/s")
    needed = TRAINING_IMAGES_PER_S * size / len(features)
    print(f"training takes in {needed / 1e6:.0f} MB/s, {TRAINING_IMAGES_PER_S} images/s")
    checksums(files[0].read_bytes())


def main() -> None:
    """Run all measurements."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("osie", type=Path, help="OSIE's folder, with stimuli and eye")
    parser.add_argument("--images", type=int, default=40)
    arguments = parser.parse_args()
    stimuli = read_osie(arguments.osie).stimuli
    paths = [stimuli.path(i) for i in range(arguments.images)]
    backbone = find_stored_backbone("vgg16")
    print(f"{available_cores()} cores, {backbone.network.name}")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["DEEPGAZE2_CACHE"] = folder
        largest_values(backbone, paths[:LARGEST_OF])
        rounding()
        papers = Reading(backbone, backbone.taps, View())
        (features,) = cache_features(paths, [papers])
        reading(features)


if __name__ == "__main__":
    main()
