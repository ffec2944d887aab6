"""Fixations among samples of the gaze, by their velocity (I-VT) or their dispersion (I-DT).

Both are of Salvucci & Goldberg (2000), Identifying fixations and saccades in eye-tracking
protocols.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from deepgaze2.errors import DataError

Numbers = NDArray[np.float64]
Indices = NDArray[np.intp]

_Extent = tuple[Numbers, ...]
"""Lowest and highest x, lowest and highest y."""

_WINDOW_S = 0.02
_BLOCK = 1 << 18  # samples at a time, to save memory
_DEFAULTS = {
    "ivt": {"velocity": 30.0, "min_ms": 60.0, "gap_ms": 75.0},
    "idt": {"dispersion": 1.0, "min_ms": 100.0, "gap_ms": 75.0},
}


@dataclass(frozen=True)
class Detection:
    """What counts as a fixation.

    Attributes
    ----------
    method : {"ivt", "idt"}
        Samples between which the gaze is slow, or samples that lie together.
    threshold : float
        What a fixation does not exceed: the velocity in degrees per second, or the sum of its
        extents in x and y in degrees.
    min_s : float
        How long it lasts at least, in seconds.
    gap_s : float
        How long samples may be missing within a fixation, in seconds.
    """

    method: Literal["ivt", "idt"]
    threshold: float
    min_s: float
    gap_s: float

    @classmethod
    def parse(cls, text: str) -> "Detection":
        """Read `ivt`, `idt,dispersion=1.5` or `ivt,velocity=40,min_ms=80,gap_ms=50`.

        Raises
        ------
        DataError
            If it is something else.
        """
        name, *settings = text.split(",")
        if name not in _DEFAULTS:
            raise DataError(f"{text!r}: fixations are detected by ivt or idt, such as {_example()}")
        values = dict(_DEFAULTS[name])
        for setting in settings:
            key, _, value = setting.partition("=")
            if key not in values or not (number := _positive(value)):
                raise DataError(
                    f"{setting!r} in {text!r}: {name} takes {', '.join(values)}, each a number"
                    f" above 0, such as {_example(name)}"
                )
            values[key] = number
        threshold, min_ms, gap_ms = values.values()
        return cls("ivt" if name == "ivt" else "idt", threshold, min_ms / 1e3, gap_ms / 1e3)

    def __str__(self) -> str:
        """Say what counts as a fixation, for people."""
        rule = (
            f"I-VT, up to {self.threshold:g} degrees per second"
            if self.method == "ivt"
            else f"I-DT, within {self.threshold:g} degrees"
        )
        return f"{rule}, at least {self.min_s * 1e3:g} ms"


def find_fixations(
    x: Numbers, y: Numbers, time_s: Numbers, step_s: Numbers, begins: Indices, detection: Detection
) -> tuple[Indices, Indices]:
    """Find the fixations among samples.

    Parameters
    ----------
    x, y : float64 array (n,)
        Positions in degrees of visual angle, all known.
    time_s : float64 array (n,)
        When each sample was taken, in seconds, not falling within a stretch.
    step_s : float64 array (n,)
        The time from one sample to the next where none is missing, in seconds.
    begins : int array (n_stretches,)
        Where stretches begin, the first being 0; no fixation goes on from one to the next.
    detection : Detection
        What counts as a fixation; its `gap_s` is for who makes the stretches.

    Returns
    -------
    first, last : int array (n_fixations,)
        The fixations' first and last samples. A fixation lasts from the one to the other and the
        step of the last.
    """
    groups: Callable[..., tuple[Indices, Indices]] = (
        _slow_runs if detection.method == "ivt" else _gathered_runs
    )
    found = [(np.zeros(0, np.intp), np.zeros(0, np.intp))]
    for start, stop in _blocks(begins, len(x)):
        block = slice(start, stop)
        inner = begins[(begins >= start) & (begins < stop)] - start
        last_of = np.repeat(
            np.append(inner[1:], stop - start) - 1, np.diff(inner, append=stop - start)
        )
        first, last = groups(
            x[block], y[block], time_s[block], step_s[block], inner, last_of, detection
        )
        found.append((first + start, last + start))
    first, last = (np.concatenate(part) for part in zip(*found, strict=True))
    return first, last


def _slow_runs(
    x: Numbers,
    y: Numbers,
    time_s: Numbers,
    step_s: Numbers,
    begins: Indices,
    last_of: Indices,
    detection: Detection,
) -> tuple[Indices, Indices]:
    """Return the runs of samples between which the gaze is slow.

    The velocity between two samples is that over some 20 ms around them, so that noise of fast
    trackers does not count as movement; at 125 Hz or less it is that between the two.
    """
    n = len(x)
    first_of = np.repeat(begins, np.diff(begins, append=n))
    half = (np.maximum(np.rint(_WINDOW_S / step_s), 1).astype(np.intp) - 1) // 2
    before = np.maximum(np.arange(n) - half, first_of)[:-1]
    after = np.minimum(np.arange(n) + 1 + half, last_of)[:-1]
    moved = np.hypot(x[after] - x[before], y[after] - y[before])
    slow = moved <= detection.threshold * (time_s[after] - time_s[before])
    slow[begins[1:] - 1] = False
    first = np.flatnonzero(np.append(True, ~slow))
    last = np.append(first[1:], n) - 1
    long = _long_enough(time_s, step_s, first, last, detection)
    return first[long], last[long]


def _gathered_runs(
    x: Numbers,
    y: Numbers,
    time_s: Numbers,
    step_s: Numbers,
    begins: Indices,  # noqa: ARG001, as `_slow_runs`
    last_of: Indices,
    detection: Detection,
) -> tuple[Indices, Indices]:
    """Return runs of samples that lie together, each as long as it can be, the first ones first."""
    first = np.arange(len(x))
    last = np.minimum(_reach(x, y, detection.threshold), last_of)
    long = _long_enough(time_s, step_s, first, last, detection)
    first, last = first[long], last[long]
    following = np.searchsorted(first, last + 1).tolist()
    chosen, i = [], 0
    while i < len(following):
        chosen.append(i)
        i = following[i]
    return first[chosen], last[chosen]


def _reach(x: Numbers, y: Numbers, most: float) -> Indices:
    """Return the last sample up to which those from each one on lie together.

    Extents of 1, 2, 4 ... samples are known of each, and put together from the longest down.
    """
    n, size = len(x), 1
    extents: list[_Extent] = [(x, x, y, y)]
    while 2 * size <= n:
        longer = _together(
            tuple(e[:-size] for e in extents[-1]), tuple(e[size:] for e in extents[-1])
        )
        if not (_dispersion(longer) <= most).any():
            break
        extents.append(longer)
        size *= 2
    last = np.arange(n)
    reached = tuple(e.copy() for e in extents[0])
    for extent in reversed(extents):
        can = np.flatnonzero(last + size < n)
        further = _together(tuple(e[can] for e in reached), tuple(e[last[can] + 1] for e in extent))
        fits = _dispersion(further) <= most
        grown = can[fits]
        last[grown] += size
        for old, new in zip(reached, further, strict=True):
            old[grown] = new[fits]
        size //= 2
    return last


def _together(a: _Extent, b: _Extent) -> _Extent:
    return (
        np.minimum(a[0], b[0]),
        np.maximum(a[1], b[1]),
        np.minimum(a[2], b[2]),
        np.maximum(a[3], b[3]),
    )


def _dispersion(extent: _Extent) -> Numbers:
    return np.asarray((extent[1] - extent[0]) + (extent[3] - extent[2]))


def _long_enough(
    time_s: Numbers, step_s: Numbers, first: Indices, last: Indices, detection: Detection
) -> NDArray[np.bool_]:
    lasts = time_s[last] - time_s[first] + step_s[last]
    return np.asarray(lasts >= detection.min_s * (1 - 1e-9))


def _blocks(begins: Indices, n: int) -> Iterator[tuple[int, int]]:
    """Yield ranges of whole stretches, of so many samples or a little more."""
    start = 0
    for begin in begins[1:].tolist():
        if begin - start >= _BLOCK:
            yield start, begin
            start = begin
    if n:
        yield start, n


def _positive(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        return 0.0
    return number if 0 < number < float("inf") else 0.0


def _example(name: str = "ivt") -> str:
    values = _DEFAULTS[name]
    return ",".join([name, *(f"{key}={value:g}" for key, value in values.items())])
