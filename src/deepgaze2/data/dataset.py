"""A data set: a table of stimuli and a table of fixations, in columns that cannot change.

Coordinates are pixels of the stimulus, x to the right and y down; (0, 0) is the outer
corner of the top left pixel, so a fixation belongs to pixel (floor x, floor y).
"""

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from deepgaze2.data.decisions import Decision
from deepgaze2.errors import DataError

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class Stimuli:
    """The images of a data set, one entry each; their pixels stay on disk.

    Attributes
    ----------
    ids : tuple of str
        Names within the data set.
    paths : tuple of Path or None
        The image files; None where the image is not at hand.
    width, height : int32 array (n,)
        Size in pixels.
    pixels_per_degree : float64 array (n,)
        Pixels per degree of visual angle, NaN if unknown.
    """

    ids: tuple[str, ...]
    paths: tuple[Path | None, ...]
    width: NDArray[np.int32]
    height: NDArray[np.int32]
    pixels_per_degree: NDArray[np.float64]

    def __post_init__(self) -> None:
        _freeze(self, width=np.int32, height=np.int32, pixels_per_degree=np.float64)

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: NDArray[np.integer]) -> "Stimuli":
        """Return the stimuli at these indices, in their order."""
        return Stimuli(
            ids=tuple(self.ids[i] for i in index),
            paths=tuple(self.paths[i] for i in index),
            width=self.width[index],
            height=self.height[index],
            pixels_per_degree=self.pixels_per_degree[index],
        )

    def path(self, index: int) -> Path:
        """Return a stimulus' image file; a DataError if it is not at hand."""
        path = self.paths[index]
        if path is None:
            raise DataError(f"{self.ids[index]}: the image is not at hand; give the images' folder")
        return path


@dataclass(frozen=True, eq=False)
class Fixations:
    """Fixations as columns of equal length, one row each.

    Attributes
    ----------
    stimulus : int32 array (n,)
        Index into the data set's stimuli.
    subject : int32 array (n,)
        Number of the observer.
    order : int32 array (n,)
        Position in the scanpath: 0 is the first fixation on the stimulus.
    x, y : float64 array (n,)
        Pixels of the stimulus.
    start_s, duration_s : float32 array (n,)
        Seconds since the stimulus appeared, and seconds; NaN if unknown.
    """

    stimulus: NDArray[np.int32]
    subject: NDArray[np.int32]
    order: NDArray[np.int32]
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    start_s: NDArray[np.float32]
    duration_s: NDArray[np.float32]

    def __post_init__(self) -> None:
        # x and y in double precision: rounding to single could move a fixation over a pixel edge
        _freeze(
            self,
            stimulus=np.int32,
            subject=np.int32,
            order=np.int32,
            x=np.float64,
            y=np.float64,
            start_s=np.float32,
            duration_s=np.float32,
        )

    def __len__(self) -> int:
        return len(self.stimulus)

    def __getitem__(self, rows: slice | NDArray[np.bool_] | NDArray[np.integer]) -> "Fixations":
        """Return the fixations that a mask, a slice or indices choose; a slice copies nothing."""
        columns = {field.name: getattr(self, field.name)[rows] for field in fields(self)}
        for column in columns.values():
            column.flags.writeable = False
        return Fixations(**columns)

    def pixel(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return row and column of each fixation's pixel: floor y and floor x."""
        return np.floor(self.y).astype(np.intp), np.floor(self.x).astype(np.intp)


def person_of(subject_name: str) -> str:
    """Return the name of who looked, of a subject that may be one viewing of several."""
    return subject_name.partition(" / ")[0]


@dataclass(frozen=True, eq=False)
class Dataset:
    """Stimuli and the fixations on them.

    Attributes
    ----------
    name : str
        What the data set is called.
    stimuli : Stimuli
        The images.
    fixations : Fixations
        Sorted by stimulus, subject and order, however they were given.
    subject_names : tuple of str
        What the data set calls its subjects, by their number; empty if it does not name them.
        Subjects named alike up to the first " / " are one person, see `person`.
    notes : tuple of str
        What reading it assumed, guessed or left out, in plain sentences for the user.
    decisions : tuple of Decision
        How a table of the user's own was read, step by step; of other sources there are none.

    Raises
    ------
    DataError
        If a fixation is of a stimulus or, where they are named, a subject that is not there.
    """

    name: str
    stimuli: Stimuli
    fixations: Fixations
    subject_names: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    decisions: tuple[Decision, ...] = ()

    def __post_init__(self) -> None:
        self._check_numbers("stimulus", len(self.stimuli))
        if self.subject_names:
            self._check_numbers("subject", len(self.subject_names))
        object.__setattr__(self, "fixations", _in_order(self.fixations))

    def _check_numbers(self, column: str, n: int) -> None:
        numbers = getattr(self.fixations, column)
        if len(numbers) and not 0 <= numbers.min() <= numbers.max() < n:
            raise DataError(
                f"{self.name}: the {column} column holds {numbers.min()} to {numbers.max()}, but"
                f" numbers go from 0 to {n - 1}; correct that column"
            )

    @classmethod
    def from_frame(
        cls, frame: "pd.DataFrame", images: "Stimuli | Path | str", name: str = "data frame"
    ) -> "Dataset":
        """Return the data set whose fixations are the rows of a data frame of pandas'.

        Parameters
        ----------
        frame : pandas.DataFrame
            Columns as `to_frame` returns them, of which only `image`, `x_px` and `y_px` are
            needed. Subjects that are no integers are names. What is missing is unknown.
        images : Stimuli, Path or str
            The stimuli, such as `dataset.stimuli`, or the folder of the images.
        name : str
            What to call the data set.

        Raises
        ------
        DataError
            If a column is missing or holds no numbers, or an image is not there.
        """
        from deepgaze2.data.exchange.frames import from_frame

        return from_frame(frame, images, name)

    def to_frame(self) -> "pd.DataFrame":
        """Return the fixations as a data frame of pandas', which `from_frame` takes back exactly.

        Columns: `image` (categories), `subject` (categories, or numbers if there are no names),
        `order`, `x_px`, `y_px`, `start_s` and `duration_s`, as in `Fixations`. A DataError if
        pandas is not installed.
        """
        from deepgaze2.data.exchange.frames import to_frame

        return to_frame(self)

    @cached_property
    def offsets(self) -> NDArray[np.intp]:
        """Where each stimulus' fixations begin, (n_stimuli + 1,); the last entry is their end."""
        return np.searchsorted(self.fixations.stimulus, np.arange(len(self.stimuli) + 1))

    def fixations_on(self, stimulus: int) -> Fixations:
        """Return the fixations on one stimulus, without copying."""
        return self.fixations[slice(self.offsets[stimulus], self.offsets[stimulus + 1])]

    def looked_at(self) -> "Dataset":
        """Return the stimuli that have fixations."""
        return self.select(np.diff(self.offsets) > 0)

    def select(self, stimuli: ArrayLike) -> "Dataset":
        """Return the data set of these stimuli (indices or a mask), renumbered in their order."""
        index = np.arange(len(self.stimuli))[np.asarray(stimuli)]
        counts = (self.offsets[1:] - self.offsets[:-1])[index]
        ends = np.cumsum(counts)
        within = np.arange(counts.sum()) - np.repeat(ends - counts, counts)
        chosen = self.fixations[np.repeat(self.offsets[:-1][index], counts) + within]
        renumbered = np.repeat(np.arange(len(index), dtype=np.int32), counts)
        return replace(
            self, stimuli=self.stimuli[index], fixations=replace(chosen, stimulus=renumbered)
        )

    def keep(self, rows: NDArray[np.bool_]) -> "Dataset":
        """Return the data set with all stimuli, and the fixations that a mask chooses."""
        return replace(self, fixations=self.fixations[rows])

    def of_subjects(self, subjects: Iterable[int | str]) -> "Dataset":
        """Return the data set with the fixations of these subjects, by number or by name.

        Raises
        ------
        DataError
            If a name is not one of the data set's subjects.
        """
        chosen = [self._subject(s) if isinstance(s, str) else s for s in subjects]
        return self.keep(np.isin(self.fixations.subject, chosen))

    def _subject(self, name: str) -> int:
        if name not in self.subject_names:
            known = ", ".join(self.subject_names[:20]) or "none; give numbers"
            raise DataError(f"{self.name}: no subject is named {name!r}; names are {known}")
        return self.subject_names.index(name)

    @cached_property
    def person(self) -> NDArray[np.intp]:
        """A number of the person who looked, for each fixation (n_fixations,).

        It differs from the subject where somebody saw an image several times: so that
        scanpaths stay apart, each viewing is a subject of its own, with a name that begins with
        the person's and " / ", such as `3 / fork`.
        """
        subject = self.fixations.subject
        if not self.subject_names:
            return subject.astype(np.intp)
        people = [person_of(name) for name in self.subject_names]
        return np.asarray(np.unique(people, return_inverse=True)[1][subject], dtype=np.intp)

    def without_first(self) -> "Dataset":
        """Drop each scanpath's first fixation, which the fixation cross forces to the center."""
        return self.keep(self.fixations.order >= 1)

    def inside(self) -> NDArray[np.bool_]:
        """Tell for each fixation whether it lies on its stimulus: 0 <= x < width, same for y."""
        x, y, stimulus = self.fixations.x, self.fixations.y, self.fixations.stimulus
        inside_x = (x >= 0) & (x < self.stimuli.width[stimulus])
        return inside_x & (y >= 0) & (y < self.stimuli.height[stimulus])

    def without_outside(self) -> "Dataset":
        """Drop the fixations that lie beside their stimulus or have no position (NaN)."""
        return self.keep(self.inside())

    def refuse_outside(self) -> None:
        """Raise a DataError if any fixation lies beside its stimulus or has no position."""
        if n_outside := int(np.count_nonzero(~self.inside())):
            raise DataError(
                f"{self.name}: {n_outside} of {len(self.fixations)} fixations lie outside their"
                " stimulus; drop them with without_outside()"
            )


def _freeze(table: Stimuli | Fixations, **dtypes: DTypeLike) -> None:
    """Make the named columns read-only arrays of their type, and check that lengths agree."""
    for name, dtype in dtypes.items():
        column = np.asarray(getattr(table, name), dtype=dtype)
        if column.flags.writeable:
            column = column.copy()  # the caller may still write to theirs
            column.flags.writeable = False
        object.__setattr__(table, name, column)
    shapes = {field.name: np.shape(getattr(table, field.name)) for field in fields(table)}
    if len(set(shapes.values())) > 1 or any(len(shape) != 1 for shape in shapes.values()):
        raise DataError(f"columns must be one-dimensional and of equal length, not {shapes}")


def _in_order(fixations: Fixations) -> Fixations:
    keys = (fixations.order, fixations.subject, fixations.stimulus)
    in_order = np.ones(max(len(fixations) - 1, 0), dtype=bool)
    for key in keys:  # least significant first, as in lexsort
        in_order = (key[1:] > key[:-1]) | ((key[1:] == key[:-1]) & in_order)
    return fixations if bool(in_order.all()) else fixations[np.lexsort(keys)]
