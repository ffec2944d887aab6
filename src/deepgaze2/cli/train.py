"""`deepgaze2 train`: from a data set to a model folder."""

import shlex
from pathlib import Path
from typing import Any

import click

from deepgaze2.backbone import find_backbone
from deepgaze2.center_bias import PACKAGED
from deepgaze2.cli.dataset_source import as_typed, open_ready, table_options
from deepgaze2.errors import ModelError


@click.command()
@click.argument("source")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), required=True, help="Model folder."
)
@click.option("--name", help="The model's name; the folder's by default.")
@click.option("--backbone", default="vgg16", show_default=True, help="vgg16, vgg19 or a file.")
@click.option(
    "--folds", default=10, show_default=True, type=click.IntRange(2), help="Cross-validation parts."
)
@click.option("--epochs", default=6, show_default=True, type=click.IntRange(1))
@click.option(
    "--learning-rate", default=3e-3, show_default=True, help="Peak of Adam's one-cycle schedule."
)
@click.option(
    "--dropout",
    default=0.0,
    show_default=True,
    type=click.FloatRange(0, 0.95),
    help="Share of features dropped.",
)
@click.option(
    "--layer-norm", is_flag=True, help="Normalize features across channels (not in the paper)."
)
@click.option("--final-relu", is_flag=True, help="A ReLU after the last layer too.")
@click.option(
    "--center-bias",
    type=click.Choice(PACKAGED),
    help="The model's default prior.  [default: estimated from the data set]",
)
@click.option(
    "--normalize-over",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Images over which channels get unit variance; the training images by default.",
)
@click.option("--seed", default=0, show_default=True)
@table_options
def train(
    source: str,
    output: Path,
    name: str | None,
    backbone: str,
    folds: int,
    epochs: int,
    learning_rate: float,
    dropout: float,
    layer_norm: bool,
    final_relu: bool,
    center_bias: str | None,
    normalize_over: Path | None,
    seed: int,
    **table: Any,  # noqa: ANN401
) -> None:
    """Train a cross-validated readout on the data set SOURCE.

    SOURCE is csv:FOLDER, recordings of your own (images and a table), or a published data set
    and its folder, such as osie:FOLDER; `deepgaze2 data list` shows the names.

    Interrupted, the same command goes on after the last whole epoch. Needs PyTorch:
    pip install 'deepgaze2[train]'.
    """
    try:
        import torch  # noqa: F401
    except ModuleNotFoundError as error:
        raise ModelError(
            "training needs PyTorch, which is not installed; run: pip install 'deepgaze2[train]'"
        ) from error
    from deepgaze2.train.fit import FitSettings
    from deepgaze2.train.procedure import train_model

    card = train_model(
        open_ready(source, table),
        find_backbone(backbone),
        output,
        name=name or output.resolve().name,
        center_bias=center_bias,
        n_folds=folds,
        layer_norm=layer_norm,
        final_relu=final_relu,
        normalize_over=normalize_over,
        settings=FitSettings(
            epochs=epochs, learning_rate=learning_rate, dropout=dropout, seed=seed
        ),
    )
    click.echo(f"{card.name}: {len(card.folds)} readouts in {output}")
    click.echo(
        "score it on unseen images with: "
        f"deepgaze2 evaluate {shlex.quote(str(output))} {as_typed(source, table)}"
    )
