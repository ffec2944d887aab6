"""The table of `deepgaze2 evaluate` on the terminal."""

from dataclasses import replace
from pathlib import Path

from deepgaze2.cli.evaluate import as_text
from deepgaze2.evaluation.report import Estimate
from helpers.small_evaluation import small_evaluation


def test_columns_stay_apart_whatever_the_numbers(tmp_path: Path) -> None:
    report = small_evaluation(tmp_path).report
    worse = replace(report.models[0], information_gain=Estimate(-10.557, -11.009, -10.148))
    lines = as_text(replace(report, models=(worse, *report.models[1:]))).splitlines()
    (head,) = (line for line in lines if line.startswith("model "))
    (row,) = (line for line in lines if "(-11.009 to -10.148)" in line)
    assert "(-11.009 to -10.148)  " in row
    assert row.index(row.split("-10.148)")[1].split()[0]) == head.index("explained")
