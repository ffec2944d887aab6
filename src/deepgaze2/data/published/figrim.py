"""FIGRIM (Bylinskii et al. 2015): 2787 scenes of 1000×1000, seen in a memory experiment.

Layout of http://figrim.mit.edu and https://github.com/cvzoya/figrim:
`Targets/<category>/*.jpg`, `Fillers/<category>/*.jpg`, `targetData/allImages_release.mat` and
`fillerData/allImages_fillers.mat`.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from deepgaze2.data.dataset import Dataset, Stimuli
from deepgaze2.data.published.matlab import field, matlab_content
from deepgaze2.data.published.scanpaths import fixations_by_name

SIZE_PX = 1000
VIEWINGS = ("enc", "rec", "rec2")
"""When a target was seen for the first, second and third time."""

Part = Literal["all", "encoded-fillers"]

_FILLERS = "fillerData/allImages_fillers.mat"
_FILES = ("targetData/allImages_release.mat", _FILLERS)


def read_figrim(folder: str | Path, part: Part = "all") -> Dataset:
    """Read FIGRIM's fixations, and its images if they are at hand.

    A person, known by initials, came for several sessions and saw targets up to three times. So
    that scanpaths stay apart, every session and viewing counts as a subject of its own, named
    like `ab / ab_7_1 / rec2`; see `Dataset.person`. Each scanpath begins near the center.

    Parameters
    ----------
    folder : str or Path
        Contains `targetData` and `fillerData`, and `Targets` and `Fillers` with the images.
    part : "all" or "encoded-fillers"
        The fillers when they were seen for the first time, for which their files suffice.

    Returns
    -------
    Dataset
        Stimuli in natural order, called `<Fillers or Targets>/<category>/<file>`; `paths` is None
        where an image is not at hand.

    Raises
    ------
    DataError
        If a file of fixations is missing or damaged.
    ValueError
        If there is no such part.
    """
    if part not in get_args(Part):
        raise ValueError(f"part is {part!r}; use one of {', '.join(get_args(Part))}")
    folder = Path(folder)
    files, phases = (_FILES, VIEWINGS) if part == "all" else ((_FILLERS,), VIEWINGS[:1])
    viewings = (viewing for name in files for viewing in _read_file(folder / name, phases))
    ids, subjects, fixations = fixations_by_name(viewings)
    paths = [path if (path := folder / name).is_file() else None for name in ids]
    size = np.full(len(ids), SIZE_PX, dtype=np.int32)
    n_missing = paths.count(None)
    return Dataset(
        "FIGRIM" if part == "all" else "FIGRIM (encoded fillers)",
        Stimuli(tuple(ids), tuple(paths), size, size, np.full(len(ids), np.nan)),
        fixations,
        tuple(subjects),
        (f"{n_missing} of {len(ids)} images are not at hand.",) if n_missing else (),
    )


def _read_file(
    path: Path, phases: tuple[str, ...]
) -> Iterator[tuple[str, str, NDArray[np.float64]]]:
    """Yield image, subject and positions (2, n) of each viewing, empty ones included."""
    with matlab_content(path, "FIGRIM's fixations") as content:
        for image in np.atleast_1d(content["allImages"]):
            for session in np.atleast_1d(field(image, "userdata")):
                for viewing, xy in _viewings(field(session, "fixations"), phases):
                    # labels begin with the initials, but one is misspelled
                    names = (field(session, n) for n in ("sinit", "RECORDING_SESSION_LABEL"))
                    yield str(field(image, "impath")), " / ".join((*names, viewing)), xy.T


def _viewings(
    fixations: Any,  # noqa: ANN401
    phases: tuple[str, ...],
) -> Iterator[tuple[str, NDArray[np.float64]]]:
    seen = phases if np.size(fixations) else ()  # an empty array if the session lacks the image
    for viewing in seen:
        yield viewing, np.asarray(field(fixations, viewing), dtype=np.float64).reshape(-1, 2)
