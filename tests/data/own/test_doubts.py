"""What makes a reader's note a doubt: it begins with "Look again"."""

from pathlib import Path

from deepgaze2.data.own.tabular import read_tabular
from helpers.plain_rows import write_image


def doubts(folder: Path, lines: list[str], end: str = "\n") -> list[str]:
    for name in "ab":
        write_image(folder / "images" / f"{name}.png", 640, 480)
    (folder / "table.csv").write_text("\n".join(lines) + end)
    return [note for note in read_tabular(folder).notes if note.startswith("Look again")]


def rows(n: int = 60) -> list[str]:
    """Rows of viewings of ten fixations each, of two images by n / 20 subjects."""
    return [
        f"s{i // 20},{'ab'[i // 10 % 2]},{1 + i // 10 % 2},{1 + i % 10},{(37 * i) % 640},"
        f"{(53 * i) % 480},{250 * (i % 10)},200"
        for i in range(n)
    ]


HEADER = "subject,image,trial,fix_index,x_px,y_px,start_ms,duration_ms"


def test_plain_rows_leave_no_doubt(tmp_path: Path) -> None:
    assert doubts(tmp_path, [HEADER, *rows()]) == []


def test_rows_of_one_fixation_far_apart(tmp_path: Path) -> None:
    lines = [line for row in rows() for line in (row, row)]
    cells = [line.split(",") for line in lines]
    for i in range(0, len(cells), 10):
        cells[i][4:6] = "0", "0"
    (doubt,) = doubts(tmp_path, [HEADER, *map(",".join, cells)])
    assert doubt.startswith("Look again at the rows of one fixation: those of 17% of fixations lie")


def test_a_second_viewing_of_one_row(tmp_path: Path) -> None:
    moved = rows()
    moved[20] = moved[20].replace("s1,", "s0,").replace(",1,1,", ",9,1,")
    (doubt,) = doubts(tmp_path, [HEADER, *moved])
    assert doubt.startswith("Look again at who saw an image again: later viewings have 1 fixations")
    again = [row.replace(",1,", ",3,", 1) for row in rows()]
    assert doubts(tmp_path, [HEADER, *rows(), *again]) == []


def test_a_clock_that_contradicts_the_order(tmp_path: Path) -> None:
    lines = [row.split(",") for row in rows()]
    for i, cells in enumerate(lines):
        cells[6] = str(100_000 + 250 * i)
    assert doubts(tmp_path, [HEADER, *map(",".join, lines)]) == []
    lines[3][6], lines[4][6] = lines[4][6], lines[3][6]
    (doubt,) = doubts(tmp_path, [HEADER, *map(",".join, lines)])
    assert doubt.startswith("Look again at the order of fixations: 1 begin before those that come")


def test_a_file_that_ends_within_a_line(tmp_path: Path) -> None:
    lines = [HEADER, *rows(400)]
    assert doubts(tmp_path, lines) == []
    (doubt,) = doubts(tmp_path, lines, end="")
    assert doubt == (
        "Look again at the last line of table.csv: it does not end, as if the file were cut off."
    )
    assert doubts(tmp_path, [HEADER, *rows()], end="") == []


def test_a_name_whose_rows_are_all_left_out_needs_no_image(tmp_path: Path) -> None:
    lines = [HEADER + ",valid", *(f"{row},1" for row in rows()), "s0,c,5,1,,,0,200,0"]
    assert doubts(tmp_path, lines) == []


def test_a_viewing_that_others_interrupt(tmp_path: Path) -> None:
    header, *_ = HEADER.replace("trial,fix_index", "block,of_no_use").split("\n")
    blocks = [row.replace(",1,", ",9,", 1) if i >= 20 else row for i, row in enumerate(rows(60))]
    (doubt,) = doubts(tmp_path, [header, *rows(40), *blocks[:20]])
    assert doubt.startswith("Look again at who saw an image again: 2 times rows of a subject")
    assert "--column trial=NAME" in doubt
    shuffled = [row for i in range(10) for row in rows(60)[i::10]]  # no order of the rows to trust
    assert doubts(tmp_path, [header, *shuffled]) == []
