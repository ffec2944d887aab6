"""Scores as files: all of them as JSON, and a table with a row for each image and model."""

import csv
import json
import math
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from deepgaze2.evaluation.across_sets import QUANTITIES, Across
from deepgaze2.evaluation.evaluation import Evaluation
from deepgaze2.metrics.information import mean_per_image
from deepgaze2.metrics.table import METRICS
from deepgaze2.support.files import written_atomically

_COLUMNS = ("image", "model", "fixations", "information_gain_bits", "gold_bits")


def write_json(evaluation: Evaluation, path: Path) -> None:
    """Write the report as JSON; numbers that JSON does not have become text, such as "-inf".

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    _write(asdict(evaluation.report), path)


def write_json_of_sets(across: Across, path: Path) -> None:
    """Write the reports on several data sets as JSON, their means, and which sets failed.

    `data_sets` has each set's report as `write_json` writes it, `sources` how sets were named,
    `folders` where their own files are, in the same order. `means` are by model and quantity.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    means: dict[str, dict[str, float | None]] = {}
    for quantity in QUANTITIES:
        for row in across.rows(quantity):
            means.setdefault(row.model, {})[quantity.name] = row.mean
    content = {
        "data_sets": [asdict(one.report) for one in across.sets],
        "sources": [one.source for one in across.sets],
        "folders": [one.folder for one in across.sets],
        "means": means,
        "failed": [asdict(one) for one in across.failed],
    }
    _write(content, path)


def _write(content: dict[str, Any], path: Path) -> None:
    text = json.dumps(_writable(content), indent=1, allow_nan=False)
    with written_atomically(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


def write_csv(evaluation: Evaluation, path: Path) -> None:
    """Write a row for each image with fixations and each model.

    Columns are the image, the model, the number of fixations, the model's and the gold
    standard's information gain over the center bias in bits/fixation, and each metric's mean over
    the image, with `map_` before its name of a saliency map as it was given. What does not apply
    is left empty.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    names = [metric.name for metric in METRICS]
    metrics = [*names, *(f"map_{name}" for name in names)]
    with (
        written_atomically(path) as temporary,
        temporary.open("w", encoding="utf-8", newline="") as stream,
    ):
        table = csv.writer(stream, lineterminator="\n")
        table.writerow([*_COLUMNS, *metrics])
        table.writerows(_rows(evaluation, metrics))


def _rows(evaluation: Evaluation, metrics: list[str]) -> Iterator[list[str]]:
    references = evaluation.references
    dataset, gold = references.dataset, references.gold
    stimulus, n_images = dataset.fixations.stimulus, len(dataset.stimuli)
    gold_bits = np.full(n_images, np.nan)
    if gold is not None:
        gold_bits = references.gain_per_image(gold.log_density)
    counts = np.diff(dataset.offsets)
    for scores in evaluation.scores:
        columns = [references.gain_per_image(scores.per_fixation["log_density"]), gold_bits]
        for name in metrics:
            if name in scores.per_image:
                columns.append(scores.per_image[name])
            else:
                columns.append(mean_per_image(scores.per_fixation[name], stimulus, n_images))
        for i in np.flatnonzero(counts).tolist():
            values = ["" if np.isnan(column[i]) else repr(float(column[i])) for column in columns]
            yield [dataset.stimuli.ids[i], scores.name, str(counts[i]), *values]


def _writable(value: Any) -> Any:  # noqa: ANN401, anything that JSON can hold
    if isinstance(value, dict):
        return {key: _writable(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_writable(one) for one in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
