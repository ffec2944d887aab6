"""Data sets written as HDF5 files of pysaliency's, for its release 0.2.22 and later ones."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from deepgaze2.data.dataset import Dataset, Fixations
from deepgaze2.support.files import written_atomically


def write_pysaliency(dataset: Dataset, path: Path) -> list[str]:
    """Write a data set as one HDF5 file with the groups `stimuli` and `fixations`.

    They are FileStimuli 2.1, whose paths are relative to the file's folder, and FixationTrains
    1.2 with durations where they are known; pysaliency reads each with
    `pysaliency.read_hdf5(h5py.File(path)["stimuli"])`. Where starts are not known, times are
    the fixations' numbers, as in pysaliency's own data sets.

    Parameters
    ----------
    dataset : Dataset
        Fixations without a position (NaN), which the format cannot hold, are left out.
    path : Path
        The file; it is replaced if it exists.

    Returns
    -------
    list of str
        Sentences that say what was left out.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    import h5py

    known = np.isfinite(dataset.fixations.x) & np.isfinite(dataset.fixations.y)
    with written_atomically(path) as temporary, h5py.File(temporary, "w") as file:
        _write_stimuli(file.create_group("stimuli"), dataset, path.resolve().parent)
        _write_fixations(file.create_group("fixations"), dataset.fixations[known])
        if dataset.subject_names:
            file["fixations"].attrs["subject_names"] = json.dumps(dataset.subject_names)
    notes = []
    if n_left := int(np.count_nonzero(~known)):
        notes.append(f"{n_left} fixations without a position were left out.")
    if n_missing := sum(file is None for file in dataset.stimuli.paths):
        notes.append(f"{n_missing} images are not at hand: put them beside {path.name}.")
    return notes


def _write_stimuli(group: Any, dataset: Dataset, folder: Path) -> None:  # noqa: ANN401, h5py's
    import h5py

    stimuli = dataset.stimuli
    _declare(group, "FileStimuli", "2.1")
    group.attrs["size"] = len(stimuli)
    names = [
        name if path is None else _relative(path, folder)
        for name, path in zip(stimuli.ids, stimuli.paths, strict=True)
    ]
    text = h5py.string_dtype()
    group.create_dataset("filenames", data=np.array(names, dtype=object), dtype=text)
    shapes = group.create_dataset("shapes", (len(stimuli),), dtype=h5py.vlen_dtype(np.int64))
    for i, path in enumerate(stimuli.paths):
        shapes[i] = np.array([stimuli.height[i], stimuli.width[i], *_channels(path)], np.int64)
    attributes = []
    if np.isfinite(stimuli.pixels_per_degree).any():
        attributes.append("pixels_per_degree")
        group.create_dataset("pixels_per_degree", data=stimuli.pixels_per_degree)
    group.attrs["__attributes__"] = np.bytes_(json.dumps(attributes))


def _relative(path: Path, folder: Path) -> str:
    try:
        return Path(os.path.relpath(path.resolve(), folder)).as_posix()
    except ValueError:  # on another drive of Windows
        return str(path.resolve())


def _channels(path: Path | None) -> tuple[int, ...]:
    """Return what follows height and width in the shape of the decoded image."""
    if path is None:
        return (3,)
    with Image.open(path) as image:
        if image.mode == "P":
            return (3,)
        bands = len(image.getbands())
    return () if bands == 1 else (bands,)


def _write_fixations(group: Any, fixations: Fixations) -> None:  # noqa: ANN401
    """Write scanpaths: runs of rows of one subject on one stimulus with rising order."""
    f = fixations
    same = (np.diff(f.stimulus) == 0) & (np.diff(f.subject) == 0) & (np.diff(f.order) > 0)
    begins = np.flatnonzero(np.append(True, ~same)[: len(f)])
    lengths = np.diff(begins, append=len(f))
    position = np.arange(len(f)) - np.repeat(begins, lengths)
    there = np.arange(lengths.max(initial=0)) < lengths[:, None]

    def padded(column: NDArray[Any]) -> NDArray[np.float64]:
        array = np.full(there.shape, np.nan)
        array[there] = column
        return array

    _declare(group, "FixationTrains", "1.2")
    group.attrs["__attributes__"] = np.bytes_(json.dumps(["subjects", "scanpath_index"]))
    has_starts = bool(np.isfinite(f.start_s).any())
    if has_starts:
        group.attrs["times"] = "seconds"
    columns = {"xs": f.x, "ys": f.y, "ts": f.start_s if has_starts else f.order}
    for name, column in columns.items():
        group.create_dataset(f"train_{name}", data=padded(column), compression="gzip")
    group.create_dataset("train_ns", data=f.stimulus[begins].astype(np.int64))
    group.create_dataset("train_subjects", data=f.subject[begins].astype(np.int64))
    extra = {}
    if np.isfinite(f.duration_s).any():
        extra["durations"] = padded(f.duration_s)
    if not np.array_equal(f.order, position):
        extra["order"] = padded(f.order)
    mapping = {"durations": "duration"} if "durations" in extra else {}
    group.attrs["scanpath_attribute_mapping"] = np.bytes_(json.dumps(mapping))
    for name, arrays in (("scanpath_attributes", {}), ("scanpath_fixation_attributes", extra)):
        subgroup = group.create_group(name)
        subgroup.attrs["__attributes__"] = np.bytes_(json.dumps(sorted(arrays)))
        for key, array in arrays.items():
            subgroup.create_dataset(key, data=array, compression="gzip")


def _declare(group: Any, kind: str, version: str) -> None:  # noqa: ANN401
    group.attrs["type"] = np.bytes_(kind)
    group.attrs["version"] = np.bytes_(version)
