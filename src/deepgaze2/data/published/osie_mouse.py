"""OSIE's mouse data (Jiang et al. 2015): the eye-tracked images, explored with a mouse.

The image was blurred except around the cursor. Layout as of OSIE itself, with one file per
image in `mouse_amt` (crowd workers) and `mouse_lab`.
"""

from pathlib import Path
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from deepgaze2.data.dataset import Dataset, Fixations
from deepgaze2.data.published.matlab import field, matlab_content
from deepgaze2.data.published.nus_vip import OSIE_PIXELS_PER_DEGREE, nus_vip_stimuli

Crowd = Literal["amt", "lab"]


def read_osie_mouse(folder: str | Path, crowd: Crowd = "amt") -> Dataset:
    """Read the mouse samples on OSIE's images; only images that lie in `stimuli` are used.

    Samples, not fixations: one wherever the cursor moved on to, without time, so that a resting
    mouse leaves a single one. See `pseudo_fixations`. Of a worker who explored an image twice,
    the second trace continues the first one's order.

    Parameters
    ----------
    folder : str or Path
        Contains `stimuli`, and `mouse_amt` or `mouse_lab`.
    crowd : "amt" or "lab"
        Workers of Amazon Mechanical Turk, or subjects in the laboratory.

    Returns
    -------
    Dataset
        Stimuli in the order of their names; `start_s` and `duration_s` are NaN.

    Raises
    ------
    DataError
        If images or samples are missing or damaged.
    ValueError
        If `crowd` is neither.
    """
    if crowd not in get_args(Crowd):
        raise ValueError(f"crowd is {crowd!r}; use one of {', '.join(get_args(Crowd))}")
    folder = Path(folder)
    stimuli = nus_vip_stimuli(folder, OSIE_PIXELS_PER_DEGREE)
    samples = [
        _read_samples(folder / f"mouse_{crowd}" / Path(name).with_suffix(".mat"))
        for name in stimuli.ids
    ]
    subject, order, x, y = np.concatenate(samples, axis=1)
    names, number = np.unique(subject, return_inverse=True)
    unknown = np.full(len(x), np.nan, dtype=np.float32)
    fixations = Fixations(
        stimulus=np.repeat(np.arange(len(stimuli), dtype=np.int32), [s.shape[1] for s in samples]),
        subject=number.astype(np.int32),
        order=order,
        x=x.astype(np.float64),
        y=y.astype(np.float64),
        start_s=unknown,
        duration_s=unknown,
    )
    subject_names = tuple(str(name) for name in names)
    return Dataset(f"OSIE mouse ({crowd})", stimuli, fixations, subject_names)


def _read_samples(path: Path) -> NDArray[np.int32]:
    """Return an image's samples as rows subject, order from zero, x and y (px), shape (4, n)."""
    with matlab_content(path, "OSIE's mouse samples") as content:
        subject, coordinates = (
            np.asarray(field(content["fixations"], name), dtype=np.int32)
            for name in ("subj", "coord")
        )
        row, column = coordinates.reshape(-1, 2).T
        return np.stack([subject.ravel(), _running_number(subject.ravel()), column - 1, row - 1])


def _running_number(subject: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return each sample's position among its subject's, as the file has them."""
    by_subject = np.argsort(subject, kind="stable")
    ordered = subject[by_subject]
    number = np.empty(len(subject), dtype=np.int32)
    number[by_subject] = np.arange(len(subject)) - np.searchsorted(ordered, ordered)
    return number
