"""`deepgaze2 predict` of long pages: what is typed, what is said, what is written."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from deepgaze2.features.backbone import find_stored_backbone
from deepgaze2.store import write_model
from helpers.command_line import Run
from helpers.small_models import card_of, random_readout

PAGE = "pages/home.png"


@pytest.fixture(autouse=True)
def _here(narrow_network: str, tmp_path: Path) -> None:
    """A small model and screenshots, in the folder where commands run."""
    readout = random_readout(2)
    card = card_of(readout, find_stored_backbone(narrow_network))
    write_model(tmp_path / "small", card, [readout])
    (tmp_path / "pages").mkdir()
    for name, size in (("home", (330, 1100)), ("photo", (90, 60)), ("banner", (160, 600))):
        pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / "pages" / f"{name}.png")


def test_a_page_is_one_density_with_its_pictures_and_regions(run: Run, tmp_path: Path) -> None:
    typed = "--viewport 330x400 --scroll 100,50,25 --region top:0,0,330,400"
    found = run(f"predict {PAGE} --model small -o out {typed} --format npy --format json")
    assert found.returncode == 0, found.stderr
    assert "note" not in found.stderr
    density = np.exp(np.load(tmp_path / "out" / "home.npy").astype(np.float64))
    assert density.shape == (1100, 330)
    assert density.sum() == pytest.approx(1, abs=1e-5)
    summary = json.loads((tmp_path / "out" / "home.json").read_text())
    assert (summary["viewport"], summary["scroll"]) == ("330x400", "100,50,25")
    [row] = csv.DictReader((tmp_path / "out" / "home_regions.csv").read_text().splitlines())
    assert float(row["share"]) == pytest.approx(density[:400].sum(), abs=1e-5)
    with Image.open(tmp_path / "out" / "home_overlay.png") as overlay:
        assert overlay.size == (330, 1100)


def test_what_is_guessed_and_doubtful_is_said(run: Run) -> None:
    found = run("predict pages --model small -o out")
    assert found.returncode == 0, found.stderr
    notes = [line for line in found.stderr.splitlines() if line.startswith("note: ")]
    assert [Path(note.split(":")[1].strip()).name for note in notes] == [
        *("banner.png", "home.png", "home.png")
    ]
    assert "3.8 times as high as wide; the network saw the whole at" in notes[0]
    assert "330x587, a guess" in notes[1]
    assert "half as many" in notes[2]
    decided = run("predict pages --model small -o out --force --viewport none")
    assert "note" not in decided.stderr


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("--viewport wide", "viewport 'wide' is not WIDTHxHEIGHT"),
        ("--viewport 330x10", "no screen's shape"),
        ("--viewport 300x400", "home.png: is 330 pixels wide and the viewport 300"),
        ("--scroll 50,100", "begin with 100%"),
        ("--scroll 100,120", "from 0 to 100%"),
        ("--scroll 100,x", "is not percentages"),
        ("--viewport 330x400 --scroll 100,50", "home.png: scroll has 2 shares"),
        ("--viewport none --scroll 100,50", "home.png: scroll goes with a viewport"),
    ],
)
def test_what_does_not_fit_is_one_line(run: Run, tmp_path: Path, typed: str, words: str) -> None:
    found = run(f"predict {PAGE} --model small -o out {typed}")
    assert found.returncode == 2
    [line] = [line for line in found.stderr.splitlines() if not line.startswith("predicting")]
    assert line.startswith("error: ")
    assert words in line
    assert not list(tmp_path.glob("out/*"))
