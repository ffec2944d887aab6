"""What the commands of studies, many trainings compared, have in common."""

import time
from collections.abc import Callable
from pathlib import Path

import click

from deepgaze2.support.progress import duration


def study_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options for data, output, parts and seed."""
    options = [
        click.option(
            "--finetune",
            "source",
            required=True,
            metavar="SOURCE",
            help="Data set to train and score models on.",
        ),
        click.option(
            "-o",
            "--output",
            type=click.Path(path_type=Path, file_okay=False),
            required=True,
            help="Folder for the results, and for what is finished if the command is interrupted.",
        ),
        click.option(
            "--folds",
            "n_folds",
            default=10,
            show_default=True,
            type=click.IntRange(2),
            help="Number of parts that images are divided into for cross-validation.",
        ),
        click.option(
            "--seed",
            default=0,
            show_default=True,
            type=click.IntRange(0, 2**31 - 1),
            help="Number that decides all random choices; the same number gives the same result.",
        ),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def announcer() -> Callable[[int, int, str], None]:
    """Return what says which training begins, and how long all that are left will take."""
    began: list[float] = []

    def announce(number: int, total: int, what: str) -> None:
        began.append(time.monotonic())
        left = ""
        if done := len(began) - 1:
            seconds = (began[-1] - began[0]) / done * (total - number)
            left = f", about {duration(seconds)} left"
        click.echo(f"{number + 1} of {total}{left}: {what}", err=True)

    return announce
