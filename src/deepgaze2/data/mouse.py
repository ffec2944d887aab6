"""Pseudo-fixations: where a mouse dwelt, from the samples of its trace.

SALICON and OSIE's mouse data are traces of a cursor around which a blurred image was sharp.
Samples are divided into dwells: each takes in the following samples as long as its dispersion,
width plus height of what it covers, stays within a limit, as in the I-DT algorithm (Salvucci
and Goldberg 2000).
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from deepgaze2.data.dataset import Dataset, Fixations
from deepgaze2.errors import DataError


@dataclass(frozen=True)
class Dwell:
    """When samples make a pseudo-fixation.

    By default two or more successive samples within two pixels: of the settings tried on OSIE,
    for crowd and laboratory together, it predicts the eye fixations on the same images best (see
    docs/mouse.md). Samples are taken there only as the mouse moves; others may need another one.

    Attributes
    ----------
    dispersion_px : float
        Largest width plus height, in pixels of the stimulus.
    min_samples : int
        Fewest samples.
    min_duration_s : float
        Shortest duration, for samples with time.
    """

    dispersion_px: float = 2.0
    min_samples: int = 2
    min_duration_s: float = 0.0


DWELL = Dwell()


def pseudo_fixations(samples: Dataset, dwell: Dwell = DWELL) -> Dataset:
    """Return the pseudo-fixations in the traces of a mouse.

    A pseudo-fixation lies at the mean of its samples. It begins with the first of them and ends
    with the first sample after it, since a mouse that rests may leave none; the last one in a
    trace ends with its last sample. Where samples have no time, start and duration are NaN, and
    only the number of samples tells how long the mouse dwelt.

    Parameters
    ----------
    samples : Dataset
        A row per sample, such as `read_osie_mouse` returns; a trace is what a subject did on a
        stimulus.
    dwell : Dwell
        The parameters.

    Returns
    -------
    Dataset
        Of the same stimuli and subjects.

    Raises
    ------
    DataError
        If samples lie outside their stimulus, or have no time but a duration is asked for.
    """
    samples.refuse_outside()
    rows = samples.fixations
    if dwell.min_duration_s > 0 and np.isnan(rows.start_s).any():
        raise DataError(
            f"{samples.name}: samples have no time, so dwells have no duration;"
            " set min_duration_s to 0 and choose by min_samples"
        )
    begins_trace = _changes(rows.stimulus) | _changes(rows.subject)
    firsts = np.flatnonzero(_begins_dwell(rows, np.flatnonzero(begins_trace), dwell.dispersion_px))
    n_samples = np.diff(firsts, append=len(rows))
    found = _means(rows, firsts, n_samples, begins_trace)
    long_enough = n_samples >= dwell.min_samples
    if dwell.min_duration_s > 0:
        long_enough &= found.duration_s >= dwell.min_duration_s
    found = found[long_enough]
    begins = np.flatnonzero(_changes(found.stimulus) | _changes(found.subject))
    order = np.arange(len(found)) - np.repeat(begins, np.diff(begins, append=len(found)))
    note = f"pseudo-fixations from {len(rows)} samples by {dwell}"
    return replace(
        samples,
        fixations=replace(found, order=order.astype(np.int32)),
        notes=(*samples.notes, note),
    )


def _changes(column: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Tell where a value differs from the one before; true for the first."""
    return np.asarray(np.diff(column, prepend=-1) != 0)


def _begins_dwell(
    rows: Fixations, trace_starts: NDArray[np.intp], dispersion_px: float
) -> NDArray[np.bool_]:
    """Tell which samples begin a dwell; all traces advance sample by sample together."""
    begins = np.zeros(len(rows), dtype=bool)
    begins[trace_starts] = True
    n_samples = np.diff(trace_starts, append=len(rows))
    longest_first = np.argsort(-n_samples, kind="stable")
    starts, n_samples = trace_starts[longest_first], n_samples[longest_first]
    position = np.stack([rows.x, rows.y])
    low = position[:, starts]
    high = low.copy()
    for step in range(1, int(n_samples.max(initial=0))):
        n_left = int(np.searchsorted(-n_samples, -step))
        here = starts[:n_left] + step
        sample = position[:, here]
        low, high = np.minimum(low[:, :n_left], sample), np.maximum(high[:, :n_left], sample)
        too_far = (high - low).sum(axis=0) > dispersion_px
        begins[here] = too_far
        low, high = np.where(too_far, sample, low), np.where(too_far, sample, high)
    return begins


def _means(
    rows: Fixations,
    firsts: NDArray[np.intp],
    n_samples: NDArray[np.intp],
    begins_trace: NDArray[np.bool_],
) -> Fixations:
    """Return one row for each dwell, numbered as its first sample."""
    after = firsts + n_samples
    ends_trace = np.append(begins_trace, True)[after]
    x, y = (
        np.add.reduceat(column, firsts) / n_samples if len(firsts) else column
        for column in (rows.x, rows.y)
    )
    return replace(
        rows[firsts],
        x=x,
        y=y,
        duration_s=rows.start_s[after - ends_trace] - rows.start_s[firsts],
    )
