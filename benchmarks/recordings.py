"""Time and memory of reading exports of eye trackers, beside pandas' reader of the same columns.

    python benchmarks/recordings.py

Made-up recordings of 16 participants, 10 million samples in all, are read as Tobii writes them,
with the number of each sample's fixation, and as bare samples in which fixations are detected.
pandas only reads the columns, and says nothing of what rows are. Each runs in a process of its own,
in turns; what counts are user CPU seconds, since other work on the machine changes them little, and
the peak of memory, on Linux alone.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

N_PARTICIPANTS = 16
N_SAMPLES = 10_000_000
N_IMAGES = 100
RATE = 300
SAMPLES_EACH = 75  # of a fixation, 250 ms
WIDTH, HEIGHT = 1024, 768
PIXELS_PER_DEGREE = 36

MEASURED = """
import json, re, resource, sys
from pathlib import Path
folder = Path(sys.argv[1])
{code}
peak = re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())
peak_mb = int(peak[1]) * 1024 / 1e6 if peak else float("nan")
print(json.dumps([resource.getrusage(resource.RUSAGE_SELF).ru_utime, peak_mb, found]))
"""
OURS = """
from deepgaze2.data.own.tabular import read_tabular
found = len(read_tabular(folder, **{options}).fixations)
"""
PEER = """
import pandas as pd
tables = [
    pd.read_csv(path, sep="\\t", usecols={columns})
    for path in sorted(folder.glob("*.tsv"))
]
found = len(pd.concat(tables))
"""
TOBII = {
    "columns": [
        "Recording timestamp [ms]",
        "Participant name",
        "Presented Stimulus name",
        "Eye movement type",
        "Gaze event duration [ms]",
        "Eye movement type index",
        "Fixation point X [MCS px]",
        "Fixation point Y [MCS px]",
    ],
    "options": {},
}
BARE = {
    "columns": ["image", "subject", "time_ms", "x", "y"],
    "options": {"detect": "ivt", "pixels_per_degree": PIXELS_PER_DEGREE},
}


def gaze(n: int, rng: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return positions of fixations somewhere on the image, with noise; each 20th is lost."""
    at = rng.uniform(50, (WIDTH - 50, HEIGHT - 50), (n // SAMPLES_EACH + 1, 2))
    x, y = (at.repeat(SAMPLES_EACH, axis=0)[:n] + rng.normal(0, 1.5, (n, 2))).T
    lost = rng.uniform(size=n) < 0.05
    x[lost] = y[lost] = np.nan
    return x, y


def write(folder: Path, n_samples: int) -> None:
    """Write a file of each kind for each participant; they differ in who is named."""
    n = n_samples // N_PARTICIPANTS
    x, y = gaze(n, np.random.default_rng(0))
    listed = "image,width,height\n" + "".join(
        f"{i}.png,{WIDTH},{HEIGHT}\n" for i in range(N_IMAGES)
    )
    tobii, bare = (
        ["\t".join([*TOBII["columns"], "Sensor", "Pupil diameter left [mm]"])],
        ["\t".join(BARE["columns"])],
    )
    for i, (at_x, at_y) in enumerate(zip(x.tolist(), y.tolist(), strict=True)):
        image, number = i * N_IMAGES // n, i // SAMPLES_EACH
        time = i * 1000 / RATE
        moves = i % SAMPLES_EACH >= SAMPLES_EACH - 8
        cells = "" if at_x != at_x else f"{at_x:.1f}"
        bare.append(
            f"{image}.png\tP#\t{time:.2f}\t{cells}\t{'' if at_x != at_x else f'{at_y:.1f}'}"
        )
        place = "\t" if moves else f"{x[i - i % SAMPLES_EACH]:.0f}\t{y[i - i % SAMPLES_EACH]:.0f}"
        kind = "Saccade" if moves else "Fixation"
        tobii.append(
            f"{time:.0f}\tP#\t{image}.png\t{kind}\t{26 if moves else 223}\t{number + 1}\t{place}"
            "\tEye Tracker\t3.21"
        )
    for name, lines in (("tobii", tobii), ("bare", bare)):
        (folder / name).mkdir()
        (folder / name / "stimuli.csv").write_text(listed)
        text = "\n".join(lines) + "\n"
        for participant in range(N_PARTICIPANTS):
            path = folder / name / f"participant {participant:02d}.tsv"
            path.write_text(text.replace("P#", f"P{participant:02d}"))


def measured(code: str, folder: Path) -> tuple[float, float, int]:
    """Return user CPU seconds, peak memory in MB and what was found."""
    command = [sys.executable, "-c", MEASURED.format(code=code), str(folder)]
    ran = subprocess.run(
        command,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    seconds, peak_mb, found = json.loads(ran.stdout.splitlines()[-1])
    return seconds, peak_mb, found


def compare(folder: Path, how: Mapping[str, object], rounds: int) -> None:
    """Print what reading takes, and pandas beside it, in turns."""
    codes = {
        "deepgaze2": OURS.format(options=how["options"]),
        "pandas": PEER.format(columns=how["columns"]),
    }
    results: dict[str, list[tuple[float, float, int]]] = {name: [] for name in codes}
    for _ in range(rounds):
        for name, code in codes.items():
            results[name].append(measured(code, folder))
    medians = {
        name: [statistics.median(column) for column in zip(*rows, strict=True)]
        for name, rows in results.items()
    }
    for name, (seconds, peak_mb, found) in medians.items():
        what = "fixations" if name == "deepgaze2" else "rows, only read"
        print(f"  {name}: {seconds:.1f} s of CPU, peak {peak_mb:.0f} MB, {found:.0f} {what}")
    ratio = medians["deepgaze2"][0] / medians["pandas"][0]
    print(f"  deepgaze2 takes {ratio:.1f} times pandas' CPU time", flush=True)


def main() -> None:
    """Write recordings and compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=N_SAMPLES)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), options.samples)
        for name, how in (("tobii", TOBII), ("bare", BARE)):
            print(f"{name}, {options.samples} samples in {N_PARTICIPANTS} files:")
            compare(Path(folder) / name, how, options.rounds)


if __name__ == "__main__":
    main()
