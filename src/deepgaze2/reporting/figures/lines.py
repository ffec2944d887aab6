"""Information gain along an axis: fixations' order, subjects, number of subjects known."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from deepgaze2.evaluation.report import Report
from deepgaze2.references.gold_curve import GoldCurve
from deepgaze2.reporting.figures.scores import title_of
from deepgaze2.reporting.figures.style import BLUE, SERIES_COLORS, VERMILION, drawable, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MARKERS = "osD^v<>"
_FIGSIZE = (6.4, 3.6)
_MOST_NAMED = 40


def order_figure(report: Report) -> "Figure":
    """Draw each model's information gain over the n-th fixations of all scanpaths.

    Returns
    -------
    matplotlib Figure
    """
    figure, ax = _axes()
    for place, model in enumerate(report.models):
        numbers = np.array([int(number) for number in model.by_order])
        _draw_series(ax, place, numbers, list(model.by_order.values()), model.name, line=True)
    ax.locator_params(axis="x", integer=True)
    ax.set_xlabel("number of the fixation in its scanpath, counted from 1")
    return _finished(figure, ax, report)


def subject_figure(report: Report) -> "Figure":
    """Draw each model's information gain over each subject's fixations.

    Subjects are in the order of the first model's gain.

    Returns
    -------
    matplotlib Figure
    """
    figure, ax = _axes()
    first = report.models[0].by_subject
    subjects = sorted(first, key=lambda subject: first[subject])
    places = np.arange(len(subjects))
    for place, model in enumerate(report.models):
        gains = [model.by_subject[subject] for subject in subjects]
        _draw_series(ax, place, places, gains, model.name, line=False)
    names = [drawable(subject, 12) for subject in subjects if len(subjects) <= _MOST_NAMED]
    ax.set_xticks(places[: len(names)], names, fontsize=8)
    if max(map(len, names), default=0) > 3:
        ax.tick_params(axis="x", labelrotation=90)
    ax.set_xlabel("subject, in the order of the first model's gain")
    return _finished(figure, ax, report)


def gold_curve_figure(curve: GoldCurve, data_set: str) -> "Figure":
    """Draw the gold standard's gain by the number of subjects it learns from, and its limit.

    Parameters
    ----------
    curve : GoldCurve
        Its points with their intervals, its fit and the limit with its interval.
    data_set : str
        Its name, for the title.

    Returns
    -------
    matplotlib Figure
    """
    figure, ax = _axes()
    k = np.linspace(curve.n_others[0], 1.25 * curve.n_others[-1], 200)
    low, high = curve.limit_interval
    ax.axhspan(low, high, color=VERMILION, alpha=0.15, linewidth=0)
    ax.axhline(
        curve.limit, color=VERMILION, linestyle="--", linewidth=1.2, label="limit of the fit"
    )
    ax.plot(k, curve.at(k), color=BLUE, linewidth=1.2, label="fit a - b k^-c")
    errors = np.abs(curve.interval.T - curve.bits)
    ax.errorbar(
        *(curve.n_others, curve.bits, errors),
        fmt="o",
        markersize=4,
        color="black",
        capsize=2,
        linewidth=1,
        label="measured, 95% interval",
    )
    ax.locator_params(axis="x", integer=True)
    ax.set_xlabel("other subjects on the image, k")
    ax.set_ylabel("information gain of the\ngold standard [bit/fixation]")
    ax.legend(frameon=False, fontsize=8, loc="lower right")
    figure.suptitle(f"{drawable(data_set)}: {curve.images:,} images", fontsize=10)
    return figure


def _axes() -> "tuple[Figure, Axes]":
    from matplotlib.figure import Figure

    figure = Figure(figsize=_FIGSIZE, layout="constrained")
    ax = figure.subplots()
    tidy(ax)
    return figure, ax


def _draw_series(
    ax: "Axes",
    place: int,
    x: Sequence[float] | np.ndarray,
    y: Sequence[float],
    name: str,
    *,
    line: bool,
) -> None:
    """Draw one model; the seven colors and markers run out of step, so 49 are told apart."""
    n = len(SERIES_COLORS)
    ax.plot(
        x,
        y,
        color=SERIES_COLORS[place % n],
        marker=_MARKERS[(place + place // n) % n],
        markersize=4,
        linewidth=1.2 if line else 0,
        label=drawable(name, 40),
    )


def _finished(figure: "Figure", ax: "Axes", report: Report) -> "Figure":
    ax.axhline(0, color="black", linewidth=0.8, zorder=0)
    ax.set_ylabel("information gain over the\ncenter bias [bit/fixation]")
    columns = 2 if len(report.models) > 1 else 1
    figure.legend(loc="outside lower center", ncols=columns, frameon=False, fontsize=8)
    figure.suptitle(title_of(report), fontsize=10)
    return figure
