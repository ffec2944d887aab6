"""The project's own format, and any table like it: images and a table of their fixations.

A folder holds the images, in it or in `images` or `stimuli` below, `fixations.csv` or
`fixations.parquet`, and perhaps `stimuli.csv`. Tables whose columns are called as in
`OWN_COLUMNS` mean what the project means by them; of others it is guessed, and said.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from deepgaze2.data.dataset import Dataset, Fixations, Stimuli
from deepgaze2.data.decisions import Decision, notes_of
from deepgaze2.data.own.asc_table import AscTable
from deepgaze2.data.own.choosing import chosen_columns
from deepgaze2.data.own.conventions import Coordinates, TimeUnit
from deepgaze2.data.own.detection import Detection
from deepgaze2.data.own.eyes import (
    Eye,
)
from deepgaze2.data.own.findings import (
    left_aside,
    names_found,
    said_of_units,
)
from deepgaze2.data.own.geometry import Geometry, Origin, Screen, Shown
from deepgaze2.data.own.lost import without_lost
from deepgaze2.data.own.names import key
from deepgaze2.data.own.on_images import only_on_images
from deepgaze2.data.own.placing import place_in_images
from deepgaze2.data.own.psychopy_units import told_by_units
from deepgaze2.data.own.rows import (
    in_natural_order,
    order_in_scanpaths,
    stimulus_numbers,
    unnamed_note,
)
from deepgaze2.data.own.samples import fixations_of_samples
from deepgaze2.data.own.stimulus_list import list_stimuli
from deepgaze2.data.own.table_files import Table, open_tables
from deepgaze2.data.own.table_rows import table_rows
from deepgaze2.data.own.times import in_seconds
from deepgaze2.data.own.trackers import tracker_of
from deepgaze2.data.own.viewings import by_viewing
from deepgaze2.errors import DataError
from deepgaze2.image.stimulus import printable

OWN_COLUMNS = ("image", "subject", "order", "x_px", "y_px", "start_s", "duration_s")
IMAGES_FOLDER = "images"


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
    image: str | None = None,
    eye: Eye | None = None,
    detect: str | None = None,
    decided: list[Decision] | None = None,
) -> Dataset:
    """Read images and a table of fixations.

    The table needs columns of image, x and y; subject, order, start, duration, trial, and kind,
    valid and eye, which tell the rows of fixations from others, may be there. Rows with one
    fixation's number are made one. What is not stated is guessed; `notes` of the result says how,
    and what was left out, `decisions` all that was decided, and why.

    Parameters
    ----------
    source : str or Path
        A folder with images and `fixations.csv`, one other table, or tables with the same
        columns, such as one for each participant; or a table beside its images. Text tables may
        have commas, semicolons or tabs and be compressed by gzip, Parquet needs PyArrow. Or a
        recording of EyeLink's (.asc), or a folder of these.
    images : Path, optional
        The folder of the images if it is elsewhere.
    columns : mapping of str to str, optional
        Columns whose names do not tell, like `{"x": "hpos"}`; "none" where there is none.
    coordinates, base, origin, screen, shown, pixels_per_degree : optional
        What positions are counted in and from, and where on the screen images were, see `Geometry`.
    time : {"s", "ms", "us", "ns"}, optional
        The unit of start and duration.
    image : str, optional
        The one image that was shown, if no column tells.
    eye : {"left", "right", "mean"}, optional
        Which eye's columns or rows to take if there are both eyes', or the mean of columns.
    detect : str, optional
        Rows are samples: how to detect the fixations, "ivt", "idt" or as `Detection.parse` says.
    decided : list of Decision, optional
        Filled with decisions while they are made, so that they are known where one ends in an
        error, too. Lacking images are then an error only when all that needs none is decided.

    Raises
    ------
    DataError
        If something is missing, damaged or has two meanings; it names the line where it can.
    """
    decided, follows = ([], False) if decided is None else (decided, True)
    detection = Detection.parse(detect) if detect else None
    table, folder, found = open_tables(Path(source))
    stimuli, listed = _stimuli(folder, images or images_folder(folder), follows)
    if isinstance(table, AscTable):
        if shown is None and screen is None:
            table.place_images(stimuli)
        screen = screen or table.screen_around(stimuli)
        coordinates, base = coordinates or "pixels", base or 0
    is_own = set(OWN_COLUMNS) <= set(table.names)
    decided += [replace(found, guessed=found.guessed and not is_own), *table.notes]
    chosen = chosen_columns(table, columns or {}, is_own, image, eye, decided)
    decided += said_of_units(coordinates, base, is_own)
    if is_own:
        time, coordinates, base = time or "s", coordinates or "pixels", base or 0
    coordinates, origin, told = _told_by_program(table, chosen["y"], coordinates, origin)
    decided += told
    geometry = Geometry(coordinates, base, origin, screen, shown, pixels_per_degree)
    rows, unit_s = table_rows(
        table, chosen, columns or {}, time, image, eye, detection, is_own, decided
    )
    geometry, units = told_by_units(rows, geometry, chosen)
    decided += units
    if not is_own and not (geometry.origin or "").startswith("center"):
        decided += without_lost(rows)
    if isinstance(listed, DataError):
        stimuli = _unseen(rows.image_names)
    else:
        decided += listed
    rows, strange = only_on_images(rows, stimuli)
    stimulus, matched = stimulus_numbers(rows, stimuli)
    decided += [*strange, *matched, names_found(rows, image)]
    if detection:
        if isinstance(listed, DataError):
            raise listed
        rows, stimulus, geometry, detected = fixations_of_samples(
            rows, stimuli, stimulus, chosen, geometry, detection, unit_s
        )
        decided += detected
        time, chosen = "s", {**chosen, "duration": chosen["start"]}
    rows, again = by_viewing(
        rows, stimulus, chosen.get("trial"), guess=not is_own and "trial" not in (columns or {})
    )
    subject, names = in_natural_order(rows.subject, rows.subject_names)
    decided += again + unnamed_note(subject, names, chosen.get("subject"))
    order, ordered = order_in_scanpaths(rows, stimulus, from_zero=is_own)
    decided += ordered
    start_s, duration_s, timed = in_seconds(rows, table, chosen, order, time, is_own)
    decided += timed
    if isinstance(listed, DataError):
        raise listed
    place, tracker = printable(table.path), tracker_of(table.names)
    place_in_images(rows, stimuli, stimulus, chosen, geometry, place, tracker, decided)
    x, y = rows.numbers["x"], rows.numbers["y"]
    fixations = dict[str, NDArray[Any]](stimulus=stimulus, subject=subject, order=order, x=x, y=y)
    fixations |= {"start_s": start_s, "duration_s": duration_s}
    del rows, stimulus, x, y, order, start_s, duration_s, subject  # may be large
    dataset = Dataset(folder.resolve().name, stimuli, _sorted(fixations), tuple(names))
    decided += left_aside(dataset)
    return replace(dataset, notes=notes_of(decided), decisions=tuple(decided))


def _told_by_program(
    table: Table, y: str, coordinates: Coordinates | None, origin: Origin | None
) -> tuple[Coordinates | None, Origin | None, list[Decision]]:
    """Return what positions are, and of which origin, if stated or always written so."""
    tracker = tracker_of(table.names)
    if tracker and origin is None and key(y) in tracker.upward:
        coordinates = coordinates or "normalized"
        what = f"positions are {coordinates}, and {y!r} counts from the bottom"
        why = f"{tracker.title} writes it so"
        note = Decision("positions", what, why, "--origin top-left if it does not")
        return coordinates, "bottom-left", [note]
    if coordinates is not None or tracker is None or tracker.coordinates is None:
        return coordinates, origin, []
    return (
        tracker.coordinates,
        origin,
        [
            Decision(
                "positions",
                f"positions are {tracker.coordinates} of the image",
                f"{tracker.title} writes them so",
                "--coordinates pixels if they are not",
            )
        ],
    )


def _stimuli(
    folder: Path, images: Path, follows: bool
) -> tuple[Stimuli, list[Decision] | DataError]:
    """Return the images; where somebody follows the decisions, none and the error instead of it."""
    try:
        return list_stimuli(folder, images)
    except DataError as error:
        if not follows:
            raise
        return _unseen([]), error


def _unseen(names: Sequence[str]) -> Stimuli:
    """Return images of which only the names are known."""
    n = len(names)
    unknown = np.full(n, np.nan)
    return Stimuli(tuple(names), (None,) * n, np.zeros(n, np.int32), np.zeros(n, np.int32), unknown)


def images_folder(folder: Path) -> Path:
    """Return where the images of a folder with a table are."""
    below = (folder / name for name in (IMAGES_FOLDER, "stimuli"))
    return next((path for path in below if path.is_dir()), folder)


def _sorted(columns: dict[str, NDArray[Any]]) -> Fixations:
    """Sort fixations as data sets do, one column after another to save memory."""
    rows = np.lexsort((columns["order"], columns["subject"], columns["stimulus"]))
    for name in columns:
        columns[name] = columns[name][rows]
        columns[name].flags.writeable = False
    return Fixations(**columns)
