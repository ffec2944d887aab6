"""Matlab files, as the field's data sets use them, read without Matlab."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from deepgaze2.errors import DataError
from deepgaze2.image.stimulus import printable


def load_matlab(path: Path) -> dict[str, Any]:
    """Return the variables of a Matlab file of version 4 to 7.2.

    Structs become objects whose fields `field` reads, cells and arrays of structs become object
    arrays; dimensions of length one are dropped.

    Raises
    ------
    DataError
        If the file is missing, damaged or of version 7.3, which is HDF5.
    """
    from scipy.io import loadmat

    label = printable(path)
    if not path.is_file():
        raise DataError(f"{label}: missing; fetch the data set again or correct the folder")
    try:
        content = loadmat(path, appendmat=False, squeeze_me=True, struct_as_record=False)
    except NotImplementedError as error:
        raise DataError(
            f"{label}: of Matlab's version 7.3, where this data set has version 5;"
            " fetch the published file"
        ) from error
    except Exception as error:  # on damaged files SciPy raises whatever its parser trips over
        raise DataError(
            f"{label}: a damaged Matlab file ({_in_one_line(error)}); fetch it again"
        ) from error
    return {name: value for name, value in content.items() if not name.startswith("__")}


def field(struct: Any, name: str) -> Any:  # noqa: ANN401, whatever the file holds
    """Return a field of a Matlab struct.

    Raises
    ------
    DataError
        If this is no struct or has no such field. The file is not named: use `parsing`.
    """
    names = getattr(struct, "_fieldnames", None)
    if names is None:
        raise DataError(f"expected a struct with the field {name}, found {type(struct).__name__}")
    if name not in names:
        raise DataError(f"no field {name}, only {', '.join(names)}")
    return getattr(struct, name)


@contextmanager
def matlab_content(path: Path, what: str) -> Iterator[dict[str, Any]]:
    """Yield what `load_matlab` returns to a block that takes it apart as in `parsing`."""
    content = load_matlab(path)
    with parsing(path, what):
        yield content


@contextmanager
def parsing(path: Path, what: str) -> Iterator[None]:
    """Turn whatever fails while a file's content is taken apart into an error naming the file.

    Parameters
    ----------
    path : Path
        The file.
    what : str
        What it should hold, for example `OSIE's fixations`.

    Raises
    ------
    DataError
    """
    try:
        yield
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise DataError(
            f"{printable(path)}: not {what} ({_in_one_line(error)}); fetch it again"
        ) from error


def _in_one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
