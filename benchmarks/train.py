"""What an epoch of training costs, beside its floor and beside the direct way in PyTorch.

    python benchmarks/train.py ../shared/data/osie

The paper's configuration on OSIE's images, whose features come from the cache; the first run fills
it. The direct way (`direct_training`) is timed on a few images, in turns with ours, and scaled.
Both are differentiated by all parameters, with densities at the network input's resolution; their
gradients differ by what half precision does to the features. Peak memory is measured on Linux
alone.
"""

import argparse
import multiprocessing
import re
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from deepgaze2.data.sources import open_dataset
from deepgaze2.data.splits import image_folds
from deepgaze2.features.backbone import StoredBackbone, find_stored_backbone
from deepgaze2.features.cache import tap_deviations
from deepgaze2.image.network_input import network_input
from deepgaze2.image.stimulus import read_stimulus
from deepgaze2.readout.layout import layout
from deepgaze2.readout.torch_readout import ReadoutNetwork
from deepgaze2.references.baseline import fold_center_biases
from deepgaze2.support.cores import available_cores
from deepgaze2.training import runs
from deepgaze2.training.fit import FitSettings
from deepgaze2.training.images import TrainingImage, TrainingSet
from deepgaze2.training.objective import Objective
from deepgaze2.training.optim.optimizers import Plan, create_optimizer
from deepgaze2.training.preparation import prepare_images
from deepgaze2.training.recipes import paper_recipe
from direct_training import direct_gradient

EPOCHS_AT_ONCE = 4  # of two readouts in two processes; the first is not counted
PAPERS_GRID_BLOCK = 2


@dataclass(frozen=True)
class Work:
    """What is trained, and what the direct way needs beyond that.

    Attributes
    ----------
    inputs
        A few of the images as the backbone sees them, (3, height, width).
    """

    network: ReadoutNetwork
    images: list[TrainingImage]
    settings: FitSettings
    backbone: StoredBackbone
    inputs: list[Tensor]


def prepared(folder: Path, n_images: int, n_direct: int) -> Work:
    """Return the first images of OSIE, their features from the cache."""
    dataset = open_dataset(f"osie:{folder}").select(np.arange(n_images))
    backbone = find_stored_backbone("vgg16")
    recipe = paper_recipe(backbone)
    folds = image_folds(n_images, 10, 0)
    priors = fold_center_biases(dataset, folds)
    images = prepare_images(dataset, priors, folds, backbone, recipe).images
    taps = recipe.architecture.groups[0].names
    deviation = tap_deviations([image.features[0] for image in images], taps)
    inputs = []
    for i in range(n_direct):
        pixels = read_stimulus(dataset.stimuli.path(i)).pixels
        seen = torch.from_numpy(network_input(pixels, images[i].sizes[0]))
        inputs.append(seen - torch.from_numpy(backbone.input_mean)[:, None, None])
    network = ReadoutNetwork(recipe.architecture, [deviation])
    return Work(network, images, recipe.finetuning, backbone, inputs)


def our_epoch(work: Work, grid_block: int) -> None:
    """Go through the images once, as `fit` does."""
    objective = Objective(work.network, work.images, grid_block=grid_block)
    n_batches = -(-len(work.images) // work.settings.images_per_batch)
    order = np.random.default_rng(0).permutation(len(work.images))
    batches = np.array_split(order, n_batches)
    start = torch.from_numpy(work.network.initial(0))
    rate = work.settings.learning_rate
    adam = create_optimizer("adam", start, Plan(n_batches, rate, epochs=None, seed=0))
    adam.epoch(lambda parameters, i: objective.value_and_gradient(parameters, batches[i]))


def direct_step(work: Work, grid_block: int) -> Tensor:
    """Return the gradient on the few images, had the direct way."""
    start = torch.from_numpy(work.network.initial(0))
    return direct_gradient(work.network, start, work.backbone, work.inputs, work.images, grid_block)


def difference(work: Work, grid_block: int) -> float:
    """Return how far the two gradients are apart, relative to their length."""
    objective = Objective(work.network, work.images, grid_block=grid_block)
    start = torch.from_numpy(work.network.initial(0))
    _, ours = objective.value_and_gradient(start, range(len(work.inputs)))
    direct = direct_step(work, grid_block)
    return float((ours - direct).norm() / direct.norm())


def multiply_adds(work: Work, grid_block: int) -> dict[str, float]:
    """Return what an epoch must multiply and add at least, in millions, by kind.

    Products are counted three times, forward and for the gradients by weights and inputs, the
    first layer twice, for nobody needs the gradient by the features. An interpolated value
    takes four, forward and backward; a blurred one two kernels.
    """
    architecture = work.network.architecture
    first, *_ = architecture.widths
    sigma_px = 10
    totals = dict.fromkeys(("first layer", "other layers", "interpolation", "blur"), 0.0)
    for image in work.images:
        where = layout(architecture, image.sizes, grid_block)
        for deviation, (rows, columns) in zip(work.network.deviations, where.groups, strict=True):
            places, cells = rows.shape[1] * columns.shape[1], len(rows) * len(columns)
            totals["first layer"] += 2 * first * len(deviation) * places
            totals["interpolation"] += 2 * 4 * first * cells
        totals["other layers"] += (
            3 * cells * sum(inputs * outputs for inputs, outputs in pairwise(architecture.widths))
        )
        totals["interpolation"] += 2 * 4 * image.log_center_bias.size
        totals["blur"] += 3 * 2 * cells * (8 * sigma_px / where.stride_px + 1)
    return {name: total / 1e6 for name, total in totals.items()}


def machine_rates() -> tuple[float, float]:
    """Return multiply-adds per second of a matrix product, and bytes read per second."""
    a, b = torch.rand(2, 1024, 1024)
    large = torch.rand(1 << 27)  # 512 MB, more than any cache
    return 1024**3 / fastest_s(lambda: a @ b), large.nbytes / fastest_s(large.sum)


def fastest_s(call: Callable[[], object]) -> float:
    """Return the least seconds of some calls."""
    return min(seconds(call) for _ in range(10))


def seconds(call: Callable[[], object]) -> float:
    """Return how long a call takes."""
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def print_floor(work: Work, grid_block: int) -> float:
    """Print and return the least seconds of an epoch on this machine, with as many threads."""
    rate, bandwidth = machine_rates()
    counted = multiply_adds(work, grid_block)
    files = [path for image in work.images for path in image.features[0].files.values()]
    size = sum(path.stat().st_size for path in files)
    compute_s, read_s = sum(counted.values()) * 1e6 / rate, size / bandwidth
    parts = ", ".join(f"{name} {millions / 1e3:.1f}" for name, millions in counted.items())
    print(
        f"grid of block {grid_block}: {parts} thousand million multiply-adds at"
        f" {rate / 1e9:.1f} thousand million/s: {compute_s:.2f} s; {size / 1e9:.2f} GB of features"
        f" at {bandwidth / 1e9:.1f} GB/s: {read_s:.2f} s; floor {compute_s + read_s:.2f} s"
    )
    return compute_s + read_s


def two_at_once(work: Work) -> float:
    """Return the seconds in which each of two readouts in two processes does an epoch."""
    settings = replace(work.settings, epochs=EPOCHS_AT_ONCE)
    images = TrainingSet(seen=work.images)
    both = [
        runs.Run(f"{seed}", work.network, images, work.network.initial(seed), settings)
        for seed in range(2)
    ]
    ends: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        runs.train_all(
            both,
            Path(folder),
            description="two at once",
            on_epoch=lambda _: ends.append(time.perf_counter()),
        )
    return 2 * (ends[-1] - ends[1]) / (len(ends) - 2)


def peak_mb() -> float:
    """Return the most memory that this process has had, in MB (Linux)."""
    found = re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())
    assert found
    return int(found[1]) * 1024 / 1e6


def peaks_mb(
    work: Work, step: Callable[[Work, int], object], grid_block: int
) -> tuple[float, float]:
    """Return the peak of this process's memory before and after a call."""
    torch.set_num_threads(1)
    runs._keep_memory()
    before = peak_mb()
    step(work, grid_block)
    return before, peak_mb()


def print_memory(work: Work, grid_block: int) -> None:
    """Print the peaks of both ways, each in a process of its own."""
    spawn = multiprocessing.get_context("spawn")
    for name, step in (("ours", our_epoch), ("direct", direct_step)):
        with ProcessPoolExecutor(1, mp_context=spawn) as process:
            before, after = process.submit(peaks_mb, work, step, grid_block).result()
        print(
            f"peak memory, grid of block {grid_block}, {name}: {after:.0f} MB,"
            f" of which {before:.0f} before the first image"
        )


def print_epochs(work: Work, rounds: int, floors: dict[int, float]) -> None:
    """Print the medians of both ways, measured in turns."""
    scale = len(work.images) / len(work.inputs)
    times: dict[int, list[tuple[float, float]]] = {grid_block: [] for grid_block in floors}
    apart = {grid_block: difference(work, grid_block) for grid_block in floors}  # and a warm-up
    for _ in range(rounds):
        for grid_block, pairs in times.items():
            ours_s = seconds(partial(our_epoch, work, grid_block))
            pairs.append((ours_s, scale * seconds(partial(direct_step, work, grid_block))))
    for grid_block, pairs in times.items():
        ours_s, direct_s = (statistics.median(column) for column in zip(*pairs, strict=True))
        print(
            f"grid of block {grid_block}: an epoch takes {ours_s:.2f} s,"
            f" {ours_s / floors[grid_block]:.1f} times its floor; the direct way {direct_s:.0f} s,"
            f" {direct_s / ours_s:.0f} times as long; gradients differ by"
            f" {apart[grid_block]:.1e}"
        )


def main() -> None:
    """Run all measurements."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("osie", type=Path, help="OSIE's folder, with stimuli and eye")
    parser.add_argument("--images", type=int, default=540, help="of an epoch")
    parser.add_argument("--direct", type=int, default=6, help="images the direct way is timed on")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1, help="of this process")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    runs._keep_memory()  # as in the processes that train
    work = prepared(arguments.osie, arguments.images, arguments.direct)
    print(f"{len(work.images)} images, {arguments.threads} threads, {available_cores()} cores")
    blocks = (work.settings.grid_block, PAPERS_GRID_BLOCK)
    floors = {grid_block: print_floor(work, grid_block) for grid_block in blocks}
    print_epochs(work, arguments.rounds, floors)
    seconds = two_at_once(work)
    print(
        f"two readouts in two processes: {seconds:.2f} s for an epoch of both,"
        f" {seconds / 2:.2f} s for each"
    )
    for grid_block in blocks:
        print_memory(work, grid_block)


if __name__ == "__main__":
    main()
