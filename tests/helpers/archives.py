"""Archives written for tests."""

import io
import tarfile
import zipfile
from pathlib import Path


def write_zip(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def write_tar(path: Path, files: dict[str, bytes], compression: str = "") -> Path:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=f"w:{compression}") as archive:  # type: ignore[call-overload]
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    path.write_bytes(buffer.getvalue())
    return path


def write_tar_member(path: Path, kind: bytes, linkname: str = "") -> Path:
    with tarfile.open(path, "w") as archive:
        member = tarfile.TarInfo("member")
        member.type, member.linkname = kind, linkname
        archive.addfile(member)
    return path
