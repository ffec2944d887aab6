import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

from deepgaze2.density.center_bias import CenterBias
from deepgaze2.density.files import encoded, save_members, save_panel, summary
from deepgaze2.density.plot import overlay
from deepgaze2.density.prediction import Prediction
from deepgaze2.errors import OutputError
from deepgaze2.image.stimulus import Stimulus

SUFFIXES = [".png", ".jpg", ".npy", ".npz", ".h5", ".tiff", ".json"]


def _prediction(size: tuple[int, int] = (40, 30)) -> Prediction:
    width, height = size
    rng = np.random.default_rng(0)
    log_density = rng.normal(0, 2, (height, width))
    log_density -= np.log(np.exp(log_density).sum())
    pixels = rng.integers(0, 255, (height, width, 3)).astype(np.uint8)
    template = np.log(np.array([[0.5, 0.5]], np.float32))
    return Prediction(
        log_density.astype(np.float32),
        Stimulus(pixels, width, height, "photo.jpg"),
        CenterBias("uniform", template),
        "test",
        (20, 15),
    )


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_same_prediction_same_bytes(
    tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = tmp_path / f"a{suffix}", tmp_path / "new" / f"b{suffix.upper()}"
    _prediction().save(first)
    later = time.time() + 1e6
    monkeypatch.setattr(time, "time", lambda: later)
    _prediction().save(str(second))
    assert first.read_bytes() == second.read_bytes() == encoded(_prediction(), suffix)


def test_same_panel_same_bytes(tmp_path: Path) -> None:
    for name in "ab":
        save_panel(_prediction(), tmp_path / f"{name}.png", n_samples=20, seed=1)
    save_panel(_prediction(), tmp_path / "c.png", n_samples=20, seed=2)
    a, b, c = ((tmp_path / f"{name}.png").read_bytes() for name in "abc")
    assert a == b != c


def test_members_are_one_picture_of_as_many_parts(tmp_path: Path) -> None:
    one = _prediction()
    other = replace(one, log_density=one.log_density[:, ::-1].copy(), model="other")
    for name, shown in {
        "a": [one],
        "b": [one, other],
        "c": [one, other],
        "d": [other, one],
    }.items():
        save_members(shown, tmp_path / f"{name}.png")
    a, b, c, d = ((tmp_path / f"{name}.png").read_bytes() for name in "abcd")
    assert b == c
    assert len({a, b, d}) == 3
    with Image.open(tmp_path / "a.png") as alone, Image.open(tmp_path / "b.png") as both:
        assert (alone.format, both.format) == ("PNG", "PNG")
        assert both.height == alone.height
        assert 1.8 * alone.width < both.width < 2 * alone.width


def test_arrays_come_back_as_they_were(tmp_path: Path) -> None:
    prediction = _prediction()
    for suffix in SUFFIXES:
        prediction.save(tmp_path / f"p{suffix}")
    expected = prediction.log_density
    np.testing.assert_array_equal(np.load(tmp_path / "p.npy"), expected)
    with np.load(tmp_path / "p.npz", allow_pickle=False) as archive:
        np.testing.assert_array_equal(archive["log_density"], expected)
        assert archive["model"] == "test"
        assert archive["width"] == 40
    with h5py.File(tmp_path / "p.h5") as file:
        np.testing.assert_array_equal(file["log_density"], expected)
        assert file["log_density"].compression == "gzip"
        assert file["log_density"].attrs["center_bias"] == "uniform"
        assert file["log_density"].attrs["network_input_width"] == 20
    with Image.open(tmp_path / "p.tiff") as tiff:
        np.testing.assert_array_equal(np.asarray(tiff), expected)
    with Image.open(tmp_path / "p.png") as png:
        np.testing.assert_array_equal(np.asarray(png), overlay(prediction))
    with Image.open(tmp_path / "p.jpg") as jpeg:
        assert (jpeg.format, jpeg.size) == ("JPEG", (40, 30))


def test_json_holds_the_numbers_of_the_definition(tmp_path: Path) -> None:
    prediction = _prediction()
    prediction.save(tmp_path / "p.json")
    content = json.loads((tmp_path / "p.json").read_text("utf-8"))
    assert content == summary(prediction)
    p = np.exp(prediction.log_density.astype(np.float64))
    entropy_bits = -(p * np.log2(p)).sum()
    assert content["entropy_bits"] == pytest.approx(entropy_bits, rel=1e-6)
    # The center bias is uniform: log2 of the number of pixels, less the entropy.
    assert content["bits_above_center_bias"] == pytest.approx(
        np.log2(1200) - entropy_bits, rel=1e-4
    )
    y, x = np.unravel_index(p.argmax(), p.shape)
    assert content["peak"] == {"x": x + 0.5, "y": y + 0.5}
    for contour, share in zip(content["contours"], (0.25, 0.5, 0.75), strict=True):
        inside = prediction.log_density >= np.float32(contour["log_density"])
        assert contour["share_of_fixations"] == share
        assert p[inside].sum() == pytest.approx(share, abs=p.max())
        assert contour["share_of_area"] == inside.mean()


def test_json_of_a_density_with_zeros_is_finite() -> None:
    log_density = np.full((4, 8), -np.inf, np.float32)
    log_density[:, :3] = -np.log(12)  # pixels next to a cell without mass have none
    template = np.array([[0, 0, -np.inf, -np.inf]], np.float32)
    base = _prediction(size=(8, 4))
    prediction = Prediction(
        log_density, base.stimulus, CenterBias("left", template), "test", (8, 4)
    )
    assert summary(prediction)["entropy_bits"] == pytest.approx(np.log2(12))
    json.dumps(summary(prediction), allow_nan=False)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_names_of_files_need_not_be_text(tmp_path: Path, suffix: str) -> None:
    name = os.fsdecode(b"bias\xff")
    prediction = _prediction()
    center_bias = CenterBias(name, prediction.center_bias.template)
    replace(prediction, center_bias=center_bias).save(tmp_path / f"{name}{suffix}")
    assert (tmp_path / f"{name}{suffix}").stat().st_size > 0


@pytest.mark.parametrize("name", ["p.bmp", "p", "p.npy.gz"])
def test_unknown_suffix_names_the_known_ones(tmp_path: Path, name: str) -> None:
    with pytest.raises(OutputError, match=r"\.png.*\.npy.*\.h5.*\.json"):
        _prediction().save(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


_SAVE_LIMITED = """
import resource, sys
from pathlib import Path
import numpy as np
import matplotlib.font_manager  # may write its cache
from deepgaze2.errors import OutputError
sys.path.insert(0, sys.argv[1])
from test_prediction_files import SUFFIXES, _prediction
from deepgaze2.density.files import save_members, save_panel
resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
prediction = _prediction(size=(200, 150))
saves = [lambda s=s: prediction.save(Path(sys.argv[2]) / f"p{s}") for s in SUFFIXES[:-1]]
saves.append(lambda: save_panel(prediction, Path(sys.argv[2]) / "panel.png", 10, 0))
saves.append(lambda: save_members([prediction] * 2, Path(sys.argv[2]) / "members.png"))
for save in saves:
    try:
        save()
    except OutputError as error:
        print(error)
"""


def test_full_disk_leaves_nothing_half_written(tmp_path: Path) -> None:
    """A limit on the size of files fails in the middle of writing, as a full disk does."""
    arguments = [sys.executable, "-c", _SAVE_LIMITED, str(Path(__file__).parent), str(tmp_path)]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert len(lines) == len(SUFFIXES) + 1
    assert all("cannot be written" in line and str(tmp_path) in line for line in lines)
    assert done.stderr == ""
    assert list(tmp_path.iterdir()) == []


def test_unwritable_folder_is_an_output_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for suffix in SUFFIXES:
        with pytest.raises(OutputError, match="cannot be written"):
            _prediction().save(tmp_path / "file" / f"p{suffix}")
