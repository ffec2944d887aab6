"""A table's positions as pixels of their images: stated, guessed, and looked at for sense."""

import shlex
from collections.abc import Mapping
from dataclasses import replace
from math import log

import numpy as np

from deepgaze2.data.dataset import Stimuli
from deepgaze2.data.decisions import DOUBTS, STATED, Decision
from deepgaze2.data.own.conventions import assumed_unit
from deepgaze2.data.own.geometry import (
    RECTANGLE_ROLES,
    Geometry,
    Numbers,
    Sizes,
    frame_of,
    maps_to_images,
)
from deepgaze2.data.own.names import key
from deepgaze2.data.own.plausibility import Likelier, can_compare, likelier
from deepgaze2.data.own.rows import Rows
from deepgaze2.data.own.trackers import Tracker
from deepgaze2.errors import DataError

_OF_DISPLAY = ("dacspx", "adcspx")
_OF_DISPLAY_UNMARKED = ("gazepointleftx", "gazepointrightx", "gazepointxleft", "gazepointxright")
_OF_GAZEPOINT = ("fpogx", "bpogx", "lpogx", "rpogx")
_MANY_BESIDE = 20
_SHARE_BESIDE = 0.05


def place_in_images(
    rows: Rows,
    stimuli: Stimuli,
    stimulus: Sizes,
    columns: Mapping[str, str],
    geometry: Geometry,
    place: str,
    tracker: Tracker | None,
    decided: list[Decision],
) -> None:
    """Change x and y of a table's rows in place to pixels of their images.

    Parameters
    ----------
    rows : Rows
        Its numbers may have the roles of `RECTANGLE_ROLES`.
    stimuli : Stimuli
        Its `pixels_per_degree` hold for degrees of the image if none are stated.
    stimulus : int32 array (n,)
        The index of each row's image.
    columns : mapping of str to str
        The table's column for each role.
    geometry : Geometry
        As the user states it.
    place : str
        The table's name, for messages.
    tracker : Tracker, optional
        The program that wrote the table.
    decided : list of Decision
        What is decided is added to it.

    Raises
    ------
    DataError
        If what is stated contradicts itself or leaves something open, or positions are far
        likelier under another map.
    """
    x, y = rows.numbers["x"], rows.numbers["y"]
    geometry, told = told_by_names(geometry, columns)
    decided += told
    rectangles = _recorded_rectangles(rows)
    geometry.checked(place, recorded=rectangles is not None)
    if rectangles is None:
        _refuse_unplaced(geometry, columns, place, tracker)
    per_degree = _pixels_per_degree(geometry, stimuli, place)
    geometry, assumed = with_unit(rows, stimuli, stimulus, geometry, rectangles is not None)
    decided += assumed
    width, height = stimuli.width, stimuli.height
    if rectangles is not None:  # each row may have its own
        width, height, per_degree = width[stimulus], height[stimulus], per_degree[stimulus]
    whole = geometry.coordinates == "pixels" and _are_whole(y)
    maps = maps_to_images(width, height, geometry, rectangles, per_degree, whole=whole)
    maps = maps if rectangles is not None else maps.of(stimulus)
    sizes = stimuli.width[stimulus], stimuli.height[stimulus]
    found = likelier(x, y, stimulus, sizes, maps, geometry)
    maps.apply(x, y)
    looks, state = _doubts(x, y, sizes, found, columns)
    if looks and geometry.screen is None and geometry.shown is None and rectangles is None:
        raise DataError(
            f"{place}: {looks}; state {state}, or --screen none if they are surely the image's own"
        )
    if looks:
        decided.append(Decision(DOUBTS, "look again at what was stated", looks))
    decided.append(_framed(geometry, rectangles is not None, can_compare(x, y, stimulus)))


def _recorded_rectangles(rows: Rows) -> tuple[Numbers, Numbers, Numbers, Numbers] | None:
    """Return where images were, NaN where that is unknown; None if it is nowhere known."""
    given = [rows.numbers[role] for role in RECTANGLE_ROLES if role in rows.numbers]
    if len(given) < len(RECTANGLE_ROLES):
        return None
    left, top, wide, high = given
    known = np.isfinite(left) & np.isfinite(top) & (wide > 0) & (high > 0)
    if not known.any():
        return None
    return left, top, np.where(known, wide, np.nan), np.where(known, high, np.nan)


def _doubts(
    x: Numbers,
    y: Numbers,
    sizes: tuple[Sizes, Sizes],
    found: Likelier | None,
    columns: Mapping[str, str],
) -> tuple[str, str]:
    """Return why positions are surely not the image's, and what to state; nothing if they may."""
    if found is not None:
        first, *others = found.readings
        looks = (
            f"positions look as if recorded {' or '.join(r.as_if for r in found.readings)}"
            f" (likelier by {found.gain / log(2):.1f} bits per fixation)"
        )
        names = {role: shlex.quote(columns[role]) for role in ("x", "y")}
        stated = first.stated.format(**names)
        return looks, f"what is true, such as {stated}" if others else stated
    known = np.isfinite(x) & np.isfinite(y)
    beside = known & ~((x >= 0) & (x <= sizes[0]) & (y >= 0) & (y <= sizes[1]))
    n = int(np.count_nonzero(beside))
    share = n / max(int(np.count_nonzero(known)), 1)
    if n < _MANY_BESIDE or share <= _SHARE_BESIDE:
        return "", ""
    how = "how they were recorded, --screen, --shown, --coordinates and --origin"
    return f"{share:.0%} of positions lie beside their images", how


def _pixels_per_degree(geometry: Geometry, stimuli: Stimuli, place: str) -> Numbers:
    """Return what is stated, or else known of the stimuli, NaN where it is not needed."""
    if geometry.pixels_per_degree is not None:
        return np.full(len(stimuli), geometry.pixels_per_degree)
    known = stimuli.pixels_per_degree
    of_images = geometry.screen is None and geometry.shown is None
    if geometry.coordinates == "degrees" and not (of_images and np.isfinite(known).all()):
        raise DataError(f"{place}: how large is a degree? State --pixels-per-degree")
    return known


def with_unit(
    rows: Rows, stimuli: Stimuli, stimulus: Sizes, geometry: Geometry, recorded: bool
) -> tuple[Geometry, list[Decision]]:
    """Return the geometry with its unit and base, and what was assumed."""
    unscreened = geometry.screen is None and (recorded or geometry.shown is not None)
    if unscreened:  # only pixels make sense
        coordinates = geometry.coordinates or "pixels"
        what, why = f"positions are {coordinates} of the screen", "so are the images' rectangles"
        known = replace(geometry, coordinates=coordinates, base=geometry.base or 0)
        return known, [Decision("positions", what, why, "--coordinates", guessed=False)]
    width, height = frame_of(stimuli.width[stimulus], stimuli.height[stimulus], geometry)
    coordinates, base, notes = assumed_unit(
        rows.numbers["x"],
        rows.numbers["y"],
        width,
        height,
        coordinates=geometry.coordinates,
        base=geometry.base,
        centered=(geometry.origin or "").startswith("center"),
        counted_on="screen" if isinstance(geometry.screen, tuple) else "image",
    )
    return replace(geometry, coordinates=coordinates, base=base), notes


def told_by_names(
    geometry: Geometry, columns: Mapping[str, str]
) -> tuple[Geometry, list[Decision]]:
    """Return the geometry with what the columns' names tell and is not stated, and a sentence.

    Pupil Labs' `norm_pos_y` is a fraction of the height that counts from the bottom; Gazepoint's
    `FPOGX` one of the screen's width.
    """
    x, y = columns["x"], columns["y"]
    coordinates = geometry.coordinates or "normalized"
    if geometry.origin is None and key(y) == "normposy":
        note = Decision(
            "positions",
            f"positions are {coordinates}, and {y!r} counts from the bottom",
            "Pupil Labs writes it so",
            "--origin top-left if it does not",
        )
        return replace(geometry, origin="bottom-left", coordinates=coordinates), [note]
    if geometry.screen is None and geometry.shown is None and key(x) in _OF_GAZEPOINT:
        note = Decision(
            "positions",
            f"positions are {coordinates}, and images are taken to have filled the screen",
            f"{x!r} is a fraction of the screen's width",
            "--screen and --shown if they did not",
        )
        return replace(geometry, coordinates=coordinates), [note]
    return geometry, []


def _framed(geometry: Geometry, recorded: bool, compared: bool) -> Decision:
    """Say what positions count on, and from where."""
    origin = (geometry.origin or "top-left").replace("-", " ")
    if recorded:
        what, why = "images lay where each row says", "columns have it"
    elif geometry.shown is not None:
        shown = geometry.shown
        how = shown if isinstance(shown, str) else f"at {','.join(f'{s:g}' for s in shown)}"
        what, why = f"images were shown {how} on the screen", STATED
    else:
        what = "positions count on the image"
        open_ = (
            "no other reading is likelier" if compared else "there are too few to compare others"
        )
        why = STATED if geometry.screen else f"no screen is stated, and {open_}"
    what = (
        f"{what}, from its {origin}" if "center" not in origin else f"{what}, y from the {origin}"
    )
    return Decision("positions", what, why, "--screen, --shown, --origin", guessed=False)


def _refuse_unplaced(
    geometry: Geometry, columns: Mapping[str, str], place: str, tracker: Tracker | None
) -> None:
    """Refuse pixels that are the display's by their name if nothing says where images were."""
    x = columns["x"]
    is_open = geometry.screen is None and geometry.shown is None
    if is_open and geometry.coordinates in (None, "pixels") and _is_of_display(x, tracker):
        raise DataError(
            f"{place}: {x!r} counts the screen's pixels; state --screen WIDTHxHEIGHT and --shown"
            " centered, fit, stretched or X,Y,WIDTH,HEIGHT, or --screen none if images filled the"
            " screen pixel by pixel"
        )


def _is_of_display(x: str, tracker: Tracker | None) -> bool:
    of_program = tracker is not None and key(x) in tracker.on_screen
    return key(x).endswith(_OF_DISPLAY) or key(x) in _OF_DISPLAY_UNMARKED or of_program


def _are_whole(numbers: Numbers) -> bool:
    return bool((numbers == np.floor(numbers))[np.isfinite(numbers)].all())
