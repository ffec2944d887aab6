"""Published archives downloaded, checked and unpacked.

Begin with `fetch.py`.
"""
