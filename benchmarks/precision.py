"""What each engine and precision does to the log density, beside ncnn in float32.

    python benchmarks/precision.py ../shared/data/osie [--images 100] [--engine openvino-bf16]

On the example photos the largest and the mean difference in nats; on images of OSIE what is lost
in bits per fixation, each image predicted by readouts that have not seen it.
"""

import argparse
import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deepgaze2.data.dataset import Dataset
from deepgaze2.data.published.nus_vip import read_osie
from deepgaze2.evaluation.out_of_fold import out_of_fold
from deepgaze2.features.engines.choice import unusable
from deepgaze2.image.examples import example_paths
from deepgaze2.loading import load
from deepgaze2.metrics.intervals import bootstrap_interval
from deepgaze2.model import Model
from deepgaze2.support.cpu import this_cpu
from deepgaze2.support.progress import Progress

EXACT = "ncnn"
OTHERS = tuple(
    name for name in ("openvino", "openvino-bf16", "torch", "torch-bf16") if not unusable(name)
)


def on_photos(models: dict[str, Model]) -> None:
    """Print differences on the example photos."""
    exact = [models[EXACT].predict(path).log_density for path in example_paths()]
    print(f"{len(exact)} photos: largest and mean difference in log density, nats")
    for name in models:
        if name != EXACT:
            found = [models[name].predict(path).log_density for path in example_paths()]
            each = [np.abs(a - b) for a, b in zip(found, exact, strict=True)]
            largest, mean = max(d.max() for d in each), np.mean([d.mean() for d in each])
            print(f"  {name}: {largest:.2e}, {mean:.2e}")


def on_osie(models: dict[str, Model], dataset: Dataset) -> None:
    """Print losses in bits per fixation, with 95% intervals over images."""
    predictors = {name: out_of_fold(model, dataset) for name, model in models.items()}
    n, counts = len(dataset.stimuli), np.diff(dataset.offsets).astype(np.float64)
    sums: dict[str, NDArray[np.float64]] = {name: np.zeros(n) for name in models}
    with Progress(dataset.name, n) as progress:
        for i in range(n):
            at = dataset.fixations_on(i).pixel()
            for name, predict in predictors.items():
                sums[name][i] = predict(i)[at].sum(dtype=np.float64) / np.log(2)
            progress.update()
    print(f"{n} images of OSIE, {counts.sum():.0f} fixations: lost, bits per fixation")
    for name in models:
        if name != EXACT:
            lost = sums[EXACT] - sums[name]
            low, high = bootstrap_interval(lost, counts)
            worst = np.abs(lost / counts).max()
            print(
                f"  {name}: {lost.sum() / counts.sum():.6f} ({low:.6f} to {high:.6f}); on one"
                f" image at most {worst:.6f}"
            )


def main() -> None:
    """Print both for each engine."""
    data = os.environ.get("DEEPGAZE2_DATA", Path(__file__).parents[2] / "shared" / "data")
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("osie", type=Path, nargs="?", default=Path(data) / "osie")
    parser.add_argument("--model", default="default")
    parser.add_argument("--images", type=int, default=100, help="so many of OSIE at random")
    parser.add_argument("--engine", action="append", choices=OTHERS, help="these alone")
    options = parser.parse_args()
    names = (EXACT, *(options.engine or OTHERS))
    models = {name: load(options.model, engine=name) for name in names}
    print(f"{models[EXACT].card.name} on {this_cpu().name}")
    on_photos(models)
    dataset = read_osie(options.osie).without_first().without_outside()
    chosen = np.random.default_rng(0).permutation(len(dataset.stimuli))[: options.images]
    on_osie(models, dataset.select(np.sort(chosen)))


if __name__ == "__main__":
    main()
