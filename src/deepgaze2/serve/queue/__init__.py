"""Which image is computed next, and who waits how long.

Begin with `dispatcher.py`.
"""
