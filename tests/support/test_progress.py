"""Progress: a bar on a terminal, elsewhere plain lines now and then."""

from io import StringIO

import pytest

from deepgaze2.support.progress import Progress, tracked


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


class Clock:
    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def test_elsewhere_a_line_at_the_start_each_minute_and_at_the_end() -> None:
    log, clock = StringIO(), Clock()
    with Progress("features", 600, stream=log, clock=clock) as progress:
        for _ in range(600):
            clock.seconds += 0.5
            progress.update()
    assert log.getvalue().splitlines() == [
        "features: 0 of 600 images",
        "features: 120 of 600 images, 4 min left",
        "features: 240 of 600 images, 3 min left",
        "features: 360 of 600 images, 2 min left",
        "features: 480 of 600 images, 1 min left",
        "features: 600 of 600 images, 0 s left",
        "features: 600 of 600 images in 5 min",
    ]


def test_what_takes_long_shows_that_it_goes_on_and_what_it_is_at() -> None:
    log, clock = StringIO(), Clock()
    with Progress("training", 40, "epoch", stream=log, clock=clock) as progress:
        progress.update(0, "fold 3 begins")
        clock.seconds = 61.0
        progress.update(0)
        clock.seconds = 600.0
        progress.update(2, "fold 3, epoch 2")
    assert log.getvalue().splitlines() == [
        "training: 0 of 40 epochs",
        "training: 0 of 40 epochs (fold 3 begins)",
        "training: 2 of 40 epochs, 3 h 10 min left (fold 3, epoch 2)",
        "training: 2 of 40 epochs in 10 min (fold 3, epoch 2)",
    ]


def test_bytes_are_megabytes_and_those_of_before_do_not_count_for_the_time_left() -> None:
    log, clock = StringIO(), Clock()
    with Progress("a.zip", 9_000_000, "B", initial=5_000_000, stream=log, clock=clock) as progress:
        clock.seconds = 60.0
        progress.update(1_000_000)
    assert log.getvalue().splitlines()[:2] == [
        "a.zip: 5.0 of 9.0 MB",
        "a.zip: 6.0 of 9.0 MB, 3 min left",
    ]


@pytest.mark.parametrize("stream", [StringIO(), Terminal()])
def test_what_was_done_before_tells_nothing_about_the_time_left(stream: StringIO) -> None:
    clock = Clock()
    with Progress("training", 10, "epoch", stream=stream, clock=clock) as progress:
        progress.skip(6)
        clock.seconds = 60.0
        progress.update(2)
    shown = "8/10" if stream.isatty() else "training: 8 of 10 epochs, 1 min left"
    assert shown in stream.getvalue()


def test_an_unknown_total_is_left_out() -> None:
    log, clock = StringIO(), Clock()
    with Progress("reading", None, "row", stream=log, clock=clock) as progress:
        clock.seconds = 60.0
        progress.update(1000)
    assert "reading: 1000 rows\n" in log.getvalue()


def test_nothing_is_said_of_nothing_or_of_what_is_soon_over() -> None:
    for total, stream in ((0, StringIO()), (0, Terminal()), (5, StringIO()), (5, Terminal())):
        with Progress("reading", total, delay_s=2, stream=stream) as progress:
            progress.update(total)
        assert stream.getvalue().strip("\r\n ") == ""


def test_a_bar_on_a_terminal_with_lines_above_it() -> None:
    screen = Terminal()
    with Progress("features", 2, stream=screen) as progress:
        progress.write("note: a file is damaged")
        progress.update(2, "half")
    assert "note: a file is damaged\n" in screen.getvalue()
    assert "features: 100%|" in screen.getvalue()
    assert "half" in screen.getvalue()


def test_items_are_counted_on_standard_error(capfd: pytest.CaptureFixture[str]) -> None:
    assert list(tracked("ab", "reading", 2, "letter")) == ["a", "b"]
    stdout, stderr = capfd.readouterr()
    assert stdout == ""
    assert stderr == "reading: 0 of 2 letters\nreading: 2 of 2 letters in 0 s\n"
