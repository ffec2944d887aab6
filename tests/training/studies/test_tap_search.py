"""The search for layers on a narrow network: its scores, and that interruptions do not show."""

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deepgaze2.data.dataset import Dataset
from deepgaze2.errors import DataError
from deepgaze2.features import cache_filling as features
from deepgaze2.features.backbone import Backbone
from deepgaze2.features.engines import Engine, create_engine
from deepgaze2.training import procedure
from deepgaze2.training.curves import CurveDrawing
from deepgaze2.training.fit import FitSettings
from deepgaze2.training.procedure import cross_validate
from deepgaze2.training.recipes import Training, paper_recipe
from deepgaze2.training.runs import DeadReadoutError
from deepgaze2.training.studies import tap_search as module
from deepgaze2.training.studies.tap_choices import Choice, draw_choices
from deepgaze2.training.studies.tap_search import TapSearch, search_taps, write_tap_search
from helpers.small_datasets import patches
from helpers.small_models import NARROW16, random_backbone
from helpers.training_images import train_in_this_process

N_IMAGES, N_FOLDS, PARTS = 7, 3, 2
RECIPE = replace(
    paper_recipe(NARROW16),
    finetuning=FitSettings(epochs=2, images_per_batch=3),
    longer_side_px=96,
)
NETWORK = random_backbone(NARROW16)


@pytest.fixture(autouse=True)
def _in_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    train_in_this_process(monkeypatch)


@pytest.fixture
def dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Dataset:
    """Images at which people look more or less often; the third has no fixations."""
    monkeypatch.setenv("DEEPGAZE2_CACHE", str(tmp_path / "cache"))
    (tmp_path / "images").mkdir()
    found = patches(tmp_path / "images", N_IMAGES)
    f = found.fixations
    return found.keep((f.stimulus != 2) & (f.order < 3 + f.stimulus % 4))


def run(dataset: Dataset, folder: Path, n_trials: int = 3, **options: Any) -> TapSearch:
    chosen: dict[str, Any] = {"n_folds": N_FOLDS, "parts": PARTS, "recipe": RECIPE} | options
    return search_taps(dataset, NETWORK, folder, n_trials=n_trials, **chosen)


def test_trials_are_what_cross_validation_gives(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bit by bit, also from features that were computed for these layers alone.

    Each readout in a process of its own, as on a machine of so many cores; else some would be
    trained at once here that are not there, and differ in the last bit.
    """
    monkeypatch.setattr(procedure, "available_cores", lambda: N_FOLDS)
    result = run(dataset, tmp_path / "out", 2)
    monkeypatch.setenv("DEEPGAZE2_CACHE", str(tmp_path / "other"))
    counts = np.diff(dataset.offsets)
    counts = counts[counts > 0]
    trials = sorted(result.trials, key=lambda trial: trial.number)
    choices = draw_choices(NARROW16, 2)
    assert [trial.choice for trial in trials] == list(choices)
    gains = []
    for number, choice in enumerate(choices):
        architecture = replace(RECIPE.architecture, groups=choice.groups(NARROW16))
        trained = cross_validate(
            [dataset],
            NETWORK,
            tmp_path / f"direct{number}",
            Training(
                replace(RECIPE, architecture=architecture) if number else RECIPE, n_folds=N_FOLDS
            ),
        )
        scored = trained.folds < PARTS
        gains.append(trained.gains[scored])
        own = json.loads((tmp_path / "out" / "trials" / f"00{number}.json").read_text())
        assert list(own["result"].values()) == gains[-1].tolist()
        weights = counts[scored]
        for estimate, bits in (
            (trials[number].information_gain, gains[-1]),
            (trials[number].over_papers, gains[-1] - gains[0]),
        ):
            assert estimate is not None
            assert estimate.value == pytest.approx(np.average(bits, weights=weights))
            assert estimate.low <= estimate.value <= estimate.high
    assert (result.images, result.fixations) == (scored.sum(), weights.sum())
    assert 0 < result.images < N_IMAGES - 1
    assert not np.array_equal(gains[0], gains[1])


def test_the_network_sees_each_image_once_for_each_scale(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[tuple[str, ...]] = []

    def counted(backbone: Backbone) -> Engine:
        made.append(backbone.taps)
        return create_engine(backbone)

    monkeypatch.setattr(features, "create_engine", counted)
    begun: list[int] = []

    def begin(number: int, _: int, __: Choice) -> None:
        begun.append(number)
        assert len(made) == 1  # for both scales

    result = run(dataset, tmp_path / "out", on_trial=begin)
    assert {scale for trial in result.trials for scale in trial.choice.scales} == {0.5, 1.0}
    assert made == [tuple(f"conv{block}_{i}" for block in (4, 5) for i in (1, 2, 3))]
    run(dataset, tmp_path / "out", n_trials=4, on_trial=begin)
    assert begun == [0, 1, 2, 3]


def test_interrupted_and_extended_it_ends_with_the_same_tables(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_tap_search(run(dataset, tmp_path / "whole"), tmp_path / "whole")
    epochs, stops = 0, 0

    def stop_at_times(*_: object, last: bool = False) -> None:
        nonlocal epochs
        epochs += 1
        if epochs in (2, 8, 13):
            raise KeyboardInterrupt

    monkeypatch.setattr(CurveDrawing, "__call__", stop_at_times)
    for n_trials in (2, 3):
        result = None
        while result is None:
            try:
                result = run(dataset, tmp_path / "stopped", n_trials)
            except KeyboardInterrupt:
                stops += 1
                assert list((tmp_path / "stopped").rglob("*.pt"))
    assert stops == 3
    assert result is not None
    write_tap_search(result, tmp_path / "stopped")
    for name in ("tap_search.json", "tap_search.csv"):
        whole, stopped = (tmp_path / folder / name for folder in ("whole", "stopped"))
        assert stopped.read_bytes() == whole.read_bytes()
    assert not list((tmp_path / "stopped").rglob("*.pt"))


def test_trials_of_other_settings_are_refused_and_finished_ones_need_nothing(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = run(dataset, tmp_path / "out", 2)
    monkeypatch.setattr(module, "cross_validate", None)
    monkeypatch.setattr(module, "cache_features", None)
    assert run(dataset, tmp_path / "out", 2) == first
    with pytest.raises(DataError, match=r"000.json: .*other folds, parts, seed;"):
        run(dataset, tmp_path / "out", 2, n_folds=4, parts=1, seed=1)
    with pytest.raises(DataError, match="other recipe;"):
        run(dataset, tmp_path / "out", 2, recipe=replace(RECIPE, longer_side_px=64))
    with pytest.raises(DataError, match="other data_set;"):
        run(dataset.select(np.arange(5)), tmp_path / "out", 2)


def test_more_parts_than_folds_are_refused(dataset: Dataset, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="4 parts of 3 folds; train for 3 parts at most"):
        run(dataset, tmp_path / "out", parts=4)
    assert not (tmp_path / "out").exists()


def let_die(monkeypatch: pytest.MonkeyPatch, dying: Choice) -> None:
    def train(*arguments: Any, **options: Any) -> Any:
        if arguments[-1].recipe.architecture.groups == dying.groups(NARROW16):
            raise DeadReadoutError("train again with another seed")
        return cross_validate(*arguments, **options)

    monkeypatch.setattr(module, "cross_validate", train)


def test_tables_are_sorted_and_what_died_is_last(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    choices = draw_choices(NARROW16, 4)
    let_die(monkeypatch, choices[1])
    result = run(dataset, tmp_path / "out", 4)
    write_tap_search(result, tmp_path / "out")
    *alive, dead = result.trials
    assert (dead.number, dead.information_gain, dead.over_papers) == (1, None, None)
    values = [trial.information_gain.value for trial in alive if trial.information_gain]
    assert len(values) == 3
    assert values == sorted(values, reverse=True)
    with (tmp_path / "out" / "tap_search.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert [float(row["information_gain_bits"]) for row in rows[:3]] == values
    assert rows[3]["information_gain_bits"] == rows[3]["over_papers_low"] == ""
    for row in rows:
        choice = choices[int(row["trial"])]
        assert tuple(row["taps"].split()) == choice.taps
        assert tuple(map(float, row["scales"].split())) == choice.scales
    stored = json.loads((tmp_path / "out" / "tap_search.json").read_text(encoding="utf-8"))
    assert [trial["number"] for trial in stored["trials"]] == [t.number for t in result.trials]


def test_without_the_papers_layers_there_is_nothing_to_compare_with(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    let_die(monkeypatch, Choice(NARROW16.taps))
    with pytest.raises(DataError, match="with another seed"):
        run(dataset, tmp_path / "out", 2)
    assert not list((tmp_path / "out" / "trials").glob("*.json"))
