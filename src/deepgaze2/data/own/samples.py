"""A table of samples of the gaze, made one of fixations."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from deepgaze2.data.dataset import Stimuli
from deepgaze2.data.decisions import Decision
from deepgaze2.data.own.columns import UNITS_S
from deepgaze2.data.own.detection import Detection, find_fixations
from deepgaze2.data.own.geometry import Geometry, Numbers, Sizes, frame_of, maps_to_images
from deepgaze2.data.own.merging import successive
from deepgaze2.data.own.placing import told_by_names, with_unit
from deepgaze2.data.own.rows import Rows
from deepgaze2.errors import DataError

_STEPS_S = (0.0002, 0.1)  # 5000 to 10 Hz
_SHARE_BACKWARD = 0.01
_SHARE_AT_ONCE = 0.3


def refuse_fixations(rows: Rows, columns: Mapping[str, str]) -> None:
    """Refuse rows that are fixations already, or lack times.

    Parameters
    ----------
    rows : Rows
        As read.
    columns : mapping of str to str
        The table's column for each role.

    Raises
    ------
    DataError
        It says what to state.
    """
    for role, tells in (("order", "numbers fixations"), ("duration", "tells how long they last")):
        if role in rows.numbers and np.isfinite(rows.numbers[role]).any():
            raise DataError(
                f"{rows.place(0)}: column {columns[role]!r} {tells}: leave out --detect, or state"
                f" --column {role}=none if rows are samples of the gaze nevertheless"
            )
    if "start" not in rows.numbers:
        raise DataError(
            f"{rows.place(0)}: to detect fixations, times are needed; state --column start=NAME"
        )


def fixations_of_samples(
    rows: Rows,
    stimuli: Stimuli,
    stimulus: Sizes,
    columns: Mapping[str, str],
    geometry: Geometry,
    detection: Detection,
    unit_s: float | None,
) -> tuple[Rows, Sizes, Geometry, list[Decision]]:
    """Detect the fixations of each subject on each image in each trial.

    A sample without a position, or at exactly (0, 0), is missing. A fixation lies at the mean of
    its samples, begins with the first and ends a step after the last.

    Parameters
    ----------
    rows : Rows
        Samples, in the order in which they were taken.
    stimuli : Stimuli
        The images.
    stimulus : int32 array (n,)
        The index of each row's image.
    columns : mapping of str to str
        The table's column for each role.
    geometry : Geometry
        As the user states it; its `pixels_per_degree` hold for what positions count on.
    detection : Detection
        What counts as a fixation.
    unit_s : float, optional
        The unit of `start` in seconds, if it is known.

    Returns
    -------
    Rows
        Of fixations, with `start` and `duration` in seconds.
    stimulus : int32 array (n_fixations,)
        The index of each one's image.
    Geometry
        With what positions are counted in, as the samples tell.
    list of Decision
        What was assumed and found.

    Raises
    ------
    DataError
        If the size of a degree or the unit of time is not known, or no fixation is found.
    """
    n_rows = len(rows)
    rows, stimulus, rank, alike = _known_in_order(rows, stimulus)
    geometry, scales, notes = _in_degrees(rows, stimuli, stimulus, columns, geometry)
    start = rows.numbers["start"][rank]
    unit_s = _unit_of_steps(rows, np.diff(start)[alike], unit_s)
    time_s = (start - start.min()) * unit_s
    steps = np.diff(time_s)
    step_s = _sampling_steps(rows.subject[rank], steps, alike)
    gaps = steps - step_s[:-1] > detection.gap_s
    begins = np.flatnonzero(np.append(True, ~alike | (steps < 0) | gaps))
    x, y = (rows.numbers[role][rank] for role in "xy")
    x_scale, y_scale = (scale[stimulus[rank]] for scale in scales)
    first, last = find_fixations(x * x_scale, y * y_scale, time_s, step_s, begins, detection)
    if not len(first):
        raise DataError(f"{rows.place(0)}: no fixation among {n_rows} samples by {detection}")
    duration_s = time_s[last] - time_s[first] + step_s[last]
    found = rows.take(rank[first])
    numbers = {role: column for role, column in found.numbers.items() if role != "order"}
    numbers |= {"start": start[first] * unit_s, "duration": duration_s}
    numbers |= {"x": _means(x, first, last), "y": _means(y, first, last)}
    slow, fast = (1 / step for step in (step_s.max(), step_s.min()))
    rates = f"{slow:.0f}" if fast < 1.02 * slow else f"{slow:.0f} to {fast:.0f}"
    lost = f", {n_rows - len(rows)} of them without a position," if n_rows > len(rows) else ""
    what = f"{n_rows} samples at {rates} Hz{lost} made {len(first)} fixations"
    why = f"{detection}; their median duration is {np.median(duration_s) * 1e3:.0f} ms"
    notes.append(Decision("rows", what, why, "--detect"))
    return replace(found, numbers=numbers), stimulus[rank[first]], geometry, notes


def _means(values: Numbers, first: NDArray[np.intp], last: NDArray[np.intp]) -> Numbers:
    bounds = np.stack([first, last + 1], axis=1).ravel()
    sums = np.add.reduceat(np.append(values, 0.0), bounds)[::2]
    return np.asarray(sums / (last + 1 - first))


def _known_in_order(
    rows: Rows, stimulus: Sizes
) -> tuple[Rows, Sizes, NDArray[np.intp], NDArray[np.bool_]]:
    """Return rows with a position and a time, theirs by viewing, and which go on in one."""
    x, y, start = (rows.numbers[role] for role in ("x", "y", "start"))
    known = np.isfinite(x) & np.isfinite(y) & np.isfinite(start) & ~((x == 0) & (y == 0))
    if np.count_nonzero(known) < 2:
        raise DataError(
            f"{rows.place(0)}: hardly a row has a position and a time; state their columns,"
            " --column x=NAME, y=NAME and start=NAME"
        )
    if not known.all():
        kept = np.flatnonzero(known)
        rows, stimulus = rows.take(kept), stimulus[kept]
    return (rows, stimulus, *successive(rows))


def _in_degrees(
    rows: Rows, stimuli: Stimuli, stimulus: Sizes, columns: Mapping[str, str], geometry: Geometry
) -> tuple[Geometry, tuple[Numbers, Numbers], list[Decision]]:
    """Return what positions are counted in, and how many degrees a unit of x and of y is.

    The latter for each image, (n_stimuli,).
    """
    recorded = "shown_x" in rows.numbers
    told, _ = told_by_names(geometry, columns)
    told, notes = with_unit(rows, stimuli, stimulus, told, recorded)
    known = replace(geometry, coordinates=told.coordinates, base=told.base)
    if told.coordinates == "degrees":
        return known, (np.ones(len(stimuli)), np.ones(len(stimuli))), notes
    per_degree = np.full(len(stimuli), geometry.pixels_per_degree or np.nan)
    on_image = not isinstance(geometry.screen, tuple) and geometry.shown is None and not recorded
    if geometry.pixels_per_degree is None and on_image:
        per_degree = stimuli.pixels_per_degree
    if not np.isfinite(per_degree[np.unique(stimulus)]).all():
        column = ", or the images' pixels_per_degree in stimuli.csv" if on_image else ""
        raise DataError(
            f"{rows.place(0)}: to detect fixations, how large is a degree? State"
            f" --pixels-per-degree of the {'image' if on_image else 'screen'}{column}"
        )
    known = replace(known, pixels_per_degree=None)
    frame = frame_of(stimuli.width, stimuli.height, told)
    pixels = maps_to_images(*frame, replace(told, screen=None, shown=None))  # of the frame itself
    return known, (abs(pixels.x_scale) / per_degree, abs(pixels.y_scale) / per_degree), notes


def _unit_of_steps(rows: Rows, steps: Numbers, unit_s: float | None) -> float:
    """Return the unit of times, told by which of them makes steps those of samples."""
    if len(steps) and np.mean(steps < 0) > _SHARE_BACKWARD:
        raise DataError(
            f"{rows.place(0)}: times go back from row to row within an image; sort the rows, or"
            " state --column trial=NAME or --column subject=NAME"
        )
    if np.mean(steps == 0) > _SHARE_AT_ONCE:
        raise DataError(
            f"{rows.place(0)}: many rows have the time of the one before; state what tells these"
            " apart, --column eye=NAME or --column subject=NAME, or another --column start=NAME"
        )
    median = float(np.median(steps[steps > 0])) if (steps > 0).any() else 0.0
    for unit in UNITS_S.values() if unit_s is None else (unit_s,):
        if _STEPS_S[0] <= median * unit <= _STEPS_S[1]:
            return unit
    raise DataError(
        f"{rows.place(0)}: times in steps of {median:g} are no samples of the gaze; state --time"
        " s, ms, us or ns, or leave out --detect if rows are fixations"
    )


def _sampling_steps(
    subject: NDArray[np.int32], steps: Numbers, alike: NDArray[np.bool_]
) -> Numbers:
    """Return for each sample the usual time to the next one of its subject, in seconds."""
    regular = alike & (steps > 0)
    usual = np.median(steps[regular])
    step_s = np.full(len(subject), usual)
    bounds = np.append(np.flatnonzero(np.diff(subject, prepend=-1)), len(subject))
    for begin, end in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
        own = steps[begin : end - 1][regular[begin : end - 1]]
        if len(own):
            near = own[own < 1.5 * np.median(own)]  # clocks round: 16, 17, 17 ms are 60 Hz
            step_s[begin:end] = near.mean()
    return step_s
