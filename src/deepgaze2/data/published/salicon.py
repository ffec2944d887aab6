"""SALICON (Jiang et al. 2015): 15000 images of COCO, explored with a mouse by crowd workers.

Layout of http://salicon.net for the editions of 2015 and 2017 alike:
`images/train/COCO_train2014_*.jpg`, `fixations/train/COCO_train2014_*.mat`, and `val` likewise.
The two detected fixations differently: never mix them, and say which one a score is of.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from deepgaze2.data.dataset import Dataset, Fixations, Stimuli
from deepgaze2.data.published.matlab import field, matlab_content
from deepgaze2.errors import DataError
from deepgaze2.image.stimulus import printable
from deepgaze2.support.progress import tracked

Split = Literal["train", "val"]
Kind = Literal["fixations", "mouse"]

_FIELDS = {"fixations": "fixations", "mouse": "location"}
_EDGE_PX = 0.01  # how far from the right and lower edge samples outside are put
_Content = tuple[tuple[int, int], NDArray[np.intp], NDArray[Any], NDArray[np.float32]]
"""Height and width, samples per trace, x and y from one (n, 2) as stored, start in seconds."""


def read_salicon(
    folder: str | Path, *, split: Split = "train", kind: Kind = "fixations"
) -> Dataset:
    """Read SALICON's fixations as published, or the samples of the mouse.

    Matlab's one is subtracted from coordinates. Workers cannot be told apart across images:
    every trace of the split counts as a subject of its own. Samples outside, of which 2017 has
    some, are put on the image's edge. A row takes 36 bytes: 170 MB for 2017's fixations, 8 GB
    for its samples.

    Parameters
    ----------
    folder : str or Path
        Contains `fixations`, and `images` unless only positions are of interest.
    split : "train" or "val"
        Which part; the fixations of the third one, `test`, are not public.
    kind : "fixations" or "mouse"
        The published fixations, or all samples, from which `pseudo_fixations` derives others;
        `start_s` is known for samples only, taking their timestamps as milliseconds.

    Returns
    -------
    Dataset
        Stimuli in the order of their names; `paths` is None where an image is not at hand.

    Raises
    ------
    DataError
        If recordings are missing or damaged.
    ValueError
        If `split` or `kind` is none of the two.
    """
    for name, value, known in (("split", split, Split), ("kind", kind, Kind)):
        if value not in get_args(known):
            raise ValueError(f"{name} is {value!r}; use one of {', '.join(get_args(known))}")
    recordings, images = Path(folder) / "fixations" / split, Path(folder) / "images" / split
    files = sorted(recordings.glob("[!.]*.mat"))
    if not files:
        raise DataError(
            f"{printable(recordings)}: no .mat files; give the folder that holds `fixations`"
        )
    paths = [images / f"{file.stem}.jpg" for file in files]
    sizes, fixations = _read_all(files, kind)
    stimuli = Stimuli(
        ids=tuple(path.name for path in paths),
        paths=tuple(path if path.is_file() else None for path in paths),
        width=sizes[:, 1],
        height=sizes[:, 0],
        pixels_per_degree=np.full(len(paths), np.nan),
    )
    notes = _unmatched(stimuli, images)
    dataset = Dataset(f"SALICON {split} {kind}", stimuli, fixations, notes=notes)
    return dataset if kind == "fixations" else _put_inside(dataset)


def _read_all(files: list[Path], kind: Kind) -> tuple[NDArray[np.int32], Fixations]:
    """Return the images' heights and widths, (n, 2), and all traces."""
    contents = [_read_file(file, kind) for file in tracked(files, "reading", len(files))]
    sizes = np.array([size for size, _, _, _ in contents], dtype=np.int32)
    lengths = np.concatenate([lengths for _, lengths, _, _ in contents])
    n_traces = [len(lengths) for _, lengths, _, _ in contents]
    trace = np.repeat(np.arange(len(lengths), dtype=np.int32), lengths)
    starts = np.cumsum(lengths) - lengths
    points = np.concatenate([points for _, _, points, _ in contents])
    start_s = np.concatenate([start_s for _, _, _, start_s in contents])
    del contents
    columns = {
        "stimulus": np.repeat(np.arange(len(files), dtype=np.int32), n_traces)[trace],
        "subject": trace,
        "order": (np.arange(len(trace)) - starts[trace]).astype(np.int32),
        "x": points[:, 0] - 1.0,
        "y": points[:, 1] - 1.0,
        "start_s": start_s,
        "duration_s": np.full(len(trace), np.nan, dtype=np.float32),
    }
    for column in columns.values():
        column.flags.writeable = False  # spares the table a copy
    return sizes, Fixations(**columns)


def _read_file(path: Path, kind: Kind) -> _Content:
    """Read the traces of all workers on an image."""
    with matlab_content(path, "a recording of SALICON") as content:
        height, width = content["resolution"].tolist()
        traces = np.atleast_1d(content["gaze"])
        points = [np.reshape(field(trace, _FIELDS[kind]), (-1, 2)) for trace in traces]
        lengths = np.array([len(rows) for rows in points], dtype=np.intp)
        if kind == "mouse":
            times_ms = [np.ravel(field(trace, "timestamp")) for trace in traces]
            start_s = (np.concatenate([*times_ms, np.zeros(0)]) / 1000).astype(np.float32)
        else:
            start_s = np.full(lengths.sum(), np.nan, dtype=np.float32)
        together = np.concatenate([*points, np.zeros((0, 2), np.uint8)])
        if len(together) != len(start_s):
            raise ValueError(f"{len(together)} locations but {len(start_s)} timestamps")
    return (height, width), lengths, together, start_s


def _put_inside(dataset: Dataset) -> Dataset:
    """Move what lies outside its image to the nearest place inside."""
    fixations, stimuli = dataset.fixations, dataset.stimuli
    if not (n_outside := int(np.count_nonzero(~dataset.inside()))):
        return dataset
    x, y = (
        np.clip(column, 0, size[fixations.stimulus] - _EDGE_PX)
        for column, size in ((fixations.x, stimuli.width), (fixations.y, stimuli.height))
    )
    return replace(
        dataset,
        fixations=replace(fixations, x=x, y=y),
        notes=(*dataset.notes, f"{n_outside} samples outside their image were put on its edge"),
    )


def _unmatched(stimuli: Stimuli, images: Path) -> tuple[str, ...]:
    """Say which recordings have no image and which images no recording."""
    bare = [name for name, path in zip(stimuli.ids, stimuli.paths, strict=True) if path is None]
    unused = {path.name for path in images.glob("COCO_*.jpg")}.difference(stimuli.ids)
    return tuple(
        f"{len(names)} {what}, such as {printable(min(names))}"
        for names, what in (
            (bare, "images with recordings are not at hand"),
            (unused, "images without recordings were left out"),
        )
        if names
    )
