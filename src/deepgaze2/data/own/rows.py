"""The rows of a table of fixations: which image, subject and place in a scanpath each has."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from deepgaze2.data.dataset import Stimuli, person_of
from deepgaze2.data.decisions import Decision
from deepgaze2.data.own.conventions import partly_ordered, scanpath_order
from deepgaze2.data.own.stimulus_list import match_images
from deepgaze2.errors import DataError
from deepgaze2.image.image_files import natural_key

UNNAMED = "all fixations count as one subject's"
"""What is decided where nothing tells subjects apart."""


@dataclass
class Rows:
    """A table's columns: numbers, and texts as indices into the distinct ones.

    Attributes
    ----------
    image, subject : int32 array (n,)
        Indices into the names.
    image_names, subject_names : list of str
        No names of subjects where nothing tells these apart; an empty one where it is unknown.
    numbers : dict of float64 array (n,)
        The columns `x`, `y` and perhaps `order`, `start`, `duration`, `confidence`, where images
        were shown, see `RECTANGLE_ROLES`, and as read those of each eye, see `EYE_NUMBER_ROLES`;
        NaN where unknown.
    place : callable
        Returns what to call a row (from 0) in messages.
    texts : dict of (int32 array (n,), list of str)
        Perhaps `kind`, `valid`, `eye`, `trial`, `units` and as read those of each eye, see
        `EYE_TEXT_ROLES`: indices into the names, and these.
    """

    image: NDArray[np.int32]
    image_names: list[str]
    subject: NDArray[np.int32]
    subject_names: list[str]
    numbers: dict[str, NDArray[np.float64]]
    place: Callable[[int], str]
    texts: dict[str, tuple[NDArray[np.int32], list[str]]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.image)

    def take(self, rows: NDArray[np.intp]) -> "Rows":
        """Return the rows with these indices, in their order."""
        place = self.place
        return replace(
            self,
            image=self.image[rows],
            subject=self.subject[rows],
            numbers={role: column[rows] for role, column in self.numbers.items()},
            texts={role: (codes[rows], names) for role, (codes, names) in self.texts.items()},
            place=lambda row: place(int(rows[row])),
        )


def stimulus_numbers(rows: Rows, stimuli: Stimuli) -> tuple[NDArray[np.int32], list[Decision]]:
    """Return the index of each row's stimulus, and what matching names assumed.

    Raises
    ------
    DataError
        If an image is not among the stimuli.
    """
    matches, notes = match_images(rows.image_names, stimuli.ids)
    missing = [code for code, match in enumerate(matches) if match is None]
    if missing:
        row = int(np.flatnonzero(rows.image == missing[0])[0])
        raise DataError(
            f"{rows.place(row)}: no image"
            f" {rows.image_names[missing[0]]!r} ({len(missing)} of {len(matches)} names have none;"
            f" the first image there is {stimuli.ids[0]!r}); add it or delete its rows"
        )
    return np.array(matches, np.int32)[rows.image], notes


def in_natural_order(
    subject: NDArray[np.int32], names: list[str]
) -> tuple[NDArray[np.int32], list[str]]:
    """Return subjects numbered in the natural order of their names, and these."""
    by_name = sorted(range(len(names)), key=lambda i: natural_key(names[i]))
    number = np.argsort(by_name).astype(np.int32)
    return number[subject] if names else subject, [names[i] for i in by_name]


def unnamed_note(
    subject: NDArray[np.int32], names: Sequence[str], column: str | None = None
) -> list[Decision]:
    """Say whose fixations are, or what those without a subject count as."""
    option = "--column subject=NAME"
    if not names:
        what = UNNAMED
        why = f"{column!r} is empty" if column else "no column tells subjects apart"
        return [Decision("viewings", what, why, option)]
    n = np.count_nonzero(subject == names.index("")) if "" in names else 0
    if not n:
        people = len({person_of(name) for name in names})
        what = f"{people} subject{'s' * (people != 1)}"  # no names: models keep this
        return [Decision("viewings", what, "as they are named", option, guessed=False)]
    what = f"{n} fixations count as one subject's, without a name"
    return [Decision("viewings", what, "they have no subject", option)]


def order_in_scanpaths(
    rows: Rows, stimulus: NDArray[np.int32], *, from_zero: bool
) -> tuple[NDArray[np.int32], list[Decision]]:
    """Return positions in scanpaths, and what was assumed.

    Parameters
    ----------
    rows : Rows
        Their numbers may have `order` and `start`.
    stimulus : int32 array (n,)
        The index of each row's image.
    from_zero : bool
        Whether orders are known to count from 0, so that nothing is to be guessed.

    Raises
    ------
    DataError
        If an order is no whole number, or is unknown of a part of a scanpath.
    """
    order, start = rows.numbers.get("order"), rows.numbers.get("start")
    if order is None:
        return scanpath_order(stimulus, rows.subject, None, start)
    unknown = np.isnan(order)
    _check_order(rows, order, unknown, stimulus)
    if from_zero and not unknown.any():
        return order.astype(np.int32), []
    if not unknown.any():
        return scanpath_order(stimulus, rows.subject, order, None)
    n_unknown = np.count_nonzero(unknown)
    notes = [Decision("order", f"{n_unknown} fixations have no order")]
    positions = np.empty(len(order), np.int32)
    for part, known in ((~unknown, order), (unknown, None)):
        if known is not None and from_zero:
            positions[part] = known[part]
        elif part.any():
            by_order, by_start = (c if c is None else c[part] for c in (known, start))
            positions[part], assumed = scanpath_order(
                stimulus[part], rows.subject[part], by_order, by_start
            )
            notes += assumed
    return positions, notes


def _check_order(
    rows: Rows,
    order: NDArray[np.float64],
    unknown: NDArray[np.bool_],
    stimulus: NDArray[np.int32],
) -> None:
    """Refuse orders that are no whole numbers, or unknown of a part of a scanpath."""
    whole = unknown | ((order == np.floor(order)) & (abs(order) < 2**31))
    if len(wrong := np.flatnonzero(~whole)):
        raise DataError(
            f"{rows.place(int(wrong[0]))}: the order {order[wrong[0]]:g} is not a whole number;"
            " correct it or rename the column"
        )
    if (row := partly_ordered(stimulus, rows.subject, unknown)) is not None:
        raise DataError(
            f"{rows.place(row)}: order is empty, but not that of other fixations of this subject"
            " on this image; fill it in, or empty theirs too"
        )
