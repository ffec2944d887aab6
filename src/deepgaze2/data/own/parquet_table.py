"""Tables in Parquet files, read in batches through PyArrow, which is optional."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepgaze2.data.decisions import Decision
from deepgaze2.errors import DataError
from deepgaze2.image.stimulus import printable


@dataclass(eq=False)
class ParquetTable:
    """A table in a Parquet file, with the same use as `TextTable`.

    Attributes
    ----------
    path : Path
        The file.
    names : tuple of str
        The columns.
    notes : list of Decision
        What opening and reading decided.
    """

    path: Path
    names: tuple[str, ...]
    notes: list[Decision]

    def batches(
        self, texts: Sequence[str], numbers: Sequence[str]
    ) -> Iterator[tuple[list[list[str]], list[NDArray[np.float64]]]]:
        """Yield some rows at a time: some columns as text, and others as numbers.

        Raises
        ------
        DataError
            If a column that should hold numbers does not, or the file is damaged.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            with pq.ParquetFile(self.path) as file:
                for batch in file.iter_batches(columns=[*texts, *numbers]):
                    yield (
                        [_texts(batch.column(name)) for name in texts],
                        [self._numbers(name, batch.column(name)) for name in numbers],
                    )
        except (pa.ArrowException, OSError) as error:
            raise _damaged(self.path, error) from error

    def place(self, row: int) -> str:
        """Return what a row (from 0) is called in messages."""
        return f"row {row + 1}"

    def _numbers(self, name: str, column: Any) -> NDArray[np.float64]:  # noqa: ANN401, pyarrow's
        import pyarrow as pa

        try:
            return np.asarray(column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False))
        except pa.ArrowException as error:
            raise DataError(
                f"{printable(self.path)}: column {name!r} holds {column.type}, of which some is no"
                " number; save it as numbers"
            ) from error


def open_parquet_table(path: Path) -> ParquetTable:
    """Read the names of a Parquet file's columns.

    Raises
    ------
    DataError
        If the file cannot be read, or PyArrow is not installed.
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise DataError(
            f'{printable(path)}: reading Parquet needs PyArrow; pip install "deepgaze2[parquet]",'
            " or save the table as CSV"
        ) from error
    try:
        names = pq.read_schema(path).names
    except (pa.ArrowException, OSError) as error:
        raise _damaged(path, error) from error
    what = f"a Parquet file with {len(names)} columns"
    return ParquetTable(path, tuple(names), [Decision("file", what, "its suffix", guessed=False)])


def _texts(column: Any) -> list[str]:  # noqa: ANN401, pyarrow's
    return ["" if value is None else str(value).strip() for value in column.to_pylist()]


def _damaged(path: Path, error: Exception) -> DataError:
    reason = " ".join(str(error).split())
    return DataError(f"{printable(path)}: not a readable Parquet file ({reason}); save it anew")
