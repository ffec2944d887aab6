import importlib
import inspect
import re
from pathlib import Path

import pytest

from deepgaze2.data.published.declared import Declaration, declared_dataset, declared_datasets
from deepgaze2.errors import DataError

DECLARED = declared_datasets()
REPOSITORY = Path(__file__).resolve().parents[3]


def test_the_sets_of_the_field_are_declared() -> None:
    assert set(DECLARED) >= {
        *("mit1003", "salicon2015", "salicon2017", "osie", "osie-mouse-amt", "osie-mouse-lab"),
        *("cat2000", "mit300", "toronto", "figrim", "koehler", "pascal-s"),
        *("coco-search18", "coco-freeview", "eyecrowd", "figrim-fillers"),
    }
    assert list(DECLARED) == sorted(DECLARED)


@pytest.mark.parametrize("declaration", DECLARED.values(), ids=DECLARED)
def test_a_declaration_is_complete(declaration: Declaration) -> None:
    for text in (declaration.title, declaration.citation, declaration.licence):
        assert text.strip()
    assert declaration.page.startswith(("http://", "https://"))
    assert declaration.expect.images
    assert declaration.files
    assert len({file.filename for file in declaration.files}) == len(declaration.files)
    for file in declaration.files:
        assert file.remote.url.startswith(("http://", "https://"))
        assert re.fullmatch(r"[\w.-]+\.(zip|mat|json)", file.filename)
        assert file.unpack == file.filename.endswith(".zip")
        if "/archive/" not in file.remote.url:  # GitHub makes its archive anew
            assert re.fullmatch("md5:[0-9a-f]{32}", file.remote.checksum or "")


@pytest.mark.parametrize("declaration", DECLARED.values(), ids=DECLARED)
def test_a_declared_reader_takes_a_folder_and_the_options(declaration: Declaration) -> None:
    module_name, _, function = declaration.reader.rpartition(".")
    module = importlib.import_module(f"deepgaze2.data.published.{module_name}")
    reader = getattr(module, function)
    inspect.signature(reader).bind(Path(), **declaration.options)
    known = declaration.options.get("pixels_per_degree", getattr(module, "PIXELS_PER_DEGREE", None))
    if known:
        assert declaration.pixels_per_degree == known


@pytest.mark.parametrize("name", DECLARED)
def test_the_documentation_lists_every_set(name: str) -> None:
    documentation = (REPOSITORY / "docs" / "datasets.md").read_text(encoding="utf-8")
    assert f"| `{name}` |" in documentation


def test_an_unknown_name_gets_the_nearest() -> None:
    assert declared_dataset("osie") is not None
    with pytest.raises(DataError, match="'MIT-1003'; did you mean mit1003"):
        declared_dataset("MIT-1003")
    with pytest.raises(DataError, match="use one of cat2000, coco-freeview, "):
        declared_dataset("###")
