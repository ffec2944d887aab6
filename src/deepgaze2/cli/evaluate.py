"""`deepgaze2 evaluate`: a model's information gain on a data set."""

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import click

from deepgaze2.card import find_model, packaged_models, write_card
from deepgaze2.cli.dataset_source import open_ready, table_options
from deepgaze2.errors import ModelError
from deepgaze2.evaluate.report import Report, evaluate_model
from deepgaze2.files import written_atomically
from deepgaze2.model import load


@click.command()
@click.argument("model")
@click.argument("source")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write the scores as JSON.")
@click.option("--update-card", is_flag=True, help="Store the scores in the model folder's card.")
@click.option("--engine", default="auto", show_default=True, help="auto, ncnn or torch.")
@table_options
def evaluate(
    model: str,
    source: str,
    output: Path | None,
    update_card: bool,
    engine: str,
    **table: Any,  # noqa: ANN401
) -> None:
    """Score MODEL on the data set SOURCE.

    SOURCE is csv:FOLDER, recordings of your own (images and a table), or a published data set
    and its folder, such as osie:FOLDER; `deepgaze2 data list` shows the names.

    Prints information gain over the center bias, the gold standard's, and their ratio, in
    bits per fixation. Images the model was trained on are each predicted by the readout that
    did not see them.
    """
    if update_card and model in ("default", *packaged_models()):
        raise ModelError(f"--update-card: {model!r} is a packaged model; give a folder")
    loaded = load(model, engine=engine)
    report = evaluate_model(loaded, open_ready(source, table))
    click.echo(_table(loaded.card.name, report))
    if output:
        with written_atomically(output) as temporary:
            text = json.dumps({"model": loaded.card.name, **asdict(report)}, indent=1)
            temporary.write_text(text + "\n", encoding="utf-8")
    if update_card:
        write_card(find_model(model), replace(loaded.card, scores=asdict(report)))


def _table(name: str, report: Report) -> str:
    own = f"{report.images_trained_on} by the readout that has not seen them"
    low, high = report.model_interval
    share_low, share_high = report.explained_interval
    lines = [
        f"{name} on {report.data_set}: {report.images} images ({own}, others by the mixture), "
        f"{report.fixations} fixations",
        f"center bias over uniform           {report.center_bias_bits:6.3f} bits/fixation",
        f"gold standard over center bias     {report.gold_bits:6.3f} bits/fixation",
        f"model over center bias             {report.model_bits:6.3f} bits/fixation"
        f"  (95%: {low:.3f} to {high:.3f})",
        f"information gain explained         {report.explained:6.1%}"
        f"                (95%: {share_low:.1%} to {share_high:.1%})",
        f"images worse than the center bias  {report.negative_images:6d}",
    ]
    if report.images_trained_on:
        lines.append("fold  images  model  gold   explained")
        lines += [
            f"{fold['fold']:4d}  {fold['images']:6d}  {fold['model_bits']:5.3f}  "
            f"{fold['gold_bits']:5.3f}  {fold['explained']:6.1%}"
            for fold in report.folds
        ]
    return "\n".join(lines)
