"""Models on several data sets: tables for each quantity."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from deepgaze2.evaluation.across_sets import QUANTITIES, Across, Failure, SetReport
from deepgaze2.evaluation.report import Report
from helpers.small_evaluation import NAMES, small_evaluation


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> list[Report]:
    return [small_evaluation(tmp_path_factory.mktemp("images"), n).report for n in (7, 9)]


def test_each_table_holds_what_the_sets_reports_hold(reports: list[Report]) -> None:
    across = Across(tuple(SetReport(f"csv:{i}", one) for i, one in enumerate(reports)))
    names = [quantity.name for quantity in QUANTITIES]
    first = ["information_gain", "explained", "negative_images"]
    assert names == [*first, "auc", "shuffled_auc", "nss"]
    for quantity in QUANTITIES:
        rows = across.rows(quantity)
        assert [row.model for row in rows] == list(NAMES)
        for m, row in enumerate(rows):
            models = [report.models[m] for report in reports]
            if quantity.name in first:
                expected = tuple(getattr(model, quantity.name) for model in models)
            else:
                expected = tuple(model.metrics[quantity.name] for model in models)
            assert row.cells == expected
            values = [getattr(cell, "value", cell) for cell in expected]
            assert row.mean == pytest.approx(np.mean(values))


def test_images_below_the_center_bias_are_counted(tmp_path: Path) -> None:
    """By hand: from the log densities at each image's fixations."""
    evaluation = small_evaluation(tmp_path)
    dataset, baseline = evaluation.references.dataset, evaluation.references.baseline
    for model, scores in zip(evaluation.report.models, evaluation.scores, strict=True):
        below = 0
        for i in range(len(dataset.stimuli)):
            rows = dataset.fixations.stimulus == i
            mean = scores.per_fixation["log_density"][rows].mean()
            below += mean < baseline.log_density[rows].mean()
        assert model.negative_images == below


def test_means_are_over_the_sets_that_have_a_value(reports: list[Report]) -> None:
    models = tuple(replace(model, explained=None, metrics={}) for model in reports[1].models)
    without = replace(reports[1], models=models, gold=None)
    across = Across((SetReport("csv:a", reports[0]), SetReport("csv:b", without)))
    explained, auc = (across.rows(QUANTITIES[i])[0] for i in (1, 3))
    for row, of_first in (
        (explained, reports[0].models[0].explained),
        (auc, reports[0].models[0].metrics["auc"]),
    ):
        assert row.cells == (of_first, None)
        assert of_first is not None
        assert row.mean == of_first.value
    nowhere = Across((SetReport("csv:b", without),), (Failure("csv:a", "missing"),))
    assert nowhere.rows(QUANTITIES[1])[0].mean is None


def test_sets_of_one_name_are_told_apart(reports: list[Report]) -> None:
    names = ("mine", "yours", "mine", "ours")
    sets = (SetReport("csv:x", replace(reports[0], data_set=name)) for name in names)
    assert Across(tuple(sets)).labels == ("mine (1)", "yours", "mine (2)", "ours")
