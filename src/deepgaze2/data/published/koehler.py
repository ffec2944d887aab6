"""Koehler, Guo, Zhang, Eckstein (2014): 800 images of 405×405 under three tasks.

Layout of PublicData.zip, which the authors send on request: `Images/image_r_1.jpg` ... and
`ObserverData.mat`.
"""

from pathlib import Path
from typing import Literal, get_args

import numpy as np

from deepgaze2.data.dataset import Dataset, Fixations
from deepgaze2.data.images import image_paths, stimuli_of
from deepgaze2.data.published.matlab import matlab_content
from deepgaze2.data.published.scanpaths import Scanpath, fixations_of

Task = Literal["freeview", "objsearch", "salview"]


def read_koehler(folder: str | Path, task: Task = "freeview") -> Dataset:
    """Read the images and the fixations of one task; tasks had different observers.

    Matlab's one is subtracted from coordinates. Only images that are in `Images` are used.

    Parameters
    ----------
    folder : str or Path
        Contains `Images` and `ObserverData.mat`.
    task : "freeview", "objsearch" or "salview"
        Free viewing, search for an object, or for the most salient location.

    Returns
    -------
    Dataset
        Stimuli in natural order.

    Raises
    ------
    DataError
        If images or fixations are missing or damaged.
    ValueError
        If there is no such task.
    """
    if task not in get_args(Task):
        raise ValueError(f"task is {task!r}; use one of {', '.join(get_args(Task))}")
    paths = image_paths(Path(folder) / "Images", "image_r_*.jpg")
    numbers = [int(path.stem.removeprefix("image_r_")) - 1 for path in paths]
    fixations = _read_fixations(Path(folder) / "ObserverData.mat", task, numbers)
    return Dataset(f"Koehler ({task})", stimuli_of(paths), fixations)


def _read_fixations(path: Path, task: Task, images: list[int]) -> Fixations:
    with matlab_content(path, "fixations of Koehler et al.") as content:
        xy = np.stack([content[f"{task}_x"], content[f"{task}_y"]], dtype=np.float64)
        if xy.ndim != 4:
            raise ValueError(f"{task}_x is not subjects by images by fixations")
        scanpaths = []
        for stimulus, image in enumerate(images):
            for subject, (x, y) in enumerate(xy[:, :, image].swapaxes(0, 1) - 1):
                seen = ~(np.isnan(x) & np.isnan(y))  # shorter scanpaths are filled up with NaN
                scanpaths.append(Scanpath(stimulus, subject, x[seen], y[seen]))
        return fixations_of(scanpaths)
