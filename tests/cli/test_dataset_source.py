"""SOURCE and the options for a user's own table, as commands take them."""

import shlex
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from deepgaze2.cli.dataset_source import as_typed, open_raw, open_ready, table_options
from deepgaze2.errors import DataError
from helpers.small_datasets import HEIGHT, write_recordings


def parsed(line: str) -> tuple[str, dict[str, Any]]:
    """What a command gets from a line typed in a shell."""
    got: list[tuple[str, dict[str, Any]]] = []

    @click.command()
    @click.argument("source")
    @table_options
    def command(source: str, **table: Any) -> None:
        got.append((source, table))

    result = CliRunner().invoke(command, shlex.split(line), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return got[0]


def test_what_is_not_stated_is_left_to_guessing() -> None:
    assert parsed("csv:lab") == ("csv:lab", dict.fromkeys(parsed("x")[1]))


def test_options_are_those_of_reading_a_table() -> None:
    line = (
        "'csv:my lab' --column 'x=Pos X [px]' --column image=Reiz --images 'my lab/B'"
        " --coordinates pixels --base 0 --time ms"
        " --origin center-up --screen 1920x1080 --shown 112,84.5,800,600 --pixels-per-degree 35"
        " --image 'a b.png' --eye left --detect ivt,velocity=40"
    )
    source, table = parsed(line)
    assert source == "csv:my lab"
    assert table == {
        "images": Path("my lab/B"),
        "columns": {"x": "Pos X [px]", "image": "Reiz"},
        "coordinates": "pixels",
        "base": 0,
        "time": "ms",
        "origin": "center-up",
        "screen": (1920, 1080),
        "shown": (112, 84.5, 800, 600),
        "pixels_per_degree": 35,
        "image": "a b.png",
        "eye": "left",
        "detect": "ivt,velocity=40",
    }
    assert parsed(as_typed(source, table)) == (source, table)


def mirrored(folder: Path) -> Path:
    """Recordings whose y counts from the bottom, without a word of it."""
    write_recordings(folder)
    header, *lines = (folder / "fixations.csv").read_text("utf-8").splitlines()
    cells = [line.split(",") for line in lines]
    flipped = [",".join([*row[:4], str(HEIGHT - float(row[4])), *row[5:]]) for row in cells]
    (folder / "fixations.csv").write_text("\n".join([header, *flipped, ""]), "utf-8")
    return folder


@pytest.mark.slow
def test_a_table_that_fits_its_images_better_mirrored_is_refused(tmp_path: Path) -> None:
    folder = mirrored(tmp_path)
    for source in (f"csv:{folder}", str(folder)):
        with pytest.raises(DataError, match=r"better with y counted from below .*--origin"):
            open_ready(source, {})
    right = open_ready(f"csv:{folder}", {"origin": "bottom-left"})
    warned = open_ready(f"csv:{folder}", {"screen": "none"})
    assert not any("Look again" in note for note in right.notes)
    assert warned.notes[0].startswith(
        "Look again at the positions: images whose fixations fit where people look"
    )
    assert len(open_raw(f"csv:{folder}", {}).fixations) == 450


def test_images_that_are_not_at_hand_are_not_looked_at(tmp_path: Path) -> None:
    folder = mirrored(tmp_path)
    names = [path.name for path in (folder / "images").iterdir()]
    lines = ["image,width,height", *(f"{name},150,{HEIGHT}" for name in names)]
    (folder / "stimuli.csv").write_text("\n".join(lines))
    for name in names:
        (folder / "images" / name).unlink()
    assert len(open_ready(f"csv:{folder}", {}).stimuli) == 25


def test_a_detection_that_is_mistyped_is_refused_at_once() -> None:
    @click.command()
    @table_options
    def command(**table: Any) -> None:
        raise AssertionError(table)

    result = CliRunner().invoke(command, ["--detect", "ivt,dispersion=2"])
    assert result.exit_code == 2
    assert (
        "'dispersion=2' in 'ivt,dispersion=2': ivt takes velocity, min_ms, gap_ms" in result.output
    )
