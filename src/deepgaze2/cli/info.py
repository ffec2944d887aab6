"""`deepgaze2 info`: the model card and the machine."""

import json
import platform
from dataclasses import asdict
from importlib.metadata import version
from importlib.util import find_spec

import click

from deepgaze2.store import Card, find_model, packaged_models, read_card
from deepgaze2.support.cores import available_cores
from deepgaze2.support.files import cache_directory


@click.command()
@click.option(
    "--model",
    default="default",
    show_default=True,
    help="A packaged model's name, or a model's folder.",
)
@click.option("--json", "as_json", is_flag=True, help="Print all of it as one JSON document.")
def info(model: str, as_json: bool) -> None:
    """Show what a model is, how good it is, and what it would run on here."""
    card = read_card(find_model(model))
    if as_json:
        click.echo(json.dumps({"model": asdict(card), "machine": _machine()}, indent=1))
        return
    rows = _model_rows(card) | {"": ""} | _machine()
    width = max(len(name) for name in rows)
    for name, value in rows.items():
        click.echo(f"{name:<{width}}  {value}".rstrip())


def _model_rows(card: Card) -> dict[str, str]:
    training, scores = card.training, card.scores
    rows = {
        "model": f"{card.name}: {card.description}",
        "backbone": f"{card.network}, weights {card.backbone_checksum[:12]}",
        "readouts": f"{card.n_readouts}, averaged as probabilities",
        "network input": f"longer side {card.longer_side_px} px, or 17.5 px/degree if known",
        "default center bias": card.center_bias,
        "license": card.license,
    }
    if training:
        rows["trained on"] = (
            f"{training['data_set']}: {training['images']} images, "
            f"{training['fixations']} fixations"
        )
    if scores:
        gain = f"{scores['model_bits']:.3f} bits/fixation over the center bias"
        if "gold_bits" in scores:  # not with a single observer, whom no other predicts
            gain += f"; gold standard {scores['gold_bits']:.3f}"
        rows["information gain"] = gain
    if scores.get("explained") is not None:
        low, high = scores["explained_interval"]
        rows["explained"] = (
            f"{scores['explained']:.1%} of the explainable information gain on unseen images "
            f"(95% interval {low:.1%} to {high:.1%})"
        )
    elif "gold_bits" in scores:
        rows["explained"] = "-, the gold standard's gain cannot be told from none"
    return rows


def _machine() -> dict[str, str]:
    torch = (
        version("torch") if find_spec("torch") else "not installed (pip install 'deepgaze2[train]')"
    )
    return {
        "deepgaze2": version("deepgaze2"),
        "packaged models": ", ".join(packaged_models()),
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}, {available_cores()} cores",
        "ncnn": version("ncnn"),
        "torch": torch,
        "cache": str(cache_directory()),
    }
