"""Published VGG weights: where they are, what they must be, and how to get them."""

from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from deepgaze2.errors import DownloadError, WeightsError
from deepgaze2.features.backbone import cached_backbone_path, read_backbone, write_backbone
from deepgaze2.features.networks import NETWORKS
from deepgaze2.features.weights.importers import import_weights, require_torch
from deepgaze2.support.download import RemoteFile, download
from deepgaze2.support.files import cache_directory

_OXFORD = "CC BY 4.0, Simonyan and Zisserman (2014), Visual Geometry Group, Oxford"
_TORCHVISION = "BSD 3-clause, torchvision's own training of Simonyan and Zisserman (2014)"
_KERAS_RELEASE = "https://github.com/fchollet/deep-learning-models/releases/download/v0.1"
_KERAS_STORAGE = "https://storage.googleapis.com/tensorflow/keras-applications"


@dataclass(frozen=True)
class PublishedWeights:
    """One publisher's file of a network.

    Attributes
    ----------
    mirrors
        The same file at one or more places, tried in order.
    credit
        Licence and authors.
    """

    mirrors: tuple[RemoteFile, ...]
    credit: str


def _keras(network: str, md5: str, size_bytes: int) -> PublishedWeights:
    """Keras' ports of Oxford's Caffe weights; MD5 is all that Keras declares."""
    name = f"{network}_weights_tf_dim_ordering_tf_kernels_notop.h5"
    urls = (f"{_KERAS_STORAGE}/{network}/{name}", f"{_KERAS_RELEASE}/{name}")
    return PublishedWeights(
        tuple(RemoteFile(url, f"md5:{md5}", size_bytes) for url in urls), _OXFORD
    )


def _torchvision(network: str, sha256: str, size_bytes: int) -> PublishedWeights:
    url = f"https://download.pytorch.org/models/{network}-{sha256[:8]}.pth"
    return PublishedWeights((RemoteFile(url, f"sha256:{sha256}", size_bytes),), _TORCHVISION)


PUBLISHED = {
    ("vgg16", "keras"): _keras("vgg16", "6d6bbae143d832006294945121d1f1fc", 58_889_256),
    ("vgg19", "keras"): _keras("vgg19", "253f8cb515780f3b799900260a226db6", 80_134_624),
    ("vgg16", "torchvision"): _torchvision(
        "vgg16", "397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0", 553_433_881
    ),
    ("vgg19", "torchvision"): _torchvision(
        "vgg19", "dcbb9e9dad569fff7a846263a77324fc34978fea2bfb039c012d710e1776ae44", 574_673_361
    ),
}
SOURCES = tuple(sorted({source for _, source in PUBLISHED}))
FETCHED = tuple(sorted({name for name, _ in PUBLISHED}))


def fetch_backbone(name: str, source: str = "keras") -> Path:
    """Download a network's weights and keep its convolutions, float16, in the user's cache.

    Nothing is fetched if they are there already, from the same source and intact. The two
    sources are different weights: Keras' are Oxford's own, which the paper used, and
    torchvision's were trained anew.

    Parameters
    ----------
    name
        `vgg16` or `vgg19`.
    source
        `keras` (59 or 80 MB) or `torchvision` (550 MB, needs PyTorch to be read).

    Returns
    -------
    Path
        The backbone file.

    Raises
    ------
    WeightsError
        If there is no such network or source, or PyTorch is needed and missing.
    DownloadError
        If no mirror gives the file.
    """
    if (name, source) not in PUBLISHED:
        known = ", ".join(" from ".join(key) for key in PUBLISHED)
        raise WeightsError(f"{name} from {source}: no such published weights; there are {known}")
    published = PUBLISHED[name, source]
    filename = published.mirrors[0].url.rpartition("/")[2]
    origin = f"{source} {filename}; {published.credit}"
    target = cached_backbone_path(name)
    with suppress(WeightsError):  # not there yet, or damaged
        if read_backbone(target).origin == origin:
            return target
    if source == "torchvision":
        require_torch(filename)
    original = _download_any(published.mirrors, cache_directory() / "downloads" / filename)
    backbone = import_weights(original, [NETWORKS[name]])
    write_backbone(replace(backbone, origin=origin), target)
    original.unlink()
    return target


def _download_any(mirrors: tuple[RemoteFile, ...], target: Path) -> Path:
    for mirror in mirrors[:-1]:
        with suppress(DownloadError):
            return download(mirror, target)
    return download(mirrors[-1], target)
