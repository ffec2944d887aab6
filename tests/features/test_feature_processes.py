"""Filling the cache of features: killed at any moment, by two processes at once, on a full disk."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from deepgaze2.features.cache import View
from helpers.cached import cache_features
from helpers.small_models import random_backbone, write_photos

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals and limits of Unix")

FILL = """
import os, signal, sys, time
from pathlib import Path
from deepgaze2.features import cache_files as feature_file
from deepgaze2.features.engines import create_engine
from deepgaze2.features.cache import View
from helpers.cached import cache_features
from helpers.small_models import random_backbone

photos = sorted(Path(sys.argv[1]).glob("*.png"))
backbone = random_backbone()
taps = backbone.network.taps
computed = 0

class SlowEngine:
    name = device = "cpu"

    def __init__(self, backbone):
        self.engine = create_engine(backbone, threads=1)

    def stored_features(self, image):
        global computed
        computed += 1
        before_an_image()
        return self.engine.stored_features(image)

def before_an_image():
    pass
"""
RUN = """
cache_features(photos, backbone, taps, View(64), make_engine=SlowEngine)
print(computed)
"""
KILL_AT_AN_IMAGE = """
def before_an_image():
    if computed == 4:
        os.kill(os.getpid(), signal.SIGKILL)
"""
KILL_IN_A_FILE = """
trailer, written = feature_file._trailer, 0

def killed(path, content):
    global written
    written += 1
    if written == 8:
        os.kill(os.getpid(), signal.SIGKILL)
    return trailer(path, content)

feature_file._trailer = killed
"""
TOGETHER = """
def before_an_image():
    time.sleep(0.1)

Path(sys.argv[1], f"{os.getpid()}.ready").touch()
while len(list(Path(sys.argv[1]).glob("*.ready"))) < 2:
    time.sleep(0.01)
"""
ON_A_FULL_DISK = """
import resource
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (200, 200))
from deepgaze2 import cli
cli.cli.main = lambda **_: cache_features(photos, backbone, taps, View(64))
cli.main()
"""


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    return write_photos(tmp_path / "photos", [(80, 60)] * 10)


@pytest.fixture
def clean(photos: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """What an undisturbed fill gives; the cache is then an empty one."""
    monkeypatch.setenv("DEEPGAZE2_CACHE", str(tmp_path / "clean"))
    fill(photos)
    monkeypatch.setenv("DEEPGAZE2_CACHE", str(tmp_path / "cache"))
    return contents(tmp_path / "clean")


def fill(photos: list[Path]) -> None:
    backbone = random_backbone()
    cache_features(photos, backbone, backbone.network.taps, View(64))


def contents(cache: Path) -> dict[str, bytes]:
    return {str(p.relative_to(cache)): p.read_bytes() for p in cache.rglob("*") if p.is_file()}


def started(code: str, photos: list[Path]) -> subprocess.Popen[str]:
    tests = str(Path(__file__).parents[1])
    paths = os.pathsep.join([tests, *filter(None, [os.environ.get("PYTHONPATH")])])
    return subprocess.Popen(
        [sys.executable, "-c", FILL + code, str(photos[0].parent)],
        env=os.environ | {"PYTHONPATH": paths},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("kill", [KILL_AT_AN_IMAGE, KILL_IN_A_FILE], ids=["image", "file"])
def test_killed_and_filled_again_the_cache_is_the_same_bit_by_bit(
    photos: list[Path], clean: dict[str, bytes], tmp_path: Path, kill: str
) -> None:
    process = started(kill + RUN, photos)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    cache = tmp_path / "cache"
    left = contents(cache)
    leftovers = left.keys() - clean.keys()
    assert len(leftovers) >= 1
    assert 0 < len(left.keys() - leftovers) < len(clean)
    fill(photos)  # the lock of a process that is dead keeps nobody out
    assert contents(cache).items() >= clean.items()
    temporary = contents(cache).keys() - clean.keys()
    assert temporary or kill == KILL_AT_AN_IMAGE  # beside which others may be written
    for path in temporary:
        os.utime(cache / path, (0, time.time() - 90_000))
    next(cache.rglob("*.npy")).unlink()
    fill(photos)
    assert contents(cache) == clean


def test_two_processes_share_the_work(
    photos: list[Path], clean: dict[str, bytes], tmp_path: Path
) -> None:
    processes = [started(TOGETHER + RUN, photos) for _ in range(2)]
    counts = []
    for process in processes:
        output, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
        counts.append(int(output))
    assert min(counts) >= 1
    assert sum(counts) <= len(photos) + 2  # the last may be computed by both
    assert contents(tmp_path / "cache") == clean


def test_a_full_disk_is_one_line_and_leaves_nothing(
    photos: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system's limit on a file's size fails like a full disk: in the middle of a write."""
    monkeypatch.setenv("DEEPGAZE2_CACHE", str(tmp_path / "cache"))
    process = started(ON_A_FULL_DISK, photos)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 2
    assert output == ""
    error = errors.splitlines()[-1]  # after those of progress
    assert error.startswith("error: ")
    assert "cannot be written (File too large); free some space" in error
    assert contents(tmp_path / "cache") == {}
