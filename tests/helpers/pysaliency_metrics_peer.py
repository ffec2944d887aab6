"""Run by pysaliency's own Python: computes its metrics for given densities and fixations.

`FOLDER` holds `input.npz`, see `metrics_input` in test_metrics_pysaliency.py. Each line of
standard input names a metric; the answer is the seconds that it took, on a line of its own, and
the values are saved as `METRIC.npy` in the folder.
"""

# mypy: ignore-errors
# ruff: noqa: ANN001, ANN201, ANN202, ANN204

import sys
import time
from pathlib import Path

import numpy as np
import pysaliency
from pysaliency.saliency_map_models import FullShuffledNonfixationProvider


class GivenDensity(pysaliency.Model):
    """Images are of one gray level each: their number."""

    def __init__(self, log_densities):
        super().__init__(caching=False)
        self.log_densities = log_densities

    def _log_density(self, stimulus):
        return self.log_densities[int(stimulus[0, 0])]


class GivenMap(pysaliency.SaliencyMapModel):
    def __init__(self, maps):
        super().__init__(caching=False)
        self.maps = maps

    def _saliency_map(self, stimulus):
        return self.maps[int(stimulus[0, 0])]


class Sizes:
    """Stands for the stimuli of the whole data set, of which only sizes are asked."""

    def __init__(self, sizes):
        self.sizes = sizes


def fixations_of(x, y, n):
    return pysaliency.FixationTrains.from_fixation_trains(
        [[v] for v in x], [[v] for v in y], [[0.0]] * len(n), n, np.zeros(len(n), int)
    )


def main(folder: Path) -> None:
    given = np.load(folder / "input.npz")
    n_images = int(given["n_images"])
    log_densities = [given[f"log_density_{i}"].astype(float) for i in range(n_images)]
    baselines = [given[f"log_baseline_{i}"].astype(float) for i in range(n_images)]
    shapes = [m.shape for m in log_densities]
    stimuli = pysaliency.Stimuli([np.full(shape, i, np.uint8) for i, shape in enumerate(shapes)])
    model, baseline = GivenDensity(log_densities), GivenDensity(baselines)
    saliency = GivenMap([np.exp(m) for m in log_densities])
    scored = given["n"] < n_images
    everything = fixations_of(given["x"], given["y"], given["n"])
    fixations = fixations_of(*(given[name][scored] for name in "xyn"))
    others = FullShuffledNonfixationProvider(Sizes(given["sizes"].tolist()), everything)

    def nonfixations(_stimuli, fixations, i):
        return others.nonfixations_for_image(fixations.n[i])

    kernel_px = float(given["sigma_px"])
    empirical = pysaliency.FixationMap(stimuli, fixations, kernel_size=kernel_px)
    blurred = pysaliency.FixationMap(stimuli, fixations, kernel_size=kernel_px, caching=False)
    regularized = {"minimum_value": 0, "log_regularization": 2.0**-52}
    regularized["quotient_regularization"] = 2.0**-52
    metrics = {
        "IG": lambda: model.information_gains(stimuli, fixations, baseline),
        "AUC": lambda: saliency.AUCs(stimuli, fixations),
        "sAUC": lambda: saliency.AUCs(stimuli, fixations, nonfixations=nonfixations),
        "NSS": lambda: saliency.NSSs(stimuli, fixations),
        "empirical": lambda: [blurred.saliency_map(stimulus)[0, 0] for stimulus in stimuli],
        "CC": lambda: saliency.CCs(stimuli, empirical),
        "KL": lambda: saliency.KLDivs(stimuli, empirical, **regularized),
        "KL floored": lambda: saliency.KLDivs(stimuli, empirical),
        "SIM": lambda: saliency.SIMs(stimuli, empirical),
    }
    for line in sys.stdin:
        began = time.perf_counter()
        values = metrics[line.strip()]()
        seconds = time.perf_counter() - began
        np.save(folder / f"{line.strip()}.npy", np.asarray(values))
        sys.stdout.write(f"{seconds}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
