"""`deepgaze2 export`: submissions to the saliency benchmark."""

import sys
from pathlib import Path

import click

from deepgaze2.evaluation.submission import PIXELS_PER_DEGREE
from deepgaze2.image.image_files import image_files

_MIT300_IMAGES = 300


@click.group()
def export() -> None:
    """Write submissions to the MIT/Tübingen saliency benchmark, and check them."""


@export.command()
@click.argument("images", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Folder to write to.",
)
@click.option("--model", default="default", show_default=True, help="Model name or folder.")
@click.option("--center-bias", default="mit1003", show_default=True, metavar="NAME|FILE")
@click.option(
    "--pixels-per-degree",
    type=click.FloatRange(min=0, min_open=True),
    default=PIXELS_PER_DEGREE,
    show_default=True,
    help="Image pixels per degree of visual angle.",
)
def mit300(
    images: Path, output: Path, model: str, center_bias: str, pixels_per_degree: float
) -> None:
    """Predict the images of MIT300, in the folder IMAGES, and write a submission.

    \b
    with_center_bias/     8-bit JPEG maps for AUC: 256 levels of equally many pixels
    without_center_bias/  the same with a uniform prior, for shuffled AUC
    log_densities.hdf5    log densities in nats, for the benchmark of today

    Interrupted, the same command goes on where it was.
    """  # noqa: D301 (click looks for the character itself)
    from deepgaze2.evaluation.submission import export_submission
    from deepgaze2.model import load

    paths = image_files(images)
    if len(paths) != _MIT300_IMAGES:
        click.echo(f"note: {images} holds {len(paths)} images; MIT300 has 300", err=True)
    export_submission(
        load(model), paths, output, center_bias=center_bias, pixels_per_degree=pixels_per_degree
    )
    click.echo(f"{len(paths)} images in {output}; check them with:")
    click.echo(f"deepgaze2 export check {output} {images}")


@export.command()
@click.argument("submission", type=click.Path(path_type=Path))
@click.argument("images", type=click.Path(path_type=Path))
def check(submission: Path, images: Path) -> None:
    """Check the folder SUBMISSION against the images: names, sizes, sums; exits with 1 if wrong."""
    from deepgaze2.evaluation.submission import check_submission

    paths = image_files(images)
    problems = check_submission(submission, paths)
    for problem in problems:
        click.echo(f"{problem.place}: {problem.what}")
    click.echo(f"{len(problems)} problems with {len(paths)} images")
    sys.exit(1 if problems else 0)
