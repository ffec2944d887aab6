"""The program from a shell: help, exit codes, one line for a user's mistake."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from click import Context
from click.testing import CliRunner

from deepgaze2.card import read_card, write_card
from deepgaze2.cli import cli
from deepgaze2.store import write_model
from helpers.command_line import Outcome, Run
from helpers.small_datasets import write_recordings
from helpers.small_models import card_of, random_backbone, random_readout

PROGRAM = Path(sys.executable).with_name("deepgaze2")


def shell(*arguments: str) -> Outcome:
    """Run the installed program."""
    done = subprocess.run(
        [PROGRAM, *arguments],
        capture_output=True,
        text=True,
        encoding="utf-8",
        env=os.environ | {"COLUMNS": "100"},
        timeout=60,
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


def assert_one_line_mistake(found: Outcome) -> None:
    assert found.returncode == 2
    assert found.stdout == ""
    assert found.stderr.startswith("error: ")
    assert found.stderr.count("\n") == 1


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    readout = random_readout(3)
    card = replace(
        card_of(readout, random_backbone(), "kleines"),
        training={"data_set": "osie", "images": 600, "fixations": 100_000},
        scores={
            "explained": 0.812,
            "explained_interval": [0.79, 0.83],
            "model_bits": 0.7,
            "gold_bits": 0.862,
        },
    )
    write_model(tmp_path / "kleines", card, [readout])
    return tmp_path / "kleines"


def test_help_loads_nothing_heavy() -> None:
    script = (
        "import sys\nfrom deepgaze2.cli import cli\ncli(['--help'], standalone_mode=False)\n"
        "heavy = {'torch', 'matplotlib', 'h5py', 'requests', 'ncnn', 'scipy', 'pandas'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)


@pytest.mark.parametrize("command", cli.list_commands(Context(cli)))
def test_every_commands_help_fits_a_terminal(command: str) -> None:
    found = CliRunner().invoke(cli, [command, "--help"], terminal_width=100)
    assert found.exit_code == 0
    assert max(len(line) for line in found.output.splitlines()) <= 100


def test_a_mistake_shows_no_traceback(tmp_path: Path) -> None:
    assert_one_line_mistake(shell("info", "--model", str(tmp_path)))


def test_the_version_is_the_packages() -> None:
    from importlib.metadata import version

    assert shell("--version").stdout.split()[-1] == version("deepgaze2")


def test_without_a_command_the_help_is_shown() -> None:
    found = shell()
    assert "Usage: deepgaze2" in found.stdout + found.stderr
    assert "Traceback" not in found.stderr


def test_a_mistyped_command_is_a_usage_error() -> None:
    found = shell("predcit")
    assert found.returncode == 2
    assert "predcit" in found.stderr
    assert "Traceback" not in found.stderr


@pytest.mark.parametrize(
    "arguments",
    [("info", "--model"), ("predict", "photo.jpg", "--model"), ("evaluate",)],
    ids=lambda arguments: arguments[0],
)
def test_an_unknown_model_suggests_the_nearest(
    run: Run, arguments: tuple[str, ...], tmp_path: Path
) -> None:
    rest = (f"osie:{tmp_path}",) if arguments[0] == "evaluate" else ()
    found = run(*arguments, "defualt", *rest)
    assert_one_line_mistake(found)
    assert "did you mean 'default'" in found.stderr


def test_a_damaged_model_is_named(run: Run, folder: Path) -> None:
    (folder / "card.json").write_text("{")
    found = run("info", "--model", folder)
    assert_one_line_mistake(found)
    assert str(folder / "card.json") in found.stderr


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("train", "--finetune", "osie:{}/nowhere", "-o", "{}/m"), "nowhere"),
        (("train", "--finetune", "oise:{}", "-o", "{}/m"), "oise"),
        (("train", "--finetune", "osie", "-o", "{}/m"), "osie"),
        (("evaluate", "{}/kleines", "osie:{}/nowhere"), "nowhere"),
        (("evaluate", "default", "osie:{}", "--update-card"), "--update-card"),
    ],
)
def test_mistakes_in_data_and_models_are_one_line(
    run: Run, folder: Path, tmp_path: Path, arguments: tuple[str, ...], reason: str
) -> None:
    found = run(*(argument.format(tmp_path) for argument in arguments))
    assert_one_line_mistake(found)
    assert reason in found.stderr


@pytest.mark.parametrize(
    "arguments", [("data", "check"), ("data", "convert"), ("evaluate", "uniform")]
)
def test_positions_of_a_screen_are_one_line_that_says_what_to_state(
    run: Run, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    write_recordings(tmp_path)
    header, *lines = (tmp_path / "fixations.csv").read_text("utf-8").splitlines()
    cells = [line.split(",") for line in lines]
    moved = [
        ",".join([*row[:3], str(float(row[3]) + 437), str(float(row[4]) + 334), *row[5:]])
        for row in cells  # 150x100 pixels in the middle of 1024x768
    ]
    (tmp_path / "fixations.csv").write_text("\n".join([header, *moved]), "utf-8")
    target = ("copy",) if "convert" in arguments else ()
    found = run(*arguments, f"csv:{tmp_path}", *target)
    assert_one_line_mistake(found)
    assert "state --screen 1024x768 --shown centered, or --screen none" in found.stderr


def test_what_may_not_be_read_is_one_line(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(path: Path) -> bool:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "is_dir", refuses)
    found = run("data", "check", "osie:secret")
    assert_one_line_mistake(found)
    assert "secret" in found.stderr
    assert "Permission denied; check the path and its permissions" in found.stderr


def test_info_shows_the_card_and_the_machine(run: Run, folder: Path) -> None:
    found = run("info", "--model", folder)
    assert (found.returncode, found.stderr) == (0, "")
    for expected in ("kleines", "osie: 600 images", "81.2%", "gaussian", "3, averaged", "ncnn"):
        assert expected in found.stdout


def test_info_of_a_model_without_training_or_scores(run: Run, folder: Path) -> None:
    readout = random_readout(3)
    write_card(folder, card_of(readout, random_backbone()))
    found = run("info", "--model", folder)
    assert (found.returncode, found.stderr) == (0, "")


def test_info_of_a_model_without_a_gold_standard(run: Run, folder: Path) -> None:
    card = read_card(folder)
    scores = {"model_bits": 0.25, "model_interval": [0.2, 0.3]}  # of a single observer
    write_card(folder, replace(card, scores=scores))
    found = run("info", "--model", folder)
    assert (found.returncode, found.stderr) == (0, "")
    assert "0.250 bits/fixation over the center bias\n" in found.stdout
    assert "explained" not in found.stdout
    scores |= {"gold_bits": 1e-9, "explained": None, "explained_interval": None}
    write_card(folder, replace(card, scores=scores))
    found = run("info", "--model", folder)
    assert (found.returncode, found.stderr) == (0, "")
    assert "-, the gold standard's gain cannot be told from none" in found.stdout


def test_info_for_machines_is_one_document(
    run: Run, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEEPGAZE2_CACHE", str(tmp_path / "cache"))
    found = run("info", "--model", folder, "--json")
    document = json.loads(found.stdout)
    assert document["model"]["name"] == "kleines"
    assert document["machine"]["cache"] == str(tmp_path / "cache")


def test_the_default_is_the_packaged_model(run: Run) -> None:
    found = run("info", "--json")
    assert found.returncode == 0
    document = json.loads(found.stdout)
    assert document["model"]["name"] in document["machine"]["packaged models"]
