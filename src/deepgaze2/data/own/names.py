"""Names of columns, compared without regard to how they are written."""

import re
import unicodedata

_UNIT = re.compile(
    r"[\[(]\s*(?:(?:mcs|dacs)\s*)?(?:px|pixels?|normalized|n?s|ms|us|[\u00b5\u03bc]s)\s*[\])]",
    re.IGNORECASE,
)


def words(name: str) -> list[str]:
    """Split at everything that is no letter or digit, and before capitals: FixX is fix, x."""
    plain = unicodedata.normalize("NFKC", name)
    split = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", plain)
    return re.findall(r"[^\W_]+", split.casefold())


def key(name: str) -> str:
    """Return a name's letters and digits alone."""
    return "".join(words(name))


def keys(name: str) -> tuple[str, ...]:
    """Return what a column may be found by: its key, and that without a unit in brackets."""
    bare = key(_UNIT.sub(" ", name))
    return tuple(dict.fromkeys((key(name), bare))) if bare else (key(name),)
