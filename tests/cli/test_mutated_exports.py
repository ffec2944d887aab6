"""No mutation of a correct export is misread in silence.

Of real fixations on real images, each is read right, refused, or warned of in the first line of
`data check`.
"""

from collections import Counter
from pathlib import Path

import pytest

from deepgaze2.data.dataset import Dataset
from deepgaze2.data.published.nus_vip import read_osie
from helpers.correct_exports import LAYOUTS, makers
from helpers.misreading import outcome
from helpers.mutations import mutations


@pytest.fixture(scope="module")
def osie(shared_data: Path) -> Dataset:
    return read_osie(shared_data / "osie")


def counted(
    folder: Path, dataset: Dataset, n_images: int, n_subjects: int, n: int, seed: int
) -> Counter[str]:
    """Count the outcomes of n mutations, and fail on the first that is silent."""
    outcomes = Counter[str]()
    made = makers(dataset, n_images, n_subjects, seed)
    for number, (name, mutated) in enumerate(mutations(n, seed, made)):
        what, why = outcome(mutated.write(folder / str(number)), mutated)
        assert what != "SILENT", f"{name}: {why}"
        outcomes[what] += 1
    return outcomes


@pytest.mark.parametrize("layout", LAYOUTS)
def test_correct_exports_are_read_without_a_warning(
    tmp_path: Path, osie: Dataset, layout: str
) -> None:
    (maker,) = makers(osie, 5, 3, 0, [layout])
    correct = maker.of()
    assert outcome(correct.write(tmp_path / "export"), correct)[0] == "right"


def test_a_dozen_mutations(tmp_path: Path, osie: Dataset) -> None:
    counted(tmp_path, osie, 12, 5, 12, seed=1)


@pytest.mark.slow
def test_two_hundred_mutations(tmp_path: Path, osie: Dataset) -> None:
    found = counted(tmp_path, osie, 12, 5, 200, seed=1)
    assert min(found["right"], found["refused"], found["warned"]) > 20
