"""From saliency to a probability density over the pixels, and what can be asked of it.

Begin with `mixture.py`, which computes the density, and `fixation_density.py`, which holds it.
`regions.py`, `plot.py` and `files.py` work on that; `prediction.py` offers all of it as methods.
"""
