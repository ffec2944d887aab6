"""Positions compared with where a model says that people look."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

from deepgaze2.data.dataset import Dataset
from deepgaze2.errors import DataError
from deepgaze2.evaluation.placement import placed, placement_problems, predicted_maps
from deepgaze2.loading import load
from helpers.small_datasets import HEIGHT, WIDTH, moved, patches

LOOK = "where people look in them"


@pytest.fixture
def sound(tmp_path: Path) -> Dataset:
    return patches(tmp_path, 12)


def test_a_sound_set_has_no_problem(sound: Dataset) -> None:
    assert placement_problems(sound) == []
    assert placed(sound, "csv:own", stated=False) is sound


def test_maps_are_the_models_densities_in_cells(sound: Dataset) -> None:
    maps = predicted_maps(sound.select(range(4)))
    density = np.exp(
        load("deepgaze2-fast")
        .predict(sound.stimuli.path(3), center_bias="uniform")
        .log_density.astype(np.float64)
    )
    assert_allclose(np.exp(maps[3], dtype=np.float64).mean(), 1, rtol=1e-5)
    # 3 by 2 parts of the image: their masses are those of their cells
    parts = density.reshape(2, HEIGHT // 2, 3, WIDTH // 3).sum((1, 3))
    cells = np.exp(maps[3], dtype=np.float64).reshape(2, 48, 3, 32).sum((1, 3)) / 96**2
    assert_allclose(cells, parts, rtol=0.05)


def test_flipped_and_moved_positions_are_refused(sound: Dataset) -> None:
    f = sound.fixations
    for x, y, better in (
        (f.x, HEIGHT - f.y, "with y counted from below"),
        (WIDTH - f.x, f.y, "with x counted from the right"),
        (f.x + 0.2 * WIDTH, f.y, "moved by -20% of the width and "),
    ):
        wrong = moved(sound, x, y)
        (problem,) = placement_problems(wrong)
        assert problem.kind.startswith(f"images whose fixations fit {LOOK} better {better}")
        assert problem.fatal
        with pytest.raises(DataError, match=rf"^csv:own: .*better {better}.*state .*--screen none"):
            placed(wrong, "csv:own", stated=False)
        warned = placed(wrong, "csv:own", stated=True)
        first = f"Look again at the positions: images whose fixations fit {LOOK}"
        assert warned.notes[0].startswith(first)


def test_fixations_in_the_order_of_other_images_are_warned_of(sound: Dataset) -> None:
    order = np.roll(np.arange(len(sound.stimuli)), 1)
    ids, paths = sound.stimuli.ids, sound.stimuli.paths
    shuffled = replace(
        sound.stimuli, ids=tuple(ids[i] for i in order), paths=tuple(paths[i] for i in order)
    )
    wrong = replace(sound, stimuli=shuffled)
    (problem,) = placement_problems(wrong)
    assert problem.kind == f"images whose fixations have no relation to {LOOK}"
    assert problem.doubtful
    assert not problem.fatal
    assert placed(wrong, "csv:own", stated=False).notes[0].startswith("Look again")


def test_one_subject_whose_screen_was_another(sound: Dataset) -> None:
    f = sound.fixations
    x = np.where(f.subject == 1, WIDTH - f.x, f.x)
    named = replace(moved(sound, x, f.y), subject_names=("ann", "bob", "eve"))
    (problem,) = placement_problems(named)
    assert problem.count == 1
    assert problem.examples[0].startswith("subject bob better with x counted from the right")
    assert not problem.fatal


def test_few_images_and_images_that_are_not_at_hand_tell_nothing(sound: Dataset) -> None:
    wrong = moved(sound, sound.fixations.x, HEIGHT - sound.fixations.y)
    assert placement_problems(wrong.select(range(3))) == []
    for path in sound.stimuli.paths:
        assert path
        path.unlink()
    assert predicted_maps(wrong) == {}
    assert placement_problems(wrong) == []
