"""Data sets written for other programs: as a folder of images and tables, or for pysaliency."""

import csv
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path, PureWindowsPath
from typing import Any

from numpy.typing import NDArray

from deepgaze2.data.dataset import Dataset
from deepgaze2.data.exchange.pysaliency_writer import write_pysaliency
from deepgaze2.data.fetching.unpack import folder_when_whole
from deepgaze2.data.own.stimulus_list import STIMULI_FILE
from deepgaze2.data.own.table_files import FIXATIONS_FILE
from deepgaze2.data.own.tabular import IMAGES_FOLDER, OWN_COLUMNS
from deepgaze2.errors import DataError
from deepgaze2.support.progress import tracked

_ROWS = 100_000


def convert(dataset: Dataset, target: Path) -> list[str]:
    """Write a data set to an HDF5 file of pysaliency's or to a folder, whole or not at all.

    A target that ends in `.hdf5` or `.h5` becomes a file of pysaliency's, which refers to the
    images where they are. Any other becomes a folder, which must be empty or not exist, with
    copies of the images in `images` and the tables `stimuli.csv` and `fixations.csv`;
    `read_tabular` reads the same numbers back.

    Parameters
    ----------
    dataset : Dataset
        Images that are not at hand are listed with their sizes.
    target : Path
        The file or folder.

    Returns
    -------
    list of str
        Sentences that say what could not be written.

    Raises
    ------
    DataError
        If an image's name cannot be the name of a file.
    OutputError
        If the target cannot be written.
    """
    if target.suffix.lower() in (".hdf5", ".h5"):
        return write_pysaliency(dataset, target)
    with folder_when_whole(target) as folder:
        _copy_images(dataset, folder / IMAGES_FOLDER)
        stimuli = dataset.stimuli
        sizes = (stimuli.width, stimuli.height, stimuli.pixels_per_degree)
        _write_table(
            folder / STIMULI_FILE,
            ("image", "width", "height", "pixels_per_degree"),
            zip(stimuli.ids, *(_text(column) for column in sizes), strict=True),
        )
        _write_table(folder / FIXATIONS_FILE, OWN_COLUMNS, _fixation_rows(dataset))
    if n_missing := sum(path is None for path in stimuli.paths):
        return [f"{n_missing} images are not at hand: put them into {target / IMAGES_FOLDER}."]
    return []


def _copy_images(dataset: Dataset, folder: Path) -> None:
    folder.mkdir()
    images = list(zip(dataset.stimuli.ids, dataset.stimuli.paths, strict=True))
    for name, path in tracked(images, "copying images", len(images), delay_s=2):
        parts = PureWindowsPath(name)
        if parts.anchor or ".." in parts.parts or not parts.parts:
            raise DataError(f"{dataset.name}: the image {name!r} cannot be a file; rename it")
        if path is None:
            continue
        file = name if name.lower().endswith(path.suffix.lower()) else name + path.suffix
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, folder / file)


def _fixation_rows(dataset: Dataset) -> Iterator[Iterable[str]]:
    f, names = dataset.fixations, dataset.subject_names
    for begin in range(0, len(f), _ROWS):
        part = f[begin : begin + _ROWS]
        columns = (part.order, part.x, part.y, part.start_s, part.duration_s)
        yield from zip(
            [dataset.stimuli.ids[i] for i in part.stimulus],
            [names[i] if names else str(i) for i in part.subject],
            *(_text(column) for column in columns),
            strict=True,
        )


def _text(column: NDArray[Any]) -> list[str]:
    """Return numbers as the shortest text that gives them back exactly; NaN as nothing."""
    return ["" if text == "nan" else text for text in column.astype(str).tolist()]


def _write_table(path: Path, names: Iterable[str], rows: Iterable[Iterable[str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(names)
        writer.writerows(rows)
