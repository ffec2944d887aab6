"""`deepgaze2 evaluate` on several data sets, run as a user would."""

import json
from pathlib import Path
from typing import Any

import pytest

from deepgaze2.cli.models import Named, models_sources_and_engine
from deepgaze2.data.published.declared import declared_datasets
from deepgaze2.data.sources import FORMATS, is_source
from deepgaze2.errors import DeepGazeError
from deepgaze2.evaluation.candidates import is_known
from deepgaze2.rivals import RIVALS
from deepgaze2.store import find_model, packaged_models
from helpers.command_line import Run
from helpers.small_datasets import write_recordings

MODELS = ("spectral-residual", "uniform")


@pytest.fixture
def two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    """Two data sets of one name, and an empty cache."""
    monkeypatch.setenv("DEEPGAZE2_CACHE", str(tmp_path / "cache"))
    for place, n in (("a", 6), ("b", 8)):
        write_recordings(tmp_path / place / "mine", n)
    return f"csv:{tmp_path / 'a' / 'mine'}", str(tmp_path / "b" / "mine")


def scores(folder: Path) -> Any:
    return json.loads((folder / "scores.json").read_text())


@pytest.mark.slow
def test_several_sets_are_the_single_runs_and_their_means(
    run: Run, two: tuple[str, str], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    outcome = run("evaluate", *MODELS, *two, "-o", out)
    assert outcome.returncode == 0, outcome.stderr
    singles = []
    for source, folder in zip(two, ("mine", "mine-2"), strict=True):
        assert run("evaluate", *MODELS, source, "-o", tmp_path / folder).returncode == 0
        for name in ("report.html", "scores.json", "per_image.csv"):
            assert (out / folder / name).read_bytes() == (tmp_path / folder / name).read_bytes()
        singles.append(scores(tmp_path / folder))
    found = scores(out)
    assert found["data_sets"] == singles
    assert (found["sources"], found["folders"]) == ([*two], ["mine", "mine-2"])
    assert found["failed"] == []

    lines = outcome.stdout.splitlines()
    assert lines[:2] == [
        f"mine (1): 6 images, 3 subjects, 108 fixations ({two[0]})",
        f"mine (2): 8 images, 3 subjects, 120 fixations ({two[1]})",
    ]
    html = (out / "index.html").read_text()
    for title, name, scale, digits in (
        ("Information gain (", "information_gain", 1, 3),
        ("Information gain explained", "explained", 100, 1),
        ("AUC", "auc", 1, 3),
        ("sAUC", "shuffled_auc", 1, 3),
        ("NSS", "nss", 1, 3),
    ):
        top = next(i for i, line in enumerate(lines) if line.startswith(title))
        assert lines[top + 1].split("  ")[0].strip() == "model"
        for m, model in enumerate(MODELS):
            of = [(one["models"][m].get(name) or one["models"][m]["metrics"][name])["value"]
                  for one in singles]  # fmt: skip
            mean = (of[0] + of[1]) / 2
            assert found["means"][model][name] == pytest.approx(mean)
            shown = [f"{scale * value:.{digits}f}" for value in (*of, mean)]
            assert lines[top + 2 + m].split() == [model, *shown]
            assert f">{shown[2].replace('-', chr(0x2212))}<" in html or float(shown[2]) == 0
    top = next(i for i, line in enumerate(lines) if line.startswith("Images below the center bias"))
    a, b = (one["models"][1]["negative_images"] for one in singles)
    assert lines[top + 3].split() == f"uniform {a} of 6 {b} of 8 {(a + b) / 2:.1f}".split()
    assert lines[-1].endswith(f"a folder for each data set are in {out}")
    begun = [line for line in outcome.stderr.splitlines() if " of 2" in line]
    assert begun[0] == f"1 of 2: {two[0]}"
    assert begun[1].startswith("2 of 2, about")
    assert begun[1].endswith(f"left: {two[1]}")


def test_a_set_that_fails_is_told_at_the_end(
    run: Run, two: tuple[str, str], tmp_path: Path
) -> None:
    sources = (f"osie:{tmp_path}", two[0], f"csv:{tmp_path / 'nowhere'}", two[1])
    outcome = run("evaluate", "center-bias", *sources, "-o", tmp_path / "out")
    assert outcome.returncode == 2
    assert "mine (2): 8 images" in outcome.stdout
    first, second = outcome.stderr.splitlines()[-2:]
    assert first.startswith(f"error: {sources[0]}: {tmp_path / 'stimuli'}: no .jpg images")
    assert second.startswith(f"error: {sources[2]}: {tmp_path / 'nowhere'}: cannot be read")
    found = scores(tmp_path / "out")
    assert [one["source"] for one in found["failed"]] == [sources[0], sources[2]]
    assert len(found["data_sets"]) == 2
    assert "no .jpg images" in (tmp_path / "out" / "index.html").read_text()


def test_if_all_fail_nothing_is_printed_or_written(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "out"
    outcome = run("evaluate", "uniform", "csv:no1", "osie:no2", "-o", out)
    assert (outcome.returncode, outcome.stdout, out.exists()) == (2, "", False)
    assert [line[:11] for line in outcome.stderr.splitlines()[-2:]] == [
        "error: csv:",
        "error: osie",
    ]


def test_options_for_tables_are_for_the_tables(run: Run, two: tuple[str, str]) -> None:
    outcome = run("evaluate", "uniform", "osie:nowhere", two[0], "--base", "0")
    assert "mine: 6 images" in outcome.stdout
    assert "no .jpg images" in outcome.stderr
    outcome = run("evaluate", "uniform", "osie:nowhere", "mit300:nowhere", "--base", "0")
    assert outcome.stderr.count("options for tables go with csv:FOLDER only") == 2


def test_a_card_takes_the_scores_on_one_set(run: Run) -> None:
    outcome = run("evaluate", "center-bias", "csv:a", "csv:b", "--update-card")
    assert outcome.returncode == 2
    assert outcome.stderr == (
        "error: --update-card: give one data set, the one whose scores to store\n"
    )


def split(*names: str | Path) -> Named:
    """Return what a command is given that takes models and data sets."""
    import click

    given: list[Named] = []

    @click.command()
    @models_sources_and_engine
    def command(named: Named, engine: str, device: str) -> None:
        given.append(named)

    command.main([str(name) for name in names], standalone_mode=False)
    return given[0]


def test_models_and_sets_are_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in ("mine", "uniform"):
        Path(folder).mkdir()
    model = str(find_model("deepgaze2"))
    for models, sources in (
        (("aim",), ("csv:a",)),
        (("aim",), ("unknown",)),  # the last is a data set whatever it is
        (("aim",), ("mine",)),
        (("aim",), ("csv:a", "mine", "osie:b", "fixatons:c", "pysaliency:d.hdf5", "csv:e")),
        ((model, "maps:mine", "densities:d.hdf5", "python:a.b"), ("mine", "csv:a")),
        (("deepgaze1:weights.pth", "uniform"), ("csv:a",)),  # a folder of that name is here
        ((model,), ("mine", model)),  # the last one, again
    ):
        named = split(*models, *sources)
        assert (named.models, named.sources) == (models, sources)


def test_what_cannot_be_told_apart_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DeepGazeError, match="osie:a: a data set; name data sets after all models"):
        split("osie:a", "aim", "csv:b")
    with pytest.raises(DeepGazeError, match="csv:a: named twice"):
        split("aim", "csv:a", "csv:b", "csv:a")
    with pytest.raises(DeepGazeError, match="did you mean 'aim'"):
        split("aimm", "csv:a", "csv:b")


@pytest.mark.parametrize("names", ["", "osie:a", "osie:a csv:b"])
def test_without_a_model(run: Run, names: str) -> None:
    outcome = run(f"evaluate {names}")
    assert outcome.returncode == 2
    assert "Error: Missing argument 'MODEL...'." in outcome.stderr


def test_no_name_is_a_models_and_a_data_sets() -> None:
    for name in (*FORMATS, *declared_datasets()):
        assert is_source(f"{name}:folder")
        assert not is_known(f"{name}:folder")
        assert not is_known(name)
    names = (*packaged_models(), "default", "uniform", "center-bias", "gold-standard", *RIVALS)
    places = (f"{name}:x" for name in ("maps", "densities", "python", *RIVALS))
    for name in (*names, *places):
        assert not is_source(name)
    assert is_known("maps:x")
    assert all(is_known(name) for name in names)


def test_an_output_that_cannot_be_written_ends_it(
    run: Run, two: tuple[str, str], tmp_path: Path
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("")
    outcome = run("evaluate", "uniform", *two, "-o", tmp_path / "out")
    assert outcome.returncode == 2
    assert "2 of 2" not in outcome.stderr
    last = outcome.stderr.splitlines()[-1]
    assert last.startswith("error: ")
    assert str(tmp_path / "out" / "mine") in last
