"""The project's own format, and any table like it: images and a table of their fixations.

A folder holds the images, in it or in `images` or `stimuli` below, `fixations.csv` or
`fixations.parquet`, and perhaps `stimuli.csv`. Tables whose columns are called as in
`OWN_COLUMNS` mean what the project means by them; of others it is guessed, and said.
"""

from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from deepgaze2.data.dataset import Dataset, Fixations
from deepgaze2.data.own.columns import (
    UNITS_S,
    candidates,
    choose_columns,
    missing_columns,
    time_unit_s,
)
from deepgaze2.data.own.conventions import Coordinates, TimeUnit
from deepgaze2.data.own.events import only_fixations
from deepgaze2.data.own.eyes import (
    EYE_NUMBER_ROLES,
    EYES,
    Eye,
    has_eyes,
    settle_eyes,
    without_names,
)
from deepgaze2.data.own.gaze import one_gaze
from deepgaze2.data.own.geometry import RECTANGLE_ROLES, Geometry, Origin, Screen, Shown
from deepgaze2.data.own.merging import merge_fixations, refuse_samples
from deepgaze2.data.own.names import key
from deepgaze2.data.own.on_images import only_on_images
from deepgaze2.data.own.placing import place_in_images
from deepgaze2.data.own.psychopy_units import told_by_units
from deepgaze2.data.own.reading import (
    TEXT_ROLES,
    empty_columns,
    read_rows,
    without_fixations,
)
from deepgaze2.data.own.rows import (
    Rows,
    in_natural_order,
    order_in_scanpaths,
    stimulus_numbers,
    unnamed_note,
)
from deepgaze2.data.own.stimulus_list import list_stimuli
from deepgaze2.data.own.table_files import EXPORT, Table, open_tables
from deepgaze2.data.own.times import in_seconds
from deepgaze2.data.own.trackers import tracker_of
from deepgaze2.data.own.viewings import by_viewing
from deepgaze2.errors import DataError
from deepgaze2.image.stimulus import printable

OWN_COLUMNS = ("image", "subject", "order", "x_px", "y_px", "start_s", "duration_s")
IMAGES_FOLDER = "images"

_NUMBER_ROLES = ("x", "y", "order", "start", "duration")
_ROLES = (*TEXT_ROLES, *_NUMBER_ROLES, "confidence", *EYE_NUMBER_ROLES, *RECTANGLE_ROLES)
_OWN_ROLES = ("image", "subject", *_NUMBER_ROLES, "trial")
_REQUIRED = ("image", "x", "y")


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
) -> Dataset:
    """Read images and a table of fixations.

    The table needs columns of image, x and y; subject, order, start, duration, trial, and kind,
    valid and eye, which tell the rows of fixations from others, may be there. Rows with one
    fixation's number are made one. What is not stated is guessed; `notes` of the result says how,
    and what was left out.

    Parameters
    ----------
    source : str or Path
        A folder with images and `fixations.csv`, one other table, or tables with the same
        columns, such as one for each participant; or a table beside its images. Text tables may
        have commas, semicolons or tabs and be compressed by gzip, Parquet needs PyArrow.
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

    Raises
    ------
    DataError
        If something is missing, damaged or has two meanings; it names the line where it can.
    """
    table, folder, found = open_tables(Path(source))
    is_own = set(OWN_COLUMNS) <= set(table.names)
    chosen, guessed = _chosen_columns(table, columns or {}, is_own, image, eye)
    if is_own:
        found, guessed, time = [], [], time or "s"
        coordinates, base = coordinates or "pixels", base or 0
    coordinates, origin, told = _told_by_program(table, chosen["y"], coordinates, origin)
    geometry = Geometry(coordinates, base, origin, screen, shown, pixels_per_degree)
    stimuli, listed = list_stimuli(folder, images or images_folder(folder))
    rows, left = _fixation_rows(table, chosen, columns or {}, time, image, eye, is_own)
    geometry, units = told_by_units(rows, geometry, chosen)
    told += units
    rows, strange = only_on_images(rows, stimuli)
    stimulus, matched = stimulus_numbers(rows, stimuli)
    rows, again = by_viewing(
        rows, stimulus, chosen.get("trial"), guess=not is_own and "trial" not in (columns or {})
    )
    placed = place_in_images(rows, stimuli, stimulus, chosen, geometry, printable(table.path))
    x, y = rows.numbers["x"], rows.numbers["y"]
    order, ordered = order_in_scanpaths(rows, stimulus, from_zero=is_own)
    start_s, duration_s, timed = in_seconds(rows, table, chosen, order, time, is_own)
    subject, names = in_natural_order(rows.subject, rows.subject_names)
    unnamed = unnamed_note(subject, names)
    fixations = dict[str, NDArray[Any]](stimulus=stimulus, subject=subject, order=order, x=x, y=y)
    fixations |= {"start_s": start_s, "duration_s": duration_s}
    del rows, stimulus, x, y, order, start_s, duration_s, subject  # may be large
    dataset = Dataset(folder.resolve().name, stimuli, _sorted(fixations), tuple(names))
    notes = (placed, told, found, left, strange, again, guessed, table.notes, listed, matched)
    said = [note for part in (*notes, ordered, unnamed, timed) for note in part]
    return replace(dataset, notes=tuple(said + _left_aside(dataset)))


def _chosen_columns(
    table: Table, stated: Mapping[str, str], is_own: bool, image: str | None, eye: Eye | None
) -> tuple[dict[str, str], list[str]]:
    names, place = table.names, printable(table.path)
    roles: tuple[str, ...] = _OWN_ROLES if is_own else _ROLES
    tracker = None if is_own else tracker_of(names)
    if tracker and tracker.refused:
        raise DataError(f"{place}: looks like an export of {tracker.title}: {tracker.refused}")
    if image is not None:
        stated = {"image": "none", **stated}
    likely, _ = choose_columns(names, roles, stated, place)
    by_file = EXPORT in names and "subject" not in {**likely, **stated}
    if by_file:
        stated = {"subject": EXPORT, **stated}
    empty = empty_columns(table, [name for name in names if name in likely.values()])
    if len(kinds := candidates(names, "kind")) > 1 and not is_own:
        empty |= without_fixations(table, kinds)
    chosen, _ = choose_columns(names, roles, stated, place, empty)
    chosen = settle_eyes(chosen, stated, empty, eye)
    needed = [role for role in _REQUIRED if role != "image" or image is None]
    if missing := [role for role in needed if role not in chosen]:
        if eye in EYES and any(f"{other}_x" in likely for other in EYES):
            raise DataError(
                f"{place}: no columns of the {eye} eye; state them, --column {eye}_x=NAME and"
                f" {eye}_y=NAME, or leave out --eye"
            )
        raise missing_columns(names, missing, place)
    if not _are_rectangles_used(chosen, stated, empty, place):
        chosen = {role: name for role, name in chosen.items() if role not in RECTANGLE_ROLES}
    read = without_names(chosen)
    stated = {role: name for role, name in stated.items() if role in read}
    _, notes = choose_columns(names, tuple(read), stated, place, empty)
    written = [f"Looks like an export of {tracker.title}."] if tracker else []
    files = ["No column tells subjects apart: each file is one subject's."] if by_file else []
    return chosen, written + notes + files


def _are_rectangles_used(
    chosen: Mapping[str, str], stated: Mapping[str, str], empty: Collection[str], place: str
) -> bool:
    """Tell whether columns say where images were shown, and positions are not on these already."""
    known = {role for role in RECTANGLE_ROLES if chosen.get(role, "") not in {"", *empty}}
    partly = len(known) < len(RECTANGLE_ROLES)
    said = [role for role in RECTANGLE_ROLES if role in stated]
    if partly and said:
        raise DataError(
            f"{place}: {said[0]!r} needs all of {', '.join(RECTANGLE_ROLES)}; state them"
        )
    x = key(chosen["x"])
    of_image = "mcs" in x or "mapped" in x  # Tobii's coordinates of media and snapshots
    return not partly and (bool(said) or not of_image)


def _fixation_rows(
    table: Table,
    chosen: Mapping[str, str],
    stated: Mapping[str, str],
    time: TimeUnit | None,
    image: str | None,
    eye: Eye | None,
    is_own: bool,
) -> tuple[Rows, list[str]]:
    """Read the rows and make them one for each fixation; of the own format they are."""
    rows = read_rows(table, without_names(chosen), image)
    if is_own:
        if eye:
            raise DataError(f"{printable(table.path)}: tells of no eyes; leave out --eye")
        return rows, []
    rows, seen = one_gaze(rows, chosen, eye, tracker_of(table.names))
    start = chosen.get("start")
    unit_s = UNITS_S[time] if time else start and time_unit_s(start, table.names)
    of_rows = None if has_eyes(chosen) else eye
    rows, left = only_fixations(rows, chosen, stated, of_rows)
    rows, merged = merge_fixations(rows, unit_s or None, chosen.get("order"))
    refuse_samples(rows, unit_s or None)
    return rows, seen + left + merged


def _told_by_program(
    table: Table, y: str, coordinates: Coordinates | None, origin: Origin | None
) -> tuple[Coordinates | None, Origin | None, list[str]]:
    """Return what positions are, and of which origin, if stated or always written so."""
    tracker = tracker_of(table.names)
    if tracker and origin is None and key(y) in tracker.upward:
        note = (
            f"{y!r} counts from the bottom, as {tracker.title} writes it (else --origin top-left)."
        )
        return coordinates or "normalized", "bottom-left", [note]
    if coordinates is not None or tracker is None or tracker.coordinates is None:
        return coordinates, origin, []
    note = (
        f"Positions are {tracker.coordinates} of the image, as {tracker.title} writes them (state"
        " coordinates='pixels' if they are not)."
    )
    return tracker.coordinates, origin, [note]


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
