"""Data sets by name and place, as they are given on the command line: `osie:FOLDER`."""

from collections.abc import Mapping
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

from deepgaze2.data.checks.table_problems import first_at_center
from deepgaze2.data.dataset import Dataset
from deepgaze2.data.decisions import Decision
from deepgaze2.data.mouse import pseudo_fixations
from deepgaze2.data.published.declared import Declaration, declared_datasets, suggestion
from deepgaze2.data.published.expected import edition_note
from deepgaze2.errors import DataError

FORMATS = {
    "csv": "own.tabular.read_tabular",
    "fixatons": "published.fixatons.read_fixatons",
    "pysaliency": "exchange.pysaliency_hdf5.read_pysaliency",
}
"""Readers of formats that any data set may have, as in a declaration."""


def open_dataset(
    source: str,
    *,
    raw: bool = False,
    table: Mapping[str, Any] | None = None,
) -> Dataset:
    """Read the data set that `source` names, ready for training and scoring.

    The first fixation of each scanpath is dropped if the experiment forces it to the center: of a
    published set as its declaration says, of others if first fixations are nearer to the center.
    Fixations outside the image are dropped. Samples of a mouse become pseudo-fixations.

    Parameters
    ----------
    source : str
        A published data set and its folder, `osie:FOLDER`; recordings of your own, `csv:FOLDER`
        or only the folder or table; a set in the layout of FixaTons, `fixatons:FOLDER`; or a
        file of pysaliency's, `pysaliency:FILE`.
    raw : bool
        Keep whatever the reader returns.
    table : mapping, optional
        How to read a table of your own: the options of `read_tabular`.

    Raises
    ------
    DataError
        If the name is unknown, the folder does not hold such a data set, `table` is given for
        one that is not your own table, or `raw` is not set and no fixation is left.
    """
    table = table or {}
    name, _, place = source.partition(":")
    declaration = None
    if table and name != "csv" and (name in FORMATS or name in declared_datasets()):
        raise DataError(f"options for tables go with csv:FOLDER only, not with {source}")
    if name in FORMATS and place:
        dataset = _read(FORMATS[name], Path(place).expanduser(), **table)
    elif place and (declaration := declared_datasets().get(name)):
        dataset = read_declared(declaration, Path(place).expanduser())
    elif source and Path(source).exists():
        name, dataset = "csv", _read(FORMATS["csv"], Path(source), **table)
    else:
        raise _not_understood(source, name, place)
    if raw:
        return dataset
    if declaration and declaration.mouse_samples:
        dataset = pseudo_fixations(dataset.without_outside())
    forced = declaration.drop_first if declaration else first_at_center(dataset)
    ready = (dataset.without_first() if forced else dataset).without_outside()
    if forced and not declaration:
        why = "scanpaths begin at the center, as if forced to"
        first = Decision("table", "all first fixations are left out", why)
        ready = replace(
            ready, notes=(*ready.notes, str(first)), decisions=(*ready.decisions, first)
        )
    if not len(ready.fixations):
        reasons = " ".join(dataset.notes)
        raise DataError(
            f"{source}: no fixations to train on or score with; {reasons or 'add some'}"
        )
    return ready


def is_source(text: str) -> bool:
    """Tell whether a text names a data set by its form, as `osie:FOLDER` and `csv:FOLDER` do.

    A folder or table alone has no form of its own: a trained model is a folder, too.
    """
    name, colon, _ = text.partition(":")
    return bool(colon) and (name in FORMATS or name in declared_datasets())


def read_declared(declaration: Declaration, folder: Path) -> Dataset:
    """Read a published data set from its own folder or the one it was fetched to."""
    inner = folder / declaration.root
    root = inner if inner.is_dir() else folder
    dataset = _read(f"published.{declaration.reader}", root, **declaration.options)
    return replace(dataset, notes=(*dataset.notes, *edition_note(dataset, declaration)))


def declared_source(source: str) -> Declaration | None:
    """Return the published data set that `source` names, None if it names something else."""
    name, _, place = source.partition(":")
    return declared_datasets().get(name) if place else None


def _read(reader: str, place: Path, **options: Any) -> Dataset:  # noqa: ANN401
    """Import a reader, named as in a declaration, and call it."""
    module, _, function = reader.rpartition(".")
    dataset: Dataset = getattr(import_module(f"deepgaze2.data.{module}"), function)(
        place, **options
    )
    return dataset


def _not_understood(source: str, name: str, place: str) -> DataError:
    known = [*FORMATS, *declared_datasets()]
    if name in known:
        return DataError(f"data set {source!r}: say where it is, {name}:FOLDER")
    if not place:
        return DataError(f"{source!r}: no such folder; give one, or NAME:FOLDER with a known name")
    return DataError(f"data set {source!r}: {name!r} is not known; {suggestion(name, known)}")
