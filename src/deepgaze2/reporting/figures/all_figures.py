"""All figures of an evaluation, by the names of their files."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from deepgaze2.evaluation.candidates import GOLD_STANDARD, Candidate
from deepgaze2.evaluation.evaluation import Evaluation
from deepgaze2.evaluation.report import why_no_share
from deepgaze2.image.stimulus import read_stimulus
from deepgaze2.references.references import References
from deepgaze2.reporting.figures.images import Drawn, Example, draw_examples, drawn
from deepgaze2.reporting.figures.lines import order_figure, subject_figure
from deepgaze2.reporting.figures.scores import explained_bars, gold_scatter
from deepgaze2.reporting.figures.style import drawable
from deepgaze2.support.progress import tracked

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_EXAMPLES = 3
_ENOUGH_GOLD = 0.5
"""Of the mean: where the gold standard gains less, a share of its gain says little."""

_GOLD = "gold (all subjects)"


def draw_all(evaluation: Evaluation) -> "dict[str, Figure]":
    """Draw the paper's figures 3 to 6, 8 and 9, and gains by order and by subject.

    Single images are those on which the first model explains most and least of the gold
    standard's gain (where it gains nothing: gains most and least), and on which it gains most over
    each other model and loses most to it; on the latter two, no third model is drawn. The images
    are predicted anew, with progress.

    Parameters
    ----------
    evaluation : Evaluation
        Of at least one model. The gold standard as a model is left out of the pictures of single
        images, since it predicts each subject by another density.

    Returns
    -------
    dict of matplotlib Figure
        By name: `figure3_explained`, `figure4_images` (not without a gold standard),
        `figure5_best`, `figure6_worst`, `figure8_gains_over_NAME`, `figure9_losses_to_NAME`,
        `by_order` and `by_subject`.

    Raises
    ------
    DeepGazeError
        If an image or its prediction cannot be used.
    """
    report, scores = evaluation.report, evaluation.scores
    gains = _Gains.of(evaluation)
    figures = {"figure3_explained": explained_bars(report)}
    if gains.gold is not None:
        models = {one.name: gain for one, gain in zip(scores, gains.models, strict=True)}
        figures["figure4_images"] = gold_scatter(gains.gold, models, report)
    figures |= {"by_order": order_figure(report), "by_subject": subject_figure(report)}
    chosen = list(_choices(gains, [candidate.name for candidate in evaluation.candidates]))
    for choice in tracked(chosen, "figures", len(chosen), "figure"):
        examples = [_example(evaluation, gains, choice.models, i) for i in choice.images]
        figures[choice.name] = draw_examples(examples, choice.title)
    return figures


@dataclass(frozen=True, eq=False)
class _Gains:
    """Mean information gain on each image, bits/fixation: the gold standard's and each model's.

    The gold standard `shared` is that of images where it gains enough for shares of it, else NaN;
    None where it gains nothing over all.
    """

    gold: NDArray[np.float64] | None
    shared: NDArray[np.float64] | None
    models: list[NDArray[np.float64]]

    @staticmethod
    def of(evaluation: Evaluation) -> "_Gains":
        references = evaluation.references
        gain = references.gain_per_image
        gold = gain(references.gold.log_density) if references.gold else None
        shared = None
        if gold is not None and not why_no_share(evaluation.report.gold):
            shared = np.where(gold > _ENOUGH_GOLD * max(0, float(np.nanmean(gold))), gold, np.nan)
        models = [gain(one.per_fixation["log_density"]) for one in evaluation.scores]
        return _Gains(gold, shared, models)


@dataclass(frozen=True)
class _Choice:
    """A figure of single images: its name and title, which images, and the models' numbers."""

    name: str
    title: str
    images: list[int]
    models: list[int]


def _choices(gains: _Gains, names: Sequence[str]) -> Iterator[_Choice]:
    first = drawable(names[0], 40)
    what = "gains" if gains.shared is None else "explains"
    everyone = [k for k, name in enumerate(names) if name != GOLD_STANDARD]
    share = gains.models[0] if gains.shared is None else gains.models[0] / gains.shared
    best, worst = _largest(share), _largest(-share)
    if best:
        yield _Choice("figure5_best", f"Images on which {first} {what} most", best, everyone)
        yield _Choice("figure6_worst", f"Images on which {first} {what} least", worst, everyone)
    used: set[str] = set()
    for k in range(1, len(names)):
        file_name = _file_name(names[k], used)
        with np.errstate(invalid="ignore"):
            difference = gains.models[0] - gains.models[k]
        pair = [one for one in (0, k) if one in everyone]
        other = drawable(names[k], 40)
        if more := _largest(difference, above=0):
            title = f"Images on which {first} gains most over {other}"
            yield _Choice(f"figure8_gains_over_{file_name}", title, more, pair)
        if less := _largest(-difference, above=0):
            title = f"Images on which {first} loses most to {other}"
            yield _Choice(f"figure9_losses_to_{file_name}", title, less, pair)


def _largest(values: NDArray[np.float64], above: float = -np.inf) -> list[int]:
    """Return the images with the largest values, largest first; NaN counts for none."""
    order = np.argsort(-values, kind="stable")[:_EXAMPLES]  # NaN last
    return [i for i in order.tolist() if values[i] > above]


def _file_name(name: str, used: set[str]) -> str:
    """Return a name without what file systems dislike, another one for each model."""
    safe = base = re.sub(r"[^\w.-]+", "_", name).strip("._")[-60:] or "model"
    number = 1
    while safe.lower() in used:
        number += 1
        safe = f"{base}_{number}"
    used.add(safe.lower())
    return safe


def _example(evaluation: Evaluation, gains: _Gains, models: Sequence[int], i: int) -> Example:
    references = evaluation.references
    dataset, gold = references.dataset, references.gold
    on_image = dataset.fixations_on(i)
    n = len(on_image)
    densities = []
    if gold is not None and gains.gold is not None:
        joint = gold.log_density_joint(on_image, references.baseline.log_density_map(i))
        densities.append(drawn(_GOLD, joint, n, gain=float(gains.gold[i]), seed=i))
    for k in models:
        gain = float(gains.models[k][i])
        densities.append(_drawn(evaluation.candidates[k], gains, gain, n, i))
    return Example(
        dataset.stimuli.ids[i], _pixels(references, i), on_image.x, on_image.y, densities
    )


def _drawn(candidate: Candidate, gains: _Gains, gain: float, n: int, i: int) -> Drawn:
    (view,) = candidate.views(i)
    gold = np.nan if gains.shared is None else float(gains.shared[i])
    explained = None if np.isnan(gold) else gain / gold
    return drawn(candidate.name, view.log_density, n, gain=gain, explained=explained, seed=i)


def _pixels(references: References, i: int) -> NDArray[np.uint8]:
    """Return an image; a gray one where it is not at hand, since densities may be files."""
    stimuli = references.dataset.stimuli
    if stimuli.paths[i] is None:
        return np.full((int(stimuli.height[i]), int(stimuli.width[i]), 3), 200, np.uint8)
    return read_stimulus(stimuli.path(i)).pixels
