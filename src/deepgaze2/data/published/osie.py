"""OSIE (Xu et al. 2014): 700 images of 800×600, 15 observers, 3 s of free viewing.

Layout of https://github.com/NUS-VIP/predicting-human-gaze-beyond-pixels, folder `data`:
`stimuli/1001.jpg` ... and `eye/fixations.mat`.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepgaze2.data.dataset import Dataset, Fixations, Stimuli
from deepgaze2.data.images import image_paths, stimuli_of
from deepgaze2.data.published.matlab import field, matlab_content
from deepgaze2.data.published.scanpaths import Scanpath, fixations_of
from deepgaze2.errors import DataError
from deepgaze2.image.stimulus import printable

PIXELS_PER_DEGREE = 24.0
"""The images spanned 33.7 by 25.3 degrees."""


def read_osie(folder: str | Path) -> Dataset:
    """Read OSIE's images and eye fixations; only images that lie in `stimuli` are used.

    The first fixation of each scanpath, forced to the center, is kept (order 0).
    When fixations began is not recorded.

    Parameters
    ----------
    folder : str or Path
        Contains `stimuli` and `eye/fixations.mat`.

    Returns
    -------
    Dataset
        Stimuli in the order of their names.

    Raises
    ------
    DataError
        If images or fixations are missing or damaged.
    """
    stimuli = osie_stimuli(Path(folder))
    path = Path(folder) / "eye" / "fixations.mat"
    return Dataset("OSIE", stimuli, _read_fixations(path, stimuli.ids))


def osie_stimuli(folder: Path) -> Stimuli:
    """Return the images in `folder / "stimuli"` in the order of their names.

    Raises
    ------
    DataError
        If there are none, or one is damaged.
    """
    return stimuli_of(image_paths(folder / "stimuli", "[!.]*.jpg"), PIXELS_PER_DEGREE)


def _read_fixations(path: Path, names: tuple[str, ...]) -> Fixations:
    with matlab_content(path, "OSIE's fixations") as content:
        scanpaths = {
            str(field(image, "img")): [
                _columns(subject) for subject in np.atleast_1d(field(image, "subjects"))
            ]
            for image in np.atleast_1d(content["fixations"])
        }
    if missing := [name for name in names if name not in scanpaths]:
        raise DataError(
            f"{printable(path)}: no fixations for {len(missing)} of {len(names)} images, first"
            f" {missing[0]}; move those images away or fetch the complete file"
        )
    return fixations_of(
        Scanpath(stimulus, subject, *columns)
        for stimulus, name in enumerate(names)
        for subject, columns in enumerate(scanpaths[name])
    )


def _columns(subject: Any) -> NDArray[np.float64]:  # noqa: ANN401, a Matlab struct
    """Return one scanpath as rows x (px), y (px), duration (s), shape (3, n)."""
    x, y, duration_ms = (
        np.atleast_1d(np.asarray(field(subject, name), dtype=np.float64))
        for name in ("fix_x", "fix_y", "fix_duration")
    )
    return np.stack([x, y, duration_ms / 1000])
