"""Which column of somebody's table means what, told by its name."""

from collections.abc import Collection, Mapping, Sequence

from deepgaze2.data.decisions import STATED, Decision
from deepgaze2.data.own.eyes import AXES, EYES
from deepgaze2.data.own.names import key, keys, words
from deepgaze2.data.own.trackers import tracker_of
from deepgaze2.errors import DataError

UNITS_S = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
"""Units of time that can be stated, in seconds."""
NO_COLUMN = "none"
"""What is stated where no column has a meaning, as in `--column subject=none`."""


_POSITION = """{}_px {} {}_pixel {}_pixels {}_pix px_{} fix_{} {}_fix fixation_{} {}_fixation
    fix_pos_{} fixation_point_{} fixation_point_{}_mcspx current_fix_{} fpog{} norm_pos_{} mean_{}
    average_gaze_{}
    avg_{} {}_mean {}_pos pos_{} {}_position position_{} {}_coord {}_coordinate coord_{} gaze_{}
    {}_gaze gaze_point_{} screen_{} {}_screen location_{} loc_{} {}_norm norm_{}"""

_POSITION_OF_EYE = """left_{} {}_left left_{}_px left_eye_{} {}_left_eye left_gaze_{} gaze_left_{}
    gaze_{}_left left_eye_gaze_{} gaze_left_eye_{} left_gaze_point_{} gaze_point_left_{} left_pos_{}
    left_fixation_{} left_gaze_point_on_display_area_{}"""
_VALID_OF_EYE = """left_valid valid_left left_eye_valid left_validity left_gaze_valid
    left_gaze_point_validity left_gaze_point_valid"""

_USUAL_NAMES = {  # by meaning, the likeliest first; `_` stands for any separator or none
    "image": """image image_name image_file image_filename image_id image_path img img_name
        img_file img_id stimulus stimulus_name stimulus_file stimulus_id stim stim_name stim_id
        stimuli filename file picture photo scene scene_name media_name
        presented_stimulus_name presented_media_name media_id
        stim_file stimuli_name stimulus_path""",
    "x": _POSITION.replace("{}", "x"),
    "y": _POSITION.replace("{}", "y"),
    "subject": """subject subject_id subject_name subject_nr sub sub_id subj subj_id participant
        participant_id participant_name observer observer_id viewer viewer_id user user_id person
        worker worker_id sid pid ppid ppt vp vpn recording_session_label
        recording_name recording""",
    "order": """order fixation_order fix_order fixation_index fix_index fixation_idx fix_idx
        current_fix_index fixation_number fix_number fixation_num fix_num fixation_nr fix_nr
        fixation_no fix_no fixation_id fix_id fpogid eye_movement_type_index""",
    "start": """start_s start start_ms start_time start_time_s start_time_ms start_timestamp
        fixation_start fix_start current_fix_start fpogs onset onset_s onset_ms onset_time
        fixation_onset begin t_start timestamp timestamp_s timestamp_ms time time_s time_ms
        t t_s t_ms recording_timestamp recording_timestamp_ms""",
    "duration": """duration_s duration duration_ms dur dur_s dur_ms fixation_duration
        fixation_duration_s fixation_duration_ms fix_duration fix_duration_s fix_duration_ms
        fix_dur fix_dur_s fix_dur_ms current_fix_duration fpogd gaze_event_duration
        gaze_event_duration_ms durations""",
    "shown_x": """shown_x presented_media_position_x_dacspx presented_media_position_x_dacs_px
        presented_media_position_x presented_stimulus_position_x""",
    "shown_y": """shown_y presented_media_position_y_dacspx presented_media_position_y_dacs_px
        presented_media_position_y presented_stimulus_position_y""",
    "shown_width": "shown_width presented_media_width presented_stimulus_width",
    "shown_height": "shown_height presented_media_height presented_stimulus_height",
    "kind": """eye_movement_type gaze_event_type eye_movement movement_type event_type event_kind
        trial_type event event_label label category kind type""",
    "valid": "valid is_valid validity fixation_valid on_surf on_surface",
    "eye": "eye eye_used tracked_eye eye_tracked recorded_eye which_eye",
    "trial": """trial_index trial trial_id trial_nr trial_no trial_num trial_number exposure
        exposure_number exposure_index viewing viewing_number presentation_number repetition""",
    "confidence": "",  # guessed of programs that are known, since observers rate theirs too
    "units": "units",
    **{
        f"{eye}_{role}": names.replace("{}", role).replace("left", eye)
        for eye in EYES
        for role, names in (
            ("x", _POSITION_OF_EYE),
            ("y", _POSITION_OF_EYE),
            ("valid", _VALID_OF_EYE),
            ("order", ""),
            ("kind", ""),
        )
    },
    "width": "width image_width img_width stimulus_width",
    "height": "height image_height img_height stimulus_height",
    "pixels_per_degree": "pixels_per_degree px_per_degree px_per_deg pixel_per_degree ppd",
}
_RANKS = {
    role: {form.replace("_", ""): rank for rank, form in enumerate(forms.split())}
    for role, forms in _USUAL_NAMES.items()
}

_RECORDINGS = {"recordingname", "recording"}  # name a subject, or beside one what it saw when
_SECONDS = {"s", "sec", "secs", "second", "seconds"}
_MILLISECONDS = {"ms", "msec", "msecs", "millisecond", "milliseconds"}
_MICROSECONDS = {"us", "μs", "microsecond", "microseconds"}
_NANOSECONDS = {"ns", "nanosecond", "nanoseconds"}
_UNIT_NAMES = {
    "s": _SECONDS,
    "ms": _MILLISECONDS,
    "us": _MICROSECONDS,
    "ns": _NANOSECONDS,
}


def choose_columns(
    names: Sequence[str],
    wanted: Sequence[str],
    stated: Mapping[str, str],
    place: str,
    empty: Collection[str] = (),
) -> tuple[dict[str, str], list[Decision]]:
    """Find the columns that hold what is wanted.

    Parameters
    ----------
    names : sequence of str
        The table's column names.
    wanted : sequence of str
        Among image, x, y, subject, order, start, duration, kind, valid, confidence, eye, trial,
        units, shown_x, shown_y, shown_width, shown_height, width, height, pixels_per_degree, and
        x, y, order, kind, valid of an eye, such as left_x.
    stated : mapping of str to str
        What the user says: a column's name for some of `wanted`, or `none`. The others are guessed.
    place : str
        The table's name, for messages.
    empty : collection of str
        Columns that hold nothing of use, which are guessed last.

    Returns
    -------
    dict of str to str
        The column for each of `wanted` that the table has.
    list of Decision
        One for each.

    Raises
    ------
    DataError
        If a stated column is not there, or two columns are equally likely.
    """
    for role, name in stated.items():
        if role not in wanted:
            raise DataError(f"{place}: {role!r} is no column's meaning; use {', '.join(wanted)}")
        if name not in names and name != NO_COLUMN:
            raise DataError(f"{place}: no column {name!r}; there are {_listed(names)}")
    guesses = _guesses(names, wanted, stated, empty)
    chosen = {role: (stated.get(role) or guesses[role][0]) for role in (*stated, *guesses)}
    chosen = {role: name for role, name in chosen.items() if name in names}
    for role, name in chosen.items():
        alike = [other for other in names if key(other) == key(name)]
        if len(alike) > 1 and (role not in stated or names.count(name) > 1):
            raise DataError(
                f"{place}: the column of {role} could be any of {_listed(alike)};"
                f" rename them or state which: --column {role}=NAME, columns={{{role!r}: NAME}}"
            )
    return chosen, _decisions(names, wanted, stated, chosen, guesses)


def _guesses(
    names: Sequence[str],
    wanted: Sequence[str],
    stated: Mapping[str, str],
    empty: Collection[str],
) -> dict[str, list[str]]:
    """Return for each role that is not stated the columns it may be, the likeliest first."""
    tracker = tracker_of(names)
    free = [name for name in names if name not in stated.values()]
    found = {
        role: _ranked(free, tracker.columns.get(role, ()) if tracker else (), _RANKS[role])
        for role in wanted
        if role not in stated
    }
    for x, y in AXES:
        if x in found and y in found:  # of one form: no `x` with a `gaze_y`
            both = found[x].keys() & found[y].keys()
            for role in (x, y):
                found[role] = {rank: found[role][rank] for rank in both}
    if "subject" in found and "trial" in found and not found["trial"]:
        _take_recordings(found["subject"], found["trial"])
    return {
        role: [ranked[rank] for rank in sorted(ranked, key=lambda r: (ranked[r] in empty, r))]
        for role, ranked in found.items()
        if ranked
    }


def _ranked(
    free: Sequence[str], of_tracker: Sequence[str], usual: Mapping[str, int]
) -> dict[int, str]:
    """Return the columns that have one of these names by the name's rank, the tracker's first."""
    ranks = {form: rank + len(of_tracker) for form, rank in usual.items()}
    ranks |= {form: rank for rank, form in enumerate(of_tracker)}
    found = dict[int, str]()
    for name in free:
        if (form := next((form for form in keys(name) if form in ranks), None)) is not None:
            found.setdefault(ranks[form], name)
    return found


def _take_recordings(subject: dict[int, str], trial: dict[int, str]) -> None:
    """Make a recording's name, where another column names the subject, that of a viewing."""
    if len(subject) > 1:
        for rank in [rank for rank in subject if key(subject[rank]) in _RECORDINGS]:
            trial[rank] = subject.pop(rank)


def candidates(names: Sequence[str], role: str) -> list[str]:
    """Return the columns that may have a meaning, the likeliest first."""
    return _guesses(names, (role,), {}, ()).get(role, [])


def names_positions(cells: Sequence[str]) -> bool:
    """Tell whether a line's cells name columns of x and of y."""
    roles = [role for axes in AXES for role in axes]
    guesses = _guesses(cells, roles, {}, ())
    return any({*axes} <= guesses.keys() for axes in AXES)


def missing_columns(names: Sequence[str], missing: Sequence[str], place: str) -> DataError:
    """Return an error that lists the columns that are there."""
    one_image = ", or --image NAME if only one was shown" if "image" in missing else ""
    return DataError(
        f"{place}: no column for {' and '.join(missing)} among {_listed(names)}; rename it or"
        f" state it: --column {missing[0]}=NAME, columns={{{missing[0]!r}: NAME}}{one_image}"
    )


def time_unit_s(name: str, names: Sequence[str] = ()) -> float | None:
    """Return a time column's unit in seconds if its name tells, like `start [ms]` or `FPOGD`.

    The others of the table's `names` tell which program's habits hold.
    """
    if (written_s := written_unit_s(name)) is not None:
        return written_s
    tracker = tracker_of(names or [name])
    units = tracker.units if tracker else {}
    return next((UNITS_S[units[form]] for form in keys(name) if form in units), None)


def written_unit_s(name: str) -> float | None:
    """Return the unit of a time column in seconds if a word of its name is one."""
    written = set(words(name))
    return next((UNITS_S[unit] for unit, forms in _UNIT_NAMES.items() if written & forms), None)


def is_clock(name: str, names: Sequence[str]) -> bool:
    """Tell whether a program's column has times of a recording's clock, not since the image."""
    tracker = tracker_of(names)
    return tracker is not None and any(form in tracker.clocks for form in keys(name))


def _decisions(
    names: Sequence[str],
    wanted: Sequence[str],
    stated: Mapping[str, str],
    chosen: Mapping[str, str],
    guesses: Mapping[str, Sequence[str]],
) -> list[Decision]:
    tracker = tracker_of(names)
    decided = list[Decision]()
    for role in (role for role in wanted if role in chosen):
        name, others = chosen[role], [repr(other) for other in guesses.get(role, ())[1:]]
        if role in stated:
            why = STATED
        elif tracker and set(keys(name)) & set(tracker.columns.get(role, ())):
            why = "that program's name for it"
        else:
            why = "its name" if key(name) == key(role) else "a usual name for it"
        what = f"{role} from {name!r}" + f", not {' or '.join(others)}" * bool(others)
        guessed = role not in stated and (name != role or bool(others))
        decided.append(Decision("columns", what, why, f"--column {role}=NAME", guessed))
    return decided


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - 30} more" if len(names) > 30 else ""
    return ", ".join(repr(name) for name in names[:30]) + more
