"""Positions that are no pixels of their images: refused, unless they cannot be told from such."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from deepgaze2.data.own.geometry import Geometry, maps_to_images
from deepgaze2.data.own.plausibility import likelier
from deepgaze2.data.own.tabular import read_tabular
from deepgaze2.data.sources import open_dataset
from deepgaze2.errors import DataError

SIZES = [(800, 600), (1024, 683), (600, 800), (640, 480), (1000, 500)]
Floats = NDArray[np.float64]
Change = Callable[[Floats, Floats, Floats, Floats], tuple[Floats, Floats]]


def recorded(
    folder: Path, n_images: int, change: Change, n_rows: int = 60, spread: float = 0.22
) -> Path:
    """Positions as people's are, around the center and inside, then changed."""
    rng = np.random.default_rng(0)
    lines, sizes = ["image,x,y"], ["image,width,height"]
    for i in range(n_images):
        width, height = SIZES[i % len(SIZES)]
        sizes.append(f"{i}.jpg,{width},{height}")
        x, y = rng.normal(0.5, spread, (2, 3 * n_rows))
        inside = (abs(x - 0.5) < 0.5) & (abs(y - 0.5) < 0.5)
        x, y = width * x[inside][:n_rows], height * y[inside][:n_rows]
        w, h = np.full(len(x), float(width)), np.full(len(x), float(height))
        lines += [f"{i}.jpg,{a:.6f},{b:.6f}" for a, b in zip(*change(x, y, w, h), strict=True)]
    (folder / "stimuli.csv").write_text("\n".join(sizes))
    (folder / "fixations.csv").write_text("\n".join(lines) + "\n")
    return folder


def on_screen(width: int, height: int, how: str) -> Change:
    def change(x: Floats, y: Floats, w: Floats, h: Floats) -> tuple[Floats, Floats]:
        if how == "stretched":
            return x * width / w, y * height / h
        scale = np.minimum(width / w, height / h) if how == "fit" else np.ones(len(w))
        return (width - scale * w) / 2 + scale * x, (height - scale * h) / 2 + scale * y

    return change


def same(x: Floats, y: Floats, w: Floats, h: Floats) -> tuple[Floats, Floats]:
    return x, y


@pytest.mark.parametrize("n_images", [1, 3, 5, 12, 50])
@pytest.mark.parametrize("spread", [0.05, 0.08, 0.15, 0.3])
def test_pixels_of_the_images_are_read(tmp_path: Path, n_images: int, spread: float) -> None:
    dataset = read_tabular(recorded(tmp_path, n_images, same, spread=spread))
    assert not any("Look again" in note for note in dataset.notes)


@pytest.mark.parametrize("how", ["centered", "fit", "stretched"])
@pytest.mark.parametrize("screen", [(1920, 1080), (1280, 1024), (1680, 1050)])
def test_pixels_of_a_screen_are_refused_and_right_once_stated(
    tmp_path: Path, screen: tuple[int, int], how: Any
) -> None:
    folder = recorded(tmp_path, 25, on_screen(*screen, how))
    with pytest.raises(DataError, match=rf"fixations\.csv: .*{screen[0]}x{screen[1]} screen.*"):
        read_tabular(folder)
    with pytest.raises(DataError, match=f"--screen {screen[0]}x{screen[1]} --shown {how}"):
        read_tabular(folder)
    stated = read_tabular(folder, screen=screen, shown=how)
    (tmp_path / "plain").mkdir()
    plain = read_tabular(recorded(tmp_path / "plain", 25, same))
    np.testing.assert_allclose(stated.fixations.x, plain.fixations.x, atol=1e-4)
    np.testing.assert_allclose(stated.fixations.y, plain.fixations.y, atol=1e-4)
    assert not any("Look again" in note for note in stated.notes)


@pytest.mark.parametrize(
    ("new_x", "new_y", "message"),
    [
        ("100 * x / w", "100 * y / h", "state --coordinates percent"),
        ("x - w / 2", "y - h / 2", "--origin center-down"),
        ("x / w - 0.5", "y / h - 0.5", "--coordinates normalized --origin center-down"),
        ("(x - w / 2) / 35", "(h / 2 - y) / 35", "--coordinates degrees"),
        ("y", "x", "--column x=y --column y=x"),
        ("x / 2", "y / 2", "on images 0.5 times as large"),
        ("224 * x / w", "224 * y / h", "--shown 0,0,224,224"),
        ("x + w / 2", "y", "look as if|of positions lie beside their images"),
        ("x", "y - h / 2", "look as if|of positions lie beside their images"),
    ],
)
def test_other_units_origins_and_scales_are_refused(
    tmp_path: Path, new_x: str, new_y: str, message: str
) -> None:
    def change(x: Floats, y: Floats, w: Floats, h: Floats) -> tuple[Floats, Floats]:
        known = {"x": x, "y": y, "w": w, "h": h}
        return eval(new_x, known), eval(new_y, known)

    with pytest.raises(DataError, match=message):
        read_tabular(recorded(tmp_path, 25, change))


def test_what_the_user_is_sure_of_is_read_with_a_warning_first(tmp_path: Path) -> None:
    folder = recorded(tmp_path, 25, on_screen(1920, 1080, "fit"))
    dataset = read_tabular(folder, screen="none")
    assert dataset.notes[0].startswith("Look again at what was stated: positions look as if recor")
    wrong = read_tabular(folder, screen=(1024, 768), shown="centered")
    assert wrong.notes[0].startswith("Look again at what was stated: positions look as if recorded")


def test_a_table_in_the_own_format_is_looked_at_too(tmp_path: Path) -> None:
    recorded(tmp_path, 12, on_screen(1920, 1080, "centered"))
    _, *rows = (tmp_path / "fixations.csv").read_text().splitlines()
    own = ["image,x_px,y_px,subject,order,start_s,duration_s", *(f"{row},,,," for row in rows)]
    (tmp_path / "fixations.csv").write_text("\n".join(own))
    with pytest.raises(DataError, match="1920x1080"):
        read_tabular(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mit1003", "osie", "eyecrowd", "figrim_images"])
def test_real_recordings_are_read(shared_data: Path, tmp_path: Path, name: str) -> None:
    """All of it, and parts of 5 to 50 images: there is never a reading much likelier."""
    source = f"osie:{shared_data / name}" if name == "osie" else f"csv:{shared_data / name}"
    dataset = open_dataset(source, raw=True)
    rng = np.random.default_rng(0)
    n = len(dataset.stimuli)
    for size in (n, *[5] * 20, *[12] * 10, *[50] * 3):
        part = dataset.select(np.sort(rng.choice(n, size, replace=False)))
        f, width, height = part.fixations, part.stimuli.width, part.stimuli.height
        geometry = Geometry(coordinates="pixels", base=0)
        sizes = width[f.stimulus], height[f.stimulus]
        maps = maps_to_images(*sizes, geometry)
        assert likelier(f.x, f.y, f.stimulus, sizes, maps, geometry) is None
