"""Images that somebody saw more than once: each viewing is a scanpath of its own."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from deepgaze2.data.own.rows import Rows


def by_viewing(
    rows: Rows, stimulus: NDArray[np.int32], column: str | None
) -> tuple[Rows, list[str]]:
    """Make the second and later viewings of an image by a subject subjects of their own.

    These are called as `Dataset.person` wants: `ann / viewing 2`.

    Parameters
    ----------
    rows : Rows
        Their texts may have `trial`; different ones on an image are different viewings.
    stimulus : int32 array (n,)
        The index of each row's image.
    column : str, optional
        The column of trials.

    Returns
    -------
    Rows
        The same rows.
    list of str
        A sentence if an image was seen again.
    """
    if "trial" not in rows.texts:
        return rows, []
    trials = np.stack([rows.subject, stimulus, rows.texts["trial"][0]])
    keys, first, of_row = np.unique(trials, axis=1, return_index=True, return_inverse=True)
    rank = np.lexsort((first, keys[1], keys[0]))  # in the order of the table
    begins = np.append(True, (np.diff(keys[:2, rank]) != 0).any(axis=0))
    position = np.arange(len(rank)) - np.flatnonzero(begins)[np.cumsum(begins) - 1]
    viewing = np.empty(len(rank), np.int64)
    viewing[rank] = position
    n_again = int(np.count_nonzero(viewing))
    if not n_again:
        return rows, []
    if np.median(np.bincount(of_row.ravel())) == 1:
        return rows, [f"{column!r} differs from row to row: it does not tell viewings apart."]
    names = rows.subject_names or ["1"]
    pairs, subject = np.unique(
        np.stack([viewing[of_row.ravel()], rows.subject]), axis=1, return_inverse=True
    )
    called = [
        names[code] if nth == 0 else f"{names[code] or 'no name'} / viewing {nth + 1}"
        for nth, code in pairs.T
    ]
    note = (
        f"{n_again} times somebody saw an image again, by {column!r}: each viewing has its own"
        f" scanpath, under a name like {called[-1]!r} (--column trial=none joins them)."
    )
    return replace(rows, subject=subject.ravel().astype(np.int32), subject_names=called), [note]
