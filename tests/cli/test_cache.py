"""`deepgaze2 cache`, run as a user would."""

import os
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from deepgaze2.cli import cli
from deepgaze2.features import cache_files as feature_file
from deepgaze2.features.cache import View
from helpers.cached import cache_features
from helpers.small_models import random_backbone, write_photos

DAY_S = 86_400
BACKBONE = random_backbone()


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["cache", *arguments], catch_exceptions=False)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Four images at two taps, each used a day before the next, and others' files."""
    monkeypatch.setenv("DEEPGAZE2_CACHE", str(tmp_path / "cache"))
    photos = write_photos(tmp_path, [(80, 60)] * 4)
    cached = cache_features(photos, BACKBONE, ("conv5_1", "relu5_2"), View(64))
    for i, image in enumerate(cached):
        for path in image.files.values():
            age(path, i)
    for name in ("scores/" + "0" * 32 + ".npz", "backbones/vgg19.safetensors", "features/mine.npy"):
        path = tmp_path / "cache" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(bytes(2000))
        age(path, 400)
    return tmp_path / "cache"


def age(path: Path, days: float) -> None:
    used_s = time.time() - days * DAY_S - 60
    os.utime(path, (used_s, used_s))


def files(cache: Path) -> set[Path]:
    return {path for path in cache.rglob("*") if path.is_file()}


def features(cache: Path) -> list[Path]:
    """Those used last first."""
    return sorted(cache.rglob("*px/*/*.npy"), key=lambda path: -path.stat().st_mtime)


def test_it_shows_where_what_how_much_and_when(cache: Path) -> None:
    result = run()
    assert result.exit_code == 0
    network = f"narrow-vgg16-{BACKBONE.checksum[:16]}"
    each = features(cache)[0].stat().st_size
    assert result.output.startswith(f"{cache}: 9 files, {(8 * each + 2000) / 1e3:.3g} kB of ")
    now = time.strftime("%Y-%m-%d", time.localtime(time.time() - 60))
    for tap in ("conv5_1", "relu5_2"):
        row = (
            f"  features  {network}  64px  {tap}  4 files, {4 * each / 1e3:.3g} kB, last used {now}"
        )
        assert row in result.output
    assert "1 file, 2 kB, last used" in result.output
    assert len(result.output.splitlines()) == 4


def test_an_empty_cache_is_shown_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEEPGAZE2_CACHE", str(tmp_path / "nowhere"))
    assert run().output == f"{tmp_path / 'nowhere'}: 0 files, 0 B of features and scores\n"
    assert run("prune", "--all").output == "0 files, 0 B removed, 0 files, 0 B left\n"
    assert not (tmp_path / "nowhere").exists()


def test_prune_by_age(cache: Path) -> None:
    before, old = files(cache), set(features(cache)[-4:])
    result = run("prune", "--older-than", "2d")
    assert (result.exit_code, files(cache)) == (0, before - old)
    freed_kb = 4 * features(cache)[0].stat().st_size / 1e3
    assert f"4 files, {freed_kb:.3g} kB removed, 5 files, " in result.output
    assert run("prune", "--older-than", "1.5 D").output.startswith("0 files, 0 B removed")


def test_prune_by_size_keeps_what_was_used_last(cache: Path) -> None:
    before, ranked = files(cache), features(cache)
    size = 3 * ranked[0].stat().st_size
    run("prune", "--keep", f"{size}B")
    assert files(cache) == before - set(ranked[3:])
    run("prune", "--keep", "1tb")
    assert files(cache) == before - set(ranked[3:])


def test_prune_all_leaves_scores_weights_and_files_that_are_not_ours(cache: Path) -> None:
    before, ranked = files(cache), features(cache)
    result = run("prune", "--all", "--keep", "10GB")
    assert files(cache) == before - set(ranked)
    assert "8 files, " in result.output
    assert {path.name for path in files(cache)} == {
        *("0" * 32 + ".npz", "vgg19.safetensors", "mine.npy")
    }


@pytest.mark.parametrize("rule", [("--older-than", "0h"), ("--keep", "0 B"), ("--all",)])
def test_a_dry_run_tells_the_same_and_removes_nothing(cache: Path, rule: tuple[str, ...]) -> None:
    before = files(cache)
    told = run("prune", *rule, "--dry-run").output
    assert files(cache) == before
    assert "8 files, " in told
    assert run("prune", *rule).output == told.replace("would be removed", "removed")
    assert features(cache) == []


def test_using_features_makes_them_the_last_used(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos = sorted(tmp_path.glob("*.png"))
    for path in features(cache):
        age(path, 50)
    monkeypatch.setattr(feature_file, "_verified", {})  # as in another process
    (used,) = cache_features(photos[3:], BACKBONE, ("conv5_1", "relu5_2"), View(64))
    run("prune", "--older-than", "30d")
    assert set(features(cache)) == set(used.files.values())


def test_leftovers_of_killed_processes_go_with_any_rule(cache: Path) -> None:
    (path, *_) = features(cache)
    leftover = path.with_name(f".{path.stem[:40]}-ab_12345.npy")
    leftover.write_bytes(bytes(500))
    before = files(cache)
    run("prune", "--keep", "10GB")
    assert files(cache) == before
    age(leftover, 1)
    assert "  leftovers " in run().output
    run("prune", "--keep", "10GB")
    assert files(cache) == before - {leftover}


def test_what_the_system_keeps_is_told(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (first, *others), unlink = features(cache), Path.unlink

    def refuse_one(path: Path, missing_ok: bool = False) -> None:
        if path == first:
            raise PermissionError
        unlink(path, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", refuse_one)
    result = run("prune", "--all")
    assert features(cache) == [first]
    assert f"{len(others)} files, " in result.stdout
    assert result.stderr.startswith("note: 1 file, ")
    assert f"could not be removed, such as {first}" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ((), "say what to remove"),
        (("--dry-run",), "say what to remove"),
        (("--keep", "10"), "10 is not a number with a unit: B, kB, MB, GB, TB"),
        (("--keep", "30d"), "30d is not a number"),
        (("--older-than", "-3d"), "-3d is not a number with a unit: h, d, w"),
        (("--older-than", "soon"), "soon is not a number"),
    ],
)
def test_mistakes_remove_nothing(cache: Path, arguments: tuple[str, ...], reason: str) -> None:
    before = files(cache)
    result = run("prune", *arguments)
    assert result.exit_code == 2
    assert reason in result.output
    assert files(cache) == before
