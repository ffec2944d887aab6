"""Peak memory of a whole evaluation, for data sets of different numbers of images.

    python benchmarks/evaluate_memory.py

Two models, the center bias and a saliency map that must be converted, are scored on made-up
images, for each data set in a process of its own with an empty cache. No image is kept, but the
fixations and their scores are: beside those, memory should not grow. Measured on Linux alone.
"""

import multiprocessing
import os
import re
import tempfile
from concurrent.futures import ProcessPoolExecutor
from dataclasses import fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from deepgaze2.data.dataset import Dataset, Fixations, Stimuli
from deepgaze2.evaluation.evaluation import evaluate

WIDTH, HEIGHT = 320, 240
N_PICTURES = 100  # files; more images share them
N_SUBJECTS = 15
PIXELS_PER_DEGREE = 40.0
SIZES = ((600, 126), (6000, 126), (6000, 13))
"""Images, and fixations on each; the last has as many fixations as the first."""


def brightness(pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return a saliency map."""
    return np.asarray(pixels.mean(axis=2))


def write_pictures(folder: Path) -> None:
    """Write smooth random pictures."""
    rng = np.random.default_rng(0)
    for i in range(N_PICTURES):
        coarse = Image.fromarray(rng.integers(0, 256, (6, 8, 3), np.uint8))
        coarse.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC).save(folder / f"{i}.png")


def made_up(folder: Path, n_images: int, n_each: int) -> Dataset:
    """Return images with as many fixations each, around a point of each image."""
    rng = np.random.default_rng(0)
    stimuli = Stimuli(
        ids=tuple(map(str, range(n_images))),
        paths=tuple(folder / f"{i % N_PICTURES}.png" for i in range(n_images)),
        width=np.full(n_images, WIDTH, np.int32),
        height=np.full(n_images, HEIGHT, np.int32),
        pixels_per_degree=np.full(n_images, PIXELS_PER_DEGREE),
    )
    number = np.tile(np.arange(n_each, dtype=np.int32), n_images)
    around = rng.uniform(0.3, 0.7, (2, n_images)).repeat(n_each, axis=1)
    x, y = np.clip(rng.normal(around, 0.15), 0, 0.999)
    unknown = np.full(len(number), np.nan, np.float32)
    fixations = Fixations(
        stimulus=np.arange(n_images, dtype=np.int32).repeat(n_each),
        subject=number % N_SUBJECTS,
        order=number // N_SUBJECTS + 1,
        x=x * WIDTH,
        y=y * HEIGHT,
        start_s=unknown,
        duration_s=unknown,
    )
    return Dataset("made up", stimuli, fixations)


def peak_mb() -> float:
    """Return the most memory that this process has had, in MB."""
    status = Path("/proc/self/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+)", status)
    assert found
    return int(found[1]) * 1024 / 1e6


def evaluated(folder: Path, n_images: int, n_each: int) -> tuple[float, float, float]:
    """Evaluate; return in MB the peak of memory, the fixations' columns, and all scores."""
    os.environ["DEEPGAZE2_CACHE"] = str(folder / f"cache {n_images} {n_each}")
    dataset = made_up(folder, n_images, n_each)
    found = evaluate(["center-bias", brightness], dataset)
    table = sum(getattr(dataset.fixations, column.name).nbytes for column in fields(Fixations))
    scores = sum(v.nbytes for one in found.scores for v in one.per_fixation.values())
    return peak_mb(), table / 1e6, scores / 1e6


def main() -> None:
    """Print peaks, and how much they grow."""
    rows = []
    spawn = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        write_pictures(Path(folder))
        for n_images, n_each in SIZES:
            with ProcessPoolExecutor(1, mp_context=spawn) as process:
                row = process.submit(evaluated, Path(folder), n_images, n_each).result()
            rows.append(row)
            peak, table, scores = row
            print(
                f"{n_images} images with {n_each} fixations each: peak {peak:.0f} MB; fixations"
                f" {table:.1f} MB, scores {scores:.1f} MB",
                flush=True,
            )
    fewest = rows[0]
    for (n_images, n_each), row in zip(SIZES[1:], rows[1:], strict=True):
        peak, table, scores = (b - a for a, b in zip(fewest, row, strict=True))
        added = n_images * n_each - SIZES[0][0] * SIZES[0][1]
        print(
            f"{n_images} images, {added} more fixations: {peak:+.0f} MB, of which fixations"
            f" {table:.1f} and scores {scores:.1f}; the rest is"
            f" {(peak - table - scores) * 1e6 / added:.0f} bytes per added fixation"
        )


if __name__ == "__main__":
    main()
