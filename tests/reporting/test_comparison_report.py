"""The page of a comparison."""

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from deepgaze2.comparison.comparison import Comparison, NamedImage, compare
from deepgaze2.comparison.expression import parse_requirement
from deepgaze2.comparison.requirement import check
from deepgaze2.density.region_files import all_regions
from deepgaze2.image.stimulus import read_stimulus
from deepgaze2.reporting.comparison_pictures import pictures
from deepgaze2.reporting.comparison_report import sentences, write_comparison_report
from helpers.html_page import Page
from helpers.small_models import tiny_model

REGION = "cta:20,10,30,20"


def comparison(*seeds: int, region: str = REGION, names: str = "abc") -> Comparison:
    images = []
    for name, seed in zip(names, seeds, strict=False):
        coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), np.uint8)
        image = Image.fromarray(coarse).resize((90, 60), Image.Resampling.BICUBIC)
        images.append(NamedImage(name, f"{name}.png", read_stimulus(image)))
    return compare(tiny_model(), images, all_regions([region], []))


def page_of(found: Comparison, folder: Path, **options: Any) -> Page:
    write_comparison_report(found, options.pop("outcomes", []), folder / "r.html", **options)
    source = (folder / "r.html").read_text(encoding="utf-8")
    assert "<script" not in source
    assert "http" not in source.replace("http-equiv", "")
    return Page(source)


def decoded(url: str | None) -> NDArray[np.uint8]:
    assert url
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(url.split(",")[1]))))


def test_numbers_pictures_and_requirements_are_on_the_page(tmp_path: Path) -> None:
    found = comparison(0, 1)
    outcomes = [check(found, parse_requirement(text)) for text in ("cta > 99%", "cta > 0")]
    page = page_of(found, tmp_path, outcomes=outcomes)
    text = " ".join("".join(page.text).split())
    assert "1 of 2 requirements met" in text
    assert all(outcome.line in text for outcome in outcomes)
    assert " ".join(sentences(found, 0)) in text
    (table,) = page.tables
    shares = [f"{100 * v.regions[0].share.value:.1f}%" for v in found.variants]
    assert [row[0] for row in table] == ["Variant", "cta", "a", "b"]
    assert [table[2][2].split()[0], table[3][2].split()[0]] == shares
    alternatives = [image["alt"] for image in page.attributes("img")]
    assert alternatives == [
        *("Design with its regions: a", "Design with its regions: b", "Heat map: a", "Heat map: b"),
        *("Focus map: a", "Focus map: b", "Change: b"),
    ]
    (box, *_) = [tag for tag in page.attributes("div") if "box" in str(tag.get("class"))]
    assert box["style"] == "left:22.222%;top:16.667%;width:33.333%;height:33.333%"


def test_one_variant_has_no_changes(tmp_path: Path) -> None:
    page = page_of(comparison(0), tmp_path)
    text = "".join(page.text)
    assert "changed" not in text
    assert "Change" not in page.tables[0][0]


def test_names_stay_text(tmp_path: Path) -> None:
    script = "<b>&'\""
    found = comparison(0, 1, region=f"{script}:20,10,30,20")
    assert script in "".join(page_of(found, tmp_path).text)


def test_the_same_comparison_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_comparison_report(comparison(0, 1), [], tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_variants_are_in_the_order_of_a_regions_share(tmp_path: Path) -> None:
    found = comparison(0, 1, 2)
    table = page_of(found, tmp_path, rank="cta").tables[0]
    assert [row[0] for row in table[2:]] == [variant.name for variant in found.ranked("cta")]


def test_focus_and_change_show_where_the_density_says() -> None:
    found = comparison(0, 1)
    (first, second), scale = pictures(found)
    a, b = (variant.prediction.density.astype(np.float64) for variant in found.variants)
    assert scale == pytest.approx(np.abs(b - a).max() * a.size, rel=1e-4)
    assert not first.change
    change = decoded(second.change).astype(int)
    strong = np.abs(b - a) > np.abs(b - a).max() / 2
    reddish = change[:, :, 0] > change[:, :, 2]
    assert (reddish == (b > a))[strong].mean() > 0.95
    order = np.sort(a, axis=None)[::-1]
    fewest = np.searchsorted(np.cumsum(order), 0.5) + 1  # pixels that hold half of the mass
    assert first.bright == pytest.approx(fewest / a.size, abs=2 / a.size)
    focus, photo = (decoded(url).astype(int) for url in (first.focus, first.photo))
    bright = a > order[fewest // 2]
    assert np.abs(focus - photo)[bright].mean() < 12
    gray = np.abs(focus[..., 0] - focus[..., 2])[a < order[2 * fewest]]
    assert gray.mean() < 12


def test_identical_variants_are_said_to_be_the_same(tmp_path: Path) -> None:
    found = comparison(0, 0)
    assert sentences(found, 0)[1] == "That is the same as in a."
    text = "".join(page_of(found, tmp_path).text)
    assert "Nothing: the predictions are the same." in text


def test_sentences_tell_numbers_in_words() -> None:
    found = comparison(0, 1)
    share, before, agree = sentences(found, 0)
    one = found.variants[1].regions[0]
    assert share.startswith("In b, about ")
    assert f"({100 * one.share.value:.1f}%)" in share
    assert before.startswith("In a it was about ")
    assert "readouts" in agree
    assert sentences(comparison(0), 0)[0].startswith("About ")
    (half,) = sentences(comparison(0, region="left:0,0,48,60"), 0)
    assert half.startswith("About half of all fixations land here ")
    (whole,) = sentences(comparison(0, region="all:0,0,90,60"), 0)
    assert whole.startswith("Nearly all fixations land here (100.0%): about what its size")
