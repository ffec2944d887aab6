"""Data sets as pandas' data frames, for `Dataset.to_frame` and `Dataset.from_frame`."""

from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from deepgaze2.data.dataset import Dataset, Fixations, Stimuli
from deepgaze2.data.decisions import Decision, notes_of
from deepgaze2.data.own.rows import (
    Rows,
    in_natural_order,
    order_in_scanpaths,
    stimulus_numbers,
    unnamed_note,
)
from deepgaze2.data.own.stimulus_list import list_stimuli
from deepgaze2.data.own.tabular import OWN_COLUMNS, images_folder
from deepgaze2.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

_REQUIRED = ("image", "x_px", "y_px")
_NUMBERS = {
    "x": "x_px",
    "y": "y_px",
    "order": "order",
    "start": "start_s",
    "duration": "duration_s",
}
_MOST_SUBJECTS = 1 << 16


def to_frame(dataset: Dataset) -> "pd.DataFrame":
    """Return the fixations as `Dataset.to_frame` describes."""
    from_codes = _pandas().Categorical.from_codes
    fixations, names = dataset.fixations, dataset.subject_names
    subject = fixations.subject
    columns = (
        from_codes(fixations.stimulus, categories=dataset.stimuli.ids),
        from_codes(subject, categories=names) if names else subject,
        fixations.order,
        fixations.x,
        fixations.y,
        fixations.start_s,
        fixations.duration_s,
    )
    return cast("pd.DataFrame", _pandas().DataFrame(dict(zip(OWN_COLUMNS, columns, strict=True))))


def from_frame(frame: "pd.DataFrame", images: "Stimuli | Path | str", name: str) -> Dataset:
    """Return the data set that `Dataset.from_frame` describes."""
    names = list(frame.columns)
    if wrong := [c for c in OWN_COLUMNS if names.count(c) != 1 and (c in _REQUIRED or c in names)]:
        raise DataError(
            f"data frame: needs one column {' and one '.join(wrong)}, but has"
            f" {', '.join(map(str, names))}; rename columns"
        )
    listed = list[Decision]()
    stimuli = images
    if not isinstance(stimuli, Stimuli):
        stimuli, listed = list_stimuli(Path(stimuli), images_folder(Path(stimuli)))
    rows, assumed = _rows(frame)
    stimulus, matched = stimulus_numbers(rows, stimuli)
    order, ordered = order_in_scanpaths(rows, stimulus, from_zero=True)
    unknown = np.full(len(frame), np.nan)
    fixations = Fixations(
        stimulus=stimulus,
        subject=rows.subject,
        order=order,
        x=rows.numbers["x"],
        y=rows.numbers["y"],
        start_s=rows.numbers.get("start", unknown).astype(np.float32),
        duration_s=rows.numbers.get("duration", unknown).astype(np.float32),
    )
    decided = (*listed, *matched, *ordered, *assumed)
    notes = notes_of(replace(one, option="") for one in decided)  # there is no command line
    return Dataset(name, stimuli, fixations, tuple(rows.subject_names), notes)


def _rows(frame: "pd.DataFrame") -> tuple[Rows, list[Decision]]:
    """Return the columns of a data frame, and what was assumed about subjects."""
    image, image_names = _coded(frame["image"])
    if len(empty := np.flatnonzero(image < 0)):
        raise DataError(f"data frame, row {empty[0]}: image is missing; drop this row")
    subject, subject_names, notes = _subjects(frame)
    used, shown = np.unique(image, return_inverse=True)
    rows = Rows(
        image=shown.astype(np.int32),
        image_names=[image_names[code] for code in used],
        subject=subject,
        subject_names=subject_names,
        numbers={role: _numbers(frame, c) for role, c in _NUMBERS.items() if c in frame.columns},
        place=lambda row: f"data frame, row {row}",
    )
    return rows, notes


def _subjects(frame: "pd.DataFrame") -> tuple[NDArray[np.int32], list[str], list[Decision]]:
    """Return the subjects' numbers, their names, none if they are numbers, and what was decided."""
    pd = _pandas()
    column = frame.get("subject")
    if column is None or (len(column) and column.isna().all()):
        none = np.zeros(len(frame), np.int32)
        return none, [], unnamed_note(none, [])
    is_whole = pd.api.types.is_integer_dtype(column.dtype) and not column.isna().any()
    if is_whole and column.between(0, _MOST_SUBJECTS).all():
        return column.to_numpy(np.int32), [], []
    subject, names = _coded(column)
    if (subject < 0).any():
        names = names if "" in names else [*names, ""]
        subject[subject < 0] = names.index("")
    if not isinstance(column.dtype, pd.CategoricalDtype):
        subject, names = in_natural_order(subject, names)
    return subject, names, unnamed_note(subject, names)


def _coded(column: "pd.Series[Any]") -> tuple[NDArray[np.int32], list[str]]:
    """Return the index of each cell's text among the distinct ones, -1 if missing, and these."""
    if not isinstance(column.dtype, _pandas().CategoricalDtype):
        column = column.convert_dtypes().astype("category")  # 1.0 was a 1 until a cell was missing
    return column.cat.codes.to_numpy().astype(np.int32), [
        str(text) for text in column.cat.categories
    ]


def _numbers(frame: "pd.DataFrame", name: str) -> NDArray[np.float64]:
    try:
        return frame[name].to_numpy(np.float64, na_value=np.nan)
    except (TypeError, ValueError) as error:
        raise DataError(
            f"data frame: column {name!r} holds {frame[name].dtype}, of which some is no number;"
            " convert it with pandas.to_numeric"
        ) from error


def _pandas() -> ModuleType:
    """Import pandas, which takes half a second and not everybody has."""
    try:
        import pandas as pd
    except ImportError as error:
        raise DataError('data frames need pandas; pip install "deepgaze2[pandas]"') from error
    return pd
