"""The page of a comparison, for people who design: pictures, shares of regions, and their limits.

The words and tables are in `templates/comparison.html`; here are the values and the sentences.
"""

import platform
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from deepgaze2.comparison.comparison import Comparison, RegionNumbers, Variant
from deepgaze2.comparison.requirement import Outcome
from deepgaze2.comparison.words import in_words, interval, percent, points, ratio
from deepgaze2.reporting.comparison_pictures import FEWER, MORE, colors_of_ranks, pictures
from deepgaze2.reporting.html_filters import page_environment
from deepgaze2.support.files import written_atomically

_CLEARLY = 1.15
"""From this ratio on, a region is said to get more than its place alone brings."""


def write_comparison_report(
    comparison: Comparison, outcomes: Sequence[Outcome], path: Path, rank: str | None = None
) -> None:
    """Write one HTML file, without scripts and without anything from elsewhere.

    The same comparison gives the same bytes.

    Parameters
    ----------
    comparison : Comparison
        Of one variant or more.
    outcomes : sequence of Outcome
        Of what was required.
    path : Path
        The file.
    rank : str, optional
        The region by which variants are ordered.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    page = (
        page_environment()
        .get_template("comparison.html")
        .render(_values(comparison, outcomes, rank))
    )
    with written_atomically(path) as temporary:
        temporary.write_text(page, encoding="utf-8", newline="\n")


def _values(
    comparison: Comparison, outcomes: Sequence[Outcome], rank: str | None
) -> dict[str, Any]:
    drawn, scale = pictures(comparison)
    in_order = comparison.ranked(rank) if rank else list(comparison.variants)
    picture_of = dict(zip([v.name for v in comparison.variants], drawn, strict=True))
    first = comparison.variants[0]
    n_readouts = len(comparison.readout_shares)
    largest = max(
        (
            max(one.share.value, one.share.high, one.numbers.center_bias_share)
            for v in comparison.variants
            for one in v.regions
        ),
        default=1.0,
    )
    return {
        "title": "Where people look: " + ", ".join(v.name for v in comparison.variants),
        "first": first,
        "variants": in_order,
        "picture_of": picture_of,
        "changed": [v for v in in_order if picture_of[v.name].change],
        "scale": scale,
        "more": MORE,
        "fewer": FEWER,
        "rank_colors": colors_of_ranks(),
        "rank": rank,
        "outcomes": outcomes,
        "regions": comparison.region_names,
        "sentences": [
            sentences(comparison, number) for number in range(len(comparison.region_names))
        ],
        "largest": largest,
        "divergences": comparison.divergences,
        "n_readouts": n_readouts,
        "sizes": sorted({v.prediction.network_input_size for v in comparison.variants}),
        "percent": percent,
        "points": points,
        "interval": interval,
        "ratio": ratio,
        "versions": f"deepgaze2 {version('deepgaze2')}, Python {platform.python_version()}",
    }


def sentences(comparison: Comparison, number: int) -> list[str]:
    """Return what is said of a region: of the last variant, and of changes from the first."""
    first, last = comparison.variants[0], comparison.variants[-1]
    said = [_share_sentence(last, last.regions[number], several=first is not last)]
    if first is not last:
        said += _change_sentences(first, last, number, len(comparison.readout_shares))
    return said


def _share_sentence(variant: Variant, one: RegionNumbers, *, several: bool) -> str:
    words = in_words(one.share.value)
    where = f"In {variant.name}, {words}" if several else words[0].upper() + words[1:]
    verb = "lands" if words.startswith("about one in") else "land"
    of = "" if " in " in words or words.endswith("all") else " of all"
    share = f"{where}{of} fixations {verb} here ({percent(one.share.value)})"
    factor = one.numbers.ratio
    if factor >= _CLEARLY:
        return f"{share}: {ratio(factor)} times what its size and place alone would bring."
    if factor <= 1 / _CLEARLY:
        return f"{share}: less than its size and place alone would bring ({ratio(factor)} times)."
    return f"{share}: about what its size and place alone would bring."


def _change_sentences(first: Variant, last: Variant, number: int, n: int) -> list[str]:
    change = last.regions[number].change
    if change is None:
        return []
    before = first.regions[number].share.value
    agreeing = last.regions[number].agreeing
    if change.value == 0:
        return [f"That is the same as in {first.name}."]
    direction = "more" if change.value > 0 else "less"
    by = f"{points(change.value)} points"
    said = f"In {first.name} it was {in_words(before)} ({percent(before)}): {by}."
    if n == 1:
        return [said]
    if change.low <= 0 <= change.high:
        doubt = f"The readouts do not agree: {agreeing} of {n} see {direction}."
        return [said, doubt]
    who = f"All {n}" if agreeing == n else f"{agreeing} of {n}"
    return [said, f"{who} readouts see {direction}."]
