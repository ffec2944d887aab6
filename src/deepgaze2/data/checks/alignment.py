"""Do the coordinates of fixations fit their images? Tells flips, exchanged axes, moves, scales.

Fixations are compared with densities of where people look in the same images, a model's or another
recording's: as they are, and under each mistake that is common. What counts is the log density
less its mean over all images at the same place. So what is the same in every image says
nothing, such as the bias to the center: it would favor whatever moves fixations to the middle.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from deepgaze2.data.dataset import Dataset

CELLS = 96
"""Densities have this many cells on each side, whatever the image's shape."""
MIN_IMAGES = 4
"""Of fewer nothing is told."""

_FLOOR = 0.3  # of a uniform density, so that no single fixation decides
_BLUR_CELLS = 2.5
_MOVES = (-0.2, -0.1, -0.05, 0.0, 0.05, 0.1, 0.2)
_SCALES = (0.5, 0.8, 0.9, 1.1, 1.25, 2.0)
_USUAL_SPREAD = 0.4  # nats, of gains over images, of readings that move fixations far
_FAR = 0.1  # of the image's size
_USUAL_WEIGHT = 5  # images

Columns = tuple[NDArray[np.float64], NDArray[np.float64]]
Maps = Mapping[int, NDArray[np.float32]]


@dataclass(frozen=True)
class Alignment:
    """How well fixations fit the densities, as they are and under the best other reading.

    Gains and agreement are in nats per fixation, means over images. Their t values are in units
    of the standard error, for which the spread over images counts as if five images more had had
    a usual one: of few images it is known badly.

    Attributes
    ----------
    n_images : int
        Images that were compared.
    agreement_t : float
        Of the fixations' agreement with their images, which is zero by chance.
    reading : str
        The other reading that gains most surely, such as "with x counted from the right".
    gain : float
        What it gains; hardly ever positive where fixations are right.
    gain_t : float
        Of what it gains or of its own agreement, whichever is less: where fixations have nothing
        to do with their images, moving them away is no better reading.
    """

    n_images: int
    agreement_t: float
    reading: str
    gain: float
    gain_t: float


def fixation_maps(dataset: Dataset) -> dict[int, NDArray[np.float32]]:
    """Return the log density of fixations on each stimulus that has any, as `align` takes them."""
    from scipy.ndimage import gaussian_filter

    fixations, stimuli = dataset.fixations, dataset.stimuli
    row = _cells(fixations.y / stimuli.height[fixations.stimulus])
    column = _cells(fixations.x / stimuli.width[fixations.stimulus])
    maps = {}
    for i in np.flatnonzero(np.diff(dataset.offsets)).tolist():
        rows = slice(*dataset.offsets[i : i + 2])
        counts = np.zeros((CELLS, CELLS))
        np.add.at(counts, (row[rows], column[rows]), 1)
        density = gaussian_filter(counts, _BLUR_CELLS, mode="reflect") + 1e-6
        maps[i] = np.log(density / density.mean()).astype(np.float32)
    return maps


def contents(maps: Maps) -> dict[int, NDArray[np.float32]]:
    """Return what densities say of their own images: less the mean of all of them.

    Parameters
    ----------
    maps : mapping of int to float32 array (CELLS, CELLS)
        Log densities relative to the uniform one, by the stimulus' number.
    """
    floored = {i: np.log((1 - _FLOOR) * np.exp(map_) + _FLOOR) for i, map_ in maps.items()}
    mean = np.mean(list(floored.values()), axis=0) if floored else np.float32(0)
    return {i: (map_ - mean).astype(np.float32) for i, map_ in floored.items()}


def align(dataset: Dataset, content: Maps) -> Alignment | None:
    """Compare fixations with what densities say of their images.

    Parameters
    ----------
    dataset : Dataset
        Positions that are NaN do not count; those outside agree neither more nor less than chance.
    content : mapping of int to float32 array (CELLS, CELLS)
        From `contents`, by the stimulus' number; stimuli without one are left out.

    Returns
    -------
    Alignment or None
        None if fewer than four images have a map and fixations.
    """
    f, sizes = dataset.fixations, dataset.stimuli
    numbers = np.array(sorted(content), np.intp)
    rows = np.isin(f.stimulus, numbers) & np.isfinite(f.x) & np.isfinite(f.y)
    images, image = np.unique(f.stimulus[rows], return_inverse=True)
    if len(images) < MIN_IMAGES:
        return None
    stack = np.stack([content[int(i)] for i in images])
    width, height = (side[f.stimulus[rows]].astype(float) for side in (sizes.width, sizes.height))
    x, y = f.x[rows] / width, f.y[rows] / height
    count = np.bincount(image)

    def agreement(columns: Columns) -> NDArray[np.float64]:
        """Return each image's mean of its content at its fixations."""
        p, q = columns
        inside = (p >= 0) & (p < 1) & (q >= 0) & (q < 1)
        found = np.where(inside, stack[image, _cells(q), _cells(p)], 0)
        return np.bincount(image, found) / count

    given = agreement((x, y))
    found = []
    for name, (p, q) in _readings(x, y, width / height).items():
        moved = float(np.mean(np.hypot(p - x, q - y)))
        if moved == 0:  # x from the row before, where x is the same everywhere
            continue
        gain = agreement((p, q)) - given
        sure = min(_t(gain, min(moved / _FAR, 1.0)), _t(given + gain))
        found.append((sure, float(gain.mean()), name))
    gain_t, mean, name = max(found)
    return Alignment(len(images), _t(given), name, mean, gain_t)


def _readings(
    x: NDArray[np.float64], y: NDArray[np.float64], aspect: NDArray[np.float64]
) -> dict[str, Columns]:
    """Return fixations, fractions of width and height, under each mistake that is common."""
    readings = {
        "with x and y exchanged": (y / aspect, x * aspect),
        "with x counted from the right": (1 - x, y),
        "with y counted from below": (x, 1 - y),
        "turned upside down": (1 - x, 1 - y),
        "with x from the row before": (np.roll(x, 1), y),
        "with x from the row after": (np.roll(x, -1), y),
    }
    for right, down in product(_MOVES, _MOVES):
        if right or down:
            moved = f"moved by {right:+.0%} of the width and {down:+.0%} of the height"
            readings[moved] = (x + right, y + down)
    for scale, (where, about) in product(_SCALES, (("", 0.0), (" about the center", 0.5))):
        wide, high = about + scale * (x - about), about + scale * (y - about)
        readings[f"at {scale:g} times the size{where}"] = (wide, high)
        readings[f"at {scale:g} times the width{where}"] = (wide, y)
        readings[f"at {scale:g} times the height{where}"] = (x, high)
    return readings


def _cells(fractions: NDArray[np.float64]) -> NDArray[np.intp]:
    return np.clip(np.nan_to_num(fractions) * CELLS, 0, CELLS - 1).astype(np.intp)


def _t(values: NDArray[np.float64], far: float = 1.0) -> float:
    """Return the mean in units of its standard error, see `Alignment`."""
    n, mean = len(values), values.mean()
    squares = float(np.square(values - mean).sum()) + _USUAL_WEIGHT * (far * _USUAL_SPREAD) ** 2
    return float(mean / np.sqrt(squares / (_USUAL_WEIGHT + n - 1) / n))
