"""The names that a server goes by, and how clients write them."""

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass

from deepgaze2.errors import ServeError

LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class Hosts:
    """Names that a request may call the server by, as `host_name` gives them.

    Attributes
    ----------
    names
        Names and addresses.
    any_address
        Whether any IP address may be used, too. A page of another site can make its own name lead
        to this machine, but no address: none needs to be refused where others reach the server.
    """

    names: frozenset[str]
    any_address: bool

    def __contains__(self, name: str) -> bool:
        """Tell whether the server goes by a name."""
        return name in self.names or (self.any_address and _as_address(name) is not None)


def own_hosts(host: str, allowed: Iterable[str]) -> Hosts:
    """Return the names of a server: this machine's, the one it listens on, and the allowed.

    Parameters
    ----------
    host
        What the server listens on.
    allowed
        More names, in any way that a client may write them.

    Raises
    ------
    ServeError
        If one of them is no name.
    """
    names = {*LOOPBACK_NAMES, host_name(host)}
    for text in allowed:
        name = host_name(text)
        is_name = re.fullmatch(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*", name)
        if "/" in text or not (is_name or _as_address(name)):
            raise ServeError(f"--allowed-host {text!r} is no name; give it as in gaze.example.org")
        names.add(name)
    return Hosts(frozenset(names), any_address=not is_loopback(host))


def host_name(host: str) -> str:
    """Return the name in a Host header: no port, brackets or last dot, in lower case.

    Addresses come in their shortest form.
    """
    name = host.strip().lower()
    if (address := _as_address(name)) is not None:  # of version 6, without brackets
        return address
    name = name[1:].partition("]")[0] if name.startswith("[") else name.partition(":")[0]
    return _as_address(name) or name.removesuffix(".")


def is_loopback(host: str) -> bool:
    """Tell whether only this machine can reach an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host_name(host) == "localhost"


def _as_address(name: str) -> str | None:
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        return None
