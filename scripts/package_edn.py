"""Make rivals/edn.safetensors from the published files of eDN.

Usage: python scripts/package_edn.py FOLDER, with svm-slm, svm-slm-cntr, whiten-slm and
whiten-slm-cntr of https://github.com/coxlab/edn-cvpr2014. Prints the file's SHA-256.
"""

import sys
from pathlib import Path

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray

from deepgaze2.support.files import sha256_of, written_atomically

_REPOSITORY = Path(__file__).resolve().parent.parent
_PATH = _REPOSITORY / "src" / "deepgaze2" / "assets" / "rivals" / "edn.safetensors"


def machine(folder: Path, suffix: str) -> dict[str, NDArray[np.float64]]:
    """Return the weights of a linear machine in LIBLINEAR's format, and its whitening."""
    header, weights = (folder / f"svm-slm{suffix}").read_text(encoding="ascii").split("\nw\n")
    if "\nlabel 1 0\n" not in header or not header.endswith("\nbias -1"):
        raise SystemExit(f"{folder / f'svm-slm{suffix}'}: not a machine without bias for label 1")
    mean, deviation = np.loadtxt(folder / f"whiten-slm{suffix}").T
    return {
        "weights": np.array(weights.split(), dtype=np.float64),
        "mean": mean.copy(),
        "deviation": deviation.copy(),
    }


def main() -> None:
    """Write the file and print its checksum."""
    folder = Path(sys.argv[1])
    with_center = {f"center_{key}": value for key, value in machine(folder, "-cntr").items()}
    with written_atomically(_PATH) as temporary:
        temporary.write_bytes(safetensors.numpy.save(machine(folder, "") | with_center))
    print(sha256_of(_PATH), _PATH.name, _PATH.stat().st_size)


if __name__ == "__main__":
    main()
