"""The report's account of how its numbers were computed."""

import platform
from importlib.metadata import version
from inspect import signature

import numpy as np

from deepgaze2.metrics.intervals import bootstrap_interval
from deepgaze2.metrics.table import METRICS
from deepgaze2.reporting.html_parts import Html, element, joined

_DEFINITIONS = (
    (
        "Information gain (IG), bit/fixation",
        "log2 of the model's density at the fixation's pixel, less log2 of the center bias'"
        " density there. The center bias of an image is estimated from the fixations on all other"
        " images. Mean over all fixations of the data set; in the column \u201cimages alike\u201d,"
        " the mean of images' means. A single fixation to which a model gives no density makes it"
        " minus infinity.",
    ),
    (
        "Over uniform, bit/fixation",
        "The same against a density that is equal at all pixels of the image.",
    ),
    (
        "Information gain explained, %",
        "The model's mean information gain divided by the gold standard's, never the mean of"
        " ratios (K\u00fcmmerer, Wallis, Bethge 2015). The gold standard predicts each subject from"
        " the other subjects on the same image.",
    ),
    (
        "Negative images",
        "Images on which the model's mean information gain is below zero: it predicts worse than"
        " the center bias does.",
    ),
    *((f"{one.title}, {one.unit}", one.definition) for one in METRICS),
)


def methods() -> Html:
    """Return definitions, averages, intervals, caveats and versions."""
    definitions = joined(
        joined([element("dt", name), element("dd", text)]) for name, text in _DEFINITIONS
    )
    return joined(
        [
            element(
                "p",
                "Each metric is given the map that a model itself expects to score best in it"
                " (K\u00fcmmerer, Wallis, Bethge 2018): one map cannot be best in all. Models that"
                " give saliency maps are scored by the densities made of them, and once more, in"
                " rows \u201cmap as given\u201d, by the maps themselves; for KL and SIM, those with"
                " negative values are raised to a minimum of 0.",
            ),
            element("dl", definitions, class_="methods"),
            element("h3", "Averages, intervals and tests"),
            element("ul", joined(element("li", text) for text in _statistics())),
            element("h3", "What to keep in mind"),
            element("ul", joined(element("li", text) for text in _CAVEATS)),
            element("h3", "Versions"),
            element(
                "p",
                f"deepgaze2 {version('deepgaze2')}, NumPy {np.__version__},"
                f" Python {platform.python_version()}.",
            ),
        ]
    )


def _statistics() -> tuple[str, ...]:
    defaults = signature(bootstrap_interval).parameters
    n, seed = defaults["n_resamples"].default, defaults["seed"].default
    return (
        f"Information gains are means over fixations. {_titles(per_fixation=True)} are means over"
        f" an image's fixations, then over images; {_titles(per_fixation=False)} are computed"
        " once per image.",
        f"Intervals are 95% percentile bootstrap intervals over images: images are drawn with"
        f" replacement, {n:,} times, seed {seed}. The denominators of ratios are drawn together"
        " with their numerators.",
        f"P values are two-sided sign-flip tests over images, {n:,} random flips, seed {seed}, or"
        " all flips where there are fewer. They are not corrected for the number of comparisons.",
        "The samples behind SIM's maps have the image's number as their seed.",
        "Likelihoods and metrics are summed in double precision.",
    )


def _titles(*, per_fixation: bool) -> str:
    *others, last = (one.title for one in METRICS if one.per_fixation == per_fixation)
    return f"{', '.join(others)} and {last}"


_CAVEATS = (
    "Intervals tell how numbers would vary with other images of the same kind, not with other"
    " subjects, and not with another training of the models.",
    "The gold standard, leave-one-subject-out, is a lower bound of what can be predicted: a few"
    " subjects say little about the next one. Models can exceed it. The optimistic gold standard"
    " has seen the fixations that it predicts: it is an upper bound, no target.",
    "Center bias and gold standard have two and three parameters, the same for all images, that are"
    " fitted to this data set by cross-validation. The conversion of saliency maps to densities is"
    " fitted anew to other images than it is applied to.",
    "The bold value of a column is the best one, whether or not others differ from it by more"
    " than chance; the paired comparisons tell.",
)
