"""SOURCE and the options for a user's own table, as commands take them."""

import shlex
from pathlib import Path
from typing import Any

import click
from click.testing import CliRunner

from deepgaze2.cli.dataset_source import as_typed, table_options


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
