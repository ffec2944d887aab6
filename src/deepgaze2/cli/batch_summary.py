"""What `deepgaze2 predict` says of a batch: on the terminal and as JSON."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import click

from deepgaze2.cli.batch import Job
from deepgaze2.density.regions import RegionShare
from deepgaze2.image.stimulus import printable

_NAMED = 3  # of the files that are left out


def summary_json(jobs: Sequence[Job], left_out: Sequence[str], times_s: Mapping[str, float]) -> str:
    """Return what was done as JSON; an image's seconds count from the end of the one before."""
    images = [
        asdict(job) | {"regions": [region.as_json() for region in job.regions]} for job in jobs
    ]
    for image in images:
        if image["error"]:
            image["outputs"] = []
    done = {"images": images, "left_out": list(left_out), "seconds": dict(times_s)}
    return json.dumps(done, indent=2, allow_nan=False)


def show_summary(
    jobs: Sequence[Job], left_out: Sequence[str], out: Path, times_s: Mapping[str, float]
) -> None:
    """Print what was done: regions, times, and what there is to be said of images."""
    done = [job for job in jobs if job.seconds is not None and not job.error]
    for job in done:
        if job.regions:
            click.echo(f"{printable(job.file)}\n{_region_table(job.regions)}\n")
    if done:
        predicting, drawing = times_s["predicting"] / len(done), times_s["drawing"] / len(done)
        click.echo(f"{_count(len(done))} predicted; the results are in {printable(out)}{os.sep}")
        click.echo(
            f"{predicting:.2f} s per prediction and {drawing:.2f} s for its pictures;"
            f" loading the model took {times_s['loading']:.2f} s"
        )
    if skipped := sum(job.skipped for job in jobs):
        click.echo(f"{_count(skipped)} skipped, done before (--force predicts again)")
    if failed := sum(job.error is not None for job in jobs):
        click.echo(f"{_count(failed)} failed")
    if left_out:
        names = ", ".join(printable(Path(path).name) for path in left_out[:_NAMED])
        more = ", ..." if len(left_out) > _NAMED else ""
        files = _count(len(left_out), "file")
        click.echo(f"{files} left out, no images by their names: {names}{more}")
    for line in _notes(done):
        click.echo(line, err=True)


def _notes(jobs: Sequence[Job]) -> Iterator[str]:
    """Yield each note once, with an image that it is about and how many there are."""
    files: dict[str, list[str]] = {}
    for job in jobs:
        for note in job.notes:
            files.setdefault(note, []).append(job.file)
    for note, about in files.items():
        more = f" (and {_count(len(about) - 1)} more)" if len(about) > 1 else ""
        yield f"note: {printable(about[0])}: {note}{more}"


def _count(n: int, what: str = "image") -> str:
    return f"{n} {what}" if n == 1 else f"{n} {what}s"


def _region_table(shares: Sequence[RegionShare]) -> str:
    width = max(len("region"), *(len(share.name) for share in shares))
    lines = [f"  {'region':<{width}}  fixations  center bias alone  ratio"]
    lines += [
        f"  {s.name:<{width}}  {s.share:>9.1%}  {s.center_bias_share:>17.1%}  {s.ratio:>5.2f}"
        for s in shares
    ]
    return "\n".join(lines)
