from dataclasses import replace

import numpy as np
import pytest

from deepgaze2.evaluation.evaluation import Evaluation
from deepgaze2.references.gold_curve import GoldCurve
from deepgaze2.reporting.figures.lines import gold_curve_figure, order_figure, subject_figure
from helpers.small_evaluation import NAMES


def test_lines_are_the_gains_by_order(evaluated: Evaluation) -> None:
    report = evaluated.report
    figure = order_figure(report)
    lines = figure.axes[0].get_lines()[: len(report.models)]
    for line, model in zip(lines, report.models, strict=True):
        assert [str(int(x)) for x in np.asarray(line.get_xdata())] == list(model.by_order)
        assert list(np.asarray(line.get_ydata())) == list(model.by_order.values())
    assert figure.legends[0].get_texts()[0].get_text() == NAMES[0]
    figure.canvas.draw()


def test_subjects_stand_in_the_order_of_the_first_models_gain(evaluated: Evaluation) -> None:
    report = evaluated.report
    first, second, *_ = subject_figure(report).axes[0].get_lines()
    gains = report.models[0].by_subject
    assert list(np.asarray(first.get_ydata())) == sorted(gains.values())
    order = sorted(gains, key=lambda subject: gains[subject])
    expected = [report.models[1].by_subject[subject] for subject in order]
    assert list(np.asarray(second.get_ydata())) == expected
    labels = [label.get_text() for label in subject_figure(report).axes[0].get_xticklabels()]
    assert labels == order


def test_many_models_and_subjects_are_told_apart(evaluated: Evaluation) -> None:
    report = evaluated.report
    subjects = {f"subject number {i}": i / 100 for i in range(80)}
    model = replace(report.models[0], by_subject=subjects)
    report = replace(report, models=tuple(replace(model, name=f"m{i}") for i in range(20)))
    figure = subject_figure(report)
    looks = {(line.get_color(), line.get_marker()) for line in figure.axes[0].get_lines()[:20]}
    assert len(looks) == 20
    assert not figure.axes[0].get_xticklabels()
    figure.canvas.draw()


def test_curve_shows_measurements_fit_and_limit() -> None:
    k = np.arange(1, 7)
    bits = 2 - 1 / np.sqrt(k, dtype=np.float64)
    curve = GoldCurve(
        n_others=k,
        bits=bits,
        interval=np.stack([bits - 0.1, bits + 0.2], axis=1),
        bandwidth_px=np.full(6, 20.0),
        weights=np.full((6, 3), 1 / 3),
        limit=2.0,
        limit_interval=(1.75, 2.5),
        scale=1.0,
        exponent=0.5,
        images=1234,
    )
    figure = gold_curve_figure(curve, "toy")
    (ax,) = figure.axes
    limit, fitted = (line for line in ax.get_lines()[:2])
    assert set(np.asarray(limit.get_ydata())) == {2.0}
    x, y = np.asarray(fitted.get_xdata()), np.asarray(fitted.get_ydata())
    np.testing.assert_allclose(y, 2 - 1 / np.sqrt(x))
    measured = next(line for line in ax.get_lines() if line.get_marker() == "o")
    assert list(np.asarray(measured.get_ydata())) == pytest.approx(bits)
    assert figure.get_suptitle() == "toy: 1,234 images"
    figure.canvas.draw()
