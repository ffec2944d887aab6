"""Progress of long work: a bar on a terminal, elsewhere a plain line now and then.

Elsewhere is a pipe, a file, nohup or a build server: a line is written at the start, each minute
and at the end, so that a log stays readable.
"""

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from typing import Self, TextIO, TypeVar

_SECONDS_BETWEEN_LINES = 60.0
_Item = TypeVar("_Item")


class Progress(AbstractContextManager["Progress"]):
    """Shows how much of some work is done, from the beginning of a `with` block to its end.

    Parameters
    ----------
    description
        What is being done.
    total
        How many units there are; None if that is not known. Nothing is shown of zero.
    unit
        What is counted, in the singular; "B" is shown in megabytes.
    initial
        How many were done before.
    delay_s
        Work that is over sooner shows nothing.
    stream
        Where to write; standard error by default.
    clock
        Returns seconds.
    """

    def __init__(
        self,
        description: str,
        total: int | None,
        unit: str = "image",
        *,
        initial: int = 0,
        delay_s: float = 0.0,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._description, self._total, self._unit = description, total, unit
        self._initial = self.done = initial
        self._stream = sys.stderr if stream is None else stream
        self._clock = clock
        self._began = clock()
        self._next_line = self._began + delay_s
        self._note = ""
        self._said = False
        self._bar = None
        if total == 0:
            self._next_line = float("inf")
        elif self._stream.isatty():
            from tqdm import tqdm

            self._bar = tqdm(
                desc=description,
                total=total,
                initial=initial,
                unit=unit,
                unit_scale=unit in ("B", "row"),
                delay=delay_s,
                file=self._stream,
            )

    def __enter__(self) -> Self:
        """Show that the work begins."""
        self.update(0)
        return self

    def update(self, n: int = 1, note: str | None = None) -> None:
        """Count `n` more units as done; `note` says what the work is at, until another does.

        With `n` = 0 it shows that the work goes on; any thread may say so.
        """
        if n:
            self.done += n
        self._note = self._note if note is None else note
        if self._bar is not None:
            if note is not None:
                self._bar.set_postfix_str(note)
            if n or note is None:
                self._bar.update(n)
        elif self._clock() >= self._next_line:
            self._next_line = self._clock() + _SECONDS_BETWEEN_LINES
            self._said = True
            self._write(self._time_left())

    def skip(self, n: int) -> None:
        """Count `n` units as done before: they tell nothing about the time that is left."""
        self.done += n
        self._initial += n
        if self._bar is not None:
            self._bar.initial += n
            self._bar.n += n

    def write(self, line: str) -> None:
        """Write a line of its own."""
        if self._bar is not None:
            self._bar.write(line, file=self._stream)
        else:
            self._stream.write(f"{line}\n")
            self._stream.flush()

    def __exit__(self, *_: object) -> None:
        """Show how much is done in the end."""
        if self._bar is not None:
            self._bar.close()
        elif self._said:
            self._write(f" in {duration(self._clock() - self._began)}")

    def _write(self, time_told: str) -> None:
        note = f" ({self._note})" if self._note else ""
        self.write(f"{self._description}: {self._amount()}{time_told}{note}")

    def _amount(self) -> str:
        scale, digits, unit = 1e6, 1, "MB"
        if self._unit != "B":
            scale, digits, unit = 1, 0, self._unit + "s" * (self._total != 1)
        of = f" of {self._total / scale:.{digits}f}" if self._total is not None else ""
        return f"{self.done / scale:.{digits}f}{of} {unit}"

    def _time_left(self) -> str:
        since = self.done - self._initial
        if self._total is None or since <= 0:
            return ""
        left_s = (self._clock() - self._began) * max(self._total - self.done, 0) / since
        return f", {duration(left_s)} left"


def tracked(
    items: Iterable[_Item],
    description: str,
    total: int,
    unit: str = "image",
    *,
    delay_s: float = 0.0,
) -> Iterator[_Item]:
    """Yield items, and show how many are done; see `Progress`."""
    with Progress(description, total, unit, delay_s=delay_s) as progress:
        for item in items:
            yield item
            progress.update()


def duration(seconds: float) -> str:
    """Return seconds as people say them: 12 s, 5 min, 2 h 10 min."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
