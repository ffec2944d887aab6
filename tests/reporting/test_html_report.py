import base64
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from importlib.resources import files
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from deepgaze2.errors import OutputError
from deepgaze2.evaluation.evaluation import Evaluation
from deepgaze2.evaluation.report import Estimate
from deepgaze2.references.gold_curve import GoldCurve
from deepgaze2.reporting.html_filters import number
from deepgaze2.reporting.html_report import write_html_report
from helpers.html_page import Page
from helpers.small_evaluation import NAMES, small_evaluation

CURVE = GoldCurve(
    n_others=np.arange(1, 5),
    bits=np.array([0.51, 0.62, 0.73, 0.84]),
    interval=np.array([[0.41, 0.61], [0.52, 0.72], [0.63, 0.83], [0.74, 0.94]]),
    bandwidth_px=np.array([31.5, 28.5, 25.5, 22.5]),
    weights=np.array([[0.625, 0.25, 0.125]] * 4),
    limit=1.357,
    limit_interval=(1.246, 1.468),
    scale=0.975,
    exponent=0.864,
    images=7,
)


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory: pytest.TempPathFactory) -> Evaluation:
    return small_evaluation(tmp_path_factory.mktemp("images"))


def _figures() -> dict[str, Figure]:
    figures = {}
    for name in ("figure3_explained", "figure5_best", "by_order", "gold_curve", "mine"):
        figures[name] = Figure(figsize=(2, 1))
        figures[name].suptitle(r"A <title> of \$1\$")
    return figures


def _source(tmp_path: Path, evaluated: Evaluation, curve: GoldCurve | None = CURVE) -> str:
    write_html_report(evaluated, _figures(), tmp_path / "report.html", curve)
    return (tmp_path / "report.html").read_text(encoding="utf-8")


# Digits after the point, of percentages if there is a second number.
_DIGITS = {
    "explained": (1, 100),
    "center_bias_bandwidth": (2, 100),
    "center_bias_uniform_share": (2, 100),
    "gold_weights": (2, 100),
    "gold_bandwidth_px": (1, 1),
    "p_value": (4, 1),
}


def _numbers(found: object, digits: int = 3, scale: int = 1) -> Iterator[str]:
    """Yield each number in a report as it is to be shown."""
    if isinstance(found, float | int) and not isinstance(found, bool):
        yield f"{scale * found:,.{0 if isinstance(found, int) else digits}f}"
    elif isinstance(found, dict | tuple):
        for value in found.values() if isinstance(found, dict) else found:
            yield from _numbers(value, digits, scale)
    elif is_dataclass(found):
        for field in fields(found):
            yield from _numbers(
                getattr(found, field.name), *_DIGITS.get(field.name, (digits, scale))
            )


def _shown(text: str) -> set[float]:
    return {
        float(one.replace(",", "").replace("\N{MINUS SIGN}", "-"))
        for one in re.findall(r"\N{MINUS SIGN}?\d[\d,]*(?:\.\d+)?", text)
    }


def test_page_is_balanced_and_holds_each_number(tmp_path: Path, evaluated: Evaluation) -> None:
    report = evaluated.report
    page = Page(_source(tmp_path, evaluated))
    shown = set(re.findall(r"\N{MINUS SIGN}?\d[\d,]*(?:\.\d+)?", " ".join(page.text)))
    expected = {one.replace("-", "\N{MINUS SIGN}") for one in _numbers(report)}
    assert len(expected) > 50
    assert expected <= shown


def test_rows_hold_the_model_with_its_intervals(tmp_path: Path, evaluated: Evaluation) -> None:
    page = Page(_source(tmp_path, evaluated))
    gains, comparisons, metrics, orders, subjects, references, curve = page.tables
    report = evaluated.report
    first, second = report.models
    assert [row[0] for row in gains[1:]] == [NAMES[0], f"{NAMES[1]} <i>"]
    assert _shown(gains[2][1]) == {
        round(one, 3)
        for one in (
            second.information_gain.value,
            second.information_gain.low,
            second.information_gain.high,
        )
    }
    assert gains[2][-1] == str(second.negative_images)
    assert comparisons[1][0] == NAMES[1]
    assert comparisons[1][-1] == f"{report.comparisons[0].p_value:.4f}"
    assert [row[0] for row in metrics[1:]] == [NAMES[0], NAMES[1], f"{NAMES[1]} map as given"]
    assert round(first.metrics["kl"].value, 3) in _shown(metrics[1][5])
    assert round(second.map_metrics["sim"].value, 3) in _shown(metrics[3][6])
    dataset = evaluated.references.dataset
    assert {row[0]: int(row[1]) for row in orders[1:]} == {
        str(order + 1): int((dataset.fixations.order == order).sum()) for order in range(1, 6)
    }
    assert [row[0] for row in subjects[1:]] == ["0", "1", "2"]
    assert len(references) == 5
    assert _shown(curve[4][1]) == {0.84, 0.74, 0.94}


def test_everything_is_inside_and_accessible(tmp_path: Path, evaluated: Evaluation) -> None:
    source = _source(tmp_path, evaluated)
    page = Page(source)
    assert not {"script", "link", "iframe", "object"} & {tag for tag, _ in page.tags}
    assert "url(" not in source
    assert "http" not in source.replace("http-equiv", "")
    images = page.attributes("img")
    assert len(images) == 5
    for image in images:
        assert image["alt"]
        kind, _, data = (image["src"] or "").partition(",")
        assert kind == "data:image/png;base64"
        assert Image.open(BytesIO(base64.b64decode(data))).size == (240, 120)
        assert (image["width"], image["height"]) == ("192", "96")
    assert all(cell["scope"] in ("col", "row") for cell in page.attributes("th"))
    n_tables = len(page.attributes("table"))
    assert len(page.attributes("caption")) == n_tables == 7
    ids = [attributes.get("id") for attributes in page.attributes("section")]
    assert [f"#{anchor}" for anchor in ids] == [link["href"] for link in page.attributes("a")]


def test_names_are_escaped(tmp_path: Path, evaluated: Evaluation) -> None:
    references = evaluated.references
    dataset = replace(references.dataset, notes=("<b>.jpg & others",))
    references = replace(references, dataset=dataset)
    report = replace(evaluated.report, data_set="</title><script>")
    source = _source(tmp_path, replace(evaluated, references=references, report=report))
    page = Page(source)
    text = "".join(page.text)
    assert "<b" not in re.sub(r"<b(r|ody)>", "", source)
    for name in (NAMES[1], "<b>.jpg & others", "</title><script>", "A <title> of $1$"):
        assert name in text


def test_a_script_as_a_name_stays_text(tmp_path: Path, evaluated: Evaluation) -> None:
    script = "<script>alert('1')</script>&\"'"
    references, report = evaluated.references, evaluated.report
    subjects = tuple(f"{script}{i}" for i in range(3))
    dataset = replace(references.dataset, name=script, notes=(script,), subject_names=subjects)
    models = tuple(
        replace(model, name=f"{script}{i}", note=script, by_subject=dict.fromkeys(subjects, 0.5))
        for i, model in enumerate(report.models)
    )
    comparison = replace(report.comparisons[0], first=script, other=script)
    report = replace(report, data_set=script, models=models, comparisons=(comparison,))
    figures = {name: Figure(figsize=(2, 1)) for name in ("figure3_explained", "figure5_best")}
    figures["figure5_best"].suptitle(script)
    references = replace(references, dataset=dataset)
    path = tmp_path / "report.html"
    write_html_report(replace(evaluated, references=references, report=report), figures, path)
    source = path.read_text(encoding="utf-8")
    assert "<script" not in source
    assert not re.search("&(?!amp;|lt;|gt;|#34;|#39;)", source)
    page = Page(source)
    assert [row[0] for row in page.tables[0][1:]] == [f"{script}{i} {script}" for i in range(2)]
    assert all(script in (image["alt"] or "") for image in page.attributes("img"))


def test_values_that_are_not_finite_are_told(tmp_path: Path, evaluated: Evaluation) -> None:
    report = evaluated.report
    nothing = Estimate(-np.inf, -np.inf, -np.inf)
    worst = replace(report.models[1], information_gain=nothing, explained=nothing, metrics={})
    report = replace(report, models=(report.models[0], worst))
    page = Page(_source(tmp_path, replace(evaluated, report=report)))
    assert page.tables[0][2][1].split() == [
        "\N{MINUS SIGN}∞",
        "\N{MINUS SIGN}∞",
        "to",
        "\N{MINUS SIGN}∞",
    ]
    assert page.tables[2][2][1:] == ["\N{EN DASH}"] * 6


def test_without_gold_standard_and_with_one_model(tmp_path: Path) -> None:
    evaluated = small_evaluation(tmp_path, gold=False)
    report = evaluated.report
    report = replace(report, models=report.models[:1], comparisons=())
    page = Page(_source(tmp_path, replace(evaluated, report=report), curve=None))
    assert len(page.tables) == 5
    assert "over the center bias" in "".join(page.text)
    assert "No share is given: no image was seen by two subjects" in "".join(page.text)
    assert len(page.attributes("strong")) == 2  # of captions: nothing is best of one
    assert page.tables[0][1][2] == "\N{EN DASH}"


def test_the_same_report_gives_the_same_bytes(tmp_path: Path, evaluated: Evaluation) -> None:
    assert _source(tmp_path / "1", evaluated) == _source(tmp_path / "2", evaluated)


def test_a_file_that_cannot_be_written_is_an_error(tmp_path: Path, evaluated: Evaluation) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="file"):
        _source(tmp_path / "file", evaluated)


def test_many_subjects_are_summarized(tmp_path: Path, evaluated: Evaluation) -> None:
    report = evaluated.report
    subjects = {str(i): i / 1000 for i in range(501)}
    models = tuple(replace(model, by_subject=subjects) for model in report.models)
    report = replace(report, models=models)
    page = Page(_source(tmp_path, replace(evaluated, report=report)))
    rows = [[row[0], row[2]] for row in page.tables[4][1:]]
    assert rows == [["lowest", "0.000"], ["median", "0.250"], ["highest", "0.500"]]


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (1234567.0, 0, "1,234,567"),
        (-0.5, 3, "\N{MINUS SIGN}0.500"),
        (-0.0004, 3, "0.000"),
        (np.inf, 1, "∞"),
        (-np.inf, 1, "\N{MINUS SIGN}∞"),
        (np.nan, 1, "\N{EN DASH}"),
    ],
)
def test_numbers_are_written_as_people_do(value: float, digits: int, text: str) -> None:
    assert number(value, digits) == text


def test_templates_are_in_the_package_and_jinja2_waits_for_a_report() -> None:
    names = {file.name for file in (files("deepgaze2.reporting") / "templates").iterdir()}
    assert {"report.html", "report.css"} <= names
    code = "import sys, deepgaze2.reporting.html_report; sys.exit('jinja2' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
