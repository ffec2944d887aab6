"""The folder of a training: what is finished in it, and what is under way."""

import shutil
from contextlib import suppress
from pathlib import Path

from deepgaze2.card import CARD_FILE
from deepgaze2.errors import DataError

CHECKPOINTS = "checkpoints"


def refuse_finished(folder: Path) -> None:
    """Raise a DataError if a folder holds a model whose training is over.

    With checkpoints it is under way still: the model has yet to be scored.
    """
    if (folder / CARD_FILE).exists() and not (folder / CHECKPOINTS).exists():
        raise DataError(f"{folder}: holds a model already; give another folder, or delete this one")


def remove_checkpoints(folder: Path) -> None:
    """Remove what an interrupted training would go on from."""
    doomed = folder / f"{CHECKPOINTS}.old"  # half of them are no training to go on with
    shutil.rmtree(doomed, ignore_errors=True)
    with suppress(FileNotFoundError):
        (folder / CHECKPOINTS).rename(doomed)
    shutil.rmtree(doomed, ignore_errors=True)
