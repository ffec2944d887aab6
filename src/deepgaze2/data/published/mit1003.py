"""MIT1003 (Judd, Ehinger, Durand, Torralba, ICCV 2009): 1003 photos, 15 observers, 3 s each.

Layout of https://people.csail.mit.edu/tjudd/WherePeopleLook: `ALLSTIMULI/*.jpeg`, and
`DATA/<subject>/<image>.mat` with the samples of the eye tracker, from which fixations are
detected here as the authors' program does.
"""

from dataclasses import replace
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from deepgaze2.data.dataset import Dataset, Fixations
from deepgaze2.data.images import image_paths, stimuli_of
from deepgaze2.data.published.matlab import field, matlab_content
from deepgaze2.data.published.mit1003_fixations import (
    SAMPLES_PER_S,
    detect_fixations,
    median_positions,
)
from deepgaze2.data.published.scanpaths import Scanpath, fixations_of
from deepgaze2.errors import DataError
from deepgaze2.image.stimulus import printable
from deepgaze2.support.progress import tracked

PIXELS_PER_DEGREE = 35.0
SUBJECTS = (
    *("CNG", "ajs", "emb", "ems", "ff", "hp", "jcw", "jw"),
    *("kae", "krl", "po", "tmj", "tu", "ya", "zb"),
)

Initial = Literal["drop", "keep", "center"]

_NOT_IMAGES = {"CalibrationData", "shuff_stimnames"}


def read_mit1003(
    folder: str | Path, *, initial: Initial = "drop", keep_outside: bool = False
) -> Dataset:
    """Read MIT1003 and detect the fixations in its samples.

    As everywhere in the literature, the medians that the authors' program returns are taken
    as coordinates without subtracting Matlab's one, and fixations with `0 < x < width` and
    `0 < y < height` count. `order` is the position among all fixations that were detected.
    Only images that lie in `ALLSTIMULI` are used.

    Parameters
    ----------
    folder : str or Path
        Contains `ALLSTIMULI` and `DATA`.
    initial : "drop", "keep" or "center"
        The first fixation of a trial, at the fixation cross, is left out, as in the literature;
        kept; or kept and, where it is outside the image, moved to the image's center.
    keep_outside : bool
        Keep fixations outside the image too, and lost ones, whose position is NaN.

    Returns
    -------
    Dataset
        Images in natural order. The notes count what was left out.

    Raises
    ------
    DataError
        If something is missing or damaged.
    ValueError
        If `initial` is none of the three.
    """
    if initial not in get_args(Initial):
        raise ValueError(f"initial is {initial!r}; use one of {', '.join(get_args(Initial))}")
    images, recordings = Path(folder) / "ALLSTIMULI", Path(folder) / "DATA"
    paths = image_paths(images, "[!.]*.jpeg")
    notes = _unused(recordings, [path.stem for path in paths])
    stimuli = stimuli_of(paths, PIXELS_PER_DEGREE)
    dataset = Dataset("MIT1003", stimuli, _read_all(recordings, paths), SUBJECTS)
    if initial == "center":
        dataset = _with_central_first(dataset)
    if initial == "drop":
        n_first = np.count_nonzero(dataset.fixations.order == 0)
        notes.append(f"{n_first} first fixations were left out")
        dataset = dataset.without_first()
    if not keep_outside:
        inside = _strictly_inside(dataset)
        notes.append(f"{np.count_nonzero(~inside)} fixations outside or lost were left out")
        dataset = dataset.keep(inside)
    return replace(dataset, notes=tuple(notes))


def _strictly_inside(dataset: Dataset) -> NDArray[np.bool_]:
    """Tell which fixations lie on their image, its left and upper edge excluded."""
    return dataset.inside() & (dataset.fixations.x > 0) & (dataset.fixations.y > 0)


def _with_central_first(dataset: Dataset) -> Dataset:
    """Move first fixations that are not on their image to its center, at time zero."""
    fixations, stimuli = dataset.fixations, dataset.stimuli
    moved = (fixations.order == 0) & ~_strictly_inside(dataset)
    centered = replace(
        fixations,
        x=np.where(moved, stimuli.width[fixations.stimulus] / 2, fixations.x),
        y=np.where(moved, stimuli.height[fixations.stimulus] / 2, fixations.y),
        start_s=np.where(moved, 0, fixations.start_s),
    )
    return replace(dataset, fixations=centered)


def _read_all(recordings: Path, images: list[Path]) -> Fixations:
    """Return all fixations of all subjects on these images, outside ones too."""
    missing = [
        path
        for subject in SUBJECTS
        for image in images
        if not (path := recordings / subject / f"{image.stem}.mat").is_file()
    ]
    if missing:
        raise DataError(
            f"{printable(missing[0])}: missing, as are {len(missing) - 1} other recordings;"
            " unpack DATA.zip again, or move images without recordings away"
        )
    return fixations_of(
        _read_trial(recordings / name / f"{image.stem}.mat", stimulus, subject)
        for stimulus, image in enumerate(tracked(images, "detecting fixations", len(images)))
        for subject, name in enumerate(SUBJECTS)
    )


def _read_trial(path: Path, stimulus: int, subject: int) -> Scanpath:
    with matlab_content(path, "a recording of MIT1003") as content:
        (recording,) = content.values()  # named like the image, cut to Matlab's 63 characters
        samples = np.asarray(field(field(recording, "DATA"), "eyeData"), dtype=np.float64)
        samples = samples[:, :2] if samples.size else np.zeros((0, 2))
    starts, stops = detect_fixations(samples)
    x, y = median_positions(samples, starts, stops).T
    return Scanpath(
        stimulus,
        subject,
        x,
        y,
        start_s=(starts + 1) / SAMPLES_PER_S,  # Matlab's first sample is at one interval
        duration_s=(stops - starts) / SAMPLES_PER_S,
    )


def _unused(recordings: Path, stems: list[str]) -> list[str]:
    """Say which recordings have no image."""
    known = _NOT_IMAGES.union(stems)
    unused = {
        path.stem
        for subject in SUBJECTS
        for path in (recordings / subject).glob("[!.]*.mat")
        if path.stem not in known
    }
    if not unused:
        return []
    return [
        f"recordings on {len(unused)} images that are not in ALLSTIMULI were left out,"
        f" such as {printable(min(unused))}"
    ]
