"""How many images of one's own training needs: scores by size, from nothing and from a model.

    python benchmarks/data_size.py ../shared/data/osie

OSIE's images are divided: half trains a base model, the other half plays the user's data, of which
60 images are for scoring alone. From the rest, random sets of 20 to 240 images train a readout on
VGG-16, from random parameters and from the base. The user's center bias is that of the set itself.
Scores are over that center bias, so that what a center bias of one's own gains is not part of them.
"""

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deepgaze2.data.dataset import Dataset
from deepgaze2.data.sources import open_dataset
from deepgaze2.features.backbone import StoredBackbone, find_stored_backbone
from deepgaze2.features.cache import tap_deviations
from deepgaze2.readout.torch_readout import ReadoutNetwork
from deepgaze2.references.baseline import center_bias_of, fit_center_bias
from deepgaze2.training.fit import Fit, FitSettings
from deepgaze2.training.images import TrainingSet
from deepgaze2.training.preparation import prepare_images
from deepgaze2.training.recipes import CONTINUED, Recipe, plus_recipe
from deepgaze2.training.runs import Run, train_all
from deepgaze2.training.sets import DataSets

SIZES = (20, 50, 100, 240)
N_TEST = 60
N_SETS = 2
RATES = (1e-4, 3e-4, 1e-3)  # Adam's, from the base


def run(
    name: str,
    dataset: Dataset,
    seen: NDArray[np.intp],
    test: NDArray[np.intp],
    start: NDArray[np.float32],
    settings: FitSettings,
    network: ReadoutNetwork,
    backbone: StoredBackbone,
    recipe: Recipe,
) -> Run:
    """Return a training on some images, scored on others, with the former's center bias."""
    own = dataset.select(seen)
    fitted = fit_center_bias(own)
    prior = center_bias_of(own, fitted.bandwidth, fitted.uniform_share, "own")
    both = dataset.select(np.concatenate([seen, test]))
    n = len(both.stimuli)
    part = np.zeros(n, np.intp)
    prepared = prepare_images(DataSets((both,)), [[prior]], part, backbone, recipe)
    is_seen = (np.arange(n) < len(seen))[None]
    images = TrainingSet(prepared.images, is_seen, ~is_seen)
    return Run((name,), network, images, start[None], settings, (settings.seed,))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("osie", type=Path, help="OSIE's folder, with stimuli and eye")
    dataset = open_dataset(f"osie:{parser.parse_args().osie}")
    backbone = find_stored_backbone("vgg16")
    recipe = plus_recipe(backbone)
    order = np.random.default_rng(0).permutation(len(dataset.stimuli))
    half = len(order) // 2
    base, test, pool = order[:half], order[half : half + N_TEST], order[half + N_TEST :]
    everything = np.zeros(len(order), np.intp)
    prior = fit_center_bias(dataset)
    prepared = prepare_images(
        DataSets((dataset,)),
        [[center_bias_of(dataset, prior.bandwidth, prior.uniform_share, "all")]],
        everything,
        backbone,
        recipe,
    )
    deviations = [
        tap_deviations([prepared.images[i].features[g] for i in base], group.names)
        for g, group in enumerate(recipe.architecture.groups)
    ]
    network = ReadoutNetwork(
        recipe.architecture, deviations, learn_prior_weight=recipe.learn_prior_weight
    )

    def fitted(runs: list[Run], description: str) -> dict[str, Fit]:
        with tempfile.TemporaryDirectory() as folder:
            return train_all(runs, Path(folder), description=description)

    def one(name: str, seen: NDArray[np.intp], start: NDArray[np.float32], how: FitSettings) -> Run:
        return run(name, dataset, seen, test, start, how, network, backbone, recipe)

    bases = fitted(
        [
            one(f"base{s}", base, network.initial(s), replace(recipe.finetuning, seed=s))
            for s in range(N_SETS)
        ],
        "base",
    )
    runs = []
    for size in SIZES:
        for s in range(N_SETS):
            seen = np.random.default_rng((size, s)).permutation(pool)[:size]
            start = bases[f"base{s}"].parameters
            scratch = replace(recipe.finetuning, seed=s)
            runs.append(one(f"{size}-{s}-scratch", seen, network.initial(s + 9), scratch))
            for rate in RATES:
                how = replace(CONTINUED, learning_rate=rate, seed=s)
                runs.append(one(f"{size}-{s}-{rate:g}", seen, start, how))
    _print(fitted(runs, "sizes"))


def _print(fits: dict[str, Fit]) -> None:
    ways = ["scratch", *(f"{rate:g}" for rate in RATES)]
    print(f"bits per fixation over the center bias, {N_TEST} images, mean of {N_SETS} sets")
    print(
        f"{'images':>6} {'the base':>9} {'scratch':>9} "
        + " ".join(f"from it, rate {way}".rjust(20) for way in ways[1:])
    )
    for size in SIZES:
        own = {way: [fits[f"{size}-{s}-{way}"] for s in range(N_SETS)] for way in ways}
        base = np.mean([fit.start_gains.mean() for fit in own[ways[1]]])
        after = {way: np.mean([fit.gains.mean() for fit in found]) for way, found in own.items()}
        print(
            f"{size:>6} {base:9.3f} {after['scratch']:9.3f} "
            + " ".join(f"{after[way]:20.3f}" for way in ways[1:])
        )


if __name__ == "__main__":
    main()
