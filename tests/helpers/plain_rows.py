"""What the tests of readers share: image files, Matlab cells and tables as plain rows."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from deepgaze2.data.dataset import Dataset


def write_image(path: Path, width: int, height: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (width, height)).save(path)


def cell(entries: Sequence[Any]) -> Any:
    """A Matlab cell array of one row."""
    array = np.empty((1, len(entries)), dtype=object)
    array[0] = entries
    return array


def rows(dataset: Dataset) -> list[tuple[str, str, int, float, float]]:
    """Image, subject, order, x and y of each fixation."""
    f, names = dataset.fixations, dataset.subject_names
    return [
        (
            dataset.stimuli.ids[f.stimulus[i]],
            names[f.subject[i]] if names else str(f.subject[i]),
            int(f.order[i]),
            float(f.x[i]),
            float(f.y[i]),
        )
        for i in range(len(f))
    ]
