"""From saliency to a probability density over the pixels, and what is asked of it.

Begin with `mixture.py`, which makes the density, and `prediction.py`, which answers.
"""
