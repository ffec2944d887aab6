"""Made-up images to train on: noise, and one conspicuous place in each at which people look."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from deepgaze2.features.cache import ImageFeatures
from deepgaze2.features.cache_files import write_feature_map
from deepgaze2.readout.architecture import Architecture
from deepgaze2.readout.numpy_readout import Readout
from deepgaze2.readout.torch_readout import ReadoutNetwork
from deepgaze2.training.curves import CurveDrawing
from deepgaze2.training.fit import Curve, Fit
from deepgaze2.training.images import TrainingImage, TrainingSet
from deepgaze2.training.runs import Curves, Run, train_one
from helpers.small_models import NARROW16, PAPER16, group_sizes

SIZE = (96, 64)
"""Network input: 6 by 4 cells of block 5."""


def made_up(
    folder: Path, n_images: int = 12, architecture: Architecture = PAPER16, seed: int = 0
) -> list[TrainingImage]:
    """Images whose features are files in a folder; each has another number of fixations."""
    rng = np.random.default_rng(seed)
    width, height = SIZE
    images = []
    for i in range(n_images):
        place = (rng.integers((6, 4)) + 0.5) / (6, 4)  # the center of a cell of block 5
        features = tuple(
            _features(folder / f"{seed}" / f"group{g}", i, group.names, size, place, rng)
            for g, (group, size) in enumerate(
                zip(architecture.groups, group_sizes(architecture, SIZE), strict=True)
            )
        )
        width, height = features[0].input_size
        at = rng.normal(place * (width, height), 4, (15 + i % 4, 2))
        column, row = np.clip(at, 0, (width - 1, height - 1)).astype(np.int32).T
        log_prior = rng.normal(0, 0.3, (height, width)).astype(np.float32)
        images.append(TrainingImage(features, log_prior, row * np.int32(width) + column))
    return images


def _features(
    folder: Path,
    number: int,
    taps: tuple[str, ...],
    size: tuple[int, int],
    place: NDArray[np.float64],
    rng: np.random.Generator,
) -> ImageFeatures:
    files = {}
    for tap in replace(NARROW16, taps=taps).stored_taps():
        width, height = (NARROW16.cells(tap, px) for px in size)
        maps = rng.normal(0, 1, (NARROW16.tap(tap).channels, height, width))
        if tap.startswith("relu"):
            maps = np.maximum(maps, 0)
        column, row = (place * (width, height)).astype(int)
        maps[2, row, column] += 30
        files[tap] = folder / tap / f"{number}.npy"
        write_feature_map(files[tap], maps.astype(np.float16))
    return ImageFeatures(files, size, NARROW16.relu_inputs)


def mirror(image: TrainingImage, folder: Path) -> TrainingImage:
    """The image as in a mirror; its features are written to another folder."""
    features = []
    for g, one in enumerate(image.features):
        files = {}
        for tap, path in one.files.items():
            files[tap] = folder / f"group{g}" / tap / path.name
            write_feature_map(files[tap], np.array(one.tensor(tap))[:, :, ::-1])
        features.append(ImageFeatures(files, one.input_size, one.relu_inputs))
    width, _ = image.features[0].input_size
    row, column = np.divmod(image.pixels, width)
    pixels = (row * width + width - 1 - column).astype(np.int32)
    return TrainingImage(tuple(features), image.log_center_bias[:, ::-1].copy(), pixels)


def divided(
    images: list[TrainingImage], part: int = 0, n_parts: int = 3, folder: Path | None = None
) -> TrainingSet:
    """One part to score on and the others to train on, mirrored too if there is a folder."""
    seen = [image for i, image in enumerate(images) if i % n_parts != part]
    held_out = [image for i, image in enumerate(images) if i % n_parts == part]
    return TrainingSet(seen, [mirror(image, folder) for image in seen] if folder else (), held_out)


def new_network(
    architecture: Architecture = PAPER16,
    *,
    learn_sigma: bool = True,
    learn_prior_weight: bool = False,
    deviation: float | None = 1,
) -> ReadoutNetwork:
    """A network for made-up images; without `deviation`, channels have several."""
    rng = np.random.default_rng(0)
    channels = [group.channels for group in architecture.groups]
    return ReadoutNetwork(
        architecture,
        [
            (rng.uniform(0.5, 2, n) if deviation is None else np.full(n, deviation)).astype(
                np.float32
            )
            for n in channels
        ],
        learn_sigma=learn_sigma,
        learn_prior_weight=learn_prior_weight,
    )


def maps_of(
    image: TrainingImage, architecture: Architecture
) -> list[dict[str, NDArray[np.float64]]]:
    """Every tap of an image by name for the reference, in each group."""
    found: list[dict[str, NDArray[np.float64]]] = []
    for group, features in zip(architecture.groups, image.features, strict=True):
        named = {}
        for tap in group.names:
            source = tap if tap in features.files else tap.replace("relu", "conv")
            stored = np.load(features.files[source]).astype(np.float64)
            named[tap] = stored if source == tap else np.maximum(stored, 0)
        found.append(named)
    return found


def double_readout(
    network: ReadoutNetwork, values: dict[str, NDArray[np.float64]], grid_block: int | None = None
) -> Readout:
    """One readout whose parameters keep float64, for the reference alone."""
    architecture = network.architecture
    if grid_block is not None:
        architecture = replace(architecture, grid_block=grid_block)
    first = np.concatenate([values[f"first{g}"] for g in range(len(network.deviations))], axis=1)
    layers = range(1, len(architecture.widths))
    sigma = np.exp(values["log_sigma_px"]) if "log_sigma_px" in values else np.array(10.0)
    return Readout(
        architecture=architecture,
        weights=(first[None], *(values[f"weight{n}"][None] for n in layers)),  # type: ignore[arg-type]
        biases=tuple(values[f"bias{n}"][None] for n in (0, *layers)),  # type: ignore[misc]
        sigma_px=sigma[None],
        prior_weight=values.get("prior_weight", np.ones(()))[None],  # type: ignore[arg-type]
        tap_deviation=np.concatenate(network.deviations),
    )


def train_in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Starting processes and drawing curves would take most of the time."""
    monkeypatch.setattr("deepgaze2.training.procedure.train_all", train_one_by_one)
    monkeypatch.setattr(CurveDrawing, "__call__", lambda *_, **__: None)


def train_one_by_one(
    runs: Sequence[Run],
    folder: Path,
    *,
    description: str,
    on_epoch: Callable[[Curves], None] = lambda _: None,
) -> dict[str, Fit]:
    """`train_all` in this process: starting others takes seconds."""

    def train(run: Run) -> Fit:
        def report(curve: Curve) -> None:
            if curve.training:
                on_epoch({run.name: curve})

        return train_one(run, folder / f"{run.name}.pt", report)

    return {run.name: train(run) for run in runs}
