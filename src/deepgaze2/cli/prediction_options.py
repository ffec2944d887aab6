"""Options of the commands that predict images: the model, how images are viewed, regions."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import click

from deepgaze2.cli.models import engine_options

_Command: TypeAlias = Callable[..., None]

_MODEL = (
    click.option(
        "--model",
        default="default",
        show_default=True,
        help="A packaged model's name, or a model's folder.",
    ),
    click.option(
        "--viewing",
        metavar="NAME",
        help="Predict as for this one of the data sets that the model was trained on, short for"
        " --model MODEL@NAME; `deepgaze2 info` lists them.  [default: the average over them]",
    ),
    engine_options,
    click.option(
        "--center-bias",
        metavar="NAME|FILE",
        help="Where people look whatever a photo shows: mit1003, osie, uniform, gaussian, or a"
        " file.  [default: the model's]",
    ),
    click.option(
        "--pixels-per-degree",
        type=click.FloatRange(min=0, min_open=True),
        help="Pixels of the photos per degree of visual angle, if known; decides how large the"
        " network sees them.",
    ),
)

_REGIONS = (
    click.option(
        "--region",
        "regions",
        multiple=True,
        metavar="NAME:X,Y,W,H",
        help="A rectangle, in pixels or all in %, whose share of fixations is shown; repeatable.",
    ),
    click.option(
        "--regions",
        "region_files",
        multiple=True,
        metavar="FILE",
        type=click.Path(path_type=Path),
        help="A file of regions: .json, .csv, or an .svg with named rectangles; repeatable.",
    ),
)


def model_options(command: _Command) -> _Command:
    """Add which model predicts, and how images are viewed."""
    for option in reversed(_MODEL):
        command = option(command)
    return command


def region_options(command: _Command) -> _Command:
    """Add the options that name regions."""
    for option in reversed(_REGIONS):
        command = option(command)
    return command
