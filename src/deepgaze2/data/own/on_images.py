"""Rows that concern no image, such as instructions and calibration, left out and counted."""

import re
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from deepgaze2.data.dataset import Stimuli
from deepgaze2.data.decisions import Decision
from deepgaze2.data.own.events import counted
from deepgaze2.data.own.names import key
from deepgaze2.data.own.rows import Rows
from deepgaze2.data.own.stimulus_list import match_images
from deepgaze2.errors import DataError

_NO_IMAGE = re.compile(
    r"(na|none|null|undefined|unknown|blank|empty|break|pause|welcome|thanks|thankyou|end|start"
    r"|fixation(cross|point|dot)?|cross)?|(instruction|eyetracker|calibration|validation|drift).*"
)


def only_on_images(rows: Rows, stimuli: Stimuli) -> tuple[Rows, list[Decision]]:
    """Keep the rows that name one of the stimuli.

    Returns
    -------
    Rows
        Those that are left.
    list of Decision
        One that counts the others by their names.

    Raises
    ------
    DataError
        If no row is left, or more rows name something that may be an image than name one.
    """
    matches, _ = match_images(rows.image_names, stimuli.ids)
    found = np.array([match is not None for match in matches])
    kept = found[rows.image]
    if kept.all():
        return _without_names(rows), []
    names = rows.image_names
    maybe = np.array([_NO_IMAGE.fullmatch(key(name)) is None for name in names])
    doubtful = ~kept & maybe[rows.image]
    if np.count_nonzero(doubtful) > np.count_nonzero(kept) or not kept.any():
        missing = int(np.flatnonzero(doubtful if doubtful.any() else ~kept)[0])
        name = names[rows.image[missing]]
        said = f"no image {name!r}" if name else "image is empty"
        raise DataError(
            f"{rows.place(missing)}: {said}"
            f" ({np.count_nonzero(~found)} of {len(names)} names have none; the first image there"
            f" is {stimuli.ids[0]!r}); add it or delete its rows"
        )
    others = counted([names[code] for code in rows.image[~kept]])
    what = f"{np.count_nonzero(~kept)} of {len(rows)} rows are left out"
    note = Decision("images", what, f"they name no image: {others}", "add those that are images")
    return _without_names(rows.take(np.flatnonzero(kept))), [note]


def _without_names(rows: Rows) -> Rows:
    """Return rows whose names of images and subjects all occur."""
    image, image_names = _used(rows.image, rows.image_names)
    subject, subject_names = rows.subject, rows.subject_names
    if subject_names:
        subject, subject_names = _used(subject, subject_names)
    return replace(
        rows,
        image=image,
        image_names=image_names,
        subject=subject,
        subject_names=[] if subject_names == [""] else subject_names,
    )


def _used(codes: NDArray[np.int32], names: list[str]) -> tuple[NDArray[np.int32], list[str]]:
    used, renumbered = np.unique(codes, return_inverse=True)
    return renumbered.astype(np.int32), [names[code] for code in used]
