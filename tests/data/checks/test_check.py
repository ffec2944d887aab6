"""Every kind of problem is found and counted, and a sound data set has none."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from deepgaze2.data.checks.check import check
from deepgaze2.data.checks.problem import Problem
from deepgaze2.data.checks.table_problems import first_at_center, table_problems
from deepgaze2.data.dataset import Dataset
from deepgaze2.data.published.nus_vip import read_osie
from helpers.small_datasets import HEIGHT, WIDTH, fixations_at, moved, patches, stimuli_of

EXCHANGED = "fixations that fit their image only with x and y exchanged"
OUTSIDE = "fixations outside their image"
NOWHERE = "fixations without a position"
TWICE = "fixations that equal another of the same subject in everything"


@pytest.fixture
def sound(tmp_path: Path) -> Dataset:
    return patches(tmp_path)


def by_kind(problems: list[Problem]) -> dict[str, Problem]:
    return {problem.kind: problem for problem in problems}


def test_a_sound_set_has_no_problem(sound: Dataset) -> None:
    assert check(sound) == []


def test_images(sound: Dataset) -> None:
    paths = sound.stimuli.paths
    assert all(paths)
    named = [Path(str(path)) for path in paths]
    named[3].unlink()
    named[4].write_bytes(named[4].read_bytes()[:200])
    Image.new("RGB", (WIDTH, HEIGHT + 1)).save(named[5])
    stimuli = replace(sound.stimuli, paths=(None, *paths[1:]))
    found = by_kind(check(replace(sound, stimuli=stimuli)))
    assert all(problem.fatal for problem in found.values())
    assert len(found) == 3
    missing = found["images that are missing"]
    assert (missing.count, missing.examples) == (2, ("0.png", "3.png"))
    (damaged,) = found["images that cannot be read"].examples
    assert "4.png" in damaged
    (resized,) = found["images of another size than the table says"].examples
    assert resized.startswith(str(named[5]))
    assert resized.endswith("has 150 by 101 pixels, not 150 by 100")


def changed(column: str, value: float, n: int) -> Callable[[Dataset], Dataset]:
    """Set a column of the first `n` fixations."""

    def change(dataset: Dataset) -> Dataset:
        values = getattr(dataset.fixations, column).copy()
        values[:n] = value
        return replace(dataset, fixations=replace(dataset.fixations, **{column: values}))

    return change


@pytest.mark.parametrize(
    ("change", "kind", "count", "fatal"),
    [
        (changed("x", np.nan, 7), NOWHERE, 7, False),
        (changed("y", np.inf, 7), NOWHERE, 7, False),
        (changed("x", -0.001, 22), OUTSIDE, 22, False),
        (changed("x", WIDTH, 22), OUTSIDE, 22, False),
        (changed("y", HEIGHT, 23), OUTSIDE, 23, True),  # of 450: over 5%
        (changed("duration_s", 0, 3), "durations of zero or less", 3, False),
        (changed("duration_s", -0.1, 2), "durations of zero or less", 2, False),
    ],
)
def test_single_fixations(
    sound: Dataset, change: Callable[[Dataset], Dataset], kind: str, count: int, fatal: bool
) -> None:
    found = by_kind(check(change(sound)))
    assert list(found) == [kind]
    assert (found[kind].count, found[kind].fatal) == (count, fatal)
    assert len(found[kind].examples) == min(count, 3)
    assert found[kind].examples[1].startswith("0.png, subject 0, fixation 1 at (")


@given(
    st.lists(
        st.tuples(*[st.integers(0, 1)] * 4, st.sampled_from([np.nan, 0.1]), st.integers(1, 2)),
        max_size=12,
    )
)
def test_duplicates_are_those_of_a_count(rows: list[tuple[int, int, int, int, float, int]]) -> None:
    stimulus, subject, x, y, start, duration = np.array(rows, float).reshape(-1, 6).T
    table = fixations_at(stimulus, x, y, subject=subject, start_s=start, duration_s=duration)
    found = by_kind(table_problems(Dataset("toy", stimuli_of(2), table)))[TWICE]
    # Where a fixation begins tells more than how long it was: of samples, durations grow.
    counts = Counter(
        tuple(str(value) for value in (row[:5] if np.isfinite(row[4]) else row)) for row in rows
    )
    assert found.count == sum(count - 1 for count in counts.values())


def test_who_did_not_look_and_what_was_not_looked_at(sound: Dataset) -> None:
    f = sound.fixations
    named = replace(sound, subject_names=("ab", "cd", "ef", "gh"))
    fewer = named.keep((f.subject != 1) & (f.stimulus != 4) & (f.stimulus != 9))
    found = by_kind(check(fewer))
    assert found["subjects with no fixation"].examples == ("cd", "gh")
    assert found["images with no fixation"].examples == ("4.png", "9.png")
    assert len(found) == 2
    assert not any(problem.fatal for problem in found.values())


def test_exchanged_axes(sound: Dataset) -> None:
    exchanged = moved(sound, sound.fixations.y, sound.fixations.x)
    found = by_kind(check(exchanged))
    assert {kind for kind in found if found[kind].fatal} == {EXCHANGED, OUTSIDE}
    assert found[EXCHANGED].count == np.count_nonzero(sound.fixations.x >= HEIGHT)
    clipped = by_kind(check(exchanged.without_outside()))
    assert set(clipped) == {EXCHANGED}


def test_normalized_coordinates(sound: Dataset) -> None:
    found = by_kind(check(moved(sound, sound.fixations.x / WIDTH, sound.fixations.y / HEIGHT)))
    assert found["all positions between 0 and 1"].fatal
    assert found["all positions between 0 and 1"].count == 450
    assert "gaze is not centered on the images" in found


def test_coordinates_of_a_screen(sound: Dataset) -> None:
    found = by_kind(table_problems(moved(sound, sound.fixations.x + 200, sound.fixations.y + 100)))
    assert found[OUTSIDE].fatal
    assert found["gaze is not centered on the images"].count == 450
    assert found[EXCHANGED].count == 0


def test_another_recording_tells_exchanged_axes_without_any_image(sound: Dataset) -> None:
    square = replace(
        sound, stimuli=replace(stimuli_of(25, 150, 150), ids=sound.stimuli.ids), name="eye"
    )
    mouse = moved(square, square.fixations.y, square.fixations.x)
    without_images = {"images that are missing"}
    assert set(by_kind(check(mouse))) == without_images
    assert set(by_kind(check(square, square))) == without_images
    found = by_kind(check(mouse, square.select(np.arange(24, -1, -1))))  # in another order
    assert set(found) - without_images == {
        "images whose fixations fit the fixations of eye better with x and y exchanged"
    }


def test_first_fixations_at_the_center(sound: Dataset) -> None:
    assert first_at_center(sound) is True
    assert first_at_center(sound.without_first()) is None
    f = sound.fixations
    elsewhere = sound.keep(f.order > 0)
    renumbered = replace(elsewhere.fixations, order=elsewhere.fixations.order - 1)
    assert first_at_center(replace(elsewhere, fixations=renumbered)) is False


def test_an_empty_set() -> None:
    found = by_kind(check(Dataset("none", stimuli_of(2), fixations_at([], [], []))))
    assert set(found) == {"images that are missing", "images with no fixation"}


def test_osie_is_sound_and_its_mistakes_are_found(shared_data: Path) -> None:
    osie = read_osie(shared_data / "osie").select(np.arange(40))
    assert [problem.kind for problem in check(osie) if problem.fatal] == []
    assert first_at_center(osie) is True
    exchanged = moved(osie, osie.fixations.y, osie.fixations.x)
    found = by_kind(check(exchanged))
    assert {kind for kind in found if found[kind].fatal} == {EXCHANGED, OUTSIDE}
    assert {EXCHANGED} <= set(by_kind(check(exchanged.without_outside())))
