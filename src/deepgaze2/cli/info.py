"""`deepgaze2 info`: the model card and the machine."""

import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click

from deepgaze2.card import CARD_FILE, Card, ViewingFacts, read_card
from deepgaze2.cli.decisions_table import decisions_table
from deepgaze2.data.decisions import recorded
from deepgaze2.errors import ModelError
from deepgaze2.features.engines.choice import unusable
from deepgaze2.store import ModelName, find_model, packaged_models, viewing_facts
from deepgaze2.support.cores import available_cores
from deepgaze2.support.files import cache_directory


@click.command()
@click.option(
    "--model",
    default="default",
    show_default=True,
    help="A packaged model's name, or a model's folder; MODEL@NAME shows one of the data sets alone"
    " that it was trained on.",
)
@click.option(
    "--engines",
    is_flag=True,
    help="Instead, time the engines that are installed on the model's networks and keep it, so that"
    " `--engine auto` and `fast` take the fastest.",
)
@click.option("--json", "as_json", is_flag=True, help="Print all of it as one JSON document.")
def info(model: str, engines: bool, as_json: bool) -> None:
    """Show what a model is, how good it is, and what it would run on here."""
    if engines:
        from deepgaze2.cli.engine_table import show_engines

        show_engines(model, as_json=as_json)
        return
    folder, viewing = find_model(model), ModelName.of(model).viewing
    card = read_card(folder)
    shown = (viewing_facts(folder, card, viewing),) if viewing else card.viewings
    if as_json:
        click.echo(json.dumps({"model": asdict(card), "machine": _machine()}, indent=1))
        return
    about, machine = _model_rows(card) | _score_rows(card, shown), _machine()
    width = max(map(len, about | machine))
    _echo_rows(about, width)
    if shown:
        _echo_viewings(card, shown)
    _echo_readings(folder, card)
    click.echo("")
    _echo_rows(machine, width)


def _echo_rows(rows: dict[str, str], width: int) -> None:
    for name, value in rows.items():
        click.echo(f"{name:<{width}}  {value}".rstrip())


def _model_rows(card: Card) -> dict[str, str]:
    training = card.training
    rows = {
        "model": f"{card.name}: {card.description}",
        "backbone": "; ".join(
            f"{branch.network}, weights {branch.backbone_checksum[:12]}" for branch in card.branches
        ),
        "readouts": f"{card.n_readouts}, averaged as probabilities{_shares(card)}",
        "network input": f"longer side {card.longer_side_px} px, or 17.5 px/degree if known",
        "default center bias": card.center_bias,
        "license": card.license,
    }
    if "data_set" in training:
        rows["trained on"] = (
            f"{training['data_set']}: {training['images']} images, "
            f"{training['fixations']} fixations"
        )
    before = training.get("pretraining", {})
    for one in (*training.get("data_sets", ()), *before.get("data_sets", ())):
        if "citation" in one:
            rows[f"data, {one['name']}"] = one["citation"]
    if adapted := training.get("adapted_to"):
        rows["adapted to"] = (
            f"{adapted['data_set']}: {len(adapted['images'])} images,"
            f" {adapted['fixations']} fixations; on images left out"
            f" {adapted['gain_bits']:+.3f} bits/fixation over {adapted['model']}"
        )
        if adapted["adopted"] != "all":
            rows["adapted to"] += f"; taken over: {adapted['adopted']}"
    return rows


def _shares(card: Card) -> str:
    """Return what each network's readouts count together, if there are several."""
    total = sum(branch.share for branch in card.branches)
    shares = [f"{branch.share / total:.0%} on {branch.network}" for branch in card.branches]
    return f": {', '.join(shares)}" if len(shares) > 1 else ""


def _score_rows(card: Card, shown: Sequence[ViewingFacts]) -> dict[str, str]:
    """Return how good a model is, on each of the data sets if they were several."""
    if not card.viewings:
        return _scores(card.scores) if card.scores else {}
    rows = {}
    for one in shown:
        if one.name in card.scores:  # an interrupted training has none yet
            for what, value in _scores(card.scores[one.name]).items():
                rows[f"{what}, {one.name}"] = value
    return rows


def _scores(scores: Mapping[str, Any]) -> dict[str, str]:
    gain = f"{scores['model_bits']:.3f} bits/fixation over the center bias"
    if "gold_bits" in scores:  # not with a single observer, whom no other predicts
        gain += f"; gold standard {scores['gold_bits']:.3f}"
    rows = {"information gain": gain}
    if scores.get("explained") is not None:
        low, high = scores["explained_interval"]
        rows["explained"] = (
            f"{scores['explained']:.1%} of the explainable information gain on unseen images "
            f"(95% interval {low:.1%} to {high:.1%})"
        )
    elif "gold_bits" in scores:
        rows["explained"] = "-, the gold standard's gain cannot be told from none"
    return rows


def _echo_viewings(card: Card, shown: Sequence[ViewingFacts]) -> None:
    """Print a table of what data sets differ in."""
    each = [(branch.network, branch.architecture.scales) for branch in card.branches]
    several = len(each) > 1
    scales = [f"{f'{network} ' * several}scale {scale:g}" for network, own in each for scale in own]
    if len(scales) == 1:  # whose weight the sharpness has
        scales = []
    titles = ["data set", "blur, px", "center bias", "sharpness", *scales]
    table = [
        [
            one.name,
            f"{one.blur_px:.2f}",
            f"{one.center_bias_weight:.3f}",
            f"{one.sharpness:.3f}",
            *(f"{weight:.3f}" for weight in one.scale_weights[: len(scales)]),
        ]
        for one in shown
    ]
    click.echo("")
    widths = [max(map(len, column)) for column in zip(titles, *table, strict=True)]
    for first, *others in (titles, *table):
        cells = (f"{cell:>{width}}" for cell, width in zip(others, widths[1:], strict=True))
        click.echo("  ".join((f"{first:<{widths[0]}}", *cells)))
    click.echo(
        "blur in pixels of the network's input; the weight of the center bias; sharpness and"
        " weights of scales relative to the average over the data sets"
    )


def _echo_readings(folder: Path, card: Card) -> None:
    """Print how tables of the user's own were read."""
    training = card.training
    adapted = training.get("adapted_to", {})
    records = [
        *((f"how {one.get('name')} was read", one) for one in training.get("data_sets", ())),
        (f"how {adapted.get('data_set')}, adapted to, was read", adapted),
    ]
    for title, record in records:
        try:
            decisions = recorded(record)
        except ValueError as error:
            raise ModelError(f"{folder / CARD_FILE}: {error}; get the model again") from error
        if decisions:
            click.echo(f"\n{title}:\n{decisions_table(decisions)}")


def _machine() -> dict[str, str]:
    return {
        "deepgaze2": version("deepgaze2"),
        "packaged models": ", ".join(packaged_models()),
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}, {available_cores()} cores",
        "ncnn": version("ncnn"),
        "openvino": unusable("openvino") or version("openvino"),
        "torch": unusable("torch") or version("torch"),
        "cache": str(cache_directory()),
    }
