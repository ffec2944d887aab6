"""Which image is computed next, and who waits how long.

Begin with `policy.py`; `dispatcher.py` carries out what it decides.
"""
