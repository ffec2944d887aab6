"""Training curves: drawn now and then, and at the end."""

from pathlib import Path
from xml.etree import ElementTree

import pytest

from deepgaze2.training import curves as module
from deepgaze2.training.curves import CurveDrawing, draw_curves
from deepgaze2.training.fit import Curve

CURVES = {
    "pretraining-fold1-seed1": Curve((0.1, 0.3), (), (1, 2)),
    "finetuning-fold1-seed1": Curve((0.4, 0.5, 0.6), (0.3, 0.35, 0.3), (1, 2, 3)),
    "finetuning-fold2-seed1": Curve((0.4,), (0.3,), (1,)),
}


def lines_drawn(path: Path) -> int:
    """Lines in a stage's color."""
    drawn = ElementTree.parse(path).getroot().iter("{http://www.w3.org/2000/svg}path")
    colors = ("stroke: #1f77b4", "stroke: #ff7f0e")
    return sum(
        element.get("style", "").find("none; ") >= 0
        and any(color in element.get("style", "") for color in colors)
        for element in drawn
    )


def test_each_training_has_a_line_and_one_more_if_images_are_held_out(tmp_path: Path) -> None:
    draw_curves(CURVES, tmp_path / "curves.svg")
    # Three trainings, two of them with held-out images, and the legends' three samples.
    assert lines_drawn(tmp_path / "curves.svg") == 3 + 2 + 3
    assert [path.name for path in tmp_path.iterdir()] == ["curves.svg"]


def test_it_is_drawn_at_once_then_now_and_then_and_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[list[str]] = []
    now = 1000.0
    monkeypatch.setattr(module, "draw_curves", lambda curves, _: drawn.append(list(curves)))
    monkeypatch.setattr("time.monotonic", lambda: now)
    before, *names = CURVES
    drawing = CurveDrawing(tmp_path, {before: CURVES[before]})
    drawing({names[0]: CURVES[names[0]]})
    assert drawn == [[before, names[0]]]
    now += 9
    drawing(CURVES)
    assert len(drawn) == 1
    now += 2
    drawing(CURVES)
    assert len(drawn) == 2
    drawing(CURVES, last=True)
    assert drawn[2] == list(CURVES)
