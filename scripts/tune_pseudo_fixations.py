"""How well mouse traces on OSIE's images predict the eye fixations on them, by what is kept.

Of the crowd and of the laboratory: raw samples, samples at the end of a short step (without time,
the nearest to a threshold on velocity), and the pseudo-fixations of each setting. A Gaussian
kernel density estimate of the points on an image, with one bandwidth for all images, is mixed
with the cross-validated center bias and a uniform density. Bandwidth and weights are fitted to
the eye fixations on a random half of the images, first fixations dropped; gains over the center
bias are in bits per fixation, and "other half" is of the other images. Differences from the
default setting are taken on the same fixations; intervals are bootstrapped over images.

Usage: python scripts/tune_pseudo_fixations.py [FOLDER], default osie in $DEEPGAZE2_DATA or
../shared/data. Prints two tables in Markdown; takes about two minutes on one core.
"""

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import get_args

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from deepgaze2.data import Dataset, read_osie
from deepgaze2.data.mouse import DWELL, Dwell, pseudo_fixations
from deepgaze2.data.published.osie_mouse import Crowd, read_osie_mouse
from deepgaze2.metrics.information import by_group, information_gain
from deepgaze2.metrics.intervals import bootstrap_interval
from deepgaze2.references.baseline import GRID, fit_center_bias, uniform_log_density
from deepgaze2.references.gold_standard import fit_gold_standard
from deepgaze2.references.kde import best_mixture, log_mixture, reflecting_blur

STEPS_PX = (1, 2, 3, 5)
DISPERSIONS_PX = (2, 3, 4, 8, 16, 32)
MIN_SAMPLES = (1, 2, 3, 5, 10)
# every sample is a pixel or more from the one before it, so that more would hardly fit
DWELLS = [Dwell(d, n) for d in DISPERSIONS_PX for n in MIN_SAMPLES if n <= d + 1]
_BANDWIDTHS_PX = (4.0, 150.0)
_SEED = 0


@dataclass(frozen=True, eq=False)
class Part:
    """Some of the images: log densities in nats per pixel at the eye fixations on them.

    Attributes
    ----------
    images : bool array (n_images,)
        Which ones.
    eye : Dataset
        The fixations on them.
    fallback : float64 array (2, n_fixations)
        Log densities of the center bias and the uniform density.
    """

    images: NDArray[np.bool_]
    eye: Dataset
    fallback: NDArray[np.float64]

    def per_image(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the sum of the values of each image's fixations."""
        return by_group(values, self.eye.fixations.stimulus, len(self.eye.stimuli))[0]

    def mean_with_interval(self, gain: NDArray[np.float64], sign: str = "") -> str:
        """Write the mean over fixations and its 95% interval over images."""
        low, high = bootstrap_interval(
            self.per_image(gain), self.per_image(np.ones(len(gain))), n_resamples=2000
        )
        return f"{gain.mean():{sign}.3f} ({low:{sign}.3f} to {high:{sign}.3f})"


@dataclass(frozen=True, eq=False)
class Row:
    """A line of the table: the bits are of the fitted half, the gain of each other fixation."""

    kept: str
    per_image: float
    per_trace: float
    bandwidth_px: float
    fitted_bits: float
    gain: NDArray[np.float64]


def shares(points: Dataset) -> NDArray[np.float64]:
    """Return the share of each image's points in each cell, (n_images, *GRID); 0 without any."""
    f, stimuli = points.fixations, points.stimuli
    row = (f.y * GRID[0] / stimuli.height[f.stimulus]).astype(np.intp)
    column = (f.x * GRID[1] / stimuli.width[f.stimulus]).astype(np.intp)
    shape = (len(stimuli), *GRID)
    cell = np.ravel_multi_index((f.stimulus, row, column), shape)
    counts = np.bincount(cell, minlength=np.prod(shape)).reshape(shape)
    return np.asarray(counts / np.maximum(counts.sum(axis=(1, 2), keepdims=True), 1))


def components(maps: NDArray[np.float64], part: Part, bandwidth_px: float) -> NDArray[np.float64]:
    """Return the log densities to be mixed, (3, n_fixations): kernels, center bias, uniform."""
    eye = part.eye
    width, height = int(eye.stimuli.width[0]), int(eye.stimuli.height[0])  # all have one size
    by_row = reflecting_blur(GRID[0], bandwidth_px * GRID[0] / height)
    by_column = reflecting_blur(GRID[1], bandwidth_px * GRID[1] / width)
    row = (eye.fixations.y * GRID[0] / height).astype(np.intp)
    column = (eye.fixations.x * GRID[1] / width).astype(np.intp)
    mass = np.empty(len(row))
    for i, image in enumerate(np.flatnonzero(part.images)):
        here = slice(eye.offsets[i], eye.offsets[i + 1])
        at_rows = by_row[row[here]] @ maps[image]
        mass[here] = np.einsum("ij,ij->i", at_rows, by_column[column[here]])
    with np.errstate(divide="ignore"):
        return np.vstack([np.log(mass * (GRID[0] * GRID[1] / (width * height))), part.fallback])


def score(kept: str, points: Dataset, n_traces: int, fitted: Part, left: Part) -> Row:
    """Fit bandwidth and weights on one half of the images and score the other."""
    maps = shares(points)

    bandwidth_px, weights, _ = best_mixture(partial(components, maps, fitted), *_BANDWIDTHS_PX)
    gain_fitted, gain = (
        information_gain(
            log_mixture(components(maps, part, bandwidth_px), weights), part.fallback[0]
        )
        for part in (fitted, left)
    )
    n = len(points.fixations)
    return Row(kept, n / len(maps), n / n_traces, bandwidth_px, float(gain_fitted.mean()), gain)


def name_of(dwell: Dwell) -> str:
    """Return a setting as the table names it."""
    samples = "sample" if dwell.min_samples == 1 else "samples"
    return f"{dwell.dispersion_px:g} px, {dwell.min_samples} {samples}"


def candidates(samples: Dataset) -> Iterator[tuple[str, Dataset]]:
    """Yield what may be kept of the samples, and the points that this leaves."""
    yield "raw samples", samples
    f = samples.fixations
    step_px = np.hypot(np.diff(f.x, prepend=np.inf), np.diff(f.y, prepend=np.inf))
    for longest in STEPS_PX:
        yield f"steps to {longest} px", samples.keep((step_px <= longest) & (f.order > 0))
    for dwell in DWELLS:
        yield name_of(dwell), pseudo_fixations(samples, dwell)
    yield f"{name_of(DWELL)}, without first", pseudo_fixations(samples).without_first()


def table(rows: list[Row], left: Part) -> str:
    """Return the table in Markdown."""
    default = next(row for row in rows if row.kept == name_of(DWELL))
    lines = [
        "| kept | per image | per trace | bandwidth, px | fitted half, bits"
        " | other half, bits (95%) | over default (95%) |",
        "| --- " * 7 + "|",
    ]
    for row in rows:
        over = left.mean_with_interval(row.gain - default.gain, "+")
        lines.append(
            f"| {row.kept} | {row.per_image:.0f} | {row.per_trace:.1f} | {row.bandwidth_px:.1f}"
            f" | {row.fitted_bits:.3f} | {left.mean_with_interval(row.gain)}"
            f" | {'default' if row is default else over} |"
        )
    return "\n".join(lines)


def halves(eye: Dataset) -> tuple[Part, Part]:
    """Divide the images at random, and print the gold standard of the second half."""
    logs = np.stack([fit_center_bias(eye).log_density, uniform_log_density(eye)])
    drawn = np.random.default_rng(_SEED).permutation(len(eye.stimuli))
    first = drawn < len(drawn) // 2
    fitted, left = (
        Part(images, eye.select(images), logs[:, images[eye.fixations.stimulus]])
        for images in (first, ~first)
    )
    gold = information_gain(fit_gold_standard(eye, logs[0]).log_density, logs[0])
    print(
        f"gold standard {gold.mean():.3f} bits/fixation, on the other half"
        f" {left.mean_with_interval(gold[~first[eye.fixations.stimulus]])}"
    )
    return fitted, left


def main() -> None:
    """Print the tables of the crowd and the laboratory."""
    repository = Path(__file__).resolve().parent.parent
    data = os.environ.get("DEEPGAZE2_DATA", str(repository.parent / "shared" / "data"))
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else Path(data) / "osie")
    fitted, left = halves(read_osie(folder).without_first().without_outside())
    for crowd in get_args(Crowd):
        samples = read_osie_mouse(folder, crowd)
        n_traces = int(np.count_nonzero(samples.fixations.order == 0))
        n_candidates = len(STEPS_PX) + len(DWELLS) + 2
        bar = tqdm(candidates(samples), desc=samples.name, total=n_candidates)
        rows = [score(kept, points, n_traces, fitted, left) for kept, points in bar]
        print(f"\n{samples.name}: {n_traces} traces\n\n{table(rows, left)}")


if __name__ == "__main__":
    main()
