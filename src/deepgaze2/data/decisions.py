"""What reading a table decided, step by step, for whoever wants to know why."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from deepgaze2.support.typed_json import typed

DOUBTS = "doubts"
"""The step that finds something stated unlikely."""
STEPS = (
    *("file", "columns", "rows", "images", "viewings"),
    *("order", "time", "positions", DOUBTS, "table"),
)
"""The steps of reading, in their order."""
STATED = "stated"
"""Why something was decided that the user said."""

_TELLING = (
    *(DOUBTS, "positions", "file", "rows", "images"),
    *("viewings", "columns", "order", "time", "table"),
)


@dataclass(frozen=True)
class Decision:
    """One decision, which is a sentence as text: `What: why (option).`, first letter raised.

    Attributes
    ----------
    step : str
        One of `STEPS`.
    what : str
        What was decided.
    why : str
        What that rests on: what is stated, names, values with their counts.
    option : str
        What to state if it is wrong.
    guessed : bool
        Whether it may be wrong or leaves something out, so that every command says it.
    """

    step: str
    what: str
    why: str = ""
    option: str = ""
    guessed: bool = True

    def __str__(self) -> str:
        reason = f": {self.why}" if self.why else ""
        remark = f" ({self.option})" if self.option else ""
        return f"{self.what[:1].upper()}{self.what[1:]}{reason}{remark}."


def notes_of(decisions: Iterable[Decision]) -> tuple[str, ...]:
    """Return sentences on what was guessed or left out, the most telling first."""
    guessed = sorted((d for d in decisions if d.guessed), key=lambda d: _TELLING.index(d.step))
    columns = [d for d in guessed if d.step == "columns"]
    joined = f"Columns guessed by their names: {', '.join(d.what for d in columns)}."
    notes = list[str]()
    for decision in guessed:
        if decision.step != "columns":
            notes.append(str(decision))
        elif decision is columns[0]:
            notes.append(joined)
    return tuple(notes)


def of_files(decided: Sequence[Sequence[Decision]], names: Sequence[str]) -> list[Decision]:
    """Return what was decided of several files, each decision once, with the files it is of.

    Parameters
    ----------
    decided : sequence of sequence of Decision
        For each file.
    names : sequence of str
        Their names.
    """
    found = dict[Decision, list[str]]()
    for decisions, name in zip(decided, names, strict=True):
        for decision in dict.fromkeys(decisions):
            found.setdefault(decision, []).append(name)
    return [
        decision
        if len(which) == len(names)
        else replace(decision, what=f"{decision.what}, in {_some(which)}")
        for decision, which in found.items()
    ]


def reading_record(decisions: Sequence[Decision]) -> dict[str, list[dict[str, Any]]]:
    """Return what a card says of how a table was read; nothing of what is no table."""
    return {"reading": [asdict(decision) for decision in decisions]} if decisions else {}


def recorded(record: Mapping[str, Any]) -> list[Decision]:
    """Return the decisions that `reading_record` wrote, none of before; a ValueError if damaged."""
    return list(typed(tuple[Decision, ...], record.get("reading", []), "the card's reading"))


def _some(names: Sequence[str]) -> str:
    return ", ".join(names) if len(names) < 4 else f"{len(names)} files such as {names[0]}"
