"""The page above the reports of several data sets: tables of models and sets, and links."""

from pathlib import Path
from typing import Any

import numpy as np

from deepgaze2.evaluation.across_sets import QUANTITIES, Across, Quantity, Row, value_of
from deepgaze2.reporting.html_filters import page_environment
from deepgaze2.support.files import written_atomically

REPORT_FILE = "report.html"
"""What a data set's page is called, in its folder."""


def write_html_index(across: Across, path: Path) -> None:
    """Write one HTML file with a table for each quantity, which links to each set's own page.

    Parameters
    ----------
    across : Across
        At least one data set.
    path : Path
        The file; the sets' folders lie beside it.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    page = (
        page_environment()
        .get_template("index.html")
        .render(
            across=across,
            tables=[_table(quantity, across.rows(quantity)) for quantity in QUANTITIES],
            page=REPORT_FILE,
        )
    )
    with written_atomically(path) as temporary:
        temporary.write_text(page, encoding="utf-8", newline="\n")


def _table(quantity: Quantity, rows: list[Row]) -> dict[str, Any]:
    """Return a quantity, its rows, and the best value of each column."""
    columns = zip(*([*map(value_of, row.cells), row.mean] for row in rows), strict=True)
    best = (max, min)[quantity.lower_is_better]
    known = [[x for x in column if x is not None and not np.isnan(x)] for column in columns]
    return {
        "quantity": quantity,
        "rows": rows,
        "best": [best(column) if len(column) > 1 else None for column in known],
        "partial": any(None in row.cells for row in rows),
    }
