"""Whether images of two data sets are the same, as far as their names tell."""

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def parts_by_name(parts: Sequence[Sequence[str]], names: Sequence[str]) -> NDArray[np.intp]:
    """Return the part in which an image of each name is; -1 if there is none.

    Copies of a data set differ in file type and in how folders are written, so a name counts
    without its extension, `__` stands for `/`, and folders that only `names` have are passed over:
    `Fillers/tower/sun_a.jpg` is `tower__sun_a.webp`.
    """
    known = {_steps(name): part for part, others in enumerate(parts) for name in others}

    def part_of(name: str) -> int:
        steps = _steps(name)
        found = (known.get(steps[start:]) for start in range(len(steps)))
        return next((part for part in found if part is not None), -1)

    return np.array([part_of(name) for name in names], np.intp)


def also_among(names: Sequence[str], others: Sequence[str]) -> list[str]:
    """Return those names whose images are among others, by their names; see `parts_by_name`."""
    parts = parts_by_name([others], names)
    return [name for name, part in zip(names, parts.tolist(), strict=True) if part >= 0]


def _steps(name: str) -> tuple[str, ...]:
    """Return the folders and the file of a name, the latter without its extension."""
    plain = re.sub(r"\.[A-Za-z0-9]{2,4}$", "", name)
    return tuple(re.split(r"/|\\|__", plain.casefold()))
