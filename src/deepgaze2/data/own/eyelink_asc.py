"""Recordings of EyeLink trackers as text, which `edf2asc` makes of EDF files.

A line is a sample, which begins with its time, or an event, which begins with its name. Messages
(MSG) are those of the experiment: TRIALID begins a trial, and what begins with `!V` is meant for
Data Viewer: IMGLOAD shows an image, CLEAR takes it away, TRIAL_VAR says something of the trial.
"""

import re
from array import array
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deepgaze2.data.own.text_file import encoding_of, opened
from deepgaze2.errors import DataError
from deepgaze2.image.stimulus import printable

_IMGLOAD = re.compile(
    r"!V\s+IMGLOAD\s+(CENTER|TOP_LEFT|FILL)\s+(.+?)((?:\s+-?\d+(?:\.\d+)?){4}"
    r"|(?:\s+-?\d+(?:\.\d+)?){2})?\s*"
)
_TRIAL_VAR = re.compile(r"!V\s+TRIAL_VAR\s+(\S+)\s*(.*)")
_OFFSET = re.compile(r"-?\d+\s+(?=\S)")
_NUMBER_MISSING = "."


@dataclass(frozen=True)
class Show:
    """An image that was shown, or none.

    Attributes
    ----------
    time : float
        When, in milliseconds of the tracker's clock.
    image : str
        Its name; empty where the screen was cleared.
    how : {"CENTER", "TOP_LEFT", "FILL"}
        What `at` is of the image.
    at : tuple of float
        x and y on the screen, and perhaps its width and height there; or nothing.
    """

    time: float
    image: str
    how: str = "FILL"
    at: tuple[float, ...] = ()


@dataclass
class Trial:
    """From one TRIALID to the next; where a file has none, what was recorded in one piece.

    Attributes
    ----------
    label : str
        What TRIALID says.
    first_row : int
        The first of its rows.
    started : float
        When the tracker began to record, in milliseconds of its clock.
    shows : list of Show
        In order of time.
    variables : dict of str to str
        What TRIAL_VAR says.
    """

    label: str
    first_row: int
    started: float = np.nan
    shows: list[Show] = field(default_factory=list)
    variables: dict[str, str] = field(default_factory=dict)


@dataclass
class Recording:
    """What a file holds.

    Attributes
    ----------
    path : Path
        The file.
    trials : list of Trial
        In order; rows before the first are of none.
    are_fixations : bool
        Whether rows are fixations, as the tracker parsed them, or else samples.
    numbers : dict of float64 array (n,)
        `start`, `end`, `x`, `y` of rows: milliseconds of the clock, pixels of the screen.
    eye : int8 array (n,)
        0 for left and 1 for right.
    line : int32 array (n,)
        Lines of the file, from 1.
    screen : tuple of float, optional
        The coordinates of the screen's left, top, right and bottom pixels.
    """

    path: Path
    trials: list[Trial]
    are_fixations: bool
    numbers: dict[str, NDArray[np.float64]]
    eye: NDArray[np.int8]
    line: NDArray[np.int32]
    screen: tuple[float, ...] | None


def read_asc(path: Path) -> Recording:
    """Read a file: its fixations, or if it has none, its samples.

    Raises
    ------
    DataError
        If it cannot be read, is something else, or positions are no pixels.
    """
    reader = _Reader(path)
    with opened(path, encoding_of(path)) as stream:
        for number, line in enumerate(stream, 1):
            if line[:1].isdigit():
                if not reader.are_fixations:
                    reader.sample(number, line)
            elif line[:1].isalpha():
                reader.event(number, line)
    return reader.recording()


class _Reader:
    """Gathers what lines say."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.are_fixations = False
        self.trials: list[Trial] = []
        self.by_trialid = self.recording_now = False
        self.eyes: tuple[int, ...] = (1,)
        self.screen: tuple[float, ...] | None = None
        self._clear_rows()

    def _clear_rows(self) -> None:
        self.columns = {name: array("d") for name in ("start", "end", "x", "y")}
        self.eye, self.line = array("b"), array("i")

    def sample(self, number: int, line: str) -> None:
        cells = line.split()
        try:
            time = float(cells[0])
            for i, eye in enumerate(self.eyes):
                x, y = cells[1 + 3 * i], cells[2 + 3 * i]
                if x != _NUMBER_MISSING and y != _NUMBER_MISSING:
                    self._add(number, time, time, float(x), float(y), eye)
        except (ValueError, IndexError):
            raise self._wrong(number, line, "time, x, y and size of the pupil") from None

    def event(self, number: int, line: str) -> None:
        name, *cells = line.split(None, 2)
        if name == "MSG" and len(cells) == 2:
            self._message(number, line, cells[0], cells[1].strip())
        elif name == "EFIX":
            self._fixation(number, line)
        elif name == "START" and cells:
            self._start(number, line, cells[0])
        elif name == "END":
            self.recording_now = False
        elif name in ("SAMPLES", "EVENTS") and cells and cells[0] != "GAZE":
            raise DataError(
                f"{self._place(number)}: positions are {cells[0]}, no pixels of the screen; convert"
                " the EDF file to gaze positions"
            )

    def _message(self, number: int, line: str, time: str, text: str) -> None:
        try:
            at = float(time)
        except ValueError:
            raise self._wrong(number, line, "MSG, a time and a text") from None
        if offset := _OFFSET.match(text):  # how long ago it was
            at, text = at - float(offset[0]), text[offset.end() :]
        word, _, rest = text.partition(" ")
        if word == "TRIALID":
            if not self.by_trialid:  # blocks before the first one are of no trial
                self.by_trialid, self.trials = True, []
            self.trials.append(Trial(rest.strip(), len(self.line)))
        elif word == "DISPLAY_COORDS" or (word == "GAZE_COORDS" and self.screen is None):
            self.screen = self._four(number, line, rest)
        elif word == "!V":
            self._for_data_viewer(at, text)

    def _for_data_viewer(self, at: float, text: str) -> None:
        if found := _IMGLOAD.fullmatch(text):
            where = tuple(map(float, (found[3] or "").split()))
            if not self.recording_now:
                self._next_piece()
            self.trials[-1].shows.append(Show(at, found[2], found[1], where))
        elif self.trials and text.split()[1:2] == ["CLEAR"]:
            self.trials[-1].shows.append(Show(at, ""))
        elif self.trials and (variable := _TRIAL_VAR.fullmatch(text)):
            self.trials[-1].variables[variable[1]] = variable[2].strip()

    def _next_piece(self) -> None:
        """Begin a trial with what is recorded next, unless TRIALID says where trials begin."""
        if not self.by_trialid and not (self.trials and np.isnan(self.trials[-1].started)):
            self.trials.append(Trial("", len(self.line)))

    def _start(self, number: int, line: str, time: str) -> None:
        words = line.split()
        self.eyes = tuple(i for i, eye in enumerate(("LEFT", "RIGHT")) if eye in words) or (1,)
        self._next_piece()
        self.recording_now = True
        if np.isnan(self.trials[-1].started):
            try:
                self.trials[-1].started = float(time)
            except ValueError:
                raise self._wrong(number, line, "START and a time") from None

    def _fixation(self, number: int, line: str) -> None:
        if not self.are_fixations:
            self.are_fixations = True
            self._clear_rows()
            for trial in self.trials:
                trial.first_row = 0
        cells = line.split()
        try:
            eye = ("L", "R").index(cells[1])
            start, _, duration, x, y = (
                np.nan if cell == _NUMBER_MISSING else float(cell) for cell in cells[2:7]
            )
        except (ValueError, IndexError):
            raise self._wrong(number, line, "EFIX, L or R, start, end, duration, x and y") from None
        self._add(number, start, start + duration, x, y, eye)

    def _add(self, number: int, start: float, end: float, x: float, y: float, eye: int) -> None:
        for column, value in zip(self.columns.values(), (start, end, x, y), strict=True):
            column.append(value)
        self.eye.append(eye)
        self.line.append(number)

    def _four(self, number: int, line: str, text: str) -> tuple[float, ...]:
        try:
            left, top, right, bottom = map(float, text.split()[:4])
        except ValueError:
            raise self._wrong(number, line, "left, top, right and bottom of the screen") from None
        return left, top, right, bottom

    def recording(self) -> Recording:
        if not self.line:
            raise DataError(
                f"{printable(self.path)}: has neither fixations (EFIX) nor samples with positions,"
                " as edf2asc writes them; convert the EDF file again"
            )
        numbers = {name: np.frombuffer(c, np.float64) for name, c in self.columns.items()}
        eye, line = np.frombuffer(self.eye, np.int8), np.frombuffer(self.line, np.int32)
        return Recording(
            self.path, self.trials, self.are_fixations, numbers, eye, line, self.screen
        )

    def _place(self, number: int) -> str:
        return f"{printable(self.path)}, line {number}"

    def _wrong(self, number: int, line: str, needed: str) -> DataError:
        return DataError(
            f"{self._place(number)}: {line.strip()[:60]!r} is not {needed}; convert the EDF file"
            " again"
        )
