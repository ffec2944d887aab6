"""Work that was interrupted goes on where it was: what is kept says what it is of.

In a cache, and among the parts of something bigger, the name says so: what is of anything else is
not met. Where users chose the place, a file beside the result says so: other work is refused there,
since the place may be a mistake.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from deepgaze2.errors import DataError
from deepgaze2.support.files import write_json
from deepgaze2.support.identity import checksum


def named(folder: Path, *identity: object, prefix: str = "", suffix: str = "") -> Path:
    """Return a path in a folder whose name tells what it depends on, as `checksum` takes it."""
    return folder / f"{prefix}{checksum(*identity)[:32]}{suffix}"


def kept(
    path: Path,
    identity: Mapping[str, Any],
    compute: Callable[[], Any],
    *,
    place: Path | None = None,
    work: str = "result",
) -> Any:  # noqa: ANN401
    """Return a result from its file, computed and written there if it is not there yet.

    Parameters
    ----------
    path : Path
        A JSON file.
    identity : mapping
        What the result depends on, as JSON values by what users call it.
    compute : callable
        Returns JSON values.
    place, work
        See `taken_up`.

    Raises
    ------
    DataError
        If the file is damaged, or of something else.
    OutputError
        If it cannot be written.
    """
    identity = json.loads(json.dumps(identity))  # tuples become lists, as in the file
    state = taken_up(path, identity, _read_json, place=place, work=work)
    if state is None:
        state = {"identity": identity, "result": compute()}
        write_json(path, state)
    return state["result"]


def taken_up(
    path: Path,
    identity: Mapping[str, Any],
    read: Callable[[Path], Any],
    *,
    place: Path | None = None,
    work: str,
) -> dict[str, Any] | None:
    """Return what was kept in a file, by name; None if nothing was.

    Parameters
    ----------
    path : Path
        Where it was kept, with its `identity`.
    identity : mapping
        What it must be of, by what users call it.
    read : callable
        Reads the file, and raises whatever it does if that is damaged.
    place : Path, optional
        What to remove to begin anew, if not the file alone.
    work : str
        What is kept, in an error.

    Raises
    ------
    DataError
        If the file is damaged, or of something else.
    """
    if not path.exists():
        return None
    try:
        state = dict(read(path))
        found = dict(state["identity"])
    except Exception as error:  # readers raise many kinds
        raise DataError(f"{path}: damaged; remove it, and the same command goes on") from error
    if others := ", ".join(sorted(key for key in identity if found.get(key) != identity[key])):
        place = place or path
        raise DataError(
            f"{place}: holds a {work} with other {others}; give another folder, repeat"
            f" the command that it is of to finish it, or remove {place} to begin anew"
        )
    return state


def _read_json(path: Path) -> Any:  # noqa: ANN401
    return json.loads(path.read_text(encoding="utf-8"))
