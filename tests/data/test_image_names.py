"""Images of two data sets that are the same by their names."""

import pytest

from deepgaze2.data.image_names import parts_by_name

PARTS = (("tower__sun_a.webp", "1001.jpg"), ("i05june.static.jpeg", "b/c.png"))


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("tower__sun_a.webp", 0),
        ("Fillers/tower/sun_a.jpg", 0),
        ("1001.png", 0),
        ("I05june.static.jpeg", 1),
        ("x/b/c.JPG", 1),
        ("b\\c.png", 1),
        ("sun_a.webp", -1),  # of whichever tower
        ("other/c.png", -1),
        ("c.png", -1),
        ("100.jpg", -1),
        ("i05june.jpeg", -1),
    ],
)
def test_folders_and_file_types_may_be_written_otherwise(name: str, part: int) -> None:
    assert parts_by_name(PARTS, [name]).tolist() == [part]


def test_there_may_be_no_names() -> None:
    assert parts_by_name((), ["a.png"]).tolist() == [-1]
    assert parts_by_name(PARTS, []).tolist() == []
