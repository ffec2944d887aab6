"""Speed of the metrics on 50 OSIE images, one core, beside pysaliency's where it is installed.

    python benchmarks/evaluate.py ../shared/data/osie

With DEEPGAZE2_PYSALIENCY_PYTHON, a Python that has pysaliency, both programs compute the same
metrics of the same densities in turns.

The floor: an image of N pixels is a log density, its exponential and an empirical map, 8 N bytes
each. All must be written or read once, and CC, KL divergence and SIM read both of the latter: at
least 3 + 2 * 3 passes, 35 MB for 800 by 600 pixels. The empirical map of n fixations is besides
a matrix product of 2 n N operations, less what lies beyond 4 sigma.
"""

import argparse
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from deepgaze2.data.published.nus_vip import read_osie
from deepgaze2.support.cores import single_threaded_blas

sys.path.append(str(Path(__file__).resolve().parent.parent / "tests"))
from helpers.pysaliency_metrics import PYTHON, Scored

ROUNDS = 5
N_IMAGES = 50
SIGMA_PX = 24
NOT_REPORTED = "KL floored"


def floor_ms(n_pixels: int) -> float:
    """Return the milliseconds of 9 passes over an image in float64, at the measured bandwidth."""
    array = np.zeros(25_000_000)
    seconds = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        array.sum()
        seconds.append(time.perf_counter() - began)
    return 9 * n_pixels * min(seconds) / array.size * 1e3


def main() -> None:
    """Print milliseconds per image and metric."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("osie", type=Path, help="OSIE's folder, with stimuli and eye")
    dataset = read_osie(parser.parse_args().osie).without_first().without_outside()
    scored = Scored(dataset, N_IMAGES, SIGMA_PX)
    ours = {name: score for name, score in scored.ours().items() if name != NOT_REPORTED}
    seconds: dict[str, list[float]] = {metric: [] for metric in ours}
    theirs: dict[str, list[float]] = {metric: [] for metric in ours}

    def our_round() -> None:
        """Score one image after the other by all metrics, as an evaluation does."""
        spent = dict.fromkeys(ours, 0.0)
        for i in range(N_IMAGES):
            for metric, score in ours.items():
                began = time.perf_counter()
                score(i)
                spent[metric] += time.perf_counter() - began
        for metric in ours:
            seconds[metric].append(spent[metric])

    with single_threaded_blas(), tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        peer = stack.enter_context(scored.pysaliency(Path(folder))) if PYTHON else None
        for _ in range(ROUNDS):
            our_round()
            if peer:
                for metric in ours:
                    theirs[metric].append(peer(metric))
    if not PYTHON:
        print("pysaliency: not compared; set DEEPGAZE2_PYSALIENCY_PYTHON")
    print(f"ms per image, the fastest and the median of {ROUNDS} rounds")
    print(f"floor: {floor_ms(800 * 600):.2f}")
    for pick, name in ((min, "fastest"), (statistics.median, "median")):
        print(f"{name:10} {'deepgaze2':>10}" + f" {'pysaliency':>10} {'ratio':>6}" * bool(PYTHON))
        rows = {m: [1e3 * pick(s[m]) / N_IMAGES for s in (seconds, theirs) if s[m]] for m in ours}
        rows["all"] = [sum(column) for column in zip(*rows.values(), strict=True)]
        for metric, row in rows.items():
            ratio = f" {row[1] / row[0]:6.1f}" if PYTHON else ""
            print(f"{metric:10} " + " ".join(f"{ms:10.3f}" for ms in row) + ratio)


if __name__ == "__main__":
    main()
