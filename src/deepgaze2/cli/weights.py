"""`deepgaze2 weights`: fetch, import and list the weights of VGG networks."""

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

    VGG-16 is packaged and needs none of this; VGG-19, the paper's network, is not packaged.
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
def import_(file: Path, output: Path | None) -> None:
    """Convert FILE and put its convolutions into the cache.

    FILE is a Keras HDF5 file, a torchvision .pth file (needs PyTorch), or safetensors with
    torchvision's or Caffe's names. The network is told from its layers.
    """
    backbone = import_weights(file)
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
