from dataclasses import replace

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.patches import Rectangle

from deepgaze2.evaluation.evaluation import Evaluation
from deepgaze2.evaluation.report import Estimate, Report
from deepgaze2.reporting.figures.scores import explained_bars, gold_scatter
from deepgaze2.reporting.figures.style import BLUE, VERMILION
from helpers.small_evaluation import NAMES


@pytest.fixture
def report(evaluated: Evaluation) -> Report:
    return evaluated.report


def _bars(report: Report) -> tuple[list[float], list[str], list[str]]:
    """Return widths of bars, tick labels and texts, from below."""
    (ax,) = explained_bars(report).axes
    widths = [patch.get_width() for patch in ax.patches if isinstance(patch, Rectangle)]
    labels = [label.get_text() for label in ax.get_yticklabels()]
    return widths, labels, [text.get_text() for text in ax.texts]


def test_bars_are_shares_of_the_gold_standard_from_the_worst_to_the_best(report: Report) -> None:
    explained = [model.explained.value for model in report.models if model.explained]
    widths, labels, texts = _bars(report)
    assert widths == pytest.approx(np.sort(explained) * 100)
    assert len(labels) == len(texts) == 2
    assert labels[1] == NAMES[0]
    assert texts[1] == f"{100 * explained[0]:.1f}%"


def test_error_bars_end_at_the_interval(report: Report) -> None:
    first = report.models[0]
    (ax,) = explained_bars(replace(report, models=(first,))).axes
    ends = np.concatenate([path.vertices for path in ax.collections[0].get_paths()])
    assert first.explained is not None
    assert ends[:, 0] == pytest.approx([100 * first.explained.low, 100 * first.explained.high])


def test_without_gold_standard_bars_are_bits(report: Report) -> None:
    models = tuple(replace(model, explained=None) for model in report.models)
    report = replace(report, gold=None, models=models)
    widths, _, _ = _bars(report)
    assert widths == pytest.approx(sorted(model.information_gain.value for model in models))
    assert "bit" in explained_bars(report).get_supxlabel()


@pytest.mark.parametrize(("value", "text"), [(-np.inf, "\N{MINUS SIGN}∞%"), (np.nan, "nan%")])
def test_a_value_that_is_not_finite_is_written_without_a_bar(
    report: Report, value: float, text: str
) -> None:
    worse = replace(report.models[1], explained=Estimate(value, value, value))
    report = replace(report, models=(worse, report.models[0]))
    widths, labels, texts = _bars(report)
    assert len(widths) == 1
    assert texts[0] == text
    assert labels[1] == NAMES[0]
    explained_bars(report).canvas.draw()


@pytest.mark.parametrize("n_models", [1, 2, 4, 5, 9])
def test_scatter_has_a_panel_for_each_model_with_equal_axes(report: Report, n_models: int) -> None:
    rng = np.random.default_rng(n_models)
    gold = rng.random(20)
    models = {f"a rather long name, {i}": gold - rng.random(20) for i in range(n_models)}
    figure = gold_scatter(gold, models, report)
    visible = [ax for ax in figure.axes if ax.get_visible()]
    assert len(visible) == n_models
    assert len({(*ax.get_xlim(), *ax.get_ylim()) for ax in visible}) == 1
    assert visible[0].get_xlim() == visible[0].get_ylim()
    for ax, (name, gain) in zip(visible, models.items(), strict=True):
        r = np.corrcoef(gold, gain)[0, 1]
        assert ax.get_title() == f"{name}\nr = {r:.2f}, {(gain < 0).sum()} negative"
    figure.canvas.draw()


def test_negative_images_are_marked_and_those_far_below_stay_in_sight(report: Report) -> None:
    gold = np.array([1.0, 2.0, 0.5, np.nan, 1.5])
    gain = np.array([0.5, -0.25, -np.inf, np.nan, -99.0])
    (ax,) = gold_scatter(gold, {"model": gain}, report).axes
    positive, negative = ax.collections
    np.testing.assert_array_equal(np.asarray(positive.get_facecolor())[0, :3], to_rgb(BLUE))
    np.testing.assert_array_equal(np.asarray(negative.get_edgecolor())[0, :3], to_rgb(VERMILION))
    shown = np.asarray(positive.get_offsets())
    np.testing.assert_allclose(shown[np.isfinite(shown).all(axis=1)], [[1, 0.5]])
    lowest = ax.get_ylim()[0]
    assert lowest > -4
    np.testing.assert_allclose(
        np.asarray(negative.get_offsets()), [[2, -0.25], [0.5, lowest], [1.5, lowest]]
    )


def test_a_single_image_is_drawn(report: Report) -> None:
    figure = gold_scatter(np.ones(1), {"model": np.full(1, 0.5)}, report)
    assert figure.axes[0].get_title() == "model\n0 negative"
    figure.canvas.draw()
