"""Published data sets that are complete, a part, altered, or another edition."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from deepgaze2.data.dataset import Dataset
from deepgaze2.data.published.declared import Declaration, Expected, declared_dataset
from deepgaze2.data.published.expected import differences, edition_note, nearer_edition
from deepgaze2.data.published.nus_vip import read_osie
from helpers.small_datasets import fixations_at, moved, stimuli_of

N_IMAGES, N_EACH = 4, 6
X = np.arange(N_IMAGES * N_EACH) % 50
WHOLE = Dataset(
    "whole",
    stimuli_of(N_IMAGES),
    fixations_at(np.repeat(np.arange(N_IMAGES), N_EACH), X, X + 1, subject=X % 3),
)
DECLARATION = Declaration(
    name="toy",
    title="Toy",
    expect=Expected(images=4, subjects=3, fixations=24, mean_x=11.5, mean_y=12.5),
)


def rows(n: int) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    return np.arange(len(WHOLE.fixations)) < n


def test_what_agrees_has_no_difference() -> None:
    assert differences(WHOLE, DECLARATION) == []
    assert differences(WHOLE, replace(DECLARATION, expect=Expected())) == []


def test_a_total_may_be_without_fixations_outside() -> None:
    columns = {
        name: np.append(getattr(WHOLE.fixations, name), value)
        for name, value in (("stimulus", 0), ("subject", 0), ("order", 9), ("x", -5), ("y", 5))
    }
    more = replace(WHOLE, fixations=fixations_at(**columns))
    assert differences(more, DECLARATION) == []
    all_of_them = replace(
        DECLARATION,
        expect=Expected(4, 3, 25, columns["x"].mean(), columns["y"].mean()),
    )
    assert differences(more, all_of_them) == []


def test_a_part_of_the_images_is_no_mistake() -> None:
    (found,) = differences(WHOLE.select([0, 3]), DECLARATION)
    assert (found.kind, found.count) == ("images fewer than the published set has", 2)
    assert found.examples == ("2 found, 4 expected",)
    assert not found.fatal


@pytest.mark.parametrize(
    ("dataset", "kinds", "example"),
    [
        (
            WHOLE.keep(rows(20)),
            ["fixations fewer than the published set has"],
            "20 found, 24 expected",
        ),
        (
            WHOLE.keep(WHOLE.fixations.subject != 1),
            [
                "fixations fewer than the published set has",
                "subjects fewer than the published set has",
            ],
            "16 found, 24 expected",
        ),
        (
            moved(WHOLE, WHOLE.fixations.x, WHOLE.fixations.y + 0.5),
            ["fixations whose mean position is not the published one"],
            "(11.500, 13.000) found, (11.5, 12.5) expected",
        ),
        (
            replace(WHOLE, stimuli=stimuli_of(5)),
            ["images more than the published set has"],
            "5 found, 4 expected",
        ),
    ],
)
def test_whole_sets_must_agree(dataset: Dataset, kinds: list[str], example: str) -> None:
    found = differences(dataset, DECLARATION)
    assert [problem.kind for problem in found] == kinds
    assert found[0].examples == (example,)
    assert all(problem.fatal for problem in found)


def looked_at(n_images: int, per_image: float) -> Dataset:
    stimulus = np.sort(np.arange(round(n_images * per_image)) % n_images)
    table = fixations_at(stimulus, stimulus % 99, stimulus % 99)
    return Dataset("SALICON", stimuli_of(n_images), table)


@pytest.mark.parametrize("name", ["salicon2015", "salicon2017"])
@pytest.mark.parametrize("per_image", [250, 317, 370, 395, 460, 600])
def test_editions_of_salicon_are_told_apart(name: str, per_image: float) -> None:
    actual = "salicon2015" if per_image < 380 else "salicon2017"
    declaration = declared_dataset(name)
    part = looked_at(100, per_image)
    nearer = nearer_edition(part, declaration)
    note = edition_note(part, declaration)
    if name == actual:
        assert nearer is None
        assert note == ()
    else:
        assert nearer == declared_dataset(actual)
        assert note[0].startswith(f"{per_image} fixations per image, which is nearer to {actual} ")
    assert nearer_edition(looked_at(99, per_image), declaration) is None


def test_a_whole_edition_under_the_name_of_the_other() -> None:
    totals = {"salicon2015": 3171533, "salicon2017": 4598112}
    whole = looked_at(10000, totals["salicon2017"] / 10000)
    assert differences(whole, declared_dataset("salicon2017")) == []
    (found,) = differences(whole, declared_dataset("salicon2015"))
    assert found.fatal
    assert found.count == totals["salicon2017"] - totals["salicon2015"]
    assert found.advice.endswith("name it salicon2017")


def test_600_of_osies_images(shared_data: Path) -> None:
    osie = declared_dataset("osie")
    dataset = read_osie(shared_data / "osie")
    (found,) = differences(dataset, osie)
    assert (found.count, found.fatal) == (100, False)
    assert nearer_edition(dataset, osie) is None
