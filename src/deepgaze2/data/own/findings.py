"""What steps of reading found where there was nothing to guess."""

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np

from deepgaze2.data.dataset import Dataset
from deepgaze2.data.decisions import STATED, Decision
from deepgaze2.data.own.conventions import Coordinates
from deepgaze2.data.own.rows import Rows
from deepgaze2.data.own.table_files import EXPORT, JoinedTables, Table


def single_rows(n: int, n_read: int, chosen: Mapping[str, str]) -> Decision:
    """Say that rows are fixations as they are."""
    left = "each of the others" if n < n_read else f"each of {n} rows"
    told = [repr(chosen[role]) for role in ("kind", "valid", "eye") if role in chosen]
    by = (
        f"{' and '.join(told)} say{'s' * (len(told) == 1)} so"
        if told
        else "no column tells of other events"
    )
    why = f"{by}; they do not look like samples of the gaze"
    return Decision("rows", f"{left} is one fixation", why, "--column kind=NAME", guessed=False)


def names_found(rows: Rows, image: str | None) -> Decision:
    """Say what of the images the table names."""
    if image is not None:
        return Decision("images", f"all rows are on {image}", STATED, "--image NAME", guessed=False)
    what = f"the table names {len(rows.image_names)} of them"
    why = "names are compared without folders, suffix and case where need be"
    return Decision("images", what, why, "--column image=NAME", guessed=False)


def no_columns(roles: Sequence[str], chosen: Mapping[str, str]) -> Decision:
    """Say which roles no column has, but for those that few tables have."""
    usual = [role for role in roles if "_" not in role and role not in ("units", "confidence")]
    without = ", ".join(role for role in usual if role not in chosen) or "nothing else"
    what, why = f"no column for {without}", "none has a usual name for them"
    return Decision("columns", what, why, "--column ROLE=NAME", guessed=False)


def said_of_units(
    coordinates: Coordinates | None, base: Literal[0, 1] | None, is_own: bool
) -> list[Decision]:
    """Say what positions are where that is stated, or known of the project's own format."""
    decided = []
    own = "the columns are those of deepgaze2's own format"
    if coordinates is not None or is_own:
        what, why = f"positions are {coordinates or 'pixels'}", STATED if coordinates else own
        decided.append(Decision("positions", what, why, "--coordinates KIND", guessed=False))
    if base is not None or is_own:
        what, why = f"the first pixel is called {base or 0}", STATED if base is not None else own
        decided.append(Decision("positions", what, why, "--base 0 or 1", guessed=False))
    return decided


def said_of_files(of_files: Mapping[str, str], table: Table) -> list[Decision]:
    """Say what is told of whole files, by their lines before the names of columns or their names.

    Parameters
    ----------
    of_files : mapping of str to str
        The column for `subject` and `image`: `EXPORT`, or one of `OF_FILE`.
    table : Table
        It has them.
    """
    if not isinstance(table, JoinedTables):
        return []
    decided = []
    for role, name in of_files.items():
        step = "images" if role == "image" else "viewings"
        option = "--image NAME" if role == "image" else "--column subject=NAME or none"
        if name == EXPORT:
            what, why = "each file is one subject's", "no column tells subjects apart"
        else:
            several = len(table.of_file) > 1
            what = f"each file has its {role}" if several else f"the {role} is named"
            if role == "image":  # models keep this and are passed on: no subject's name
                example = repr(table.of_file[0][name])
                what = f"{what}, such as {example}" if several else f"the image is {example}"
            why = "lines before the columns' names say so, and no column does"
        decided.append(Decision(step, what, why, option))
    return decided


def left_aside(dataset: Dataset) -> list[Decision]:
    """Say what was read in the end, and what of it has no use."""
    n, fixations = len(dataset.stimuli), len(dataset.fixations)
    subjects = len(np.unique(dataset.person))
    numbers = {"image": n, "subject": subjects, "fixation": fixations}
    read = ", ".join(f"{count} {what}{'s' * (count != 1)}" for what, count in numbers.items())
    decided = [Decision("table", read, guessed=False)]
    if bare := int(np.count_nonzero(np.diff(dataset.offsets) == 0)):
        decided.append(Decision("table", f"{bare} of {n} images have no fixation"))
    if outside := int(np.count_nonzero(~dataset.inside())):
        what = f"{outside} of {fixations} fixations lie outside their image or have no position"
        decided.append(Decision("table", what))
    return decided
