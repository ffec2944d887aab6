"""`deepgaze2 evaluate` on several data sets: one by one, then a table for each quantity."""

import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from deepgaze2.cli import in_one_line
from deepgaze2.cli.dataset_source import for_tables, open_ready
from deepgaze2.cli.study import announcer
from deepgaze2.errors import DeepGazeError, OutputError

if TYPE_CHECKING:
    from deepgaze2.evaluation.across_sets import Across, Cell, Quantity, Row, SetReport
    from deepgaze2.evaluation.evaluation import Evaluation

INDEX_FILE, SCORES_FILE = "index.html", "scores.json"


def evaluate_sets(
    models: Sequence[str],
    sources: Sequence[str],
    table: dict[str, Any],
    write: "Callable[[Evaluation, str], None] | None",
    *,
    engine: str = "auto",
    device: str = "cpu",
) -> "Across":
    """Evaluate models on data sets one by one; those that fail do not keep the others from it.

    Parameters
    ----------
    models, sources : sequence of str
        As they were typed.
    table : dict
        How to read those of the sources that are tables of the user's own.
    write : function, optional
        Writes the pages and files of one data set into a folder of this name.
    engine, device : str
        What computes the networks of our models, and where.

    Raises
    ------
    OutputError
        If something cannot be written.
    """
    from deepgaze2.evaluation.across_sets import Across, Failure, SetReport
    from deepgaze2.evaluation.evaluation import evaluate

    sets: list[SetReport] = []
    failed: list[Failure] = []
    announce = announcer()
    for number, source in enumerate(sources):
        announce(number, len(sources), source)
        try:
            dataset = open_ready(source, for_tables(source, sources, table))
            evaluation = evaluate(models, dataset, engine=engine, device=device)
            folder = _folder_name(dataset.name, [one.folder for one in sets]) if write else ""
            if write:
                write(evaluation, folder)
        except OutputError:
            raise  # the next set's would fail alike
        except (DeepGazeError, OSError) as error:
            failed.append(Failure(source, in_one_line(error)))
            continue
        sets.append(SetReport(source, evaluation.report, folder))
    return Across(tuple(sets), tuple(failed))


def write_index(across: "Across", folder: Path) -> None:
    """Write index.html and scores.json of all data sets, and say where they are."""
    from deepgaze2.evaluation.score_files import write_json_of_sets
    from deepgaze2.reporting.html_index import write_html_index

    write_json_of_sets(across, folder / SCORES_FILE)
    write_html_index(across, folder / INDEX_FILE)
    click.echo(f"\n{INDEX_FILE}, {SCORES_FILE} and a folder for each data set are in {folder}")


def as_tables(across: "Across") -> str:
    """Return a table of models and data sets for each quantity, for the terminal."""
    from deepgaze2.evaluation.across_sets import QUANTITIES

    lines = [
        f"{label}: {one.report.images} images, {one.report.subjects} subjects,"
        f" {one.report.fixations} fixations ({one.source})"
        for label, one in zip(across.labels, across.sets, strict=True)
    ]
    for quantity in QUANTITIES:
        rows = across.rows(quantity)
        partial = any(None in row.cells for row in rows)
        title = f"{quantity.title} ({quantity.unit})"
        lines += ["", title + "; mean over the sets that have a value" * partial]
        lines += _table(across, quantity, rows)
    return "\n".join(lines)


def _table(across: "Across", quantity: "Quantity", rows: "list[Row]") -> list[str]:
    lines = [["model", *across.labels, "mean"]]
    for row in rows:
        cells = [
            _cell(cell, quantity, one) for cell, one in zip(row.cells, across.sets, strict=True)
        ]
        lines.append([row.model, *cells, _number(row.mean, quantity)])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    sides = "<" + ">" * (len(widths) - 1)
    return [
        "  ".join(
            f"{cell:{side}{width}}" for cell, side, width in zip(line, sides, widths, strict=True)
        )
        for line in lines
    ]


def _cell(cell: "Cell", quantity: "Quantity", one: "SetReport") -> str:
    from deepgaze2.evaluation.across_sets import value_of

    if isinstance(cell, int):
        return f"{cell} of {one.report.images}"
    return _number(value_of(cell), quantity)


def _number(value: float | None, quantity: "Quantity") -> str:
    return "-" if value is None else f"{quantity.scale * value:.{quantity.digits}f}"


def _folder_name(name: str, taken: Iterable[str]) -> str:
    """Return a data set's name as a folder is called, with a number if that is taken.

    Names that differ in upper and lower case alone are one to some file systems.
    """
    others = {one.casefold() for one in taken}
    plain = re.sub(r"[^\w.-]+", "-", name).strip("-.") or "set"
    numbered = (plain if i == 1 else f"{plain}-{i}" for i in range(1, 10**6))
    return next(one for one in numbered if one.casefold() not in others)
