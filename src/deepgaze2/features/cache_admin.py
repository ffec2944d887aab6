"""What the cache folder holds of features and scores, and which features to remove.

A file is ours only if its path below the cache folder is one that this program makes and no link
is on the way from there. A feature file's time stamp is that of its last use. Scores are small and
may take hours to compute again, so they are only counted, never removed.
"""

import math
import os
import re
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from deepgaze2.support.files import cache_directory

FEATURES, SCORES, LEFTOVERS = "features", "scores", "leftovers"

_VIEW = r"features/[^/]+-[0-9a-f]{16}/\d+px(?:-mirrored)?"
_TAP = rf"{_VIEW}/[^/]+"
_IMAGE = r"[0-9a-f]{32}-\d+x\d+"
_PATHS = {
    FEATURES: re.compile(rf"{_TAP}/{_IMAGE}\.npy"),
    SCORES: re.compile(r"scores/[0-9a-f]{32}\.npz"),
    # Those that `files.written_atomically` and `files.claimed` make for a while.
    LEFTOVERS: re.compile(rf"{_TAP}/\.{_IMAGE}-\w{{8}}\.npy|{_VIEW}/{_IMAGE}\.lock"),
}
_LEFT_OVER_AFTER_S = 86_400.0  # no file takes a day to write: its writer must have been killed


@dataclass(frozen=True)
class CachedFile:
    """A file of ours.

    Attributes
    ----------
    path
        Where it is.
    group
        `features` with network, view and tap; `scores`; or `leftovers` of killed processes.
    size_bytes
        Its size.
    used_s
        When it was last used, scores when last written; seconds since 1970.
    """

    path: Path
    group: tuple[str, ...]
    size_bytes: int
    used_s: float


def cached_files() -> list[CachedFile]:
    """Return all files of ours below `features` and `scores`, those used last first.

    Temporary files are among them only if they are leftovers: a day old.
    """
    files = [*_files_below(FEATURES), *_files_below(SCORES)]
    return sorted(files, key=lambda file: file.used_s, reverse=True)


def _files_below(name: str) -> Iterator[CachedFile]:
    root = cache_directory()
    for folder, _, names in os.walk(root / name):  # which follows no links
        for path in map(Path(folder).joinpath, names):
            place = path.relative_to(root).as_posix()
            kind = next((kind for kind, known in _PATHS.items() if known.fullmatch(place)), None)
            if kind is None or path.is_symlink():
                continue
            with suppress(FileNotFoundError):  # it was temporary
                status = path.stat()
                old = status.st_mtime < time.time() - _LEFT_OVER_AFTER_S
                if kind != LEFTOVERS or old:
                    group = (kind, *place.split("/")[1:4]) if kind == FEATURES else (kind,)
                    yield CachedFile(path, group, status.st_size, status.st_mtime)


def to_remove(
    files: list[CachedFile], *, unused_since_s: float = -math.inf, keep_bytes: float = math.inf
) -> list[CachedFile]:
    """Choose all leftovers, features that were not used for long, and those that are too much.

    Parameters
    ----------
    files
        Those used last first, as `cached_files` gives them.
    unused_since_s
        Features last used before this are removed; seconds since 1970.
    keep_bytes
        Of the others, those used last are kept as long as they fit into this.
    """
    removed = []
    for file in files:
        if file.group[0] == FEATURES and file.used_s >= unused_since_s:
            keep_bytes -= file.size_bytes
            if keep_bytes < 0:
                removed.append(file)
        elif file.group[0] != SCORES:
            removed.append(file)
    return removed


def remove(files: list[CachedFile]) -> list[CachedFile]:
    """Remove files; return those that the system keeps, as Windows does while they are in use."""
    kept = []
    for file in files:
        try:
            file.path.unlink(missing_ok=True)
        except OSError:
            kept.append(file)
    return kept


def remove_leftovers() -> None:
    """Remove what killed processes left a day ago or earlier."""
    remove([file for file in cached_files() if file.group == (LEFTOVERS,)])
