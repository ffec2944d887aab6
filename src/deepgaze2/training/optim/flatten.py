"""Parameters as one vector: any nesting of lists, tuples and dictionaries of arrays and numbers.

The order is depth first: sequences in their order, dictionaries by sorted key, arrays row by row.
"""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepgaze2.errors import OptimizationError

Parameters = Any  # an array or number, or lists, tuples and dictionaries of such, nested


def flatten(parameters: Parameters, like: Parameters = None) -> NDArray[np.float64]:
    """Return all numbers of nested parameters as one vector.

    Parameters
    ----------
    parameters
        Where leaves are anything that NumPy makes an array of numbers of.
    like
        Parameters whose structure and shapes these must have; give them when flattening a
        gradient, since the vector's size alone does not tell that two arrays are swapped.

    Raises
    ------
    OptimizationError
        If a leaf is not an array of numbers, or not of the shape that it has in `like`.
    """
    leaves = dict(_leaves(parameters, ""))
    if like is not None:
        _check_shapes(leaves, dict(_leaves(like, "")))
    return np.concatenate([leaf.ravel() for leaf in leaves.values()] or [np.zeros(0)])


def unflatten(vector: NDArray[np.float64], like: Parameters) -> Parameters:
    """Return a vector's numbers in the structure and shapes of `like`, as float64.

    Raises
    ------
    OptimizationError
        If the vector is not as long as `like` has numbers.
    """
    size = sum(leaf.size for _, leaf in _leaves(like, ""))
    if vector.shape != (size,):
        raise OptimizationError(f"a vector of shape {vector.shape}; ({size},) is wanted")
    filled, _ = _fill(like, vector)
    return filled


def _leaves(parameters: Parameters, name: str) -> Iterator[tuple[str, NDArray[np.float64]]]:
    """Yield the name and the array of each leaf."""
    if isinstance(parameters, dict):
        for key in sorted(parameters):
            yield from _leaves(parameters[key], f"{name}[{key!r}]")
    elif isinstance(parameters, list | tuple):
        for index, part in enumerate(parameters):
            yield from _leaves(part, f"{name}[{index}]")
    else:
        leaf = np.asarray(parameters)
        if leaf.dtype.kind not in "iuf":
            raise OptimizationError(
                f"parameters{name} is of type {type(parameters).__name__}; "
                "an array of real numbers is wanted"
            )
        yield name, leaf.astype(np.float64)


def _check_shapes(
    leaves: dict[str, NDArray[np.float64]], wanted: dict[str, NDArray[np.float64]]
) -> None:
    if differing := sorted(leaves.keys() ^ wanted.keys()):
        raise OptimizationError(f"parameters{differing[0]} is in only one of two structures")
    for name, leaf in leaves.items():
        if leaf.shape != wanted[name].shape:
            raise OptimizationError(
                f"parameters{name} has shape {leaf.shape}; {wanted[name].shape} is wanted"
            )


def _fill(like: Parameters, vector: NDArray[np.float64]) -> tuple[Parameters, NDArray[np.float64]]:
    """Return `like` filled from the vector's beginning, and the rest of the vector."""
    if isinstance(like, dict):
        parts = {}
        for key in sorted(like):
            parts[key], vector = _fill(like[key], vector)
        return {key: parts[key] for key in like}, vector
    if isinstance(like, list | tuple):
        items = []
        for item in like:
            filled, vector = _fill(item, vector)
            items.append(filled)
        return type(like)(items), vector
    shape = np.shape(like)
    size = math.prod(shape)
    leaf = vector[:size].reshape(shape).copy()
    return leaf if shape or isinstance(like, np.ndarray) else float(leaf), vector[size:]
