"""What a command does, seen from a shell."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Outcome:
    """What a shell would see."""

    returncode: int
    stdout: str
    stderr: str


Run = Callable[..., Outcome]
"""Runs `deepgaze2` with a line as it is typed, or with its arguments one by one."""
