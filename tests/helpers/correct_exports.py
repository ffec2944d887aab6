"""Correct exports of real recordings, in the layouts of several programs."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from PIL import Image

from deepgaze2.data.dataset import Dataset
from helpers.tracker_exports import (
    Fixation,
    begaze_events,
    eyelink_report,
    gazepoint_samples,
    idf_events,
    neon_mapped,
    realeye,
)

Rng = np.random.Generator


@dataclass
class Export:
    """A table of one program beside its images, and what is true of it.

    Attributes
    ----------
    layout : str
        Which program's.
    header, rows : list of str, list of list of str
        The table.
    separator : str
        Between cells.
    roles : dict of str to str
        The column of image, subject, x, y, order, start, duration.
    truth : list of Fixation
        What was recorded.
    images : dict of str to Path
        The file of each image by its name.
    changed : dict of str to callable
        What is done to images before they are written.
    text : callable
        What is done to the text of the table.
    size : (int, int)
        Of all images.
    without : frozenset of str
        Roles that are gone, so that they cannot be read; "end" if rows may be.
    near_px : float
        How near positions must be: whether pixels count from 0 or 1 cannot always be told, nor
        which of two eyes is meant.
    """

    layout: str
    header: list[str]
    rows: list[list[str]]
    separator: str
    roles: dict[str, str]
    truth: list[Fixation]
    images: dict[str, Path]
    size: tuple[int, int]
    changed: dict[str, Callable[[Image.Image], Image.Image]] = field(default_factory=dict)
    text: Callable[[bytes], bytes] = lambda text: text
    without: frozenset[str] = frozenset()
    near_px: float = 1.01

    def column(self, role: str) -> int:
        return self.header.index(self.roles[role])

    def write(self, folder: Path) -> Path:
        (folder / "images").mkdir(parents=True)
        for name, path in self.images.items():
            target = folder / "images" / name
            if name in self.changed:
                with Image.open(path) as image:
                    self.changed[name](image).save(target, quality=95)
            else:
                target.symlink_to(path)
        lines = [self.separator.join(cells) for cells in (self.header, *self.rows)]
        text = self.text(("\n".join(lines) + "\n").encode())
        (folder / "fixations.csv").write_bytes(text)
        return folder


def own(fixations: list[Fixation]) -> Iterator[str]:
    yield "image,subject,order,x_px,y_px,start_s,duration_s"
    for f in fixations:
        times = f"{f.start_ms / 1000},{f.duration_ms / 1000}"
        yield f"{f.image},{f.subject},{f.number - 1},{f.x},{f.y},{times}"


def plain(fixations: list[Fixation]) -> Iterator[str]:
    yield "participant;stimulus;x;y;start_ms;duration_ms"
    for f in fixations:
        yield f"{f.subject};{f.image};{f.x};{f.y};{f.start_ms};{f.duration_ms}"


def _roles(text: str) -> dict[str, str]:
    """Return columns by role, written as role=name with | between."""
    return dict(pair.split("=") for pair in text.split("|"))


LAYOUTS: dict[str, tuple[Callable[..., Iterator[str]], str, dict[str, str]]] = {
    "own": (
        own,
        ",",
        _roles(
            "image=image|subject=subject|order=order|x=x_px|y=y_px|start=start_s"
            "|duration=duration_s"
        ),
    ),
    "plain": (
        plain,
        ";",
        _roles("subject=participant|image=stimulus|x=x|y=y|start=start_ms|duration=duration_ms"),
    ),
    "eyelink": (
        eyelink_report,
        "\t",
        _roles(
            "subject=RECORDING_SESSION_LABEL|trial=TRIAL_INDEX|order=CURRENT_FIX_INDEX"
            "|x=CURRENT_FIX_X|y=CURRENT_FIX_Y|start=CURRENT_FIX_START"
            "|duration=CURRENT_FIX_DURATION|image=image"
        ),
    ),
    "begaze": (
        begaze_events,
        ",",
        _roles(
            "trial=Trial|image=Stimulus|subject=Participant|order=Index"
            "|start=Event Start Trial Time [ms]|duration=Event Duration [ms]"
            "|x=Fixation Position X [px]|y=Fixation Position Y [px]"
        ),
    ),
    "idf": (
        idf_events,
        ",",
        _roles(
            "trial=Trial|image=Image|subject=Subject|order=Number|start=Start|duration=Duration"
            "|x=Location X|y=Location Y"
        ),
    ),
    "neon": (
        neon_mapped,
        ",",
        _roles(
            "subject=wearer|image=image|order=fixation id|start=start timestamp [ns]"
            "|duration=duration [ms]|x=fixation x [px]|y=fixation y [px]"
        ),
    ),
    "realeye": (
        realeye,
        ",",
        _roles(
            "image=item_filename|subject=participant_id|trial=exposure_number"
            "|x=fixation_point_x|y=fixation_point_y|start=fixation_starts_at_ms"
            "|duration=fixation_duration_ms"
        ),
    ),
    "gazepoint": (
        gazepoint_samples,
        ",",
        _roles(
            "image=MEDIA_NAME|x=FPOGX|y=FPOGY|start=FPOGS|duration=FPOGD|order=FPOGID|subject=USER"
        ),
    ),
}
STARTS_PER_DURATION = dict.fromkeys(LAYOUTS, 1.0) | {
    "neon": 1e6
}  # units of starts in a unit of durations
RELATIVE = {"realeye": 100.0, "gazepoint": 1.0}


def export(
    layout: str, fixations: list[Fixation], images: dict[str, Path], size: tuple[int, int]
) -> Export:
    """Return a correct export of fixations in a program's layout."""
    write, separator, roles = LAYOUTS[layout]
    lines = list(write(fixations, size) if layout in RELATIVE else write(fixations))
    header, *rows = [line.split(separator) for line in lines]
    near_px = 9.01 if layout == "begaze" else 1.01  # the left eye's positions lie 9 px beside
    return Export(layout, header, rows, separator, roles, fixations, images, size, near_px=near_px)


@dataclass(frozen=True)
class Maker:
    """Makes exports of one layout, of fixations on images of one size."""

    layout: str
    fixations: list[Fixation]
    images: dict[str, Path]
    size: tuple[int, int]
    others: list[Path]

    def of(self, fixations: list[Fixation] | None = None) -> Export:
        shown = self.fixations if fixations is None else fixations
        made = export(self.layout, shown, self.images, self.size)
        made.truth = self.fixations
        return made

    def moved(self, move: Callable[[float, float], tuple[float, float]]) -> Export:
        """Return an export whose positions are wrong."""
        return self.of([_at(f, *move(f.x, f.y)) for f in self.fixations])


def _at(f: Fixation, x: float, y: float) -> Fixation:
    return replace(f, x=round(x, 4), y=round(y, 4))


def makers(
    dataset: Dataset, n_images: int, n_subjects: int, seed: int, layouts: Sequence[str] = ()
) -> list[Maker]:
    """Return makers of exports of real fixations: of some images and subjects, at random."""
    rng = np.random.default_rng(seed)
    shuffled = rng.permutation(len(dataset.stimuli))
    images, others = shuffled[:n_images], shuffled[n_images : 2 * n_images]
    ids, paths = dataset.stimuli.ids, dataset.stimuli.paths
    fixations = []
    for subject in rng.permutation(int(dataset.fixations.subject.max()) + 1)[:n_subjects]:
        for trial, i in enumerate(rng.permutation(images).tolist(), 1):
            seen, start = dataset.fixations_on(i), 16
            for number, row in enumerate(np.flatnonzero(seen.subject == subject), 1):
                place = float(round(seen.x[row], 1)), float(round(seen.y[row], 1))
                lasts = 16 * max(1, round(1000 * float(seen.duration_s[row]) / 16))
                person = f"P{subject + 1}"
                found = Fixation(ids[i], person, trial, number, *place, start, lasts)
                fixations.append(found)
                start += lasts + 48
    size = int(dataset.stimuli.width[images[0]]), int(dataset.stimuli.height[images[0]])
    named = {ids[i]: _known(paths[i]) for i in np.sort(images)}
    beside = [_known(paths[i]) for i in others]
    return [Maker(name, fixations, named, size, beside) for name in layouts or LAYOUTS]


def _known(path: Path | None) -> Path:
    assert path is not None
    return path
