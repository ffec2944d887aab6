"""Data sets by name and folder, as they are given on the command line: `osie:FOLDER`."""

from collections.abc import Callable
from pathlib import Path

from deepgaze2.data.osie import read_osie
from deepgaze2.data.table import Dataset
from deepgaze2.errors import DataError

READERS: dict[str, Callable[[Path], Dataset]] = {"osie": read_osie}


def open_dataset(source: str) -> Dataset:
    """Read the data set that `source` names as `READER:FOLDER`, ready for training and scoring.

    The first fixation of each scanpath, which the experiment forces to the center, and
    fixations outside the image are dropped.

    Raises
    ------
    DataError
        If the reader is unknown, or the folder does not hold such a data set.
    """
    name, _, folder = source.partition(":")
    if name not in READERS or not folder:
        known = ", ".join(f"{reader}:FOLDER" for reader in READERS)
        raise DataError(f"data set {source!r} is not understood; give one of {known}")
    return READERS[name](Path(folder)).without_first().without_outside()
