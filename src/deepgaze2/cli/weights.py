"""`deepgaze2 weights`: fetch, import and list the weights of networks."""

from pathlib import Path

import click

from deepgaze2.errors import WeightsError
from deepgaze2.features.backbone import (
    cached_backbone_path,
    read_backbone,
    stored_backbone_paths,
    write_backbone,
)
from deepgaze2.features.networks import NETWORKS
from deepgaze2.features.weights.importers import import_weights
from deepgaze2.features.weights.published import FETCHED, SOURCES, fetch_backbone


@click.group()
def weights() -> None:
    """Fetch, import and list the weights of networks.

    VGG-16 and ResNet-50 are packaged and need none of this; VGG-19, the paper's network, is not
    packaged.
    """


@weights.command()
@click.argument("name", type=click.Choice(FETCHED))
@click.option(
    "--source",
    type=click.Choice(SOURCES),
    default="keras",
    show_default=True,
    help="keras: Oxford's weights, 59 or 80 MB. torchvision: trained anew, 550 MB, needs PyTorch.",
)
def fetch(name: str, source: str) -> None:
    """Download the published weights of network NAME into the cache.

    An interrupted download goes on when the command is run again. Offline, get the file on
    another machine and use `deepgaze2 weights import`.
    """
    _show(fetch_backbone(name, source))


@weights.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="Where to write the converted file.  [default: the cache]",
)
@click.option(
    "--network",
    type=click.Choice(sorted(NETWORKS)),
    help="The network that FILE holds.  [default: told from its layers]",
)
def import_(file: Path, output: Path | None, network: str | None) -> None:
    """Convert FILE and put its convolutions into the cache.

    FILE is a Keras HDF5 file or a TensorFlow.js layers model (model.json or its folder) of a VGG
    or ResNet, a torchvision .pth file (needs PyTorch), or safetensors with torchvision's or Caffe's
    names.

    The layers' names do not tell the two forms of a ResNet apart. Of torchvision's names, the
    files that torchvision publishes are known; of others, say it: --network resnet50-v1.5 for a
    training like torchvision's (input RGB, standardized; a stage's stride is in its first 3x3
    convolution), --network resnet50 for Caffe's weights (BGR; in its first 1x1 convolution).
    """
    backbone = import_weights(file, [NETWORKS[network]] if network else NETWORKS.values())
    target = output or cached_backbone_path(backbone.name)
    write_backbone(backbone, target)
    _show(target)


@weights.command("list")
def list_() -> None:
    """List the weights that are here.

    Files of equal checksum hold equal weights. Where there are two of a network, its name
    means the first.
    """
    for name in sorted(NETWORKS):
        paths = stored_backbone_paths(name)
        if not paths:
            how = f"fetch {name}" if name in FETCHED else "import FILE"
            click.echo(f"{name}: not here; get it with `deepgaze2 weights {how}`")
        for path in paths:
            try:
                _show(path)
            except WeightsError as error:
                click.echo(error)


def _show(path: Path) -> None:
    backbone = read_backbone(path)
    click.echo(f"{backbone.name}: {path}")
    click.echo(f"  size      {path.stat().st_size / 1e6:.1f} MB")
    click.echo(f"  checksum  {backbone.checksum}")
    click.echo(f"  origin    {backbone.origin}")
