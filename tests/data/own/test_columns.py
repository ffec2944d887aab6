import pytest

from deepgaze2.data.decisions import notes_of
from deepgaze2.data.own.columns import _RANKS, choose_columns, time_unit_s
from deepgaze2.errors import DataError

FIXATIONS = ("image", "subject", "x", "y", "order", "start", "duration")


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (  # EyeLink Data Viewer
            "RECORDING_SESSION_LABEL,TRIAL_INDEX,CURRENT_FIX_INDEX,CURRENT_FIX_X,CURRENT_FIX_Y,"
            "CURRENT_FIX_START,CURRENT_FIX_DURATION,CURRENT_FIX_PUPIL,image",
            "image,RECORDING_SESSION_LABEL,CURRENT_FIX_X,CURRENT_FIX_Y,CURRENT_FIX_INDEX,"
            "CURRENT_FIX_START,CURRENT_FIX_DURATION",
        ),
        (  # Gazepoint
            "MEDIA_ID,MEDIA_NAME,FPOGX,FPOGY,FPOGS,FPOGD,FPOGID,FPOGV,USER",
            "MEDIA_NAME,USER,FPOGX,FPOGY,FPOGID,FPOGS,FPOGD",
        ),
        (  # Tobii Pro Lab
            "Participant name,Presented Stimulus name,Recording timestamp [ms],"
            "Fixation point X [MCS px],Fixation point Y [MCS px],Gaze event duration [ms],"
            "Eye movement type index",
            "Presented Stimulus name,Participant name,Fixation point X [MCS px],"
            "Fixation point Y [MCS px],Eye movement type index,Recording timestamp [ms],"
            "Gaze event duration [ms]",
        ),
        ("img;fixX;fixY;subj".replace(";", ","), "img,subj,fixX,fixY"),
        ("Filename,X,Y", "Filename,X,Y"),
        ("image,x,gaze_x,gaze_y", "image,gaze_x,gaze_y"),  # `x` has no `y`
        ("image,x,y", "image,x,y"),
        ("image,left", "image"),
    ],
)
def test_usual_names_are_recognized(header: str, expected: str) -> None:
    chosen, _ = choose_columns(header.split(","), FIXATIONS, {}, "a.csv")
    assert {chosen[role] for role in chosen} == set(expected.split(","))
    assert [chosen[role] for role in FIXATIONS if role in chosen] == expected.split(",")


def test_what_was_guessed_is_said() -> None:
    header = ["image", "fix_x", "fix_y", "x_px", "y_px", "pupil"]
    chosen, notes = choose_columns(header, FIXATIONS, {}, "a.csv")
    assert chosen == {"image": "image", "x": "x_px", "y": "y_px"}
    assert notes_of(notes) == (
        "Columns guessed by their names: x from 'x_px', not 'fix_x', y from 'y_px', not 'fix_y'.",
    )
    assert [note.why for note in notes[:2]] == ["its name", "a usual name for it"]
    stated = {"x": "pupil", "y": "fix_y"}
    chosen, notes = choose_columns(header, FIXATIONS, stated, "a.csv")
    assert chosen == {"image": "image", **stated}
    assert notes_of(notes) == ()
    assert [note.why for note in notes[:3]] == ["its name", "stated", "stated"]


def test_wrong_statements() -> None:
    with pytest.raises(DataError, match=r"a\.csv: no column 'z'; there are 'image', 'x'"):
        choose_columns(["image", "x"], FIXATIONS, {"y": "z"}, "a.csv")
    with pytest.raises(DataError, match="'pupil' is no column's meaning; use image, subject"):
        choose_columns(["image", "x"], FIXATIONS, {"pupil": "x"}, "a.csv")


@pytest.mark.parametrize("header", [["x", "X", "y", "Y", "image"], ["y", "y", "x", "image"]])
def test_columns_that_cannot_be_told_apart(header: list[str]) -> None:
    with pytest.raises(DataError, match=r"the column of [xy] could be any of '[xy]', '[xXyY]'"):
        choose_columns(header, FIXATIONS, {}, "a.csv")


def test_columns_alike_can_be_stated_unless_equal() -> None:
    stated = {"x": "X", "y": "y"}
    assert choose_columns(["x", "X", "y", "image"], FIXATIONS, stated, "a.csv")[0]["x"] == "X"
    with pytest.raises(DataError, match="could be any of 'x', 'x'"):
        choose_columns(["x", "x", "y", "image"], FIXATIONS, {"x": "x", "y": "y"}, "a.csv")


def test_no_name_has_two_meanings() -> None:
    names = [name for ranks in _RANKS.values() for name in ranks]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("name", "unit_s"),
    [
        ("duration_ms", 1e-3),
        ("Gaze event duration [ms]", 1e-3),
        ("durationMs", 1e-3),
        ("CURRENT_FIX_DURATION", 1e-3),
        ("start_s", 1),
        ("FPOGD", 1),
        ("t (sec)", 1),
        ("Recording timestamp [μs]", 1e-6),
        ("durations", None),
        ("start", None),
        ("timestamp", None),
    ],
)
def test_units_in_names(name: str, unit_s: float | None) -> None:
    assert time_unit_s(name) == unit_s
