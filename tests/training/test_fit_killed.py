"""A training that is killed at random moments ends as one that was left alone."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from deepgaze2.training.fit import Curve, Fit, FitSettings, fit
from helpers.training_images import divided, made_up, new_network

SETTINGS = FitSettings(epochs=150, images_per_batch=2, dropout=0.2, mirrored=True)
N_KILLS = 4
PROGRAM = """
import os, random, signal, sys, threading
from pathlib import Path

import torch

from test_fit_killed import train
from deepgaze2.training.fit import Curve

folder, seed = Path(sys.argv[1]), sys.argv[2]
torch.set_num_threads(1)
seconds = random.Random(seed).uniform(0, 0.2)
done = 0

def kill_soon(curve: Curve) -> None:
    global done
    done += 1
    if seed != "none" and done == 3:  # it was called before and after an epoch
        threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGKILL)).start()

(folder / "parameters.bin").write_bytes(train(folder, kill_soon).parameters.tobytes())
"""


def train(folder: Path, report: Callable[[Curve], None] = lambda _: None) -> Fit:
    images = divided(made_up(folder / "images", 4), folder=folder / "mirrored")
    network = new_network()
    return fit(network, images, network.initial(0), SETTINGS, folder / "state.pt", report)


@pytest.mark.slow
def test_killed_and_taken_up_it_ends_the_same(tmp_path: Path) -> None:
    here = Path(__file__).parent
    paths = [here, here.parent, here.parents[1] / "src"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, paths))}
    killed = []
    for attempt in [*map(str, range(N_KILLS)), "none"]:
        command = [sys.executable, "-c", PROGRAM, str(tmp_path / "killed"), attempt]
        done = subprocess.run(command, env=environment, timeout=120, check=False)
        killed.append(done.returncode == -signal.SIGKILL)
        assert killed[-1] or done.returncode == 0
    assert killed == [True] * N_KILLS + [False]
    whole = train(tmp_path / "whole")
    assert (tmp_path / "killed" / "parameters.bin").read_bytes() == whole.parameters.tobytes()
