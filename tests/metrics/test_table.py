"""The table of metrics: an entry is all that a new metric needs."""

import subprocess
import sys

import pytest

from deepgaze2.metrics.table import METRICS

_WITH_ONE_MORE = """
import numpy as np
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from deepgaze2.metrics import table

table.METRICS += (
    table.Metric(
        "peak", "Peak", "0 to 9", "The largest value. Map: the density.",
        lambda case: case.density, lambda map_, case: float(map_.max()), per_fixation=False,
    ),
)
from click.testing import CliRunner
from deepgaze2.cli import cli
from deepgaze2.cli.evaluate import as_text
from deepgaze2.evaluation.evaluation import evaluate
from deepgaze2.evaluation.score_files import write_csv
from helpers.small_datasets import patches

assert "Peak (0 to 9)" in CliRunner().invoke(cli, ["evaluate", "--help"]).output
with TemporaryDirectory() as folder:
    found = evaluate("uniform", patches(Path(folder), 4).without_first())
    write_csv(found, Path(folder) / "scores.csv")
    assert "sim,peak,map_auc" in (Path(folder) / "scores.csv").read_text()
assert abs(found.report.models[0].metrics["peak"].value - 1 / 15000) < 1e-9
assert "SIM   Peak" in as_text(found.report)
"""


def test_a_new_metric_is_one_entry(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEEPGAZE2_CACHE", str(tmp_path_factory.mktemp("cache")))
    monkeypatch.setenv("PYTHONPATH", ":".join(sys.path))
    subprocess.run([sys.executable, "-c", _WITH_ONE_MORE], check=True)


def test_names_and_titles_differ_and_definitions_name_the_map() -> None:
    assert len({one.name for one in METRICS}) == len({one.title for one in METRICS}) == len(METRICS)
    assert all("Map: " in one.definition for one in METRICS)
