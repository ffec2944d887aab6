"""PsychoPy's units of positions, which count upward from the screen's center."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from deepgaze2.data.decisions import Decision
from deepgaze2.data.own.conventions import Coordinates
from deepgaze2.data.own.geometry import RECTANGLE_ROLES, Geometry
from deepgaze2.data.own.rows import Rows
from deepgaze2.errors import DataError

_COORDINATES: dict[str, Coordinates] = {
    "height": "height",
    "norm": "norm",
    "pix": "pixels",
    "deg": "degrees",
}
_UNREADABLE = {"cm", "degFlat", "degFlatPos"}  # of the monitor's size and distance


def told_by_units(
    rows: Rows, geometry: Geometry, columns: Mapping[str, str]
) -> tuple[Geometry, list[Decision]]:
    """Return the geometry with what a column of units says and is not stated, and why.

    Parameters
    ----------
    rows : Rows
        Their texts may have `units`; words that are not PsychoPy's are of something else.
    geometry : Geometry
        As stated.
    columns : mapping of str to str
        The table's column for each role.

    Raises
    ------
    DataError
        If there are several units or one that cannot be read, or the screen is not stated.
    """
    notes = list[Decision]()
    recorded = {*RECTANGLE_ROLES} <= rows.numbers.keys()
    if geometry.coordinates is None and (unit := _unit(rows, columns)) is not None:
        if geometry.screen is None and geometry.shown is None and not recorded:
            own = ", or --screen none if they count from the image's center in its own"
            raise DataError(
                f"{rows.place(0)}: by {columns['units']!r} positions count on the screen in"
                f" {unit!r}; state --screen WIDTHxHEIGHT and --shown"
                + {"pix": f"{own} pixels", "deg": f"{own} degrees"}.get(unit, "")
            )
        notes = [
            Decision(
                "positions",
                f"positions are in PsychoPy's {unit!r}, counted upward from the center",
                f"{columns['units']!r} says so",
                "--column units=none ignores it",
            )
        ]
        origin = geometry.origin or "center-up"
        geometry = replace(geometry, coordinates=_COORDINATES[unit], origin=origin)
    if geometry.coordinates in ("height", "norm") and geometry.origin is None:
        geometry = replace(geometry, origin="center-up")
    return geometry, notes


def _unit(rows: Rows, columns: Mapping[str, str]) -> str | None:
    if "units" not in rows.texts:
        return None
    codes, names = rows.texts["units"]
    said: list[str] = sorted({names[code] for code in np.unique(codes)} - {""})
    if not {*said} & {*_COORDINATES, *_UNREADABLE}:
        return None
    if len(said) > 1 or said[0] not in _COORDINATES:
        raise DataError(
            f"{rows.place(0)}: column {columns['units']!r} has {', '.join(map(repr, said))}, but"
            f" only one of {', '.join(_COORDINATES)} can be read; convert positions to it, or"
            " --column units=none"
        )
    return said[0]
