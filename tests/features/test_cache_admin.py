"""Which files count as ours, and which of them are to go."""

import os
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepgaze2.features.cache_admin import (
    FEATURES,
    LEFTOVERS,
    SCORES,
    CachedFile,
    cached_files,
    remove,
    remove_leftovers,
    to_remove,
)
from deepgaze2.support.files import claimed, written_atomically
from helpers.cached import cache_features
from helpers.small_models import random_backbone, write_photos

DIGEST = "0123456789abcdef" * 2
TAP = f"features/vgg16-{DIGEST[:16]}/512px-mirrored/conv5_1"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DEEPGAZE2_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def put(path: Path, age_s: float = 0, content: str = "x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    os.utime(path, (time.time() - age_s, time.time() - age_s))
    return path


def test_what_is_cached_is_ours(cache: Path, tmp_path: Path) -> None:
    photos = write_photos(tmp_path, [(80, 60), (60, 80)])
    cache_features(photos, random_backbone(), ("conv2_2", "relu5_1"))
    files = cached_files()
    assert {file.path for file in files} == {path for path in cache.rglob("*") if path.is_file()}
    (network,) = (cache / "features").iterdir()
    assert {file.group for file in files} == {
        (FEATURES, network.name, "512px", tap) for tap in ("conv2_2", "relu5_1")
    }


def test_nothing_else_is(cache: Path, tmp_path: Path) -> None:
    ours = [put(cache / TAP / f"{DIGEST}-512x384.npy"), put(cache / "scores" / f"{DIGEST}.npz")]
    for place in (
        f"backbones/{DIGEST}.npz",
        f"datasets/{TAP}/{DIGEST}-512x384.npy",
        f"{TAP}/{DIGEST}-512x384.npz",
        f"{TAP}/mine.npy",
        f"{TAP}/deeper/{DIGEST}-512x384.npy",
        f"scores/{DIGEST}.npz.bak",
        f"features/{DIGEST}-512x384.npy",
    ):
        put(cache / place, age_s=1e7)
    elsewhere = put(tmp_path / "elsewhere" / f"{DIGEST}-16x16.npy")
    (cache / TAP / f"{DIGEST}-16x16.npy").symlink_to(elsewhere)
    (cache / TAP.replace("conv5_1", "conv5_2")).symlink_to(elsewhere.parent)
    assert sorted(file.path for file in cached_files()) == sorted(ours)


def test_leftovers_are_what_the_writer_and_the_lock_leave_after_a_day(cache: Path) -> None:
    target = cache / TAP / f"{DIGEST}-2048x1536.npy"
    with (
        written_atomically(target) as temporary,
        claimed(target.parents[1] / target.stem),
    ):
        paths = [temporary, target.parents[1] / f"{target.stem}.lock"]
        assert all(path.exists() for path in paths)
        remove_leftovers()
        assert cached_files() == []
        for path in paths:
            os.utime(path, (time.time() - 90_000,) * 2)
        assert sorted(file.path for file in cached_files()) == sorted(paths)
        put(target, age_s=1e6)
        remove_leftovers()
        assert [path for path in cache.rglob("*") if path.is_file()] == [target]
        temporary.touch()


def test_files_that_are_gone_are_no_error_and_those_in_use_are_told(cache: Path) -> None:
    path = put(cache / TAP / f"{DIGEST}-512x384.npy")
    (file,) = cached_files()
    path.unlink()
    assert remove([file]) == []
    path.mkdir()  # which unlink refuses, as Windows does for a file in use
    assert remove([file]) == [file]


GROUPS = st.sampled_from([(FEATURES, "n", "v", "t"), (SCORES,), (LEFTOVERS,)])
FILES = st.lists(
    st.builds(CachedFile, st.just(Path()), GROUPS, st.integers(0, 100), st.floats(0, 100))
).map(lambda files: sorted(files, key=lambda file: -file.used_s))


@given(files=FILES, since=st.floats(0, 100), keep=st.integers(0, 500))
def test_what_remains_is_used_lately_fits_and_is_as_much_as_fits(
    files: list[CachedFile], since: float, keep: int
) -> None:
    gone = {id(file) for file in to_remove(files, unused_since_s=since, keep_bytes=keep)}
    kinds = {kind: [f for f in files if f.group[0] == kind] for kind in (FEATURES, SCORES)}
    assert all(
        (id(f) in gone) == (f.group == (LEFTOVERS,)) for f in files if f.group[0] != FEATURES
    )
    kept = [file for file in kinds[FEATURES] if id(file) not in gone]
    assert kept == kinds[FEATURES][: len(kept)]  # the last used
    assert sum(file.size_bytes for file in kept) <= keep
    assert all(file.used_s >= since for file in kept)
    if len(kept) < len(kinds[FEATURES]):
        following = kinds[FEATURES][len(kept)]
        too_much = sum(file.size_bytes for file in kept) + following.size_bytes > keep
        assert too_much or following.used_s < since


@given(files=FILES)
def test_without_a_rule_only_leftovers_go(files: list[CachedFile]) -> None:
    assert to_remove(files) == [file for file in files if file.group == (LEFTOVERS,)]
