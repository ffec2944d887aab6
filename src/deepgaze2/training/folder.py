"""The folder of a training: what is finished in it, and what is under way."""

import json
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

from deepgaze2.errors import DataError
from deepgaze2.store import CARD_FILE
from deepgaze2.training.results import differing, write_json

CHECKPOINTS = "checkpoints"
_IDENTITY = "training.json"  # among the checkpoints


def refuse_finished(folder: Path) -> None:
    """Raise a DataError if a folder holds a model whose training is over.

    With checkpoints it is under way still: the model has yet to be scored.
    """
    if (folder / CARD_FILE).exists() and not (folder / CHECKPOINTS).exists():
        raise DataError(f"{folder}: holds a model already; give another folder, or delete this one")


def begin_or_go_on(folder: Path, identity: dict[str, Any]) -> None:
    """Note what is trained in a folder, or make sure that it is what was interrupted there.

    Parameters
    ----------
    identity
        What the training depends on, as JSON values by what users call it.

    Raises
    ------
    DataError
        If another training was interrupted there.
    """
    path = folder / CHECKPOINTS / _IDENTITY
    identity = json.loads(json.dumps(identity))  # tuples become lists, as in the file
    if not path.exists():
        write_json(path, identity)
        return
    try:
        found = dict(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise DataError(f"{path}: damaged; delete {folder} to begin anew") from error
    if others := differing(found, identity):
        raise DataError(
            f"{folder}: a training with other {others} was interrupted there; give"
            " another folder, delete this one, or repeat that training's command to finish it"
        )


def remove_checkpoints(folder: Path) -> None:
    """Remove what an interrupted training would go on from."""
    doomed = folder / f"{CHECKPOINTS}.old"  # half of them are no training to go on with
    shutil.rmtree(doomed, ignore_errors=True)
    with suppress(FileNotFoundError):
        (folder / CHECKPOINTS).rename(doomed)
    shutil.rmtree(doomed, ignore_errors=True)
