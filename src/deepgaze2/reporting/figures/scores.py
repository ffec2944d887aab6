"""Figures 3 and 4: how much models explain, over all images and image by image."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from deepgaze2.evaluation.report import Estimate, Report, why_no_share
from deepgaze2.reporting.figures.style import BLUE, GRAY, VERMILION, drawable, tidy, with_signs

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_BAR_INCHES = 0.38
_PANEL_INCHES = 3.0
_LOWEST_SHARE = 1.5
"""How far the axes reach below zero at most, of how far above: one bad image hides no other."""


def explained_bars(report: Report) -> "Figure":
    """Draw the information gain explained of each model, with its 95% interval (figure 3).

    Without a gold standard that gains something, the bars are information gains in bits. A value
    that is infinite has no bar, but is written.

    Parameters
    ----------
    report : Report
        Models are drawn from the worst to the best, from below.

    Returns
    -------
    matplotlib Figure
        Outside pyplot, so it needs no closing.
    """
    percent = not why_no_share(report.gold)
    ranked = sorted(
        ((model.name, model.explained or model.information_gain) for model in report.models),
        key=lambda row: np.nan_to_num(row[1].value, nan=-np.inf),
    )
    return estimate_bars(ranked, title_of(report), percent=percent)


def estimate_bars(
    rows: Sequence[tuple[str, Estimate]],
    title: str,
    *,
    percent: bool,
    colors: Sequence[str] | None = None,
) -> "Figure":
    """Draw a bar with its interval for each name, from below.

    Parameters
    ----------
    rows : sequence of (str, Estimate)
        Names and values.
    title : str
        What stands above.
    percent : bool
        Whether values are shares of the gold standard's information gain, 0 to 1, or bits.
    colors : sequence of str, optional
        Of each bar.
    """
    from matplotlib.figure import Figure

    scale = 100 if percent else 1
    figure = Figure(figsize=(6.4, 1.3 + _BAR_INCHES * len(rows)), layout="constrained")
    ax = figure.subplots()
    number = "{:.1f}%" if percent else "{:.2f}"
    for place, (_, shown) in enumerate(rows):
        _draw_bar(ax, place, shown, scale, number, colors[place] if colors else BLUE)
    ax.set_yticks(np.arange(len(rows)), [drawable(name, 40) for name, _ in rows])
    ax.axvline(0, color="black", linewidth=0.8)
    ends = [scale * end for _, shown in rows for end in (shown.value, shown.low, shown.high)]
    low, high = _range([*ends, 0.0, *([100.0] if percent else [])])
    ax.set(xlim=(low - 0.03 * (high - low) * (low < 0), high + 0.13 * (high - low)))
    ax.set_ylim(-0.6, len(rows) - 0.4)
    if percent:
        ax.axvline(100, color=GRAY, linestyle="--", linewidth=1, zorder=0)
        unit = "explained [%]; dashed: gold standard"
    else:
        unit = "over the center bias [bit/fixation]"
    # Below the whole figure: names may leave the axes less room than this takes.
    figure.supxlabel(f"information gain {unit}", fontsize=10)
    figure.suptitle(title, fontsize=10)
    tidy(ax)
    return figure


def _draw_bar(ax: "Axes", place: int, shown: Estimate, scale: int, number: str, color: str) -> None:
    value, low, high = (scale * end for end in (shown.value, shown.low, shown.high))
    right = 0.0
    if np.isfinite(value):
        ax.barh(place, value, height=0.7, color=color)
        right = max(value, 0.0)
    if np.isfinite([value, low, high]).all():
        errors = np.maximum([[value - low], [high - value]], 0)
        ax.errorbar(value, place, xerr=errors, fmt="none", ecolor="black", capsize=3)
        right = max(high, 0.0)
    text = with_signs(number.format(value))
    ax.annotate(text, (right, place), (5, 0), textcoords="offset points", va="center", fontsize=9)


def gold_scatter(
    gold: NDArray[np.float64], models: Mapping[str, NDArray[np.float64]], report: Report
) -> "Figure":
    """Draw each image's information gain by the gold standard and by each model (figure 4).

    Parameters
    ----------
    gold : float array (n_images,)
        The gold standard's mean information gain on each image, bits/fixation; NaN without
        fixations.
    models : mapping of str to float array (n_images,)
        The same of each model. Images on which it is negative are marked, at the lower edge
        where it is far below the others or minus infinity.
    report : Report
        For the title.

    Returns
    -------
    matplotlib Figure
    """
    from matplotlib.figure import Figure

    columns = min(len(models), 3 if len(models) != 4 else 2)
    rows = -(-len(models) // columns)
    figure = Figure(
        figsize=(_PANEL_INCHES * max(columns, 1.6) + 0.4, _PANEL_INCHES * rows + 0.9),
        layout="constrained",
    )
    axes = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    low, high = _range(np.concatenate([gold, *models.values(), [0.0]]))
    low = max(low, -_LOWEST_SHARE * high) if high > 0 else low
    margin = 0.06 * (high - low)
    limits = (low - margin, high + margin)
    for ax in axes.flat[len(models) :]:
        ax.set_visible(False)
    for ax, (name, gain) in zip(axes.flat, models.items(), strict=False):
        _draw_images(ax, gold, gain, limits)
        ax.set_title(f"{drawable(name, 34)}\n{_facts(gold, gain)}", fontsize=9)
    for ax in axes[-2, columns - (rows * columns - len(models)) :] if rows > 1 else ():
        ax.tick_params(labelbottom=True)  # above an empty place
    figure.supxlabel("gold standard [bit/fixation over the center bias]", fontsize=10)
    figure.supylabel("model [bit/fixation over the center bias]", fontsize=10)
    figure.suptitle(title_of(report), fontsize=10)
    return figure


def _draw_images(
    ax: "Axes",
    gold: NDArray[np.float64],
    gain: NDArray[np.float64],
    limits: tuple[float, float],
) -> None:
    negative = gain < 0
    shown = np.maximum(gain, limits[0])
    ax.plot(limits, limits, color=GRAY, linewidth=1, zorder=1)
    ax.axhline(0, color="black", linewidth=0.8, zorder=1)
    ax.scatter(gold[~negative], shown[~negative], s=9, c=BLUE, alpha=0.6, linewidths=0)
    ax.scatter(
        *(gold[negative], shown[negative]),
        s=22,
        c=VERMILION,
        marker="x",
        linewidths=1.1,
        clip_on=False,
    )
    ax.set(xlim=limits, ylim=limits, aspect="equal")
    ax.locator_params(nbins=6)
    tidy(ax)


def _facts(gold: NDArray[np.float64], gain: NDArray[np.float64]) -> str:
    known = np.isfinite(gold) & np.isfinite(gain)
    negative = f"{int((gain < 0).sum())} negative"
    if known.sum() < 3 or np.ptp(gold[known]) == 0 or np.ptp(gain[known]) == 0:
        return negative
    return f"r = {np.corrcoef(gold[known], gain[known])[0, 1]:.2f}, {negative}"


def _range(values: Iterable[float]) -> tuple[float, float]:
    """Return the smallest and the largest finite value; they differ."""
    numbers = np.array([*values])
    finite = numbers[np.isfinite(numbers)]
    low, high = float(finite.min()), float(finite.max())
    return (low, high) if low < high else (low, low + 1)


def title_of(report: Report) -> str:
    """Return what was scored, in a line."""
    name = drawable(report.data_set, 40)
    return f"{name}: {report.images:,} images, {report.fixations:,} fixations"
