"""What runs the frozen backbone, behind one small interface: image in, feature maps out."""

from deepgaze2.features.engines.base import ENGINES, Engine, create_engine

__all__ = ["ENGINES", "Engine", "create_engine"]
