"""The project's own format, and any table like it: images and a table of their fixations.

A folder holds the images, in it or in `images` or `stimuli` below, `fixations.csv` or
`fixations.parquet`, and perhaps `stimuli.csv`. Tables whose columns are called as in
`OWN_COLUMNS` mean what the project means by them; of others it is guessed, and said.
"""

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from deepgaze2.data.dataset import Dataset, Fixations
from deepgaze2.data.own.columns import choose_columns, missing_columns, time_unit_s
from deepgaze2.data.own.conventions import (
    Coordinates,
    TimeUnit,
    duration_unit_s,
    start_unit_s,
)
from deepgaze2.data.own.geometry import (
    RECTANGLE_ROLES,
    Geometry,
    Origin,
    Screen,
    Shown,
)
from deepgaze2.data.own.parquet_table import ParquetTable, open_parquet_table
from deepgaze2.data.own.placing import place_in_images
from deepgaze2.data.own.rows import (
    Rows,
    in_natural_order,
    order_in_scanpaths,
    stimulus_numbers,
    unnamed_note,
)
from deepgaze2.data.own.stimulus_list import STIMULI_FILE, list_stimuli
from deepgaze2.data.own.text_table import TextTable, open_text_table
from deepgaze2.errors import DataError
from deepgaze2.image.stimulus import printable
from deepgaze2.support.progress import Progress

OWN_COLUMNS = ("image", "subject", "order", "x_px", "y_px", "start_s", "duration_s")
FIXATIONS_FILE = "fixations.csv"
IMAGES_FOLDER = "images"

_TEXT_ROLES = ("image", "subject")
_NUMBER_ROLES = ("x", "y", "order", "start", "duration", *RECTANGLE_ROLES)
_ROLES = (*_TEXT_ROLES, *_NUMBER_ROLES)
_REQUIRED = ("image", "x", "y")
_TABLE_SUFFIXES = (".csv", ".tsv", ".parquet")
_LATEST_START_S = 100.0


def read_tabular(
    source: str | Path,
    *,
    images: Path | None = None,
    columns: Mapping[str, str] | None = None,
    coordinates: Coordinates | None = None,
    base: Literal[0, 1] | None = None,
    time: TimeUnit | None = None,
    origin: Origin | None = None,
    screen: Screen | None = None,
    shown: Shown | None = None,
    pixels_per_degree: float | None = None,
) -> Dataset:
    """Read images and a table of fixations, one row each.

    The table needs columns of image, x and y; subject, order, start and duration may be there.
    What is not stated is guessed; `notes` of the result says how.

    Parameters
    ----------
    source : str or Path
        A folder with images and `fixations.csv` (or one other table), or a table beside its
        images. Text tables may have commas, semicolons or tabs, Parquet needs PyArrow.
    images : Path, optional
        The folder of the images if it is elsewhere.
    columns : mapping of str to str, optional
        Columns whose names do not tell, like `{"x": "hpos"}`.
    coordinates, base, origin, screen, shown, pixels_per_degree : optional
        What positions are counted in and from, and where on the screen images were, see `Geometry`.
    time : {"s", "ms"}, optional
        The unit of start and duration.

    Raises
    ------
    DataError
        If something is missing, damaged or has two meanings; it names the line where it can.
    """
    path, found = _table_file(Path(source))
    table = open_parquet_table(path) if path.suffix == ".parquet" else open_text_table(path)
    is_own = set(OWN_COLUMNS) <= set(table.names)
    chosen, guessed = _chosen_columns(table.names, columns or {}, printable(path), is_own)
    if is_own:
        found, guessed, time = [], [], time or "s"
        coordinates, base = coordinates or "pixels", base or 0
    geometry = Geometry(coordinates, base, origin, screen, shown, pixels_per_degree)
    stimuli, listed = list_stimuli(path.parent, images or images_folder(path.parent))
    rows = _read_rows(table, chosen)
    stimulus, matched = stimulus_numbers(rows, stimuli)
    placed = place_in_images(rows, stimuli, stimulus, chosen, geometry, printable(path))
    x, y = rows.numbers["x"], rows.numbers["y"]
    order, ordered = order_in_scanpaths(rows, stimulus, from_zero=is_own)
    start_s, duration_s, timed = _seconds(rows, table, chosen, order, time, is_own)
    subject, names = in_natural_order(rows.subject, rows.subject_names)
    unnamed = unnamed_note(subject, names)
    fixations = dict[str, NDArray[Any]](stimulus=stimulus, subject=subject, order=order, x=x, y=y)
    fixations |= {"start_s": start_s, "duration_s": duration_s}
    del rows, stimulus, x, y, order, start_s, duration_s, subject  # may be large
    dataset = Dataset(path.resolve().parent.name, stimuli, _sorted(fixations), tuple(names))
    notes = (placed, found, guessed, table.notes, listed, matched, ordered, unnamed, timed)
    said = [note for part in notes for note in part] + _left_aside(dataset)
    return replace(dataset, notes=tuple(said))


def _chosen_columns(
    names: Sequence[str], stated: Mapping[str, str], place: str, is_own: bool
) -> tuple[dict[str, str], list[str]]:
    chosen, guessed = choose_columns(names, _ROLES, stated, place)
    if missing := [role for role in _REQUIRED if role not in chosen]:
        raise missing_columns(names, missing, place)
    partly = not set(RECTANGLE_ROLES) <= set(chosen)
    if unused := set(RECTANGLE_ROLES) & set(stated) if partly else set():
        raise DataError(
            f"{place}: {unused.pop()!r} needs all of {', '.join(RECTANGLE_ROLES)}; state them"
        )
    of_image = is_own or "mcs" in chosen["x"].casefold()  # Tobii's media coordinates
    if partly or (of_image and not set(RECTANGLE_ROLES) & set(stated)):
        chosen = {role: name for role, name in chosen.items() if role not in RECTANGLE_ROLES}
    return chosen, guessed


class _Codes(dict[str, int]):
    """Numbers texts in the order in which they are first asked for."""

    def __missing__(self, text: str) -> int:
        self[text] = code = len(self)
        return code


def _table_file(source: Path) -> tuple[Path, list[str]]:
    """Return the table of fixations that a path means, and a sentence if it was guessed."""
    if not source.is_dir():
        return source, []
    tables = [
        path
        for path in sorted(source.iterdir())
        if path.suffix.lower() in _TABLE_SUFFIXES and path.name != STIMULI_FILE
    ]
    named = [path for path in tables if path.stem == "fixations"]
    if len(named or tables) != 1:
        there = ", ".join(printable(path.name) for path in named or tables) or "none"
        raise DataError(
            f"{printable(source)}: needs one table of fixations, but has {there}; call it"
            f" {FIXATIONS_FILE} or give its own path"
        )
    path = (named or tables)[0]
    return path, [] if named else [f"Fixations are read from {printable(path.name)}."]


def images_folder(folder: Path) -> Path:
    """Return where the images of a folder with a table are."""
    below = (folder / name for name in (IMAGES_FOLDER, "stimuli"))
    return next((path for path in below if path.is_dir()), folder)


def _read_rows(table: TextTable | ParquetTable, chosen: Mapping[str, str]) -> Rows:
    texts = [role for role in _TEXT_ROLES if role in chosen]
    numbers = [role for role in _NUMBER_ROLES if role in chosen]
    codes = {role: (_Codes(), array("i")) for role in _TEXT_ROLES}
    columns = {role: array("d") for role in numbers}
    batches = table.batches([chosen[role] for role in texts], [chosen[role] for role in numbers])
    with Progress("reading fixations", None, "row", delay_s=2) as progress:
        for cells, values in batches:
            for role, column in zip(texts, cells, strict=True):
                known, coded = codes[role]
                coded.extend(map(known.__getitem__, column))
                if role == "image" and "" in known:
                    row = coded.index(known[""])
                    raise DataError(
                        f"{printable(table.path)}, {table.place(row)}: image is empty; fill it in"
                        " or delete this row"
                    )
            for role, part in zip(numbers, values, strict=True):
                columns[role].frombytes(part.tobytes())
            progress.update(len(values[0]))
    n = len(columns["x"])
    if n == 0:
        raise DataError(f"{printable(table.path)}: holds no fixation; export it again")
    subject_names = list(codes["subject"][0])
    return Rows(
        image=np.frombuffer(codes["image"][1], np.int32),
        image_names=list(codes["image"][0]),
        subject=np.frombuffer(codes["subject"][1] or bytes(4 * n), np.int32),
        subject_names=[] if subject_names == [""] else subject_names,
        numbers={role: np.frombuffer(column, np.float64) for role, column in columns.items()},
        place=lambda row: f"{printable(table.path)}, {table.place(row)}",
    )


def _seconds(
    rows: Rows,
    table: TextTable | ParquetTable,
    chosen: Mapping[str, str],
    order: NDArray[np.int32],
    time: TimeUnit | None,
    is_own: bool,
) -> tuple[NDArray[np.float32], NDArray[np.float32], list[str]]:
    """Return starts and durations in seconds, NaN where unknown, and what was assumed."""
    unknown = np.full(len(order), np.nan, np.float32)
    start_s, duration_s = unknown, unknown
    unit_s, notes = None, list[str]()
    if (durations := rows.numbers.get("duration")) is not None:
        column = chosen["duration"]
        label = f"{printable(table.path)}: column {column!r}"
        unit_s, notes = duration_unit_s(durations, time_unit_s(column), time, label)
        durations *= unit_s or 1
        duration_s = durations.astype(np.float32)
    if (starts := rows.numbers.get("start")) is not None:
        unit_s, assumed = start_unit_s(starts, time_unit_s(chosen["start"]), time, unit_s)
        starts *= unit_s
        notes += assumed
        first = starts[(order == order.min()) & np.isfinite(starts)]
        if not is_own and len(first) and np.median(first) > _LATEST_START_S:
            notes.append(
                "Starts are times of a clock that runs through the recording, not since the image"
                " appeared: they are not kept."
            )
        else:
            start_s = starts.astype(np.float32)
    return start_s, duration_s, notes


def _sorted(columns: dict[str, NDArray[Any]]) -> Fixations:
    """Sort fixations as data sets do, one column after another to save memory."""
    rows = np.lexsort((columns["order"], columns["subject"], columns["stimulus"]))
    for name in columns:
        columns[name] = columns[name][rows]
        columns[name].flags.writeable = False
    return Fixations(**columns)


def _left_aside(dataset: Dataset) -> list[str]:
    notes = []
    if bare := int(np.count_nonzero(np.diff(dataset.offsets) == 0)):
        notes.append(f"{bare} of {len(dataset.stimuli)} images have no fixation.")
    if outside := int(np.count_nonzero(~dataset.inside())):
        notes.append(
            f"{outside} of {len(dataset.fixations)} fixations lie outside their image or have no"
            " position."
        )
    return notes
