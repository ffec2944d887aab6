"""Nested parameters as a vector: order, structure, and refusal of what does not fit."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from deepgaze2.errors import OptimizationError
from deepgaze2.training.optim.flatten import flatten, unflatten

NUMBERS = st.floats(-1e6, 1e6)
LEAVES = NUMBERS | arrays(np.float64, array_shapes(min_dims=0, min_side=0), elements=NUMBERS)
NESTED = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text(max_size=2), inner, max_size=3)
    ),
    max_leaves=8,
)


def assert_same(found: Any, expected: Any) -> None:
    assert type(found) is type(expected)
    if isinstance(expected, dict):
        assert list(found) == list(expected)
        for key in expected:
            assert_same(found[key], expected[key])
    elif isinstance(expected, list | tuple):
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            assert_same(one, other)
    else:
        assert np.shape(found) == np.shape(expected)
        np.testing.assert_array_equal(found, expected)


@settings(deadline=None)
@given(NESTED)
def test_unflattening_restores_structure_shapes_and_numbers(parameters: Any) -> None:
    assert_same(unflatten(flatten(parameters), parameters), parameters)


def test_order_is_depth_first_with_sorted_keys_and_row_by_row() -> None:
    columns_first = np.asfortranarray([[1.0, 2.0], [3.0, 4.0]])
    parameters = [{"b": columns_first, "a": 0}, (5.0, [np.array(6, np.float32)])]
    vector = flatten(parameters)
    assert vector.dtype == np.float64
    assert vector.tolist() == [0, 1, 2, 3, 4, 5, 6]


def test_unflattened_arrays_are_copies() -> None:
    vector = np.zeros(3)
    unflatten(vector, [np.ones(2), 1.0])[0][:] = 7
    assert not vector.any()


@pytest.mark.parametrize(
    ("gradient", "message"),
    [
        ({"w": np.zeros((3, 2)), "b": [0.0]}, r"parameters\['w'\] has shape \(3, 2\); \(2, 3\)"),
        ({"w": np.zeros((2, 3)), "b": [np.zeros(1)]}, r"parameters\['b'\]\[0\] has shape \(1,\)"),
        ({"w": np.zeros((2, 3))}, r"parameters\['b'\]\[0\] is in only one"),
        ({"w": np.zeros((2, 3)), "b": [0.0], "c": 1.0}, r"parameters\['c'\] is in only one"),
        ({"w": np.zeros((2, 3)), "b": ["1"]}, r"parameters\['b'\]\[0\] is of type str"),
        ({"w": np.zeros((2, 3)), "b": [None]}, r"parameters\['b'\]\[0\] is of type NoneType"),
    ],
)
def test_gradients_of_another_form_are_refused(gradient: Any, message: str) -> None:
    with pytest.raises(OptimizationError, match=message):
        flatten(gradient, like={"w": np.ones((2, 3)), "b": [1.0]})


@pytest.mark.parametrize("size", [3, 5])
def test_vectors_of_another_size_are_refused(size: int) -> None:
    with pytest.raises(OptimizationError, match=r"\(4,\) is wanted"):
        unflatten(np.zeros(size), [np.zeros((3, 1)), 0.0])
