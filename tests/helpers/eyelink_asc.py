"""Known fixations, written as `edf2asc` writes an EyeLink recording."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from helpers.tracker_exports import Fixation

SCREEN = (1024, 768)
IMAGE_AT = (192, 144)  # of 640x480 pixels in the middle
ONSET_MS = 700


@dataclass(frozen=True)
class Layout:
    """How the experiment told of its images.

    Attributes
    ----------
    names_image : str
        The message that does, with `{image}`.
    when : {"at once", "before", "late"}
        Sent as the image appears, before the recording or after its last fixation has begun.
    cleared : bool
        Whether a fixation follows after the screen was cleared.
    eyes : str
        Which are recorded, of "LR".
    samples : bool
        Whether only samples are written, one each 2 ms, and no events.
    trialid : str
        What begins a trial, with `{trial}` and `{image}`; nothing if empty.
    """

    names_image: str = "!V IMGLOAD CENTER ./img/{image} 512 384"
    when: str = "at once"
    cleared: bool = False
    eyes: str = "R"
    samples: bool = False
    trialid: str = "TRIALID {trial}"


def asc_lines(fixations: Sequence[Fixation], layout: Layout) -> Iterator[str]:
    """Write the fixations of one subject."""
    yield "** CONVERTED FROM test.edf using edfapi 4.2.1 Linux"
    yield "** TYPE: EDF_FILE BINARY EVENT SAMPLE TAGGED"
    yield f"MSG\t100000 DISPLAY_COORDS 0 0 {SCREEN[0] - 1} {SCREEN[1] - 1}"
    for trial in sorted({f.trial for f in fixations}):
        yield from _trial([f for f in fixations if f.trial == trial], 200_000 * trial, layout)


def _trial(fixations: Sequence[Fixation], clock: int, layout: Layout) -> Iterator[str]:
    image, onset = fixations[0].image, clock + ONSET_MS
    said = layout.names_image.format(image=image)
    if layout.trialid:
        label = layout.trialid.format(trial=fixations[0].trial, image=image)
        yield f"MSG\t{clock - 90} {label}"
    if layout.when == "before":
        yield f"MSG\t{clock - 20} {said}"
        onset = clock
    eyes = {"L": "LEFT", "R": "RIGHT", "LR": "LEFT\tRIGHT"}[layout.eyes]
    yield f"START\t{clock} \t{eyes}\tSAMPLES\tEVENTS"
    yield "PRESCALER\t1\nVPRESCALER\t1\nPUPIL\tAREA"
    yield f"EVENTS\tGAZE\t{eyes}\tRATE\t 500.00\tTRACKING\tCR\tFILTER\t2"
    yield f"SAMPLES\tGAZE\t{eyes}\tRATE\t 500.00\tTRACKING\tCR\tFILTER\t2"
    if layout.when == "at once":
        yield from _fixation(clock + 20, onset - 60, 512, 384, layout)  # on a cross
        yield f"MSG\t{onset + 7} 7 {said}"  # 7 ms late, as the message says
    elif layout.when == "late":
        onset = clock
    for f in fixations:
        begin = onset + f.start_ms
        x, y = f.x + IMAGE_AT[0], f.y + IMAGE_AT[1]
        yield from _fixation(begin, begin + f.duration_ms, x, y, layout)
        yield f"SBLINK R {begin + f.duration_ms + 8}"
        yield f"EBLINK R {begin + f.duration_ms + 8}\t{begin + f.duration_ms + 20}\t14"
    end = onset + fixations[-1].start_ms + fixations[-1].duration_ms
    if layout.cleared:
        yield f"MSG\t{end + 40} !V CLEAR 128 128 128"
        yield from _fixation(end + 60, end + 400, 10, 10, layout)
    if layout.when == "late":
        yield f"MSG\t{end + 5} {said}"
    yield f"END\t{end + 500} \tSAMPLES\tEVENTS\tRES\t  38.12\t  34.50"
    if layout.when == "at the end":
        yield f"MSG\t{end + 510} {said}"
    yield f"MSG\t{end + 520} !V TRIAL_VAR condition old"
    yield f"MSG\t{end + 530} TRIAL_RESULT 0"


def _fixation(begin: int, end: int, x: float, y: float, layout: Layout) -> Iterator[str]:
    """Write samples and the event; the left eye sees all 9 pixels to the right."""
    seen = {"L": f"{x + 9:7.1f}\t{y:7.1f}\t  600.0", "R": f"{x:7.1f}\t{y:7.1f}\t  612.0"}
    if not layout.samples:
        yield from (f"SFIX {eye}   {begin}" for eye in layout.eyes)
    for time in range(begin, end, 2):
        yield f"{time}\t" + "\t".join(seen[eye] for eye in layout.eyes) + "\t..."
    for eye in layout.eyes:
        if not layout.samples:
            yield f"EFIX {eye}   {begin}\t{end - 2}\t{end - begin}\t{seen[eye]}"
            from_to = "500.1\t  400.2\t  510.0\t  300.9"
            yield f"ESACC {eye}  {end}\t{end + 18}\t20\t  {from_to}\t   2.60\t 180"
    for time in range(end, end + 18, 2):
        yield f"{time}\t" + "\t".join("   .\t   .\t    0.0" for _ in layout.eyes) + "\t..."
