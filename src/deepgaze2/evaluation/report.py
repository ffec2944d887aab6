"""How good models are on a data set: the numbers behind `deepgaze2 evaluate`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deepgaze2.evaluation.scores import Scores
from deepgaze2.metrics.information import (
    Average,
    bits_over_uniform,
    by_group,
    information_gain,
    mean_per_image,
    terms_per_image,
)
from deepgaze2.metrics.intervals import bootstrap_interval, compare_models
from deepgaze2.metrics.table import METRICS
from deepgaze2.references.gold_standard import joint_log_density
from deepgaze2.references.references import References

_LEAST_GAIN = 1e-3
"""Bits per fixation of the gold standard of which shares are given; less is as good as nothing."""


@dataclass(frozen=True)
class Estimate:
    """A value and its 95% bootstrap interval over images."""

    value: float
    low: float
    high: float

    def __format__(self, spec: str) -> str:
        """Return the value with its interval in brackets, each in a number's format."""
        value, low, high = (format(end, spec) for end in (self.value, self.low, self.high))
        return f"{value} ({low} to {high})"


@dataclass(frozen=True)
class ModelReport:
    """One model's scores.

    Attributes
    ----------
    name, note : str
        The candidate's.
    information_gain : Estimate
        Over the cross-validated center bias, bits/fixation, mean over fixations as in the paper.
    information_gain_over_images : Estimate
        The mean of images' means instead.
    over_uniform : Estimate
        Over the uniform density, bits/fixation, mean over fixations.
    explained : Estimate or None
        Information gain explained: the share of the gold standard's, 0 to 1; None where there is
        nothing to share, see `why_no_share`.
    negative_images : int
        Images on which the model is worse than the center bias.
    metrics : dict of Estimate
        By name of the metric, each of the map that suits it; means of images' means.
    map_metrics : dict of Estimate
        The same of saliency maps as they were given; empty for models that give densities.
    by_subject, by_order : dict of float
        Information gain over each subject's fixations (each viewing's, where somebody saw images
        several times), and over the n-th ones, from 1.
    """

    name: str
    note: str
    information_gain: Estimate
    information_gain_over_images: Estimate
    over_uniform: Estimate
    explained: Estimate | None
    negative_images: int
    metrics: dict[str, Estimate]
    map_metrics: dict[str, Estimate]
    by_subject: dict[str, float]
    by_order: dict[str, float]


@dataclass(frozen=True)
class Comparison:
    """The first model against another, by information gain, on the same fixations.

    Attributes
    ----------
    first, other : str
        Their names.
    difference : Estimate
        First less other, bits/fixation, mean over fixations.
    images_won, images : int
        Images on which the first is better, of all with fixations.
    p_value : float
        Two-sided sign-flip test over images.
    """

    first: str
    other: str
    difference: Estimate
    images_won: int
    images: int
    p_value: float


@dataclass(frozen=True)
class Report:
    """Models on a data set.

    Attributes
    ----------
    data_set : str
        Its name.
    images, subjects, fixations : int
        How many were scored; somebody who saw images several times is one subject.
    center_bias : Estimate
        The cross-validated center bias over the uniform density, bits/fixation.
    center_bias_bandwidth, center_bias_uniform_share : float
        Its kernel, as a fraction of width and height, and its share of the uniform density.
    gold, optimistic_gold : Estimate or None
        The gold standard over the center bias, bits/fixation: each subject predicted from the
        others; and from all subjects, itself too (an upper bound). None if no image was seen by
        two subjects.
    gold_bandwidth_px : float or None
        Its kernel in pixels of the stimulus.
    gold_weights : tuple of float
        The shares of kernels, center bias and uniform density.
    models : tuple of ModelReport
        In the order in which they were given.
    comparisons : tuple of Comparison
        The first model against each other one.
    """

    data_set: str
    images: int
    subjects: int
    fixations: int
    center_bias: Estimate
    center_bias_bandwidth: float
    center_bias_uniform_share: float
    gold: Estimate | None
    optimistic_gold: Estimate | None
    gold_bandwidth_px: float | None
    gold_weights: tuple[float, ...]
    models: tuple[ModelReport, ...]
    comparisons: tuple[Comparison, ...]


def report(references: References, scores: Sequence[Scores]) -> Report:
    """Summarize scores of models on one data set."""
    dataset, baseline, gold = references.dataset, references.baseline, references.gold
    estimate = _Estimates(references)
    gains = [estimate.gain(one.per_fixation["log_density"]) for one in scores]
    optimistic = None
    if gold is not None:
        optimistic = estimate.gain(joint_log_density(gold, dataset, baseline.log_density))
    return Report(
        data_set=dataset.name,
        images=int((np.diff(dataset.offsets) > 0).sum()),
        subjects=len(np.unique(dataset.person)),
        fixations=len(dataset.fixations),
        center_bias=estimate.mean(estimate.over_uniform(baseline.log_density)),
        center_bias_bandwidth=baseline.bandwidth,
        center_bias_uniform_share=baseline.uniform_share,
        gold=estimate.gold,
        optimistic_gold=None if optimistic is None else estimate.mean(optimistic),
        gold_bandwidth_px=gold.bandwidth_px if gold else None,
        gold_weights=tuple(gold.weights.tolist()) if gold else (),
        models=tuple(
            _model_report(one, gain, estimate) for one, gain in zip(scores, gains, strict=True)
        ),
        comparisons=tuple(
            _comparison(scores[0].name, other.name, gains[0], gain, references)
            for other, gain in zip(scores[1:], gains[1:], strict=True)
        ),
    )


class _Estimates:
    """Means with their intervals, over the images of one data set."""

    def __init__(self, references: References) -> None:
        self.dataset, self.baseline = references.dataset, references.baseline
        self.stimulus = self.dataset.fixations.stimulus
        self.n_images = len(self.dataset.stimuli)
        self.gold_gain = self.gain(references.gold.log_density) if references.gold else None
        self.gold = None if self.gold_gain is None else self.mean(self.gold_gain)

    def gain(self, log_density: NDArray[np.float64]) -> NDArray[np.float64]:
        return information_gain(log_density, self.baseline.log_density)

    def over_uniform(self, log_density: NDArray[np.float64]) -> NDArray[np.float64]:
        stimuli = self.dataset.stimuli
        n_pixels = stimuli.width.astype(np.float64) * stimuli.height
        return bits_over_uniform(log_density, n_pixels[self.stimulus])

    def mean(self, values: NDArray[np.float64], average: Average = "fixations") -> Estimate:
        terms = terms_per_image(values, self.stimulus, self.n_images, average)
        return estimate_ratio(*terms)

    def explained(self, gain: NDArray[np.float64]) -> Estimate | None:
        if self.gold_gain is None:
            return None
        model, gold = (
            by_group(values, self.stimulus, self.n_images)[0] for values in (gain, self.gold_gain)
        )
        return share_explained(model, gold, self.gold)

    def of_images(self, values: NDArray[np.float64]) -> Estimate | None:
        """Return the mean of images' values; None if no image has one."""
        known = values[~np.isnan(values)]
        return estimate_ratio(known, np.ones(len(known))) if len(known) else None


def estimate_ratio(numerator: NDArray[np.float64], denominator: NDArray[np.float64]) -> Estimate:
    """Return sum(numerator) / sum(denominator) over images; see `bootstrap_interval`."""
    low, high = bootstrap_interval(numerator, denominator)
    return Estimate(float(numerator.sum() / denominator.sum()), low, high)


def share_explained(
    model: NDArray[np.float64], gold: NDArray[np.float64], mean_gold: Estimate | None
) -> Estimate | None:
    """Return the share of the gold standard's gain; None where `why_no_share` has a reason.

    The ratio of mean information gains, never the mean of ratios (Kümmerer et al. 2015).

    Parameters
    ----------
    model, gold : float64 array (n_images,)
        Sums of each image's information gains.
    mean_gold : Estimate or None
        The gold standard's mean gain, bits/fixation.
    """
    return None if why_no_share(mean_gold) else estimate_ratio(model, gold)


def why_no_share(gold: Estimate | None) -> str:
    """Return why no share of the gold standard's gain can be given; nothing if it can be."""
    if gold is None:
        return "no image was seen by two subjects, so there is no gold standard"
    if gold.low > 0 and gold.value >= _LEAST_GAIN:
        return ""
    return "the gold standard's gain over the center bias cannot be told from none"


def _model_report(scores: Scores, gain: NDArray[np.float64], estimate: _Estimates) -> ModelReport:
    fixations, n_images = estimate.dataset.fixations, estimate.n_images
    values = {
        name: mean_per_image(values, estimate.stimulus, n_images)
        for name, values in scores.per_fixation.items()
        if name != "log_density"
    }
    means = {
        name: mean
        for name, image_values in (values | scores.per_image).items()
        if (mean := estimate.of_images(image_values)) is not None
    }
    return ModelReport(
        name=scores.name,
        note=scores.note,
        information_gain=estimate.mean(gain),
        information_gain_over_images=estimate.mean(gain, "images"),
        over_uniform=estimate.mean(estimate.over_uniform(scores.per_fixation["log_density"])),
        explained=estimate.explained(gain),
        negative_images=int((mean_per_image(gain, estimate.stimulus, n_images) < 0).sum()),
        metrics={one.name: means[one.name] for one in METRICS if one.name in means},
        map_metrics={
            one.name: means[f"map_{one.name}"] for one in METRICS if f"map_{one.name}" in means
        },
        by_subject=_by_subject(gain, estimate),
        by_order=_means(gain, fixations.order, lambda number: str(number + 1)),
    )


def _by_subject(gain: NDArray[np.float64], estimate: _Estimates) -> dict[str, float]:
    names = estimate.dataset.subject_names
    subject = estimate.dataset.fixations.subject
    return _means(gain, subject, lambda number: names[number] if names else str(number))


def _means(
    values: NDArray[np.float64], group: NDArray[np.integer], label: Callable[[int], str]
) -> dict[str, float]:
    """Return the mean of the values in each group that has some."""
    sums, counts = by_group(values, group)
    return {
        label(number): float(sums[number] / counts[number])
        for number in np.flatnonzero(counts).tolist()
    }


def _comparison(
    first: str,
    other: str,
    gain: NDArray[np.float64],
    other_gain: NDArray[np.float64],
    references: References,
) -> Comparison:
    dataset = references.dataset
    found = compare_models(gain, other_gain, dataset.fixations.stimulus, len(dataset.stimuli))
    return Comparison(
        first=first,
        other=other,
        difference=Estimate(found.difference, *found.interval),
        images_won=found.images_won,
        images=found.images,
        p_value=found.p_value,
    )
