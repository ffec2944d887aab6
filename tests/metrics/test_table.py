"""The table of metrics: an entry is all that a new metric needs."""

import subprocess
import sys

import pytest

from deepgaze2.metrics.table import METRICS

_WITH_ONE_MORE = """
import json
from pathlib import Path
from tempfile import TemporaryDirectory
from deepgaze2.metrics import table

table.METRICS += (
    table.Metric(
        "peak", "Largest value", "0 to 9", "What is largest. Map: the density.",
        lambda case: case.density, lambda map_, case: float(map_.max()), per_fixation=False,
    ),
)
from click.testing import CliRunner
from deepgaze2.cli import cli
from deepgaze2.cli.evaluate import as_text, card_scores, write_report
from deepgaze2.evaluation.evaluation import evaluate
from helpers.small_datasets import patches

shown = CliRunner().invoke(cli, ["evaluate", "--help"]).output
assert "Largest value (0 to 9)" in " ".join(shown.split())
with TemporaryDirectory() as folder:
    found = evaluate("uniform", patches(Path(folder), 4).without_first())
    write_report(found, Path(folder))
    table, scores, page = (
        (Path(folder) / name).read_text()
        for name in ("per_image.csv", "scores.json", "report.html")
    )
peak = found.report.models[0].metrics["peak"]
assert abs(peak.value - 1 / 15000) < 1e-9
assert json.loads(scores)["models"][0]["metrics"]["peak"]["value"] == peak.value
assert card_scores(found.report)["metrics"]["peak"]["value"] == peak.value
assert "sim,peak,map_auc" in table
assert "SIM  Largest value" in as_text(found.report)
assert "What is largest. Map: the density." in page
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
