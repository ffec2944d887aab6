"""Models to and from pysaliency (https://github.com/matthias-k/pysaliency)."""

import inspect
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from deepgaze2.errors import ModelError
from deepgaze2.model import CenterBiasSource, Model
from deepgaze2.support.python_objects import imported

_PREDICTING = ("log_density", "saliency_map")  # of pysaliency's Model and SaliencyMapModel


class PysaliencyModel(Protocol):
    """What is used of `pysaliency.Model`."""

    caching: bool

    def log_density(self, stimulus: object) -> NDArray[np.float64]:
        """Return the log density of a stimulus or an array, (H, W), nats."""


def as_pysaliency(
    model: Model,
    *,
    center_bias: CenterBiasSource | None = None,
    pixels_per_degree: float | None = None,
) -> "PysaliencyModel":
    """Return a model as a `pysaliency.Model`.

    Parameters
    ----------
    model : Model
        Any of ours, from `deepgaze2.load`.
    center_bias, pixels_per_degree
        As in `Model.predict`.

    Returns
    -------
    pysaliency.Model
        Its `log_density` takes one of pysaliency's stimuli or an array (H, W) or (H, W, 3), uint8,
        and returns float64 (H, W), nats. As all of pysaliency's it keeps what it computed in memory
        unless its `caching` is set to False.

    Raises
    ------
    ModelError
        If pysaliency is not installed.
    """
    try:
        import pysaliency
    except ImportError as error:
        raise ModelError(
            "models of pysaliency's need pysaliency; pip install pysaliency"
        ) from error

    class DeepGaze2(pysaliency.Model):  # type: ignore[misc]
        def _log_density(self, stimulus: NDArray[Any]) -> NDArray[np.float64]:
            options: dict[str, Any] = {"pixels_per_degree": pixels_per_degree, "viewport": "none"}
            predicted = model.predict(np.asarray(stimulus), center_bias=center_bias, **options)
            return predicted.log_density.astype(np.float64)

    return DeepGaze2()


def imported_function(name: str, path: str) -> Callable[[NDArray[np.uint8]], Any]:
    """Return what is to be evaluated as `python:module.something`.

    Parameters
    ----------
    name
        What to call it in an error.
    path
        `module.something`: a function of pixels, a model of pysaliency's, or what makes such a
        model without being told anything, a function or a class.

    Returns
    -------
    callable
        Takes pixels (H, W, 3) and returns (H, W).

    Raises
    ------
    ModelError
        If it cannot be imported, or no model can be made.
    """
    found: Any = imported(name, path)
    if _makes_something(found):
        try:
            found = found()
        except Exception as error:  # whatever somebody's code raises
            raise ModelError(
                f"{name}: fails with {type(error).__name__} ({error}); correct the function"
            ) from error
        if not _is_model(found):
            raise ModelError(
                f"{name}: takes no pixels and returns no model of pysaliency's but"
                f" {type(found).__name__}; take pixels, or return such a model"
            )
    if not _is_model(found):
        if callable(found):
            return found  # type: ignore[no-any-return]
        raise ModelError(f"{name}: is {type(found).__name__}; give a function or a model")
    found.caching = False  # or it keeps the maps of all images
    return next(getattr(found, kind) for kind in _PREDICTING if hasattr(found, kind))  # type: ignore[no-any-return]


def _is_model(found: object) -> bool:
    return any(callable(getattr(found, kind, None)) for kind in _PREDICTING)


def _makes_something(found: object) -> bool:
    """Tell whether something is a class of models, or a function that takes nothing."""
    if inspect.isclass(found):
        return _is_model(found)
    return inspect.isfunction(found) and not inspect.signature(found).parameters
