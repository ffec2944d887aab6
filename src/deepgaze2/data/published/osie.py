"""OSIE (Xu et al. 2014): 700 images of 800×600, 15 observers, 3 s of free viewing.

Layout of https://github.com/NUS-VIP/predicting-human-gaze-beyond-pixels, folder `data`:
`stimuli/1001.jpg` ... and `eye/fixations.mat`.
"""

from pathlib import Path
from typing import Any

import numpy as np

from deepgaze2.data.dataset import Dataset, Fixations, Stimuli
from deepgaze2.data.images import stimuli_of
from deepgaze2.data.published.matlab import field, load_matlab, parsing
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
    paths = sorted((folder / "stimuli").glob("[!.]*.jpg"))
    if not paths:
        raise DataError(
            f"{printable(folder / 'stimuli')}: no .jpg images; give the folder above `stimuli`"
        )
    return stimuli_of(paths, PIXELS_PER_DEGREE)


def _read_fixations(path: Path, names: tuple[str, ...]) -> Fixations:
    content = load_matlab(path)
    with parsing(path, "OSIE's fixations"):
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
    return _table([scanpaths[name] for name in names])


def _columns(subject: Any) -> np.ndarray[Any, np.dtype[np.float64]]:  # noqa: ANN401, a Matlab struct
    """Return one scanpath as rows x (px), y (px), duration (s), shape (3, n)."""
    x, y, duration_ms = (
        np.atleast_1d(np.asarray(field(subject, name), dtype=np.float64))
        for name in ("fix_x", "fix_y", "fix_duration")
    )
    return np.stack([x, y, duration_ms / 1000])


def _table(scanpaths: list[list[np.ndarray[Any, np.dtype[np.float64]]]]) -> Fixations:
    flat = [
        (stimulus, subject, scanpath)
        for stimulus, subjects in enumerate(scanpaths)
        for subject, scanpath in enumerate(subjects)
    ]
    lengths = [scanpath.shape[1] for _, _, scanpath in flat]
    x, y, duration_s = np.concatenate([scanpath for _, _, scanpath in flat], axis=1)
    return Fixations(
        stimulus=np.repeat(np.array([stimulus for stimulus, _, _ in flat], np.int32), lengths),
        subject=np.repeat(np.array([subject for _, subject, _ in flat], np.int32), lengths),
        order=np.concatenate([np.arange(length, dtype=np.int32) for length in lengths]),
        x=x,
        y=y,
        start_s=np.full(len(x), np.nan, dtype=np.float32),
        duration_s=duration_s.astype(np.float32),
    )
