"""Known fixations, written as eye trackers' programs export them."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

WIDTH, HEIGHT = 640, 480
STEP_MS = 16


@dataclass(frozen=True)
class Fixation:
    """One fixation; its number counts from 1 in its viewing, its start from the image's onset."""

    image: str
    subject: str
    trial: int
    number: int
    x: float
    y: float
    start_ms: int
    duration_ms: int


def known_fixations(n_viewings: int = 1) -> list[Fixation]:
    rng = np.random.default_rng(7)
    found = []
    for subject in ("P1", "P2"):
        for trial in range(1, 2 * n_viewings + 1):
            start = 16
            for number in range(1, 5):
                x, y = rng.integers(20, (WIDTH - 20, HEIGHT - 20))
                duration = STEP_MS * int(rng.integers(8, 20))
                image = "ab"[trial % 2] + ".png"
                found.append(
                    Fixation(image, subject, trial, number, int(x), int(y), start, duration)
                )
                start += duration + 3 * STEP_MS
    return found


def tobii_samples(fixations: list[Fixation]) -> Iterator[str]:
    yield (
        "Recording timestamp [ms]\tParticipant name\tRecording name\tPresented Stimulus name\t"
        "Eye movement type\tGaze event duration [ms]\tEye movement type index\t"
        "Fixation point X [MCS px]\tFixation point Y [MCS px]"
    )
    clock, before, number = 5000, None, 0
    for f in fixations:
        if before != (f.subject, f.trial):
            head = f"{clock}\t{f.subject}\tR{f.trial}\tEyetracker Calibration"
            yield f"{head}\tFixation\t90\t99\t5\t5"
            before, number = (f.subject, f.trial), 10 * f.trial
        head = f"\t{f.subject}\tR{f.trial}\t{f.image}\t"
        number += 1
        for i in range(0, f.duration_ms, STEP_MS):
            yield f"{clock + i}{head}Fixation\t{f.duration_ms}\t{number}\t{f.x}\t{f.y}"
        clock += f.duration_ms
        for i in range(3):
            yield f"{clock + i * STEP_MS}{head}Saccade\t48\t{number}\t\t"
        clock += 3 * STEP_MS


def eyelink_report(fixations: list[Fixation]) -> Iterator[str]:
    yield (
        "RECORDING_SESSION_LABEL\tTRIAL_INDEX\tCURRENT_FIX_INDEX\tCURRENT_FIX_X\tCURRENT_FIX_Y\t"
        "CURRENT_FIX_START\tCURRENT_FIX_DURATION\tEYE_USED\timage"
    )
    for f in fixations:
        numbers = f"{f.number}\t{f.x}\t{f.y}\t{f.start_ms}\t{f.duration_ms}"
        eye = "RIGHT" if f.subject == "P1" else "LEFT"
        yield f"{f.subject}\t{f.trial}\t{numbers}\t{eye}\t{f.image}"
    yield "P1\t99\t1\t.\t.\t16\t500\tRIGHT\tUNDEFINED"


def begaze_events(fixations: list[Fixation]) -> Iterator[str]:
    yield (
        "Trial,Stimulus,Participant,Category,Eye L/R,Index,Event Start Trial Time [ms],"
        "Event Duration [ms],Fixation Position X [px],Fixation Position Y [px]"
    )
    for f in fixations:
        head = f"Trial{f.trial:03d},{f.image},{f.subject}"
        times = f"{f.number},{f.start_ms},{f.duration_ms}"
        yield f"{head},Visual Intake,Left,{times},{f.x + 9},{f.y}"
        yield f"{head},Visual Intake,Right,{times},{f.x},{f.y}"
        yield f"{head},Saccade,Right,{times},-,-"
        yield f"{head},Blink,Left,{times},0,0"


def idf_events(fixations: list[Fixation]) -> Iterator[str]:
    yield "Event Type,Trial,Image,Subject,Number,Start,End,Duration,Location X,Location Y"
    for f in fixations:
        start = 167531377718 + 1000 * f.start_ms
        times = f"{start},{start + 1000 * f.duration_ms},{1000 * f.duration_ms}"
        yield f"Fixation R,{f.trial},{f.image},{f.subject},{f.number},{times},{f.x},{f.y}"
        yield f"Blink R,{f.trial},{f.image},{f.subject},{f.number},{times},0,0"


def gazepoint_samples(
    fixations: list[Fixation], size: tuple[int, int] = (WIDTH, HEIGHT)
) -> Iterator[str]:
    yield "MEDIA_ID,MEDIA_NAME,FPOGX,FPOGY,FPOGS,FPOGD,FPOGID,FPOGV,USER"
    for f in fixations:
        position = f"{f.x / size[0]!r},{f.y / size[1]!r},{f.start_ms / 1000}"
        for passed in range(STEP_MS, f.duration_ms + 1, STEP_MS):
            yield f"0,{f.image},{position},{passed / 1000},{f.number},1,{f.subject}"
        yield f"0,{f.image},0,0,{f.start_ms / 1000},0.016,{f.number},0,{f.subject}"


def eyelink_samples(fixations: list[Fixation]) -> Iterator[str]:
    yield (
        "RECORDING_SESSION_LABEL\tTRIAL_INDEX\timage\tTIMESTAMP\tRIGHT_FIX_INDEX\tRIGHT_GAZE_X\t"
        "RIGHT_GAZE_Y\tCURRENT_FIX_DURATION"
    )
    for f in fixations:
        head, n = f"{f.subject}\t{f.trial}\t{f.image}", f.duration_ms // STEP_MS
        for i in range(0, f.duration_ms, STEP_MS):
            time = 100_000 * f.trial + f.start_ms + i
            even = i // STEP_MS < n - n % 2
            shake = 1 - 2 * (i // STEP_MS % 2) if even else 0
            yield f"{head}\t{time}\t{f.number}\t{f.x + shake}\t{f.y}\t{f.duration_ms}"
        for i in range(3):
            time = 100_000 * f.trial + f.start_ms + f.duration_ms + i * STEP_MS
            yield f"{head}\t{time}\t.\t{f.x + 20 * i}\t{f.y}\t."


def neon_mapped(fixations: list[Fixation]) -> Iterator[str]:
    yield (
        "wearer,image,recording id,fixation id,start timestamp [ns],duration [ms],"
        "fixation detected in reference image,fixation x [px],fixation y [px]"
    )
    for f in fixations:
        start = 1700000000_000000000 + 1_000_000 * (100_000 * f.trial + f.start_ms)
        recording = f"{f.subject}-{f.trial}"
        number = f.number + 10 * f.trial
        head = f"{f.subject},{f.image},{recording},{number},{start},{f.duration_ms}"
        yield f"{head},true,{f.x},{f.y}"
    yield "P1,a.png,r2,77,1700000900000000000,200,false,,"


def realeye(fixations: list[Fixation], size: tuple[int, int] = (WIDTH, HEIGHT)) -> Iterator[str]:
    yield (
        "study_id,item_filename,participant_id,exposure_number,fixation_point_x,fixation_point_y,"
        "fixation_starts_at_ms,fixation_duration_ms"
    )
    for f in fixations:
        position = f"{100 * f.x / size[0]!r},{100 * f.y / size[1]!r}"
        yield f"s,{f.image},{f.subject},{f.trial},{position},{f.start_ms},{f.duration_ms}"


def begaze_of_one(subject: str, image: str) -> list[str]:
    """A file of BeGaze's whose subject and stimulus only lines before the columns' names tell."""
    return [
        "## [BeGaze]",
        "## Version:\tBeGaze 3.7",
        f"## Subject:\t{subject}",
        f"## Stimulus:\t{image}",
        "Fixation Position X [px]\tFixation Position Y [px]",
        "413.2\t318.1",
        "495.0\t227.9",
    ]


def tobii_studio_of_one(subject: str, image: str) -> list[str]:
    """A file of Tobii Studio's whose participant only lines before the columns' names tell."""
    return [
        "Data properties:",
        "",
        "Recording date:\t01/02/2020",
        f"Participant name:\t{subject}",
        "Recording name:\tRec 01",
        "Coordinate unit: Pixels",
        "",
        "Timestamp\tFixationIndex\tFixationDuration\tMappedFixationPointX\tMappedFixationPointY"
        "\tStimuliName",
        f"1000\t1\t216\t413\t318\t{image}",
        f"1300\t2\t233\t495\t227\t{image}",
    ]


APART = 8
"""How many pixels the left eye looks to the left of the right one in exports of both."""


def both_eyes(f: Fixation, sample: int) -> tuple[str, str, str, str, bool, bool]:
    """Return a sample of each eye as written, x and y, and whether the eye was found.

    Their mean is the fixation. Of every three samples the second has lost the right eye and the
    third the left one; the eye that is left then looks where the fixation is.
    """
    left, right = sample % 3 != 2, sample % 3 != 1
    shift = APART / 2 if left and right else 0
    at = [f"{f.x - shift}", f"{f.y + shift}", f"{f.x + shift}", f"{f.y - shift}"]
    return at[0], at[1], at[2], at[3], left, right


def tobii_eyes(fixations: list[Fixation], *, studio: bool) -> Iterator[str]:
    """Write samples with both eyes in pixels of the screen; lost ones keep a wrong position."""
    if studio:
        point, valid = "GazePoint{1}{0} (ADCSpx)", "Validity{}"
        head = "ParticipantName\tRecordingTimestamp\tMediaName\tGazeEventType\tGazeEventDuration"
        head += "\tFixationIndex\tRecordingName"
    else:
        point, valid = "Gaze point {2} {0} [DACS px]", "Validity {}"
        head = "Participant name\tRecording timestamp [ms]\tPresented Stimulus name"
        head += "\tEye movement type\tGaze event duration [ms]\tEye movement type index"
        head += "\tRecording name"
    for eye in ("left", "right"):
        named = eye.capitalize() if studio else eye
        head += "".join("\t" + point.format(axis, named, named) for axis in "XY")
        head += "\t" + valid.format(named)
    yield head
    good, bad = ("0", "4") if studio else ("Valid", "Invalid")
    for f in fixations:
        number = f.number + 10 * f.trial
        for i in range(f.duration_ms // STEP_MS):
            time = 100_000 * f.trial + f.start_ms + i * STEP_MS
            row = f"{f.subject}\t{time}\t{f.image}\tFixation\t{f.duration_ms}\t{number}\tR{f.trial}"
            left_x, left_y, right_x, right_y, left, right = both_eyes(f, i)
            row += f"\t{left_x}\t{left_y}\t{good}" if left else f"\t-1\t-1\t{bad}"
            yield row + (f"\t{right_x}\t{right_y}\t{good}" if right else f"\t-1\t-1\t{bad}")


def gazepoint_eyes(fixations: list[Fixation]) -> Iterator[str]:
    yield "MEDIA_NAME,FPOGS,FPOGD,FPOGID,FPOGV,LPOGX,LPOGY,LPOGV,RPOGX,RPOGY,RPOGV,USER"
    for f in fixations:
        for i in range(f.duration_ms // STEP_MS):
            left_x, left_y, right_x, right_y, left, right = both_eyes(f, i)
            row = f"{f.image},{f.start_ms / 1000},{(i + 1) * STEP_MS / 1000},{f.number},1"
            for x, y, found in ((left_x, left_y, left), (right_x, right_y, right)):
                at = f"{float(x) / WIDTH!r},{float(y) / HEIGHT!r}" if found else "0.9,0.9"
                row += f",{at},{int(found)}"
            yield f"{row},{f.subject}"


def begaze_eyes(fixations: list[Fixation]) -> Iterator[str]:
    """Write raw data in which both eyes fixate at once, and an eye that is lost lies at 0, 0."""
    yield (
        "RecordingTime [ms],Stimulus,Participant,Trial,Category Binocular,Index Binocular,"
        "Point of Regard Left X [px],Point of Regard Left Y [px],"
        "Point of Regard Right X [px],Point of Regard Right Y [px]"
    )
    for f in fixations:
        for i in range(f.duration_ms // STEP_MS):
            left_x, left_y, right_x, right_y, left, right = both_eyes(f, i)
            time = 100_000 * f.trial + f.start_ms + i * STEP_MS
            row = f"{time},{f.image},{f.subject},{f.trial},Visual Intake,{f.number}"
            row += f",{left_x},{left_y}" if left else ",0.0,0.0"
            yield row + (f",{right_x},{right_y}" if right else ",0.0,0.0")


def eyelink_eyes(fixations: list[Fixation]) -> Iterator[str]:
    """Write samples in which the fixations are those of both eyes."""
    yield (
        "RECORDING_SESSION_LABEL\tTRIAL_INDEX\timage\tTIMESTAMP\tAVERAGE_FIX_INDEX\tLEFT_GAZE_X\t"
        "LEFT_GAZE_Y\tRIGHT_GAZE_X\tRIGHT_GAZE_Y"
    )
    for f in fixations:
        for i in range(f.duration_ms // STEP_MS):
            left_x, left_y, right_x, right_y, left, right = both_eyes(f, i)
            time = 100_000 * f.trial + f.start_ms + i * STEP_MS
            row = f"{f.subject}\t{f.trial}\t{f.image}\t{time}\t{f.number}"
            row += f"\t{left_x}\t{left_y}" if left else "\t.\t."
            yield row + (f"\t{right_x}\t{right_y}" if right else "\t.\t.")
