from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from deepgaze2.errors import OutputError
from deepgaze2.reporting.figures.style import drawable, save_figure


def _figure() -> Figure:
    figure = Figure(layout="constrained")
    ax = figure.subplots()
    ax.imshow(np.random.default_rng(0).random((9, 9)))
    ax.set_title(drawable("Kümmerer $x_1$ \n 眼"))
    return figure


def test_names_become_drawable() -> None:
    assert drawable("Kümmerer 眼\n") == "Kümmerer ??"
    assert drawable("costs $1$") == r"costs \$1\$"
    assert drawable("maps:/one/very/long/path/that/ends/here", 20) == "maps:/one...nds/here"
    assert len(drawable("x" * 99, 21)) == 21
    assert drawable("x" * 21, 21) == "x" * 21


def test_a_figure_is_written_alike_twice(tmp_path: Path) -> None:
    first = save_figure(_figure(), tmp_path / "1", "name")
    second = save_figure(_figure(), tmp_path / "2", "name")
    assert [path.name for path in first] == ["name.pdf", "name.svg", "name.png"]
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes()
    assert "mmerer $x_1$" in first[1].read_text(encoding="utf-8")  # text stays text


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="file"):
        save_figure(_figure(), tmp_path / "file", "name")
