"""FIGRIM (Bylinskii et al. 2015): 2787 scenes of 1000×1000, seen in a memory experiment.

Layout of http://figrim.mit.edu and https://github.com/cvzoya/figrim:
`Targets/<category>/*.jpg`, `Fillers/<category>/*.jpg`, `targetData/allImages_release.mat` and
`fillerData/allImages_fillers.mat`.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepgaze2.data.dataset import Dataset, Stimuli
from deepgaze2.data.published.matlab import field, load_matlab, parsing
from deepgaze2.data.published.scanpaths import Scanpath, fixations_of
from deepgaze2.image.image_files import natural_key

SIZE_PX = 1000
VIEWINGS = ("enc", "rec", "rec2")
"""When a target was seen for the first, second and third time."""

_FILES = ("targetData/allImages_release.mat", "fillerData/allImages_fillers.mat")


def read_figrim(folder: str | Path) -> Dataset:
    """Read FIGRIM's fixations, and its images if they are at hand.

    A person, known by initials, came for several sessions and saw targets up to three times. So
    that scanpaths stay apart, every session and viewing counts as a subject of its own, named
    like `ab / ab_7_1 / rec2`; see `Dataset.person`. Each scanpath begins near the center.

    Parameters
    ----------
    folder : str or Path
        Contains `targetData` and `fillerData`, and `Targets` and `Fillers` with the images.

    Returns
    -------
    Dataset
        Stimuli in natural order, called `<Fillers or Targets>/<category>/<file>`; `paths` is None
        where an image is not at hand.

    Raises
    ------
    DataError
        If a file of fixations is missing or damaged.
    """
    folder = Path(folder)
    scanpaths = [entry for name in _FILES for entry in _read_file(folder / name)]
    ids = sorted({image for image, _, _ in scanpaths}, key=natural_key)
    subjects = sorted({subject for _, subject, xy in scanpaths if len(xy)}, key=natural_key)
    stimulus_number = {name: number for number, name in enumerate(ids)}
    subject_number = {name: number for number, name in enumerate(subjects)}
    paths = [path if (path := folder / name).is_file() else None for name in ids]
    size = np.full(len(ids), SIZE_PX, dtype=np.int32)
    fixations = fixations_of(
        Scanpath(stimulus_number[image], subject_number[subject], *xy.T)
        for image, subject, xy in scanpaths
        if len(xy)
    )
    n_missing = paths.count(None)
    return Dataset(
        "FIGRIM",
        Stimuli(tuple(ids), tuple(paths), size, size, np.full(len(ids), np.nan)),
        fixations,
        tuple(subjects),
        (f"{n_missing} of {len(ids)} images are not at hand.",) if n_missing else (),
    )


def _read_file(path: Path) -> Iterator[tuple[str, str, NDArray[np.float64]]]:
    """Yield image, subject and positions (n, 2) of each viewing, empty ones included."""
    content = load_matlab(path)
    with parsing(path, "FIGRIM's fixations"):
        for image in np.atleast_1d(content["allImages"]):
            for session in np.atleast_1d(field(image, "userdata")):
                for viewing, xy in _viewings(field(session, "fixations")):
                    # labels begin with the initials, but one is misspelled
                    names = (field(session, n) for n in ("sinit", "RECORDING_SESSION_LABEL"))
                    yield str(field(image, "impath")), " / ".join((*names, viewing)), xy


def _viewings(fixations: Any) -> Iterator[tuple[str, NDArray[np.float64]]]:  # noqa: ANN401
    seen = VIEWINGS if np.size(fixations) else ()  # an empty array if the session lacks the image
    for viewing in seen:
        yield viewing, np.asarray(field(fixations, viewing), dtype=np.float64).reshape(-1, 2)
