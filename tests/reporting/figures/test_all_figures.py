from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from numpy.typing import NDArray

from deepgaze2.evaluation.candidates import Candidate, View
from deepgaze2.evaluation.evaluation import Evaluation
from deepgaze2.evaluation.report import Estimate
from deepgaze2.reporting.figures.all_figures import draw_all
from helpers.small_evaluation import small_evaluation

FIRST_FIGURES = ["figure3_explained", "figure4_images", "by_order", "by_subject"]


def _gains(evaluated: Evaluation) -> tuple[NDArray[np.float64], ...]:
    """Return the gold standard's and each model's gain on each image, image by image."""
    references, scores = evaluated.references, evaluated.scores
    dataset = references.dataset
    assert references.gold is not None
    densities = [references.gold.log_density, *(one.per_fixation["log_density"] for one in scores)]
    base = references.baseline.log_density
    return tuple(
        np.array(
            [
                np.mean((density - base)[dataset.fixations.stimulus == i]) / np.log(2)
                for i in range(len(dataset.stimuli))
            ]
        )
        for density in densities
    )


def _shown(figure: Figure) -> list[str]:
    titles = (ax.get_title() for ax in figure.axes)
    return [title for title in titles if title.endswith(".png")]


def _best(evaluated: Evaluation, values: NDArray[np.float64]) -> list[str]:
    ids = evaluated.references.dataset.stimuli.ids
    return [ids[i] for i in sorted(range(len(ids)), key=lambda i: -values[i])[:3]]


@pytest.fixture(scope="module")
def figures(evaluated: Evaluation) -> dict[str, Figure]:
    return draw_all(evaluated)


def test_figures_have_their_images(evaluated: Evaluation, figures: dict[str, Figure]) -> None:
    gold, first, second = _gains(evaluated)
    assert (gold > 0.5 * gold.mean()).all()
    other = "b_maps_a_b_b"
    assert list(figures)[:4] == FIRST_FIGURES
    assert set(figures) - set(FIRST_FIGURES) <= {
        *("figure5_best", "figure6_worst"),
        *(f"figure8_gains_over_{other}", f"figure9_losses_to_{other}"),
    }
    assert _shown(figures["figure5_best"]) == _best(evaluated, first / gold)
    assert _shown(figures["figure6_worst"]) == _best(evaluated, -first / gold)
    gained = _shown(figures[f"figure8_gains_over_{other}"])
    n_won = int((first > second).sum())
    assert gained == _best(evaluated, first - second)[:n_won]


def test_columns_are_the_gold_standard_and_the_models(figures: dict[str, Figure]) -> None:
    names = [ax.get_title().split("\n")[0] for ax in figures["figure5_best"].axes[:4]]
    assert names[1:] == ["gold (all subjects)", "first", r"<b>maps:a & \$b\$</b>"]


def test_without_gold_standard(tmp_path: Path) -> None:
    evaluated = small_evaluation(tmp_path, gold=False)
    figures = draw_all(evaluated)
    assert "figure4_images" not in figures
    _, first, _ = _gains(small_evaluation(tmp_path))
    assert _shown(figures["figure5_best"]) == _best(evaluated, first)
    assert len(figures["figure5_best"].axes) == 2 * 3 * 3 + 1


def test_images_with_little_gold_gain_are_not_among_the_best(
    evaluated: Evaluation, figures: dict[str, Figure]
) -> None:
    references = evaluated.references
    dataset = references.dataset
    best = _shown(figures["figure5_best"])[0]
    rows = dataset.fixations.stimulus == dataset.stimuli.ids.index(best)
    assert references.gold is not None
    log_density = np.where(
        rows, references.baseline.log_density + 1e-3, references.gold.log_density
    )
    weak = replace(references, gold=replace(references.gold, log_density=log_density))
    drawn = draw_all(replace(evaluated, references=weak))["figure5_best"]
    assert best not in _shown(drawn)


def test_where_the_gold_standard_gains_nothing_images_are_chosen_by_gain(
    evaluated: Evaluation,
) -> None:
    report = replace(evaluated.report, gold=Estimate(1e-9, 1e-10, 1e-8))
    figures = draw_all(replace(evaluated, report=report))
    assert _shown(figures["figure5_best"]) == _best(evaluated, _gains(evaluated)[1])
    assert "%" not in "".join(ax.get_title() for ax in figures["figure5_best"].axes)


def test_a_model_that_predicts_each_subject_is_left_out(evaluated: Evaluation) -> None:
    first, second = evaluated.candidates

    def each(i: int) -> list[View]:
        return [*second.views(i)] * 2

    candidates = (first, Candidate("gold-standard", each, ""))
    figures = draw_all(replace(evaluated, candidates=candidates))
    assert len(figures["figure5_best"].axes) == 2 * 3 * 3 + 1
    assert "figure8_gains_over_gold-standard" in figures


def test_images_that_are_not_at_hand_are_gray(evaluated: Evaluation) -> None:
    references = evaluated.references
    stimuli = references.dataset.stimuli
    stimuli = replace(stimuli, paths=(None,) * len(stimuli))
    references = replace(references, dataset=replace(references.dataset, stimuli=stimuli))
    figure = draw_all(replace(evaluated, references=references))["figure5_best"]
    assert len(np.unique(np.asarray(figure.axes[0].images[0].get_array()))) == 1
