"""A lab's own recordings: from the table that its program exported to a prediction, as typed."""

import json
import os
import re
import shlex
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

PROGRAM = Path(sys.executable).with_name("deepgaze2")
SIZES = [(320, 240), (240, 320), (360, 200)]
N_IMAGES, N_SUBJECTS, N_FIXATIONS = 18, 3, 6
TABLE = (
    "csv:lab --images lab/Bilder --column image=Reiz --column subject=Vp --column order=Nr"
    " --column x=hpos --column y=vpos --column duration=Dauer --coordinates pixels --base 1"
    " --time ms"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Photos with one conspicuous patch each, and a table as a German Excel writes it."""
    rng = np.random.default_rng(0)
    (tmp_path / "lab" / "Bilder").mkdir(parents=True)
    rows = ["Vp;Reiz;Nr;hpos;vpos;Dauer"]
    for i in range(N_IMAGES):
        width, height = SIZES[i % 3]
        corner = rng.integers((0, 0), (width - 60, height - 60))
        pixels = np.full((height, width, 3), 128, np.uint8)
        patch = Image.fromarray(rng.integers(0, 256, (10, 10, 3), np.uint8)).resize((60, 60))
        pixels[corner[1] : corner[1] + 60, corner[0] : corner[0] + 60] = np.asarray(patch)
        Image.fromarray(pixels).save(tmp_path / "lab" / "Bilder" / f"Küche {i}.png")
        for subject, order in np.ndindex(N_SUBJECTS, N_FIXATIONS):
            center = np.array((width, height)) / 2
            x, y = rng.normal(center, 2) if order == 0 else corner + rng.uniform(0, 60, 2)
            numbers = f"{order + 1};{x + 1:.1f};{y + 1:.1f};{rng.integers(100, 400)}"
            rows.append(f"VP {subject};Küche {i};{numbers.replace('.', ',')}")
    table = "\r\n".join([*rows, ""]).encode("utf-8-sig")
    (tmp_path / "lab" / "export.csv").write_bytes(table)
    return tmp_path


def start(folder: Path, line: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [PROGRAM, *shlex.split(line)],
        cwd=folder,
        env=os.environ | {"DEEPGAZE2_CACHE": str(folder / "cache"), "PYTHONIOENCODING": "utf-8"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )


def run(folder: Path, line: str) -> str:
    process = start(folder, line)
    stdout, stderr = process.communicate(timeout=600)
    assert process.returncode == 0, stderr
    return stdout


@pytest.mark.slow
def test_from_a_labs_table_to_a_prediction(folder: Path) -> None:
    """Trained, killed, taken up, scored on unseen images, moved and used."""
    train = f"train --finetune {TABLE} -o model --folds 3 --from default"
    process = start(folder, train)
    while process.poll() is None and not [*(folder / "model" / "checkpoints").rglob("*.pt")]:
        time.sleep(0.02)
    process.kill()
    _, stderr = process.communicate(timeout=600)
    assert process.returncode != 0, "not stopped while it was training"
    assert "Commas in hpos, vpos are decimal commas" in stderr
    assert "first fixations are left out" in stderr

    advice = run(folder, train).splitlines()[-1]
    assert advice.endswith(f"deepgaze2 evaluate model {TABLE}")
    scores = run(folder, advice.partition("deepgaze2 ")[2])
    assert f"model: {N_IMAGES} images by the readout that has not seen them" in scores
    assert f"{N_IMAGES * N_SUBJECTS * (N_FIXATIONS - 1)} fixations" in scores
    gain = re.search(r"^model +(\d\S+) \(", scores, re.MULTILINE)
    assert gain is not None
    assert float(gain[1]) > 0.5

    (folder / "model").rename(folder / "mein Modell")
    photo = shlex.quote("lab/Bilder/Küche 0.png")
    run(folder, f"predict {photo} --model 'mein Modell' --format json -o out")
    found = json.loads((folder / "out" / "Küche 0.json").read_text("utf-8"))
    assert (found["model"], found["center_bias"]) == ("model", "own")
    assert (found["width"], found["height"]) == SIZES[0]
