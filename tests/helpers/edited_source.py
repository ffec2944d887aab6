"""Source code that is edited: a copy of the package whose files count as the package's."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deepgaze2.support import identity
from deepgaze2.support.identity import code_version

PACKAGE = Path(identity.__file__).parents[1]

Edit = Callable[[str], None]
"""Changes a file of the package, by its path in it."""


@pytest.fixture
def edit(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Edit]:
    copy = tmp_path_factory.mktemp("source") / "deepgaze2"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("assets", "__pycache__"))

    def change(path: str) -> None:
        with (copy / path).open("a") as file:
            file.write("# edited\n")
        code_version.cache_clear()

    monkeypatch.setattr(identity, "_PACKAGE", copy)
    code_version.cache_clear()
    yield change
    code_version.cache_clear()
