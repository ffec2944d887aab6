"""Images that somebody saw more than once: each viewing is a scanpath of its own."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from deepgaze2.data.decisions import DOUBTS, Decision
from deepgaze2.data.own.rows import Rows

Codes = NDArray[np.int32]

_SHORT = 0.5  # of the fixations of a first viewing
_RARE = 0.1  # of all viewings


def by_viewing(
    rows: Rows, stimulus: Codes, column: str | None, *, guess: bool
) -> tuple[Rows, list[Decision]]:
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
    guess : bool
        Whether viewings may be told by orders that begin anew where no column tells them.

    Returns
    -------
    Rows
        The same rows.
    list of Decision
        How viewings were told apart.
    """
    once = "each image was seen once by each subject"
    if "trial" in rows.texts:
        viewing = _viewings(rows.subject, stimulus, rows.texts["trial"][0])
        if viewing is None:
            why = f"{column!r} differs from row to row, so it does not tell viewings apart"
            return rows, [Decision("viewings", once, why, "--column trial=NAME")]
        how = f"by {column!r}"
    else:
        runs = _numbered_anew(rows, stimulus) if guess else None
        viewing = np.zeros_like(stimulus) if runs is None else runs
        how = "as orders begin anew"
    decided = _interrupted(rows, stimulus, viewing)
    if not viewing.any():
        why = how if "trial" in rows.texts else "no column of trials, and no order begins anew"
        plain = Decision("viewings", once, why, "--column trial=NAME", guessed=False)
        return rows, [plain, *decided]
    names = rows.subject_names or ["1"]
    pairs, subject = np.unique(np.stack([viewing, rows.subject]), axis=1, return_inverse=True)
    called = [
        names[code] if nth == 0 else f"{names[code] or 'no name'} / viewing {nth + 1}"
        for nth, code in pairs.T
    ]
    n_again = len(np.unique(np.stack([viewing, rows.subject, stimulus])[:, viewing > 0], axis=1).T)
    example = next(name for name, (nth, _) in zip(called, pairs.T, strict=True) if nth)
    note = Decision(
        "viewings",
        f"{n_again} times somebody saw an image again; each viewing has its own scanpath, under a"
        f" name like {example!r}",
        how,
        "--column trial=none joins them, trial=NAME tells them",
    )
    decided = [note, *decided]
    if odd := _odd(rows.subject, stimulus, viewing):
        decided.append(Decision(DOUBTS, "look again at who saw an image again", odd))
    return replace(rows, subject=subject.ravel().astype(np.int32), subject_names=called), decided


def _odd(subject: Codes, stimulus: Codes, viewing: Codes) -> str:
    """Say if later viewings are too rare or too short to be meant."""
    keys, counts = np.unique(np.stack([subject, stimulus, viewing]), axis=1, return_counts=True)
    again = keys[2] > 0
    if np.median(counts[again]) < _SHORT * np.median(counts[~again]):
        return f"later viewings have {np.median(counts[again]):g} fixations in the median"
    if np.mean(again) < _RARE:
        return f"{np.count_nonzero(again)} of {len(again)} viewings are later ones"
    return ""


def _interrupted(rows: Rows, stimulus: Codes, viewing: Codes) -> list[Decision]:
    """Doubt viewings whose rows have others between them, if no numbers tell their order.

    Where most rows stand alone the table is in no order, which tells nothing.
    """
    order = rows.numbers.get("order")
    if order is not None and not np.isnan(order).all():
        return []
    rank = np.argsort(rows.subject, kind="stable")
    of_row = np.stack([rows.subject, stimulus, viewing])[:, rank]
    begins = np.append(True, (np.diff(of_row) != 0).any(axis=0))[: len(rank)]
    runs = np.diff(np.flatnonzero(begins), append=len(rank))
    parts = np.unique(of_row[:, begins], axis=1, return_counts=True)[1]
    n = int(np.count_nonzero(parts > 1))
    if n == 0 or np.median(runs) < 2:
        return []
    what = "look again at who saw an image again"
    why = f"{n} times rows of a subject on an image have those on another image between them"
    return [Decision(DOUBTS, what, why, "--column trial=NAME tells viewings apart")]


def _viewings(subject: Codes, stimulus: Codes, trial: Codes) -> Codes | None:
    """Return each row's viewing from 0, in order of the table; None if each row has a trial."""
    trials = np.stack([subject, stimulus, trial])
    keys, first, of_row = np.unique(trials, axis=1, return_index=True, return_inverse=True)
    rank = np.lexsort((first, keys[1], keys[0]))
    begins = np.append(True, (np.diff(keys[:2, rank]) != 0).any(axis=0))
    viewing = np.empty(len(rank), np.int32)
    viewing[rank] = np.arange(len(rank)) - np.flatnonzero(begins)[np.cumsum(begins) - 1]
    if viewing.any() and np.median(np.bincount(of_row.ravel())) == 1:
        return None
    return np.asarray(viewing[of_row.ravel()])


def _numbered_anew(rows: Rows, stimulus: Codes) -> Codes | None:
    """Return each row's viewing if orders tell: rising, and begun anew as often as they recur."""
    order = rows.numbers.get("order")
    if order is None or np.isnan(order).any():
        return None
    rank = np.lexsort((stimulus, rows.subject))  # stable
    same = (np.diff(rows.subject[rank]) == 0) & (np.diff(stimulus[rank]) == 0)
    anew = same & (np.diff(order[rank]) <= 0)
    if not anew.any():
        return None
    pair = np.append(0, np.cumsum(~same))
    n_anew = np.append(0, np.cumsum(anew))
    run = n_anew - n_anew[np.flatnonzero(np.append(True, ~same))][pair]
    keys, n_alike = np.unique(np.stack([pair, order[rank]]), axis=1, return_counts=True)
    most = np.zeros(pair[-1] + 1, np.int64)
    np.maximum.at(most, keys[0].astype(np.int64), n_alike)
    last = np.zeros_like(most)
    np.maximum.at(last, pair, run)
    if not np.array_equal(most, last + 1):
        return None
    viewing = np.empty(len(rank), np.int32)
    viewing[rank] = run
    return viewing
