"""The habits of eye trackers' programs, a file for each in `assets/trackers`."""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from deepgaze2.data.own.names import key, keys
from deepgaze2.support.files import ASSETS


@dataclass(frozen=True)
class Tracker:
    """How a program writes its tables.

    Attributes
    ----------
    title : str
        What to call it.
    file : str
        The name of its file in `assets/trackers`.
    told_by : tuple of sets of str
        It wrote a table that has all columns of one of these; keys, see `names.key`.
    columns : mapping of str to tuple of str
        By meaning, the keys of its columns, the likeliest first.
    units : mapping of str to str
        The units of its times, `s`, `ms`, `us` or `ns`, by the column's key.
    clocks : tuple of str
        Keys of columns whose times are of a clock that runs through the recording.
    coordinates : "percent" or None
        What positions are of the image where their values do not tell.
    upward : tuple of str
        Keys of columns of y that count from the bottom.
    on_screen : tuple of str
        Keys of columns of x that count the screen's pixels, whatever it showed.
    valid_up_to : int or None
        The worst grade of an eye that is valid, where the program grades it from 0 for the best.
    lost : float or None
        What both x and y are where no eye was found.
    refused : str or None
        Why its tables cannot be read, and what to do.
    """

    title: str
    file: str
    told_by: tuple[frozenset[str], ...]
    columns: Mapping[str, tuple[str, ...]]
    units: Mapping[str, str]
    clocks: tuple[str, ...] = ()
    coordinates: Literal["percent"] | None = None
    upward: tuple[str, ...] = ()
    on_screen: tuple[str, ...] = ()
    valid_up_to: int | None = None
    lost: float | None = None
    refused: str | None = None


def telling(tracker: Tracker, names: Iterable[str]) -> list[str]:
    """Return the columns that tell that a program wrote a table."""
    forms = {name: set(keys(name)) for name in names}
    there = set[str]().union(*forms.values())
    told = max((columns for columns in tracker.told_by if columns <= there), key=len)
    return [name for name in forms if forms[name] & told]


def tracker_of(names: Iterable[str]) -> Tracker | None:
    """Return the program that wrote a table with these columns, None if they do not tell.

    Of several it is the one that more columns tell.
    """
    there = {form for name in names for form in keys(name)}
    best, most = None, 0
    for tracker in _trackers():
        told = max((len(columns) for columns in tracker.told_by if columns <= there), default=0)
        if told > most:
            best, most = tracker, told
    return best


@cache
def _trackers() -> tuple[Tracker, ...]:
    folder = ASSETS / "trackers"
    return tuple(_tracker(path) for path in sorted(folder.glob("*.toml")))


def _tracker(path: Path) -> Tracker:
    written = tomllib.loads(path.read_text("utf-8")) | {"file": path.name}
    columns = {role: tuple(map(key, names)) for role, names in written.pop("columns").items()}
    units = {key(name): unit for name, unit in written.pop("units").items()}
    told_by = tuple(frozenset(map(key, names)) for names in written.pop("told_by"))
    clocks = tuple(map(key, written.pop("clocks", ())))
    upward = tuple(map(key, written.pop("upward", ())))
    on_screen = tuple(map(key, written.pop("on_screen", ())))
    return Tracker(
        told_by=told_by,
        columns=columns,
        units=units,
        clocks=clocks,
        upward=upward,
        on_screen=on_screen,
        **written,
    )
