"""`deepgaze2 predict`: pictures, log densities and region shares of photos."""

import csv
import io
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from deepgaze2.cli.batch import Job, find_images, plan
from deepgaze2.cli.batch_summary import show_summary, summary_json
from deepgaze2.cli.prediction_options import model_options, region_options
from deepgaze2.density.region_files import RegionSource, all_regions
from deepgaze2.density.regions import RegionShare, region_shares
from deepgaze2.density.scrolling import parse_scroll
from deepgaze2.errors import DeepGazeError, RegionError
from deepgaze2.image.stimulus import printable
from deepgaze2.image.viewport import Viewport, parse_viewport
from deepgaze2.support.files import written_atomically
from deepgaze2.support.progress import Progress

if TYPE_CHECKING:
    from deepgaze2.density.prediction import Prediction
    from deepgaze2.model import ImageSource, Model

_FORMATS = ("npy", "npz", "h5", "tiff", "json")


@dataclass(frozen=True)
class _Options:
    center_bias: str | None
    pixels_per_degree: float | None
    viewport: Viewport
    scroll: tuple[float, ...] | None
    formats: tuple[str, ...]
    regions: list[RegionSource]
    samples: int
    seed: int
    members: bool


@click.command()
@click.argument("photos", nargs=-1, required=True, metavar="PHOTO|FOLDER|GLOB...")
@click.option(
    "-o",
    "--output",
    "out",
    type=click.Path(path_type=Path, file_okay=False),
    default="out",
    show_default=True,
    help="Folder for the results; created if missing.",
)
@model_options
@click.option(
    "--viewport",
    default="auto",
    show_default=True,
    metavar="WxH|auto|none",
    help="What viewers' screens show of a page, in pixels of its screenshot, such as 1280x800; auto"
    " guesses it for pages over 3 times as high as wide, none is for what is seen at once.",
)
@click.option(
    "--scroll",
    metavar="%,%,...",
    help="Viewers who see each screenful of a page, in percent, such as 100,80,60."
    "  [default: half as many as the one above]",
)
@region_options
@click.option(
    "--format",
    "formats",
    type=click.Choice(_FORMATS),
    multiple=True,
    default=["npy"],
    show_default=True,
    help="Format of the log density (json: a summary in numbers); repeatable.",
)
@click.option(
    "--samples",
    type=click.IntRange(min=0),
    default=100,
    show_default=True,
    help="Number of fixations that are sampled from the density for the panel.",
)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Random seed of the panel's fixations: the same seed samples the same.",
)
@click.option(
    "--members",
    is_flag=True,
    help="Also write NAME_members.png: what the readouts on each of the model's networks say.",
)
@click.option("--json", "as_json", is_flag=True, help="Print what was done as one JSON document.")
@click.option("--force", is_flag=True, help="Predict photos again that have their results.")
def predict(
    photos: tuple[str, ...],
    out: Path,
    model: str,
    viewing: str | None,
    engine: str,
    device: str,
    center_bias: str | None,
    pixels_per_degree: float | None,
    viewport: str,
    scroll: str | None,
    regions: tuple[str, ...],
    region_files: tuple[Path, ...],
    formats: tuple[str, ...],
    samples: int,
    seed: int,
    members: bool,
    as_json: bool,
    force: bool,
) -> None:
    """Predict where people look in photos.

    For each photo NAME the folder `out` gets:

    \b
    NAME_overlay.png   the density in color over the photo
    NAME_panel.png     photo, density with equal-mass contours, sampled fixations
    NAME.npy           the log density in nats
    NAME_regions.csv   with regions: shares of fixations, also under the center bias alone
    NAME_members.png   with --members: the density of each of the model's networks beside it

    Photos of several folders go to sub-folders like theirs; of a.jpg and a.png in one folder
    the results are called a.jpg_overlay.png and so on. What has all its results already is
    skipped, even if they were made with other options: then use --force.
    """  # noqa: D301 (click looks for the character itself)
    unique_formats = tuple(dict.fromkeys(formats))
    parsed = all_regions(regions, region_files)
    options = _Options(
        center_bias=center_bias,
        pixels_per_degree=pixels_per_degree,
        viewport=parse_viewport(viewport),
        scroll=None if scroll is None else parse_scroll(scroll),
        formats=unique_formats,
        regions=parsed,
        samples=samples,
        seed=seed,
        members=members,
    )
    endings = ["_overlay.png", "_panel.png", *(f".{name}" for name in options.formats)]
    if parsed:
        endings.append("_regions.csv")
    if members:
        endings.append("_members.png")
    found, left_out = find_images(photos, out)
    jobs = plan(found, out, endings)
    for job in jobs:
        job.skipped = not force and job.is_done()
    waiting = {job.file: job for job in jobs if not job.skipped}
    times_s = {"loading": 0.0, "drawing": 0.0, "predicting": 0.0}
    if waiting:
        start = time.perf_counter()
        from deepgaze2.loading import load

        loaded = load(f"{model}@{viewing}" if viewing else model, engine=engine, device=device)
        times_s["loading"] = time.perf_counter() - start
        times_s["drawing"] = _run(loaded, waiting, options)
        times_s["predicting"] = time.perf_counter() - start - sum(times_s.values())
    if as_json:
        click.echo(summary_json(jobs, left_out, times_s))
    else:
        show_summary(jobs, left_out, out, times_s)
    errors = [job.error for job in jobs if job.error]
    for error in errors:
        click.echo(f"error: {error}", err=True)
    if errors:
        sys.exit(2)


def _run(model: "Model", jobs: Mapping[str, Job], options: _Options) -> float:
    """Predict and write images in turn, with progress; note what fails.

    Returns the seconds spent drawing and writing.
    """
    with Progress("predicting", len(jobs), delay_s=2) as progress:

        def fail(source: "ImageSource", error: DeepGazeError) -> None:
            jobs[str(source)].error = str(error)
            progress.update()

        predictions = model.predict_many(
            list(jobs),
            center_bias=options.center_bias,
            pixels_per_degree=options.pixels_per_degree,
            viewport=options.viewport,
            scroll=options.scroll,
            on_screen=lambda done, of: progress.update(0, f"screen {done} of {of}"),
            on_error=fail,
        )
        in_order = iter(jobs.values())
        drawing = 0.0
        last = time.perf_counter()
        for prediction in predictions:
            job = next(job for job in in_order if not job.error)
            predicted = time.perf_counter()
            try:
                _write(prediction, job, options, model)
            except RegionError as error:
                job.error = str(error)
            now = time.perf_counter()
            job.seconds, last = now - last, now
            drawing += now - predicted
            progress.update()
    return drawing


def _write(prediction: "Prediction", job: Job, options: _Options, model: "Model") -> None:
    from deepgaze2.density.files import save_members, save_panel

    job.width, job.height = prediction.width, prediction.height
    job.notes = prediction.all_notes
    if options.regions:
        size = prediction.width, prediction.height
        placed = [source.on(printable(job.file), *size) for source in options.regions]
        job.regions = region_shares(prediction, [region for one in placed for region in one])
    overlay, panel, *others = map(Path, job.outputs)
    prediction.save(overlay)
    save_panel(prediction, panel, options.samples, options.seed)
    for path in others:
        if path.suffix == ".csv":
            _write_regions(job.regions, path)
        elif path.suffix == ".png":
            save_members([prediction, *_alone(model, prediction, options)], path)
        else:
            prediction.save(path)


def _alone(model: "Model", prediction: "Prediction", options: _Options) -> "list[Prediction]":
    """Return what each of several networks says of the same image."""
    if len(model.branches) == 1:
        return []
    return [
        model.alone(number).predict(
            prediction.stimulus,
            center_bias=options.center_bias,
            pixels_per_degree=options.pixels_per_degree,
            viewport=options.viewport,
            scroll=options.scroll,
        )
        for number in range(len(model.branches))
    ]


def _write_regions(shares: Sequence[RegionShare], path: Path) -> None:
    text = io.StringIO()
    table = csv.writer(text)
    table.writerow(["region", "share", "center_bias_share", "ratio"])
    table.writerows([s.name, s.share, s.center_bias_share, s.ratio] for s in shares)
    with written_atomically(path) as temporary:
        temporary.write_text(text.getvalue(), encoding="utf-8", newline="")
