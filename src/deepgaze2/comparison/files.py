"""What a comparison is written as, for programs: JSON, JUnit's XML, Markdown."""

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from deepgaze2.comparison.comparison import Comparison, RegionNumbers
from deepgaze2.comparison.requirement import Outcome
from deepgaze2.comparison.words import interval, percent, points, ratio
from deepgaze2.support.files import write_json, written_atomically

INTERVAL = (
    "In parentheses: at least nine in ten of the model's {n} readouts lie between. That is how far"
    " they agree, not how far people differ."
)


def as_json(comparison: Comparison, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Return all numbers, ready for JSON."""
    first = comparison.variants[0].prediction
    return {
        "deepgaze2": version("deepgaze2"),
        "model": first.model,
        "center_bias": first.center_bias.name,
        "readouts": len(comparison.readout_shares),
        "variants": [
            {
                "name": variant.name,
                "file": variant.file,
                "width": variant.prediction.width,
                "height": variant.prediction.height,
                "notes": variant.notes,
                "regions": [_region_json(one) for one in variant.regions],
            }
            for variant in comparison.variants
        ],
        "divergences": [
            {"variants": list(pair), "bits": bits} for pair, bits in comparison.divergences.items()
        ],
        "requirements": [
            {
                "text": one.requirement.text,
                "met": one.met,
                "sides": [{"text": side.text, **side.value.as_json()} for side in one.sides],
            }
            for one in outcomes
        ],
    }


def _region_json(one: RegionNumbers) -> dict[str, Any]:
    region = one.region
    return {
        **one.numbers.as_json(),
        "share": one.share.as_json(),
        "change": one.change and one.change.as_json(),
        "readouts_that_agree": one.agreeing if one.change else None,
        "box": [region.x, region.y, region.width, region.height],
    }


def write_comparison_json(comparison: Comparison, outcomes: Sequence[Outcome], path: Path) -> None:
    """Write all numbers as JSON.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    write_json(path, as_json(comparison, outcomes))


def write_junit(outcomes: Sequence[Outcome], path: Path) -> None:
    """Write requirements as tests in the XML of JUnit, which services of CI read.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    unmet = sum(not one.met for one in outcomes)
    counts = {"name": "deepgaze2 compare", "tests": str(len(outcomes)), "failures": str(unmet)}
    suites = ElementTree.Element("testsuites")
    suite = ElementTree.SubElement(suites, "testsuite", counts | {"errors": "0", "skipped": "0"})
    for one in outcomes:
        names = {"classname": "deepgaze2.compare", "name": one.requirement.text}
        case = ElementTree.SubElement(suite, "testcase", names)
        if not one.met:
            ElementTree.SubElement(case, "failure", {"message": one.line}).text = one.line
        else:
            ElementTree.SubElement(case, "system-out").text = one.line
    ElementTree.indent(suites)
    with written_atomically(path) as temporary:
        ElementTree.ElementTree(suites).write(temporary, encoding="utf-8", xml_declaration=True)


def write_markdown(comparison: Comparison, outcomes: Sequence[Outcome], path: Path) -> None:
    """Write a summary in Markdown, for the comment of a pull request.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    with written_atomically(path) as temporary:
        temporary.write_text(markdown(comparison, outcomes), encoding="utf-8", newline="\n")


def markdown(comparison: Comparison, outcomes: Sequence[Outcome]) -> str:
    """Return a summary: requirements first, then shares of regions and divergences."""
    names = [_escaped(variant.name) for variant in comparison.variants]
    lines = [f"### Where people look: {', '.join(names)}", ""]
    if outcomes:
        lines += ["| required | | |", "| --- | --- | --- |"]
        for one in outcomes:
            about, _, values = one.line.rpartition(": ")
            mark = "✅ met" if one.met else "❌ not met"
            lines.append(f"| {_escaped(about)} | {mark} | {_escaped(values)} |")
        lines.append("")
    if comparison.region_names:
        lines += _regions_table(comparison)
    for (a, b), bits in comparison.divergences.items():
        lines += [f"{_escaped(a)} and {_escaped(b)}: densities differ by {bits:.3f} bit", ""]
    for variant in comparison.variants:
        for note in variant.notes:
            lines += [f"{_escaped(variant.name)}: {_escaped(note)}", ""]
    n = len(comparison.readout_shares)
    lines.append(
        "<sub>Shares of fixations, on average over people who look freely, as"
        f" {_escaped(comparison.variants[0].prediction.model)} predicts; it was trained on"
        f" photographs. {INTERVAL.format(n=n)}</sub>"
    )
    return "\n".join(lines) + "\n"


def _regions_table(comparison: Comparison) -> list[str]:
    lines = [
        "| region | variant | fixations | center bias alone | ratio | change, points |",
        "| --- | --- | --: | --: | --: | --: |",
    ]
    for number, name in enumerate(comparison.region_names):
        for variant in comparison.variants:
            one = variant.regions[number]
            change = one.change
            lines.append(
                f"| {_escaped(name)} | {_escaped(variant.name)}"
                f" | {percent(one.share.value)}{interval(one.share)}"
                f" | {percent(one.numbers.center_bias_share)} | {ratio(one.numbers.ratio)}"
                f" | {points(change.value) + interval(change, signed=True) if change else ''} |"
            )
    return [*lines, ""]


def _escaped(text: str) -> str:
    """Return text in which Markdown and HTML see no mark."""
    return re.sub(r"([\\`*_{}\[\]()<>#!|~@&])", r"\\\1", text)
