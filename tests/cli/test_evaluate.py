"""`deepgaze2 evaluate`, `figures` and `export`, run as a user would."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from deepgaze2.card import read_card
from deepgaze2.cli import cli
from deepgaze2.errors import DeepGazeError
from deepgaze2.image.examples import example_paths
from deepgaze2.store import find_model
from helpers.small_datasets import write_recordings


@pytest.fixture
def recordings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with ten images and a table of fixations, and an empty cache."""
    monkeypatch.setenv("DEEPGAZE2_CACHE", str(tmp_path / "cache"))
    write_recordings(tmp_path / "mine", 10)
    return tmp_path / "mine"


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, [str(a) for a in arguments], catch_exceptions=False)


@pytest.mark.slow
def test_several_models_are_compared_in_a_table_and_files(recordings: Path, tmp_path: Path) -> None:
    models = ("spectral-residual", "center-bias", "gold-standard")
    result = run("evaluate", *models, f"csv:{recordings}", "-o", tmp_path / "out")
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0].startswith("mine: 10 images, 3 subjects, 150 fixations")
    assert [line.split("  ")[0] for line in lines[1:] if "%" in line] == list(models)
    assert any(line.startswith("spectral-residual (map)") for line in lines)
    assert any(line.startswith("spectral-residual over gold-standard:") for line in lines)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "per_image.csv",
        "report.html",
        "scores.json",
    ]
    scores = json.loads((tmp_path / "out" / "scores.json").read_text())
    assert [model["name"] for model in scores["models"]] == list(models)
    html = (tmp_path / "out" / "report.html").read_text()
    assert f"{scores['models'][0]['metrics']['auc']['value']:.3f}" in html


@pytest.mark.slow
def test_figures_are_written_in_three_formats(recordings: Path, tmp_path: Path) -> None:
    result = run("figures", "center-bias", "uniform", f"csv:{recordings}", "-o", tmp_path / "out")
    assert result.exit_code == 0, result.output
    written = {path.name for path in (tmp_path / "out").iterdir()}
    for name in ("figure3_explained", "figure4_images", "figure8_gains_over_uniform"):
        assert {f"{name}.pdf", f"{name}.svg", f"{name}.png"} <= written


def test_a_trained_models_card_takes_the_scores_of_real_weights(
    recordings: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(find_model("deepgaze2"), tmp_path / "model"))
    result = run("evaluate", folder, f"csv:{recordings}", "--update-card")
    assert result.exit_code == 0, result.output
    scores = read_card(folder).scores
    assert scores["data_set"] == "mine"
    assert scores["explained"] == pytest.approx(scores["model_bits"] / scores["gold_bits"])
    assert set(scores["metrics"]) == {"auc", "shuffled_auc", "nss", "cc", "kl", "sim"}
    shown = run("info", "--model", folder)
    assert f"{scores['explained']:.1%} of the explainable information gain" in shown.stdout


def test_mistakes_are_found_before_anything_is_read() -> None:
    with pytest.raises(DeepGazeError, match="did you mean 'aim'"):
        run("evaluate", "aimm", "csv:nowhere")
    with pytest.raises(DeepGazeError, match="give the folder of one model"):
        run("evaluate", "aim", "default", "csv:nowhere", "--update-card")
    with pytest.raises(DeepGazeError, match="'aim' is neither a packaged model nor a folder"):
        run("evaluate", "aim", "csv:nowhere", "--update-card")


def test_export_and_check(tmp_path: Path) -> None:
    images = tmp_path / "images"
    images.mkdir()
    shutil.copy(next(p for p in example_paths() if p.name == "coffee.jpg"), images)
    result = run("export", "mit300", images, "-o", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert "holds 1 images; MIT300 has 300" in result.stderr
    found = run("export", "check", tmp_path / "out", images)
    assert (found.exit_code, found.stdout) == (0, "0 problems with 1 images\n")
    np.testing.assert_array_less(0, (tmp_path / "out" / "log_densities.hdf5").stat().st_size)
    (tmp_path / "out" / "with_center_bias" / "coffee.jpg").unlink()
    found = run("export", "check", tmp_path / "out", images)
    assert found.exit_code == 1
    assert "coffee.jpg: is missing" in found.stdout


def test_images_of_one_size_alone_are_scored(recordings: Path) -> None:
    images = sorted((recordings / "images").iterdir())
    with Image.open(images[0]) as image:
        width, height = image.size
    for path in images[4:]:
        with Image.open(path) as image:
            image.resize((height, width)).save(path)
    size = f"{width}x{height}"
    own = ("--screen", "none")  # positions beside the images that were turned
    result = run("evaluate", "uniform", f"csv:{recordings}", "--image-size", size, *own)
    assert result.stdout.startswith(f"mine, {size} px: 4 images, 3 subjects, ")
    with pytest.raises(DeepGazeError, match="mine: no image has 7x7 pixels"):
        run("evaluate", "uniform", f"csv:{recordings}", "--image-size", "7x7", *own)
    with pytest.raises(DeepGazeError, match="--image-size: is for one data set"):
        run("evaluate", "uniform", f"csv:{recordings}", "csv:other", "--image-size", size)
    assert run("evaluate", "uniform", f"csv:{recordings}", "--image-size", "big").exit_code == 2
