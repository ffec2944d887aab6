from pathlib import Path

import pytest

from deepgaze2.data.published.mit300 import read_mit300
from deepgaze2.data.sources import open_dataset
from deepgaze2.errors import DataError
from helpers.plain_rows import write_image


@pytest.fixture
def imitation(tmp_path: Path) -> Path:
    for name, width in (("i1", 8), ("i2", 10), ("i10", 9)):
        write_image(tmp_path / "BenchmarkIMAGES" / f"{name}.jpg", width, 6)
    write_image(tmp_path / "BenchmarkIMAGES" / "SM" / "i1.jpg", 8, 6)
    return tmp_path


def test_reads_an_imitation(imitation: Path) -> None:
    dataset = read_mit300(imitation / "BenchmarkIMAGES")
    assert dataset.stimuli.ids == ("i1.jpg", "i2.jpg", "i10.jpg")
    assert dataset.stimuli.width.tolist() == [8, 10, 9]
    assert dataset.stimuli.pixels_per_degree.tolist() == [35, 35, 35]
    assert len(dataset.fixations) == 0


def test_training_on_it_says_why_not(imitation: Path) -> None:
    assert len(open_dataset(f"mit300:{imitation}", raw=True).stimuli) == 3
    with pytest.raises(DataError, match=r"no fixations to train on.*private"):
        open_dataset(f"mit300:{imitation}")


def test_another_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no \.jpg images"):
        read_mit300(tmp_path)
