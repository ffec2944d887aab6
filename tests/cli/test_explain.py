"""What `data explain` prints, and what a model's card keeps of it."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from deepgaze2.card import read_card, write_card
from deepgaze2.data.decisions import STEPS as _STEPS
from deepgaze2.data.decisions import Decision, reading_record, recorded
from deepgaze2.data.own.tabular import read_tabular
from deepgaze2.store import find_model
from helpers.command_line import Run
from helpers.tracker_exports import HEIGHT, WIDTH, begaze_events, known_fixations

STEPS = [step for step in _STEPS if step != "doubts"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COLUMNS", "140")
    (tmp_path / "images").mkdir()
    for name in "ab":
        Image.new("RGB", (WIDTH, HEIGHT)).save(tmp_path / "images" / f"{name}.png")
    lines = list(begaze_events(known_fixations()))
    (tmp_path / "fixations.csv").write_text("\n".join(lines) + "\n", "utf-8")
    return tmp_path


def steps(text: str) -> list[str]:
    """The first words of lines that begin at the margin, below the titles."""
    return [line.split()[0] for line in text.splitlines()[1:] if line[:1].isalpha()]


def test_each_step_says_what_why_and_what_would_change_it(run: Run, folder: Path) -> None:
    shown = run("data", "explain", f"csv:{folder}")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert steps(shown.stdout) == STEPS
    lines = shown.stdout.splitlines()
    assert len(lines) < 45
    (x,) = (line for line in lines if "x from" in line)
    assert x.split(maxsplit=1)[0] == "?"
    assert "'Fixation Position X [px]'" in x
    assert "that program's name for it" in x
    assert x.endswith("  --column x=NAME")
    said = " ".join(shown.stdout.split())
    for part in (
        "? 32 of 64 rows are left out",
        "16 'Saccade'",
        "--column kind=none keeps them",
        "durations are in ms the name of 'Event Duration [ms]' says so",
        "smi_begaze.toml",
        "2 images, 2 subjects, 16 fixations",
        "? may be wrong, or leaves something out",
    ):
        assert part in said


def test_lines_that_say_the_same_are_those_of_check(run: Run, folder: Path) -> None:
    checked = json.loads(run("data", "check", f"csv:{folder}", "--json").stdout)
    decided = read_tabular(folder).decisions
    for decision in decided:
        if decision.step != "columns":
            assert (str(decision) in checked["notes"]) == decision.guessed


def test_what_is_stated_is_said_to_be(run: Run, folder: Path) -> None:
    shown = run("data", "explain", folder, "--column", "kind=none", "--time", "ms", "--base", "0")
    (kinds,) = (line for line in shown.stdout.splitlines() if "no column for" in line)
    assert "kind" in kinds
    for what in ("durations are in ms", "the first pixel is called 0"):
        (line,) = (line for line in shown.stdout.splitlines() if what in line)
        assert " ? " not in line
        assert "stated" in line


def test_a_refusal_comes_after_what_was_decided(run: Run, folder: Path) -> None:
    shown = run("data", "explain", folder, "--column", "valid=Category")
    assert shown.returncode == 2
    assert steps(shown.stdout) == ["file", "columns"]
    (error,) = shown.stderr.splitlines()
    assert "does not say whether a row is valid" in error
    (folder / "fixations.csv").write_text("a\tb\n1\t2\n")
    shown = run("data", "explain", folder)
    assert shown.returncode == 2
    assert "no column for image, subject" in " ".join(shown.stdout.split())
    assert "no column for image and x and y" in shown.stderr
    (folder / "fixations.csv").unlink()
    shown = run("data", "explain", folder)
    assert (shown.returncode, shown.stdout) == (2, "")


def test_without_images_all_else_is_explained(run: Run, folder: Path) -> None:
    for path in (folder / "images").iterdir():
        path.unlink()
    shown = run("data", "explain", folder / "fixations.csv")
    assert shown.returncode == 2
    assert steps(shown.stdout) == ["file", "columns", "rows", "images", "viewings", "order", "time"]
    assert "no images; give the folder that holds them" in shown.stderr
    assert "no images" in run("data", "check", folder / "fixations.csv").stderr


def test_a_published_set_is_not_explained(run: Run) -> None:
    shown = run("data", "explain", "osie:folder")
    assert shown.returncode == 2
    assert "osie is read as it is declared" in shown.stderr


def test_a_card_keeps_how_tables_were_read(run: Run, folder: Path, tmp_path: Path) -> None:
    decided = read_tabular(folder).decisions
    card = read_card(find_model("default"))
    sets = [{"name": "lab", "images": 2, "fixations": 16, **reading_record(decided)}]
    model = tmp_path / "model"
    model.mkdir()
    write_card(model, replace(card, training={**card.training, "data_sets": sets}))
    assert tuple(recorded(read_card(model).training["data_sets"][0])) == decided
    shown = run("info", "--model", model).stdout
    assert "how lab was read:" in shown
    table = run("data", "explain", folder).stdout
    assert table in shown
    assert str(folder) not in (model / "card.json").read_text("utf-8")
    sets[0]["reading"] = [{"step": 1}]
    write_card(model, replace(card, training={**card.training, "data_sets": sets}))
    damaged = run("info", "--model", model)
    assert damaged.returncode == 2
    assert "the card's reading[0]" in damaged.stderr


def test_nothing_is_recorded_of_other_sources() -> None:
    assert reading_record(()) == {}
    assert recorded({"name": "osie"}) == []
    assert (
        str(Decision("time", "durations are s", "so", "--time")) == "Durations are s: so (--time)."
    )
