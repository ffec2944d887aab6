"""The report's tables."""

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from deepgaze2.evaluation.report import Estimate, ModelReport, Report
from deepgaze2.metrics.table import METRICS
from deepgaze2.references.gold_curve import GoldCurve
from deepgaze2.references.references import References
from deepgaze2.reporting.html_parts import Html, element, estimate, html, joined, number, table

_ARROWS = {False: "\u2191", True: "\u2193"}
_LONGEST = 200


def gain_table(report: Report) -> Html:
    """Return the information gains of all models."""
    columns: tuple[Callable[[ModelReport], Estimate | None], ...] = (
        lambda model: model.information_gain,
        lambda model: model.explained,
        lambda model: model.information_gain_over_images,
        lambda model: model.over_uniform,
    )
    scales, digits = (1, 100, 1, 1), (3, 1, 3, 3)
    best = [_best([of(model) for model in report.models]) for of in columns]
    rows = []
    for model in report.models:
        shown = [of(model) for of in columns]
        cells = [
            estimate(one, n, scale, best=one is not None and one.value == top)
            for one, n, scale, top in zip(shown, digits, scales, best, strict=True)
        ]
        rows.append([_named(model), *cells, number(model.negative_images, 0)])
    head = (
        "Model",
        Html("IG \u2191<br><small>bit/fixation</small>"),
        Html("Explained \u2191<br><small>% of gold standard</small>"),
        Html("IG, images alike \u2191<br><small>bit/fixation</small>"),
        Html("Over uniform \u2191<br><small>bit/fixation</small>"),
        Html("Negative images \u2193"),
    )
    return table("Information gain, with 95% intervals over images", head, rows)


def metric_table(report: Report) -> Html:
    """Return the metrics of saliency maps, also of maps as they were given."""
    head = [
        "Model",
        *(f"{one.title} {_ARROWS[one.lower_is_better]}" for one in METRICS),
    ]
    best = {
        one.name: _best(
            [model.metrics.get(one.name) for model in report.models], lower=one.lower_is_better
        )
        for one in METRICS
    }
    rows = []
    for model in report.models:
        rows.append([html(model.name), *_metric_cells(model.metrics, best)])
        if model.map_metrics:
            name = joined([model.name, element("small", "map as given")], "<br>")
            rows.append([name, *_metric_cells(model.map_metrics, {})])
    caption = (
        "Metrics of saliency maps, each of the map that suits it, with 95% intervals over images"
    )
    return table(caption, head, rows)


def _metric_cells(metrics: Mapping[str, Estimate], best: Mapping[str, float]) -> Iterator[Html]:
    for one in METRICS:
        shown = metrics.get(one.name)
        yield estimate(shown, best=shown is not None and shown.value == best.get(one.name))


def _best(shown: Sequence[Estimate | None], *, lower: bool = False) -> float:
    """Return a column's best value; not a number if there is only one model to choose from."""
    values = [one.value for one in shown if one is not None and not np.isnan(one.value)]
    if len(values) < 2:
        return np.nan
    return min(values) if lower else max(values)


def _named(model: ModelReport) -> Html:
    note = [element("small", model.note)] if model.note else []
    return joined([model.name, *note], "<br>")


def comparison_table(report: Report) -> Html:
    """Return the paired comparisons of the first model with each other one."""
    rows = [
        [
            html(one.other),
            estimate(one.difference),
            f"{one.images_won:,} of {one.images:,}",
            number(100 * one.images_won / one.images, 1),
            number(one.p_value, 4),
        ]
        for one in report.comparisons
    ]
    head = (
        "Other model",
        Html("Difference in IG<br><small>bit/fixation</small>"),
        "Images won",
        "Images won [%]",
        "p",
    )
    first = report.comparisons[0].first
    return table(f"{first} less each other model, on the same fixations", head, rows)


def order_table(report: Report, references: References) -> Html:
    """Return information gains by the fixations' place in their scanpaths."""
    counts = np.bincount(references.dataset.fixations.order + 1)
    fixations = {str(order): int(n) for order, n in enumerate(counts.tolist())}
    gains = {model.name: model.by_order for model in report.models}
    return _gains_by("Fixation", "Information gain by order of fixation", gains, fixations)


def subject_table(report: Report, references: References) -> Html:
    """Return information gains by subject."""
    dataset = references.dataset
    names = dataset.subject_names
    counts = np.bincount(dataset.fixations.subject).tolist()
    fixations = {names[i] if names else str(i): n for i, n in enumerate(counts)}
    gains = {model.name: model.by_subject for model in report.models}
    return _gains_by("Subject", "Information gain by subject", gains, fixations)


def _gains_by(
    what: str,
    caption: str,
    gains: Mapping[str, Mapping[str, float]],
    fixations: Mapping[str, int],
) -> Html:
    labels = list(next(iter(gains.values())))
    head = [what, "Fixations", *gains]
    if len(labels) > _LONGEST:
        values = np.array([list(gain.values()) for gain in gains.values()])
        summary = (
            ("lowest", values.min(1)),
            ("median", np.median(values, 1)),
            ("highest", values.max(1)),
        )
        rows = [[name, "", *map(number, row.tolist())] for name, row in summary]
        return table(f"{caption}, bit/fixation: of {len(labels):,}", head, rows)
    rows = [
        [label, number(fixations[label], 0), *(number(gain[label]) for gain in gains.values())]
        for label in labels
    ]
    return table(f"{caption}, bit/fixation", head, rows)


def reference_table(report: Report, curve: GoldCurve | None) -> Html:
    """Return what models are measured against."""
    width = number(100 * report.center_bias_bandwidth, 2)
    uniform = number(100 * report.center_bias_uniform_share, 2)
    rows = [
        [
            "Center bias",
            "uniform density",
            estimate(report.center_bias),
            f"Gaussian kernels, standard deviation {width}% of width and height, on all other"
            f" images' fixations; {uniform}% uniform",
        ]
    ]
    if report.gold is not None and report.gold_bandwidth_px is not None:
        shares = _shares(report.gold_weights)
        rows.append(
            [
                "Gold standard",
                "center bias",
                estimate(report.gold),
                "each subject from the others on the image: Gaussian kernels, standard deviation"
                f" {number(report.gold_bandwidth_px, 1)} px; {shares}",
            ]
        )
    if report.optimistic_gold is not None:
        made = "each subject from all on the image, itself too: an upper bound"
        rows.append(
            ["Optimistic gold standard", "center bias", estimate(report.optimistic_gold), made]
        )
    if curve is not None:
        power = element("sup", number(-curve.exponent))
        fit = f"extrapolated: {number(curve.limit)} \u2212 {number(curve.scale)} k"
        points = f" with k other subjects, fitted to k = 1 to {curve.n_others[-1]}"
        rows.append(
            [
                "Gold standard, infinitely many subjects",
                "center bias",
                estimate(Estimate(curve.limit, *curve.limit_interval)),
                joined([fit, power, f"{points} on {curve.images:,} images"], ""),
            ]
        )
    head = (
        "Reference",
        "Measured over",
        Html("Gain<br><small>bit/fixation</small>"),
        "How it is made",
    )
    caption = "What models are measured against, with 95% intervals over images"
    return table(caption, head, rows, text_columns=1)


def _shares(weights: Sequence[float]) -> str:
    names = ("kernels", "center bias", "uniform")
    return ", ".join(
        f"{number(100 * share, 2)}% {name}" for name, share in zip(names, weights, strict=True)
    )


def curve_table(curve: GoldCurve) -> Html:
    """Return the gold standard's gain by number of other subjects."""
    rows = [
        [
            str(k),
            estimate(Estimate(bits, *ends)),
            number(fitted),
            number(bandwidth, 1),
            *(number(100 * share, 1) for share in shares),
        ]
        for k, bits, ends, fitted, bandwidth, shares in zip(
            curve.n_others.tolist(),
            curve.bits.tolist(),
            curve.interval.tolist(),
            _floats(curve.at(curve.n_others)),
            _floats(curve.bandwidth_px),
            curve.weights.tolist(),
            strict=True,
        )
    ]
    head = (
        "Other subjects",
        Html("Gain<br><small>bit/fixation</small>"),
        "Fitted curve",
        Html("Kernel<br><small>px</small>"),
        Html("Kernels<br><small>%</small>"),
        Html("Center bias<br><small>%</small>"),
        Html("Uniform<br><small>%</small>"),
    )
    return table("The gold standard by number of other subjects that it learns from", head, rows)


def _floats(values: NDArray[np.float64]) -> list[float]:
    return [float(value) for value in values]
