"""Speed of fitting the gold standard, beside the obvious loop and the least that it must compute.

    python benchmarks/gold_standard.py ../shared/data/osie

The obvious loop blurs, for each image, subject and bandwidth, an image-sized histogram of the
other subjects' fixations. It is timed on a few images, in turns with ours, and extrapolated. The
floor is one exponential for each pair of fixations on an image and each bandwidth tried.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from deepgaze2.data.dataset import Dataset
from deepgaze2.data.published.nus_vip import read_osie
from deepgaze2.references.baseline import fit_center_bias
from deepgaze2.references.gold_standard import fit_gold_standard

ROUNDS = 3
IMAGES = 2  # of the obvious loop, in each round
BANDWIDTHS_PX = np.geomspace(5, 60, 8)
TRIED = 10  # bandwidths that our fit computes on OSIE


def obvious(dataset: Dataset) -> NDArray[np.float64]:
    """Return each fixation's density by each bandwidth, from blurred histograms."""
    found = np.empty((len(BANDWIDTHS_PX), len(dataset.fixations)))
    for image in range(len(dataset.stimuli)):
        start = dataset.offsets[image]
        on_image = dataset.fixations_on(image)
        rows, columns = on_image.pixel()
        size = dataset.stimuli.height[image], dataset.stimuli.width[image]
        for subject in np.unique(on_image.subject):
            own = on_image.subject == subject
            histogram = np.zeros(size)
            np.add.at(histogram, (rows[~own], columns[~own]), 1)
            for i, bandwidth_px in enumerate(BANDWIDTHS_PX):
                density = gaussian_filter(histogram, bandwidth_px) / histogram.sum()
                found[i, start + np.flatnonzero(own)] = density[rows[own], columns[own]]
    return found


def floor(dataset: Dataset) -> None:
    """Compute one exponential for each pair and bandwidth, a typical image's at a time."""
    counts = np.diff(dataset.offsets)
    pairs = np.zeros(int(np.mean(counts**2)))
    for _ in range(TRIED * len(counts)):
        np.exp(pairs, out=pairs)
        pairs[:] = -1


def seconds(call: Callable[[], object]) -> float:
    """Return how long a call takes."""
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def main() -> None:
    """Print the times and their ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("osie", type=Path, help="OSIE's folder, with stimuli and eye")
    dataset = read_osie(parser.parse_args().osie).without_first()
    began = time.perf_counter()
    baseline = fit_center_bias(dataset).log_density
    print(f"center bias, fitted and read off {len(dataset.stimuli)} maps:", end=" ")
    print(f"{time.perf_counter() - began:.1f} s")
    n_images = len(dataset.stimuli)
    times: dict[str, list[float]] = {"ours": [], "obvious": [], "floor": []}
    for turn in range(ROUNDS):
        few = dataset.select(np.arange(turn * IMAGES, (turn + 1) * IMAGES))
        times["ours"].append(seconds(lambda: fit_gold_standard(dataset, baseline)))
        times["obvious"].append(seconds(partial(obvious, few)) * n_images / IMAGES)
        times["floor"].append(seconds(lambda: floor(dataset)))
    ours, loop, least = (statistics.median(column) for column in times.values())
    print(f"gold standard, bandwidth and weights fitted to {n_images} images: {ours:.1f} s")
    print(f"  the obvious loop over 8 bandwidths, extrapolated: {loop:.0f} s", end="")
    print(f" ({loop / ours:.0f} times as long)")
    print(f"  exponentials alone, the floor: {least:.2f} s (ours is {ours / least:.1f} times that)")


if __name__ == "__main__":
    main()
