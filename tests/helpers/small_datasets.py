"""Small data sets whose fixations follow their images."""

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from PIL import Image

from deepgaze2.data.dataset import Dataset, Fixations, Stimuli

WIDTH, HEIGHT = 150, 100
HEADER = "image,subject,order,x_px,y_px,start_s,duration_s"


def fixations_at(stimulus: ArrayLike, x: ArrayLike, y: ArrayLike, **columns: Any) -> Fixations:
    """Fixations of one subject, numbered on, at unknown times, unless `columns` says otherwise."""
    n = len(np.asarray(stimulus))
    chosen: dict[str, Any] = {"subject": np.zeros(n), "order": np.arange(n)}
    chosen |= dict.fromkeys(("start_s", "duration_s"), np.full(n, np.nan)) | columns
    return Fixations(
        stimulus=np.asarray(stimulus, np.int32),
        x=np.asarray(x, np.float64),
        y=np.asarray(y, np.float64),
        **chosen,
    )


def stimuli_of(n: int, width: int = WIDTH, height: int = HEIGHT) -> Stimuli:
    """Stimuli of equal size whose files do not exist."""
    return Stimuli(
        ids=tuple(f"{i}.png" for i in range(n)),
        paths=tuple(Path("missing") / f"{i}.png" for i in range(n)),
        width=np.full(n, width, np.int32),
        height=np.full(n, height, np.int32),
        pixels_per_degree=np.full(n, np.nan),
    )


def patches(folder: Path, n: int = 25) -> Dataset:
    """Write gray images with one patch of noise each, at which 3 subjects look 5 times.

    Each scanpath begins at the center; nothing is wrong with the data set.
    """
    rng = np.random.default_rng(0)
    scanpaths = np.empty((n, 3, 6, 2))
    for i in range(n):
        pixels = np.full((HEIGHT, WIDTH), 128, np.uint8)
        x, y = rng.integers((10, 10), (WIDTH - 30, HEIGHT - 30))
        pixels[y : y + 20, x : x + 20] = rng.integers(0, 256, (20, 20))
        Image.fromarray(pixels).save(folder / f"{i}.png")
        scanpaths[i] = rng.uniform((x, y), (x + 20, y + 20), (3, 6, 2))
    scanpaths[:, :, 0] = rng.normal((WIDTH / 2, HEIGHT / 2), 1, (n, 3, 2))
    stimulus, subject, order = np.indices(scanpaths.shape[:3]).reshape(3, -1)
    x, y = scanpaths.reshape(-1, 2).T
    stimuli = replace(stimuli_of(n), paths=tuple(folder / f"{i}.png" for i in range(n)))
    return Dataset("patches", stimuli, fixations_at(stimulus, x, y, subject=subject, order=order))


def write_recordings(
    folder: Path, n: int = 25, header: str = HEADER, *, exchanged: bool = False
) -> None:
    """Write `patches` as own recordings: images and a table; `exchanged` confuses x and y."""
    (folder / "images").mkdir(parents=True, exist_ok=True)
    dataset = patches(folder / "images", n)
    f = dataset.fixations
    columns = (f.y, f.x) if exchanged else (f.x, f.y)
    with (folder / "fixations.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(header.split(","))
        for row in zip(f.stimulus, f.subject, f.order, *columns, strict=True):
            writer.writerow([dataset.stimuli.ids[row[0]], f"s{row[1]}", *row[2:], "", 0.2])


def moved(dataset: Dataset, x: ArrayLike, y: ArrayLike) -> Dataset:
    """Return the data set with its fixations elsewhere."""
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    return replace(dataset, fixations=replace(dataset.fixations, x=x, y=y))
