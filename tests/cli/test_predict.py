import csv
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from deepgaze2.cli import main
from deepgaze2.cli.batch import find_images, plan
from deepgaze2.cli.predict import predict
from deepgaze2.density.center_bias import CenterBias
from deepgaze2.density.prediction import Prediction
from deepgaze2.errors import DeepGazeError, OutputError, RegionError, StimulusError
from deepgaze2.image.stimulus import read_stimulus


class FakeModel:
    """Stands for a model: uniform densities, and a record of what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.options: dict[str, object] = {}
        self.interrupt_after = 1_000

    def predict_many(
        self,
        sources: Iterable[str],
        *,
        on_error: Callable[[str, DeepGazeError], None],
        **options: object,
    ) -> Iterator[Prediction]:
        self.options = options
        for i, source in enumerate(sources):
            if i == self.interrupt_after:
                raise KeyboardInterrupt
            self.asked.append(source)
            try:
                stimulus = read_stimulus(source)
            except DeepGazeError as error:
                on_error(source, error)
                continue
            shape = stimulus.height, stimulus.width
            log_density = np.full(shape, -np.log(shape[0] * shape[1]), np.float32)
            left = CenterBias("left", np.log(np.repeat([0.75, 0.25], 20)[None] / 20, dtype="f4"))
            yield Prediction(log_density, stimulus, left, "fake", (8, 8))


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> FakeModel:
    fake = FakeModel()
    monkeypatch.setattr("deepgaze2.loading.load", lambda *_args, **_options: fake)
    return fake


def photo(path: Path, size: tuple[int, int] = (40, 30)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, "gray").save(path)
    return path


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(predict, [os.fspath(argument) for argument in arguments])


def files_in(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder).as_posix()) for p in folder.rglob("*") if p.is_file())


def test_one_photo_gives_overlay_panel_and_log_density(tmp_path: Path, model: FakeModel) -> None:
    out = tmp_path / "new" / "out"
    result = run(photo(tmp_path / "cat.png"), "-o", out, "--center-bias", "osie")
    assert result.exit_code == 0, result.output
    assert files_in(out) == ["cat.npy", "cat_overlay.png", "cat_panel.png"]
    assert np.load(out / "cat.npy").shape == (30, 40)
    assert "1 image predicted" in result.stdout
    assert f"{out}{os.sep}" in result.stdout
    assert "s per prediction" in result.stdout
    assert model.options.pop("on_screen")
    assert model.options == {
        "center_bias": "osie",
        "pixels_per_degree": None,
        "viewport": "auto",
        "scroll": None,
    }


def test_formats_and_options(tmp_path: Path, model: FakeModel) -> None:
    formats = ["npz", "h5", "tiff", "json", "h5"]
    arguments = [f"--format={name}" for name in formats]
    image = photo(tmp_path / "cat.png")
    result = run(image, "-o", tmp_path / "out", *arguments, "--pixels-per-degree", "35")
    assert result.exit_code == 0, result.output
    assert files_in(tmp_path / "out") == [
        *("cat.h5", "cat.json", "cat.npz", "cat.tiff", "cat_overlay.png", "cat_panel.png")
    ]
    assert model.options["pixels_per_degree"] == 35


def test_seed_decides_the_panel(tmp_path: Path, model: FakeModel) -> None:
    image = photo(tmp_path / "cat.png")
    for name, seed in (("a", "1"), ("b", "1"), ("c", "2")):
        run(image, "-o", tmp_path / name, "--seed", seed, "--samples", "20")
    a, b, c = ((tmp_path / name / "cat_panel.png").read_bytes() for name in "abc")
    assert a == b != c


def test_what_is_done_is_skipped_unless_forced(tmp_path: Path, model: FakeModel) -> None:
    first, second = photo(tmp_path / "a.png"), photo(tmp_path / "b.png")
    out = tmp_path / "out"
    run(first, "-o", out)
    assert "1 image skipped" in run(first, second, "-o", out).stdout
    assert model.asked == [str(first), str(second)]
    (out / "a_panel.png").unlink()
    run(first, second, "-o", out)
    assert model.asked[2:] == [str(first)]
    assert "2 images skipped" in run(first, second, "-o", out).stdout
    assert "2 images predicted" in run(first, second, "-o", out, "--force").stdout
    assert len(model.asked) == 5


def test_regions_are_shown_and_written(tmp_path: Path, model: FakeModel) -> None:
    image, out = photo(tmp_path / "cat.png"), tmp_path / "out"
    regions = ["--region", "left half:0,0,20,30", "--region", "right é:50%,0%,50%,100%"]
    result = run(image, "-o", out, *regions)
    assert result.exit_code == 0, result.output
    rows = list(csv.reader((out / "cat_regions.csv").read_text("utf-8").splitlines()))
    assert rows[0] == ["region", "share", "center_bias_share", "ratio"]
    assert [row[0] for row in rows[1:]] == ["left half", "right é"]
    for row, center_bias_share in zip(rows[1:], (0.75, 0.25), strict=True):
        share, expected, ratio = map(float, row[1:])
        assert share == pytest.approx(0.5, abs=1e-5)
        assert expected == pytest.approx(center_bias_share, abs=0.01)
        assert ratio == pytest.approx(share / expected)
    assert "left half" in result.stdout
    assert "50.0%" in result.stdout


def test_regions_come_from_files_too(tmp_path: Path, model: FakeModel) -> None:
    table = tmp_path / "regions.csv"
    table.write_text("name,x,y,width,height\nright,50%,0%,50%,100%\nwide,0,0,41,5\n")
    result = run(photo(tmp_path / "cat.png"), "-o", tmp_path / "out", "--regions", table)
    assert result.exit_code == 2
    assert result.stderr.startswith(f"error: {table}: {tmp_path / 'cat.png'}: region wide:")
    table.write_text("name,x,y,width,height\nright,50%,0%,50%,100%\n")
    result = run(tmp_path / "cat.png", "-o", tmp_path / "out", "--regions", table)
    assert result.exit_code == 0, result.output
    assert "\nright,0.49999" in (tmp_path / "out" / "cat_regions.csv").read_text("utf-8")


def test_what_a_folder_has_beside_images_is_told(tmp_path: Path, model: FakeModel) -> None:
    folder = photo(tmp_path / "photos" / "a.png").parent
    assert "left out" not in run(folder, "-o", tmp_path / "out").stdout
    for name in ("notes.txt", "b.docx", "b2.docx", "b10.docx", ".hidden"):
        (folder / name).write_text("")
    result = run(folder, "-o", tmp_path / "out", "--force")
    said = "4 files left out, no images by their names: b2.docx, b10.docx, b.docx, ...\n"
    assert said in result.stdout
    assert result.exit_code == 0
    document = json.loads(run(folder, "-o", tmp_path / "out", "--json").stdout)
    assert [Path(path).name for path in document["left_out"]][-1] == "notes.txt"


def test_what_was_assumed_of_images_is_said_once(tmp_path: Path, model: FakeModel) -> None:
    ramp = np.linspace(0, 4095, 30 * 40).reshape(30, 40).astype(np.uint16)
    for name in ("a.tif", "b.tif", "c.tif"):
        Image.fromarray(ramp).save(tmp_path / name)
    result = run(tmp_path, "-o", tmp_path / "out")
    [line] = [line for line in result.stderr.splitlines() if line.startswith("note")]
    assert line.startswith(f"note: {tmp_path / 'a.tif'}: no value is over 4095: taken for 12 bits")
    assert line.endswith("(and 2 images more)")
    again = run(tmp_path, "-o", tmp_path / "out", "--force", "--json")
    images = json.loads(again.stdout)["images"]
    assert all("12 bits" in image["notes"][0] for image in images)


def test_json_is_one_document(tmp_path: Path, model: FakeModel) -> None:
    done, new, bad = photo(tmp_path / "a.png"), photo(tmp_path / "b.png"), tmp_path / "missing.png"
    out = tmp_path / "out"
    region = ("--region", "all:0,0,40,30")
    run(done, "-o", out, *region)
    result = run(done, new, bad, "-o", out, *region, "--json")
    assert result.exit_code == 2
    document: dict[str, Any] = json.loads(result.stdout)
    skipped, predicted, failed = document["images"]
    assert document["seconds"]["predicting"] > 0
    assert [image["file"] for image in document["images"]] == [str(done), str(new), str(bad)]
    assert skipped["skipped"]
    assert (predicted["width"], predicted["height"]) == (40, 30)
    assert predicted["seconds"] > 0
    assert predicted["error"] is None
    assert all(Path(path).is_file() for path in predicted["outputs"])
    assert predicted["regions"][0]["share"] == pytest.approx(1, abs=1e-5)
    assert str(bad) in failed["error"]
    assert failed["outputs"] == []


def test_bad_files_are_reported_and_the_rest_finished(tmp_path: Path, model: FakeModel) -> None:
    folder, out = tmp_path / "photos", tmp_path / "out"
    photo(folder / "1.png")
    (folder / "2.jpg").write_text("no image")
    photo(folder / "3.png", size=(10, 10))
    photo(folder / "10.png")
    result = run(folder, "-o", out, "--region", "top:0,0,40,5")
    assert result.exit_code == 2
    errors = result.stderr.splitlines()
    assert [line.startswith("error: ") for line in errors] == [True, True]
    assert "2.jpg" in errors[0]
    assert "3.png: region top" in errors[1]
    assert "10 by 10" in errors[1]
    assert "2 images failed" in result.stdout
    assert [Path(path).name for path in model.asked] == ["1.png", "2.jpg", "3.png", "10.png"]
    assert not [name for name in files_in(out) if name.startswith(("2", "3"))]
    assert (out / "10_panel.png").exists()


def test_interruption_keeps_what_is_done(
    tmp_path: Path, model: FakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "abc":
        photo(tmp_path / f"{name}.png")
    model.interrupt_after = 2
    arguments = ["predict", str(tmp_path / "*.png"), "-o", str(tmp_path / "out")]
    monkeypatch.setattr(sys, "argv", ["deepgaze2", *arguments])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 130
    assert {name[0] for name in files_in(tmp_path / "out")} == {"a", "b"}
    model.interrupt_after = 1_000
    assert "2 images skipped" in run(tmp_path / "*.png", "-o", tmp_path / "out").stdout


@pytest.mark.parametrize("region", ["logo", "logo:1,2,3"])
def test_malformed_region_stops_before_anything(
    tmp_path: Path, model: FakeModel, region: str
) -> None:
    result = run(photo(tmp_path / "a.png"), "-o", tmp_path / "out", "--region", region)
    assert isinstance(result.exception, RegionError)
    assert not model.asked


def test_a_file_in_place_of_the_folder_stops_before_anything(
    tmp_path: Path, model: FakeModel
) -> None:
    (tmp_path / "out").write_text("")
    result = run(photo(tmp_path / "a.png"), "-o", tmp_path / "out")
    assert result.exit_code == 2
    assert "is a file" in result.output
    assert not model.asked


def test_names_that_are_not_text(tmp_path: Path, model: FakeModel) -> None:
    path = tmp_path / os.fsdecode(b"caf\xe9.png")
    try:
        photo(path)
    except OSError:
        pytest.skip("this file system holds only names that are text")
    result = run(path, "-o", tmp_path / "out", "--region", "r:0,0,40,30")
    assert result.exit_code == 0, result.output
    assert len(files_in(tmp_path / "out")) == 4


def test_images_of_several_folders_are_mirrored(tmp_path: Path, model: FakeModel) -> None:
    photo(tmp_path / "p" / "a" / "x.png")
    photo(tmp_path / "p" / "b" / "deep" / "x.png")
    result = run(tmp_path / "p" / "a", tmp_path / "p" / "b" / "deep", "-o", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert {str(Path(name).parent) for name in files_in(tmp_path / "out")} == {"a", "b/deep"}


def test_no_two_images_share_a_result(tmp_path: Path) -> None:
    names = ["a.jpg", "a.png", "a.jpg.png", "b.PNG", "B.jpg", "c.tif", "noext", "noext.png"]
    files = [str(tmp_path / folder / name) for folder in ("x", "y") for name in names]
    jobs = plan(files, tmp_path / "out", ["_overlay.png", ".npy"])
    outputs = [output.casefold() for job in jobs for output in job.outputs]
    assert len(set(outputs)) == len(outputs) == 2 * len(files)
    assert str(tmp_path / "out" / "x" / "c.npy") in jobs[5].outputs


def test_images_are_found_once_each_in_natural_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("10.png", "9.png", ".hidden.png"):
        photo(tmp_path / "p" / name)
    (tmp_path / "p" / "notes.txt").write_text("")
    monkeypatch.chdir(tmp_path)
    out = Path("out")
    both = [str(Path("p/9.png")), str(Path("p/10.png"))]
    assert find_images(["p"], out) == (both, [str(Path("p/notes.txt"))])
    assert find_images(["p/*.png"], out) == (both, [])
    assert find_images(["p/10.png", "p", "p/../p/9.png", str(tmp_path / "p")], out) == (
        both[::-1],
        [str(Path("p/notes.txt"))],
    )
    assert find_images(["gone.png"], out) == (["gone.png"], [])


def test_names_with_brackets_are_names_first(tmp_path: Path) -> None:
    path = str(photo(tmp_path / "a[1].png"))
    assert find_images([path], tmp_path / "out") == ([path], [])


def test_folders_and_patterns_without_images_are_errors(tmp_path: Path) -> None:
    with pytest.raises(StimulusError, match="matches no file"):
        find_images([str(tmp_path / "*.png")], tmp_path / "out")
    with pytest.raises(StimulusError, match="no image"):
        find_images([str(tmp_path)], tmp_path / "out")
    photo(tmp_path / "a.png")
    with pytest.raises(OutputError, match="choose another folder"):
        find_images([str(tmp_path)], tmp_path)


def test_unreadable_folder_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Path) -> Iterator[Path]:
        raise PermissionError(13, "Permission denied")  # root may read everything

    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(StimulusError, match="Permission denied"):
        find_images([str(tmp_path)], tmp_path / "out")
