"""The HTML report: one file with tables, figures and definitions, that needs nothing else."""

from collections.abc import Iterable, Mapping
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from deepgaze2.evaluation.evaluation import Evaluation
from deepgaze2.evaluation.report import Estimate, Report
from deepgaze2.references.gold_curve import GoldCurve
from deepgaze2.references.references import References
from deepgaze2.reporting.html_figures import SINGLE_IMAGES, described
from deepgaze2.reporting.html_methods import methods
from deepgaze2.reporting.html_parts import Html, element, html, joined, number
from deepgaze2.reporting.html_tables import (
    comparison_table,
    curve_table,
    gain_table,
    metric_table,
    order_table,
    reference_table,
    subject_table,
)
from deepgaze2.support.files import written_atomically

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_PAGE = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>$title</title>
<style>
$style</style>
</head>
<body>
<header>
<h1>$title</h1>
$lead
$facts
<nav aria-label="Contents"><ul>
$contents
</ul></nav>
</header>
<main>
$sections
</main>
</body>
</html>
""")


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
    references, report = evaluation.references, evaluation.report
    pictures = {name: described(name, figure, report) for name, figure in figures.items()}
    sections = _sections(references, report, pictures, curve)
    page = _PAGE.substitute(
        title=html(f"Models of fixations on {report.data_set}"),
        style=(files("deepgaze2") / "reporting" / "report.css").read_text(encoding="utf-8"),
        lead=element("p", _lead(report), class_="lead"),
        facts=_facts(report),
        contents=joined(
            element("li", element("a", title, href=f"#{anchor}")) for anchor, title, _ in sections
        ),
        sections=joined(
            element("section", joined([element("h2", title), content]), id=anchor)
            for anchor, title, content in sections
        ),
    )
    with written_atomically(path) as temporary:
        temporary.write_text(page, encoding="utf-8", newline="\n")


def _sections(
    references: References, report: Report, pictures: dict[str, Html], curve: GoldCurve | None
) -> list[tuple[str, str, Html]]:
    """Return the anchor, title and content of each; pictures that have a place are taken out."""
    pictures = dict(pictures)

    def placed(*names: str) -> list[Html]:
        return [pictures.pop(name) for name in names if name in pictures]

    gain = [*placed("figure3_explained"), gain_table(report), *placed("figure4_images")]
    if report.comparisons:
        gain += [element("h3", "Paired comparisons"), comparison_table(report)]
    groups = [
        *(element("h3", "By order of fixation"), *placed("by_order")),
        order_table(report, references),
        *(element("h3", "By subject"), *placed("by_subject")),
        subject_table(report, references),
    ]
    against = [reference_table(report, curve), *placed("gold_curve")]
    if curve is not None:
        against.append(curve_table(curve))
    images = [element("p", SINGLE_IMAGES), *pictures.values()] if pictures else []
    sections = [
        ("gain", "Information gain", gain),
        ("metrics", "Metrics of saliency maps", [metric_table(report)]),
        ("groups", "By order of fixation and by subject", groups),
        ("references", "Center bias and gold standard", against),
        ("images", "Single images", images),
        ("data", "Data set", [_data_set(references, report)]),
        ("methods", "How the numbers were computed", [methods()]),
    ]
    return [(anchor, title, joined(parts)) for anchor, title, parts in sections if parts]


def _lead(report: Report) -> str:
    first = report.models[0]
    gain = f"{_with_interval(first.information_gain, 2)} bit per fixation"
    if first.explained is None or report.gold is None:
        return f"{first.name} gains {gain} over the center bias."
    share = _with_interval(first.explained, 1, 100, "%")
    return (
        f"{first.name} explains {share} of the information gain of the gold standard, which"
        f" predicts each subject from the others: {gain}, of {number(report.gold.value, 2)}."
    )


def _with_interval(shown: Estimate, digits: int, scale: int = 1, unit: str = "") -> str:
    value, low, high = (
        number(scale * one, digits) + unit for one in (shown.value, shown.low, shown.high)
    )
    return f"{value} (95% interval {low} to {high})"


def _facts(report: Report) -> Html:
    counts = (
        ("Images", report.images),
        ("Subjects", report.subjects),
        ("Fixations", report.fixations),
        ("Models", len(report.models)),
    )
    return element("dl", _pairs((name, number(n, 0)) for name, n in counts), class_="facts")


def _pairs(rows: Iterable[tuple[str, str]]) -> Html:
    return joined(
        element("div", joined([element("dt", name), element("dd", text)])) for name, text in rows
    )


def _data_set(references: References, report: Report) -> Html:
    dataset = references.dataset
    stimuli, counts = dataset.stimuli, np.diff(dataset.offsets)
    seen = np.flatnonzero(counts)
    pairs = np.unique(np.stack([dataset.fixations.stimulus, dataset.person]), axis=1)
    subjects = np.bincount(pairs[0], minlength=len(stimuli))[seen]
    blur = np.array([references.map_sigma_px(i) for i in seen.tolist()])
    rows = (
        ("Name", dataset.name),
        ("Images", f"{report.images:,} with fixations, of {len(stimuli):,}"),
        ("Width", f"{_span(stimuli.width[seen])} px"),
        ("Height", f"{_span(stimuli.height[seen])} px"),
        ("Pixels per degree", _span(stimuli.pixels_per_degree[seen], 1)),
        ("Subjects", f"{report.subjects:,}; {_span(subjects)} on an image"),
        ("Fixations", f"{report.fixations:,}; {_span(counts[seen])} on an image"),
        ("Blur of empirical maps", f"standard deviation {_span(blur, 1)} px"),
        ("Checksum", element("code", references.identity)),
    )
    notes = [element("li", note) for note in dataset.notes]
    listed = element("dl", _pairs(rows), class_="properties")
    return joined([listed, *([element("ul", joined(notes))] if notes else [])])


def _span(values: NDArray[np.generic], digits: int = 0) -> str:
    """Return the range of some numbers, and their median if they differ."""
    known = np.asarray(values, dtype=np.float64)
    known = known[~np.isnan(known)]
    if not len(known):
        return "unknown"
    low, middle, high = (number(float(x), digits) for x in np.quantile(known, [0, 0.5, 1]))
    return low if low == high else f"{low} to {high} (median {middle})"
