"""`deepgaze2 info --engines`: what each engine takes for a model's networks, and which is taken."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import click

from deepgaze2.errors import ModelError
from deepgaze2.features.backbone import StoredBackbone
from deepgaze2.features.engines.base import ENGINES
from deepgaze2.features.engines.choice import (
    BITS_LOST,
    Choice,
    Timing,
    chosen_engine,
    keep_timings,
    unusable,
)
from deepgaze2.features.engines.timing import timed
from deepgaze2.loading import backbones_of
from deepgaze2.store import named_card
from deepgaze2.support.cores import available_cores
from deepgaze2.support.cpu import this_cpu

_CHOOSERS = ("auto", "fast")
# torch-bf16 is for GPUs; on the CPU it is there to tell what it loses (benchmarks/precision.py).
_NAMES: tuple[str, ...] = tuple(n for n in ENGINES if n not in (*_CHOOSERS, "torch-bf16"))


def show_engines(model: str, *, as_json: bool) -> None:
    """Time the engines on a model's networks, keep the timings, and print both.

    Raises
    ------
    ModelError
        If the model's only network is the user's own, which PyTorch alone runs.
    OutputError
        If the timings cannot be kept.
    """
    found = backbones_of(model, named_card(model))
    networks = [one for one in found if isinstance(one, StoredBackbone)]
    if not networks:
        raise ModelError(f"{model}: on a network of its user's own, which PyTorch alone runs")
    missing = {name: reason for name in _NAMES if (reason := unusable(name))}
    usable = [name for name in _NAMES if name not in missing]
    timings = tuple(one for network in networks for one in timed(network, usable))
    kept = keep_timings(timings)
    choices = {
        (one.name, wanted): chosen_engine(one.network, only_exact=wanted == "auto")
        for one in networks
        for wanted in _CHOOSERS
    }
    if as_json:
        click.echo(_as_json(timings, choices, missing))
    else:
        _show(timings, choices, missing, kept)


def _as_json(
    timings: Sequence[Timing],
    choices: dict[tuple[str, str], Choice],
    missing: dict[str, str],
) -> str:
    taken = [
        {"network": network, "wanted": wanted, **asdict(choice)}
        for (network, wanted), choice in choices.items()
    ]
    document = {
        "cpu": this_cpu().name,
        "cores": available_cores(),
        "timings": [asdict(one) for one in timings],
        "taken": taken,
        "bits_lost": BITS_LOST,
        "unusable": missing,
    }
    return json.dumps(document, indent=1)


def _show(
    timings: Sequence[Timing],
    choices: dict[tuple[str, str], Choice],
    missing: dict[str, str],
    kept: Path,
) -> None:
    click.echo(f"{this_cpu().name}, {available_cores()} cores; seconds for an image of 512x384")
    networks = dict.fromkeys(one.network for one in timings)
    seconds = {(one.network, one.engine): one.seconds for one in timings}
    rows = [["engine", *networks, "loses, bits/fixation"]]
    for name in _NAMES:
        if name not in missing:
            cells = [f"{seconds[network, name]:.3f}" for network in networks]
            lost = f"at most {BITS_LOST[name]:.4f}" if name in BITS_LOST else "nothing"
            rows.append([name, *cells, lost])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for first, *others in rows:
        padded = (f"{cell:>{width}}" for cell, width in zip(others, widths[1:], strict=True))
        click.echo("  ".join((f"{first:<{widths[0]}}", *padded)))
    for name, reason in missing.items():
        click.echo(f"{name}: {reason}")
    for (network, wanted), choice in choices.items():
        click.echo(f"{network}: {wanted} takes {choice.engine}, {choice.reason}")
    if "torch" not in missing:
        click.echo("torch is taken for GPUs alone, or by its name")
    click.echo(f"kept in {kept}")
