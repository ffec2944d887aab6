"""The layout of FixaTons (Zanca et al. 2018), a collection of scanpaths of several data sets.

As https://github.com/dariozanca/FixaTons describes it, a set is a folder with `STIMULI/<image>`
and, for each image, `SCANPATHS/<image without suffix>/<subject>`: a line for each fixation, with
x and y in pixels, and its begin and end in seconds.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deepgaze2.data.dataset import Dataset
from deepgaze2.data.images import stimuli_of
from deepgaze2.data.published.scanpaths import fixations_by_name
from deepgaze2.errors import DataError
from deepgaze2.image.image_files import image_files, natural_key
from deepgaze2.image.stimulus import printable
from deepgaze2.support.progress import tracked

_IMAGES, _SCANPATHS = "STIMULI", "SCANPATHS"
_COLUMNS = ("x", "y", "begin", "end")


def read_fixatons(folder: str | Path) -> Dataset:
    """Read one data set in the layout of FixaTons; its maps are not needed.

    Coordinates are taken as they are, y down. Whether the first fixation of a scanpath is forced
    to the center depends on the set; it is kept. A file without a line is a scanpath without
    fixations.

    Parameters
    ----------
    folder : str or Path
        Contains `STIMULI` and `SCANPATHS`.

    Returns
    -------
    Dataset
        Called like the folder; stimuli in natural order.

    Raises
    ------
    DataError
        If this is a folder of several data sets, an image has no scanpaths or scanpaths have no
        image, or a file is damaged; it names the file, and the line.
    """
    folder = Path(folder)
    _refuse_other(folder)
    paths = image_files(folder / _IMAGES)
    scanpaths = _scanpath_folders(folder / _SCANPATHS, paths)
    viewings = (
        (path.name, file.name.removesuffix(".txt"), _read_scanpath(file))
        for path, files in zip(
            tracked(paths, "reading", len(paths), delay_s=2), scanpaths, strict=True
        )
        for file in files
    )
    _, subjects, fixations = fixations_by_name(viewings)
    return Dataset(folder.resolve().name, stimuli_of(paths), fixations, tuple(subjects))


def _refuse_other(folder: Path) -> None:
    """Raise a DataError if a folder is not one data set; say which sets are below it."""
    if _is_set(folder):
        return
    below = folder.iterdir() if folder.is_dir() else ()
    if names := sorted((path.name for path in below if _is_set(path)), key=natural_key):
        raise DataError(
            f"{printable(folder)}: a collection of {', '.join(names)}; give the folder of one,"
            f" {printable(folder / names[0])}"
        )
    raise DataError(
        f"{printable(folder)}: no {_IMAGES} and {_SCANPATHS} in it; give the folder of a data set"
        " in the layout of FixaTons"
    )


def _is_set(folder: Path) -> bool:
    return (folder / _IMAGES).is_dir() and (folder / _SCANPATHS).is_dir()


def _scanpath_folders(folder: Path, images: list[Path]) -> list[list[Path]]:
    """Return the files of each image's scanpaths; a DataError if images and folders differ."""
    by_stem: dict[str, Path] = {}
    for image in images:
        if (other := by_stem.setdefault(image.stem, image)) != image:
            raise DataError(
                f"{printable(image)}: has the scanpaths of {other.name}, too; give images names"
                " that differ in more than the suffix"
            )
    found = {path.name: _visible(path) for path in _visible(folder) if path.is_dir()}
    if without := [name for name in found if name not in by_stem]:
        raise DataError(
            f"{printable(folder / without[0])}: no image {_IMAGES}/{without[0]}.*, as for"
            f" {len(without)} of {len(found)} folders of scanpaths; add it or move them away"
        )
    if bare := [image for stem, image in by_stem.items() if not found.get(stem)]:
        raise DataError(
            f"{printable(bare[0])}: no scanpaths in {_SCANPATHS}/{bare[0].stem}, as for"
            f" {len(bare)} of {len(images)} images; add them or move the image away"
        )
    return [found[stem] for stem in by_stem]


def _visible(folder: Path) -> list[Path]:
    return sorted(
        (path for path in folder.iterdir() if path.name[0] != "."),
        key=lambda path: natural_key(path.name),
    )


def _read_scanpath(path: Path) -> NDArray[np.float64]:
    """Return a scanpath as rows x (px), y (px), duration (s) and start (s), shape (4, n)."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"{printable(path)}: not a text file of fixations; copy it again"
        ) from error
    x, y, begin, end = np.array(list(_fixations(text, path)), dtype=np.float64).reshape(-1, 4).T
    return np.stack([x, y, end - begin, begin])


def _fixations(text: str, path: Path) -> Iterator[list[float]]:
    """Yield x, y, begin and end of each line."""
    for number, line in enumerate(text.splitlines(), 1):
        cells = line.split()
        if not cells:
            continue
        place = f"{printable(path)}, line {number}"
        if len(cells) != len(_COLUMNS):
            raise DataError(
                f"{place}: number of columns is {len(cells)}, expected are {', '.join(_COLUMNS)};"
                " correct it"
            )
        try:
            fixation = [float(cell) for cell in cells]
        except ValueError as error:
            raise DataError(f"{place}: {line.strip()!r} is not all numbers; correct it") from error
        if fixation[3] < fixation[2]:
            raise DataError(
                f"{place}: ends at {cells[3]} s, before it begins at {cells[2]} s; correct it"
            )
        yield fixation
