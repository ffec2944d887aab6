"""`deepgaze2 data`: list, fetch, check and convert eye-tracking data sets."""

import json
import math
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
import numpy as np

from deepgaze2.cli.dataset_source import open_raw, open_ready, table_options
from deepgaze2.cli.decisions_table import decisions_table
from deepgaze2.data.checks.problem import Problem
from deepgaze2.data.checks.table_problems import first_at_center
from deepgaze2.data.dataset import Dataset
from deepgaze2.data.decisions import DOUBTS, Decision
from deepgaze2.data.own.rows import UNNAMED
from deepgaze2.data.published.declared import Declaration
from deepgaze2.data.sources import declared_source, is_source
from deepgaze2.errors import DataError
from deepgaze2.support.files import written_atomically

_FIRST = {
    True: "forced to the center; training drops them",
    False: "not forced to the center",
    None: "not told apart, or too few",
}


@click.group()
def data() -> None:
    """List, fetch, check and convert eye-tracking data sets.

    SOURCE is a data set and where it lies, such as osie:FOLDER; `deepgaze2 data list` shows
    the names. Recordings of your own are csv:FOLDER, a folder with images and a table.
    """


@data.command("list")
def list_() -> None:
    """List the known data sets, and where they are."""
    from deepgaze2.data.fetching.fetch import dataset_directory, is_fetched
    from deepgaze2.data.published.declared import declared_datasets

    for name, declaration in declared_datasets().items():
        folder = dataset_directory(name)
        expected = declaration.expect
        known = expected.fixations is not None
        fixations = f"{expected.fixations} fixations" if known else "fixations not counted here"
        click.echo(f"{name}: {declaration.title}")
        click.echo(f"  holds    {expected.images} images, {fixations}")
        click.echo(f"  licence  {declaration.licence}")
        click.echo(f"  here     {folder if is_fetched(declaration, folder) else 'no'}")


@data.command("fetch")
@click.argument("name")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="The folder to put it into.  [default: one in the cache]",
)
def fetch_(name: str, output: Path | None) -> None:
    """Download, verify and unpack data set NAME.

    An interrupted download goes on when the command is run again. Of files that no program can
    get, it says where they are and where to put them.
    """
    from deepgaze2.data.fetching.fetch import fetch
    from deepgaze2.data.published.declared import declared_dataset

    declaration = declared_dataset(name)
    folder = fetch(declaration, output)
    click.echo(f"{declaration.title}: {name}:{folder}")
    click.echo(f"  licence   {declaration.licence}")
    click.echo(f"  citation  {declaration.citation}")


def _ending_in(*suffixes: str) -> Callable[[click.Context, click.Parameter, Path], Path]:
    """Return a check of a path, to be made before any work."""

    def check_suffix(
        ctx: click.Context,  # noqa: ARG001 (click's signature)
        param: click.Parameter,  # noqa: ARG001
        path: Path,
    ) -> Path:
        if path and path.suffix not in suffixes:
            raise click.BadParameter(f"{path} does not end in {' or '.join(suffixes)}")
        return path

    return check_suffix


@data.command("check")
@click.argument("source")
@click.option("--against", metavar="SOURCE", help="Another recording on the same images.")
@click.option(
    "--picture",
    "picture_path",
    type=click.Path(path_type=Path),
    callback=_ending_in(".png", ".jpg", ".pdf", ".svg"),
    help="Draw it, as .png, .jpg, .pdf or .svg.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@table_options
def check_(
    source: str,
    against: str | None,
    picture_path: Path | None,
    as_json: bool,
    **table: Any,  # noqa: ANN401
) -> None:
    """Read all of SOURCE and report what is wrong with it.

    Exits with 1 if training on it as it is would fail or learn something false, or if it is not
    the published set that it is called. What is guessed about a csv is reported, and can be
    stated instead.
    """
    from deepgaze2.data.checks.check import check, in_order
    from deepgaze2.data.published.expected import differences
    from deepgaze2.evaluation.placement import placement_problems

    dataset = open_raw(source, table)
    problems = check(dataset, open_raw(against, {}) if against else None)
    problems += placement_problems(dataset)
    declaration = declared_source(source)
    if declaration:
        problems += differences(dataset, declaration)
    problems = in_order(problems)
    click.echo(_json(dataset, problems, declaration) if as_json else _report(dataset, problems))
    if picture_path:
        from deepgaze2.reporting.data_picture import picture

        with written_atomically(picture_path) as temporary:
            picture(dataset).savefig(temporary)
    sys.exit(1 if any(problem.fatal for problem in problems) else 0)


@data.command("explain")
@click.argument("source", metavar="FILE_OR_SOURCE")
@table_options
def explain_(source: str, **table: Any) -> None:  # noqa: ANN401
    """Say step by step how a table of your own is read, why, and what would change it.

    Steps marked ? rest on a guess or leave something out. If reading ends with an error, the
    decisions before it are printed, then the error. Without images, all is explained that needs
    none.
    """
    if is_source(source) and not source.startswith("csv:"):
        name = source.partition(":")[0]
        raise DataError(f"{source}: {name} is read as it is declared; csv:FOLDER can be explained")
    decided = list[Decision]()
    try:
        open_raw(source, table | {"decided": decided})
    finally:
        if decided:
            click.echo(decisions_table(decided))


@data.command("convert")
@click.argument("source")
@click.argument("target", type=click.Path(path_type=Path))
@table_options
def convert_(source: str, target: Path, **table: Any) -> None:  # noqa: ANN401
    """Write SOURCE to TARGET.

    TARGET is an .hdf5 file for pysaliency, or a new folder, for images and tables that csv:FOLDER
    reads back. All fixations are written.
    """
    from deepgaze2.data.exchange.convert import convert

    for note in convert(open_raw(source, table), target):
        click.echo(note)
    click.echo(target)


@data.command("center-bias")
@click.argument("source")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    required=True,
    callback=_ending_in(".safetensors"),
    help="Where to write it, .safetensors.",
)
@table_options
def center_bias_(source: str, output: Path, **table: Any) -> None:  # noqa: ANN401
    """Fit a center bias to SOURCE, for `--center-bias` of other commands.

    A kernel density estimate, mixed with a uniform density; bandwidth and mixture are those
    that predict each image best from all the others.
    """
    from deepgaze2.density.center_bias import write_center_bias
    from deepgaze2.references.baseline import center_bias_of, fit_center_bias, uniform_log_density

    dataset = open_ready(source, table)
    fit = fit_center_bias(dataset)
    write_center_bias(
        center_bias_of(dataset, fit.bandwidth, fit.uniform_share, output.stem), output
    )
    bits = (fit.log_density - uniform_log_density(dataset)).mean() / math.log(2)
    click.echo(
        f"{output}: from {len(dataset.fixations)} fixations on {len(dataset.stimuli)} images"
    )
    click.echo(f"  bandwidth      {fit.bandwidth:.4f} of width and height")
    click.echo(f"  uniform share  {fit.uniform_share:.4f}")
    click.echo(f"  over uniform   {bits:.3f} bits/fixation on images left out")


def _summary(dataset: Dataset) -> dict[str, Any]:
    x, y = dataset.fixations.x, dataset.fixations.y
    known = np.isfinite(x) & np.isfinite(y)
    return {
        "data_set": dataset.name,
        "images": len(dataset.stimuli),
        "subjects": len(np.unique(dataset.person)),
        "fixations": len(x),
        "mean_position": [float(column[known].mean()) for column in (x, y)] if known.any() else [],
        "notes": dataset.notes,
        "first_at_center": first_at_center(dataset),
    }


def _json(dataset: Dataset, problems: list[Problem], declaration: Declaration | None) -> str:
    content = _summary(dataset) | {
        "expected": asdict(declaration.expect) if declaration else None,
        "problems": [asdict(problem) for problem in problems],
    }
    return json.dumps(content, indent=1)


def _verdict(dataset: Dataset, problems: list[Problem]) -> list[str]:
    """Return one line that says what is wrong or doubtful, if anything is."""
    said = [f"{p.count} {p.kind} ({p.examples[0]})" for p in problems if p.fatal or p.doubtful]
    found = [
        *said,
        *(str(d) for d in dataset.decisions if d.step == DOUBTS or d.what == UNNAMED),
    ]
    if not found:
        return []
    more = f"; and {len(found) - 1} more" if found[1:] else ""
    return [f"{'WRONG' if problems and problems[0].fatal else 'LOOK AGAIN'}: {found[0]}{more}"]


def _report(dataset: Dataset, problems: list[Problem]) -> str:
    counts = _summary(dataset)
    lines = [
        *_verdict(dataset, problems),
        "{data_set}: {images} images, {subjects} subjects, {fixations} fixations".format(**counts),
        "mean position    " + ", ".join(f"{value:.3f}" for value in counts["mean_position"]),
        f"first fixations  {_FIRST[first_at_center(dataset)]}",
    ]
    lines += [f"reading          {note}" for note in dataset.notes]
    for problem in problems:
        mark = "WRONG" if problem.fatal else "note "
        lines += ["", f"{mark} {problem.count} {problem.kind}: {problem.advice}"]
        lines += [f"      {example}" for example in problem.examples]
    return "\n".join(lines if problems else [*lines, "", "nothing is wrong"])
