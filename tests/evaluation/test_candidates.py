"""What can be evaluated: found by name, and never shown what it is to predict."""

import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from deepgaze2 import rivals
from deepgaze2.data import Dataset
from deepgaze2.errors import DeepGazeError, ModelError
from deepgaze2.evaluation.candidates import Candidate, function_candidate, open_candidate
from deepgaze2.references.references import References, fit_references
from deepgaze2.rivals import RIVALS, Rival
from deepgaze2.store import find_model
from helpers.edited_source import Edit, edit
from helpers.small_datasets import patches

__all__ = ["edit"]  # a fixture


@pytest.fixture(scope="module")
def references(tmp_path_factory: pytest.TempPathFactory) -> References:
    dataset = patches(tmp_path_factory.mktemp("patches"), 12)
    return fit_references(dataset.without_first())


def only_density(candidate: Candidate, i: int) -> NDArray[np.floating]:
    (view,) = candidate.views(i)
    assert view.chosen is None
    assert np.exp(view.log_density.astype(np.float64)).sum() == pytest.approx(1, abs=1e-4)
    return view.log_density


def moved_fixations(dataset: Dataset, i: int) -> Dataset:
    """The data set with all fixations on one image in its corner."""
    fixations = dataset.fixations
    here = fixations.stimulus == i
    x, y = np.where(here, 1.5, fixations.x), np.where(here, 1.5, fixations.y)
    return replace(dataset, fixations=replace(fixations, x=x, y=y))


def brightness(pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
    return np.asarray(np.abs(pixels.mean(axis=2) - 128))


def peaked(pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
    values = brightness(pixels) / 10
    return np.asarray(values - np.log(np.exp(values).sum()))


def raising(pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
    return np.asarray(brightness(pixels)[-1, pixels.shape[1]])


def complex_values(pixels: NDArray[np.uint8]) -> Any:
    return brightness(pixels) * 1j


def broken(pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
    return brightness(pixels)[1:]


def test_uniform_and_center_bias(references: References) -> None:
    uniform = only_density(open_candidate("uniform", references), 3)
    np.testing.assert_allclose(uniform, -np.log(150 * 100))
    center = open_candidate("center-bias", references)
    np.testing.assert_array_equal(only_density(center, 3), references.baseline.log_density_map(3))


@pytest.mark.parametrize("name", ["center-bias", "spectral-residual"])
def test_an_images_own_fixations_change_nothing_on_it(references: References, name: str) -> None:
    """All parameters but the data set's bandwidths stay the same, so these are kept."""
    moved = moved_fixations(references.dataset, 4)
    other = References(moved, replace(references.baseline, dataset=moved), references.gold)
    before = only_density(open_candidate(name, references), 4)
    np.testing.assert_allclose(only_density(open_candidate(name, other), 4), before, atol=1e-5)
    if name == "center-bias":
        changed = only_density(open_candidate(name, other), 5)
        assert np.abs(changed - references.baseline.log_density_map(5)).max() > 0.01


def test_the_gold_standard_leaves_each_subject_out(references: References) -> None:
    gold = open_candidate("gold-standard", references)
    rows, columns = references.dataset.fixations_on(2).pixel()
    found = np.full(len(rows), np.nan)
    for view in gold.views(2):
        assert view.chosen is not None
        found[view.chosen] = view.log_density[rows, columns][view.chosen]
    assert references.gold is not None
    offsets = references.dataset.offsets
    np.testing.assert_allclose(
        found, references.gold.log_density[offsets[2] : offsets[3]], rtol=1e-6
    )
    alone = References(references.dataset.of_subjects([0]), references.baseline, None)
    with pytest.raises(ModelError, match="seen by two subjects"):
        open_candidate("gold-standard", alone)


def test_a_function_gives_maps_or_log_densities(references: References) -> None:
    density = function_candidate(peaked, "peaked", references)
    assert density.identity == ""  # what it depends on cannot be told, so nothing is kept
    (view,) = density.views(0)
    assert view.saliency is None
    maps = function_candidate(brightness, "brightness", references)
    (view,) = maps.views(0)
    assert view.saliency is not None
    assert np.exp(view.log_density.astype(np.float64)).sum() == pytest.approx(1, abs=1e-4)
    assert "fitted to other images" in maps.note
    with pytest.raises(DeepGazeError, match=r"0\.png: the map has shape \(99, 150\)"):
        function_candidate(broken, "broken", references)


def test_what_a_function_raises_is_one_line(references: References) -> None:
    with pytest.raises(ModelError, match=r"raising: fails with IndexError \(.*out of bounds"):
        function_candidate(raising, "raising", references)
    with pytest.raises(DeepGazeError, match=r"0\.png: the map holds complex128 values"):
        function_candidate(complex_values, "complex", references)


def test_a_map_that_cannot_be_used_fails_the_fit_once(references: References) -> None:
    asked: list[int] = []

    def fails(pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
        asked.append(len(asked))
        return brightness(pixels) if len(asked) == 1 else brightness(pixels) * np.nan

    maps = function_candidate(fails, "fails", references)
    for i in range(4):
        with pytest.raises(DeepGazeError, match="contains NaN"):
            list(maps.views(i))
    assert len(asked) == 1 + 4 + 1  # to see what it is, each image's, the first one of the fit


def test_a_function_is_found_by_its_name(
    references: References, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = open_candidate("python:test_candidates.peaked", references)
    np.testing.assert_array_equal(
        only_density(found, 0), only_density(function_candidate(peaked, "p", references), 0)
    )
    for name in ("python:nowhere.f", "python:test_candidates.nothing", "python:f"):
        with pytest.raises(ModelError, match="cannot be imported"):
            open_candidate(name, references)
    (tmp_path / "a_broken_module.py").write_text("1 / 0\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelError, match=r"cannot be imported \(division by zero\)"):
        open_candidate("python:a_broken_module.f", references)


def test_maps_in_a_folder(
    references: References, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for i in range(len(references.dataset.stimuli)):
        path = references.dataset.stimuli.path(i)
        from deepgaze2.image.stimulus import read_stimulus

        np.save(tmp_path / f"{i}.npy", peaked(read_stimulus(path).pixels))
    density = open_candidate(f"densities:{tmp_path}", references)
    expected = only_density(function_candidate(peaked, "p", references), 7)
    np.testing.assert_allclose(only_density(density, 7), expected, atol=1e-5)
    monkeypatch.setenv("HOME", str(tmp_path.parent))
    monkeypatch.setenv("USERPROFILE", str(tmp_path.parent))
    (view,) = open_candidate(f"maps:~/{tmp_path.name}", references).views(7)
    assert view.saliency is not None


def test_unknown_names_are_answered_with_the_known_ones(references: References) -> None:
    for name in ("xyz", "maps:", "nowhere/model"):
        with pytest.raises(ModelError, match=r"called so; give one of .*gold-standard.*aim"):
            open_candidate(name, references)
    with pytest.raises(ModelError, match="did you mean 'gold-standard'"):
        open_candidate("goldstandard", references)


def edited_card(folder: Path, **architecture: object) -> Path:
    """A copy of a packaged model in a folder, with something else in its card."""
    shutil.copytree(find_model("deepgaze2"), folder)
    card = json.loads((folder / "card.json").read_text())
    card["branches"][0]["architecture"] |= architecture
    (folder / "card.json").write_text(json.dumps(card))
    return folder


def test_a_model_is_its_content_wherever_it_lies(references: References, tmp_path: Path) -> None:
    def identity(folder: Path | str) -> str:
        return open_candidate(str(folder), references).identity

    packaged = identity("deepgaze2")
    assert identity(edited_card(tmp_path / "copy")) == packaged
    assert identity(edited_card(tmp_path / "softplus", activation="softplus")) != packaged


@pytest.mark.parametrize(
    ("names", "edits"),
    [
        (
            ("aim", "edn", "itti-koch"),
            {
                "rivals/on_pixels/aim.py": {"aim"},
                "rivals/on_pixels/edn_layers.py": {"edn"},
                "rivals/on_pixels/pixels.py": {"aim", "edn", "itti-koch"},
                "rivals/fitted/saliency_fit.py": {"aim", "edn", "itti-koch"},
                "reporting/html_report.py": set(),
            },
        ),
        (
            ("deepgaze1", "deepgaze2"),
            {
                "rivals/fitted/deepgaze1.py": {"deepgaze1"},
                "density/mixture.py": {"deepgaze2"},
            },
        ),
    ],
)
def test_what_an_edit_changes_is_another_and_the_rest_stay_the_same(
    references: References, edit: Edit, names: tuple[str, ...], edits: dict[str, set[str]]
) -> None:
    before = [open_candidate(name, references).identity for name in names]
    for edited, others in edits.items():
        edit(edited)
        after = [open_candidate(name, references).identity for name in names]
        changed = zip(names, before, after, strict=True)
        assert {name for name, one, other in changed if one != other} == others, edited
        before = after


def test_a_rivals_weights_are_part_of_it(
    references: References, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file under one name, and a packaged one."""

    def saliency(pixels: NDArray[np.uint8], weights: Path) -> NDArray[np.float64]:
        return brightness(pixels) * float(weights.read_text())

    entry = Rival("test_candidates", "Weighted", "nobody", "weighted", weights="a number")
    monkeypatch.setitem(RIVALS, "weighted", entry)
    monkeypatch.setattr(sys.modules["test_candidates"], "weighted", saliency, raising=False)
    file = tmp_path / "weights.txt"
    found = []
    for number in ("1", "2"):
        file.write_text(number)
        found.append(open_candidate(f"weighted:{file}", references).identity)
    assert found[0] != found[1]
    (view,) = open_candidate(f"weighted:{file}", references).views(0)
    assert view.saliency is not None
    with pytest.raises(ModelError, match="no such file; give the weights of Weighted"):
        open_candidate(f"weighted:{tmp_path / 'nothing'}", references)

    before = RIVALS["aim"].identity
    monkeypatch.setattr(rivals, "ASSETS", tmp_path)
    (tmp_path / "rivals").mkdir()
    (tmp_path / "rivals" / "aim_basis.safetensors").write_bytes(b"others")
    assert RIVALS["aim"].identity != before
