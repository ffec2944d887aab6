"""Which engine computes a network: the fastest here, as timed by `deepgaze2 info --engines`.

Where nothing was timed, a short table decides by what the processor can do; docs/performance.md has
the measurements behind it. Without OpenVINO there is no choice, and nothing is read.
"""

import json
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from deepgaze2.features.network import Addition, Network
from deepgaze2.support.cores import available_cores
from deepgaze2.support.cpu import this_cpu
from deepgaze2.support.files import cache_directory, write_json
from deepgaze2.support.identity import checksum
from deepgaze2.support.typed_json import typed

BITS_LOST = {"openvino-bf16": 0.0005, "torch-bf16": 0.0015}
"""What engines that are not exact lose at most, bits per fixation on OSIE (docs/performance.md).

The upper end of the 95% interval, rounded up; of torch-bf16, seen on 14 images alone, what the
interval reaches to either side.
"""

NATIVE_BF16 = frozenset({"amx_bf16", "avx512_bf16"})
"""Features of processors that compute in bfloat16; others emulate it, several times slower."""

# PyTorch is for GPUs: it was slower on every CPU that was measured, and takes seconds to import.
_CANDIDATES = ("ncnn", "openvino", "openvino-bf16")

_WORTH_IT = 0.9  # of ncnn's time: timings differ by a tenth from run to run

_VERSIONS = ("deepgaze2", "ncnn", "openvino")


@dataclass(frozen=True)
class Choice:
    """An engine, and why it is the one."""

    engine: str
    reason: str


@dataclass(frozen=True)
class Timing:
    """How long an engine takes for one image of 512×384."""

    network: str
    engine: str
    seconds: float


@dataclass(frozen=True)
class _Kept:
    machine: dict[str, str]
    timings: tuple[Timing, ...]


def unusable(engine: str) -> str:
    """Return why an engine cannot be used on the CPU here, or nothing if it can."""
    package = engine.partition("-")[0]
    extras = {"openvino": "openvino", "torch": "train"}
    if package in extras and find_spec(package) is None:
        return f"not installed (pip install 'deepgaze2[{extras[package]}]')"
    if engine.endswith("-bf16") and not NATIVE_BF16 & this_cpu().features:
        return f"{this_cpu().name} is not known to compute in bfloat16"
    return ""


def chosen_engine(network: Network, *, only_exact: bool) -> Choice:
    """Return the engine for a network on the CPU.

    Parameters
    ----------
    only_exact
        Whether none of `BITS_LOST` may be taken.
    """
    usable = [
        name
        for name in _CANDIDATES
        if not (only_exact and name in BITS_LOST) and not unusable(name)
    ]
    if usable == ["ncnn"]:
        return Choice("ncnn", "no other may be taken here")
    timed = {one.engine: one.seconds for one in read_timings() if one.network == network.name}
    if timed.keys() >= {*usable}:
        fastest = min(usable, key=lambda name: timed[name])
        if timed[fastest] <= _WORTH_IT * timed["ncnn"]:
            return Choice(fastest, "the fastest when timed here")
        return Choice("ncnn", "no other was faster by a tenth when timed here")
    return Choice(_by_table(network, usable), "by this kind of processor; not timed here yet")


def _by_table(network: Network, usable: list[str]) -> str:
    """Return what was fastest on processors of the same kind.

    In float32 ncnn was, on all. In bfloat16 AMX is far ahead; with AVX-512 alone (Zen 4) VGG-16
    took as long as with ncnn, whose Winograd convolutions need 3×3 kernels, and ResNet-50 55%.
    """
    residual = any(isinstance(node.operation, Addition) for node in network.nodes)
    pays = residual or "amx_bf16" in this_cpu().features
    return "openvino-bf16" if pays and "openvino-bf16" in usable else "ncnn"


def exact(engine: str) -> str:
    """Return the engine to compute what is kept for others: the same, but exact."""
    return "auto" if engine == "fast" else engine.removesuffix("-bf16")


def timings_path() -> Path:
    """Return where timings of this machine, with these versions, are or would be kept."""
    return cache_directory() / "engines" / f"{checksum(_machine())[:16]}.json"


def read_timings() -> tuple[Timing, ...]:
    """Return what was timed on this machine; nothing if the file is missing, damaged or another's.

    Timings that are not positive do not count.
    """
    try:
        kept: _Kept = typed(_Kept, json.loads(timings_path().read_bytes()), "timings")
    except (OSError, ValueError, RecursionError):
        return ()
    if kept.machine != _machine():
        return ()
    return tuple(one for one in kept.timings if one.seconds > 0)


def keep_timings(timings: tuple[Timing, ...]) -> Path:
    """Add timings to those kept, in place of earlier ones of the same networks.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    networks, path = {one.network for one in timings}, timings_path()
    others = [one for one in read_timings() if one.network not in networks]
    write_json(path, asdict(_Kept(_machine(), (*others, *timings))))
    return path


def _machine() -> dict[str, str]:
    """Return all that timings depend on: processor, cores, versions."""
    cores = str(available_cores())
    return {"cpu": this_cpu().name, "cores": cores, **{name: _version(name) for name in _VERSIONS}}


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
