"""What is kept is taken up by the same work, and by no other."""

from pathlib import Path

import pytest

from deepgaze2.errors import DataError
from deepgaze2.support.resume import kept, named


def test_a_result_is_computed_once(tmp_path: Path) -> None:
    path, identity = tmp_path / "result.json", {"seed": 1, "sizes": (1, 2)}
    assert kept(path, identity, lambda: [1.5, None]) == [1.5, None]
    assert kept(path, identity, lambda: pytest.fail("again")) == [1.5, None]


def test_a_result_of_something_else_is_refused_and_says_what_to_remove(tmp_path: Path) -> None:
    path = tmp_path / "run" / "result.json"
    kept(path, {"seed": 1, "parts": 2, "data": "a"}, lambda: 0)
    with pytest.raises(DataError, match=r"result\.json: holds a result with other parts, seed;"):
        kept(path, {"seed": 2, "parts": 3, "data": "a"}, lambda: 0)
    with pytest.raises(DataError, match=r"run: holds a search with other seed; .*remove .*run to"):
        kept(path, {"seed": 2}, lambda: 0, place=path.parent, work="search")


@pytest.mark.parametrize("content", ["", "{", "[]", "7", '{"result": 1}', '{"identity": 3}'])
def test_a_damaged_result_is_refused_in_a_line(tmp_path: Path, content: str) -> None:
    path = tmp_path / "result.json"
    path.write_text(content)
    with pytest.raises(DataError, match=r"result\.json: damaged; remove it") as caught:
        kept(path, {"seed": 1}, lambda: 0)
    assert "\n" not in str(caught.value)


def test_a_path_is_named_by_what_it_is_of(tmp_path: Path) -> None:
    path = named(tmp_path, "model", [1, 2], prefix="parts-", suffix=".npy")
    assert path == named(tmp_path, "model", (1, 2), prefix="parts-", suffix=".npy")
    assert path != named(tmp_path, "model", [1, 3], prefix="parts-", suffix=".npy")
    assert path.name.startswith("parts-")
    assert path.suffix == ".npy"
