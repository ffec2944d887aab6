"""Decisions of reading a table, as a table for the terminal."""

import shutil
import textwrap
from collections.abc import Iterator, Sequence

from deepgaze2.data.decisions import STEPS, Decision

_TITLES = ("step", "decided", "because", "change with")
_LEAST, _MOST = 80, 140


def decisions_table(decisions: Sequence[Decision]) -> str:
    """Return decisions step by step, in columns as wide as the terminal allows.

    Each step is named once, and what may be wrong has a question mark.
    """
    width = min(max(shutil.get_terminal_size().columns, _LEAST), _MOST)
    step = max(len(decision.step) for decision in decisions)
    rest = width - step - 8  # two blanks between columns, and the mark
    option = min(max([len(_TITLES[3]), *(len(one.option) for one in decisions)]), rest // 4)
    what = (rest - option) * 11 // 20
    widths = (step, 1, what, rest - option - what, option)
    lines = [*_lines((_TITLES[0], "", *_TITLES[1:]), widths)]
    before = None
    known = {name: rank for rank, name in enumerate(STEPS)}
    for decision in sorted(decisions, key=lambda one: known.get(one.step, len(known))):
        name = "" if decision.step == before else decision.step
        before = decision.step
        cells = (name, "?" * decision.guessed, decision.what, decision.why, decision.option)
        lines += _lines(cells, widths)
    if any(decision.guessed for decision in decisions):
        lines += ["", "? may be wrong, or leaves something out"]
    return "\n".join(lines)


def _lines(cells: Sequence[str], widths: Sequence[int]) -> Iterator[str]:
    """Yield the lines of one row, its cells wrapped."""
    wrapped = [
        textwrap.wrap(cell, width, break_on_hyphens=False) or [""]
        for cell, width in zip(cells, widths, strict=True)
    ]
    for i in range(max(map(len, wrapped))):
        parts = [
            f"{lines[i] if i < len(lines) else '':<{width}}"
            for lines, width in zip(wrapped, widths, strict=True)
        ]
        yield "  ".join((parts[0], f"{parts[1]} {parts[2]}", *parts[3:])).rstrip()
