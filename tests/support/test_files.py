"""Files appear whole under their name or not at all."""

import errno
import hashlib
import os
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from deepgaze2.errors import OutputError
from deepgaze2.support.files import cache_directory, claimed, locked, sha256_of, written_atomically


def test_a_file_appears_whole_in_a_new_folder(tmp_path: Path) -> None:
    target = tmp_path / "a" / "b" / "scores.json"
    with written_atomically(target) as temporary:
        assert temporary.parent == target.parent
        assert temporary.suffix == ".json"
        temporary.write_text("{}")
        assert not target.exists()
    assert target.read_text() == "{}"
    assert list(target.parent.iterdir()) == [target]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, MemoryError])
def test_a_failure_keeps_the_old_file_and_leaves_nothing(
    tmp_path: Path, error: type[BaseException]
) -> None:
    target = tmp_path / "map.npy"
    target.write_text("old")

    def fail() -> None:
        with written_atomically(target) as temporary:
            temporary.write_text("half of the n")
            raise error

    with pytest.raises(error):
        fail()
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_full_disk_is_an_output_error(tmp_path: Path) -> None:
    target = tmp_path / "map.npy"

    def fill_the_disk() -> None:
        with written_atomically(target):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(OutputError, match=r"map\.npy: cannot be written \(No space left"):
        fill_the_disk()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="pipes and links of POSIX")
def test_what_is_no_file_is_kept(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(tmp_path / "pipe")  # as /dev/stdout is
    for name, what in (("folder", "a folder"), ("pipe", "a device"), ("link", "a device")):
        with (
            pytest.raises(OutputError, match=f"{name}: is {what}"),
            written_atomically(tmp_path / name),
        ):
            pass
    assert {path.name for path in tmp_path.iterdir()} == {"folder", "pipe", "link"}
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_a_link_stays_and_its_file_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "real.json").write_text("old")
    (tmp_path / "link.json").symlink_to("real.json")
    with written_atomically(tmp_path / "link.json") as temporary:
        temporary.write_text("new")
    assert (tmp_path / "link.json").is_symlink()
    assert (tmp_path / "real.json").read_text() == "new"


def test_a_folder_that_cannot_be_is_an_output_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for target in (tmp_path / "file" / "x.npy", tmp_path / ("x" * 300) / "x.npy", tmp_path):
        with pytest.raises(OutputError), written_atomically(target) as temporary:
            temporary.write_text("")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_long_and_foreign_names_are_written(tmp_path: Path) -> None:
    for name in ("é" * 100 + ".png", "人" * 80 + ".npy", ".hidden", "no suffix", "a\udce9.png"):
        with written_atomically(tmp_path / name) as temporary:
            temporary.write_text(name, errors="surrogateescape")
        assert (tmp_path / name).exists()
    assert len(list(tmp_path.iterdir())) == 5


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no permission bits")
def test_permissions_are_those_of_any_new_file(tmp_path: Path) -> None:
    (tmp_path / "ordinary").write_text("")
    with written_atomically(tmp_path / "atomic") as temporary:
        temporary.write_text("")
    modes = {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert len(modes) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no permission bits")
def test_threads_leave_the_umask_and_each_other_alone(tmp_path: Path) -> None:
    before = os.umask(0o027)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:

        def write(i: int) -> None:
            with written_atomically(tmp_path / str(i % 50)) as temporary:
                temporary.write_text(str(i % 50))

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(write, range(300)))
    finally:
        sys.setswitchinterval(interval)
        after = os.umask(before)
    assert after == 0o027
    for path in tmp_path.iterdir():
        assert path.read_text() == path.name


def test_sha256_is_hashlibs_over_several_chunks(tmp_path: Path) -> None:
    content = bytes(range(256)) * 10_000
    (tmp_path / "x").write_bytes(content)
    assert sha256_of(tmp_path / "x") == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize(
    ("platform", "variables", "expected"),
    [
        ("linux", {"DEEPGAZE2_CACHE": "/elsewhere"}, "/elsewhere"),
        ("linux", {"DEEPGAZE2_CACHE": "~/dg"}, "/home/eve/dg"),
        ("linux", {"XDG_CACHE_HOME": "/xdg"}, "/xdg/deepgaze2"),
        ("linux", {}, "/home/eve/.cache/deepgaze2"),
        ("darwin", {}, "/home/eve/Library/Caches/deepgaze2"),
        ("win32", {"LOCALAPPDATA": "/local"}, "/local/deepgaze2"),
    ],
)
def test_the_cache_lies_where_the_platform_keeps_caches(
    monkeypatch: pytest.MonkeyPatch, platform: str, variables: dict[str, str], expected: str
) -> None:
    for name in ("DEEPGAZE2_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in (variables | {"HOME": "/home/eve"}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "platform", platform)
    assert cache_directory() == Path(expected)


def test_a_lock_keeps_others_out_and_goes_with_its_block(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file"
    with locked(path):
        with pytest.raises(OutputError, match="file: is being written by another"), locked(path):
            pass
        with locked(path.with_name("other")):
            pass
    assert list(path.parent.iterdir()) == []
    with pytest.raises(KeyboardInterrupt), locked(path):
        raise KeyboardInterrupt
    assert list(path.parent.iterdir()) == []


def test_a_claim_lets_others_in_and_tells_them(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with claimed(path) as first:
        for _ in range(2):  # an entry that was not the first does not end the claim
            with claimed(path) as second:
                assert (first, second) == (True, False)
        assert path.with_name("file.lock").exists()
    assert list(tmp_path.iterdir()) == []


def test_a_lock_ends_with_its_process(tmp_path: Path) -> None:
    path = tmp_path / "file"
    code = (
        "import os; from pathlib import Path; from deepgaze2.support.files import locked\n"
        f"with locked(Path({str(path)!r})): os._exit(3)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 3
    with locked(path):
        assert path.with_name("file.lock").exists()
