"""`deepgaze2 data`, run as a user would."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image
from scipy.io import savemat

from deepgaze2.cli.data import data
from deepgaze2.density.center_bias import load_center_bias
from deepgaze2.errors import DataError
from deepgaze2.references.baseline import fit_center_bias
from helpers.plain_rows import cell, write_image
from helpers.small_datasets import patches, write_recordings


@pytest.fixture
def recordings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with 25 images and a table of fixations, and an empty cache."""
    monkeypatch.setenv("DEEPGAZE2_CACHE", str(tmp_path / "cache"))
    write_recordings(tmp_path / "mine")
    return tmp_path / "mine"


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(data, [str(a) for a in arguments], catch_exceptions=False)


def test_check_of_a_sound_set(recordings: Path, tmp_path: Path) -> None:
    result = run("check", f"csv:{recordings}", "--picture", tmp_path / "mine.png")
    assert result.exit_code == 0, result.output
    assert "mine: 25 images, 3 subjects, 450 fixations" in result.stdout
    assert "first fixations  forced to the center" in result.stdout
    assert result.stdout.endswith("nothing is wrong\n")
    with Image.open(tmp_path / "mine.png") as picture:
        assert picture.size == (1200, 700)


def test_check_says_what_was_left_out(tmp_path: Path) -> None:
    write_image(tmp_path / "images" / "a.png", 64, 48)
    rows = ["image,subject,TRIAL_INDEX,label,time_us,order,x,y"]
    for t, i in ((1, 1), (1, 2), (2, 1), (2, 2)):
        rows.append(f"a,s1,{t},fixation,{250_000 * i},{i},{9 * i + t},{8 * i}")
    rows += ["a,s1,2,saccade,900000,3,5,5", "Instructions,s1,3,fixation,0,1,5,5"]
    (tmp_path / "fixations.csv").write_text("\n".join(rows))
    lines = run("check", f"csv:{tmp_path}").stdout.splitlines()
    assert lines[0].endswith("1 images, 1 subjects, 4 fixations")
    assert lines[4].startswith(
        "reading          1 of 6 rows are left out: they are no fixations by their 'label'"
    )
    assert lines[5].startswith(
        "reading          1 of 5 rows are left out: they name no image: 1 'Ins"
    )
    assert lines[6].startswith("reading          1 times somebody saw an image again")
    stated = run("check", f"csv:{tmp_path}", "--column", "trial=none", "--column", "kind=none")
    assert "5 fixations" in stated.stdout


def test_check_into_a_pipe_writes_plain_lines(recordings: Path) -> None:
    command = [sys.executable, "-c", "from deepgaze2.cli import main; main()"]
    written = subprocess.run(
        [*command, "data", "check", f"csv:{recordings}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=True,
        timeout=60,
    ).stdout
    assert b"reading images: 0 of 25 images\n" in written
    assert b"reading images: 25 of 25 images in" in written
    assert b"\r" not in written


def test_check_exits_with_1_if_training_would_be_wrong(recordings: Path) -> None:
    write_recordings(recordings, exchanged=True)
    with pytest.raises(DataError, match="look as if recorded with x and y exchanged"):
        run("check", f"csv:{recordings}")
    result = run("check", f"csv:{recordings}", "--screen", "none")
    assert result.exit_code == 1
    assert "reading          Look again at what was stated: positions look as" in result.stdout
    assert result.stdout.startswith("WRONG: ")
    assert (
        "WRONG 25 images whose fixations fit where people look in them better with x"
        in result.stdout
    )
    assert "nothing is wrong" not in result.stdout


def test_check_as_json(recordings: Path) -> None:
    path = recordings / "images" / "3.png"
    with Image.open(path) as image:
        image.save(path, "JPEG")
    path.write_bytes(path.read_bytes()[:-200])
    result = run("check", f"csv:{recordings}", "--json")
    assert result.exit_code == 1
    found = json.loads(result.stdout)
    assert found["images"] == 25
    assert found["first_at_center"] is True
    assert found["expected"] is None
    (problem,) = found["problems"]
    assert problem["count"] == 1
    assert problem["fatal"] is True
    assert "3.png" in problem["examples"][0]


def imitate_osie(folder: Path, n_images: int, n_subjects: int) -> None:
    """Write images and two fixations of each subject on each."""
    entries = []
    for number in range(n_images):
        write_image(folder / "stimuli" / f"{1001 + number}.jpg", 8, 6)
        xy = {"fix_x": [[4.0, 5.0]], "fix_y": [[3.0, 2.0]], "fix_duration": [[200, 200]]}
        entries.append({"img": f"{1001 + number}.jpg", "subjects": cell([xy] * n_subjects)})
    (folder / "eye").mkdir()
    savemat(folder / "eye" / "fixations.mat", {"fixations": cell(entries)})


def test_a_part_of_a_published_set(tmp_path: Path) -> None:
    imitate_osie(tmp_path, 3, 2)
    result = run("check", f"osie:{tmp_path}", "--json")
    found = json.loads(result.stdout)
    assert result.exit_code == 0
    assert found["expected"]["images"] == 700
    assert found["expected"]["mean_x"] == 401.466
    assert found["problems"][0]["kind"] == "images fewer than the published set has"
    assert found["problems"][0]["examples"] == ["3 found, 700 expected"]


def test_a_published_set_with_other_fixations(tmp_path: Path) -> None:
    imitate_osie(tmp_path, 700, 2)
    result = run("check", f"osie:{tmp_path}")
    assert result.exit_code == 1
    assert "WRONG 95521 fixations fewer than the published set has: fetch OSIE" in result.stdout
    assert "      2800 found, 98321 expected" in result.stdout
    assert "WRONG 13 subjects fewer than the published set has" in result.stdout


def test_check_against_another_recording(recordings: Path, tmp_path: Path) -> None:
    header = "image,subject,order,x_px,y_px,start_s,duration_s"
    write_recordings(tmp_path / "mouse", header=header, exchanged=True)
    own = ("--screen", "none")
    result = run("check", f"csv:{tmp_path / 'mouse'}", "--against", f"csv:{recordings}", *own)
    assert result.exit_code == 1
    assert "fixations fit the fixations of mine better with x and y exchanged" in result.stdout


def test_options_say_how_to_read_a_table(recordings: Path) -> None:
    write_recordings(recordings, header="image,subject,order,hpos,vpos,start_s,duration_s")
    with pytest.raises(DataError, match="hpos"):
        run("check", f"csv:{recordings}")
    options = ["--column", "x=hpos", "--column", "y=vpos", "--base", "0", "--time", "s"]
    result = run("check", f"csv:{recordings}", *options, "--coordinates", "pixels")
    assert result.exit_code == 0, result.output
    assert "450 fixations" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["csv:here", "--column", "hpos"], "'hpos' is not ROLE=NAME"),
        (["csv:here", "--base", "2"], "Invalid value for '--base'"),
        (["csv:here", "--picture", "mine.xyz"], "mine.xyz does not end in .png or .jpg"),
    ],
)
def test_options_that_make_no_sense(arguments: list[str], message: str) -> None:
    result = run("check", *arguments)
    assert result.exit_code == 2
    assert message in result.output


def test_a_center_bias_needs_its_suffix_before_it_is_fitted(recordings: Path) -> None:
    result = run("center-bias", f"csv:{recordings}", "-o", "mine.npy")
    assert result.exit_code == 2
    assert "mine.npy does not end in .safetensors" in result.output


def test_convert_keeps_everything(recordings: Path, tmp_path: Path) -> None:
    write_recordings(recordings, header="image,subject,order,hpos,vpos,start_s,duration_s")
    options = ["--column", "x=hpos", "--column", "y=vpos", "--base", "0", "--coordinates", "pixels"]
    converted = tmp_path / "converted"
    assert run("convert", f"csv:{recordings}", converted, *options).exit_code == 0
    found = json.loads(run("check", f"csv:{converted}", "--json").stdout)
    assert (found["images"], found["subjects"], found["fixations"]) == (25, 3, 450)
    assert found["problems"] == []


def test_center_bias_is_the_cross_validated_fit(recordings: Path, tmp_path: Path) -> None:
    output = tmp_path / "mine.safetensors"
    result = run("center-bias", f"csv:{recordings}", "-o", output)
    assert result.exit_code == 0, result.output
    assert "from 375 fixations on 25 images" in result.stdout  # without the first ones
    fit = fit_center_bias(patches(recordings / "images").without_first())
    assert f"bandwidth      {fit.bandwidth:.4f}" in result.stdout
    density = np.exp(load_center_bias(output).log_density(100, 150))
    assert density.sum() == pytest.approx(1, abs=1e-4)
