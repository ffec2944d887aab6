"""`deepgaze2 compare`, as it is typed."""

import json
import os
import shutil
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from PIL import Image

import deepgaze2
from deepgaze2.features.backbone import StoredBackbone
from deepgaze2.store import write_model
from helpers.command_line import Outcome, Run
from helpers.html_page import Page
from helpers.small_models import parts_of_two, write_photos

REGION = "--region cta:20,10,30,20"


@pytest.fixture(autouse=True)
def _here(narrow_network: str, two_networks: list[StoredBackbone], tmp_path: Path) -> None:
    """A model, two variants and a copy of the first, in the folder where commands run."""
    card, _, readouts = parts_of_two(3, backbones=two_networks)
    write_model(tmp_path / "two", card, readouts)
    write_photos(tmp_path, [(90, 60), (90, 60), (120, 80)])
    for number, name in enumerate(("before", "after", "large")):
        (tmp_path / f"{number}.png").rename(f"{name}.png")
    shutil.copy("before.png", "same.png")


@pytest.fixture
def compare(run: Run) -> Run:
    def call(line: str) -> Outcome:
        return run(f"compare {line} --model two")

    return call


def files() -> set[str]:
    return {path.name for path in Path().iterdir()} - {"two", "cache"}


@pytest.fixture
def shares() -> list[float]:
    """What the region gets before and after, from the library."""
    model = deepgaze2.load("two")
    return [model.predict(f"{name}.png").mass(20, 10, 30, 20) for name in ("before", "after")]


def test_shares_and_differences_are_the_librarys(compare: Run, shares: list[float]) -> None:
    found = compare(f"before.png after.png {REGION} --json c.json")
    assert found.returncode == 0, found.stderr
    document = json.loads(Path("c.json").read_text("utf-8"))
    before, after = (variant["regions"][0] for variant in document["variants"])
    assert [before["share"]["value"], after["share"]["value"]] == shares
    assert after["change"]["value"] == shares[1] - shares[0]
    assert before["change"] is None
    assert after["ratio"] == after["share"]["value"] / after["center_bias_share"]
    assert after["box"] == [20, 10, 30, 20]
    assert document["readouts"] == 6
    assert document["divergences"][0]["bits"] > 0
    lines = found.stdout.splitlines()
    assert f"{shares[0]:.1%} (" in lines[2]
    assert f"{shares[1]:.1%} (" in lines[3]
    assert "6 readouts agree" in lines[3]
    assert lines[-1] == "written: c.json"


def test_what_is_required_decides_the_exit_code(compare: Run, shares: list[float]) -> None:
    share = f"{100 * shares[1]:.1f}%"
    line = f"before.png after.png {REGION} --junit j.xml --markdown m.md"
    found = compare(f"{line} --require 'cta > 99.5%' --require 'cta.before >= 0'")
    assert found.returncode == 1
    (unmet,) = found.stderr.splitlines()
    assert unmet.startswith(f"not met: cta > 99.5%: cta is {share} (")
    assert "\nmet: cta.before >= 0: cta.before is " in found.stdout
    suite = ElementTree.parse("j.xml").getroot()[0]
    assert suite.attrib["failures"] == "1"
    first, second = suite
    assert first.attrib["name"] == "cta > 99.5%"
    assert unmet.endswith(first[0].attrib["message"])
    assert second.find("failure") is None
    markdown = Path("m.md").read_text("utf-8")
    assert "| cta \\> 99.5% | ❌ not met | cta is " in markdown
    assert f"| cta | after | {share} (" in markdown
    found = compare(f"{line} --require 'cta < 99.5%'")
    assert found.returncode == 0
    assert ElementTree.parse("j.xml").getroot()[0].attrib["failures"] == "0"


def test_identical_variants_differ_by_zero(compare: Run) -> None:
    found = compare(f"before.png same.png {REGION} --require 'cta - cta.before >= 0' --json c.json")
    assert found.returncode == 0
    document = json.loads(Path("c.json").read_text("utf-8"))
    assert document["variants"][1]["regions"][0]["change"] == dict.fromkeys(
        ("value", "low", "high"), 0.0
    )
    assert document["divergences"] == [{"variants": ["before", "same"], "bits": 0.0}]
    assert compare(f"before.png same.png {REGION} --require 'cta > cta.before'").returncode == 1


def test_variants_may_be_one_or_many_of_several_sizes(compare: Run) -> None:
    assert compare(f"before.png {REGION} --require 'cta > 0'").returncode == 0
    region = "--region 'call to action:20%,10%,30%,20%'"
    found = compare(f"before.png after.png large.png {region} -o out --rank 'call to action'")
    assert found.returncode == 0, found.stderr
    shown = [float(line.split("%")[0].split()[-1]) for line in found.stdout.splitlines()[2:5]]
    assert shown == sorted(shown, reverse=True)
    found = compare(f"before.png large.png {REGION}")
    assert found.returncode == 2
    assert "region cta in pixels is another place in each; give it in %" in found.stderr


def test_one_report_is_written(compare: Run) -> None:
    found = compare(f"before.png after.png {REGION} -o new/out --require 'cta > 99%'")
    assert found.returncode == 1
    assert [path.name for path in Path("new/out").iterdir()] == ["report.html"]
    page = Page(Path("new/out/report.html").read_text("utf-8"))
    assert found.stderr.removeprefix("not met: ").strip() in " ".join("".join(page.text).split())


def test_variants_of_one_name_are_named(compare: Run) -> None:
    Path("main").mkdir()
    shutil.copy("before.png", "main/after.png")
    found = compare("main/after.png after.png")
    assert found.returncode == 2
    assert "after.png: is called 'after' like main/after.png; name both" in found.stderr
    found = compare(f"before=main/after.png new=after.png {REGION} --require 'cta.before >= 0'")
    assert found.returncode == 0, found.stderr
    shutil.copy("after.png", "a=b.png")
    assert "a=b" in compare(f"a=b.png {REGION}").stdout
    shutil.copy("after.png", "b.png")
    assert "write ./a=b.png for the first" in compare("a=b.png").stderr
    assert compare("./a=b.png").returncode == 0


def test_regions_come_from_files(compare: Run, shares: list[float]) -> None:
    drawing = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 900 600">{}</svg>'
    rectangle = '<rect id="cta" x="200" y="100" width="300" height="200"/>'
    Path("r.svg").write_text(drawing.format(rectangle))
    Path("r.csv").write_text("name,x,y,width,height\ntop,0%,0%,100%,50%\n")
    found = compare("before.png after.png --regions r.svg --regions r.csv --json c.json")
    assert found.returncode == 0, found.stderr
    variants = json.loads(Path("c.json").read_text("utf-8"))["variants"]
    assert [one["name"] for one in variants[0]["regions"]] == ["cta", "top"]
    assert [v["regions"][0]["share"]["value"] for v in variants] == pytest.approx(shares)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("before.png gone.png", "gone.png: does not exist"),
        ("before.png --regions gone.svg", "gone.svg: cannot be read"),
        ("before.png --region cta", "is not name:x,y,width,height"),
        ("before.png --region cta:80,10,30,20", "before.png: region cta:80,10,30,20 is not inside"),
        (f"before.png {REGION} {REGION}", "2 regions are called 'cta'"),
        (f"before.png {REGION} --require 'cta >'", "'cta >', position 6: expected a region"),
        (
            f"before.png {REGION} --require 'ctaa > 1%'",
            "no region is called 'ctaa'; there are 'cta'",
        ),
        (f"before.png {REGION} --require 'cta.b > 1%'", "no variant is called 'b'"),
        ("before.png --require 'cta > 1%'", "no region is called 'cta'; give some with --region"),
        (f"before.png {REGION} --require 'cta / 0 > 1%'", "divided by zero"),
        (f"before.png {REGION} --rank logo", "--rank 'logo': no region is called that"),
        (f"before.png {REGION} --center-bias gone", "gone"),
        ("before.png --junit j.xml", "--junit writes requirements"),
        ("before.png before.png", "is called 'before' like"),
        ("before=", "before=: names no file"),
    ],
)
def test_what_cannot_be_used_is_one_line_and_nothing_is_written(
    compare: Run, line: str, said: str
) -> None:
    before = files()
    found = compare(f"{line} -o out --json c.json --markdown m.md")
    assert found.returncode == 2, found.stdout
    *usage, error = found.stderr.splitlines()
    assert said in error
    assert not usage or usage[0].startswith("Usage: ")
    assert files() == before


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ("--json before.png", "before.png: is read, too"),
        ("--regions r.json --markdown ./r.json", "r.json: is read, too"),
        (f"{REGION} --json c.json --markdown c.json", "c.json: is another output, too"),
        ("-o out --json out/report.html", "report.html: is another output, too"),
    ],
)
def test_nothing_is_written_over_what_is_read_or_written(
    compare: Run, options: str, told: str
) -> None:
    Path("r.json").write_text('[{"name": "cta", "x": 1, "y": 1, "width": 9, "height": 9}]')
    kept = {path: path.read_bytes() for path in map(Path, ("before.png", "r.json"))}
    found = compare(f"before.png after.png {options}")
    assert found.returncode == 2, found.stdout
    assert told in found.stderr
    assert {path: path.read_bytes() for path in kept} == kept
    assert not {"c.json", "out"} & files()


def test_one_place_that_cannot_be_written_leaves_the_others_unwritten(compare: Run) -> None:
    Path("folder").mkdir()
    found = compare(f"before.png {REGION} --json c.json --markdown folder")
    assert found.returncode == 2
    assert "folder: is a folder; name a file" in found.stderr
    assert "c.json" not in files()


def test_what_is_doubtful_is_said_wherever_numbers_are(compare: Run) -> None:
    Image.new("RGB", (320, 1000), "red").save("page.png")
    found = compare("page.png --region cta:1,1,99,99 -o out --json c.json --markdown m.md")
    assert found.returncode == 0, found.stderr
    assert "Warning" not in found.stderr
    doubts = [line for line in found.stderr.splitlines() if line.startswith("note: page.png: ")]
    assert len(doubts) == 2
    for doubt, said in zip(
        doubts, ("3.1 times as high as wide", "without a viewport"), strict=True
    ):
        assert said in doubt
        for file in ("out/report.html", "c.json", "m.md"):
            assert said in Path(file).read_text("utf-8")


def test_a_requirement_of_two_lines_is_one_row_and_one_attribute(compare: Run) -> None:
    found = compare(
        f"before.png after.png {REGION} --require 'cta >=\n 1%' --junit j.xml --markdown m.md"
    )
    assert "cta >=  1%: cta is" in found.stdout + found.stderr
    assert [case.get("name") for case in ElementTree.parse("j.xml").iter("testcase")] == [
        "cta >=  1%"
    ]
    assert "| cta \\>=  1% | " in Path("m.md").read_text("utf-8")


def test_a_place_that_cannot_be_written_is_told(compare: Run) -> None:
    Path("file").write_text("")
    found = compare(f"before.png {REGION} --json {os.path.join('file', 'c.json')}")  # noqa: PTH118
    assert found.returncode == 2
    assert "cannot be written" in found.stderr
