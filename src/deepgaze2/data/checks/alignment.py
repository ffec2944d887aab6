"""Do the coordinates of fixations fit their images? Tells exchanged axes, mirroring and shifts.

People look where an image has contrast, and different people look at the same places. So the
fixations are compared with maps of the same images, of local contrast or of another
recording's fixations, once as they are and once under each mistake that is common. Each cell's
mean over all images is subtracted from the maps first: what is the same in every image, such as
the bias to the center, says nothing here.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from deepgaze2.data.dataset import Dataset

CELLS = 64
"""Maps have this many cells on each side, whatever the image's shape."""

_MIN_IMAGES = 10
_BLUR_CELLS = 1.5
_MAX_MOVE_CELLS = CELLS // 4
_SMALLEST = 1e-9

Columns = tuple[NDArray[np.float64], NDArray[np.float64]]


@dataclass(frozen=True)
class Alignment:
    """How well fixations fit the maps, as they are and under other readings.

    The t values are of means over images; 5 and more is far beyond chance.

    Attributes
    ----------
    n_images : int
        Images that were compared.
    agreement_t : float
        Of the maps' standardized value at the fixations, which is zero by chance.
    readings_t : dict of str to float
        For each other reading of the coordinates, of its gain in agreement.
    shift_x, shift_y : float
        Where the fixations lie relative to where they agree best, as fractions of the image's
        width and height; positive to the right and down.
    shift_t : float
        Of the gain in agreement if that shift is taken back.
    """

    n_images: int
    agreement_t: float
    readings_t: dict[str, float]
    shift_x: float
    shift_y: float
    shift_t: float


def contrast_map(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return an image's local contrast in CELLS by CELLS cells, with mean 0 and deviation 1."""
    side = 4 * CELLS
    gray = Image.fromarray(pixels).convert("L").resize((side, side), Image.Resampling.BOX)
    blocks = np.asarray(gray, dtype=np.float32).reshape(CELLS, 4, CELLS, 4)
    return _smooth(np.log1p(blocks.std(axis=(1, 3))))


def fixation_maps(dataset: Dataset) -> dict[int, NDArray[np.float32]]:
    """Return the density of fixations on each stimulus that has any, as `contrast_map` does."""
    densities = _densities(dataset, _readings(dataset)["as they are"])
    return {i: _smooth(density) for i, density in enumerate(densities) if density.any()}


def align(dataset: Dataset, maps: Mapping[int, NDArray[np.float32]]) -> Alignment | None:
    """Compare fixations with maps of their images.

    Parameters
    ----------
    dataset : Dataset
        Positions that are NaN or outside do not count.
    maps : mapping of int to float32 array (CELLS, CELLS)
        From `contrast_map` or `fixation_maps`, by the stimulus' number; stimuli without one
        are left out.

    Returns
    -------
    Alignment or None
        None if fewer than ten images have a map and fixations.
    """
    chosen = [i for i in sorted(maps) if dataset.offsets[i] < dataset.offsets[i + 1]]
    if len(chosen) < _MIN_IMAGES:
        return None
    subset = dataset.select(chosen)
    reference = np.stack([maps[i] for i in chosen])
    reference -= reference.mean(axis=0)
    densities = {name: _densities(subset, xy) for name, xy in _readings(subset).items()}
    given = densities["as they are"]
    agreement = {name: _agreement(density, reference) for name, density in densities.items()}
    down, right = _best_move(given, reference)
    moved = _agreement(_moved(given, down, right), reference)
    return Alignment(
        n_images=len(chosen),
        agreement_t=_t(agreement["as they are"]),
        readings_t={
            name: _t(values - agreement["as they are"])
            for name, values in agreement.items()
            if values is not agreement["as they are"]
        },
        shift_x=-right / CELLS,
        shift_y=-down / CELLS,
        shift_t=_t(moved - agreement["as they are"]),
    )


def _readings(dataset: Dataset) -> dict[str, Columns]:
    """Return fixations as fractions of width and height, as they are and mistaken."""
    fixations, stimuli = dataset.fixations, dataset.stimuli
    width, height = stimuli.width[fixations.stimulus], stimuli.height[fixations.stimulus]
    x, y = fixations.x / width, fixations.y / height
    return {
        "as they are": (x, y),
        "with x and y exchanged": (fixations.y / width, fixations.x / height),
        "with x counted from the right": (1 - x, y),
        "with y counted from below": (x, 1 - y),
    }


def _densities(dataset: Dataset, columns: Columns) -> NDArray[np.float32]:
    """Return each stimulus' histogram of fixations (n, CELLS, CELLS); a fixation outside is lost.

    Cells sum to the share of the stimulus' fixations that lie inside.
    """
    x, y = columns
    inside = (x >= 0) & (x < 1) & (y >= 0) & (y < 1)  # false where NaN
    row, column = (y[inside] * CELLS).astype(np.intp), (x[inside] * CELLS).astype(np.intp)
    n = len(dataset.stimuli)
    cell = (dataset.fixations.stimulus[inside].astype(np.intp) * CELLS + row) * CELLS + column
    counts = np.bincount(cell, minlength=n * CELLS**2).reshape(n, CELLS, CELLS)
    total = np.maximum(np.diff(dataset.offsets), 1).astype(np.float32)
    return counts.astype(np.float32) / total[:, None, None]


def _smooth(cells: NDArray[np.float32]) -> NDArray[np.float32]:
    from scipy.ndimage import gaussian_filter

    smooth = np.asarray(gaussian_filter(cells, _BLUR_CELLS, mode="nearest"))
    return np.asarray((smooth - smooth.mean()) / (smooth.std() + _SMALLEST), dtype=np.float32)


def _agreement(
    densities: NDArray[np.float32], reference: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Return the mean of each image's reference at its fixations."""
    return np.asarray(np.einsum("nij,nij->n", densities, reference, dtype=np.float64))


def _best_move(densities: NDArray[np.float32], reference: NDArray[np.float32]) -> tuple[int, int]:
    """Return how many cells down and right the fixations must move to agree best."""
    size = (2 * CELLS, 2 * CELLS)  # so that nothing wraps around
    spectrum = sum(
        np.conj(np.fft.rfft2(density, size)) * np.fft.rfft2(map_, size)
        for density, map_ in zip(densities, reference, strict=True)
    )
    agreement = np.fft.irfft2(spectrum, size)
    moves = np.arange(-_MAX_MOVE_CELLS, _MAX_MOVE_CELLS + 1)
    down, right = np.unravel_index(
        agreement[np.ix_(moves, moves)].argmax(), (len(moves), len(moves))
    )
    return int(moves[down]), int(moves[right])


def _moved(densities: NDArray[np.float32], down: int, right: int) -> NDArray[np.float32]:
    """Move all densities; what leaves the image is lost."""
    padding = _MAX_MOVE_CELLS
    padded = np.pad(densities, ((0, 0), (padding, padding), (padding, padding)))
    rows = slice(padding - down, padding - down + CELLS)
    columns = slice(padding - right, padding - right + CELLS)
    return padded[:, rows, columns]


def _t(values: NDArray[np.float64]) -> float:
    """Return the mean in units of its standard error."""
    return float(values.mean() / (values.std(ddof=1) / np.sqrt(len(values)) + _SMALLEST))
