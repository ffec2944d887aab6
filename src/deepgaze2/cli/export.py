"""`deepgaze2 export`: submissions to the saliency benchmark, and models for other programs."""

import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import click

from deepgaze2.evaluation.submission import PIXELS_PER_DEGREE
from deepgaze2.image.image_files import image_files

if TYPE_CHECKING:
    from deepgaze2.model import Model

_MIT300_IMAGES = 300


@click.group()
def export() -> None:
    """Write submissions to the MIT/Tübingen saliency benchmark, check them, or write a model."""


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
    from deepgaze2.loading import load

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


@export.command()
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="File to write, which ends in .onnx.",
)
@click.option("--model", default="default", show_default=True, help="Model name or folder.")
@click.option("--float16", is_flag=True, help="Keep the networks' weights in half precision.")
@click.option(
    "--verify",
    is_flag=True,
    help="Compare the file with the library on the example photos; exits with 1 if it differs.",
)
def onnx(output: Path, model: str, float16: bool, verify: bool) -> None:
    """Write a model as an ONNX file, for programs without Python.

    \b
    image            in, uint8 (height, width, 3): RGB, any size
    log_center_bias  in, float32 (h, w): nats, any size, which spans the image
    log_density      out, float32 (height, width): nats

    The model's own center bias is in the file's metadata; `0` of shape (1, 1) is a uniform one.
    """  # noqa: D301 (click looks for the character itself)
    if output.suffix != ".onnx":
        raise click.UsageError(f"{output}: the file's name must end in .onnx")
    for package in ("onnx", "onnxruntime") if verify else ("onnx",):
        if find_spec(package) is None:
            raise click.UsageError(f"{package} is missing; run: pip install 'deepgaze2[onnx]'")
    from deepgaze2.export.onnx_file import write_onnx
    from deepgaze2.loading import load

    loaded = load(model)
    write_onnx(loaded, output, float16=float16)
    click.echo(f"{output}: {loaded.card.name}, {output.stat().st_size / 1e6:.1f} MB")
    if verify:
        sys.exit(_differs(loaded, output))


def _differs(model: "Model", path: Path) -> bool:
    """Print how far a file's log densities are from the model's; tell whether that is too far."""
    from deepgaze2.export.comparison import TOLERANCE_NATS, compared

    worst = 0.0
    for one in compared(model, path):
        click.echo(f"{one.image:<16} {one.width:>5} x {one.height:<5} {one.difference:.1e} nats")
        worst = max(worst, one.difference)
    passed = worst <= TOLERANCE_NATS
    verdict = "as the library" if passed else "NOT as the library"
    click.echo(f"largest difference {worst:.1e} nats of {TOLERANCE_NATS:.0e}: {verdict}")
    return not passed
