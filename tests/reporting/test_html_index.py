"""The page above the reports of several data sets."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from deepgaze2.evaluation.across_sets import Across, Failure, SetReport
from deepgaze2.evaluation.report import Estimate, Report
from deepgaze2.reporting.html_index import write_html_index
from helpers.html_page import Page
from helpers.small_evaluation import NAMES, small_evaluation

SCRIPT = "<script>alert('1')</script>&\"'"


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    return small_evaluation(tmp_path_factory.mktemp("images")).report


def page_of(across: Across, folder: Path) -> Page:
    write_html_index(across, folder / "index.html")
    source = (folder / "index.html").read_text(encoding="utf-8")
    assert "<script" not in source
    assert "http" not in source.replace("http-equiv", "")
    return Page(source)


def test_tables_have_models_sets_and_means(tmp_path: Path, report: Report) -> None:
    first, second = report.models
    worse = replace(
        first,
        information_gain=Estimate(-1.5, -2.0, -1.0),
        explained=None,
        negative_images=1234,
    )
    other = replace(report, data_set="b", images=5000, models=(worse, second), gold=None)
    sets = (SetReport("csv:a", replace(report, data_set="a"), "a"), SetReport("b", other, "b c"))
    page = page_of(Across(sets), tmp_path)
    gains, explained, below, auc, _, _, data = page.tables
    assert gains[0] == ["Model", "a", "b", "Mean each set alike"]
    assert [row[0] for row in gains[1:]] == list(NAMES)
    mean = (first.information_gain.value - 1.5) / 2
    assert gains[1][2] == "\N{MINUS SIGN}1.500 \N{MINUS SIGN}2.000 to \N{MINUS SIGN}1.000"
    assert gains[1][3] == f"{mean:.3f}".replace("-", "\N{MINUS SIGN}")
    assert first.explained is not None
    assert explained[1][2:] == ["\N{EN DASH}", f"{100 * first.explained.value:.1f}"]
    assert below[1][2] == "1,234 of 5,000"
    assert below[1][3] == f"{(first.negative_images + 1234) / 2:.1f}"
    assert auc[2][1].startswith(f"{second.metrics['auc'].value:.3f} ")
    assert [row[:2] for row in data[1:]] == [["a csv:a", str(report.images)], ["b b", "5,000"]]
    links = [link["href"] for link in page.attributes("a")]
    assert links[-2:] == ["a/report.html", "b%20c/report.html"]
    ids = [attributes.get("id") for attributes in page.attributes("section")]
    assert [f"#{anchor}" for anchor in ids] == links[:-2]


def test_failures_are_told_and_names_stay_text(tmp_path: Path, report: Report) -> None:
    models = tuple(replace(model, name=f"{SCRIPT}{i}") for i, model in enumerate(report.models))
    named = replace(report, data_set=SCRIPT, models=models)
    failed = (Failure(SCRIPT, "<b>: missing"),)
    page = page_of(Across((SetReport(SCRIPT, named, "x"),), failed), tmp_path)
    text = "".join(page.text)
    assert f"{SCRIPT}: <b>: missing" in text
    assert page.tables[0][0][1] == SCRIPT
    assert page.tables[0][1][0] == f"{SCRIPT}0"


def test_what_is_not_finite_is_told(tmp_path: Path, report: Report) -> None:
    nothing = Estimate(-np.inf, -np.inf, -np.inf)
    models = (replace(report.models[0], information_gain=nothing), report.models[1])
    page = page_of(
        Across(tuple(SetReport(name, replace(report, models=models), name) for name in "ab")),
        tmp_path,
    )
    assert page.tables[0][1][3] == "\N{MINUS SIGN}∞"
    assert "\N{MINUS SIGN}∞" in "".join(page.text)
