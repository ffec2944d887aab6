"""Which of a table's columns are read, by names, what the cells hold and what is stated."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from deepgaze2.data.decisions import Decision
from deepgaze2.data.own.columns import NO_COLUMN, candidates, choose_columns, missing_columns
from deepgaze2.data.own.eyes import EYE_NUMBER_ROLES, EYES, Eye, settle_eyes, without_names
from deepgaze2.data.own.findings import no_columns, said_of_files
from deepgaze2.data.own.geometry import RECTANGLE_ROLES
from deepgaze2.data.own.names import key
from deepgaze2.data.own.reading import TEXT_ROLES, empty_columns, time_of_day, without_fixations
from deepgaze2.data.own.table_files import EXPORT, OF_FILE, Table
from deepgaze2.data.own.trackers import telling, tracker_of
from deepgaze2.errors import DataError
from deepgaze2.image.stimulus import printable

_NUMBER_ROLES = ("x", "y", "order", "start", "duration")
ROLES = (*TEXT_ROLES, *_NUMBER_ROLES, "confidence", *EYE_NUMBER_ROLES, *RECTANGLE_ROLES)
_OWN_ROLES = ("image", "subject", *_NUMBER_ROLES, "trial")
_REQUIRED = ("image", "x", "y")


def chosen_columns(
    table: Table,
    stated: Mapping[str, str],
    is_own: bool,
    image: str | None,
    eye: Eye | None,
    decided: list[Decision],
) -> dict[str, str]:
    """Return the column for each role, stated or guessed, and add to what is decided.

    Parameters
    ----------
    table : Table
        Its first rows are looked at where names alone do not tell.
    stated : mapping of str to str
        What the user says, see `choose_columns`.
    is_own : bool
        Whether the table is in the project's own format, so that nothing is guessed.
    image : str, optional
        The one image that was shown, as stated.
    eye : {"left", "right", "mean"}, optional
        As stated.
    decided : list of Decision
        What is decided is added to it.

    Raises
    ------
    DataError
        If a column is missing or could be several, or the program's tables cannot be read.
    """
    names, place = table.names, printable(table.path)
    roles: tuple[str, ...] = _OWN_ROLES if is_own else ROLES
    tracker = None if is_own else tracker_of(names)
    if tracker:
        there = ", ".join(map(repr, telling(tracker, names)))
        why = f"it has {there}; what it means by them is in trackers/{tracker.file}"
        decided.append(Decision("file", f"looks like an export of {tracker.title}", why))
        if tracker.refused:
            raise DataError(f"{place}: looks like an export of {tracker.title}: {tracker.refused}")
    if image is not None:
        stated = {"image": "none", **stated}
    likely, _ = choose_columns(names, roles, stated, place)
    empty = empty_columns(table, [name for name in names if name in likely.values()])
    known = {role for role, name in likely.items() if name not in empty} | stated.keys()
    of_files = _told_of_files(names, known)
    stated = {**of_files, **stated}
    if not is_own and "start" in likely.keys() - stated.keys():
        stated = {**stated, **_without_time_of_day(table, likely["start"], decided)}
    if len(kinds := candidates(names, "kind")) > 1 and not is_own:
        empty |= without_fixations(table, kinds)
    chosen, notes = choose_columns(names, roles, stated, place, empty)
    chosen = settle_eyes(chosen, stated, empty, eye)
    needed = [role for role in _REQUIRED if role != "image" or image is None]
    if missing := [role for role in needed if role not in chosen]:
        decided += [*notes, no_columns(roles, chosen)]
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
    named = [note for note in notes if not any(repr(c) in note.what for c in of_files.values())]
    decided += [replace(note, guessed=False) for note in named] if is_own else named
    decided += [no_columns(roles, chosen), *said_of_files(of_files, table)]
    return chosen


def _without_time_of_day(table: Table, start: str, decided: list[Decision]) -> dict[str, str]:
    """State that no column tells starts if the likely one has times of day, no numbers."""
    if (cell := time_of_day(table, start)) is None:
        return {}
    what, why = f"{start!r} is not read", f"it has times of day, such as {cell!r}"
    decided.append(Decision("time", what, why, "--column start=NAME"))
    return {"start": NO_COLUMN}


def _told_of_files(names: Sequence[str], known: Collection[str]) -> dict[str, str]:
    """Return the columns of whole files for what no column of theirs tells."""
    found = {role: name for role, name in OF_FILE.items() if name in names and role not in known}
    if EXPORT in names and "subject" not in {*known, *found}:
        found["subject"] = EXPORT
    return found


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
