"""Make a packaged backbone file from its published source.

Usage: python scripts/package_backbone.py vgg16_imagenet_caffe.safetensors
       python scripts/package_backbone.py .../ResNet50/model.json
"""

import hashlib
import json
import sys
from dataclasses import replace
from pathlib import Path

from deepgaze2.features.backbone import write_backbone
from deepgaze2.features.weights.importers import import_weights
from deepgaze2.support.files import sha256_of

_TARGET = Path(__file__).resolve().parent.parent / "src/deepgaze2/assets/backbones"
_ORIGINS = {
    "vgg16": "packaged: VGG-16 of Simonyan and Zisserman, trained on ImageNet, CC BY 4.0;"
    " see NOTICE",
    "resnet50": "packaged: ResNet-50 of He, Zhang, Ren and Sun, trained on ImageNet, MIT license;"
    " see NOTICE",
}


def _sha256_of_shards(model: Path) -> str:
    """Hash a TensorFlow.js model's shards, one after the other."""
    groups = json.loads(model.read_text(encoding="utf-8"))["weightsManifest"]
    digest = hashlib.sha256()
    for name in (name for group in groups for name in group["paths"]):
        digest.update((model.parent / name).read_bytes())
    return digest.hexdigest()


def main() -> None:
    """Convert the file named on the command line."""
    source = Path(sys.argv[1])
    backbone = import_weights(source)
    target = _TARGET / f"{backbone.name}.safetensors"
    written = write_backbone(replace(backbone, origin=_ORIGINS[backbone.name]), target)
    print(f"source file    sha256 {sha256_of(source)}")
    if source.suffix == ".json":
        print(f"its shards     sha256 {_sha256_of_shards(source)}")
    print(f"packaged file  sha256 {sha256_of(target)}, {target.stat().st_size} bytes")
    print(f"packaged content      {written.checksum}")


if __name__ == "__main__":
    main()
