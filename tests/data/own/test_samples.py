"""Tables of samples of the gaze, made from known fixations, which `detect` gives back."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image

from deepgaze2.data.dataset import Dataset
from deepgaze2.data.own.tabular import read_tabular
from deepgaze2.data.published.nus_vip import read_osie
from deepgaze2.errors import DataError
from helpers.gaze_samples import Recording, recorded

WIDTH, HEIGHT = 800, 600
PPD = 24.0  # OSIE's
RATES = [60, 1000]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "images").mkdir()
    for name in "ab":
        Image.new("RGB", (WIDTH, HEIGHT)).save(tmp_path / "images" / f"{name}.png")
    return tmp_path


def viewing(rng: np.random.Generator, rate: float, **blinks: Any) -> Recording:
    """Return seven fixations, each at least 3 degrees from the one before."""
    at_x = 400 + np.where(np.arange(7) % 2, 1, -1) * rng.uniform(40, 350, 7)
    at_y, lasting = rng.uniform(50, 550, 7), rng.uniform(0.12, 0.6, 7)
    return recorded(at_x, at_y, lasting, rate=rate, noise=0.05 * PPD, rng=rng, **blinks)


def cell(number: float) -> str:
    return "" if np.isnan(number) else f"{number:.3f}"


def rows_of(samples: Recording, head: str, began_s: float, tail: str = "") -> list[str]:
    return [
        f"{head},{1000 * (began_s + t):.3f},{cell(x)},{cell(y)}{tail}"
        for t, x, y in zip(samples.time_s, samples.x, samples.y, strict=True)
    ]


def written(folder: Path, lines: list[str]) -> Path:
    (folder / "gaze.csv").write_text("\n".join(lines) + "\n", "utf-8")
    return folder


def assert_found(dataset: Dataset, known: list[Recording], rate: float) -> None:
    """Compare with fixations on each image by each subject, within the sampling."""
    read = dataset.fixations
    assert len(read) == sum(len(one.at_x) for one in known)
    assert_array_equal(read.order, np.concatenate([np.arange(len(r.at_x)) for r in known]))
    at_x, at_y, lasting = (
        np.concatenate(parts)
        for parts in zip(*((r.at_x, r.at_y, r.ends_s - r.begins_s) for r in known), strict=True)
    )
    off = 2.0 if rate > 500 else 8.0  # px: of the saccade, a sample may count
    assert_allclose(read.x, at_x, rtol=0, atol=off)
    assert_allclose(read.y, at_y, rtol=0, atol=off)
    assert_allclose(read.duration_s, lasting, rtol=0, atol=2 * max(1 / rate, 0.012))


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("how", ["ivt", "idt"])
def test_known_fixations_come_back(folder: Path, how: str, rate: float) -> None:
    rng = np.random.default_rng(5)
    known, lines, clock = [], ["image,subject,time_ms,x,y"], 0.0
    for image in "ab":
        for subject in ("P1", "P2"):
            known.append(viewing(rng, rate, blinks_after=(2, 4)))
            lines += rows_of(known[-1], f"{image}.png,{subject}", clock)
            clock += known[-1].time_s[-1] + 1
    dataset = read_tabular(written(folder, lines), detect=how, pixels_per_degree=PPD)
    assert_found(dataset, known, rate)
    (note,) = (note for note in dataset.notes if "samples at" in note)
    n_lost = sum(int(np.isnan(one.x).sum()) for one in known)
    assert note.startswith(f"{len(lines) - 1} samples at {rate} Hz, {n_lost} of them without")
    assert "made 28 fixations: I-" in note


@pytest.mark.slow
def test_osies_fixations_come_back(shared_data: Path, folder: Path) -> None:
    """Of real scanpaths, those fixations that are far enough apart and long enough."""
    osie = read_osie(shared_data / "osie").fixations
    scanpath = osie[(osie.stimulus == 3) & (osie.subject == 2)]
    rng = np.random.default_rng(0)
    chosen = [0]
    for i in range(1, len(scanpath)):
        step = np.hypot(*(c[i] - c[chosen[-1]] for c in (scanpath.x, scanpath.y)))
        if step > 60 and scanpath.duration_s[i] > 0.1:
            chosen.append(i)
    x, y, lasting = (c[chosen].astype(float) for c in (scanpath.x, scanpath.y, scanpath.duration_s))
    assert len(x) >= 5
    for rate in RATES:
        known = recorded(x, y, lasting, rate=rate, noise=0.05 * PPD, rng=rng)
        lines = ["image,time_ms,x,y", *rows_of(known, "a", 0)]
        dataset = read_tabular(written(folder, lines), detect="ivt", pixels_per_degree=PPD)
        assert_found(dataset, [known], rate)


def test_both_eyes_kinds_and_validity(folder: Path) -> None:
    rng = np.random.default_rng(1)
    right = viewing(rng, 250)
    left = viewing(rng, 250)
    lines = ["image,time_ms,x,y,eye,event_type,valid"]
    lines += rows_of(left, "a", 0, ",Left,Fixation,1")
    lines += rows_of(right, "a", 0, ",Right,Saccade,1")  # a label that detecting disregards
    lines += [f"a,{t},5,5,Right,Blink,1" for t in range(9000, 9900, 4)]
    lines += [f"a,{t},5,5,Right,Fixation,0" for t in range(10000, 10900, 4)]
    by_time = sorted(lines[1:], key=lambda line: float(line.split(",")[1]))
    written(folder, [lines[0], *by_time])
    dataset = read_tabular(folder, detect="ivt", pixels_per_degree=PPD, eye="right")
    assert_found(dataset, [right], 250)
    assert any("are no samples of the gaze by their 'event_type'" in note for note in dataset.notes)
    dataset = read_tabular(folder, detect="ivt", pixels_per_degree=PPD, eye="left")
    assert_found(dataset, [left], 250)


def test_viewings_and_clocks(folder: Path) -> None:
    rng = np.random.default_rng(2)
    known, lines = [viewing(rng, 60) for _ in range(3)], ["image,subject,trial,timestamp,x,y"]
    for trial, one in enumerate(known):
        lines += rows_of(one, f"a,ann,{trial}", 1e4 * (trial + 1))
    dataset = read_tabular(written(folder, lines), detect="ivt", pixels_per_degree=PPD)
    assert_found(dataset, known, 60)
    assert dataset.subject_names == ("ann", "ann / viewing 2", "ann / viewing 3")
    assert np.isnan(dataset.fixations.start_s).all()  # a recording's clock


@pytest.mark.parametrize("scale", ["fractions", "percent", "screen"])
def test_degrees_of_what_positions_count_on(folder: Path, scale: str) -> None:
    known = viewing(np.random.default_rng(3), 60)
    sizes = {"fractions": (1 / WIDTH, 1 / HEIGHT), "percent": (100 / WIDTH, 100 / HEIGHT)}
    x_scale, y_scale = sizes.get(scale, (1.25, 1.25))  # a screen of 1000 x 750 that the image fills
    lines = ["image,time_s,x,y"] + [
        f"a,{t},{x * x_scale},{y * y_scale}"
        for t, x, y in zip(known.time_s, known.x, known.y, strict=True)
    ]
    options: dict[str, dict[str, Any]] = {
        "fractions": {"pixels_per_degree": PPD},
        "percent": {"pixels_per_degree": PPD, "coordinates": "percent"},
        "screen": {"pixels_per_degree": 1.25 * PPD, "screen": (1000, 750), "shown": "fit"},
    }
    dataset = read_tabular(written(folder, lines), detect="ivt", **options[scale])
    assert_found(dataset, [known], 60)


def test_degrees_of_stimuli_csv(folder: Path) -> None:
    known = viewing(np.random.default_rng(4), 60)
    (folder / "stimuli.csv").write_text(f"image,pixels_per_degree\na.png,{PPD}\nb.png,\n")
    dataset = read_tabular(
        written(folder, ["image,time_ms,x,y", *rows_of(known, "a", 0)]), detect="ivt"
    )
    assert_found(dataset, [known], 60)


def test_gaps(folder: Path) -> None:
    """What is lost for long ends a fixation, what is lost for a moment does not."""
    for lost, n in ((4, 1), (5, 2)):  # 67 and 83 ms
        lines = ["image,time_s,x,y"]
        for i in range(60):
            at = "," if 30 <= i < 30 + lost else "300,200"
            at = "0,0" if i == 32 else at  # lost, as some trackers write it
            lines.append(f"a,{i / 60:.4f},{at}")
        dataset = read_tabular(written(folder, lines), detect="idt", pixels_per_degree=PPD)
        assert len(dataset.fixations) == n
        assert_array_equal(dataset.fixations.x, 300)
        for shorter, more in ((40, 2), (100, 1)):
            how = f"ivt,gap_ms={shorter}"
            found = read_tabular(folder, detect=how, pixels_per_degree=PPD)
            assert len(found.fixations) == more


STILL = [f"a,{17 * i},300,200" for i in range(30)]


@pytest.mark.parametrize(
    ("lines", "options", "message"),
    [
        (
            ["image,t_ms,x,y", *STILL],
            {"pixels_per_degree": None},
            "State --pixels-per-degree of the",
        ),
        (
            ["image,t_ms,x,y", *STILL],
            {"pixels_per_degree": None, "screen": (1920, 1080), "shown": "fit"},
            "--pixels-per-degree of the screen$",
        ),
        (["image,nr,x,y", *STILL], {}, "times are needed; state --column start=NAME"),
        (["image,fix_nr,x,y", *STILL], {}, "'fix_nr' numbers fixations: leave out --detect"),
        (["image,t_ms,x,y,dur", *(f"{s},90" for s in STILL)], {}, "'dur' tells how long they last"),
        (["image,t,x,y", *STILL], {"time": "s"}, "times in steps of 17 are no samples"),
        (["image,t,x,y", *(s for s in STILL for _ in "LR")], {}, "--column eye=NAME"),
        (["image,t,x,y", *STILL[::-1]], {}, "times go back from row to row"),
        (["image,t,x,y", *(f"a,{i},," for i in range(9))], {}, "hardly a row has a position"),
        (["image,t,x,y", *(f"a,{17 * i},{90 * i},2" for i in range(9))], {}, "no fixation among 9"),
    ],
)
def test_what_is_refused(
    folder: Path, lines: list[str], options: dict[str, Any], message: str
) -> None:
    stated = {"detect": "ivt", "pixels_per_degree": PPD, **options}
    with pytest.raises(DataError, match=message):
        read_tabular(written(folder, lines), **stated)


def test_a_refusal_offers_it(folder: Path) -> None:
    with pytest.raises(DataError, match=r"look like samples of the gaze.*--detect ivt"):
        read_tabular(written(folder, ["image,t_ms,x,y", *STILL]))
