"""What a command's SOURCE is: a data set's name and place, and how to read a user's own table."""

import re
import shlex
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from deepgaze2.data.dataset import Dataset
from deepgaze2.data.own.detection import Detection
from deepgaze2.data.sources import is_source, open_dataset
from deepgaze2.errors import DataError


def _roles(
    ctx: click.Context,  # noqa: ARG001 (click's signature)
    param: click.Parameter,  # noqa: ARG001
    values: tuple[str, ...],
) -> dict[str, str] | None:
    """Parse `x=hpos` and the like."""
    if unclear := [value for value in values if "=" not in value]:
        raise click.BadParameter(f"{unclear[0]!r} is not ROLE=NAME, such as x=hpos")
    return {role: name for role, _, name in (value.partition("=") for value in values)} or None


def table_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that say how to read a table of the user's own."""
    folder = click.Path(path_type=Path)
    options = [
        click.option("--images", type=folder, help="For a csv: source, the folder of its images."),
        click.option(
            "--column",
            "columns",
            metavar="ROLE=NAME",
            multiple=True,
            callback=_roles,
            help="For a csv: source, which column has what, such as x=hpos; may be repeated.",
        ),
        click.option(
            "--coordinates",
            type=click.Choice(["pixels", "normalized", "percent", "degrees", "height", "norm"]),
            help="For a csv: source, what x and y are; normalized are fractions of the width and"
            " height of the image, or of the screen if that is stated; height and norm are"
            " PsychoPy's units.",
        ),
        click.option(
            "--base",
            type=click.IntRange(0, 1),
            help="For a csv: source, the number of the first pixel of a row or column.",
        ),
        click.option(
            "--origin",
            type=click.Choice(["top-left", "bottom-left", "center-down", "center-up"]),
            help="For a csv: source, where x and y are counted from; from the center, whether y"
            " grows down or up.",
        ),
        click.option(
            "--screen",
            metavar="WIDTHxHEIGHT",
            callback=_screen,
            help="For a csv: source, the screen that x and y count on; 'none' if they are"
            " surely the image's own.",
        ),
        click.option(
            "--shown",
            metavar="HOW",
            callback=_shown,
            help="For a csv: source, how images were shown on the screen: centered, fit,"
            " stretched, or in the rectangle X,Y,WIDTH,HEIGHT.",
        ),
        click.option(
            "--pixels-per-degree",
            type=click.FloatRange(min=0, min_open=True),
            help="For a csv: source in degrees or with --detect, how large one is.",
        ),
        click.option(
            "--time",
            type=click.Choice(["s", "ms", "us", "ns"]),
            help="For a csv: source, the unit of its times.",
        ),
        click.option(
            "--image",
            metavar="NAME",
            help="For a csv: source without a column of images, the one that was shown.",
        ),
        click.option(
            "--eye",
            type=click.Choice(["left", "right", "mean"]),
            help="For a csv: source with both eyes, which to take; the mean is of their columns.",
        ),
        click.option(
            "--detect",
            metavar="HOW",
            callback=_detection,
            help="For a csv: source of samples of the gaze, how to detect fixations: ivt (by"
            " velocity), idt (by dispersion), or with what is not as usual, such as"
            " ivt,velocity=40,min_ms=80 (degrees per second; needs to know how large one is).",
        ),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def _size(
    ctx: click.Context,  # noqa: ARG001 (click's signature)
    param: click.Parameter,  # noqa: ARG001
    value: str | None,
) -> tuple[int, int] | None:
    """Parse `1024x768`."""
    if value is None:
        return None
    if not (match := re.fullmatch(r"(\d+)[x\N{MULTIPLICATION SIGN}](\d+)", value)):
        raise click.BadParameter(f"{value!r} is not WIDTHxHEIGHT, such as 1024x768")
    return int(match[1]), int(match[2])


def _screen(
    ctx: click.Context, param: click.Parameter, value: str | None
) -> tuple[int, int] | str | None:
    """Parse `1920x1080` and `none`."""
    return value if value == "none" else _size(ctx, param, value)


def _shown(
    ctx: click.Context,  # noqa: ARG001 (click's signature)
    param: click.Parameter,  # noqa: ARG001
    value: str | None,
) -> str | tuple[float, ...] | None:
    """Parse `fit` and the like, and `112,84,800,600`."""
    if value is None or value in ("centered", "fit", "stretched"):
        return value
    try:
        rectangle = tuple(float(side) for side in value.split(","))
    except ValueError:
        rectangle = ()
    if len(rectangle) != 4:
        raise click.BadParameter(
            f"{value!r} is none of centered, fit, stretched and X,Y,WIDTH,HEIGHT"
        )
    return rectangle


def _detection(
    ctx: click.Context,  # noqa: ARG001 (click's signature)
    param: click.Parameter,  # noqa: ARG001
    value: str | None,
) -> str | None:
    """Check `ivt` and the like."""
    if value is not None:
        try:
            Detection.parse(value)
        except DataError as error:
            raise click.BadParameter(str(error)) from error
    return value


image_size_option = click.option(
    "--image-size",
    metavar="WIDTHxHEIGHT",
    callback=_size,
    help="Score the images of this size alone, as the paper does: 1024x768 of MIT1003.",
)


def of_size(dataset: Dataset, size: tuple[int, int] | None) -> Dataset:
    """Return the images of one width and height in pixels, with their fixations.

    Raises
    ------
    DataError
        If there is none.
    """
    if size is None:
        return dataset
    width, height = size
    chosen = (dataset.stimuli.width == width) & (dataset.stimuli.height == height)
    if not chosen.any():
        raise DataError(f"{dataset.name}: no image has {width}x{height} pixels")
    return replace(dataset.select(chosen), name=f"{dataset.name}, {width}x{height} px")


def open_raw(source: str, table: dict[str, Any]) -> Dataset:
    """Read all that SOURCE holds, a table of the user's own as the options say."""
    return open_dataset(source, raw=True, table=_stated(table))


def open_ready(source: str, table: dict[str, Any]) -> Dataset:
    """Read SOURCE for training or scoring; what was guessed or left out goes to stderr.

    A table of the user's own is refused if its positions surely lie elsewhere on their images.
    """
    dataset = open_dataset(source, table=_stated(table))
    if is_own_table(source):
        from deepgaze2.evaluation.placement import placed  # needs SciPy, predicting not

        stated = bool(table.get("screen") or table.get("shown"))
        dataset = placed(dataset, source, stated=stated)
    for note in dataset.notes:
        click.echo(f"note: {note}", err=True)
    return dataset


def is_own_table(source: str) -> bool:
    """Tell whether SOURCE is a table of the user's own, named as one or only by its place."""
    return source.startswith("csv:") or not is_source(source)


def for_tables(source: str, sources: Sequence[str], table: dict[str, Any]) -> dict[str, Any]:
    """Return the options for one of several data sets: of other sets than tables, none.

    Without any table among them the options stay, so that reading refuses them.
    """
    tables = [one for one in sources if is_own_table(one)]
    return table if source in tables or not tables else {}


def as_typed(source: str, table: dict[str, Any]) -> str:
    """Return SOURCE and the options for its table as they are typed in a shell."""
    words = [source]
    for name, value in _stated(table).items():
        if name == "columns":
            words += [word for pair in value.items() for word in ("--column", "=".join(pair))]
        else:
            separator = "x" if name == "screen" else ","
            text = separator.join(map(str, value)) if isinstance(value, tuple) else str(value)
            words += [f"--{name.replace('_', '-')}", text]
    return shlex.join(words)


def _stated(table: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in table.items() if value is not None}
