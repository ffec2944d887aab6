"""Made-up images to train on: noise, and one conspicuous place in each at which people look."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from deepgaze2.features.cache import ImageFeatures
from deepgaze2.features.cache_files import write_feature_map
from deepgaze2.readout.architecture import Architecture
from deepgaze2.readout.numpy_readout import Readout
from deepgaze2.readout.torch_readout import ReadoutNetwork
from deepgaze2.training.curves import CurveDrawing
from deepgaze2.training.fit import Curve, Fit, FitSettings, fit
from deepgaze2.training.images import TrainingImage, TrainingSet
from deepgaze2.training.objective import Objective
from deepgaze2.training.runs import Curves, Run, train_group
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
    images: list[TrainingImage],
    parts: int | Sequence[int] = 0,
    n_parts: int = 3,
    folder: Path | None = None,
) -> TrainingSet:
    """For each readout a part to score on and the others to train on; mirrored if to a folder."""
    chosen = [parts] if isinstance(parts, int) else parts
    held_out = np.array([np.arange(len(images)) % n_parts == part for part in chosen])
    mirrored = [mirror(image, folder) for image in images] if folder else ()
    return TrainingSet(images, ~held_out, held_out, mirrored)


def images_of(masked: NDArray[np.bool_], images: Sequence[TrainingImage]) -> list[TrainingImage]:
    """The images that a mask, such as a row of `TrainingSet.seen`, chooses."""
    return [images[i] for i in np.flatnonzero(masked).tolist()]


def fit_one(
    network: ReadoutNetwork,
    images: TrainingSet,
    start: NDArray[np.float32],
    settings: FitSettings,
    checkpoint: Path,
    report: Callable[[Curve], None] = lambda _: None,
) -> Fit:
    """`fit` for a readout alone, whose own seed is the settings'."""
    (found,) = fit(
        *(network, images, start[None], settings, [settings.seed], checkpoint),
        report=lambda curves: report(*curves),
    )
    return found


def stacked(*vectors: NDArray[np.float32]) -> torch.Tensor:
    """Parameters of K readouts, (K, n_parameters)."""
    return torch.from_numpy(np.stack(vectors))


def gains_of(
    objective: Objective, vector: NDArray[np.float32], chosen: Iterable[int] | None = None
) -> NDArray[np.float64]:
    """Information gains of images, (n_images,), under a readout."""
    numbers = range(len(objective.images)) if chosen is None else chosen
    return np.array([objective.information_gains(stacked(vector), i)[0] for i in numbers])


def new_network(
    architecture: Architecture = PAPER16,
    *,
    learn_sigma: bool = True,
    learn_prior_weight: bool = False,
    deviation: float | None = 1,
    n_viewings: int = 1,
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
        n_viewings=n_viewings,
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
    network: ReadoutNetwork,
    values: dict[str, NDArray[np.float64]],
    grid_block: int | None = None,
    viewing: int | None = 0,
) -> Readout:
    """One readout whose parameters keep float64, for the reference alone.

    In a data set's viewing, or, if that is None, in the mean of all. What a viewing means is
    written out here anew: scales' factors for the first layer, and one for the last.
    """
    architecture = network.architecture
    if grid_block is not None:
        architecture = replace(architecture, grid_block=grid_block)

    def own(name: str, otherwise: float) -> NDArray[np.float64]:
        if name not in values:
            return np.array(otherwise)
        each = values[name]
        return np.asarray(each.mean(axis=0) if viewing is None else each[viewing])

    scales = list(dict.fromkeys(group.scale for group in architecture.groups))
    by_scale = np.broadcast_to(np.exp(own("log_scale", 0)), (len(scales),))
    first = np.concatenate(
        [
            values[f"first{g}"] * by_scale[scales.index(group.scale)]
            for g, group in enumerate(architecture.groups)
        ],
        axis=1,
    )
    layers = range(1, len(architecture.widths))
    weights = [first, *(values[f"weight{n}"] for n in layers)]
    biases = [values[f"bias{n}"] for n in (0, *layers)]
    factor = np.exp(own("log_factor", 0))
    return Readout(
        architecture=architecture,
        weights=tuple(w[None] for w in (*weights[:-1], weights[-1] * factor)),
        biases=tuple(b[None] for b in (*biases[:-1], biases[-1] * factor)),  # type: ignore[misc]
        sigma_px=np.exp(own("log_sigma_px", np.log(10)))[None],
        prior_weight=own("prior_weight", 1)[None],  # type: ignore[arg-type]
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

    def report(curves: Curves) -> None:
        if any(curve.training for curve in curves.values()):
            on_epoch(curves)

    found: dict[str, Fit] = {}
    for run in runs:
        found |= train_group(run, folder / f"{run.name}.pt", report)
    return found


@contextmanager
def stopped_after(n_images: int) -> Iterator[None]:
    """Expect an interrupt when an image's features are read after so many others."""
    left = n_images
    load = ImageFeatures.tensors

    def stop(self: ImageFeatures, taps: Sequence[str]) -> list[NDArray[np.float16]]:
        nonlocal left
        if left == 0:
            raise KeyboardInterrupt
        left -= 1
        return load(self, taps)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ImageFeatures, "tensors", stop)
        with pytest.raises(KeyboardInterrupt):
            yield
    torch.rand(7)  # what else happens to the global generators must not matter
    np.random.rand(7)  # noqa: NPY002
