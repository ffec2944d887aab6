"""What float16 kernels do to the log density, on the packaged example photos.

    python benchmarks/float16.py vgg16_imagenet_caffe.safetensors

The argument is the float32 source of the packaged backbone, in any layout that
`deepgaze2 weights import` reads.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np

import deepgaze2
from deepgaze2.features.engines import create_engine
from deepgaze2.features.weights.importers import import_weights
from deepgaze2.image.examples import example_paths


def main() -> None:
    """Print, for each photo, the difference in nats and in the mass of a region."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path, help="float32 weights")
    packaged = deepgaze2.load()
    (branch,), engine = packaged.branches, create_engine(import_weights(parser.parse_args().source))
    exact = replace(packaged, branches=(replace(branch, engine=engine),))
    print(f"{'photo':<20} {'largest, nats':>14} {'mean, nats':>12} {'moved mass':>12}")
    for path in example_paths():
        half, full = (model.predict(path).log_density for model in (packaged, exact))
        difference = np.abs(half.astype(np.float64) - full)
        moved = 0.5 * np.abs(np.exp(half.astype(np.float64)) - np.exp(full.astype(np.float64)))
        print(
            f"{path.name:<20} {difference.max():>14.2e} {difference.mean():>12.2e} "
            f"{moved.sum():>12.2e}"
        )


if __name__ == "__main__":
    main()
