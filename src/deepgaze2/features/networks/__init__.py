"""The networks that are known by name: a file each, whose `NETWORKS` describe them."""

from importlib import import_module
from pkgutil import iter_modules

from deepgaze2.features.network import Network

NETWORKS: dict[str, Network] = {
    network.name: network
    for module in sorted(iter_modules(__path__), key=lambda module: module.name)
    for network in import_module(f"{__name__}.{module.name}").NETWORKS
}
"""All of them, by name."""
