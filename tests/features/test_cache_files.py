"""A feature file: read as it was written, or found to be damaged."""

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from deepgaze2.errors import DataError
from deepgaze2.features import cache_files as feature_file
from deepgaze2.features.cache_files import read_feature_map, write_feature_map

FEATURES: NDArray[np.float16] = (
    np.random.default_rng(0).normal(0, 300, (5, 3, 4)).astype(np.float16)
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "512px" / "conv5_1" / "0-64x48.npy"
    write_feature_map(path, FEATURES)
    return path


def read_as_another_process(path: Path, monkeypatch: pytest.MonkeyPatch) -> NDArray[np.float16]:
    monkeypatch.setattr(feature_file, "_verified", {})
    return read_feature_map(path)


def test_what_is_written_is_read(path: Path) -> None:
    found = read_feature_map(path)
    assert found.dtype == np.float16
    np.testing.assert_array_equal(found, FEATURES)


def test_numpy_reads_it_too(path: Path) -> None:
    for found in (np.load(path), np.load(path, mmap_mode="r")):
        np.testing.assert_array_equal(found, FEATURES)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_any_altered_byte_and_any_other_length_is_found_out(
    path: Path, monkeypatch: pytest.MonkeyPatch, data: st.DataObject
) -> None:
    whole = path.read_bytes()
    position = data.draw(st.integers(0, len(whole) - 1))
    altered = bytearray(whole)
    altered[position] ^= data.draw(st.integers(1, 255))
    try:
        for content in (altered, whole[:position], whole + altered[: position + 1]):
            path.write_bytes(content)
            with pytest.raises(DataError, match=r"0-64x48\.npy: is damaged .*; run this again"):
                read_as_another_process(path, monkeypatch)
    finally:
        path.write_bytes(whole)
    np.testing.assert_array_equal(read_as_another_process(path, monkeypatch), FEATURES)


def test_a_whole_file_in_anothers_place_is_found_out(path: Path) -> None:
    for other in (path.with_name("1-64x48.npy"), path.parents[1] / "conv5_2" / path.name):
        other.parent.mkdir(exist_ok=True)
        other.write_bytes(path.read_bytes())
        with pytest.raises(DataError, match="damaged"):
            read_feature_map(other)


def test_a_cache_may_be_moved(path: Path, tmp_path: Path) -> None:
    folder = tmp_path / "features" / "network"
    folder.mkdir(parents=True)
    write_feature_map(folder / "512px" / "conv5_1" / "0.npy", FEATURES)
    (tmp_path / "features").rename(tmp_path / "elsewhere")
    moved = tmp_path / "elsewhere" / "network" / "512px" / "conv5_1" / "0.npy"
    np.testing.assert_array_equal(read_feature_map(moved), FEATURES)


def test_a_process_computes_the_checksum_once_unless_the_file_changes(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_feature_map(path)
    computed = []
    trailer = feature_file._trailer

    def counted(path: Path, content: memoryview) -> bytes:
        computed.append(path)
        return trailer(path, content)

    monkeypatch.setattr(feature_file, "_trailer", counted)
    for _ in range(3):
        read_feature_map(path)
    assert computed == []
    os.utime(path, (1, 1))
    read_feature_map(path)
    assert computed == [path]


def test_the_time_stamp_tells_the_last_process_that_used_it(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Set once by each: two that touched it at each use would make each other verify it."""
    os.utime(path, (1, 1))
    read_as_another_process(path, monkeypatch)
    assert path.stat().st_mtime > 1e9
    os.utime(path, (1, 1))
    read_feature_map(path)
    assert path.stat().st_mtime == 1


def test_a_removed_file_says_what_to_do(path: Path) -> None:
    read_feature_map(path)
    path.unlink()
    with pytest.raises(DataError, match=r"0-64x48\.npy: is missing.*; run this again"):
        read_feature_map(path)
