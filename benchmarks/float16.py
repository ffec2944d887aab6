"""What float16 kernels do to the log density, on the packaged example photos.

    python benchmarks/float16.py vgg16_imagenet_caffe.safetensors ResNet-50-model.h5

The arguments are the float32 sources of the default model's networks, in its order, in any layout
that `deepgaze2 weights import` reads.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np

import deepgaze2
from deepgaze2.features.engines import create_engine
from deepgaze2.features.networks import NETWORKS
from deepgaze2.features.weights.importers import import_weights
from deepgaze2.image.examples import example_paths


def main() -> None:
    """Print, for each photo, the difference in nats and in the mass of a region."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sources", type=Path, nargs="+", help="float32 weights")
    packaged, branches = deepgaze2.load(), []
    for branch, source in zip(packaged.branches, parser.parse_args().sources, strict=True):
        network = NETWORKS[branch.backbone.name]
        read = import_weights(source, [network]).with_taps(branch.backbone.taps)
        branches.append(replace(branch, engine=create_engine(read)))
    exact = replace(packaged, branches=tuple(branches))
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
