"""`deepgaze2 train`: from data sets to a model folder and a report."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from deepgaze2.card import read_card, write_card
from deepgaze2.cli.dataset_source import as_typed, open_ready, table_options
from deepgaze2.cli.evaluate import as_text, card_scores, write_report
from deepgaze2.density.center_bias import PACKAGED
from deepgaze2.errors import ModelError
from deepgaze2.features.backbone import PYTHON, find_backbone
from deepgaze2.store import find_model, read_readouts
from deepgaze2.support.files import locked
from deepgaze2.training.optim.optimizers import OPTIMIZERS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from deepgaze2.card import Card
    from deepgaze2.data.dataset import Dataset
    from deepgaze2.features.backbone import Backbone
    from deepgaze2.training.procedure import Trained
    from deepgaze2.training.recipes import Recipe, Training
    from deepgaze2.training.starts import Start

_RECIPES = ("plus", "paper")
_WANTED = (
    *("pretrain", "start", "recipe", "backbone", "taps", "folds", "seeds", "epochs"),
    *("stop_as_paper", "optimizer", "final_relu", "normalize_over", "seed"),
)
"""Options that decide the training."""


@click.command()
@click.option(
    "--finetune",
    "sources",
    required=True,
    multiple=True,
    metavar="SOURCE",
    help="Data set to train the model on; repeatable: several are trained on together.",
)
@click.option(
    "--pretrain",
    multiple=True,
    metavar="SOURCE",
    help="Data set to train on first, such as mouse traces: osie-mouse-amt:FOLDER; repeatable.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Folder for the model: a new one, or that of a training that was interrupted.",
)
@click.option(
    "--from",
    "start",
    metavar="MODEL",
    help="Start from the readouts of a trained model, `default` or a model folder, instead of from"
    " random numbers: useful if there are few images.",
)
@click.option(
    "--recipe",
    type=click.Choice(_RECIPES),
    help="Configuration: `paper` is the paper's, `plus` explains more.  [default: plus]",
)
@click.option("--name", help="Name of the model.  [default: the folder's name]")
@click.option(
    "--backbone",
    multiple=True,
    help="Network to read: vgg16, resnet50, vgg19, a file of weights, or a network of your own,"
    " python:MODULE.FUNCTION, which returns a torch.nn.Module; repeatable: readouts on several are"
    " averaged.  [default: vgg16]",
)
@click.option(
    "--taps",
    metavar="LAYER,LAYER...",
    help="Names of the network's layers to read.  [default: the paper's]",
)
@click.option(
    "--folds",
    type=click.IntRange(2),
    help="Number of parts that images are divided into for cross-validation.  [default: 10, or"
    " that of the model to start from]",
)
@click.option(
    "--seeds",
    type=click.IntRange(1),
    help="Number of readouts for each part, from different random numbers.  [default: the"
    " recipe's]",
)
@click.option(
    "--epochs",
    type=click.IntRange(1),
    help="Number of passes over the images of --finetune.  [default: the recipe's]",
)
@click.option(
    "--stop-as-paper",
    is_flag=True,
    help="Stop training a readout when its score on the part that it does not see gets worse, as"
    " the paper does (section 2.2), instead of after a number of epochs.",
)
@click.option(
    "--optimizer",
    type=click.Choice(list(OPTIMIZERS)),
    help="Method by which the model learns on --finetune.  [default: adam]",
)
@click.option(
    "--final-relu", is_flag=True, help="Apply a ReLU after the readout's last layer, too."
)
@click.option(
    "--center-bias",
    type=click.Choice(PACKAGED),
    help="Center bias that the model uses if a prediction names none.  [default: estimated from the"
    " data set]",
)
@click.option(
    "--normalize-over",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of images over which each channel is scaled to unit variance.  [default: the"
    " training images]",
)
@click.option(
    "--seed",
    default=0,
    show_default=True,
    type=click.IntRange(0, 2**31 - 1),
    help="Number that decides all random choices; the same number gives the same result.",
)
@table_options
def train(
    sources: tuple[str, ...],
    output: Path,
    name: str | None,
    center_bias: str | None,
    **options: Any,  # noqa: ANN401
) -> None:
    """Train a cross-validated model on data sets, package it, and say how good it is.

    A SOURCE is csv:FOLDER for recordings of your own (images and a table), or the name of a
    published data set and its folder, such as osie:FOLDER; `deepgaze2 data list` shows the names.
    The options --images, --column, --coordinates, --base and --time describe the table of
    --finetune, if it is given once.

    Each of several data sets keeps its own center bias and viewing: blur, weight of the center
    bias, sharpness, and the weights of scales. All else is shared. The model predicts for the
    average viewing; MODEL@NAME is the model in the viewing of the data set NAME.

    While the command runs, curves.svg in the model folder shows the scores so far. If it is
    interrupted, the same command goes on after the last complete epoch and leads to the same
    result. Training needs PyTorch: pip install 'deepgaze2[train]'.
    """
    require_torch()
    from deepgaze2.training.folder import remove_checkpoints
    from deepgaze2.training.procedure import train_model

    wanted = {key: options.pop(key) for key in _WANTED}
    _refuse_contradictions(wanted)
    began = _start(wanted["start"], output) if wanted["start"] else []
    names = wanted["backbone"] or ("vgg16",)
    networks = [one[2] for one in began] or _networks(names, wanted["taps"])
    if len(sources) > 1 and (given := [key for key, value in options.items() if value]):
        raise ModelError(f"--{given[0]}: describes one table, but several data sets are given")
    datasets = [open_ready(source, options) for source in sources]
    trainings = _trainings(wanted, networks, datasets, began)
    with locked(output.resolve()):
        name = name or output.resolve().name
        card, trained = train_model(
            datasets,
            list(zip(networks, trainings, strict=True)),
            output,
            name=name,
            center_bias=center_bias,
        )
        click.echo(f"{card.name}: {card.n_readouts} readouts in {output}")
        for branch, one in zip(card.branches, trained, strict=True):
            which = f" on {branch.network}" if len(trained) > 1 else ""
            if one.start_gains is not None:
                _compare_with_start(one.gains, one.start_gains, wanted["start"], which)
            else:
                _warn_if_worthless(one, which)
        _report(card, output, trained[0].sets.names, datasets)
        remove_checkpoints(output)  # the report may have been interrupted, too
    named = shlex.quote(_named(output, card))
    click.echo(
        f"score it on other images with: deepgaze2 evaluate {named} {as_typed(sources[0], options)}"
    )


def require_torch() -> None:
    """Raise a ModelError if PyTorch is not installed."""
    try:
        import torch  # noqa: F401
    except ModuleNotFoundError as error:
        raise ModelError(
            "training needs PyTorch, which is not installed; run: pip install 'deepgaze2[train]'"
        ) from error


def _networks(names: "Sequence[str]", taps: str | None) -> "list[Backbone]":
    """Return the networks to read, each once: one may be named by its file, too."""
    networks = [_network(name, taps) for name in names]
    found = [network.name for network in networks]
    if twice := [name for name in found if found.count(name) > 1]:
        raise ModelError(f"--backbone {twice[0]}: given twice; --seeds adds readouts")
    return networks


def _network(name: str, taps: str | None) -> "Backbone":
    """Return the network to read, at the layers that are asked for."""
    backbone = find_backbone(name)
    if taps:
        return backbone.with_taps(tuple(tap.strip() for tap in taps.split(",")))
    if not backbone.taps:
        raise ModelError(f"--taps: say which layers of {name} to read: --taps LAYER,LAYER...")
    return backbone


def _refuse_contradictions(wanted: Mapping[str, Any]) -> None:
    if wanted["stop_as_paper"] and wanted["epochs"]:
        raise ModelError("--stop-as-paper: decides the number of epochs; leave --epochs out")
    if len(wanted["backbone"]) > 1 and wanted["taps"]:
        raise ModelError("--taps: several networks have no layers in common; leave it out")
    if sum(name.startswith(PYTHON) for name in wanted["backbone"]) > 1:
        raise ModelError(
            f"--backbone: only one may be a network of your own ({PYTHON}...), since a model's name"
            " says which; train a model on each"
        )
    for key in ("recipe", "backbone", "taps", "normalize_over"):
        if wanted["start"] and wanted[key]:
            raise ModelError(
                f"--{key.replace('_', '-')}: a model that goes on from another keeps its network,"
                " configuration and normalization; leave this out, or --from"
            )


def _start(model: str, output: Path) -> "list[tuple[Card, Start, Backbone]]":
    """Return a model to go on from: for each of its networks the readouts on it."""
    from deepgaze2.loading import backbones_of
    from deepgaze2.training.starts import Start

    folder = find_model(model)
    if folder.resolve() == output.resolve():
        raise ModelError(f"{output}: cannot both go on from it and replace it; give -o another")
    card = read_card(folder)
    before = tuple(card.training.get("seen_before", ()))
    return [
        (card, Start(readout, card.name, card.folds, before, branch.share), backbone)
        for branch, readout, backbone in zip(
            card.branches, read_readouts(folder, card), backbones_of(model, card), strict=True
        )
    ]


def _trainings(
    wanted: Mapping[str, Any],
    networks: "Sequence[Backbone]",
    datasets: "Sequence[Dataset]",
    began: "Sequence[tuple[Card, Start, Backbone]]",
) -> "list[Training]":
    """Return each network's training; say what becomes of images seen before."""
    from deepgaze2.training.recipes import RECIPES, Training, continued_recipe

    ids = [name for dataset in datasets for name in dataset.stimuli.ids]
    if began:
        _note_seen(began[0][1], ids)
        card = began[0][0]
        recipes = [continued_recipe(card, branch, len(ids)) for branch in card.branches]
    else:
        recipes = [RECIPES[wanted["recipe"] or "plus"](backbone) for backbone in networks]
    starts: list[Start | None] = [start for _, start, _ in began]
    starts = starts or [None] * len(networks)
    pretrain = tuple(open_ready(source, {}) for source in wanted["pretrain"])
    return [
        Training(
            _changed(recipe, wanted),
            pretrain=pretrain,
            start=start,
            n_folds=wanted["folds"],
            normalize_over=wanted["normalize_over"],
            seed=wanted["seed"],
        )
        for recipe, start in zip(recipes, starts, strict=True)
    ]


def _changed(recipe: "Recipe", wanted: Mapping[str, Any]) -> "Recipe":
    """Return a recipe with what the user wants otherwise."""
    finetuning, architecture = recipe.finetuning, recipe.architecture
    if (epochs := wanted["epochs"]) is not None:
        finetuning = replace(finetuning, epochs=epochs)
    if wanted["stop_as_paper"]:
        finetuning = replace(finetuning, epochs=None)
    if optimizer := wanted["optimizer"]:
        finetuning = replace(finetuning, optimizer=optimizer)
        if OPTIMIZERS[optimizer].same_batches:
            finetuning = replace(finetuning, dropout=0.0, mirrored=False)
    if wanted["final_relu"]:
        architecture = replace(architecture, final_relu=True)
    n_seeds = wanted["seeds"] or recipe.n_seeds
    return replace(recipe, finetuning=finetuning, architecture=architecture, n_seeds=n_seeds)


def _note_seen(start: "Start", ids: "Sequence[str]") -> None:
    """Say what becomes of images that the model to go on from was trained on."""
    if n_seen := int((start.parts_of(ids) >= 0).sum()):
        click.echo(
            f"note: {n_seen} of {len(ids)} images have names of images that {start.name} was"
            " trained on: its parts are kept, and none is predicted by a readout that saw it",
            err=True,
        )


def _compare_with_start(
    gains: "NDArray[np.float64]", start_gains: "NDArray[np.float64]", start: str, which: str
) -> None:
    """Say whether training was of use on images that it did not see, readout by readout."""
    import numpy as np

    from deepgaze2.metrics.intervals import bootstrap_interval

    difference = gains - start_gains
    low, high = bootstrap_interval(difference, np.ones_like(difference))
    click.echo(
        f"on images not trained on, each readout{which} gains {difference.mean():+.3f}"
        f" bits/fixation ({low:+.3f} to {high:+.3f}) over the one of {start} that it started"
        " from, with the same center bias"
    )
    if low <= 0:
        click.echo(
            f"warning: {len(difference)} images are too few to beat {start} for sure; either"
            f" record more, or use {start} with your center bias:"
            " deepgaze2 data center-bias, then predict --center-bias FILE",
            err=True,
        )


def _warn_if_worthless(trained: "Trained", which: str = "") -> None:
    """Warn if the readouts are not surely better than the center bias on images not seen."""
    import numpy as np

    from deepgaze2.metrics.intervals import bootstrap_interval

    low, _ = bootstrap_interval(trained.gains, np.ones_like(trained.gains))
    if low <= 0:
        click.echo(
            f"warning: on images not trained on, a readout{which} gains {trained.gains.mean():+.3f}"
            f" bits/fixation over the center bias: {len(trained.gains)} images are too few for"
            " this; go on from a trained model (--from default), or record more",
            err=True,
        )


def _named(folder: Path, card: "Card", viewing: str = "") -> str:
    """Return the model's name for commands, with the network if that is the user's own."""
    own = [branch.network for branch in card.branches if branch.network.startswith(PYTHON)]
    network = f"@{own[0]}" if own else ""
    return f"{folder}{f'@{viewing}' if card.viewings and viewing else ''}{network}"


def _report(
    card: "Card", folder: Path, names: "Sequence[str]", datasets: "Sequence[Dataset]"
) -> None:
    """Score the model's images by the readouts that have not seen them, each in its viewing."""
    from deepgaze2.evaluation.evaluation import evaluate

    scores = {}
    for viewing, dataset in zip(names, datasets, strict=True):
        # Resolved, so that a folder named like a packaged model or a rival is the folder.
        evaluation = evaluate([_named(folder.resolve(), card, viewing)], dataset)
        click.echo(as_text(evaluation.report))
        several = len(datasets) > 1
        write_report(evaluation, folder / "report" / viewing if several else folder / "report")
        scores[viewing] = card_scores(evaluation.report)
    one = scores if len(scores) > 1 else next(iter(scores.values()))
    write_card(folder, replace(card, scores=one))
