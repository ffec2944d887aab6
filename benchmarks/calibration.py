"""Whether as many fixations fall into a region as a model says.

    python benchmarks/calibration.py deepgaze2-plus@mit1003 csv:DATA/mit1003 [--images 200]

Of each image the smallest regions to which the model gives 10, 25 and 50% of the fixations;
printed is the share of all fixations that fall into them, with 95% intervals over images. Each
image is predicted by readouts that have not seen it, with the center bias of other images.
"""

import argparse

import numpy as np
from numpy.typing import NDArray

from deepgaze2.data.dataset import Dataset
from deepgaze2.data.sources import open_dataset
from deepgaze2.evaluation.out_of_fold import out_of_fold
from deepgaze2.loading import load
from deepgaze2.metrics.intervals import bootstrap_interval
from deepgaze2.model import Model
from deepgaze2.support.progress import Progress

MASSES = (0.1, 0.25, 0.5)


def shares(model: Model, dataset: Dataset) -> NDArray[np.float64]:
    """Return the share of each image's fixations in each region, (n_images, n_regions)."""
    predict = out_of_fold(model, dataset)
    found = np.empty((len(dataset.stimuli), len(MASSES)))
    with Progress(dataset.name, len(found)) as progress:
        for i in range(len(found)):
            log_density = predict(i)
            density = np.exp(log_density.astype(np.float64)).ravel()
            order = np.argsort(-density)
            above = np.empty_like(density)  # mass of all denser pixels and half of its own
            above[order] = np.cumsum(density[order]) - density[order] / 2
            rows, columns = dataset.fixations_on(i).pixel()
            at_fixations = above.reshape(log_density.shape)[rows, columns]
            found[i] = [(at_fixations < mass).mean() for mass in MASSES]
            progress.update()
    return found


def main() -> None:
    """Print a line for each data set."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("sources", nargs="+", metavar="source")
    parser.add_argument("--images", type=int, help="so many at random instead of all")
    options = parser.parse_args()
    model = load(options.model)
    for source in options.sources:
        dataset = open_dataset(source).looked_at()
        n = len(dataset.stimuli)
        chosen = np.random.default_rng(0).permutation(n)[: options.images or n]
        dataset = dataset.select(np.sort(chosen))
        found, counts = shares(model, dataset), np.diff(dataset.offsets).astype(np.float64)
        cells = []
        for mass, share in zip(MASSES, found.T, strict=True):
            low, high = bootstrap_interval(share * counts, counts)
            mean = np.average(share, weights=counts)
            cells.append(f"{mass:.0%}: {mean:.1%} ({low:.1%} to {high:.1%})")
        print(f"{dataset.name}, {len(dataset.stimuli)} images: {'; '.join(cells)}")


if __name__ == "__main__":
    main()
