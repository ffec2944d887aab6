"""The HTML report: one file with tables, figures and definitions, that needs nothing else.

The words and the tables are in `templates/`, a file for each section; here are the values.
"""

import base64
import platform
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from inspect import signature
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from deepgaze2.evaluation.evaluation import Evaluation
from deepgaze2.evaluation.report import Estimate, Report, why_no_share
from deepgaze2.metrics.intervals import bootstrap_interval
from deepgaze2.metrics.table import METRICS
from deepgaze2.references.gold_curve import GoldCurve
from deepgaze2.references.references import References
from deepgaze2.reporting.html_filters import page_environment
from deepgaze2.support.files import written_atomically

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_PLACED = ("figure3_explained", "figure4_images", "by_order", "by_subject", "gold_curve")
"""Figures that stand with a table; the others are single images."""

_PNG_DPI = 120
_CSS_PX_PER_INCH = 96
_LEAST_SHARE = 0.55
"""Of its size, down to which a picture shrinks on small screens before it scrolls."""

_LONGEST = 200


def write_html_report(
    evaluation: Evaluation,
    figures: "Mapping[str, Figure]",
    path: Path,
    curve: GoldCurve | None = None,
) -> None:
    """Write one HTML file, without scripts and without anything from elsewhere.

    The same report gives the same bytes.

    Parameters
    ----------
    evaluation : Evaluation
        Of at least one model.
    figures : mapping of str to matplotlib Figure
        By the names that `draw_all` gives them, and `gold_curve`; others come at the end of the
        single images.
    path : Path
        The file.
    curve : GoldCurve, optional
        The gold standard by number of subjects.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    pictures = {name: _Picture.of(name, figure) for name, figure in figures.items()}
    values = _values(evaluation.report, evaluation.references)
    page = (
        page_environment()
        .get_template("report.html")
        .render(
            values,
            curve=curve,
            pictures=pictures,
            single_images=[one for name, one in pictures.items() if name not in _PLACED],
        )
    )
    with written_atomically(path) as temporary:
        temporary.write_text(page, encoding="utf-8", newline="\n")


@dataclass(frozen=True)
class _Picture:
    """A figure as it is embedded, with its number in the paper if it has one."""

    title: str
    number: str
    source: str
    width: int
    height: int
    least_width: int

    @staticmethod
    def of(name: str, figure: "Figure") -> "_Picture":
        stream = BytesIO()
        figure.savefig(stream, format="png", dpi=_PNG_DPI, metadata={"Software": None})
        width, height = (round(inches * _CSS_PX_PER_INCH) for inches in figure.get_size_inches())
        paper = re.match(r"figure(\d)", name)
        return _Picture(
            title=" ".join(figure.get_suptitle().split()).replace(r"\$", "$") or name,
            number=paper[1] if paper else "",
            source=f"data:image/png;base64,{base64.b64encode(stream.getvalue()).decode()}",
            width=width,
            height=height,
            least_width=round(_LEAST_SHARE * width),
        )


def _values(report: Report, references: References) -> dict[str, Any]:
    fixations = references.dataset.fixations
    subjects = references.dataset.subject_names
    orders = enumerate(np.bincount(fixations.order + 1).tolist())
    viewings = enumerate(np.bincount(fixations.subject).tolist())
    resampling = signature(bootstrap_interval).parameters
    return {
        "report": report,
        "why_no_share": why_no_share(report.gold),
        "names": ", ".join(model.name for model in report.models),
        "metrics": METRICS,
        "best": _best(report),
        "by_order": _Groups.of(
            [model.by_order for model in report.models], {str(order): n for order, n in orders}
        ),
        "by_subject": _Groups.of(
            [model.by_subject for model in report.models],
            {subjects[i] if subjects else str(i): n for i, n in viewings},
        ),
        "data": _data_set(references),
        "resamples": resampling["n_resamples"].default,
        "seed": resampling["seed"].default,
        "versions": {
            "deepgaze2": version("deepgaze2"),
            "NumPy": np.__version__,
            "Python": platform.python_version(),
        },
    }


def _best(report: Report) -> dict[str, float | None]:
    """Return each column's best value; None if there is only one model to choose from."""
    gains = ("information_gain", "explained", "information_gain_over_images", "over_uniform")
    columns: dict[str, tuple[list[Estimate | None], bool]] = {
        name: ([getattr(model, name) for model in report.models], False) for name in gains
    }
    for metric in METRICS:
        shown = [model.metrics.get(metric.name) for model in report.models]
        columns[metric.name] = shown, metric.lower_is_better
    best: dict[str, float | None] = {}
    for name, (shown, lower) in columns.items():
        values = [one.value for one in shown if one is not None and not np.isnan(one.value)]
        best[name] = (min if lower else max)(values) if len(values) > 1 else None
    return best


@dataclass(frozen=True)
class _Groups:
    """Rows of a table: a label, its number of fixations, each model's gain.

    Of many groups there are only the lowest, median and highest gain, and `summarized` is how
    many there are.
    """

    rows: list[tuple[str, int | None, list[float]]]
    summarized: int = 0

    @staticmethod
    def of(gains: Sequence[Mapping[str, float]], fixations: Mapping[str, int]) -> "_Groups":
        labels = list(gains[0])
        values = np.array([list(gain.values()) for gain in gains])
        if len(labels) > _LONGEST:
            summary = {"lowest": values.min(1), "median": np.median(values, 1)}
            summary["highest"] = values.max(1)
            return _Groups(
                [(name, None, row.tolist()) for name, row in summary.items()], len(labels)
            )
        columns = zip(labels, values.T.tolist(), strict=True)
        return _Groups([(label, fixations[label], row) for label, row in columns])


def _data_set(references: References) -> dict[str, Any]:
    """Return what is known of the images with fixations, an array each."""
    dataset = references.dataset
    stimuli, counts = dataset.stimuli, np.diff(dataset.offsets)
    seen = np.flatnonzero(counts)
    pairs = np.unique(np.stack([dataset.fixations.stimulus, dataset.person]), axis=1)
    return {
        "name": dataset.name,
        "images": len(stimuli),
        "width": stimuli.width[seen],
        "height": stimuli.height[seen],
        "pixels_per_degree": stimuli.pixels_per_degree[seen],
        "subjects": np.bincount(pairs[0], minlength=len(stimuli))[seen],
        "fixations": counts[seen],
        "map_sigma_px": np.array([references.map_sigma_px(i) for i in seen.tolist()]),
        "identity": references.identity,
        "notes": dataset.notes,
    }
