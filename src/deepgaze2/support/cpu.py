"""Which processor this is and what it can do, as far as the system says so."""

import platform
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_CPUINFO = Path("/proc/cpuinfo")


@dataclass(frozen=True)
class Cpu:
    """A processor.

    Attributes
    ----------
    name
        For people, with numbers that tell models of one name apart.
    features
        Instruction sets, as Linux calls them; none where the system does not list them.
    """

    name: str
    features: frozenset[str]


@cache
def this_cpu() -> Cpu:
    """Return this machine's processor: the first, where there are several."""
    fields: dict[str, str] = {}
    try:
        with _CPUINFO.open(encoding="utf-8") as lines:
            for line in lines:
                name, colon, value = line.partition(":")
                if not colon:  # the next processor is alike
                    break
                fields[name.strip()] = value.strip()
    except OSError:  # not Linux
        pass
    if "model name" not in fields:  # not x86
        return Cpu(platform.processor() or platform.machine(), frozenset())
    numbers = (fields.get(key, "?") for key in ("cpu family", "model"))
    name = f"{fields['model name']} (family {', model '.join(numbers)})"
    return Cpu(name, frozenset(fields.get("flags", "").split()))
