"""Sets of the laboratory NUS-VIP, as OSIE and EyeCrowd: photos, and one file of all fixations.

Layout of https://github.com/NUS-VIP/predicting-human-gaze-beyond-pixels (OSIE) and
https://github.com/NUS-VIP/saliency-in-crowd (EyeCrowd), folder `data`: `stimuli/1001.jpg` ...
and `eye/fixations.mat`.
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

OSIE_PIXELS_PER_DEGREE = 24.0
"""OSIE's images, of 800 by 600, spanned 33.7 by 25.3 degrees."""


def read_nus_vip(folder: str | Path, name: str, pixels_per_degree: float | None = None) -> Dataset:
    """Read images and eye fixations; only images that lie in `stimuli` are used.

    The first fixation of each scanpath, forced to the center, is kept (order 0).
    When fixations began is not recorded.

    Parameters
    ----------
    folder : str or Path
        Contains `stimuli` and `eye/fixations.mat`.
    name : str
        What the data set is called.
    pixels_per_degree : float, optional
        Pixels per degree of visual angle, None if unknown.

    Returns
    -------
    Dataset
        Stimuli in the order of their names.

    Raises
    ------
    DataError
        If images or fixations are missing or damaged.
    """
    stimuli = nus_vip_stimuli(Path(folder), pixels_per_degree)
    path = Path(folder) / "eye" / "fixations.mat"
    return Dataset(name, stimuli, _read_fixations(path, stimuli.ids, name))


def read_osie(folder: str | Path) -> Dataset:
    """Read OSIE (Xu et al. 2014): 700 images, 15 observers, 3 s of free viewing.

    As `read_nus_vip` does.
    """
    return read_nus_vip(folder, "OSIE", OSIE_PIXELS_PER_DEGREE)


def nus_vip_stimuli(folder: Path, pixels_per_degree: float | None = None) -> Stimuli:
    """Return the images in `folder / "stimuli"` in the order of their names.

    Raises
    ------
    DataError
        If there are none, or one is damaged.
    """
    known = np.nan if pixels_per_degree is None else pixels_per_degree
    return stimuli_of(image_paths(folder / "stimuli", "[!.]*.jpg"), known)


def _read_fixations(path: Path, names: tuple[str, ...], dataset: str) -> Fixations:
    with matlab_content(path, f"{dataset}'s fixations") as content:
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
