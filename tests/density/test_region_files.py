"""Regions from files: JSON, CSV, SVG."""

import json
from pathlib import Path

import pytest

from deepgaze2.density.region_files import all_regions, read_regions
from deepgaze2.density.regions import Region
from deepgaze2.errors import RegionError

LOGO = Region("logo", 10, 20.5, 300, 80)
CTA = Region("call to action", 75, 0, 25, 10, percent=True)


def written(folder: Path, name: str, text: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def svg(content: str, attributes: str = 'viewBox="0 0 1280 800"') -> str:
    return f'<svg xmlns="http://www.w3.org/2000/svg" {attributes}>{content}</svg>'


def test_json_has_pixels_and_percentages(tmp_path: Path) -> None:
    values = [
        {"name": "logo", "x": 10, "y": 20.5, "width": 300, "height": "80"},
        {"name": "call to action", "x": "75%", "y": "0%", "width": "25%", "height": "10%"},
    ]
    found = read_regions(written(tmp_path, "r.json", json.dumps(values)))
    assert found.regions == (LOGO, CTA)
    assert found.file == str(tmp_path / "r.json")


@pytest.mark.parametrize(
    "text",
    [
        "name,x,y,width,height\nlogo,10,20.5,300,80\n\ncall to action,75%,0%,25%,10%\n",
        "\ufeffName;Width;Height;X;Y\r\nlogo;300;80;10;20.5\r\n"
        '"call to action"; 25% ;10%;75%;0%\r\n',
        "name\tx\ty\twidth\theight\nlogo\t10\t20.5\t300\t80\ncall to action\t75%\t0%\t25%\t10%",
    ],
)
def test_csv_has_any_order_and_separator(tmp_path: Path, text: str) -> None:
    assert read_regions(written(tmp_path, "r.CSV", text)).regions == (LOGO, CTA)


def test_a_drawing_spans_the_image_whatever_its_size(tmp_path: Path) -> None:
    content = """
      <defs><clipPath id="c"><rect id="clip" width="9" height="9"/></clipPath></defs>
      <rect width="1280" height="800" fill="white"/>
      <rect id="cta" x="60" y="420" width="300px" height="10%"/>
      <g transform="translate(100, 50) scale(2)"><g>
        <rect transform="matrix(-1 0 0 1 50 0)" width="50" height="20"><title> Ö </title></rect>
      </g></g>
      <text id="no">cta</text>"""
    found = read_regions(written(tmp_path, "page.svg", svg(content)))
    cta, other = found.on("a.png", 2560, 1600)
    numbers = [cta.x, cta.y, cta.width, cta.height, other.x, other.y, other.width, other.height]
    assert numbers == pytest.approx([120, 840, 600, 160, 200, 100, 200, 80])
    assert [cta.name, other.name] == ["cta", "Ö"]


def test_a_drawing_may_begin_anywhere_and_names_have_an_order(tmp_path: Path) -> None:
    content = (
        '<rect xmlns:inkscape="http://www.inkscape.org/namespaces/inkscape" id="rect1"'
        ' inkscape:label="logo" x="-5" y="-10" width="5" height="5"/>'
    )
    found = read_regions(written(tmp_path, "a.svg", svg(content, 'viewBox="-10,-10 20 20"')))
    assert found.regions == (Region("logo", 25, 0, 25, 25, percent=True),)
    sized = read_regions(written(tmp_path, "b.svg", svg(content, 'width="20" height="20px"')))
    assert sized.regions == (Region("logo", -25, -50, 25, 25, percent=True),)


def test_links_and_choices_are_groups_and_colors_place_nothing(tmp_path: Path) -> None:
    drawn = svg(
        '<switch><g><a href="#"><rect id="a" x="10" width="20" height="5"'
        ' style="stroke-width:3;fill:#000"/></a></g></switch>'
    )
    (found,) = read_regions(written(tmp_path, "r.svg", drawn)).regions
    assert (found.name, found.width / found.x) == ("a", 2)


def test_an_image_of_another_shape_than_the_drawing_is_refused(tmp_path: Path) -> None:
    source = read_regions(written(tmp_path, "p.svg", svg('<rect id="a" width="9" height="9"/>')))
    source.on("a.png", 641, 400)  # a size in whole pixels is rounded
    with pytest.raises(RegionError, match=r"p\.svg: the drawing of 1280 by 800 .* a\.png of 1280"):
        source.on("a.png", 1280, 2000)


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("r.txt", "", "from .json, .csv and .svg"),
        ("r.json", "{", "is not JSON"),
        ("r.json", "[" * 100_000, "is not JSON"),
        ("r.json", "{}", "not a list"),
        ("r.json", "[]", "has no region"),
        ("r.json", "[5]", "region 1 is not an object"),
        ("r.json", '[{"name": "a", "x": 0, "y": 0, "width": 1}]', "region 1 is not an object"),
        ("r.json", '[{"name":"a","x":0,"y":0,"width":1,"height":null}]', "neither a number"),
        ("r.json", '[{"name":"a","x":0,"y":0,"width":1,"height":NaN}]', "name:x,y,width,height"),
        ("r.json", '[{"name":"","x":0,"y":0,"width":1,"height":1}]', "name:x,y,width,height"),
        ("r.csv", "", "line 1: the columns are not name"),
        ("r.csv", "a,1,2,3,4\n", "line 1: the columns are not name"),
        ("r.csv", "name,x,y,width,height\n", "has no region"),
        ("r.csv", "name,x,y,width,height\na,1,2,3\n", "line 2: 4 cells"),
        ("r.csv", "name,x,y,width,height\na,1,2,3,4\nb,1,2%,3,4\n", "line 3: region 'b:1,2%"),
        ("r.csv", "name;x;y;width;height\na;1,5;2;3;4\n", "line 2: region"),
        ("r.csv", b"\xff\xfe", "is not UTF-8"),
        ("r.csv", 'name,x,y,width,height\n"a"b,1,2,3,4\n', "line 2: "),
        ("r.csv", "name,x,y,width,height\na,1:6,2,3,4\n", "line 2: '1:6' is neither pixels"),
        ("r.json", '[{"name":"a","x":"b:1","y":0,"width":1,"height":1}]', "region 1: 'b:1' is"),
        ("r.svg", svg("<g>" * 3000 + "</g>" * 3000), "groups in one another"),
        ("r.svg", svg('<rect id="a" width="5" style="x:3px;fill:red"/>'), "by its style"),
        ("r.svg", svg('<g style="transform: scale(2)"><rect id="a"/></g>'), "by its style"),
        ("r.svg", "<svg", "is not an SVG file"),
        ("r.svg", "<a/>", "is not an SVG file"),
        ("r.svg", '<!DOCTYPE a [<!ENTITY b "c">]>' + svg(""), "declares entities"),
        ("r.svg", svg('<rect width="5" height="5"/>'), "no rectangle with a name"),
        ("r.svg", svg('<rect id="a" width="5" height="5"/>', ""), "how large"),
        ("r.svg", svg("", 'viewBox="0 0 5"'), "not four numbers"),
        ("r.svg", svg('<rect id="a" width="5mm" height="5"/>'), "'a': its width is '5mm'"),
        ("r.svg", svg('<g transform="rotate(5)"><rect id="a" width="5"/></g>'), "upright"),
        ("r.svg", svg('<rect id="a" width="5" transform="scale(2) x"/>'), "malformed"),
        ("r.svg", svg("<svg/>"), "inside the drawing"),
    ],
)
def test_what_is_malformed_is_one_line_that_names_the_file(
    tmp_path: Path, name: str, text: str | bytes, problem: str
) -> None:
    path = written(tmp_path, name, text)
    with pytest.raises(RegionError) as caught:
        read_regions(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert problem in message
    assert len(message.splitlines()) == 1


def test_missing_files_and_equal_names_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RegionError, match=r"gone\.csv: cannot be read"):
        read_regions(tmp_path / "gone.csv")
    path = written(tmp_path, "r.csv", "name,x,y,width,height\nlogo,1,2,3,4\n")
    with pytest.raises(RegionError, match="2 regions are called 'logo'"):
        all_regions(["logo:1,2,3,4"], [path])
    assert [source.file for source in all_regions([], [path])] == [str(path)]


def test_a_region_outside_is_told_with_its_file_and_image(tmp_path: Path) -> None:
    path = written(tmp_path, "r.csv", "name,x,y,width,height\nlogo,1,2,30,4\n")
    (source,) = all_regions([], [path])
    with pytest.raises(RegionError, match=r"r\.csv: a\.png: region logo.* not inside the image of"):
        source.on("a.png", 20, 20)
