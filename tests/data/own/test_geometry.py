"""Screens, images shown on them, origins and units: what is stated is undone exactly."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from PIL import Image

from deepgaze2.data.own.geometry import Geometry, maps_to_images
from deepgaze2.data.own.tabular import read_tabular
from deepgaze2.errors import DataError

SIDES = st.integers(16, 4000)
ORIGINS = ("top-left", "bottom-left", "center-down", "center-up")
UNITS = ("pixels", "normalized", "percent", "degrees")
UNITS_OF_SCREEN = (*UNITS, "height", "norm")


def rectangle(shown: Any, screen: tuple[int, int], size: tuple[int, int]) -> tuple[float, ...]:
    """Where on the screen an image is, from what the words mean."""
    if isinstance(shown, tuple):
        return shown
    if shown == "stretched":
        return (0, 0, *screen)
    scale = 1.0
    if shown == "fit":  # as large as both sides allow
        scale = screen[0] / size[0]
        if scale * size[1] > screen[1]:
            scale = screen[1] / size[1]
    wide, high = scale * size[0], scale * size[1]
    return (screen[0] - wide) / 2, (screen[1] - high) / 2, wide, high


def recorded(
    p: float, q: float, frame: tuple[int, int], origin: str, unit: str, ppd: float
) -> tuple[float, float]:
    """What a program writes for a position in pixels of a frame, p right and q down."""
    wide, high = frame
    if origin == "bottom-left":
        q = high - q
    elif origin == "center-down":
        p, q = p - wide / 2, q - high / 2
    elif origin == "center-up":
        p, q = p - wide / 2, high / 2 - q
    x_unit, y_unit = {
        "pixels": (1.0, 1.0),
        "normalized": (1 / wide, 1 / high),
        "percent": (100 / wide, 100 / high),
        "degrees": (1 / ppd, 1 / ppd),
        "height": (1 / high, 1 / high),
        "norm": (1 / (wide / 2), 1 / (high / 2)),
    }[unit]
    return p * x_unit, q * y_unit


@given(
    screen=st.none() | st.tuples(SIDES, SIDES),
    sizes=st.lists(st.tuples(SIDES, SIDES), min_size=1, max_size=4),
    shown=st.sampled_from(["centered", "fit", "stretched"])
    | st.tuples(*[st.floats(-500, 500)] * 2, *[st.floats(10, 3000)] * 2),
    origin=st.sampled_from(ORIGINS),
    unit=st.sampled_from(UNITS_OF_SCREEN),
    ppd=st.floats(5, 80),
    seed=st.integers(0, 999),
)
def test_any_stated_geometry_is_undone(
    screen: tuple[int, int] | None,
    sizes: list[tuple[int, int]],
    shown: Any,
    origin: Any,
    unit: Any,
    ppd: float,
    seed: int,
) -> None:
    if screen is None:
        unit = "normalized" if unit == "norm" else "percent" if unit == "height" else unit
    rng = np.random.default_rng(seed)
    true, table = [], []
    for size in sizes:
        u, v = rng.uniform(0, 1, 2)
        true.append((u * size[0], v * size[1]))
        frame = screen or size
        left, top, wide, high = rectangle(shown, frame, size) if screen else (0, 0, *size)
        table.append(recorded(left + u * wide, top + v * high, frame, origin, unit, ppd))
    x, y = np.array(table, np.float64).T.copy()
    width, height = np.array(sizes, np.int32).T
    geometry = Geometry(
        coordinates=unit,
        base=0,
        origin=origin,
        screen=screen,
        shown=shown if screen else None,
        pixels_per_degree=ppd if unit == "degrees" else None,
    )
    geometry.checked("a.csv", recorded=False)
    maps_to_images(width, height, geometry, None, ppd).apply(x, y)
    assert_allclose(np.stack([x, y], 1), true, rtol=1e-9, atol=1e-6)


@given(height=st.integers(2, 999), row=st.integers(0, 998), base=st.integers(0, 1))
def test_rows_of_pixels_may_be_numbered_from_below(height: int, row: int, base: Any) -> None:
    row %= height
    x, y = np.array([3.0 + base]), np.array([height - 1.0 - row + base])
    geometry = Geometry(coordinates="pixels", base=base, origin="bottom-left")
    sizes = np.full(1, 9, np.int32), np.full(1, height, np.int32)
    maps_to_images(*sizes, geometry, whole=True).apply(x, y)
    assert (x[0], y[0]) == (3, row)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "images").mkdir()
    Image.new("RGB", (800, 600)).save(tmp_path / "images" / "a.png")
    return tmp_path


def read(folder: Path, header: str, *rows: str, **stated: Any) -> tuple[Any, tuple[str, ...]]:
    (folder / "fixations.csv").write_text("\n".join([header, *rows, ""]))
    dataset = read_tabular(folder, **stated)
    return (dataset.fixations.x.tolist(), dataset.fixations.y.tolist()), dataset.notes


def test_columns_may_hold_where_images_were_shown(folder: Path) -> None:
    header = (
        "Presented Stimulus name,Fixation point X,Fixation point Y,"
        "Presented Media position X (DACSpx),Presented Media position Y (DACSpx),"
        "Presented Media width,Presented Media height"
    )
    rows = "a.png,960,540,560,240,1600,1200", "a.png,960,540,760,440,400,300"
    assert read(folder, header, *rows)[0] == ([200, 400], [150, 200])
    unknown = *rows, "a.png,960,540,,,,", "a.png,960,540,0,0,0,-1"
    assert np.isnan(read(folder, header, *unknown)[0]).tolist() == [[False] * 2 + [True] * 2] * 2
    assert read(folder, header, "a.png,96,54,,,,")[0] == ([96], [54])  # as if absent
    stated = header.replace("Fixation point X", "Fixation point X [MCS px]").replace(
        "Fixation point Y", "Fixation point Y [MCS px]"
    )
    assert read(folder, stated, rows[0].replace("960,540", "96,54"))[0] == ([96], [54])
    with pytest.raises(DataError, match="columns say where images were shown; leave out --shown"):
        read(folder, header, *rows, screen=(1920, 1080), shown="fit")
    with pytest.raises(DataError, match=r"'shown_x' needs all of shown_x, shown_y, shown_width"):
        read(folder, "image,x,y,l", "a.png,1,2,3", columns={"shown_x": "l"})


def test_norm_pos_counts_from_the_bottom(folder: Path) -> None:
    header, row = "image,norm_pos_x,norm_pos_y", "a.png,0.5,0.9"
    (x, y), notes = read(folder, header, row)
    assert (x, np.round(y, 9)) == ([400], [60])
    assert notes[0].startswith(
        "Positions are normalized, and 'norm_pos_y' counts from the bottom: Pupil Labs writes it so"
    )
    assert read(folder, header, row, origin="top-left")[0] == ([400], [540])


def test_gazepoint_counts_on_the_screen(folder: Path) -> None:
    header, row = "image,FPOGX,FPOGY", "a.png,0.5,0.25"
    assert "a fraction of the screen's width" in read(folder, header, row)[1][0]
    found, notes = read(folder, header, row, screen=(1000, 1000), shown="centered")
    assert found == ([400], [50])
    assert notes[0].startswith("Positions are taken as fractions of the screen's")


def test_degrees_take_their_size_from_the_list_of_stimuli(folder: Path) -> None:
    stated: Any = {"coordinates": "degrees", "origin": "center-up"}
    header, row = "image,x,y", "a.png,2,3"
    with pytest.raises(DataError, match="how large is a degree"):
        read(folder, header, row, **stated)
    (folder / "stimuli.csv").write_text("image,pixels_per_degree\na.png,20\n")
    assert read(folder, header, row, **stated)[0] == ([440], [240])
    assert read(folder, header, row, **stated, pixels_per_degree=10)[0] == ([420], [270])


@pytest.mark.parametrize(
    ("stated", "message"),
    [
        ({"screen": (1024, 768)}, "state --shown centered, fit, stretched or X,Y,WIDTH,HEIGHT"),
        ({"shown": "fit"}, "state --screen, such as 1920x1080"),
        ({"shown": (1.0, 2.0, 3.0, 4.0), "coordinates": "percent"}, "state --screen"),
        ({"shown": (1.0, 2.0, 3.0, 4.0), "origin": "center-up"}, "state --screen"),
        ({"shown": "fit", "screen": "none"}, "state --screen"),
        ({"coordinates": "degrees"}, "State --origin center-up"),
        ({"pixels_per_degree": 30.0}, "goes with --coordinates degrees"),
        ({"shown": (1.0, 2.0, 0.0, 4.0)}, "has a width and a height"),
        ({"shown": (1.0, float("nan"), 3.0, 4.0)}, "has a width and a height"),
        ({"screen": (0, 768), "shown": "fit"}, "a screen has pixels"),
    ],
)
def test_what_leaves_something_open_is_refused(
    folder: Path, stated: dict[str, Any], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        read(folder, "image,x,y", "a.png,200,300", **stated)


def test_units_of_psychopy_count_on_the_screen_from_its_center(folder: Path) -> None:
    centered: Any = {"screen": (1920, 1080), "shown": "centered"}  # the image is 800x600
    for unit, row, ppd in (
        ("height", "a.png,0.25,-0.125", None),  # 270 right, 135 down
        ("norm", "a.png,0.28125,-0.25", None),
        ("pix", "a.png,270,-135", None),
        ("deg", "a.png,9,-4.5", 30),
    ):
        known: Any = {**centered, "pixels_per_degree": ppd}
        told = "image,x,y,units", f"{row},{unit}"
        (x, y), notes = read(folder, *told, **known)
        assert (x, y) == ([670], [435])
        assert notes[0].startswith(f"Positions are in PsychoPy's {unit!r}, counted upward")
        with pytest.raises(DataError, match=f"count on the screen in {unit!r}; state --screen"):
            read(folder, *told, pixels_per_degree=ppd)
        if unit in ("height", "norm"):
            assert read(folder, "image,x,y", row, coordinates=unit, **centered)[0] == (x, y)
            for screen in (None, "none"):
                with pytest.raises(
                    DataError, match=f"{unit} is PsychoPy's unit of the screen; state"
                ):
                    read(folder, "image,x,y", row, coordinates=unit, screen=screen)
            turned = read(folder, *told, origin="center-down", **centered)[0]
            assert turned == ([670], [165])
    assert read(folder, "image,x,y,units", "a.png,70,-35,pix", screen="none")[0] == ([470], [335])


def test_a_column_of_units_must_be_one_that_can_be_read(folder: Path) -> None:
    header = "image,x,y,units"
    known: Any = {"screen": (1920, 1080), "shown": "centered"}
    with pytest.raises(DataError, match="has 'height', 'pix', but only one of height, norm, pix"):
        read(folder, header, "a.png,0.2,0.1,pix", "a.png,0.2,0.1,height", **known)
    with pytest.raises(DataError, match="has 'cm', but only one of height"):
        read(folder, header, "a.png,2,1,cm", **known)
    for ignored in ({"columns": {"units": "none"}}, {"coordinates": "pixels"}):
        assert read(folder, header, "a.png,2,1,height", base=0, **ignored)[0] == ([2], [1])
    assert read(folder, header, "a.png,2,1,lux", base=0)[0] == ([2], [1])  # of something else
    assert read(folder, header, "a.png,960,540,px", base=0, **known)[0] == ([400], [300])


def test_lists_of_samples_in_cells_are_refused(folder: Path) -> None:
    row = '0,"<img src=a.png>","[{""x"":12,""y"":40,""t"":19}]"'
    with pytest.raises(DataError, match=r"jsPsych's WebGazer .* a row for each"):
        read(folder, "trial_index,stimulus,webgazer_data", row)


def test_pixels_of_a_browsers_window_are_those_of_a_screen(folder: Path) -> None:
    rows = [f"a.png,{x},{y},{t}" for x, y, t in ((640, 360, 0), (400, 300, 400), (300, 500, 900))]
    (x, y), _ = read(
        folder,
        "image,x,y,t",
        *rows,
        screen=(1280, 720),
        shown=(240, 60, 800, 600),
        time="ms",
        base=0,
    )
    assert (x, y) == ([400, 160, 60], [300, 240, 440])
