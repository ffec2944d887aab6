"""`deepgaze2 evaluate`: what the field's metrics say of models on a data set."""

import sys
import textwrap
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from deepgaze2.card import read_card, write_card
from deepgaze2.cli.dataset_source import image_size_option, of_size, open_ready, table_options
from deepgaze2.cli.models import Named, models_sources_and_engine
from deepgaze2.errors import DataError, ModelError
from deepgaze2.metrics.table import METRICS, Metric
from deepgaze2.rivals import RIVALS
from deepgaze2.store import ModelName, find_model, packaged_models

if TYPE_CHECKING:
    from deepgaze2.evaluation.evaluation import Evaluation
    from deepgaze2.evaluation.report import Estimate, ModelReport, Report


_METRICS = "; ".join(f"{one.title} ({one.unit})" for one in METRICS)
_SCORES = (
    "Printed are the information gain over the center bias in bits per fixation, the share of"
    f" the gold standard's gain that it explains, and {_METRICS}."
)
_RIVALS = textwrap.fill(", ".join(RIVALS), 60).replace("\n", "\n" + " " * 11)
_HELP = f"""\
Score one MODEL or several on the data set SOURCE, or on several.

\b
MODEL is   default, deepgaze2, ...         a packaged model; `info` names them
           my-model/                       the folder of a model that you trained
           center-bias, gold-standard, uniform
           {_RIVALS}
           maps:FOLDER                     anybody's saliency maps: .png .jpg .npy .mat
           densities:FOLDER|FILE.hdf5      anybody's log densities
           python:MODULE.FUNCTION          pixels (H, W, 3) to a map or a log density

SOURCE is csv:FOLDER, recordings of your own (images and a table), or a published data set
and its folder, such as osie:FOLDER; `deepgaze2 data list` shows the names. Several give a table
of models and data sets for each quantity, with means; one that fails is told at the end.

Images that a model was trained on are predicted by the readout that did not see them; rivals
and maps are fitted to other images than they are scored on. Interrupted, the same command
goes on where it was, and what was scored before is not scored again.
"""


@click.command(help=_HELP, epilog=_SCORES)
@models_sources_and_engine
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for report.html, scores.json and per_image.csv; of several data sets for"
    " index.html, scores.json and a folder with those for each.",
)
@click.option(
    "--update-card",
    is_flag=True,
    help="Store the scores in the card of MODEL, the folder of one trained model.",
)
@image_size_option
@table_options
def evaluate(
    named: Named,
    output: Path | None,
    update_card: bool,
    engine: str,
    device: str,
    image_size: tuple[int, int] | None,
    **table: Any,  # noqa: ANN401
) -> None:
    """Score models on data sets, print tables and write what is wanted."""
    models, sources = named.models, named.sources
    if update_card:
        _refuse_without_one_card(named)
    if len(sources) > 1:
        if image_size:
            raise DataError("--image-size: is for one data set; give one")
        _evaluate_sets(named, table, output, engine=engine, device=device)
        return
    from deepgaze2.evaluation.evaluation import evaluate as evaluate_all

    dataset = of_size(open_ready(sources[0], table), image_size)
    evaluation = evaluate_all(models, dataset, engine=engine, device=device)
    click.echo(as_text(evaluation.report))
    if output:
        write_report(evaluation, output)
    if update_card:
        _update_card(models[0], evaluation.report)


def _refuse_without_one_card(named: Named) -> None:
    """Raise a ModelError if there is no card, or no one place in it, to store scores in."""
    models = named.models
    if len(named.sources) > 1:
        raise ModelError("--update-card: give one data set, the one whose scores to store")
    if len(models) > 1 or ModelName.of(models[0]).model in ("default", *packaged_models()):
        raise ModelError("--update-card: give the folder of one model that you trained")
    card = read_card(find_model(models[0]))  # a rival or a folder of maps has none
    if card.viewings and not ModelName.of(models[0]).viewing:
        one = f"{models[0]}@{card.viewings[0].name}"
        raise ModelError(f"--update-card: scores are by data set; give one, such as {one}")


def _update_card(model: str, report: "Report") -> None:
    """Store a model's scores in its card; of several data sets, where those of its viewing are."""
    folder, viewing = find_model(model), ModelName.of(model).viewing
    card, scores = read_card(folder), card_scores(report)
    scores = card.scores | {viewing: scores} if viewing else scores
    write_card(folder, replace(card, scores=scores))


def _evaluate_sets(
    named: Named, table: dict[str, Any], output: Path | None, *, engine: str, device: str
) -> None:
    """Score models on several data sets, print tables, write what is wanted, tell what failed."""
    from deepgaze2.cli.several_sets import as_tables, evaluate_sets, write_index

    write = (lambda found, name: write_files(found, output / name)) if output else None
    across = evaluate_sets(named.models, named.sources, table, write, engine=engine, device=device)
    if across.sets:
        click.echo(as_tables(across))
        if output:
            write_index(across, output)
    for one in across.failed:
        click.echo(f"error: {one.source}: {one.error}", err=True)
    if across.failed:
        sys.exit(2)


def write_report(evaluation: "Evaluation", folder: Path) -> None:
    """Write report.html, scores.json and per_image.csv, and say where they are."""
    write_files(evaluation, folder)
    click.echo(f"report.html, scores.json and per_image.csv are in {folder}")


def write_files(evaluation: "Evaluation", folder: Path) -> None:
    """Write report.html, scores.json and per_image.csv."""
    from deepgaze2.evaluation.score_files import write_csv, write_json
    from deepgaze2.references.gold_curve import gold_curve
    from deepgaze2.reporting.figures.all_figures import draw_all
    from deepgaze2.reporting.figures.lines import gold_curve_figure
    from deepgaze2.reporting.html_report import write_html_report

    write_json(evaluation, folder / "scores.json")
    write_csv(evaluation, folder / "per_image.csv")
    figures = draw_all(evaluation)
    references = evaluation.references
    curve = None
    with suppress(DataError):  # too few subjects for a curve
        curve = gold_curve(references.dataset, references.baseline.log_density)
        figures["gold_curve"] = gold_curve_figure(curve, references.dataset.name)
    write_html_report(evaluation, figures, folder / "report.html", curve)


def card_scores(report: "Report") -> dict[str, Any]:
    """Return the first model's scores as a card keeps them."""
    model = report.models[0]
    scores: dict[str, Any] = {
        "data_set": report.data_set,
        "images": report.images,
        "fixations": report.fixations,
        "note": model.note,
        "center_bias_bits": report.center_bias.value,
        "model_bits": model.information_gain.value,
        "model_interval": [model.information_gain.low, model.information_gain.high],
        "negative_images": model.negative_images,
        "metrics": {name: asdict(value) for name, value in model.metrics.items()},
    }
    if report.gold:
        share = model.explained
        scores |= {
            "gold_bits": report.gold.value,
            "gold_bandwidth_px": report.gold_bandwidth_px,
            "gold_weights": list(report.gold_weights),
            "explained": share and share.value,
            "explained_interval": share and [share.low, share.high],
        }
    return scores


def as_text(report: "Report") -> str:
    """Return the report as a table for the terminal."""
    from deepgaze2.evaluation.report import why_no_share

    lines = [
        f"{report.data_set}: {report.images} images, {report.subjects} subjects,"
        f" {report.fixations} fixations; 95% intervals over images",
        f"center bias over uniform        {report.center_bias:.3f} bits/fixation",
    ]
    if report.gold and report.optimistic_gold:
        shares = " / ".join(f"{share:.3f}" for share in report.gold_weights)
        lines += [
            f"gold standard over center bias  {report.gold:.3f} bits/fixation"
            f" (kernel {report.gold_bandwidth_px:.1f} px, shares {shares})",
            f"the same, optimistic            {report.optimistic_gold:.3f} bits/fixation",
        ]
    width = max(len("model"), *(len(model.name) + 6 for model in report.models))
    metrics = "".join(f"{one.title:>{_width(one)}}" for one in METRICS)
    gain_width = max(23, *(len(f"{model.information_gain:.3f}") + 2 for model in report.models))
    head = f"{'model':<{width}}  {'bits over center bias':<{gain_width}}{'explained':<25}<0"
    lines += ["", head + metrics]
    for model in report.models:
        lines += _model_lines(model, width, gain_width)
    notes = [f"{model.name}: {model.note}" for model in report.models if model.note]
    if reason := why_no_share(report.gold):
        notes.append(f"nothing is explained: {reason}")
    if notes:
        lines += ["", *notes]
    if report.comparisons:
        lines.append("")
    lines += [
        f"{one.first} over {one.other}: {one.difference:.3f} bits/fixation, better on"
        f" {one.images_won} of {one.images} images, p = {one.p_value:.2g}"
        for one in report.comparisons
    ]
    return "\n".join(lines)


def _model_lines(model: "ModelReport", width: int, gain_width: int) -> list[str]:
    gain = f"{model.information_gain:.3f}"
    explained = f"{model.explained:.1%}" if model.explained else "-"
    lines = [
        f"{model.name:<{width}}  {gain:<{gain_width}}{explained:<23}"
        f"{model.negative_images:>4}{_metrics(model.metrics)}"
    ]
    if model.map_metrics:
        blank = " " * (gain_width + 23 + 4)
        lines.append(f"{model.name + ' (map)':<{width}}  {blank}{_metrics(model.map_metrics)}")
    return lines


def _metrics(values: "dict[str, Estimate]") -> str:
    shown = {name: f"{value.value:.3f}" for name, value in values.items()}
    return "".join(f"{shown.get(one.name, '-'):>{_width(one)}}" for one in METRICS)


def _width(metric: Metric) -> int:
    return max(7, len(metric.title) + 2)
