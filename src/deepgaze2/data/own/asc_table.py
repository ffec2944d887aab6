"""EyeLink recordings (.asc), read as if they were one table; see `eyelink_asc`."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from deepgaze2.data.dataset import Stimuli
from deepgaze2.data.decisions import Decision
from deepgaze2.data.own.columns import candidates
from deepgaze2.data.own.eyelink_asc import Recording, Show, Trial, read_asc
from deepgaze2.data.own.geometry import RECTANGLE_ROLES
from deepgaze2.data.own.stimulus_list import match_images
from deepgaze2.errors import DataError
from deepgaze2.image.formats import SUFFIXES
from deepgaze2.image.stimulus import printable

ASC_SUFFIXES = (".asc", ".asc.gz")

_ROWS = 20_000
_VARIABLE = "TRIAL_VAR "  # before its name, so that what it means is not guessed
_NOTHING = Show(np.nan, "")

Codes = NDArray[np.int32]
Numbers = NDArray[np.float64]


class AscTable:
    """EyeLink recordings, with the same use as `TextTable`.

    Its columns are image, if messages tell it; subject, the file's name; trial; eye; start_ms,
    since the image appeared; of fixations duration_ms; x and y; where images were on the screen,
    if IMGLOAD says it; and what else messages say of trials.

    Attributes
    ----------
    path : Path
        The file, or the folder of several.
    names : tuple of str
        The columns.
    notes : list of Decision
        What reading decided.
    """

    def __init__(self, path: Path, files: Sequence[Path]) -> None:
        self.path = path
        read = [read_asc(file) for file in files]
        self._recordings = [one for one in read if one.are_fixations] or read
        self._screen = _screen(self._recordings)
        self._shows, trials = [_NOTHING], list[Trial]()
        parts = [_by_trial(one, self._shows, trials) for one in self._recordings]
        trial, self._show, onset = (np.concatenate(part) for part in zip(*parts, strict=True))
        subjects = [one.path.name.split(".")[0] for one in self._recordings]
        lengths = [len(one.line) for one in self._recordings]
        of_file = np.repeat(np.arange(len(lengths), dtype=np.int32), lengths)
        eye = np.concatenate([one.eye for one in self._recordings]).astype(np.int32)
        self._texts: dict[str, tuple[Codes, list[str]]] = {
            "subject": (of_file, subjects),
            "trial": _viewings(trial, self._show, len(trials), len(self._shows)),
            "eye": (eye, ["left", "right"]),
            "MSG TRIALID": (trial, [one.label for one in trials]),
        }
        for name in sorted({name for one in trials for name in one.variables}):
            values = [one.variables.get(name, "") for one in trials]
            self._texts[_VARIABLE + name] = (trial, values)
        self._numbers = _numbers(self._recordings, onset)
        self.notes = self._tell_images(trial, trials)
        self.notes += _left_aside(read, self._recordings)

    @property
    def names(self) -> tuple[str, ...]:  # noqa: D102, see above
        return (*self._texts, *self._numbers)

    def _tell_images(self, trial: Codes, trials: Sequence[Trial]) -> list[Decision]:
        """Add the column of images if messages tell them; return what told them."""
        named = [[word for word in one.label.split() if _is_image(word)] for one in trials]
        variables = {name: None for one in trials for name in one.variables}
        guessed = candidates(list(variables), "image")
        if len(self._shows) > 1:
            self._texts["image"] = (self._show, [show.image for show in self._shows])
            return [_named_by("IMGLOAD")]
        if guessed:
            self._texts["image"] = self._texts[_VARIABLE + guessed[0]]
            return [_named_by(_VARIABLE + guessed[0])]
        if any(named):
            self._texts["image"] = (trial, [words[0] if words else "" for words in named])
            return [_named_by("TRIALID")]
        return []

    def place_images(self, stimuli: Stimuli) -> None:
        """Add columns of where on the screen the stimuli were, if IMGLOAD says it."""
        if any(show.image and (show.at or show.how == "FILL") for show in self._shows):
            rectangles = _rectangles(self._shows, stimuli, self._screen)
            for i, role in enumerate(RECTANGLE_ROLES):
                self._numbers[role] = rectangles[self._show, i]

    def screen_around(self, stimuli: Stimuli) -> tuple[int, int] | None:
        """Return the screen's width and height if the stimuli have others, and say so."""
        if self._screen is None or "shown_x" in self._numbers:
            return None
        width, height = self._screen
        if ((stimuli.width == width) & (stimuli.height == height)).all():
            return None
        what = f"the screen has {width}x{height} pixels"
        self.notes.append(Decision("positions", what, "DISPLAY_COORDS", "--screen"))
        return self._screen

    def batches(
        self, texts: Sequence[str], numbers: Sequence[str]
    ) -> Iterator[tuple[list[list[str]], list[Numbers]]]:
        """Yield some rows at a time."""
        for begin in range(0, len(self._show), _ROWS):
            part = slice(begin, begin + _ROWS)
            yield (
                [self._cells(name, part) for name in texts],
                [self._numbers[name][part] for name in numbers],
            )

    def _cells(self, name: str, rows: slice) -> list[str]:
        if name in self._numbers:
            return ["" if np.isnan(v) else f"{v:g}" for v in self._numbers[name][rows].tolist()]
        codes, known = self._texts[name]
        return [known[code] for code in codes[rows].tolist()]

    def place(self, row: int) -> str:
        """Return the file and line of a row (from 0)."""
        for one in self._recordings:
            if row < len(one.line):
                return f"{one.path.name}, line {one.line[row]}"
            row -= len(one.line)
        return printable(self.path)


def _by_trial(
    recording: Recording, shows: list[Show], trials: list[Trial]
) -> tuple[Codes, Codes, Numbers]:
    """Return each row's trial and what was shown, as indices, and when that appeared.

    What the recording holds of both is added to the lists.
    """
    n = len(recording.line)
    trial, show, onset = np.empty(n, np.int32), np.zeros(n, np.int32), np.full(n, np.nan)
    start, end = recording.numbers["start"], recording.numbers["end"]
    pieces = [Trial("", 0), *recording.trials]
    for one, following in zip(pieces, [*pieces[1:], Trial("", n)], strict=True):
        rows = slice(one.first_row, following.first_row)
        trial[rows] = len(trials)
        trials.append(one)
        onset[rows] = one.started
        shown = _changes(one.shows)
        if shown and (at := _shown_at(shown, start[rows], end[rows])) is not None:
            show[rows] = np.where(at < 0, 0, len(shows) + at)
            times = np.array([s.time for s in shown])
            onset[rows] = np.fmax(times, one.started)[at]  # named before it appeared
        elif shown:
            named = next(i for i, s in enumerate(shown) if s.image)
            show[rows] = len(shows) + named
        shows += shown
    return trial, show, onset


def _viewings(trial: Codes, show: Codes, n_trials: int, n_shows: int) -> tuple[Codes, list[str]]:
    """Return a number of what was shown, or else of the trial: one may show several images."""
    codes = np.where(show > 0, n_trials + show, trial).astype(np.int32)
    return codes, [str(i) for i in range(n_trials + n_shows)]


def _changes(shows: Sequence[Show]) -> list[Show]:
    """Return those that change what is on the screen; none if no image is ever named."""
    in_time = sorted(shows, key=lambda show: show.time)
    changes = [s for before, s in pairwise([_NOTHING, *in_time]) if s.image != before.image]
    return changes if any(show.image for show in changes) else []


def _shown_at(shown: Sequence[Show], start: Numbers, end: Numbers) -> NDArray[np.intp] | None:
    """Return which of these was on the screen when each row began, -1 if none.

    A fixation that goes on when the first image appears is on that. None if messages do not tell:
    the one image of the trial was only named after all its fixations had begun.
    """
    times = np.array([show.time for show in shown])
    images = {show.image for show in shown} - {""}
    first = next((show.time for show in shown if show.image), np.inf)
    if len(images) == 1 and len(start) and not (start >= first).any():
        return None
    at = np.searchsorted(times, start, side="right") - 1
    at[(at < 0) & (end > times[0])] = 0
    return at


def _numbers(recordings: Sequence[Recording], onset: Numbers) -> dict[str, Numbers]:
    def joined(name: str) -> Numbers:
        return np.concatenate([one.numbers[name] for one in recordings])

    start, x, y = joined("start"), joined("x"), joined("y")
    begin = 0
    for one in recordings:
        if one.screen is not None:
            x[begin : begin + len(one.line)] -= one.screen[0]
            y[begin : begin + len(one.line)] -= one.screen[1]
        begin += len(one.line)
    numbers = {"x": x, "y": y, "start_ms": start - onset}
    if recordings[0].are_fixations:
        numbers["duration_ms"] = joined("end") - start
    return numbers


def _rectangles(
    shows: Sequence[Show], stimuli: Stimuli, screen: tuple[int, int] | None
) -> NDArray[np.float64]:
    """Return x, y, width and height of what was shown (n_shows, 4), NaN where not known."""
    names = list(dict.fromkeys(show.image for show in shows))
    matches = dict(zip(names, match_images(names, stimuli.ids)[0], strict=True))
    found = np.full((len(shows), 4), np.nan)
    for row, show in zip(found, shows, strict=True):
        match = matches[show.image]
        if show.how == "FILL" and screen is not None:
            row[:] = (0, 0, *screen)
        elif len(show.at) == 4:
            row[:] = show.at
        elif show.at and match is not None:
            row[:] = (*show.at, stimuli.width[match], stimuli.height[match])
        if show.how == "CENTER":
            row[:2] -= row[2:] / 2
    return found


def _screen(recordings: Sequence[Recording]) -> tuple[int, int] | None:
    """Return the screen's width and height; a DataError if recordings differ."""
    sizes = dict[tuple[int, int], str]()
    for one in recordings:
        if one.screen is not None:
            left, top, right, bottom = one.screen
            sizes.setdefault((round(right - left) + 1, round(bottom - top) + 1), one.path.name)
    if len(sizes) > 1:
        (first, name), (second, other) = list(sizes.items())[:2]
        raise DataError(
            f"{name} has a screen of {first[0]}x{first[1]} pixels by DISPLAY_COORDS, but {other} of"
            f" {second[0]}x{second[1]}; read them from different folders"
        )
    return next(iter(sizes), None)


def _left_aside(read: Sequence[Recording], kept: Sequence[Recording]) -> list[Decision]:
    notes = []
    if kept[0].are_fixations:
        what, why = "samples are not looked at", "fixations are those that the tracker found (EFIX)"
        notes.append(Decision("rows", what, why))
    if len(kept) < len(read):
        without = next(one.path.name for one in read if not one.are_fixations)
        what = f"{len(read) - len(kept)} files are left out, first {without}"
        notes.append(Decision("file", what, "they have no fixations (EFIX)"))
    return notes


def _named_by(message: str) -> Decision:
    return Decision("images", f"images are those that {message} names", "", "--column image=NAME")


def _is_image(word: str) -> bool:
    return PurePosixPath(word).suffix.lower() in SUFFIXES
