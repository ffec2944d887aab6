"""`deepgaze2 search-taps`: which layers to read, by random search as in the paper."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from deepgaze2.cli.dataset_source import open_ready, table_options
from deepgaze2.cli.train import require_torch
from deepgaze2.features.backbone import find_backbone
from deepgaze2.support.files import locked
from deepgaze2.support.progress import duration

if TYPE_CHECKING:
    from deepgaze2.training.studies.tap_choices import Choice
    from deepgaze2.training.studies.tap_search import TapSearch

_MOST_TRIALS = 1000  # there are 7527 different choices on VGG-16


@click.command("search-taps")
@click.option("--finetune", "source", required=True, metavar="SOURCE", help="Data set to train on.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Folder for the tables and what is finished.",
)
@click.option("--backbone", default="vgg16", show_default=True, help="vgg16, vgg19 or a file.")
@click.option(
    "--trials",
    default=20,
    show_default=True,
    type=click.IntRange(1, _MOST_TRIALS),
    help="Choices of layers, the paper's being the first.",
)
@click.option(
    "--folds", default=10, show_default=True, type=click.IntRange(2), help="Cross-validation parts."
)
@click.option(
    "--parts",
    default=2,
    show_default=True,
    type=click.IntRange(1),
    help="Train and score for so many of them only.",
)
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0, 2**31 - 1))
@table_options
def search_taps(
    source: str,
    output: Path,
    backbone: str,
    trials: int,
    folds: int,
    parts: int,
    seed: int,
    **table: Any,  # noqa: ANN401
) -> None:
    """Search at random for the layers that predict best, as the paper chose its five.

    A trial reads one to six layers of blocks 4 and 5, at scale 1 (512 pixels), 0.5 or both, and
    trains readouts on SOURCE with the paper's recipe; trial 0 reads the paper's layers. The table
    shows all, best first. SOURCE is as in `train`.

    Features of all layers are kept in the cache folder, 15 MB for an image of 4:3: 9 GB for OSIE's
    600. `deepgaze2 cache prune` removes them.

    Interrupted, the same command goes on where it was, to the same result; more --trials extend a
    search. Needs PyTorch: pip install 'deepgaze2[train]'.
    """
    require_torch()
    from deepgaze2.training.studies.tap_search import search_taps as search
    from deepgaze2.training.studies.tap_search import write_tap_search

    weights = find_backbone(backbone)
    with locked(output.resolve()):
        result = search(
            open_ready(source, table),
            weights,
            output,
            n_trials=trials,
            n_folds=folds,
            parts=parts,
            seed=seed,
            on_trial=_announcer(trials),
        )
        write_tap_search(result, output)
    click.echo(_as_text(result))


def _announcer(n_trials: int) -> "Callable[[int, Choice], None]":
    """Return what says which trial begins and how long all that are left will take."""
    began: list[float] = []

    def announce(number: int, choice: "Choice") -> None:
        began.append(time.monotonic())
        left = ""
        if done := len(began) - 1:
            seconds = (began[-1] - began[0]) / done * (n_trials - number)
            left = f", about {duration(seconds)} left"
        click.echo(f"{number + 1} of {n_trials}{left}: {_layers(choice)}", err=True)

    return announce


def _layers(choice: "Choice") -> str:
    scales = " and ".join(f"{scale:g}" for scale in choice.scales)
    return f"{' '.join(choice.taps)}, scale {scales}"


def _as_text(result: "TapSearch") -> str:
    """Return the trials as a table for the terminal."""
    lines = [
        f"{result.data_set}: {result.images} images, {result.fixations} fixations,"
        f" {result.parts} of {result.folds} parts; 95% intervals over images",
        "",
        f"trial  {'bits over center bias':<25}  {'over trial 0':<26}  layers",
    ]
    for trial in result.trials:
        gain, over = "bottleneck died", ""
        if trial.information_gain and trial.over_papers:
            gain = f"{trial.information_gain:.3f}"
            over = f"{trial.over_papers:+.3f}" if trial.number else "the paper's"
        lines.append(f"{trial.number:>5}  {gain:<25}  {over:<26}  {_layers(trial.choice)}")
    return "\n".join(lines)
