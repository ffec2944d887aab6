"""The ablation of figure 7 on a narrow network: its cells, and that interruptions do not show."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.patches import Rectangle

from deepgaze2.data.dataset import Dataset
from deepgaze2.data.sources import open_dataset
from deepgaze2.errors import DataError
from deepgaze2.evaluation.evaluation import evaluate
from deepgaze2.features.backbone import Backbone, cached_backbone_path, write_backbone
from deepgaze2.features.networks import NETWORKS
from deepgaze2.features.networks.alexnet import ALEXNET
from deepgaze2.reporting.figures.ablation import ablation_bars
from deepgaze2.training.curves import CurveDrawing
from deepgaze2.training.fit import FitSettings
from deepgaze2.training.procedure import train_model
from deepgaze2.training.recipes import Training, paper_recipe
from deepgaze2.training.studies import ablation as module
from deepgaze2.training.studies.ablation import Ablation, Cell, ablation, write_ablation
from helpers.small_models import NARROW16, random_backbone, write_photos
from helpers.training_images import train_in_this_process

SIZES = [(96, 64), (64, 96), (96, 64), (80, 80), (96, 64), (64, 96)]
SETTINGS = FitSettings(epochs=2, images_per_batch=2)
RECIPE = replace(
    paper_recipe(NARROW16), pretraining=SETTINGS, finetuning=SETTINGS, longer_side_px=96
)
NETWORK = random_backbone(NARROW16)


@pytest.fixture(autouse=True)
def _in_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    train_in_this_process(monkeypatch)


@pytest.fixture
def dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Dataset:
    """Two people, one photo without fixations."""
    monkeypatch.setenv("DEEPGAZE2_CACHE", str(tmp_path / "cache"))
    return write_dataset(tmp_path / "lab", 0)


def write_dataset(folder: Path, seed: int) -> Dataset:
    rng = np.random.default_rng(seed)
    lines = ["image,subject,x_px,y_px"]
    for i, _ in enumerate(write_photos(folder / "images", SIZES, seed)[:-1]):
        spot = rng.uniform(0.3, 0.7, 2)
        for subject in "ab":
            x, y = (np.clip(rng.normal(spot, 0.1, (6 + i, 2)), 0, 0.99) * SIZES[i]).T
            lines += [f"{i}.png,{subject},{a:.2f},{b:.2f}" for a, b in zip(x, y, strict=True)]
    (folder / "fixations.csv").write_text("\n".join(lines), encoding="utf-8")
    return open_dataset(f"csv:{folder}")


def run(dataset: Dataset, folder: Path, *pretrain: Dataset) -> Ablation:
    return ablation(dataset, [NETWORK], folder, pretrain=pretrain, recipe=RECIPE, n_folds=2)


def test_cells_are_all_combinations_and_steps_change_one_thing(
    dataset: Dataset, tmp_path: Path
) -> None:
    mouse = write_dataset(tmp_path / "mouse", 1)
    networks: list[Backbone] = [random_backbone(ALEXNET), NETWORK]
    pretrain = [mouse, write_dataset(tmp_path / "other", 2)]
    result = ablation(
        dataset, networks, tmp_path / "out", pretrain=pretrain, recipe=RECIPE, n_folds=2
    )
    cells = [score.cell for score in result.cells]
    assert cells[:4] == [
        Cell("alexnet", "linear", "none"),
        Cell("alexnet", "linear", "pretrained"),
        Cell("alexnet", "network", "none"),
        Cell("alexnet", "network", "pretrained"),
    ]
    assert [cell.features for cell in cells[4:]] == ["narrow-vgg16"] * 4
    assert len(set(cells)) == 8
    assert result.pretraining_data == "mouse + other"
    assert len(result.steps) == 12
    gains = {score.cell: score.information_gain.value for score in result.cells}
    assert len(set(gains.values())) == 8
    for step in result.steps:
        expected = gains[step.after] - gains[step.before]
        assert step.difference.value == pytest.approx(expected, abs=1e-9)
        assert step.difference.low <= step.difference.value <= step.difference.high


def test_a_cells_scores_are_those_of_evaluate(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over the same center bias. Images are as large as the network's input, and grids alike."""
    monkeypatch.setitem(NETWORKS, NARROW16.name, NARROW16)
    network = write_backbone(NETWORK, cached_backbone_path(NARROW16.name))
    recipe = replace(RECIPE, finetuning=replace(SETTINGS, grid_block=2))
    dataset = dataset.select(np.array([0, 1, 2, 4]))
    result = ablation(dataset, [network], tmp_path / "out", recipe=recipe, n_folds=2)
    linear = replace(recipe, architecture=replace(RECIPE.architecture, widths=(1,)))
    for score, chosen in zip(result.cells, (linear, recipe), strict=True):
        folder = tmp_path / score.cell.name
        training = Training(chosen, n_folds=2)
        train_model([dataset], [(network, training)], folder, name="cell")
        (expected,) = evaluate([str(folder)], dataset).report.models
        for found, other in (
            (score.information_gain, expected.information_gain),
            (score.explained, expected.explained),
        ):
            assert found is not None
            assert other is not None
            assert found.value == pytest.approx(other.value, abs=0.002)
            assert found.low == pytest.approx(other.low, abs=0.002)
            assert found.high == pytest.approx(other.high, abs=0.002)


def test_interrupted_anywhere_it_ends_with_the_same_tables(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mouse = write_dataset(tmp_path / "mouse", 1)
    write_ablation(run(dataset, tmp_path / "whole", mouse), tmp_path / "whole")
    epochs, stops = 0, 0

    def stop_at_times(*_: object, last: bool = False) -> None:
        nonlocal epochs
        epochs += 1
        if epochs in (3, 7, 20):
            raise KeyboardInterrupt

    monkeypatch.setattr(CurveDrawing, "__call__", stop_at_times)
    result = None
    while result is None:
        try:
            result = run(dataset, tmp_path / "stopped", mouse)
        except KeyboardInterrupt:
            stops += 1
            assert list((tmp_path / "stopped").rglob("*.pt"))
    assert stops == 3
    write_ablation(result, tmp_path / "stopped")
    for name in ("ablation.json", "ablation.csv"):
        whole, stopped = (tmp_path / folder / name for folder in ("whole", "stopped"))
        assert stopped.read_bytes() == whole.read_bytes()
    assert not list((tmp_path / "stopped").rglob("*.pt"))


def test_finished_cells_of_other_settings_or_damaged_are_refused(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(dataset, tmp_path / "out")
    monkeypatch.setattr(module, "cross_validate", None)  # all is finished
    run(dataset, tmp_path / "out")
    with pytest.raises(DataError, match=r"narrow-vgg16-linear-none.json: .*other folds, seed;"):
        ablation(dataset, [NETWORK], tmp_path / "out", recipe=RECIPE, n_folds=3, seed=1)
    more = replace(RECIPE, finetuning=replace(SETTINGS, epochs=3))
    with pytest.raises(DataError, match="other recipe;"):
        ablation(dataset, [NETWORK], tmp_path / "out", recipe=more, n_folds=2)
    with pytest.raises(DataError, match=r"gold_standard.json: .*other data_set;"):
        run(dataset.select(np.arange(4)), tmp_path / "out")
    cell = tmp_path / "out" / "cells" / "narrow-vgg16-network-none.json"
    cell.write_text("{", encoding="utf-8")
    with pytest.raises(DataError, match=r"network-none.json: damaged"):
        run(dataset, tmp_path / "out")


def test_one_person_has_no_gold_standard_and_bars_are_bits(
    dataset: Dataset, tmp_path: Path
) -> None:
    alone = dataset.of_subjects(["a"])
    result = run(alone, tmp_path / "out")
    assert result.gold is None
    write_ablation(result, tmp_path / "out")
    with (tmp_path / "out" / "ablation.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["explained"] for row in rows] == ["", ""]
    assert "bit" in ablation_bars(result).get_supxlabel()


def test_the_figure_and_the_tables_show_each_cell(dataset: Dataset, tmp_path: Path) -> None:
    result = run(dataset, tmp_path / "out")
    write_ablation(result, tmp_path / "out")
    with (tmp_path / "out" / "ablation.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    shares = [score.explained.value for score in result.cells if score.explained]
    assert [float(row["explained"]) for row in rows] == shares
    assert [row["readout"] for row in rows] == ["linear", "network"]
    stored = json.loads((tmp_path / "out" / "ablation.json").read_text(encoding="utf-8"))
    assert [cell["explained"]["value"] for cell in stored["cells"]] == shares
    (axes,) = ablation_bars(result).axes
    widths = [patch.get_width() for patch in axes.patches if isinstance(patch, Rectangle)]
    assert widths == pytest.approx([100 * share for share in reversed(shares)])
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert labels == ["narrow-vgg16, readout network", "narrow-vgg16, linear"]
