"""The summary of scores: each number computed again from the table of scores."""

import csv
import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from deepgaze2.cli.evaluate import as_text, card_scores
from deepgaze2.data import Dataset
from deepgaze2.errors import ModelError
from deepgaze2.evaluation.evaluation import Evaluation, evaluate
from deepgaze2.evaluation.report import report
from deepgaze2.evaluation.score_files import write_csv, write_json
from deepgaze2.references.references import fit_references
from deepgaze2.reporting.figures.scores import explained_bars
from helpers.small_datasets import moved, patches


def contrast(pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
    return np.asarray(np.abs(pixels.mean(axis=2) - 128))


def half(pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
    """A log density that excludes the right half of the image."""
    height, width = pixels.shape[:2]
    values = np.full((height, width), -np.log(height * width / 2))
    values[:, width // 2 :] = -np.inf
    return values


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return patches(tmp_path_factory.mktemp("patches"), 12).without_first()


@pytest.fixture(scope="module")
def evaluation(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Evaluation:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DEEPGAZE2_CACHE", str(tmp_path_factory.mktemp("cache")))
        return evaluate([contrast, "center-bias", "gold-standard", half], dataset)


def test_information_gains_are_means_of_differences_of_logs(evaluation: Evaluation) -> None:
    references, report = evaluation.references, evaluation.report
    baseline = references.baseline.log_density
    stimulus = references.dataset.fixations.stimulus
    gain = (evaluation.scores[0].per_fixation["log_density"] - baseline) / np.log(2)
    first = report.models[0]
    assert first.name == "contrast"
    assert first.information_gain.value == pytest.approx(gain.mean())
    assert first.information_gain.low < gain.mean() < first.information_gain.high
    means = [gain[stimulus == i].mean() for i in range(12)]
    assert first.information_gain_over_images.value == pytest.approx(np.mean(means))
    assert first.negative_images == np.count_nonzero(np.array(means) < 0)
    assert references.gold is not None
    gold_gain = (references.gold.log_density - baseline) / np.log(2)
    assert first.explained is not None
    assert first.explained.value == pytest.approx(gain.mean() / gold_gain.mean())
    over_uniform = evaluation.scores[0].per_fixation["log_density"] / np.log(2) + np.log2(15000)
    assert first.over_uniform.value == pytest.approx(over_uniform.mean())
    subject = references.dataset.fixations.subject
    assert first.by_subject["1"] == pytest.approx(gain[subject == 1].mean())
    order = references.dataset.fixations.order
    assert first.by_order["3"] == pytest.approx(gain[order == 2].mean())
    assert "1" not in first.by_order  # dropped


def test_viewings_of_one_person_are_one_subject(evaluation: Evaluation) -> None:
    names = ("a", "b / first", "b / again")
    dataset = replace(evaluation.references.dataset, subject_names=names)
    found = report(fit_references(dataset), evaluation.scores)
    assert (evaluation.report.subjects, found.subjects) == (3, 2)
    assert list(found.models[0].by_subject) == list(names)


def test_the_center_bias_gains_nothing_and_the_gold_standard_explains_all(
    evaluation: Evaluation,
) -> None:
    _, center, gold, _ = evaluation.report.models
    assert asdict(center.information_gain) == {"value": 0, "low": 0, "high": 0}
    assert gold.explained is not None
    assert gold.explained.value == pytest.approx(1)
    assert evaluation.report.gold is not None
    assert evaluation.report.optimistic_gold is not None
    assert evaluation.report.optimistic_gold.value > evaluation.report.gold.value
    assert set(center.metrics) == {"auc", "shuffled_auc", "nss", "cc", "kl", "sim"}
    assert set(gold.metrics) == {"auc", "shuffled_auc", "nss"}
    assert not center.map_metrics


def test_a_density_that_excludes_fixations_is_minus_infinity(evaluation: Evaluation) -> None:
    excluded = evaluation.report.models[3]
    assert excluded.information_gain.value == -np.inf
    assert excluded.explained is not None
    assert excluded.explained.value == -np.inf
    assert np.isfinite(excluded.metrics["auc"].value)


def test_metrics_are_means_of_images_means(evaluation: Evaluation) -> None:
    scores, stimulus = evaluation.scores[0], evaluation.references.dataset.fixations.stimulus
    auc = [scores.per_fixation["auc"][stimulus == i].mean() for i in range(12)]
    assert evaluation.report.models[0].metrics["auc"].value == pytest.approx(np.mean(auc))
    of_maps = evaluation.report.models[0].map_metrics
    assert of_maps["cc"].value == pytest.approx(scores.per_image["map_cc"].mean())


def test_the_first_model_is_compared_with_each_other(evaluation: Evaluation) -> None:
    names = [one.other for one in evaluation.report.comparisons]
    assert names == ["center-bias", "gold-standard", "half"]
    with_center = evaluation.report.comparisons[0]
    first = evaluation.report.models[0]
    assert with_center.difference == first.information_gain
    assert with_center.images_won == with_center.images - first.negative_images


def test_the_files_hold_the_same_numbers(evaluation: Evaluation, tmp_path: Path) -> None:
    write_json(evaluation, tmp_path / "scores.json")
    content = json.loads((tmp_path / "scores.json").read_text())
    assert content["models"][0]["information_gain"] == asdict(
        evaluation.report.models[0].information_gain
    )
    assert content["models"][3]["information_gain"]["value"] == "-inf"
    write_csv(evaluation, tmp_path / "per_image.csv")
    with (tmp_path / "per_image.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 4 * 12
    stimulus = evaluation.references.dataset.fixations.stimulus
    for row in rows[:12]:
        i = evaluation.references.dataset.stimuli.ids.index(row["image"])
        assert row["model"] == "contrast"
        assert int(row["fixations"]) == np.count_nonzero(stimulus == i)
        auc = evaluation.scores[0].per_fixation["auc"][stimulus == i].mean()
        assert float(row["auc"]) == pytest.approx(auc)
        assert float(row["map_kl"]) == evaluation.scores[0].per_image["map_kl"][i]
    weights = np.array([int(row["fixations"]) for row in rows[:12]])
    bits = np.array([float(row["information_gain_bits"]) for row in rows[:12]])
    mean = evaluation.report.models[0].information_gain.value
    assert (weights * bits).sum() / weights.sum() == pytest.approx(mean)
    assert rows[24]["cc"] == ""  # the gold standard's
    assert rows[36]["information_gain_bits"] in ("-inf", *map(str, bits))


def test_one_subject_per_image_leaves_the_gold_standard_out(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DEEPGAZE2_CACHE", str(tmp_path))
    report = evaluate("uniform", dataset.of_subjects([1])).report
    assert report.gold is None
    assert report.models[0].explained is None
    assert report.models[0].information_gain.value == pytest.approx(-report.center_bias.value)


@pytest.mark.parametrize("seed", [0, 1])  # a wide interval, and 8e-8 bits with a narrow one
def test_where_the_gold_standard_gains_nothing_no_share_is_given(
    seed: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DEEPGAZE2_CACHE", str(tmp_path / "cache"))
    dataset, rng = patches(tmp_path, 8).without_first(), np.random.default_rng(seed)
    n = len(dataset.fixations)
    found = evaluate("uniform", moved(dataset, rng.uniform(0, 150, n), rng.uniform(0, 100, n)))
    text = as_text(found.report)
    assert "%" not in text.replace("95%", "")
    assert "nothing is explained: the gold standard's gain over the center bias cannot" in text
    card = card_scores(found.report)
    assert card["gold_bits"] < 0.1
    assert card["explained"] is card["explained_interval"] is None
    write_json(found, tmp_path / "scores.json")
    assert json.loads((tmp_path / "scores.json").read_text())["models"][0]["explained"] is None
    (ax,) = explained_bars(found.report).axes
    assert not any("%" in text.get_text() for text in ax.texts)


def test_two_models_of_one_name_are_refused(dataset: Dataset) -> None:
    with pytest.raises(ModelError, match="two models are called uniform"):
        evaluate(["uniform", "uniform"], dataset)
