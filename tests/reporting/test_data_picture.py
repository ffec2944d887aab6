"""The picture shows the numbers of the data set, and draws whatever the set lacks."""

from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from PIL import Image

from deepgaze2.data.dataset import Dataset
from deepgaze2.errors import DataError
from deepgaze2.reporting.data_picture import picture
from helpers.small_datasets import HEIGHT, WIDTH, fixations_at, patches, stimuli_of


def drawn(dataset: Dataset) -> dict[str, Axes]:
    """Render the picture and return its axes by what they show."""
    figure = picture(dataset)
    figure.savefig(buffer := BytesIO())
    assert Image.open(buffer).size == (1200, 700)
    names = ("counts", "bias", "0", "1", "2")
    return dict(zip(names, figure.axes, strict=False))


def test_shows_counts_center_bias_and_stimuli(tmp_path: Path) -> None:
    dataset = patches(tmp_path)
    on_first = dataset.fixations.stimulus == 0
    fewer = dataset.keep(~on_first | (dataset.fixations.order < 2))
    axes = drawn(fewer)
    bars = [patch for patch in axes["counts"].patches if isinstance(patch, Rectangle)]
    heights = [bar.get_height() for bar in bars]
    assert sum(heights) == 25
    assert heights[0] == 1
    assert heights[-1] == 24
    ratio = axes["bias"].images[0].get_array()
    assert ratio is not None
    assert ratio.mean() == pytest.approx(1, abs=1e-4)
    dots = axes["0"].collections[0].get_offsets()
    first = fewer.fixations_on(0)
    np.testing.assert_allclose(np.asarray(dots), np.stack([first.x, first.y], axis=1))
    assert axes["0"].get_xlim() == (0, WIDTH)
    assert axes["0"].get_ylim() == (HEIGHT, 0)
    assert axes["0"].get_title() == "0.png: 6 fixations"
    assert axes["2"].get_title() == "24.png: 18 fixations"


def test_draws_without_images_and_with_one_stimulus_only() -> None:
    odd = replace(stimuli_of(1, 30, 3000), ids=("größe$_像.png",), paths=(None,))
    dataset = Dataset("$odd_", odd, fixations_at(np.zeros(1000), np.zeros(1000), np.arange(1000)))
    axes = drawn(dataset)
    assert "1000 fixations, 334 shown" in axes["0"].get_title()
    assert not axes["1"].axison


def test_nothing_to_draw() -> None:
    with pytest.raises(DataError, match="no fixation lies on an image"):
        picture(Dataset("empty", stimuli_of(2), fixations_at([0], [-1], [5])))
