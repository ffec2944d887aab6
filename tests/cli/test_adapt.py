"""`deepgaze2 adapt`: what it writes and says, and what it refuses."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from deepgaze2.card import read_card
from deepgaze2.features.backbone import find_stored_backbone
from deepgaze2.store import read_readouts, write_model
from helpers.command_line import Run
from helpers.small_datasets import write_recordings
from helpers.small_models import ARCHITECTURES, card_of, random_readout


@pytest.fixture(autouse=True)
def _model(narrow_network: str, tmp_path: Path) -> None:
    readout = random_readout(2, ARCHITECTURES["two scales"])
    card = card_of(readout, find_stored_backbone(narrow_network), "base")
    write_model(tmp_path / "base", replace(card, folds=(("a.png",), ("b.png",))), [readout])
    write_recordings(tmp_path / "lab", 6)


def test_a_model_is_fitted_and_says_what_that_gains(run: Run, tmp_path: Path) -> None:
    found = run("adapt csv:lab -o out/mine --model base")
    assert found.returncode == 0, found.stderr
    card = read_card(tmp_path / "out" / "mine")
    assert card.name == "mine"
    assert card.description == "random numbers, adapted to lab"
    adapted = card.training["adapted_to"]
    assert (adapted["model"], len(adapted["images"])) == ("base", 6)
    lines = found.stdout.splitlines()
    assert "on images not fitted to, " in lines[0]
    assert lines[-1] == "score it on other images with: deepgaze2 evaluate out/mine csv:lab"
    (readout,) = read_readouts(tmp_path / "out" / "mine", card)
    if adapted["adopted"] == "all":
        shown = next(line.split() for line in lines if line.startswith("blur in pixels"))
        assert float(shown[-1]) == pytest.approx(readout.sigma_px.mean(), abs=0.01)
    info = run("info --model out/mine")
    assert "adapted to" in info.stdout
    assert "lab: 6 images" in info.stdout
    score = run(lines[-1].partition("deepgaze2 ")[2])
    assert score.returncode == 0, score.stderr
    assert "6 images have names of images that its viewing was fitted to" in score.stdout
    again = run("adapt csv:lab -o out/mine --model base")
    assert again.returncode == 2
    assert "holds a model already" in again.stderr


def test_the_same_images_give_the_same_model(run: Run, tmp_path: Path) -> None:
    for name in ("one", "two"):
        assert run(f"adapt csv:lab -o {name} --model base").returncode == 0
    folders = (tmp_path / "one", tmp_path / "two")
    (one,), (two,) = (read_readouts(folder, read_card(folder)) for folder in folders)
    np.testing.assert_array_equal(one.sigma_px, two.sigma_px)
    np.testing.assert_array_equal(one.weights[-1], two.weights[-1])


def test_too_few_images_and_unknown_models_are_refused_before_anything_is_written(
    run: Run, tmp_path: Path
) -> None:
    write_recordings(tmp_path / "few", 1)
    for line, reason in (
        ("adapt csv:few -o out --model base", "give 2 or more"),
        ("adapt csv:lab -o out --model nobodys", "neither a packaged model nor a folder"),
        ("adapt csv:nowhere -o out", "nowhere"),
    ):
        found = run(line)
        assert found.returncode == 2, line
        assert reason in found.stderr
        assert found.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()
