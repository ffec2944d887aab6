"""PASCAL-S (Li, Hou, Koch, Rehg, Yuille 2014): 850 photos, 12 observers, 2 s of free viewing.

Layout of http://cbs.ic.gatech.edu/salobj/download/salObj.zip, folder `datasets`:
`imgs/pascal/1.jpg` ... and `fixations/pascalFix.mat`, a Matlab file of version 7.3.
"""

from pathlib import Path
from typing import Any

import numpy as np

from deepgaze2.data.dataset import Dataset, Fixations
from deepgaze2.data.images import image_paths, stimuli_of
from deepgaze2.data.published.matlab import parsing
from deepgaze2.data.published.scanpaths import Scanpath, fixations_of
from deepgaze2.errors import DataError
from deepgaze2.image.stimulus import printable


def read_pascal_s(folder: str | Path) -> Dataset:
    """Read PASCAL-S' images and fixations; only images that are in their folder are used.

    Matlab's one is subtracted from coordinates and from the numbers of subjects. Fixations of a
    subject are in the file's order.

    Parameters
    ----------
    folder : str or Path
        Contains `imgs/pascal` and `fixations/pascalFix.mat`.

    Returns
    -------
    Dataset
        Stimuli in natural order.

    Raises
    ------
    DataError
        If images or fixations are missing or damaged.
    """
    paths = image_paths(Path(folder) / "imgs" / "pascal", "[0-9]*.jpg")
    numbers = [int(path.stem) - 1 for path in paths]
    fixations = _read_fixations(Path(folder) / "fixations" / "pascalFix.mat", numbers)
    return Dataset("PASCAL-S", stimuli_of(paths), fixations)


def _read_fixations(path: Path, images: list[int]) -> Fixations:
    import h5py

    if not path.is_file():
        raise DataError(f"{printable(path)}: missing; fetch the data set again")
    scanpaths = []
    try:
        with parsing(path, "PASCAL-S' fixations"), h5py.File(path, "r") as file:
            cells = file["fixCell"][()].ravel()
            for stimulus, image in enumerate(images):
                scanpaths += _scanpaths(stimulus, file[cells[image]])
    except (OSError, RuntimeError) as error:  # as h5py calls damage
        raise DataError(f"{printable(path)}: a damaged Matlab file; fetch it again") from error
    return fixations_of(scanpaths)


def _scanpaths(stimulus: int, cell: Any) -> list[Scanpath]:  # noqa: ANN401, h5py has no types
    """Return the scanpaths of one image from rows y, x and subject."""
    if "MATLAB_empty" in cell.attrs:  # its content is the shape then
        return []
    y, x, subject = np.asarray(cell, dtype=np.float64) - 1
    return [
        Scanpath(stimulus, int(number), x[subject == number], y[subject == number])
        for number in np.unique(subject)
    ]
