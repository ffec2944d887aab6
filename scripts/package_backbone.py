"""Make the packaged VGG-16 file from Caffe-convention weights.

Usage: python scripts/package_backbone.py vgg16_imagenet_caffe.safetensors
"""

import sys
from dataclasses import replace
from pathlib import Path

from deepgaze2.features.backbone import write_backbone
from deepgaze2.features.weights.importers import import_weights
from deepgaze2.support.files import sha256_of

_TARGET = Path(__file__).resolve().parent.parent / "src/deepgaze2/assets/backbones"
_ORIGIN = "packaged: VGG-16 of Simonyan and Zisserman, trained on ImageNet, CC BY 4.0; see NOTICE"


def main() -> None:
    """Convert the file named on the command line."""
    source = Path(sys.argv[1])
    backbone = replace(import_weights(source), origin=_ORIGIN)
    target = _TARGET / f"{backbone.network.name}.safetensors"
    written = write_backbone(backbone, target)
    print(f"source file    sha256 {sha256_of(source)}")
    print(f"packaged file  sha256 {sha256_of(target)}, {target.stat().st_size} bytes")
    print(f"packaged content      {written.checksum}")


if __name__ == "__main__":
    main()
