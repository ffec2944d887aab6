"""Models to and from pysaliency.

With pysaliency itself where it is installed, else with a stand-in that has the interface of its
models: a public method that caches and a private one that computes, of an array or a stimulus.
"""

import importlib.util
import sys
import warnings
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from deepgaze2.errors import ModelError
from deepgaze2.evaluation.candidates import open_candidate
from deepgaze2.evaluation.pysaliency_models import as_pysaliency
from deepgaze2.references.references import References, fit_references
from helpers.small_datasets import patches
from helpers.small_models import tiny_model


class _Cached:
    def __init__(self) -> None:
        self.caching = True
        self.cache: dict[bytes, Any] = {}

    def _of(self, stimulus: Any, compute: Any) -> Any:
        pixels = getattr(stimulus, "stimulus_data", stimulus)
        if not self.caching:
            return compute(pixels)
        return self.cache.setdefault(pixels.tobytes(), compute(pixels))


class _Model(_Cached):
    def log_density(self, stimulus: Any) -> Any:
        return self._of(stimulus, self._log_density)  # type: ignore[attr-defined]


class _SaliencyMapModel(_Cached):
    def saliency_map(self, stimulus: Any) -> Any:
        return self._of(stimulus, self._saliency_map)  # type: ignore[attr-defined]


@pytest.fixture
def pysaliency(monkeypatch: pytest.MonkeyPatch) -> Any:
    if importlib.util.find_spec("pysaliency"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what it uses is outdated in parts
            return importlib.import_module("pysaliency")
    stand_in = ModuleType("pysaliency")
    datasets = SimpleNamespace(Stimulus=SimpleNamespace)
    vars(stand_in).update(Model=_Model, SaliencyMapModel=_SaliencyMapModel, datasets=datasets)
    monkeypatch.setitem(sys.modules, "pysaliency", stand_in)
    return stand_in


MODULE = """
import numpy as np
import pysaliency

class Bright(pysaliency.SaliencyMapModel):
    def _saliency_map(self, stimulus):
        return np.abs(stimulus.mean(axis=2) - 128)

class Peaked(pysaliency.Model):
    def _log_density(self, stimulus):
        values = np.abs(stimulus.mean(axis=2) - 128) / 10
        return values - np.log(np.exp(values).sum())

def make():
    return Peaked()

def nothing():
    return 3

def fails():
    return 1 / 0

def peaked(pixels):
    return Peaked().log_density(pixels)

model = Peaked()
number = 3
"""


@pytest.fixture(scope="module")
def references(tmp_path_factory: pytest.TempPathFactory) -> References:
    return fit_references(patches(tmp_path_factory.mktemp("patches"), 12).without_first())


@pytest.fixture
def theirs(pysaliency: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "their_models.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "their_models", raising=False)
    return "python:their_models"


@pytest.mark.parametrize("color", [True, False])
def test_ours_as_one_of_theirs(pysaliency: Any, color: bool) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    pixels = pixels if color else np.ascontiguousarray(pixels[..., 0])
    ours = tiny_model()
    adapted = as_pysaliency(ours, center_bias="uniform", pixels_per_degree=20)
    assert isinstance(adapted, pysaliency.Model)
    expected = ours.predict(pixels, center_bias="uniform", pixels_per_degree=20).log_density
    for stimulus in (pixels, pysaliency.datasets.Stimulus(stimulus_data=pixels)):
        found = adapted.log_density(stimulus)
        assert found.dtype == np.float64
        np.testing.assert_array_equal(found, expected)
    assert np.exp(found).sum() == pytest.approx(1, abs=1e-4)


def test_without_pysaliency(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pysaliency", None)
    with pytest.raises(ModelError, match="pip install pysaliency"):
        as_pysaliency(tiny_model())


def density(references: References, name: str) -> NDArray[np.floating]:
    [view] = open_candidate(name, references).views(2)
    return view.log_density


def test_theirs_are_evaluated(references: References, theirs: str) -> None:
    expected = density(references, f"{theirs}.peaked")
    for name in ("make", "Peaked", "model"):
        np.testing.assert_array_equal(density(references, f"{theirs}.{name}"), expected)
    module: Any = sys.modules["their_models"]
    assert not module.model.caching  # or memory would grow with the number of images
    [view] = open_candidate(f"{theirs}.Bright", references).views(2)
    assert view.saliency is not None
    assert np.exp(view.log_density.astype(np.float64)).sum() == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("nothing", "takes no pixels and returns no model of pysaliency's but int; take pixels"),
        ("fails", r"fails with ZeroDivisionError \(division by zero\); correct the function"),
        ("number", "is int; give a function or a model"),
        ("gone", "cannot be imported"),
    ],
)
def test_what_is_no_model(references: References, theirs: str, name: str, problem: str) -> None:
    with pytest.raises(ModelError, match=problem):
        open_candidate(f"{theirs}.{name}", references)
