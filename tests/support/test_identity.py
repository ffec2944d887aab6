"""The same is the same wherever it lies; what decides a number is part of what it is."""

import ast
from dataclasses import dataclass

import numpy as np
import pytest

from deepgaze2.support import identity
from deepgaze2.support.identity import checksum, code_version
from helpers.edited_source import PACKAGE, Edit, edit

__all__ = ["edit"]  # a fixture


@dataclass(frozen=True)
class Pair:
    first: object
    second: object = 0


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("ab", "c"), ("a", "bc")),
        ((["a"], "b"), (["a", "b"],)),
        ((1,), (1.0,)),
        ((None,), ("None",)),
        ((np.zeros((2, 3)),), (np.zeros((3, 2)),)),
        ((np.zeros(2, np.float32),), (np.zeros(1),)),
        ((Pair("x"),), (Pair("x", 1),)),
        (({"a": 1},), ({"b": 1},)),
    ],
)
def test_different_values_have_different_checksums(
    one: tuple[object, ...], other: tuple[object, ...]
) -> None:
    assert checksum(*one) != checksum(*other)


def test_equal_values_have_one_checksum() -> None:
    array = np.arange(6.0).reshape(2, 3)
    assert checksum(Pair(array, (1, "x"))) == checksum(Pair(np.asfortranarray(array), [1, "x"]))
    assert len(checksum()) == 64
    with pytest.raises(TypeError, match="object: what it is"):
        checksum([object()])


def test_code_is_a_module_and_what_it_imports(edit: Edit) -> None:
    for edited, counts in (
        ("rivals/on_pixels/aim.py", False),
        ("support/cores.py", False),
        ("readout/numpy_readout.py", True),
        ("model.py", True),
    ):
        before = code_version("deepgaze2.model")
        edit(edited)
        assert (code_version("deepgaze2.model") != before) is counts


def test_what_a_module_to_stop_at_imports_does_not_count(edit: Edit) -> None:
    modules, stop = ("deepgaze2.model", "deepgaze2.store"), ("deepgaze2.model", "deepgaze2.store")
    for edited, counts in (
        ("readout/numpy_readout.py", False),
        ("store.py", True),
        ("model.py", True),
    ):
        before = code_version(*modules, stop=stop)
        edit(edited)
        assert (code_version(*modules, stop=stop) != before) is counts


def test_imports_are_those_that_python_sees() -> None:
    for path in PACKAGE.rglob("*.py"):
        source = path.read_text()
        expected = set()
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Import):
                expected |= {one.name for one in node.names if one.name.startswith("deepgaze2")}
            if isinstance(node, ast.ImportFrom):
                assert not node.level, f"{path}: a relative import would not be followed"
                if node.module and node.module.startswith("deepgaze2"):
                    expected |= {node.module, *(f"{node.module}.{one.name}" for one in node.names)}
        assert expected <= set(identity._imported(source)), path
