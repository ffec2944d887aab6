"""Results of long computations: kept when they are finished, written as tables in the end."""

import csv
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from deepgaze2.errors import DataError
from deepgaze2.support.files import written_atomically


def kept(path: Path, identity: dict[str, Any], compute: Callable[[], Any]) -> Any:  # noqa: ANN401
    """Return a result from its file, computed and written there if it is not there yet.

    Parameters
    ----------
    path
        A JSON file.
    identity
        What the result depends on, as JSON values by name.
    compute
        Returns JSON values.

    Raises
    ------
    DataError
        If the file is damaged, or the result is of something else.
    """
    identity = json.loads(json.dumps(identity))  # tuples become lists, as in the file
    if not path.exists():
        result = compute()
        write_json(path, {"identity": identity, "result": result})
        return result
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        found, result = stored["identity"], stored["result"]
    except (ValueError, TypeError, KeyError) as error:
        raise DataError(f"{path}: damaged; remove it to compute it anew") from error
    if others := differing(found, identity):
        raise DataError(
            f"{path}: a result with other {others}; give another folder, or remove"
            " this file to compute it anew"
        )
    return result


def differing(found: Mapping[str, Any], identity: Mapping[str, Any]) -> str:
    """Return the names of what is found otherwise than it is here, empty if nothing is."""
    return ", ".join(sorted(key for key in identity if found.get(key) != identity[key]))


def write_json(path: Path, values: Any) -> None:  # noqa: ANN401
    """Write JSON values.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    with written_atomically(path) as temporary:
        text = json.dumps(values, indent=1, ensure_ascii=False)
        temporary.write_text(text + "\n", encoding="utf-8")


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a table; None leaves a field empty.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    with (
        written_atomically(path) as temporary,
        temporary.open("w", encoding="utf-8", newline="") as stream,
    ):
        table = csv.writer(stream, lineterminator="\n")
        table.writerow(columns)
        table.writerows(rows)
