"""`deepgaze2 compare`: variants of a design, what their regions get, and what is required."""

import os
import sys
import warnings
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from deepgaze2.cli.prediction_options import model_options, region_options
from deepgaze2.errors import OutputError, RequirementError, ShapeWarning, StimulusError
from deepgaze2.image.stimulus import printable, read_stimulus
from deepgaze2.support.files import written_atomically

if TYPE_CHECKING:
    from deepgaze2.comparison.comparison import Comparison, NamedImage, RegionNumbers
    from deepgaze2.comparison.requirement import Outcome


@click.command()
@click.argument("variants", nargs=-1, required=True, metavar="[NAME=]IMAGE...")
@region_options
@click.option(
    "--require",
    "required",
    multiple=True,
    metavar="EXPR",
    help="What must hold, such as 'cta >= 12%'; if it does not, the exit code is 1. Repeatable.",
)
@click.option("--rank", metavar="REGION", help="Order the variants by what this region gets.")
@click.option(
    "-o",
    "--output",
    "out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for report.html, a page for people.",
)
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write all numbers.")
@click.option(
    "--junit",
    type=click.Path(path_type=Path),
    help="Write the requirements as tests, in JUnit's XML.",
)
@click.option(
    "--markdown",
    "markdown_file",
    type=click.Path(path_type=Path),
    help="Write a summary for a pull request's comment.",
)
@model_options
def compare(
    variants: tuple[str, ...],
    regions: tuple[str, ...],
    region_files: tuple[Path, ...],
    required: tuple[str, ...],
    rank: str | None,
    out: Path | None,
    json_file: Path | None,
    junit: Path | None,
    markdown_file: Path | None,
    model: str,
    viewing: str | None,
    engine: str,
    device: str,
    center_bias: str | None,
    pixels_per_degree: float | None,
) -> None:
    """Compare variants of a design: the share of fixations that each of its regions gets.

    \b
    deepgaze2 compare before.png after.png --region cta:40,20,200,80 -o out
    deepgaze2 compare before.png after.png --regions page.svg --require 'cta >= 12%'
    deepgaze2 compare page.png --region cta:5%,60%,20%,10%

    Changes are told from the first variant. A variant's name is its file's without the suffix;
    NAME=IMAGE gives another. Regions in % fit variants of any size.

    EXPR compares sums, differences, products and quotients of regions, percentages and numbers by
    >=, <=, > or <. `cta` is the region cta of the last variant, `cta.before` that of the variant
    before; names that are no words stand in quotation marks: 'call to action'.'v-1'. The exit code
    is 1 if a requirement is not met, 2 if something cannot be used.

    Behind a share stands between which values at least nine in ten of the model's readouts lie:
    how far they agree, not how far people differ.
    """  # noqa: D301 (click looks for the character itself)
    from deepgaze2.comparison.comparison import compare as compare_images
    from deepgaze2.comparison.comparison import placed
    from deepgaze2.comparison.expression import parse_requirement
    from deepgaze2.comparison.requirement import check, refuse_unknown
    from deepgaze2.density.region_files import all_regions

    if junit and not required:
        raise click.UsageError("--junit writes requirements; give some with --require")
    files = {"report": out and out / "report.html", "json": json_file, "junit": junit}
    wanted = {kind: path for kind, path in (files | {"markdown": markdown_file}).items() if path}
    _refuse_overwriting(wanted.values(), [_name_and_file(one)[1] for one in variants], region_files)
    requirements = [parse_requirement(text) for text in required]
    sources = all_regions(regions, region_files)
    names = [region.name for source in sources for region in source.regions]
    images = _read(variants)
    refuse_unknown(requirements, names, [image.name for image in images])
    if rank is not None and rank not in names:
        raise RequirementError(f"--rank {rank!r}: no region is called that; give it with --region")
    placed(images, sources)  # before the model is loaded

    from deepgaze2.loading import load

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ShapeWarning)  # `_show` says it
        comparison = compare_images(
            load(f"{model}@{viewing}" if viewing else model, engine=engine, device=device),
            images,
            sources,
            center_bias=center_bias,
            pixels_per_degree=pixels_per_degree,
        )
    outcomes = [check(comparison, requirement) for requirement in requirements]
    _write(comparison, outcomes, rank, wanted)
    _show(comparison, rank)
    for path in wanted.values():
        click.echo(f"written: {printable(path)}")
    for outcome in outcomes:
        word = "met" if outcome.met else "not met"
        click.echo(f"{word}: {outcome.line}", err=not outcome.met)
    if not all(outcome.met for outcome in outcomes):
        sys.exit(1)


def _read(arguments: Sequence[str]) -> "list[NamedImage]":
    """Return the images that arguments name, each with a name of its own."""
    from deepgaze2.comparison.comparison import NamedImage

    images = list[NamedImage]()
    for argument in arguments:
        name, file = _name_and_file(argument)
        label = printable(file)
        if earlier := next((image for image in images if image.name == name), None):
            raise StimulusError(
                f"{label}: is called {name!r} like {earlier.file}; name both, as in"
                f" before={earlier.file} after={label}"
            )
        images.append(NamedImage(name, label, read_stimulus(file, to_srgb=True)))
    return images


def _name_and_file(argument: str) -> tuple[str, str]:
    name, equals, file = argument.partition("=")
    if not equals or not name.strip() or os.sep in name or (os.altsep and os.altsep in name):
        return printable(Path(argument).stem), argument
    if Path(argument).exists():
        if Path(file).exists():
            raise StimulusError(
                f"{printable(argument)}: is an image's name, and {printable(file)} is one, too;"
                f" write ./{printable(argument)} for the first"
            )
        return printable(Path(argument).stem), argument
    if not file:
        raise StimulusError(f"{printable(argument)}: names no file; give NAME=IMAGE")
    return printable(name.strip()), file


def _refuse_overwriting(
    outputs: Iterable[Path], variants: Sequence[str], region_files: Sequence[Path]
) -> None:
    """Refuse to write over what is read, or two files to one place."""
    taken = {path.resolve(): "is read" for path in (*map(Path, variants), *region_files)}
    for path in outputs:
        if use := taken.get(path.resolve()):
            raise OutputError(f"{printable(path)}: {use}, too; give each output a file of its own")
        taken[path.resolve()] = "is another output"


def _write(
    comparison: "Comparison",
    outcomes: "Sequence[Outcome]",
    rank: str | None,
    wanted: "Mapping[str, Path]",
) -> None:
    """Write what was asked for: all of it, or nothing where one file cannot be written."""
    from deepgaze2.comparison.files import write_comparison_json, write_junit, write_markdown

    with ExitStack() as stack:
        places = {
            kind: stack.enter_context(written_atomically(path)) for kind, path in wanted.items()
        }
        for kind, path in places.items():
            match kind:
                case "report":
                    from deepgaze2.reporting.comparison_report import write_comparison_report

                    write_comparison_report(comparison, outcomes, path, rank)
                case "json":
                    write_comparison_json(comparison, outcomes, path)
                case "junit":
                    write_junit(outcomes, path)
                case "markdown":
                    write_markdown(comparison, outcomes, path)


def _show(comparison: "Comparison", rank: str | None) -> None:
    """Print the table of regions, how far densities differ, and what is to be said of images."""
    from deepgaze2.comparison.files import INTERVAL

    in_order = comparison.ranked(rank) if rank else comparison.variants
    width = max(map(len, (*comparison.region_names, *(f"  {v.name}" for v in in_order))))
    if comparison.region_names:
        click.echo(f"{'region':<{width}}  {'fixations':<21}  center bias alone  ratio  change")
    for number, region in enumerate(comparison.region_names):
        click.echo(region)
        for variant in in_order:
            name = f"  {variant.name}"
            click.echo(f"{name:<{width}}  {_row(variant.regions[number], comparison)}".rstrip())
    for (a, b), bits in comparison.divergences.items():
        click.echo(f"{a} and {b}: densities differ by {bits:.4f} bit of 1 (Jensen-Shannon)")
    if comparison.region_names and len(comparison.readout_shares) > 1:
        click.echo(INTERVAL.format(n=len(comparison.readout_shares)))
    for variant in comparison.variants:
        for note in variant.notes:
            click.echo(f"note: {variant.file}: {note}", err=True)


def _row(one: "RegionNumbers", comparison: "Comparison") -> str:
    from deepgaze2.comparison.words import interval, percent, points, ratio

    share = f"{percent(one.share.value)}{interval(one.share)}"
    change = ""
    if one.change:
        readouts = f"{one.agreeing} of {len(comparison.readout_shares)} readouts agree"
        change = f"{points(one.change.value)} points{interval(one.change, signed=True)}, {readouts}"
    center = percent(one.numbers.center_bias_share)
    return f"{share:<21}  {center:>17}  {ratio(one.numbers.ratio):>5}  {change}"
