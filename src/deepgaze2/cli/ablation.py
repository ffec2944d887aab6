"""`deepgaze2 ablation`: figure 7, what each step from DeepGaze I to DeepGaze II adds."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from deepgaze2.cli.dataset_source import open_ready, table_options
from deepgaze2.cli.study import announcer, study_options
from deepgaze2.cli.train import require_torch
from deepgaze2.errors import WeightsError
from deepgaze2.features.backbone import find_backbone
from deepgaze2.features.networks import NETWORKS
from deepgaze2.features.weights.importers import import_weights
from deepgaze2.support.files import locked

if TYPE_CHECKING:
    from deepgaze2.features.backbone import Backbone
    from deepgaze2.training.studies.ablation import Ablation


@click.command()
@study_options
@click.option(
    "--pretrain",
    multiple=True,
    metavar="SOURCE",
    help="Data set to pretrain on, such as mouse traces: osie-mouse-amt:FOLDER; repeatable. Without"
    " it, nothing is pretrained.",
)
@click.option(
    "--alexnet",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Compare AlexNet's conv5 too, as in DeepGaze I: torchvision's file of its weights.",
)
@click.option(
    "--vgg19",
    metavar="FILE",
    help="Compare VGG-19's features too: `vgg19`, or a file of its weights.",
)
@table_options
def ablation(
    source: str,
    pretrain: tuple[str, ...],
    output: Path,
    alexnet: Path | None,
    vgg19: str | None,
    n_folds: int,
    seed: int,
    **table: Any,  # noqa: ANN401
) -> None:
    """Draw the paper's figure 7 on a data set: features, readout, pretraining.

    This cross-validates the paper's configuration and simpler forms of it on the data set of
    --finetune: the features of each network with a linear readout and with the readout network,
    without and with pretraining. What a SOURCE is, `deepgaze2 train --help` says.

    If the command is interrupted, the same command goes on where it was and leads to the same
    result. Training needs PyTorch: pip install 'deepgaze2[train]'.
    """
    require_torch()
    from deepgaze2.reporting.figures.ablation import ablation_bars, cell_label
    from deepgaze2.reporting.figures.style import save_figure
    from deepgaze2.training.studies.ablation import ablation as compute
    from deepgaze2.training.studies.ablation import write_ablation

    networks, announce = _networks(alexnet, vgg19), announcer()
    with locked(output.resolve()):
        result = compute(
            open_ready(source, table),
            networks,
            output,
            pretrain=[open_ready(one, {}) for one in pretrain],
            n_folds=n_folds,
            seed=seed,
            on_cell=lambda number, total, cell: announce(number, total, cell_label(cell)),
        )
        write_ablation(result, output)
    click.echo(_as_text(result))
    for path in save_figure(ablation_bars(result), output, "figure7_ablation"):
        click.echo(path)


def _networks(alexnet: Path | None, vgg19: str | None) -> "list[Backbone]":
    networks: list[Backbone] = [find_backbone("vgg16")]
    if alexnet is not None:
        networks.insert(0, import_weights(alexnet, [NETWORKS["alexnet"]]))
    if vgg19 is not None:
        networks.append(find_backbone(vgg19))
        if (name := networks[-1].name) != "vgg19":
            raise WeightsError(f"--vgg19: {vgg19} holds {name}; give a file of VGG-19")
    return networks


def _as_text(result: "Ablation") -> str:
    """Return the cells and the steps between them as tables for the terminal."""
    from deepgaze2.evaluation.report import why_no_share
    from deepgaze2.reporting.figures.ablation import cell_label

    width = max(len(cell_label(score.cell)) for score in result.cells)
    lines = [
        f"{result.data_set}: {result.images} images, {result.fixations} fixations;"
        " 95% intervals over images",
    ]
    if result.gold:
        lines.append(f"gold standard over center bias  {result.gold:.3f} bits/fixation")
    lines += ["", f"{'cell':<{width}}  {'bits over center bias':<23}explained"]
    for score in result.cells:
        explained = f"{score.explained:.1%}" if score.explained else "-"
        gain = f"{score.information_gain:.3f}"
        lines.append(f"{cell_label(score.cell):<{width}}  {gain:<23}{explained}".rstrip())
    if reason := why_no_share(result.gold):
        lines += ["", f"nothing is explained: {reason}"]
    lines += ["", "steps, bits/fixation"]
    for step in result.steps:
        before, after = cell_label(step.before), cell_label(step.after)
        lines.append(f"{before:<{width}} to {after:<{width}}  {step.difference:+.3f}")
    return "\n".join(lines)
