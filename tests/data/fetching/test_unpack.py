"""Archives that are honest, damaged or hostile."""

import random
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepgaze2.data.fetching import unpack as module
from deepgaze2.data.fetching.unpack import folder_when_whole, unpack
from deepgaze2.errors import DataError, OutputError
from helpers.archives import write_tar, write_tar_member, write_zip

FILES = {
    "Stimuli/1.jpg": b"first",
    "Stimuli/größe 像.jpg": b"",
    "deep/er/fix.mat": bytes(range(256)) * 500,
}


def content_of(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize("kind", ["zip", "tar", "gz", "bz2", "xz"])
def test_unpacks_every_kind_whatever_its_suffix(tmp_path: Path, kind: str) -> None:
    archive = tmp_path / "data.bin"
    if kind == "zip":
        write_zip(archive, FILES)
    else:
        write_tar(archive, FILES, kind.removeprefix("tar"))
    unpack(archive, tmp_path / "out")
    assert content_of(tmp_path / "out") == FILES


LITTER = ["__MACOSX/._1.jpg", "a/.svn/entries", "a/.DS_Store", "a/Thumbs.db", "a/._1.jpg"]


def test_skips_litter_and_nothing_else(tmp_path: Path) -> None:
    kept = {"a/.hidden": b"1", "a/b.svn": b"2", "a/Thumbs.db.jpg": b"3"}
    unpack(write_zip(tmp_path / "a.zip", kept | dict.fromkeys(LITTER, b"x")), tmp_path / "out")
    assert content_of(tmp_path / "out") == kept


OUTSIDE = [
    "../evil",
    "a/../../evil",
    "/tmp/evil",
    "//host/share/evil",
    "C:/evil",
    "C:evil",
    "..\\evil",
    "a\\..\\..\\evil",
    "\\evil",
]


@pytest.mark.parametrize("name", OUTSIDE)
@pytest.mark.parametrize("write", [write_zip, write_tar])
def test_refuses_paths_outside(
    tmp_path: Path, name: str, write: Callable[[Path, dict[str, bytes]], Path]
) -> None:
    archive = write(tmp_path / "bad", {"good": b"1", name: b"2"})
    with pytest.raises(DataError, match="outside the folder") as caught:
        unpack(archive, tmp_path / "in" / "out")
    assert "\n" not in str(caught.value)
    assert content_of(tmp_path) == {"bad": archive.read_bytes(), "in/out/good": b"1"}


@settings(max_examples=200, deadline=None)
@given(name=st.text(st.sampled_from("./\\:aC~\0é"), min_size=1, max_size=12))
def test_no_name_leads_outside(name: str) -> None:
    folder = Path("/some/folder")
    try:
        target = module._target(name, folder, "archive")
    except DataError:
        return
    assert target is None or folder in target.parents
    assert target is None or ".." not in target.parts


def test_backslashes_of_windows_are_folders(tmp_path: Path) -> None:
    info = zipfile.ZipInfo("x")
    info.filename = "DATA\\CNG\\i1.mat"  # the constructor would turn them
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(info, b"1")
    unpack(tmp_path / "a.zip", tmp_path / "out")
    assert content_of(tmp_path / "out") == {"DATA/CNG/i1.mat": b"1"}


def test_utf8_names_that_the_archive_does_not_declare(tmp_path: Path) -> None:
    write_zip(tmp_path / "a.zip", {"größe.jpg": b"1"})
    raw = (tmp_path / "a.zip").read_bytes()
    for header, flags_at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = raw.index(header) + flags_at
        assert int.from_bytes(raw[at : at + 2], "little") & 0x800
        raw = raw[:at] + b"\0\0" + raw[at + 2 :]
    (tmp_path / "a.zip").write_bytes(raw)
    unpack(tmp_path / "a.zip", tmp_path / "out")
    assert content_of(tmp_path / "out") == {"größe.jpg": b"1"}


def test_names_of_old_archives_are_kept_as_they_read(tmp_path: Path) -> None:
    write_zip(tmp_path / "a.zip", {"gr__e.jpg": b"1"})
    raw = (tmp_path / "a.zip").read_bytes().replace(b"gr__e", b"gr\x94\xe1e")  # cp437
    (tmp_path / "a.zip").write_bytes(raw)
    unpack(tmp_path / "a.zip", tmp_path / "out")
    assert content_of(tmp_path / "out") == {"größe.jpg": b"1"}


@pytest.mark.parametrize(
    ("kind", "linkname"),
    [
        (tarfile.SYMTYPE, "/etc/passwd"),
        (tarfile.LNKTYPE, "/etc/passwd"),
        (tarfile.FIFOTYPE, ""),
        (tarfile.CHRTYPE, ""),
        (tarfile.BLKTYPE, ""),
    ],
)
def test_refuses_links_and_devices(tmp_path: Path, kind: bytes, linkname: str) -> None:
    archive = write_tar_member(tmp_path / "a.tar", kind, linkname)
    with pytest.raises(DataError, match="member is a link or device"):
        unpack(archive, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO])
def test_refuses_links_in_zips(tmp_path: Path, kind: int) -> None:
    info = zipfile.ZipInfo("member")
    info.external_attr = (kind | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(info, "/etc/passwd")
    with pytest.raises(DataError, match="member is a link or device"):
        unpack(tmp_path / "a.zip", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("kind", ["zip", "gz", "xz"])
def test_refuses_bombs_before_they_fill_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(module, "_UNSUSPICIOUS_BYTES", 2_000_000)
    bomb = {"zeros": bytes(20_000_000)}
    archive = tmp_path / "bomb"
    if kind == "zip":
        write_zip(archive, bomb)
    else:
        write_tar(archive, bomb, kind)
    with pytest.raises(DataError, match="unpacks to more than"):
        unpack(archive, tmp_path / "out")
    limit_bytes = max(2_000_000, module.MAX_RATIO * archive.stat().st_size)
    assert (tmp_path / "out" / "zeros").stat().st_size <= limit_bytes


def test_the_total_over_all_files_is_limited(tmp_path: Path) -> None:
    archive = write_zip(tmp_path / "a.zip", {str(i): bytes(1000) for i in range(10)})
    with pytest.raises(DataError, match="unpacks to more than"):
        unpack(archive, tmp_path / "out", max_bytes=9_999)
    unpack(archive, tmp_path / "whole", max_bytes=10_000)


def test_the_number_of_files_is_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_FILES", 5)
    for n_files, name in ((5, "few"), (6, "many")):
        write_tar(tmp_path / name, {str(i): b"" for i in range(n_files)}, "gz")
    unpack(tmp_path / "few", tmp_path / "out")
    with pytest.raises(DataError, match="many: holds more than 5 files"):
        unpack(tmp_path / "many", tmp_path / "more")
    assert len(list((tmp_path / "more").iterdir())) == 5


@pytest.mark.parametrize("kind", ["zip", "gz"])
def test_progress_tells_how_much_is_left(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], kind: str
) -> None:
    content = {str(i): random.Random(i).randbytes(3_000_000) for i in range(2)}
    archive = tmp_path / "a"
    write_zip(archive, content) if kind == "zip" else write_tar(archive, content, kind)
    unpack(archive, tmp_path / "out")
    shown = capfd.readouterr().err
    megabytes = f"{archive.stat().st_size / 1e6:.1f}"
    assert f"unpacking a: 0.0 of {megabytes} MB\n" in shown
    assert f"unpacking a: {megabytes} of {megabytes} MB in" in shown


@pytest.mark.parametrize("kind", ["zip", "tar", "gz", "bz2", "xz"])
def test_no_truncation_goes_unnoticed(tmp_path: Path, kind: str) -> None:
    archive = tmp_path / "a"
    if kind == "zip":
        write_zip(archive, FILES)
    else:
        write_tar(archive, FILES, kind.removeprefix("tar"))
    whole = archive.read_bytes()
    end = len(whole)
    if kind == "tar":  # which ends in padding
        end = -(-len(whole.rstrip(b"\0")) // 512) * 512 + 512
    # with tar, cuts between two files lie at multiples of 512 bytes
    for keep in {1, 2, 7, end // 3, end // 2, end - 1, *range(512, end, max(512, end // 40))}:
        archive.write_bytes(whole[: min(keep, end - 1)])
        with pytest.raises(DataError, match=r"fetch it again|web page"):
            unpack(archive, tmp_path / f"out{keep}")


@pytest.mark.parametrize("write", [write_zip, write_tar])
def test_a_flipped_bit_is_noticed(
    tmp_path: Path, write: Callable[[Path, dict[str, bytes]], Path]
) -> None:
    archive = write(tmp_path / "a", FILES)
    raw = bytearray(archive.read_bytes())
    raw[raw.rindex(b"Stimuli") if write is write_zip else raw.index(b"deep/er")] ^= 1
    archive.write_bytes(raw)
    with pytest.raises(DataError, match="a: damaged or incomplete"):
        unpack(archive, tmp_path / "out")


@pytest.mark.parametrize("content", [b"", b"no archive", b"Rar!\x1a\x07\x00"])
def test_other_files_are_no_archives(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.rar").write_bytes(content)
    with pytest.raises(DataError, match=r"a\.rar: damaged or incomplete"):
        unpack(tmp_path / "a.rar", tmp_path / "out")


def test_a_web_page_is_named_as_such(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"\n<!DOCTYPE html><title>Quota exceeded</title>")
    with pytest.raises(DataError, match="is a web page, not an archive"):
        unpack(tmp_path / "a.zip", tmp_path / "out")


def test_a_missing_archive(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        unpack(tmp_path / "none.zip", tmp_path / "out")


def test_encrypted_archives_say_so(tmp_path: Path) -> None:
    archive = write_zip(tmp_path / "a.zip", {"a": b"1"})
    raw = bytearray(archive.read_bytes())
    for header, flags_at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        raw[raw.index(header) + flags_at] |= 1
    archive.write_bytes(raw)
    with pytest.raises(DataError, match="password"):
        unpack(archive, tmp_path / "out")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_file_that_comes_twice_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("fix.mat", b"1")
        archive.writestr("fix.mat", b"2")
    with pytest.raises(DataError, match=r"fix\.mat would be written twice"):
        unpack(tmp_path / "a.zip", tmp_path / "out")
    assert (tmp_path / "out" / "fix.mat").read_bytes() == b"1"


def test_a_file_that_is_also_a_folder(tmp_path: Path) -> None:
    archive = write_zip(tmp_path / "a.zip", {"a": b"1", "a/b": b"2"})
    with pytest.raises(DataError, match="would be written twice"):
        unpack(archive, tmp_path / "out")


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    archive = write_zip(tmp_path / "a.zip", {"a/b": b"1"})
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        unpack(archive, tmp_path / "file" / "out")


def test_the_folder_appears_when_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "new" / "OSIE"
    with pytest.raises(KeyboardInterrupt), folder_when_whole(target):
        raise KeyboardInterrupt
    assert list(target.parent.iterdir()) == []
    with folder_when_whole(target) as folder:
        (folder / "all").write_text("1")
        assert not target.exists()
    assert list(target.parent.iterdir()) == [target]
    assert content_of(target) == {"all": b"1"}
    (tmp_path / "plain").mkdir()
    assert stat.S_IMODE(target.stat().st_mode) == stat.S_IMODE((tmp_path / "plain").stat().st_mode)


def test_a_folder_with_content_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("1")
    with (
        pytest.raises(OutputError, match="cannot be written"),
        folder_when_whole(tmp_path) as folder,
    ):
        (folder / "a").write_text("2")
    assert content_of(tmp_path) == {"mine": b"1"}
