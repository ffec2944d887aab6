"""Which columns tell positions: one that a program combined, or those of the left and right eye."""

from collections.abc import Collection, Mapping
from typing import Literal

Eye = Literal["left", "right", "mean"]

EYES = ("left", "right")
AXES = (("x", "y"), ("left_x", "left_y"), ("right_x", "right_y"))
EYE_NUMBER_ROLES = tuple(f"{eye}_{role}" for eye in EYES for role in ("x", "y", "order"))
EYE_TEXT_ROLES = tuple(f"{eye}_{role}" for eye in EYES for role in ("kind", "valid"))
_SETTLED = ("x", "y", "order", "kind")


def settle_eyes(
    chosen: Mapping[str, str], stated: Mapping[str, str], empty: Collection[str], eye: Eye | None
) -> dict[str, str]:
    """Leave out the columns that do not count for the position that is asked for.

    Positions that a program combined count where there are some, unless an eye or the mean is
    stated, or fixations are numbered for each eye alone.

    Parameters
    ----------
    chosen, stated : mapping of str to str
        The column for each role, and what the user stated.
    empty : collection of str
        Columns that hold nothing.
    eye : {"left", "right", "mean"}, optional
        As stated.

    Returns
    -------
    dict of str to str
        The columns that count. If eyes have x, y, order or kind of their own, one of these columns
        also has the role without an eye, to be named in messages; see `without_names`.
    """
    used = _eyes_used(chosen, stated, empty, eye)
    settled = {role: name for role, name in chosen.items() if not used or role != "eye"}
    for role in (*_SETTLED, "valid"):
        own = [one for one in used or EYES if f"{one}_{role}" in chosen]
        if role in ("x", "y"):
            own = used
        elif role in stated:
            own = [one for one in own if f"{one}_{role}" in stated]
        elif role in chosen and (not used or (role != "valid" and len(used) == 2)):
            own = []  # the program's word on both
        for one in EYES:
            if one not in own:
                settled.pop(f"{one}_{role}", None)
        if own and role != "valid":
            settled[role] = chosen[f"{own[-1]}_{role}"]
    return settled


def without_names(settled: Mapping[str, str]) -> dict[str, str]:
    """Return the columns to read: no role of which the eyes have columns of their own."""
    return {
        role: name
        for role, name in settled.items()
        if role not in _SETTLED or not any(f"{one}_{role}" in settled for one in EYES)
    }


def has_eyes(settled: Mapping[str, str]) -> bool:
    """Tell whether positions are those of eyes that have columns of their own."""
    return any(f"{one}_x" in settled for one in EYES)


def _eyes_used(
    chosen: Mapping[str, str], stated: Mapping[str, str], empty: Collection[str], eye: Eye | None
) -> list[str]:
    """Return the eyes whose positions count; none if those of both together do."""
    there = [one for one in EYES if {f"{one}_x", f"{one}_y"} <= chosen.keys()]
    if {"x", "y"} & stated.keys() and not any(f"{one}_x" in stated for one in EYES):
        return []
    if eye in EYES:
        return [one for one in there if one == eye]
    combined = {"x", "y"} <= chosen.keys() and not {chosen["x"], chosen["y"]} & set(empty)
    by_eye = "order" not in chosen and all(f"{one}_order" in chosen for one in EYES)
    return there if eye or not combined or (by_eye and len(there) == 2) else []
