"""`deepgaze2 search-taps`: which layers to read, by random search as in the paper."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from deepgaze2.cli.dataset_source import open_ready, table_options
from deepgaze2.cli.study import announcer, study_options
from deepgaze2.cli.train import require_torch
from deepgaze2.features.backbone import find_stored_backbone
from deepgaze2.support.files import locked

if TYPE_CHECKING:
    from deepgaze2.training.studies.tap_choices import Choice
    from deepgaze2.training.studies.tap_search import TapSearch

_MOST_TRIALS = 1000  # there are 7527 different choices on VGG-16


@click.command("search-taps")
@study_options
@click.option(
    "--backbone",
    default="vgg16",
    show_default=True,
    help="Network whose layers are read: vgg16, resnet50, vgg19 or a file of weights.",
)
@click.option(
    "--trials",
    default=20,
    show_default=True,
    type=click.IntRange(1, _MOST_TRIALS),
    help="How many choices of layers to compare; the first is the paper's.",
)
@click.option(
    "--parts",
    default=2,
    show_default=True,
    type=click.IntRange(1),
    help="How many of the --folds parts to train and score for; fewer take less time.",
)
@table_options
def search_taps(
    source: str,
    output: Path,
    backbone: str,
    trials: int,
    n_folds: int,
    parts: int,
    seed: int,
    **table: Any,  # noqa: ANN401
) -> None:
    """Search at random for the layers that predict best, as the paper chose its five.

    Each trial reads one to six layers of blocks 4 and 5, at scale 1 (512 pixels), at 0.5 or at
    both, and trains readouts with the paper's recipe on the data set of --finetune. Trial 0 reads
    the paper's layers. A table shows all trials, best first. What a SOURCE is,
    `deepgaze2 train --help` says.

    The features of all layers are kept in the cache folder: 15 MB for an image of 4:3, 9 GB for
    the 600 of OSIE. `deepgaze2 cache prune` removes them.

    If the command is interrupted, the same command goes on where it was and leads to the same
    result; with more --trials it extends a search. Training needs PyTorch:
    pip install 'deepgaze2[train]'.
    """
    require_torch()
    from deepgaze2.training.studies.tap_search import search_taps as search
    from deepgaze2.training.studies.tap_search import write_tap_search

    weights, announce = find_stored_backbone(backbone), announcer()
    with locked(output.resolve()):
        result = search(
            open_ready(source, table),
            weights,
            output,
            n_trials=trials,
            n_folds=n_folds,
            parts=parts,
            seed=seed,
            on_trial=lambda number, total, choice: announce(number, total, _layers(choice)),
        )
        write_tap_search(result, output)
    click.echo(_as_text(result))


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
