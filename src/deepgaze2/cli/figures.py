"""`deepgaze2 figures`: the paper's figures, for any models and data set."""

from pathlib import Path
from typing import Any

import click

from deepgaze2.cli.dataset_source import image_size_option, of_size, open_ready, table_options
from deepgaze2.cli.models import models_and_engine


@click.command()
@models_and_engine
@click.argument("source")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Folder for the figures, each as .pdf, .svg and .png.",
)
@image_size_option
@table_options
def figures(
    models: tuple[str, ...],
    source: str,
    output: Path,
    engine: str,
    device: str,
    image_size: tuple[int, int] | None,
    **table: Any,  # noqa: ANN401
) -> None:
    """Draw the paper's figures of models on a data set; MODEL and SOURCE are as in `evaluate`.

    \b
    figure3   information gain explained by each model
    figure4   each image: gold standard against model
    figure5   the three images that the first model explains best
    figure6   the three that it explains worst
    figure8   the images on which it gains most over each other model
    figure9   those on which it loses most

    What `evaluate` has scored before is not scored again.
    """  # noqa: D301 (click looks for the character itself)
    from deepgaze2.evaluation.evaluation import evaluate
    from deepgaze2.reporting.figures.all_figures import draw_all
    from deepgaze2.reporting.figures.style import save_figure

    dataset = of_size(open_ready(source, table), image_size)
    evaluation = evaluate(models, dataset, engine=engine, device=device)
    for name, figure in draw_all(evaluation).items():
        for path in save_figure(figure, output, name):
            click.echo(path)
