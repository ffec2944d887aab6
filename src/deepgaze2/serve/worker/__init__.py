"""The process that decodes and computes, and how it is talked to.

Begin with `worker.py`.
"""
