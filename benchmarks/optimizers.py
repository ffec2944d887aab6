"""Adam, L-BFGS and SFO on a data set at equal numbers of passes, in the paper's configuration.

    python benchmarks/optimizers.py osie:../shared/data/osie [--passes 20]

One readout learns nine tenths of the images from the same parameters with each optimizer; after
each pass it is scored on the tenth part. A line search evaluates several times in an iteration,
so scores are listed by passes over the images spent, not by iterations. Adam has a constant rate:
its one-cycle schedule, with which models are trained, must know the number of passes beforehand.
"""

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from deepgaze2.data.sources import open_dataset
from deepgaze2.data.splits import image_folds
from deepgaze2.features.backbone import find_stored_backbone
from deepgaze2.features.cache import tap_deviations
from deepgaze2.readout.torch_readout import ReadoutNetwork
from deepgaze2.references.baseline import fold_center_biases
from deepgaze2.training.fit import Fit, FitSettings
from deepgaze2.training.images import TrainingSet
from deepgaze2.training.preparation import prepare_images
from deepgaze2.training.recipes import paper_recipe
from deepgaze2.training.runs import Run, train_all
from deepgaze2.training.sets import DataSets


def main() -> None:
    """Print held-out information gain by passes and optimizer."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", help="a data set, such as osie:FOLDER or csv:FOLDER")
    parser.add_argument("--passes", type=int, default=20)
    arguments = parser.parse_args()
    dataset = open_dataset(arguments.source)
    backbone = find_stored_backbone("vgg16")
    recipe = paper_recipe(backbone)
    folds = image_folds(len(dataset.stimuli), 10, 0)
    priors = fold_center_biases(dataset, folds)
    prepared = prepare_images(DataSets((dataset,)), [priors], folds, backbone, recipe)
    taps = recipe.architecture.groups[0].names
    deviation = tap_deviations([image.features[0] for image in prepared.images], taps)
    network = ReadoutNetwork(recipe.architecture, [deviation])
    held_out = (folds == 0)[None]
    images = TrainingSet(prepared.images, ~held_out, held_out)
    common = FitSettings(epochs=None, most_epochs=arguments.passes, images_per_batch=10)
    variants = {
        "adam, 3e-3": common,
        "adam, 1e-3": replace(common, learning_rate=1e-3),
        "lbfgs": replace(common, optimizer="lbfgs"),
        "sfo": replace(common, optimizer="sfo"),
    }
    runs = [
        Run((name,), network, images, network.initial(0)[None], settings, (0,))
        for name, settings in variants.items()
    ]
    with tempfile.TemporaryDirectory() as folder:
        fits = train_all(runs, Path(folder), description="optimizers")
    _print(fits, arguments.passes)


def _print(fits: dict[str, Fit], passes: int) -> None:
    print("bits per fixation over the center bias, on images not trained on (training images)")
    print(f"{'passes':>6} " + " ".join(f"{name:>20}" for name in fits))
    for n in range(1, passes + 1):
        cells = []
        for fit in fits.values():
            done = np.flatnonzero(np.array(fit.curve.passes) < n + 1)
            cells.append(
                f"{fit.curve.held_out[done[-1]]:.3f} ({fit.curve.training[done[-1]]:.3f})"
                if len(done)
                else "-"
            )
        print(f"{n:>6} " + " ".join(f"{cell:>20}" for cell in cells))


if __name__ == "__main__":
    main()
