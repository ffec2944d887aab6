"""What training costs for each readout and image, twenty at once and alone, beside its floor.

    python benchmarks/train.py ../shared/data/osie

Recipe `plus` on some of OSIE's images, whose features come from the cache; the first run fills it.
Each network has readouts of its own, whose costs add up: `--backbone` says which network's.
One process, one thread; twenty and one are measured in turns, in seconds of the process, which
other programs change less than those of the clock. The floor is what the first layer's two
products take, forward and for the gradient by its weights, at the rate that is measured for just
these matrices. With `--direct N`, the paper's recipe on VGG-16 is compared on N images with the
direct way in PyTorch (`direct_training`): gradients differ by what half precision does to the
features.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch

from deepgaze2.data.sources import open_dataset
from deepgaze2.data.splits import image_folds
from deepgaze2.features.backbone import StoredBackbone, find_stored_backbone
from deepgaze2.image.network_input import network_input
from deepgaze2.image.stimulus import read_stimulus
from deepgaze2.readout.torch_readout import ReadoutNetwork
from deepgaze2.references.baseline import fold_center_biases
from deepgaze2.training import runs
from deepgaze2.training.images import TrainingImage
from deepgaze2.training.objective import Objective
from deepgaze2.training.preparation import feature_deviations, prepare_images
from deepgaze2.training.recipes import Recipe, paper_recipe, plus_recipe
from deepgaze2.training.sets import DataSets
from direct_training import direct_gradient

AT_ONCE = (20, 1)
N_FOLDS = 10


@dataclass(frozen=True)
class Work:
    """What is trained on."""

    datasets: DataSets
    recipe: Recipe
    network: ReadoutNetwork
    images: list[TrainingImage]

    @property
    def objective(self) -> Objective:
        """The likelihood of the images."""
        return Objective(self.network, self.images, grid_block=self.recipe.finetuning.grid_block)

    def starts(self, n: int) -> torch.Tensor:
        """Return random parameters of n readouts."""
        return torch.from_numpy(np.stack([self.network.initial(seed) for seed in range(n)]))


def prepared(folder: Path, n_images: int, backbone: StoredBackbone, recipe: Recipe) -> Work:
    """Return the first images of OSIE, their features from the cache."""
    datasets = DataSets((open_dataset(f"osie:{folder}").select(np.arange(n_images)),))
    folds = image_folds(n_images, N_FOLDS, 0)
    priors = [fold_center_biases(dataset, folds) for dataset in datasets.each]
    images = prepare_images(datasets, priors, folds, backbone, recipe)
    network = ReadoutNetwork(
        recipe.architecture,
        feature_deviations(recipe, backbone, images, None, None),
        learn_prior_weight=recipe.learn_prior_weight,
    )
    return Work(datasets, recipe, network, images.images)


def step(work: Work, n: int) -> torch.Tensor:
    """Return the gradients of n readouts on all images, as a minibatch with dropout has them."""
    objective, dropout = work.objective, work.recipe.finetuning.dropout
    generator = torch.Generator().manual_seed(0)
    kept = [objective.drawn(dropout, generator) for _ in range(n)]
    return objective.loss_and_gradient(work.starts(n), range(len(work.images)), kept=kept)[1]


def floor_s(work: Work, n: int) -> float:
    """Print and return the least seconds of the first layers' products on all images."""
    rows, total_s, flops = n * work.network.first_width, 0.0, 0.0
    shapes = [
        (len(deviation), height * width)
        for image in work.images
        for deviation, (height, width) in zip(work.network.deviations, image.cells, strict=True)
    ]
    for shape in sorted(set(shapes)):
        channels, cells = shape
        weights, features = torch.rand(rows, channels), torch.rand(channels, cells)
        by_product, by_weights = torch.rand(rows, cells), torch.zeros(rows, channels)
        forward_s = fastest_s(partial(torch.matmul, weights, features))
        gradient_s = fastest_s(partial(by_weights.addmm_, by_product, features.T))
        total_s += shapes.count(shape) * (forward_s + gradient_s)
        flops += shapes.count(shape) * 2 * 2 * rows * channels * cells
    print(f"{n:2} at once: first layer {flops / 1e9:.1f} Gflop at {flops / total_s / 1e9:.1f}/s")
    return total_s


def fastest_s(call: Callable[[], object]) -> float:
    """Return the least seconds of this process that one of some calls takes."""
    return min(seconds(call)[0] for _ in range(20))


def seconds(call: Callable[[], object]) -> tuple[float, float]:
    """Return how long a call takes: seconds of this process, and of the clock."""
    cpu, clock = time.process_time(), time.perf_counter()
    call()
    return time.process_time() - cpu, time.perf_counter() - clock


def print_costs(work: Work, rounds: int) -> None:
    """Print the medians, measured in turns, and their ratios to the floor."""
    floors = {n: floor_s(work, n) for n in AT_ONCE}
    times: dict[int, list[tuple[float, float]]] = {n: [] for n in AT_ONCE}
    step(work, 1)  # a warm-up, which reads the files
    for _ in range(rounds):
        for n, found in times.items():
            found.append(seconds(partial(step, work, n)))
    for n, found in times.items():
        cpu_s, clock_s = (statistics.median(column) for column in zip(*found, strict=True))
        share = 1e3 / (n * len(work.images))
        print(
            f"{n:2} at once: {cpu_s * share:.1f} ms for each readout and image"
            f" ({clock_s * share:.1f} by the clock), {cpu_s / floors[n]:.2f} times the floor of"
            f" {floors[n] * share:.1f} ms"
        )


def print_direct(work: Work, backbone: StoredBackbone) -> None:
    """Print how long the direct way takes for the paper's readout, and how far it is off."""
    inputs = []
    for image, path in zip(work.images, work.datasets.paths, strict=True):
        seen = network_input(read_stimulus(path).pixels, image.sizes[0])
        inputs.append(torch.from_numpy(seen))
    start, block = work.starts(1), work.recipe.finetuning.grid_block
    found: list[torch.Tensor] = []

    def direct() -> None:
        args = work.network, start[0], backbone, inputs, work.images, block
        found.append(direct_gradient(*args))

    def ours() -> None:
        _, gradients = work.objective.loss_and_gradient(start, range(len(inputs)))
        found.append(gradients[0] / work.objective.masses.sum())

    ours()  # a warm-up
    ours_s, direct_s = seconds(ours)[0], seconds(direct)[0]
    apart = float((found[1] - found[2]).norm() / found[2].norm())
    share = 1e3 / len(inputs)
    print(
        f"the paper's readout alone: {ours_s * share:.1f} ms for each image; the direct way"
        f" {direct_s * share:.0f} ms, {direct_s / ours_s:.0f} times as long; gradients differ by"
        f" {apart:.1e}"
    )


def main() -> None:
    """Run all measurements."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("osie", type=Path, help="OSIE's folder, with stimuli and eye")
    parser.add_argument("--backbone", default="vgg16")
    parser.add_argument("--images", type=int, default=20)
    parser.add_argument("--direct", type=int, default=0, help="images the direct way is timed on")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    runs._keep_memory()  # as in the processes that train
    backbone = find_stored_backbone(arguments.backbone)
    plus = plus_recipe(backbone)
    print_costs(prepared(arguments.osie, arguments.images, backbone, plus), arguments.rounds)
    if arguments.direct:
        few, vgg = max(arguments.direct, N_FOLDS), find_stored_backbone("vgg16")
        print_direct(prepared(arguments.osie, few, vgg, paper_recipe(vgg)), vgg)


if __name__ == "__main__":
    main()
