"""`deepgaze2 train` on a narrow network: what it writes and says, and what it refuses."""

import shutil
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from deepgaze2.card import read_card, write_card
from deepgaze2.cli.train import _warn_if_worthless
from deepgaze2.features.backbone import find_stored_backbone
from deepgaze2.store import READOUT_FILE, read_readouts, write_model
from deepgaze2.support.files import locked
from deepgaze2.training import procedure
from deepgaze2.training.fit import FitSettings
from deepgaze2.training.recipes import CONTINUED, RECIPES, REGULARIZED, Recipe
from helpers.command_line import Run
from helpers.small_datasets import HEIGHT, WIDTH, write_recordings
from helpers.small_models import (
    ARCHITECTURES,
    NARROW16,
    PAPER16,
    card_of,
    random_backbone,
    random_readout,
    write_photos,
)

NARROW = NARROW16.name


@pytest.fixture(autouse=True)
def _small(narrow_network: str) -> None:
    pass


@pytest.fixture
def lab(tmp_path: Path) -> str:
    """Eight images with fixations, ready for --finetune."""
    write_recordings(tmp_path / "lab", 8)
    return "csv:lab"


@pytest.fixture
def model(tmp_path: Path, run: Run) -> Path:
    """A model folder to go on from: two scales, two readouts, trained on other images."""
    readout = random_readout(2, ARCHITECTURES["two scales"])
    card = card_of(readout, find_stored_backbone(NARROW), "base")
    write_model(tmp_path / "base", replace(card, folds=(("a.png",), ("b.png",))), [readout])
    return tmp_path / "base"


def test_a_model_folder_a_report_and_the_next_command(run: Run, lab: str, tmp_path: Path) -> None:
    line = f"train --finetune {lab} -o out/mine --backbone {NARROW} --recipe paper"
    found = run(f"{line} --folds 2 --seeds 2 --epochs 1")
    assert found.returncode == 0, found.stderr
    folder = tmp_path / "out" / "mine"
    assert {path.name for path in folder.iterdir()} == {
        *("card.json", "readout.safetensors", "center_bias.safetensors", "curves.svg", "report"),
    }
    card = read_card(folder)
    assert (card.name, card.center_bias, len(card.folds)) == ("mine", "own", 2)
    assert [one.n_models for one in read_readouts(folder, card)] == [4]
    assert [branch.architecture for branch in card.branches] == [PAPER16]
    assert card.scores["images"] == 8
    first, *_, last = found.stdout.splitlines()
    assert first == "mine: 4 readouts in out/mine"
    assert "mine: 8 images by the readout that has not seen them" in found.stdout
    assert last == "score it on other images with: deepgaze2 evaluate out/mine csv:lab"
    again = run(last.partition("deepgaze2 ")[2])
    assert again.returncode == 0, again.stderr
    assert f"{card.scores['explained']:.1%}" in again.stdout


def test_a_model_is_continued_and_too_little_data_is_said(
    run: Run, lab: str, model: Path, tmp_path: Path
) -> None:
    """One epoch on eight images of a random network cannot be told from none."""
    found = run(f"train --finetune {lab} -o mine --from {model} --folds 2 --epochs 1")
    assert found.returncode == 0, found.stderr
    card = read_card(tmp_path / "mine")
    assert card.training["from"] == "base"
    assert [branch.architecture for branch in card.branches] == [ARCHITECTURES["two scales"]]
    (before,), (after,) = (
        read_readouts(folder, read_card(folder)) for folder in (model, tmp_path / "mine")
    )
    assert after.n_models == 2
    for one, other in zip(before.weights, after.weights, strict=True):
        assert 0 < np.abs(one - other).max() < 0.05
    np.testing.assert_array_equal(before.tap_deviation, after.tap_deviation)
    line = found.stdout.splitlines()[1]
    assert line.startswith("on images not trained on, each readout gains ")
    assert line.endswith(f"over the one of {model} that it started from, with the same center bias")
    warnings = [line for line in found.stderr.splitlines() if line.startswith("warning: ")]
    assert len(warnings) == 1
    assert warnings[0].startswith(f"warning: 8 images are too few to beat {model} for sure;")


def test_a_start_that_has_seen_the_images_keeps_its_parts(
    run: Run, lab: str, model: Path, tmp_path: Path
) -> None:
    parts = ([f"{i}.png" for i in (0, 1, 2, 7)], [f"{i}.png" for i in (3, 4, 5, 6)])
    write_card(model, replace(read_card(model), folds=tuple(map(tuple, parts))))
    found = run(f"train --finetune {lab} -o mine --from {model} --epochs 1")
    assert found.returncode == 0, found.stderr
    assert "note: 8 of 8 images have names of images that base was trained on:" in found.stderr
    card = read_card(tmp_path / "mine")
    assert [sorted(names) for names in card.folds] == list(parts)
    assert card.training["seen_before"] == []
    write_card(tmp_path / "mine", replace(card, training={"seen_before": ["1.png", "x.png"]}))
    found = run(f"evaluate mine {lab}")
    assert (
        "mine: 8 images by the readout that has not seen them; 1 images have names of images that"
        " it was pretrained on, or the model that it went on from was trained on; if they are the"
        " same, scores are too good"
    ) in found.stdout


def test_interrupted_while_it_is_scored_it_goes_on_without_training_again(
    run: Run, lab: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = f"train --finetune {lab} -o mine --backbone {NARROW} --recipe paper --folds 2 --epochs 1"
    folder = tmp_path / "mine"

    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("deepgaze2.evaluation.evaluation.evaluate", stop)
        assert run(line).returncode == 130
    whole = (folder / READOUT_FILE).read_bytes()
    other = run(f"{line} --seed 3 --seeds 2")
    assert (other.returncode, other.stdout) == (2, "")
    assert (
        "error: mine: holds a training with other parts, recipe or options, seed;" in other.stderr
    )
    with monkeypatch.context() as patch:
        patch.setattr("deepgaze2.training.fit._Loop.epoch", stop)
        found = run(f"{line} --center-bias mit1003")
    assert found.returncode == 0, found.stderr
    assert (folder / READOUT_FILE).read_bytes() == whole
    assert {path.name for path in folder.iterdir()} == {
        *("card.json", "readout.safetensors", "curves.svg", "report")
    }
    again = run(line)
    assert (again.returncode, again.stdout) == (2, "")
    assert again.stderr.splitlines()[-1].startswith("error: mine: holds a model already; give ano")


def test_two_processes_cannot_write_one_model(run: Run, lab: str, tmp_path: Path) -> None:
    with locked(tmp_path / "mine"):
        found = run(f"train --finetune {lab} -o mine --backbone {NARROW}")
        assert (found.returncode, found.stdout) == (2, "")
        assert "mine: is being written by another process" in found.stderr
        found = run(f"ablation --finetune {lab} -o mine")
        assert "mine: is being written by another process" in found.stderr
    assert not (tmp_path / "mine").exists()


class EnoughError(Exception):
    """Ends a command once it is known what it would do."""


@pytest.mark.parametrize(
    ("gain", "warned"), [(0.5, False), (0.0, True), (-0.5, True)], ids=["better", "same", "worse"]
)
def test_the_warning_depends_on_what_is_gained_for_sure(
    run: Run,
    lab: str,
    model: Path,
    monkeypatch: pytest.MonkeyPatch,
    gain: float,
    warned: bool,
) -> None:
    start_gains = np.random.default_rng(0).normal(1, 1, 40)
    gains = start_gains + gain + np.random.default_rng(1).normal(0, 0.2, 40)
    trained = SimpleNamespace(
        fits=[[None]], gains=gains, start_gains=start_gains, sets=SimpleNamespace(names=["my_lab"])
    )
    card = read_card(model)
    monkeypatch.setattr(procedure, "train_model", lambda *_, **__: (card, (trained,)))
    monkeypatch.setattr("deepgaze2.cli.train._report", lambda *_: None)
    found = run(f"train --finetune {lab} -o mine --from {model}")
    assert f"gains {np.mean(gains - start_gains):+.3f} bits/fixation (" in found.stdout
    assert ("too few to beat" in found.stderr) == warned


PAPER, PLUS = RECIPES["paper"](random_backbone()), RECIPES["plus"](random_backbone())


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("", PLUS.finetuning),
        ("--recipe paper", PAPER.finetuning),
        ("--recipe paper --epochs 7", replace(REGULARIZED, epochs=7)),
        ("--recipe paper --stop-as-paper", replace(REGULARIZED, epochs=None)),
        ("--recipe paper --optimizer sfo", replace(REGULARIZED, optimizer="sfo", dropout=0.0)),
        ("--optimizer lbfgs", replace(REGULARIZED, optimizer="lbfgs", dropout=0.0)),
        ("--from base", CONTINUED),
    ],
)
def test_options_change_the_recipe(
    run: Run,
    lab: str,
    model: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: str,
    expected: FitSettings,
) -> None:
    asked: dict[str, Any] = {}
    if "--from" not in options:
        options += f" --backbone {NARROW}"

    def ask(*arguments: Any, **values: Any) -> None:
        ((_, training),) = arguments[1]
        asked.update(vars(training) | values)
        raise EnoughError

    monkeypatch.setattr(procedure, "train_model", ask)
    with pytest.raises(EnoughError):
        run(f"train --finetune {lab} --pretrain {lab} -o out/mine {options}")
    recipe: Recipe = asked["recipe"]
    assert recipe.finetuning == expected
    assert [dataset.name for dataset in asked["pretrain"]] == ["lab"]
    assert (asked["name"], asked["n_folds"], asked["seed"]) == ("mine", None, 0)
    if "--from" in options:
        assert asked["start"].name == "base"
        assert recipe.architecture == ARCHITECTURES["two scales"]
    else:
        assert asked["start"] is None
        own = PAPER if "paper" in options else PLUS
        assert recipe.architecture == own.architecture
        assert recipe.n_seeds == own.n_seeds
    with pytest.raises(EnoughError):
        run(
            f"train --finetune {lab} -o x {options} --final-relu --seeds 3"
            " --folds 4 --seed 5 --name other --center-bias mit1003"
        )
    changed: Recipe = asked["recipe"]
    assert changed.architecture.final_relu
    assert changed.n_seeds == 3
    assert (asked["name"], asked["n_folds"], asked["seed"]) == ("other", 4, 5)
    assert (asked["center_bias"], asked["pretrain"]) == ("mit1003", ())


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ("--folds 1", "--folds"),
        ("--epochs 0", "--epochs"),
        ("--seeds 0", "--seeds"),
        ("--seed one", "--seed"),
        ("--seed -1", "--seed"),
        ("--seed 99999999999999999999", "--seed"),
        ("--recipe best", "--recipe"),
        ("--optimizer sgd", "--optimizer"),
        ("--center-bias nowhere", "--center-bias"),
        ("--normalize-over nowhere", "--normalize-over"),
        ("--coordinates inches", "--coordinates"),
        ("--layer-norm", "--layer-norm"),
    ],
)
def test_options_out_of_range_are_usage_errors(
    run: Run, lab: str, tmp_path: Path, options: str, reason: str
) -> None:
    found = run(f"train --finetune {lab} -o mine --backbone {NARROW} {options}")
    assert (found.returncode, found.stdout) == (2, "")
    assert reason in found.stderr
    assert "Traceback" not in found.stderr
    assert not (tmp_path / "mine").exists()


def test_what_must_be_given_is_asked_for(run: Run, lab: str) -> None:
    for line, missing in (("-o mine", "--finetune"), (f"--finetune {lab}", "--output")):
        found = run(f"train {line}")
        assert found.returncode == 2
        assert missing in found.stderr


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ("--folds 9", "9 folds, but only 8 different images"),
        ("--from nowhere", "model 'nowhere' is neither"),
        ("--from base --recipe paper", "--recipe: a model that goes on"),
        ("--from base --backbone vgg19", "--backbone: a model that goes on"),
        ("--from base --normalize-over lab/images", "--normalize-over: a model that goes on"),
        ("--from base --folds 9", "9 folds, but only 8"),
        ("--stop-as-paper --epochs 3", "--stop-as-paper: decides"),
        ("--from base -o ./base", "base: cannot both go on from it and replace it;"),
        ("--backbone nowhere.safetensors", "nowhere.safetensors: no such weights file"),
        ("--pretrain csv:nowhere", "nowhere"),
        ("--pretrain osei:lab", "osei"),
        ("--images nowhere", "nowhere"),
    ],
)
def test_mistakes_are_one_line_and_nothing_is_written(
    run: Run, lab: str, model: Path, tmp_path: Path, options: str, reason: str
) -> None:
    given = "--backbone" in options or "--from" in options
    backbone = "" if given else f"--backbone {NARROW}"
    found = run(f"train --finetune {lab} -o mine {backbone} {options}")
    assert (found.returncode, found.stdout) == (2, "")
    *notes, error = found.stderr.splitlines()
    assert all(note.startswith("note: ") for note in notes)
    assert error.startswith("error: ")
    assert reason in error
    assert not (tmp_path / "mine").exists()


def test_a_model_of_other_weights_is_not_gone_on_from(
    run: Run, lab: str, model: Path, tmp_path: Path
) -> None:
    card = read_card(model)
    branch = replace(card.branches[0], backbone_checksum="0" * 64)
    write_card(model, replace(card, branches=(branch,)))
    found = run(f"train --finetune {lab} -o mine --from base")
    assert (found.returncode, found.stdout) == (2, "")
    assert f"error: base: trained with other {NARROW} weights than those found" in found.stderr
    assert not (tmp_path / "mine").exists()


def test_without_pytorch_it_says_what_to_install(
    run: Run, lab: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    found = run(f"train --finetune {lab} -o mine")
    assert (found.returncode, found.stderr.count("\n")) == (2, 1)
    assert "pip install 'deepgaze2[train]'" in found.stderr


@pytest.mark.parametrize(("gains", "warned"), [((-0.5, 0.4, -0.6), True), ((0.5, 0.4, 0.6), False)])
def test_a_model_no_better_than_the_center_bias_is_warned_of(
    gains: tuple[float, ...], warned: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    _warn_if_worthless(cast("procedure.Trained", SimpleNamespace(gains=np.array(gains))))
    assert ("3 images are too few" in capsys.readouterr().err) == warned


@pytest.fixture
def two_labs(tmp_path: Path) -> str:
    """Six images in one data set; in the other the same under other names, and four more."""
    photos = write_photos(tmp_path / "photos", [(WIDTH, HEIGHT)] * 10)
    for name, n, prefix in (("a", 6, ""), ("b", 10, "b")):
        write_recordings(tmp_path / name, n)
        table = tmp_path / name / "fixations.csv"
        header, *rows = table.read_text(encoding="utf-8").splitlines()
        renamed = [header, *(f"{prefix}{row}" for row in rows)]
        table.write_text("\n".join(renamed), encoding="utf-8")
        for photo in photos[:n]:
            (tmp_path / name / "images" / photo.name).unlink()
            shutil.copy(photo, tmp_path / name / "images" / f"{prefix}{photo.name}")
    return "--finetune csv:a --finetune csv:b"


@pytest.mark.slow
def test_several_data_sets_are_trained_on_and_each_is_scored_in_its_viewing(
    run: Run, two_labs: str, tmp_path: Path
) -> None:
    line = f"train {two_labs} -o m --backbone {NARROW} --folds 2 --seeds 1 --epochs 1"
    found = run(line)
    assert found.returncode == 0, found.stderr
    folder = tmp_path / "m"
    biases = {f"center_bias{name}.safetensors" for name in ("", "-a", "-b")}
    assert {path.name for path in folder.iterdir()} == {
        *("card.json", "readout.safetensors", "curves.svg", "report", *biases),
    }
    for name in "ab":
        files = {path.name for path in (folder / "report" / name).iterdir()}
        assert {"report.html", "scores.json", "per_image.csv"} <= files
    card = read_card(folder)
    assert [one.name for one in card.viewings] == ["a", "b"]
    assert list(card.scores) == ["a", "b"]
    assert (card.scores["a"]["images"], card.scores["b"]["images"]) == (6, 10)
    assert card.training["data_set"] == "a + b"
    assert [(one["name"], one["images"]) for one in card.training["data_sets"]] == [
        ("a", 6),
        ("b", 10),
    ]
    part = {name: k for k, names in enumerate(card.folds) for name in names}
    assert len(part) == 16
    assert all(part[f"{i}.png"] == part[f"b{i}.png"] for i in range(6))
    for name, n_images in (("a", 6), ("b", 10)):
        said = f"m@{name}: {n_images} images by the readout that has not seen them"
        assert said in found.stdout
    last = found.stdout.splitlines()[-1]
    assert last == "score it on other images with: deepgaze2 evaluate m csv:a"

    shown = run("info --model m")
    assert shown.returncode == 0, shown.stderr
    for name, facts in zip("ab", card.viewings, strict=True):
        bits = card.scores[name]["model_bits"]
        assert f"information gain, {name}" in shown.stdout
        assert f"{bits:.3f} bits/fixation over the center bias" in shown.stdout
        (row,) = [row.split() for row in shown.stdout.splitlines() if row.startswith(f"{name}  ")]
        numbers = facts.blur_px, facts.center_bias_weight, facts.sharpness, *facts.scale_weights
        np.testing.assert_allclose([float(cell) for cell in row[1:]], numbers)
    assert "scale 1  scale 0.5" in shown.stdout
    one = run("info --model m@b")
    assert "information gain, b" in one.stdout
    assert "information gain, a" not in one.stdout
    assert (run("info --model m --json").returncode, run("info --model m@c").returncode) == (0, 2)

    photo = tmp_path / "b" / "images" / "b7.png"
    for model in ("m", "m@a", "m@b"):
        predicted = run(f"predict {photo} --model {model} -o {model}")
        assert predicted.returncode == 0, predicted.stderr
        scored = run(f"evaluate {model} csv:b")
        assert scored.returncode == 0, scored.stderr
        assert f"{model}: 10 images by the readout that has not seen them" in scored.stdout
    named = run(f"predict {photo} --model m --viewing a -o named")
    assert named.returncode == 0, named.stderr
    same = (tmp_path / name / "b7.npy" for name in ("m@a", "named", "m"))
    viewed, by_option, average = (np.load(path) for path in same)
    np.testing.assert_array_equal(viewed, by_option)
    assert not np.array_equal(viewed, average)
    unknown = run(f"predict {photo} --model m@c")
    assert (unknown.returncode, unknown.stdout) == (2, "")
    assert unknown.stderr == "error: m: viewing 'c' is unknown; there are a, b\n"
    refused = run("evaluate m csv:b --update-card")
    assert refused.returncode == 2
    assert "error: --update-card: scores are by data set; give one, such as m@a" in refused.stderr
    assert run("evaluate m@b csv:b --update-card").returncode == 0
    again = read_card(folder)
    assert list(again.scores) == ["a", "b"]
    assert again.scores["a"] == card.scores["a"]

    # From it, each goes on with its parts, on one data set or on both.
    further = run("train --finetune csv:b -o further --from m --epochs 1")
    assert further.returncode == 0, further.stderr
    assert read_card(tmp_path / "further").viewings == ()


@pytest.mark.slow
def test_images_of_a_known_set_are_predicted_out_of_fold_though_some_had_no_fixations(
    run: Run, two_labs: str, tmp_path: Path
) -> None:
    """These were left out of training: that not all images are known makes it no other set."""
    table = tmp_path / "a" / "fixations.csv"
    rows = table.read_text(encoding="utf-8").splitlines()
    kept = [row for row in rows if not row.startswith("3.png")]
    assert len(kept) < len(rows)
    table.write_text("\n".join(kept), encoding="utf-8")
    line = f"train {two_labs} -o m --backbone {NARROW} --recipe paper --folds 2 --epochs 1"
    assert run(line).returncode == 0
    table.write_text("\n".join(rows), encoding="utf-8")
    found = run("evaluate m@a csv:a")
    assert "m@a: 5 images by the readout that has not seen them" in found.stdout


def test_two_data_sets_of_one_name_are_refused(run: Run, lab: str, tmp_path: Path) -> None:
    write_recordings(tmp_path / "other" / "LAB", 4)
    line = f"train --finetune {lab} --finetune csv:other/LAB -o mine --backbone {NARROW}"
    found = run(line)
    assert (found.returncode, found.stdout) == (2, "")
    assert "error: two data sets are called lab; rename one" in found.stderr
    table = run(f"{line} --coordinates pixels")
    assert table.returncode == 2
    assert "--coordinates: describes one table, but several data sets are given" in table.stderr
    assert not (tmp_path / "mine" / "card.json").exists()
