"""A training that is killed at random moments ends as one that was left alone."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from deepgaze2.training.fit import Curve, FitSettings, fit
from helpers.training_images import divided, made_up, new_network

SETTINGS = FitSettings(epochs=150, images_per_batch=2, dropout=0.2, mirrored=True)
N_KILLS = 4
PROGRAM = """
import os, random, signal, sys, threading
from pathlib import Path

import torch

from test_fit_killed import train

folder, seed, n_readouts = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
torch.set_num_threads(1)
seconds = random.Random(seed).uniform(0, 0.2)
done = 0

def kill_soon(_: object) -> None:
    global done
    done += 1
    if seed != "none" and done == 3:  # it was called before and after an epoch
        threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGKILL)).start()

(folder / "parameters.bin").write_bytes(train(folder, n_readouts, kill_soon))
"""


def train(
    folder: Path, n_readouts: int, report: Callable[[Sequence[Curve]], None] = lambda _: None
) -> bytes:
    images = made_up(folder / "images", 4)
    chosen = divided(images, range(n_readouts), folder=folder / "mirrored")
    network = new_network()
    starts = np.stack([network.initial(seed) for seed in range(n_readouts)])
    fits = fit(
        *(network, chosen, starts, SETTINGS, range(n_readouts), folder / "state.pt"), report=report
    )
    return b"".join(one.parameters.tobytes() for one in fits)


@pytest.mark.slow
@pytest.mark.parametrize("n_readouts", [1, 3])
def test_killed_and_taken_up_it_ends_the_same(tmp_path: Path, n_readouts: int) -> None:
    here = Path(__file__).parent
    paths = [here, here.parent, here.parents[1] / "src"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, paths))}
    killed = []
    for attempt in [*map(str, range(N_KILLS)), "none"]:
        given = str(tmp_path / "killed"), attempt, str(n_readouts)
        command = [sys.executable, "-c", PROGRAM, *given]
        done = subprocess.run(command, env=environment, timeout=120, check=False)
        killed.append(done.returncode == -signal.SIGKILL)
        assert killed[-1] or done.returncode == 0
    assert killed == [True] * N_KILLS + [False]
    whole = train(tmp_path / "whole", n_readouts)
    assert (tmp_path / "killed" / "parameters.bin").read_bytes() == whole
