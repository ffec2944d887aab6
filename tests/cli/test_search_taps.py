"""`deepgaze2 search-taps` on a narrow network: its table, its progress, its refusals."""

import csv
import json
import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from deepgaze2.cli import search_taps
from deepgaze2.cli.study import announcer
from deepgaze2.readout.architecture import Layers
from deepgaze2.training.fit import FitSettings
from deepgaze2.training.recipes import Recipe, paper_recipe
from deepgaze2.training.studies import tap_search
from deepgaze2.training.studies.tap_choices import Choice, draw_choices
from deepgaze2.training.studies.tap_search import TapSearch, Trial
from helpers.command_line import Run
from helpers.small_datasets import write_recordings
from helpers.small_models import NARROW16
from helpers.training_images import train_in_this_process

LINE = f"search-taps --finetune csv:lab -o out --backbone {NARROW16.name} --folds 3"


@pytest.fixture(autouse=True)
def _small(narrow_network: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Six images with fixations, and short trainings."""
    train_in_this_process(monkeypatch)
    monkeypatch.setattr(tap_search, "paper_recipe", short_recipe)
    write_recordings(tmp_path / "lab", 6)


def short_recipe(layers: Layers) -> Recipe:
    short = FitSettings(epochs=2, images_per_batch=3)
    return replace(paper_recipe(layers), finetuning=short, longer_side_px=96)


def test_a_table_best_first_and_files(run: Run, tmp_path: Path) -> None:
    found = run(f"{LINE} --trials 3 --parts 1")
    assert found.returncode == 0, found.stderr
    with (tmp_path / "out" / "tap_search.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    title, empty, _, *lines = found.stdout.splitlines()
    assert title == ("lab: 2 images, 36 fixations, 1 of 3 parts; 95% intervals over images")
    assert empty == ""
    assert len(lines) == len(rows) == 3
    for line, row in zip(lines, rows, strict=True):
        number, gain, *_ = line.split()
        assert (number, gain) == (row["trial"], f"{float(row['information_gain_bits']):.3f}")
        assert f" {float(row['over_papers_bits']):+.3f} (" in line or "the paper's" in line
        scales = row["scales"].replace(" ", " and ")
        assert line.endswith(f"  {row['taps']}, scale {scales}")
    (papers,) = (row for row in rows if row["trial"] == "0")
    assert papers["taps"].split() == list(NARROW16.taps)
    stored = json.loads((tmp_path / "out" / "tap_search.json").read_text(encoding="utf-8"))
    assert (stored["folds"], stored["parts"], stored["images"]) == (3, 1, 2)


def test_each_trial_is_announced_and_those_done_are_not_done_again(run: Run) -> None:
    first = run(f"{LINE} --trials 2 --parts 1 --seed 4")
    begun = re.findall(r"^(\d+) of 2(.*): (.*), scale (.*)$", first.stderr, re.MULTILINE)
    assert [number for number, *_ in begun] == ["1", "2"]
    assert [re.sub(r"\d+", "1", left) for _, left, *_ in begun] == ["", ", about 1 s left"]
    drawn = draw_choices(NARROW16, 2, seed=4)
    assert [tuple(taps.split()) for *_, taps, _ in begun] == [choice.taps for choice in drawn]
    again = run(f"{LINE} --trials 2 --parts 1 --seed 4")
    assert again.stdout == first.stdout
    assert " of 2" not in again.stderr
    more = run(f"{LINE} --trials 3 --parts 1 --seed 4")
    assert re.findall(r"^\d+ of .*?:", more.stderr, re.MULTILINE) == ["3 of 3:"]


def test_time_left_is_that_of_the_trials_so_far(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The third is the first to be trained, as after an interruption."""
    clock = iter([1000.0, 1000 + 30 * 60, 1000 + 40 * 60])
    monkeypatch.setattr("deepgaze2.cli.study.time.monotonic", lambda: next(clock))
    announce = announcer()
    for number in (2, 3, 4):
        announce(number, 10, "conv5_1")
    assert capsys.readouterr().err.splitlines() == [
        "3 of 10: conv5_1",
        "4 of 10, about 3 h 30 min left: conv5_1",
        "5 of 10, about 2 h 0 min left: conv5_1",
    ]


def test_a_dead_readout_is_said() -> None:
    trial = Trial(7, Choice(("conv5_1",), (0.5,)), None, None)
    text = search_taps._as_text(TapSearch("lab", "vgg16", 1, 1, 10, 2, 512, (trial,)))
    assert re.fullmatch(" +7  bottleneck died +conv5_1, scale 0.5", text.splitlines()[-1])


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ("--parts 4", "error: 4 parts of 3 folds"),
        ("--parts 0", "--parts"),
        ("--trials 0", "--trials"),
        ("--trials 1001", "--trials"),
        ("--seed -1", "--seed"),
        ("--folds 7 --parts 1", "7 folds, but only 6 different images"),
        ("--finetune csv:nowhere", "nowhere"),
        ("--backbone nowhere", "nowhere: no such weights file"),
    ],
)
def test_mistakes_are_said_without_a_traceback(run: Run, options: str, reason: str) -> None:
    found = run(f"{LINE} {options}")
    assert (found.returncode, found.stdout) == (2, "")
    assert reason in found.stderr
    assert "Traceback" not in found.stderr


def test_without_pytorch_it_says_what_to_install(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    found = run(LINE)
    assert (found.returncode, found.stderr.count("\n")) == (2, 1)
    assert "pip install 'deepgaze2[train]'" in found.stderr
