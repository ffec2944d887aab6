"""Run by pysaliency's own Python: reads and writes files for test_pysaliency_hdf5.py.

`dump FILE OUT` reads what we wrote; `write FOLDER` writes what we read. Every object is
written as plain arrays too, fixation by fixation.
"""

# mypy: ignore-errors

import sys
from pathlib import Path

import h5py
import numpy as np
import pysaliency
from PIL import Image


def dump(path: str, out: str) -> None:
    with h5py.File(path, "r") as file:
        stimuli, fixations = (pysaliency.read_hdf5(file[name]) for name in ("stimuli", "fixations"))
    np.savez(
        out,
        filenames=[str(Path(name).resolve()) for name in stimuli.filenames],
        sizes=list(stimuli.sizes),
        decoded_shapes=[image.shape[:2] for image in stimuli.stimuli],
        shapes=[len(shape) for shape in stimuli.shapes],
        pixels_per_degree=stimuli.attributes.get("pixels_per_degree", []),
        **_plain(fixations),
    )


def write(folder: Path) -> None:
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, shape).astype(np.uint8) for shape in ((60, 80, 3), (50, 70))]
    for name, image in zip(("a/1.png", "b/1.png"), images):  # noqa: B905, older Python
        (folder / name).parent.mkdir(exist_ok=True)
        Image.fromarray(image).save(folder / name)
    files = pysaliency.FileStimuli([str(folder / "a/1.png"), str(folder / "b/1.png")])
    arrays = pysaliency.Stimuli(images, attributes={"pixels_per_degree": np.array([30.0, 20.0])})
    lengths = [3, 1, 4, 2, 0, 1]
    trains = pysaliency.FixationTrains.from_fixation_trains(
        [rng.uniform(0, 70, n) for n in lengths],
        [rng.uniform(0, 50, n) for n in lengths],
        [np.sort(rng.uniform(0, 3, n)) for n in lengths],
        [0, 0, 1, 1, 1, 0],
        [0, 1, 0, 3, 1, 4],
        scanpath_attributes={"task": np.arange(6)},
        scanpath_fixation_attributes={"durations": [rng.uniform(0.1, 1, n) for n in lengths]},
        scanpath_attribute_mapping={"durations": "duration"},
    )
    points = [rng.uniform(0, 50, 4) for _ in range(2)]
    counted = pysaliency.FixationTrains.from_fixation_trains(
        points, points, [np.arange(4.0)] * 2, [0, 1], [0, 0]
    )
    single = trains[np.array([1, 2, 3, 5, 6, 9])]
    n, t = np.array([1, 0, 1, 1]), np.array([0.5, 0.25, 0.125, 0.75])
    objects = {
        "trains": trains,
        "counted": counted,
        "single": single,
        "without": pysaliency.Fixations.FixationsWithoutHistory(
            t * 10, t * 20, t, n, np.array([2, 0, 2, 1])
        ),
    }
    if hasattr(pysaliency.datasets, "ScanpathFixations"):
        objects["scanpaths"] = pysaliency.datasets.ScanpathFixations(scanpaths=trains.scanpaths)
    for name, fixations in objects.items():
        fixations.to_hdf5(str(folder / f"fixations_{name}.hdf5"))
        stimuli = arrays if name == "single" else files
        stimuli.to_hdf5(str(folder / f"stimuli_{name}.hdf5"))
        np.savez(folder / f"{name}.npz", **_plain(fixations))


def _plain(fixations):  # noqa: ANN001, ANN202
    """Return each fixation's numbers, whatever pysaliency's release calls them."""
    subject = fixations.subject if hasattr(fixations, "subject") else fixations.subjects
    duration = getattr(
        fixations, "duration", getattr(fixations, "durations", np.full(len(subject), np.nan))
    )
    return {
        "n": fixations.n,
        "subject": subject,
        "history": [np.isfinite(fixations.x_hist[i]).sum() for i in range(len(subject))],
        "x": fixations.x,
        "y": fixations.y,
        "t": fixations.t,
        "duration": duration,
    }


if __name__ == "__main__":
    if sys.argv[1] == "dump":
        dump(sys.argv[2], sys.argv[3])
    else:
        write(Path(sys.argv[2]))
