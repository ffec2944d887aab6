"""What users name as `python:module.function`."""

import importlib
import sys
from collections.abc import Callable
from typing import Any

from deepgaze2.errors import ModelError


def imported(name: str, path: str) -> Callable[..., Any]:
    """Return a function of a module, which may lie in the working folder.

    Parameters
    ----------
    name
        What to call it in an error.
    path
        `module.function`.

    Raises
    ------
    ModelError
        If it cannot be imported.
    """
    module, _, function_name = path.rpartition(".")
    sys.path.insert(0, "")  # as `python -m` has it
    try:
        function: Callable[..., Any] = getattr(importlib.import_module(module), function_name)
    except Exception as error:  # whatever running somebody's module raises
        raise ModelError(f"{name}: cannot be imported ({error}); give MODULE.FUNCTION") from error
    finally:
        sys.path.remove("")
    return function
