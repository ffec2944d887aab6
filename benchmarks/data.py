"""Speed and memory of data sets: reading OSIE, filtering 10 million fixations, reading tables.

    python benchmarks/data.py ../shared/data/osie

With DEEPGAZE2_PYSALIENCY_PYTHON, a Python that has pysaliency, the same file of the same data set
is read and filtered by both, in turns. Memory is measured on Linux alone.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from deepgaze2.data.dataset import Dataset, Fixations, Stimuli
from deepgaze2.data.exchange.convert import convert
from deepgaze2.data.own.tabular import OWN_COLUMNS
from deepgaze2.data.published.nus_vip import read_osie

ROUNDS = 5
N_FIXATIONS, N_STIMULI, N_SUBJECTS = 10_000_000, 10_000, 60
N_ROWS = 2_000_000

OURS = """
from deepgaze2.data.exchange.pysaliency_hdf5 import read_pysaliency
def read(path): return read_pysaliency(path)
def filtered(data, i): return data.fixations_on(i).x
"""
PEER = """
import warnings; warnings.simplefilter("ignore")
import h5py, pysaliency
def read(path):
    with h5py.File(path, "r") as file:
        return pysaliency.read_hdf5(file["stimuli"]), pysaliency.read_hdf5(file["fixations"])
def filtered(data, i): return data[1][data[1].n == i].x
"""
PEAK_KB = """
import re, sys, time
def peak_kb(): return int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1])
before = peak_kb()
"""
MEASURE = """
import json
began = time.perf_counter(); data = read(sys.argv[1]); read_s = time.perf_counter() - began
grown_kb = peak_kb() - before
filtered(data, 0)
began = time.perf_counter(); found = [len(filtered(data, i)) for i in range(200)]
print(json.dumps([read_s, (time.perf_counter() - began) / 200, grown_kb / 1e3, sum(found)]))
"""
TABLE = f"""
from deepgaze2.data.own.tabular import read_tabular
{PEAK_KB}
began = time.perf_counter(); read_tabular(sys.argv[1])
print(time.perf_counter() - began, peak_kb() - before)
"""


def median_s(call: Callable[[], object]) -> float:
    """Return the median seconds of a call."""
    seconds = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds)


def many_fixations() -> Dataset:
    """Return 10 million fixations, as many as SALICON has."""
    rng = np.random.default_rng(0)
    stimuli = Stimuli(
        ids=tuple(map(str, range(N_STIMULI))),
        paths=(None,) * N_STIMULI,
        width=np.full(N_STIMULI, 640, np.int32),
        height=np.full(N_STIMULI, 480, np.int32),
        pixels_per_degree=np.full(N_STIMULI, np.nan),
    )
    unknown = np.full(N_FIXATIONS, np.nan, np.float32)
    fixations = Fixations(
        stimulus=np.sort(rng.integers(0, N_STIMULI, N_FIXATIONS, np.int32)),
        subject=rng.integers(0, N_SUBJECTS, N_FIXATIONS, np.int32),
        order=rng.integers(0, 15, N_FIXATIONS, np.int32),
        x=rng.uniform(0, 640, N_FIXATIONS),
        y=rng.uniform(0, 480, N_FIXATIONS),
        start_s=unknown,
        duration_s=unknown,
    )
    return Dataset("many", stimuli, fixations)


def filters() -> None:
    """Print how long it takes to choose among 10 million fixations, and their memory."""
    dataset = many_fixations()
    columns = [getattr(dataset.fixations, name) for name in Fixations.__dataclass_fields__]
    print(f"10 million fixations: {sum(c.nbytes for c in columns) / 1e6:.0f} MB")
    part = np.arange(N_STIMULI // 10)
    calls: dict[str, Callable[[], object]] = {
        "of one stimulus, the first time": lambda: replace_offsets(dataset).fixations_on(5000),
        "of one stimulus": lambda: dataset.fixations_on(5000),
        "of a tenth of the stimuli": lambda: dataset.select(part),
        "of one subject": lambda: dataset.of_subjects([7]),
        "but the first of each scanpath": lambda: dataset.without_first(),
        "inside their image": lambda: dataset.inside(),
    }
    for name, call in calls.items():
        print(f"  {name}: {median_s(call) * 1e3:.2f} ms")


def replace_offsets(dataset: Dataset) -> Dataset:
    """Return the data set without what it remembers of an earlier filter."""
    dataset.__dict__.pop("offsets", None)
    return dataset


def own_table() -> None:
    """Print how long a table of 2 million rows takes, and memory, in a process of its own."""
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "fixations.csv"
        (Path(folder) / "stimuli.csv").write_text(
            "image,width,height\n" + "".join(f"{i}.jpg,640,480\n" for i in range(1000))
        )
        with path.open("w") as stream:
            stream.write(",".join(OWN_COLUMNS) + "\n")
            for i, (x, y) in enumerate(rng.uniform(0, 480, (N_ROWS, 2)).round(1).tolist()):
                stream.write(f"{i // 10 % 1000}.jpg,s{i // 10000 % 60},{i % 10},{x},{y},,0.2\n")
        ran = subprocess.run(
            [sys.executable, "-c", TABLE, folder], capture_output=True, text=True, check=True
        )
    seconds, grown_kb = map(float, ran.stdout.split())
    print(
        f"table of 2 million rows: {seconds:.1f} s, {grown_kb / 1e3:.0f} MB more memory"
        f" ({seconds / N_ROWS * 40e6:.0f} s and {grown_kb / 1e6 / N_ROWS * 40e6:.1f} GB for 40"
        " million)"
    )


def beside_pysaliency(dataset: Dataset) -> None:
    """Print reading and filtering of the same file by both programs, in turns."""
    python = os.environ.get("DEEPGAZE2_PYSALIENCY_PYTHON")
    if not python:
        print("pysaliency: not compared; set DEEPGAZE2_PYSALIENCY_PYTHON")
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "osie.hdf5"
        convert(dataset, path)
        results: dict[str, list[list[float]]] = {"deepgaze2": [], "pysaliency": []}
        for _ in range(ROUNDS):
            for name, interpreter, code in (
                ("deepgaze2", sys.executable, OURS),
                ("pysaliency", python, PEER),
            ):
                command = [interpreter, "-c", code + PEAK_KB + MEASURE, str(path)]
                ran = subprocess.run(command, capture_output=True, text=True, check=True)
                results[name].append(json.loads(ran.stdout))
    for name, rows in results.items():
        read_s, filter_s, grown_mb, found = (statistics.median(c) for c in zip(*rows, strict=True))
        print(
            f"{name}, OSIE as HDF5: read in {read_s:.3f} s with {grown_mb:.0f} MB more memory;"
            f" fixations of one stimulus in {filter_s * 1e3:.4f} ms ({found:.0f} on 200 stimuli)"
        )


def main() -> None:
    """Run all benchmarks."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("osie", type=Path, help="OSIE's folder, with stimuli and eye")
    folder = parser.parse_args().osie
    dataset = read_osie(folder)
    print(
        f"OSIE: {len(dataset.stimuli)} images and {len(dataset.fixations)} fixations read in"
        f" {median_s(lambda: read_osie(folder)):.2f} s"
    )
    filters()
    own_table()
    beside_pysaliency(dataset)


if __name__ == "__main__":
    main()
