"""A value that is computed when it is first needed, once for all threads."""

from collections.abc import Callable
from threading import Lock
from typing import Generic, TypeVar

from deepgaze2.errors import DeepGazeError

_Value = TypeVar("_Value")


class Once(Generic[_Value]):
    """Computes a value at the first call and returns it at every one; thread-safe.

    A DeepGazeError is kept too and raised at every call: the computation would fail anew, as
    slowly, for each image.

    Parameters
    ----------
    compute : callable
        Returns the value.
    """

    def __init__(self, compute: Callable[[], _Value]) -> None:
        self._compute = compute
        self._lock = Lock()
        self._values: list[_Value] = []
        self._failure: DeepGazeError | None = None

    def __call__(self) -> _Value:
        """Return the value; the first call computes it, others wait for that."""
        with self._lock:
            if self._failure is not None:
                raise self._failure
            if not self._values:
                try:
                    self._values.append(self._compute())
                except DeepGazeError as error:
                    self._failure = error
                    raise
        return self._values[0]
