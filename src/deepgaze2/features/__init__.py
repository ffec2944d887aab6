"""From an image to feature maps: the frozen network, its weights and engines, and the cache.

Begin with `backbone.py`; `cache.py` keeps what engines compute.
"""
