"""Trainings in parallel processes: the same results, and no process is left behind."""

import multiprocessing
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Timer

import numpy as np
import psutil
import pytest
import torch
from numpy.typing import NDArray

from deepgaze2.errors import DataError
from deepgaze2.features.cache import ImageFeatures
from deepgaze2.training import runs as module
from deepgaze2.training.fit import Fit, FitSettings, fit
from deepgaze2.training.images import TrainingImage
from deepgaze2.training.runs import Curves, DeadReadoutError, Run, train_all, train_group
from helpers.training_images import divided, made_up, new_network, train_one_by_one

SETTINGS = FitSettings(epochs=3, images_per_batch=2, dropout=0.2)
SOON_S = 20.0  # on a busy machine


@pytest.fixture(autouse=True)
def _two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two processes with a thread each, as this one has: results depend on that in the last bit."""
    monkeypatch.setattr(module, "available_cores", lambda: 2)


@pytest.fixture
def runs(tmp_path: Path) -> list[Run]:
    images, network = made_up(tmp_path / "images", 6), new_network()
    return [
        Run(
            (f"finetuning-fold{part}",),
            network,
            divided(images, part),
            network.initial(part)[None],
            replace(SETTINGS, seed=part),
            (part,),
        )
        for part in range(3)
    ]


@pytest.fixture
def together(tmp_path: Path) -> Run:
    """Five readouts of three parts."""
    images, network = made_up(tmp_path / "images", 6), new_network()
    seeds = tuple(range(5))
    return Run(
        tuple(f"finetuning-fold{seed}" for seed in seeds),
        network,
        divided(images, [0, 1, 2, 0, 1]),
        np.stack([network.initial(seed) for seed in seeds]),
        SETTINGS,
        seeds,
    )


def assert_same(found: dict[str, Fit], expected: dict[str, Fit]) -> None:
    assert list(found) == list(expected)
    for name, other in expected.items():
        assert found[name].parameters.tobytes() == other.parameters.tobytes()
        assert found[name].curve == other.curve
        np.testing.assert_array_equal(found[name].gains, other.gains)
        np.testing.assert_array_equal(found[name].start_gains, other.start_gains)


def workers() -> list[int]:
    """Numbers of the processes that this one has started for trainings."""
    return [child.pid for child in multiprocessing.active_children() if child.pid]


def assert_soon(true: Callable[[], bool]) -> None:
    until = time.monotonic() + SOON_S
    while not true():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_they_end_as_in_one_process(
    runs: list[Run], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    heard: list[Curves] = []
    found = train_all(
        runs, tmp_path / "out", description="fine-tuning", on_epoch=lambda c: heard.append(dict(c))
    )
    lines = capfd.readouterr().err.splitlines()
    assert lines[0] == "fine-tuning: 0 of 9 epochs"
    assert re.search(
        r"^fine-tuning: 9 of 9 epochs in .*\(finetuning-fold\d, epoch 3 of 3: ", lines[-1]
    )
    assert_same(found, train_one_by_one(runs, tmp_path / "alone", description=""))
    assert workers() == []
    assert heard[-1] == {name: fit.curve for name, fit in found.items()}
    counts = [sum(len(curve.training) for curve in curves.values()) for curves in heard]
    assert counts == sorted(counts)
    assert counts[-1] == 9
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        f"finetuning-fold{part}.pt" for part in range(3)
    ]


def test_groups_end_as_in_one_process_in_bytes_and_as_alone_but_for_rounding(
    together: Run, tmp_path: Path
) -> None:
    """Minibatches are those of all readouts, in whatever groups these are trained."""
    runs = together.groups(2)
    assert [len(run.readouts) for run in runs] == [3, 2]
    found = train_all(runs, tmp_path / "out", description="fine-tuning")
    assert_same(found, train_one_by_one(runs, tmp_path / "two", description=""))
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "finetuning-fold0-and-2-more.pt",
        "finetuning-fold3-and-1-more.pt",
    ]
    for n_groups in (1, 5):
        other = train_one_by_one(
            together.groups(n_groups), tmp_path / str(n_groups), description=""
        )
        assert list(other) == list(found)
        for name, one in other.items():
            np.testing.assert_allclose(one.parameters, found[name].parameters, atol=1e-5)
            np.testing.assert_allclose(one.gains, found[name].gains, atol=1e-4)


def test_a_readout_that_dies_is_trained_once_more_from_other_numbers(
    runs: list[Run], tmp_path: Path
) -> None:
    """From nothing but zeros no readout comes to life. Interrupted, it ends the same."""
    dead = replace(runs[0], starts=np.zeros_like(runs[0].starts), random=True)
    again = replace(SETTINGS, seed=runs[0].settings.seed)
    images, start = dead.images, dead.network.initial(500_000)
    (expected,) = fit(
        *(dead.network, images, start[None], again, [500_000], tmp_path / "expected.pt")
    )

    def stop(curves: Curves) -> None:
        (curve,) = curves.values()
        if len(curve.training) == 2 and (tmp_path / "one-again.pt").exists():
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_group(dead, tmp_path / "one.pt", stop)
    found = train_group(dead, tmp_path / "one.pt", lambda _: None)
    assert_same(found, {dead.name: expected})
    with pytest.raises(DeadReadoutError, match=r"bare center bias .*another seed") as caught:
        train_group(replace(dead, random=False), tmp_path / "two.pt", lambda _: None)
    assert "\n" not in str(caught.value)


def test_a_dead_readout_is_trained_once_more_alone(together: Run, tmp_path: Path) -> None:
    """Those beside it are as if it had never been, and it as if they had not."""
    starts = together.starts.copy()
    starts[[1, 3]] = 0
    some_dead = replace(together, starts=starts, random=True)
    found = train_group(some_dead, tmp_path / "some.pt", lambda _: None)
    expected = train_group(together, tmp_path / "all.pt", lambda _: None)
    assert list(found) == list(expected)
    for k, (name, one) in enumerate(expected.items()):
        if k not in (1, 3):
            assert_same({name: found[name]}, {name: one})
    state = torch.load(tmp_path / "some-again.pt", weights_only=True)
    assert state["best"].shape == (2, together.network.n_parameters)
    seeds = (500_001, 500_003)
    second = replace(
        together.part([1, 3]),
        starts=np.stack([together.network.initial(seed) for seed in seeds]),
        seeds=seeds,
    )
    again = train_group(second, tmp_path / "second.pt", lambda _: None)
    assert_same({name: found[name] for name in again}, again)
    assert all(fit.gains.std() > 0 for fit in found.values())


@pytest.mark.parametrize(("optimizer", "sizes"), [("adam", [2, 2, 1]), ("lbfgs", [1] * 5)])
def test_optimizers_that_go_their_own_way_are_alone(
    together: Run, optimizer: str, sizes: list[int]
) -> None:
    run = replace(together, settings=FitSettings(optimizer, epochs=1))
    groups = run.groups(3)
    assert [len(group.readouts) for group in groups] == sizes
    assert [name for group in groups for name in group.readouts] == list(run.readouts)
    assert [seed for group in groups for seed in group.seeds] == list(run.seeds)
    np.testing.assert_array_equal(np.concatenate([one.starts for one in groups]), run.starts)
    seen = np.concatenate([one.images.seen for one in groups])
    np.testing.assert_array_equal(seen, run.images.seen)
    assert len(run.groups(9)) == 5


@pytest.mark.slow
def test_a_killed_process_is_one_line_and_a_rerun_ends_the_same(
    runs: list[Run], tmp_path: Path
) -> None:
    def kill_one(_: Curves) -> None:
        os.kill(workers()[0], signal.SIGKILL)

    with pytest.raises(DataError, match=r"fine-tuning: a process was killed.*goes on") as caught:
        train_all(runs, tmp_path / "out", description="fine-tuning", on_epoch=kill_one)
    assert "\n" not in str(caught.value)
    assert workers() == []
    assert list((tmp_path / "out").glob("*.pt"))
    found = train_all(runs, tmp_path / "out", description="fine-tuning")
    assert_same(found, train_one_by_one(runs, tmp_path / "alone", description=""))


@dataclass(frozen=True)
class Stuck(ImageFeatures):
    """Features that never come; that they were asked for can be seen in a folder."""

    mark: Path = Path()

    def tensors(self, taps: Sequence[str]) -> list[NDArray[np.float16]]:
        (self.mark / f"{os.getpid()}").touch()
        time.sleep(600)
        return super().tensors(taps)


def stuck(run: Run, mark: Path) -> Run:
    """A training that never ends its first epoch."""
    mark.mkdir(exist_ok=True)

    def wait(images: Sequence[TrainingImage]) -> list[TrainingImage]:
        return [
            replace(
                i,
                features=tuple(
                    Stuck(f.files, f.input_size, f.relu_inputs, mark) for f in i.features
                ),
            )
            for i in images
        ]

    return replace(
        run, images=replace(run.images, images=wait(run.images.images)), readouts=("stuck",)
    )


def test_what_a_training_raises_is_raised_and_ends_the_others(
    runs: list[Run], tmp_path: Path
) -> None:
    endless = stuck(runs[0], tmp_path / "mark")
    nothing = np.zeros_like(runs[1].images.seen)
    hopeless = replace(runs[1], images=replace(runs[1].images, seen=nothing))
    began = time.monotonic()
    with pytest.raises(DataError, match="no image to train on"):
        train_all([endless, hopeless], tmp_path / "out", description="fine-tuning")
    assert time.monotonic() - began < SOON_S
    assert workers() == []


@pytest.mark.parametrize("after_s", [None, 0.0, 0.1, 0.4])
def test_an_interrupt_ends_all_at_once(
    runs: list[Run], tmp_path: Path, after_s: float | None
) -> None:
    """In the middle of an epoch, or while processes begin."""
    mark = tmp_path / "mark"
    waiting = [replace(stuck(run, mark), readouts=run.readouts) for run in runs]

    def interrupt() -> None:
        if after_s is None:
            assert_soon(lambda: len(list(mark.iterdir())) == 2)
        os.kill(os.getpid(), signal.SIGINT)

    timer = Timer(after_s or 0.0, interrupt)

    def train() -> None:
        timer.start()
        train_all(waiting, tmp_path / "out", description="fine-tuning")

    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        train()
    assert time.monotonic() - began < SOON_S
    assert workers() == []
    assert not list(tmp_path.rglob("*.pt"))


PARENT = """
import sys
from pathlib import Path

from deepgaze2.training import runs
from test_runs import SETTINGS, stuck
from helpers.training_images import divided, made_up, new_network

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    network = new_network()
    images = divided(made_up(folder / "images", 3))
    one = runs.Run(("one",), network, images, network.initial(0)[None], SETTINGS, (0,))
    runs.available_cores = lambda: 2
    runs.train_all([one, stuck(one, folder / "mark")], folder, description="training")
"""


@pytest.mark.slow
def test_processes_end_with_a_killed_parent(tmp_path: Path) -> None:
    """One is in an endless epoch, the other has nothing more to do."""
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    here = Path(__file__).parent
    paths = [here, here.parent, here.parents[1] / "src"]
    parent = subprocess.Popen(
        [sys.executable, str(script), str(tmp_path)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(map(str, paths))},
        stderr=subprocess.PIPE,
    )
    try:
        assert_soon(lambda: any((tmp_path / "mark").glob("*")))
        assert_soon((tmp_path / "one.pt").exists)
        children = psutil.Process(parent.pid).children(recursive=True)
        assert len(children) >= 2
    finally:
        parent.kill()
        parent.communicate()
    assert_soon(lambda: not any(child.is_running() for child in children))
