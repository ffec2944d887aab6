"""Batches: which images a command's arguments mean, and where their results go."""

import glob
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from deepgaze2.density.regions import RegionShare
from deepgaze2.errors import OutputError, StimulusError
from deepgaze2.image.image_files import images_and_others, natural_key


@dataclass
class Job:
    """One image: where its results go and, once it is done, what they are.

    Attributes
    ----------
    file : str
        The image's path.
    outputs : list of str
        Paths of its results.
    skipped : bool
        Whether the results of an earlier run were kept.
    width, height : int or None
        Size of the image in pixels.
    seconds : float or None
        Since the image before was done.
    regions : list of RegionShare
        Shares of fixations.
    notes : list of str
        What reading the image assumed or converted.
    error : str or None
        Why there is no result, in one line.
    """

    file: str
    outputs: list[str]
    skipped: bool = False
    width: int | None = None
    height: int | None = None
    seconds: float | None = None
    regions: list[RegionShare] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    error: str | None = None

    def is_done(self) -> bool:
        """Return whether all results exist."""
        return all(Path(path).exists() for path in self.outputs)


def find_images(arguments: Sequence[str], out: Path) -> tuple[list[str], list[str]]:
    """Return the images that files, folders and patterns mean, each once, and what they left out.

    A named file that is missing is left in: reading it says why. Left out are the files in folders
    that are no images by name.

    Raises
    ------
    StimulusError
        If a folder cannot be read or has no image, or a pattern matches no file.
    OutputError
        If a folder of images is the folder for the results.
    """
    found: list[Path] = []
    left_out: list[Path] = []
    for argument in arguments:
        path = Path(argument)
        if path.is_dir():
            if out.exists() and out.samefile(path):
                raise OutputError(f"{out}: holds the photos; choose another folder with -o")
            images, others = images_and_others(path)
            found += images
            left_out += others
        elif not path.exists() and glob.has_magic(argument):
            found += _matches(argument)
        else:
            found.append(path)
    return _each_once(found), _each_once(left_out)


def _each_once(paths: Sequence[Path]) -> list[str]:
    unique: dict[Path, str] = {}
    for path in paths:
        unique.setdefault(_absolute(path), str(path))
    return list(unique.values())


def plan(files: Sequence[str], out: Path, endings: Sequence[str]) -> list[Job]:
    """Name each image's results, one for each ending, so that no two images share one.

    Folders below the images' common folder are mirrored. A result has its image's name
    without suffix, or with it where another image of the folder could claim that name.
    """
    paths = [_absolute(Path(file)) for file in files]
    try:
        common = os.path.commonpath([path.parent for path in paths])
    except ValueError as error:  # Windows
        raise OutputError("photos lie on several drives; give those of one at a time") from error
    claims = Counter(
        path.parent / name.casefold() for path in paths for name in (path.stem, path.name)
    )
    jobs = []
    for file, path in zip(files, paths, strict=True):
        alone = claims[path.parent / path.stem.casefold()] == 1
        base = out / path.parent.relative_to(common) / (path.stem if alone else path.name)
        jobs.append(Job(file, [f"{base}{ending}" for ending in endings]))
    return jobs


def _matches(pattern: str) -> list[Path]:
    matches = glob.glob(pattern, recursive=True)  # noqa: PTH207 (Path's refuses absolute ones)
    files = [Path(match) for match in sorted(matches, key=natural_key) if Path(match).is_file()]
    if not files:
        raise StimulusError(f"{pattern}: matches no file; check the folder and the pattern")
    return files


def _absolute(path: Path) -> Path:
    """Return the path without `..`; links are left, since a result has its image's name."""
    return Path(os.path.abspath(path))  # noqa: PTH100
